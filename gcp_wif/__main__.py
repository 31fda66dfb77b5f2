"""The program: `gcp-wif`, and `python -m gcp_wif`."""

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    # Nothing that is imported becomes garbage, so looking for some meanwhile is a tenth of the start-up time.
    gc.disable()
    try:
        from gcp_wif.cli.app import run

        gc.freeze()
        gc.enable()
        run()
    except KeyboardInterrupt:  # while the program is being loaded, or after all is said
        sys.exit(130)


if __name__ == "__main__":
    main()
