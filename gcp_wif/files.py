"""Files that hold credentials, and the shell file that other programs write too.

Two journeys, two rules:

* `write_private` replaces files of our own: all of them or none, mode 0600 from birth, never through a symbolic link,
  and never half. Each is written in full beside its target and renamed over it, so a reader, or a kill at any moment,
  finds the earlier file or the new one.
* `edit_shared` changes a file that is not ours, which the job's next steps read: under a lock, by one append, so that
  lines which others append at the same time survive. Only taking lines out rewrites it.

Locks are ``flock`` on the very file that is written: a lock library would need a second file beside it, which would be
litter. POSIX only.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gcp_wif.errors import InputError

__all__ = ["check_destination", "edit_shared", "read_bounded", "remove_private", "write_new", "write_private"]

LOCK_SECONDS = 20.0
"""How long to wait for another run of gcp-wif that writes the same file."""

_STAGE_SUFFIX = ".gcp-wif-new"


def read_bounded(path: Path, limit: int, *, origin: str) -> bytes:
    """Read a regular file of at most ``limit`` bytes.

    Raises:
        InputError: WIF306 where it is missing, WIF303 where it cannot be read, WIF307 where it is too large or special.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InputError(f"{origin}: there is no file {path}.", code="WIF306") from error
    except OSError as error:
        raise _input_error(error, path, origin, "read") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{origin}: {path} is not a regular file.", code="WIF307")
        data = b""
        while len(data) <= limit and (chunk := os.read(descriptor, limit + 1 - len(data))):
            data += chunk
    except OSError as error:
        raise _input_error(error, path, origin, "read") from error
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise InputError(f"{origin}: {path} has more than {limit} bytes; this is not the file meant.", code="WIF307")
    return data


def check_destination(path: Path, *, origin: str) -> None:
    """Refuse a path that `write_private` could not write, before anything is written.

    Args:
        path: an absolute path.
        origin: the flag or default that it came from, for messages.

    Raises:
        InputError: WIF301 a folder or special file, WIF302 a symbolic link, WIF303 not writable.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:
        raise _input_error(error, path, origin, "looked at") from error
    if mode is not None:
        if stat.S_ISLNK(mode):
            raise InputError(
                f"{origin}: {path} is a symbolic link, and a credential is never written through one.",
                hint="Whoever owns the link decides where it ends up. Remove it, or name its target.",
                code="WIF302",
            )
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise InputError(f"{origin}: {path} is {kind}.", hint="Name a file.", code="WIF301")
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"{origin}: {folder} is not a folder, so {path} cannot be made.", code="WIF303")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"{origin}: {folder} is not writable by this user, so {path} cannot be written.",
            hint="Choose a folder of the job's own, such as one below $HOME.",
            code="WIF303",
        )


def write_private(files: Mapping[Path, bytes]) -> None:
    """Write all ``files`` with mode 0600, whole, or leave every earlier one as it was.

    Missing folders are made with mode 0700. All contents are on the disk before the first file is replaced, so a full
    disk replaces none.

    Raises:
        InputError: WIF303 or WIF304 (disk full) where a file cannot be written; WIF305 where another run holds it.
    """
    with contextlib.ExitStack() as stack:
        # One order for all runs, so that two of them never wait for each other.
        staged = [(stack.enter_context(_staged(path, files[path])), path) for path in sorted(files)]
        for temporary, path in staged:
            try:
                temporary.replace(path)
            except OSError as error:
                raise _input_error(error, path, "output", "replaced") from error


def write_new(path: Path, data: bytes, *, replace: bool, origin: str) -> None:
    """Write a file that holds no secret, such as a manifest, whole or not at all; its mode follows the umask.

    Args:
        path: in a folder that exists.
        data: the whole content.
        replace: whether a file of that name may be replaced.
        origin: the flag that named it.

    Raises:
        InputError: WIF310 where it exists and may not be replaced; WIF301 to WIF305 where it cannot be written.
    """
    staged = path.with_name(f".{path.name}{_STAGE_SUFFIX}")
    try:
        with staged.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            staged.replace(path)
        else:
            os.link(staged, path)  # unlike a rename, this fails where the name is taken
    except FileExistsError:
        raise InputError(f"{origin}: {path} exists.", hint="--force replaces it.", code="WIF310") from None
    except OSError as error:
        raise _input_error(error, path, origin, "written") from error
    finally:
        staged.unlink(missing_ok=True)


def remove_private(path: Path) -> bool:
    """Remove a file of ours and what a killed run may have left beside it; ``False`` where there was none.

    Raises:
        InputError: WIF303.
    """
    removed = False
    for candidate in (path, _stage_path(path)):
        try:
            candidate.unlink()
            removed = removed or candidate is path
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _input_error(error, candidate, "logout", "removed") from error
    return removed


def _stage_path(path: Path) -> Path:
    # Always the same name, so that what a killed run leaves is taken over by the next one. Cut, because a name may
    # have 255 bytes in all.
    return path.with_name("." + os.fsdecode(os.fsencode(path.name)[:200]) + _STAGE_SUFFIX)


@contextlib.contextmanager
def _staged(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside ``path`` with ``data`` in it, locked until the context ends; removed unless it was renamed."""
    temporary = _stage_path(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _create_locked(temporary, path)
    except OSError as error:
        raise _input_error(error, path, "output", "written") from error
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        try:
            try:
                os.fchmod(descriptor, 0o600)  # a umask such as 0777 takes even our own rights away
                _write_all(descriptor, data)
                os.fsync(descriptor)
            except OSError as error:
                raise _input_error(error, path, "output", "written") from error
            yield temporary
        finally:
            # After the rename this name is free, or already another run's: only our own file is removed.
            if _is_at(file.fileno(), temporary):
                temporary.unlink()


def _create_locked(temporary: Path, path: Path) -> int:
    """A descriptor of a new, empty, locked file; what a killed run left is removed, a living run is waited for."""
    deadline = time.monotonic() + LOCK_SECONDS
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            descriptor = os.open(temporary, flags, 0o600)
        except FileExistsError:
            _reclaim(temporary)
            _pause_until(deadline, path)
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, temporary):
            return descriptor
        os.close(descriptor)  # between creation and lock, another run took it for a leftover


