"""A new file beside its target, written in full and locked, until it is renamed over it.

Its name cannot be guessed, so that nobody can put a link or a file there first. A run that was killed leaves it behind;
the next run that writes the same target in the same folder removes it: only files of this user, only names of this
form, and only while no living run holds the lock on it.
"""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gcp_wif.errors import InputError
from gcp_wif.files.folders import is_at
from gcp_wif.files.problems import os_problem

__all__ = ["Staged", "staged", "sweep", "temporary_name"]

_ATTEMPTS = 100


class Staged(NamedTuple):
    """A file that waits to be renamed.

    Attributes:
        path: its target.
        folder: descriptor of the folder that both stand in.
        name: its name there.
        descriptor: of the file itself; holds the lock.
    """

    path: Path
    folder: int
    name: str
    descriptor: int

    def replace(self) -> None:
        """Rename it over its target. A link there is replaced, not followed."""
        os.rename(self.name, self.path.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def is_in_place(self) -> bool:
        """Whether the target's name is this file."""
        return is_at(self.descriptor, self.path.name, self.folder)


def _prefix(name: str) -> str:
    # Cut, because a name may have 255 bytes in all.
    return "." + os.fsdecode(os.fsencode(name)[:200]) + ".gcp-wif-"


def temporary_name(name: str) -> str:
    """A new name for a file that stands in for ``name``."""
    return _prefix(name) + os.urandom(8).hex()


@contextlib.contextmanager
def staged(path: Path, folder: int, data: bytes, *, mode: int | None, origin: str) -> Iterator[Staged]:
    """A file beside ``path`` with ``data`` in it, on the disk and locked; removed at the end unless it was renamed.

    Args:
        path: the target.
        folder: descriptor of its folder.
        data: the whole content.
        mode: exactly this one, from birth; ``None`` for what the umask leaves of 0666.
        origin: the flag or purpose, for messages.

    Raises:
        InputError: WIF303, or WIF304 where the disk is full.
    """
    try:
        sweep(path.name, folder)
        name, descriptor = _create_locked(path, folder, 0o666 if mode is None else mode & 0o600)
    except OSError as error:
        raise os_problem(error, path, origin, "written", culprit=path.parent) from error
    try:
        try:
            if mode is not None:
                os.fchmod(descriptor, mode)  # a umask such as 0777 takes even our own rights away
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError as error:
            raise os_problem(error, path, origin, "written") from error
        yield Staged(path, folder, name, descriptor)
    finally:
        # After the rename this name is free: only our own file is removed.
        if is_at(descriptor, name, folder):
            os.unlink(name, dir_fd=folder)
        os.close(descriptor)


def _create_locked(path: Path, folder: int, mode: int) -> tuple[str, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(_ATTEMPTS):
        name = temporary_name(path.name)
        descriptor = os.open(name, flags, mode, dir_fd=folder)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(descriptor, name, folder):
                return name, descriptor
        # Between creation and lock, another run took it for a leftover.
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
    raise InputError(f"Somebody keeps taking away what is to become {path}.", code="WIF305")


def sweep(name: str, folder: int) -> None:
    """Remove what killed runs of this user left beside ``name``; what cannot be removed stays."""
    form = re.compile(re.escape(_prefix(name)) + "[0-9a-f]{16}")
    try:
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return  # it may be searched, but not listed
    try:
        leftovers = [entry for entry in os.listdir(listing) if form.fullmatch(entry)]  # noqa: PTH208 - of an open folder
    finally:
        os.close(listing)
    for leftover in leftovers:
        with contextlib.suppress(OSError):
            _remove_unlocked(leftover, folder)


def _remove_unlocked(name: str, folder: int) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(descriptor, name, folder):
            os.unlink(name, dir_fd=folder)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
