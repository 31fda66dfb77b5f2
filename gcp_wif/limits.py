"""The limits of what gcp-wif reads, waits for and shows: one place, so that a reviewer sees them side by side.

Plain constants; no imports. Sizes are bytes or characters, times are seconds.
"""

CI_CONFIG_BYTES = 1_000_000
"""The largest config of a CI system that is read. The largest that CircleCI's own orbs and examples have is 60 KB."""

YAML_NODES = 50_000
"""The most values, keys included, that a YAML file may write down; a config of 3,000 lines has about 12,000."""

YAML_EXPANDED_NODES = 200_000
"""The most that it may have once each alias stands for what it names: aliases of aliases multiply without end."""

YAML_DEPTH = 64
"""How deep YAML may be nested; a CI config is about 15 deep."""

INSTALL_CHARACTERS = 1_000
"""The longest command that installs gcp-wif: one line of a shell script."""
