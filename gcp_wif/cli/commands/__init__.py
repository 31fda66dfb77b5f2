"""The commands, one file each: `gcp_wif.cli.app` finds them by name."""