def _reclaim(temporary: Path) -> None:
    """Remove ``temporary`` unless a living run holds its lock."""
    try:
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, temporary):
            temporary.unlink()
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def edit_shared(
    path: Path, change: Callable[[bytes], tuple[bytes, bytes]], *, origin: str, create: bool
) -> tuple[bytes, bytes] | None:
    """Change a file that others write too, under a lock that all runs of gcp-wif share.

    A symbolic link is followed: the file is the shell's, and holds no secret.

    Args:
        path: the file.
        change: from the present content to ``(kept, added)``. Where ``kept`` is the whole content, ``added`` is
            appended by a single write; otherwise the file is replaced by ``kept + added``, with its mode.
        origin: the flag or variable that named it, for messages.
        create: whether to make a missing file; else the answer for one is ``None``.

    Returns:
        The content before and after.

    Raises:
        InputError: WIF301, WIF303, WIF304 or WIF305.
    """
    try:
        with _locked_shared(path, origin, create=create) as descriptor:
            before = _read_all(descriptor)
            kept, added = change(before)
            if kept == before:
                _append(descriptor, len(before), added)
            else:
                _replace_shared(path, descriptor, kept + added)
            return before, kept + added
    except FileNotFoundError as error:
        if not create:
            return None
        raise _input_error(error, path, origin, "written") from error
    except OSError as error:
        raise _input_error(error, path, origin, "written") from error


@contextlib.contextmanager
def _locked_shared(path: Path, origin: str, *, create: bool) -> Iterator[int]:
    deadline = time.monotonic() + LOCK_SECONDS
    flags = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        descriptor = os.open(path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError(f"{origin}: {path} is not a regular file.", code="WIF301")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _pause_until(deadline, path)
                continue
            if _is_at(descriptor, path.resolve()):  # else `logout` has just replaced the file
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _append(descriptor: int, size: int, added: bytes) -> None:
    try:
        _write_all(descriptor, added)
    except OSError:
        # A full disk may have taken half a line. It goes, unless somebody else has appended behind it.
        if os.fstat(descriptor).st_size <= size + len(added):
            os.ftruncate(descriptor, size)
        raise


def _replace_shared(path: Path, descriptor: int, content: bytes) -> None:
    target = path.resolve()
    temporary = _stage_path(target)
    with _staged(target, content):
        os.chmod(temporary, stat.S_IMODE(os.fstat(descriptor).st_mode))  # noqa: PTH101 - beside the fstat it mirrors
        temporary.replace(target)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether ``path`` still names the file behind ``descriptor``."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _pause_until(deadline: float, path: Path) -> None:
    if time.monotonic() > deadline:
        raise InputError(
            f"Another run of gcp-wif has held {path} for over {LOCK_SECONDS:.0f} seconds.",
            hint="Look for a hung process; then try again.",
            code="WIF305",
        )
    time.sleep(0.01)


def _read_all(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _input_error(error: OSError, path: Path, origin: str, verb: str) -> InputError:
    reason = error.strerror or type(error).__name__
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return InputError(
            f"{origin}: {path} could not be {verb}: the disk is full ({reason}).",
            hint="Nothing was replaced; earlier files are as they were.",
            code="WIF304",
        )
    if error.errno == errno.ELOOP:
        return InputError(f"{origin}: {path} runs through a symbolic link ({reason}).", code="WIF302")
    return InputError(
        f"{origin}: {path} could not be {verb}: {reason}.",
        hint="The folder must belong to this user and be writable; on a runner, check the mount.",
        code="WIF303",
    )
