"""The agent's log: a private file of a bounded size, without secrets. A full disk ends the log, not the agent."""

import fcntl
import os
import stat
import time
from contextlib import suppress

from gcp_wif.limits import AGENT_LOG_BYTES

__all__ = ["Log", "held", "is_held"]

_LINE_CHARACTERS = 500


class Log:
    """The log of one agent. Its lock says that the agent lives, for as long as it does and no longer."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self._descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(1, "not a file of this user")
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._beginning = found.st_size  # what login wrote, by which logout knows the file

    def say(self, text: str) -> None:
        """Add a line."""
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text[:_LINE_CHARACTERS]}\n".encode()
        with suppress(OSError):
            if os.fstat(self._descriptor).st_size + len(line) > AGENT_LOG_BYTES:
                os.ftruncate(self._descriptor, self._beginning)
            os.write(self._descriptor, line)

    def is_in_place(self) -> bool:
        """Whether the file still has its name: another login puts one of its own there."""
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(self._descriptor))
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the file, if it is still this one."""
        with suppress(OSError):
            if self.is_in_place():
                os.unlink(self._path)  # noqa: PTH108 - pathlib would be memory


def held(path: str) -> int | None:
    """A descriptor of the log at ``path``, where a living agent of this user holds that; else ``None``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    found = os.fstat(descriptor)
    ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    if ours and is_held(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def is_held(descriptor: int) -> bool:
    """Whether an agent still holds the log, which may have lost its name by now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
