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
        # A job's command makes some tens of thousands of objects and ends; the default looks at every 700th.
        gc.set_threshold(50_000)
        gc.enable()
        run()
    except KeyboardInterrupt:  # while the program is being loaded, or after all is said
        sys.exit(130)


if __name__ == "__main__":
    main()
