"""The standard streams, where whoever started the process has closed some of them (``<&-``, ``>&-``, ``2>&-``)."""

import contextlib
import os
import sys

__all__ = ["hold_standard_streams"]


def hold_standard_streams() -> None:
    """Give the numbers 0, 1 and 2 to something harmless where they are free, before any file is opened.

    The kernel gives a new file the lowest free number. With stderr closed a token file could become number 2, and
    what a library or a child process writes to its stderr would land in it. A closed stdin reads as empty, a closed
    stderr takes everything, and a closed stdout refuses what is written, so that a result that is lost is an error.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):  # no /dev/null: nothing can be done
                os.set_inheritable(os.open(os.devnull, flags), True)
    # Python has None for a stream that was closed when it started.
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - likewise
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - likewise
