"""What Ctrl-C and SIGTERM do to a command: it ends with exit code 130 and says what was done, at any moment.

The first signal raises KeyboardInterrupt, so that locks are let go and unfinished files removed on the way out. Where
that does not end the command soon, because a thread waits for a server, or where a second signal comes, the process
ends at once. Only work that must be brought to an end (``Terminal.finishing``) is waited for as long as it takes.
"""

import atexit
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from gcp_wif.cli.output import Terminal, error_document
from gcp_wif.errors import StoppedError

__all__ = ["end", "interruptible"]

_UNWIND_SECONDS = 2.0
"""How long leaving may take after the first signal: removing a file takes milliseconds."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(out: Terminal) -> Iterator[None]:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt in the main thread; a signal that is ignored stays ignored.

    Raises:
        StoppedError: WIF010, for an interrupt that nobody inside answered.
    """
    seen = False

    def leave_at_once(*_: object) -> None:
        # What was interrupted may hold the streams' locks, so what is said here goes past them.
        error = StoppedError(f"Interrupted, and stopped at once. {out.so_far}", code="WIF010")
        if not out.answered:
            with suppress(OSError):
                os.write(2, f"error {error.code}: {error.message}\n".encode())
                if out.as_json:
                    os.write(1, f"{json.dumps(error_document(error))}\n".encode())
        os._exit(error.exit_code)

    def on_signal(*_: object) -> None:
        nonlocal seen
        if seen:
            leave_at_once()
        seen = True
        if out.finishing:
            with suppress(OSError):
                os.write(2, b"Interrupted: waiting for the changes under way. A second Ctrl-C stops at once.\n")
        else:
            signal.signal(signal.SIGALRM, leave_at_once)
            signal.setitimer(signal.ITIMER_REAL, _UNWIND_SECONDS)
        raise KeyboardInterrupt

    previous: dict[signal.Signals, Any] = {}
    with suppress(ValueError):  # not the main thread, as where a program calls the command line itself
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` and background jobs want it
                previous[number] = signal.signal(number, on_signal)
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"Interrupted. {out.so_far}".rstrip(), code="WIF010") from None
    finally:
        if not seen:
            for number, handler in previous.items():
                signal.signal(number, handler)


def end(code: int) -> NoReturn:
    """End the process with ``code``, whatever signal comes while Python leaves.

    Python takes its modules apart at the end, 2 ms of each step of a job, and nobody needs it: what registered itself
    for the exit is called, the streams are flushed, and the kernel takes the rest.
    """
    for number in _SIGNALS:
        signal.signal(number, lambda *_: os._exit(code))
    if "threading" in sys.modules and sys.modules["threading"].active_count() > 1:
        sys.exit(code)  # which waits for the others
    atexit._run_exitfuncs()  # noqa: SLF001 - nothing public calls them without taking the modules apart
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
