"""The program: `gcp-wif`, and `python -m gcp_wif`."""

import gc

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    # Nothing that is imported becomes garbage, so looking for some meanwhile is a tenth of the start-up time.
    gc.disable()
    from gcp_wif.cli.app import run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
