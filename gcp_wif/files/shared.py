"""Files that other programs write too: those that a job's next steps read."""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gcp_wif import limits
from gcp_wif.errors import InputError
from gcp_wif.files.folders import folder_of
from gcp_wif.files.problems import os_problem
from gcp_wif.files.reading import read_up_to
from gcp_wif.files.receipt import pause_until
from gcp_wif.files.staging import staged

__all__ = ["check_shared", "edit_shared"]

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def check_shared(path: Path, *, origin: str) -> None:
    """Refuse a file that `edit_shared` could not change or make, before anything else is done.

    Args:
        path: the file.
        origin: the flag or purpose that named it, for messages.

    Raises:
        InputError: WIF301, WIF303.
    """
    try:
        try:
            _check_regular(os.stat(path), path, origin)  # noqa: PTH116 - opening a device may already do something
        except FileNotFoundError:
            _check_makeable(Path(os.path.realpath(path)))
        else:
            os.close(os.open(path, _FLAGS))
    except OSError as error:
        culprit = path if os.path.lexists(path) else path.parent
        found = os_problem(error, path, origin, "written", culprit=culprit)
        raise InputError(
            found.message,
            hint="Nothing was written. Name a file that this user may write, with --to PATH, or print the exports for "
            'the present shell: eval "$(gcp-wif login --to stdout)"',
            code=found.code,
        ) from error


def _check_makeable(path: Path) -> None:
    """Raises `OSError` where no file can be made at ``path``."""
    folder = folder_of(path)
    try:
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder):
            read_only = os.fstatvfs(folder).f_flag & os.ST_RDONLY
            reason = errno.EROFS if read_only else errno.EACCES
            raise OSError(reason, os.strerror(reason), str(path))
    finally:
        os.close(folder)


def edit_shared(
    path: Path,
    change: Callable[[bytes], tuple[bytes, bytes]],
    *,
    origin: str,
    create: bool,
    limit: int = limits.MAX_SHELL_FILE_BYTES,
) -> tuple[bytes, bytes] | None:
    """Change a file that others write too, under a lock that all runs of gcp-wif share.

    A symbolic link is followed: the file is the shell's, and holds no secret. What others append while this runs
    stays: nothing is read beyond the size that the file has at the beginning.

    Args:
        path: the file.
        change: from the present content to ``(kept, added)``. Where ``kept`` is the whole content, ``added`` is
            appended by a single write; otherwise the file is replaced by ``kept + added``, with its mode.
        origin: the flag or variable that named it, for messages.
        create: whether to make a missing file; else the answer for one is ``None``.
        limit: the most bytes that the file may have.

    Returns:
        The content before and after.

    Raises:
        InputError: WIF301 not a regular file (a pipe, a terminal, a device), WIF303, WIF304, WIF305, WIF307 too large.
    """
    deadline = time.monotonic() + limits.LOCK_SECONDS
    try:
        while True:
            with _locked(path, origin, deadline, create=create) as descriptor:
                before = _read_all(descriptor, path, origin, limit)
                kept, added = change(before)
                if kept == before:
                    _append(descriptor, added)
                elif not _replaced(path, descriptor, (before, kept + added), origin):
                    pause_until(deadline, path)  # somebody appends just now; their lines are not to be lost
                    continue
                return before, kept + added
    except FileNotFoundError as error:
        if not create:
            return None
        raise os_problem(error, path, origin, "written") from error
    except OSError as error:
        raise os_problem(error, path, origin, "written") from error


@contextlib.contextmanager
def _locked(path: Path, origin: str, deadline: float, *, create: bool) -> Iterator[int]:
    while True:
        descriptor = _opened(path, origin, create=create)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Not by the path's own text: what /dev/fd/N leads to may have no name that can be looked up.
                held = os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116 - beside fstat
            except (BlockingIOError, FileNotFoundError):
                held = False
            if held:  # else `logout` has just replaced the file, or another run holds it
                yield descriptor
                return
        finally:
            os.close(descriptor)
        pause_until(deadline, path)


def _opened(path: Path, origin: str, *, create: bool) -> int:
    try:
        _check_regular(os.stat(path), path, origin)  # noqa: PTH116 - opening a device may already do something
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        if not create:
            raise
        # Only now with O_CREAT: where the kernel protects shared folders, it refuses even root to open another user's
        # file with it (fs.protected_regular, proc(5)).
        descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o600)
    try:
        _check_regular(os.fstat(descriptor), path, origin)
    except InputError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(found: os.stat_result, path: Path, origin: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise InputError(
            f"{origin}: {path} is not a regular file.",
            hint="Only a regular file is changed. To print exports for the present shell: --to stdout",
            code="WIF301",
        )


def _read_all(descriptor: int, path: Path, origin: str, limit: int) -> bytes:
    size = os.fstat(descriptor).st_size
    if size > limit:
        raise InputError(f"{origin}: {path} has {size} bytes, more than {limit}: not the file meant.", code="WIF307")
    return read_up_to(descriptor, size)


def _append(descriptor: int, added: bytes) -> None:
    begin = None
    view = memoryview(added)
    try:
        while view:
            count = os.write(descriptor, view)
            end = os.lseek(descriptor, 0, os.SEEK_CUR)
            begin = end - count if begin is None else begin
            view = view[count:]
    except OSError:
        # A full disk may have taken half a line. It goes, unless somebody else has appended behind it.
        if begin is not None and os.fstat(descriptor).st_size == begin + len(added) - len(view):
            os.ftruncate(descriptor, begin)
        raise


def _replaced(path: Path, descriptor: int, contents: tuple[bytes, bytes], origin: str) -> bool:
    """Put a new file in its place; false where it has grown since it was read."""
    before, after = contents
    target = Path(os.path.realpath(path))
    found = os.fstat(descriptor)
    try:
        named = os.path.samestat(os.stat(target), found)  # noqa: PTH116 - beside fstat
    except FileNotFoundError:
        named = False
    if not named:
        raise InputError(f"{origin}: {path} has no name of its own any more, so nothing was changed.", code="WIF301")
    folder = folder_of(target)
    try:
        with staged(target, folder, after, mode=stat.S_IMODE(found.st_mode), origin=origin) as new:
            with contextlib.suppress(PermissionError):  # root keeps another user's file theirs
                os.fchown(new.descriptor, found.st_uid, found.st_gid)
            if os.fstat(descriptor).st_size != len(before):
                return False
            new.replace()
            return True
    finally:
        os.close(folder)
