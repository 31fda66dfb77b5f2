"""Running somebody's command as if gcp-wif were not there: its streams, its signals, its exit code."""

import os
import select
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from gcp_wif.errors import InputError, from_outside

__all__ = ["run_command"]

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
"""What a process is told by signals. Those of job control are left as they are: the terminal sends them to the whole
process group, in which this process and the command are, so that a shell can stop and continue both."""

_GROUP_SECONDS = 0.05


def run_command(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command to its end; its exit code, or 128 and the number of the signal that ended it, as shells have it.

    A signal to this process is passed on. One to the whole process group, such as Ctrl-C on a terminal, has reached the
    command by itself: it must not get it twice, since some programs stop in good order at the first and at once at the
    second (terraform). A signal that this process ignores is ignored by the command too, as under ``nohup``.

    Raises:
        InputError: WIF015 it cannot be run.
    """
    heeded = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    with _woken_by([*heeded, signal.SIGCHLD]) as wakeups, _Witness(heeded) as witness:
        try:
            # Descriptors are passed on, too (make's jobserver); Python's own are not inheritable.
            process = subprocess.Popen(list(words), env=dict(environ), close_fds=False)  # noqa: S603 - it was asked for
        except OSError as error:
            raise InputError(
                f"The command {from_outside(words[0])} cannot be run: {error.strerror}.",
                hint="It is looked up on the PATH and is not shell text; for that give  -- sh -c '…'",
                code="WIF015",
            ) from None
        while process.poll() is None:
            select.select([wakeups], [], [])
            for number in os.read(wakeups, 256):
                if number != signal.SIGCHLD and not witness.saw(number):
                    process.send_signal(number)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


@contextmanager
def _woken_by(signals: Iterable[int]) -> Iterator[int]:
    """A pipe from which the numbers of signals are read that come meanwhile."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before: dict[int, Any] = {number: signal.signal(number, _nothing) for number in signals}
    earlier = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(earlier)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


class _Witness:
    """A process of the same group, by which a signal to the group is told from one to this process."""

    def __init__(self, signals: Sequence[int]) -> None:
        self._signals = signals
        self._seen: list[int] = []

    def __enter__(self) -> Self:
        life_reading, self._life = os.pipe()
        self._heard, heard_writing = os.pipe()
        os.set_blocking(heard_writing, False)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        try:
            self._process = os.fork()
            if not self._process:
                self._be_it(life_reading, heard_writing, blocked)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(life_reading)
        os.close(heard_writing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._life)
        os.waitpid(self._process, 0)
        os.close(self._heard)

    def _be_it(self, life: int, heard: int, mask: Iterable[int]) -> None:
        """Hear signals until the other process has ended, in whatever way."""
        try:
            os.close(self._life)
            signal.set_wakeup_fd(heard, warn_on_full_buffer=False)
            for number in self._signals:
                signal.signal(number, _nothing)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.read(life, 1)
        finally:
            os._exit(0)

    def saw(self, number: int) -> bool:
        """Whether the whole group got a signal that has just come here."""
        if number not in self._seen and select.select([self._heard], [], [], _GROUP_SECONDS)[0]:
            self._seen += os.read(self._heard, 256)
        with suppress(ValueError):
            self._seen.remove(number)
            return True
        return False


def _nothing(*_: object) -> None:
    """A handler, so that Python writes the number to the wake-up pipe."""
