"""Asking a program of a CI system for a token: bounded in time and size, and what it printed is never repeated."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from gcp_wif.errors import InputError, UnavailableError
from gcp_wif.limits import ASK_SECONDS, MAX_TOKEN_BYTES, TELL_SECONDS

__all__ = ["Run", "ask_program", "run_program", "tell_program"]

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[bytes]"]
"""How a program is run; tests give their own."""

_MOST_BYTES = MAX_TOKEN_BYTES + 2  # a line break may stand behind it


def run_program(command: Sequence[str], *, seconds: float = ASK_SECONDS) -> "subprocess.CompletedProcess[bytes]":
    """Run a program without input; its standard output is read up to what a token may have, its errors are dropped.

    `subprocess.run` has no bound for the size, and leaves the children of a program that it kills.

    Raises:
        TimeoutExpired: it, or a process that it left behind, held the output open for longer than ``seconds``.
        OSError: it cannot be run.
    """
    deadline = time.monotonic() + seconds
    output = b""
    process = subprocess.Popen(  # noqa: S603 - arguments without a shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with process, selectors.DefaultSelector() as selector:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            while len(output) <= _MOST_BYTES:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise subprocess.TimeoutExpired(command, seconds)
                part = os.read(process.stdout.fileno(), 65_536)
                if not part:
                    process.wait(max(0.0, deadline - time.monotonic()))
                    break
                output += part
        finally:
            if process.poll() is None:  # with its children, which share its group
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, output)


def tell_program(command: Sequence[str], text: str, *, seconds: float = TELL_SECONDS) -> bool:
    """Give a program ``text`` on its standard input, which the process list does not show; whether it took it."""
    try:
        done = subprocess.run(  # noqa: S603 - arguments without a shell
            command, input=text.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds,
            start_new_session=True, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def ask_program(command: Sequence[str], run: Run | None, *, name: str, missing: str, failed: str) -> str:
    """What the program prints.

    Args:
        command: the program and its arguments.
        run: how it is run; ``None`` for a real process.
        name: the call in words, without the arguments that vary.
        missing: what to do where there is no such program.
        failed: what to do where it fails.

    Raises:
        InputError: WIF208 it is not there or cannot be run.
        UnavailableError: WIF603 it fails, hangs, or prints what is too long for a token.
    """
    try:
        done = (run or run_program)(command)
    except FileNotFoundError as error:
        raise InputError(
            f"A token is asked for with `{name}`, but there is no program `{command[0]}` on the PATH.",
            hint=missing,
            code="WIF208",
        ) from error
    except subprocess.TimeoutExpired:
        # `from None`: the exception holds what the program had printed.
        raise UnavailableError(
            f"`{name}` did not answer within {ASK_SECONDS:.0f} seconds.", hint=failed, code="WIF603"
        ) from None
    except OSError as error:
        raise InputError(f"`{command[0]}` could not be run: {error.strerror}.", hint=missing, code="WIF208") from error
    if done.returncode != 0 and len(done.stdout) <= _MOST_BYTES:
        raise UnavailableError(f"`{name}` failed with exit code {done.returncode}.", hint=failed, code="WIF603")
    if len(done.stdout) > _MOST_BYTES:
        raise UnavailableError(
            f"`{name}` printed more than {MAX_TOKEN_BYTES // 1024} KiB, which is no token.", hint=failed, code="WIF603"
        )
    return done.stdout.decode("utf-8", "replace")
