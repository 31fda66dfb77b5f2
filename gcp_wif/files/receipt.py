"""The receipt: which files login wrote, so that `logout`, a later process, removes those and no others.

It is one file in ``$HOME``, mode 0600: for each file that was written its real path, its inode and the SHA-256 of its
content, and the credential config that it belongs to. It holds no secret: a hash of a signed token says nothing about
it. It is believed only where it stands in ``$HOME`` itself, is a regular file of this user that nobody else may write
or read, and is no link. A repository cannot bring such a file into ``$HOME``; and where it is checked out right there,
it still cannot know the inode of a file that it wants removed.

Its lock is held while the files are replaced, so that runs which share a ``$HOME`` do that one after another.
"""

import contextlib
import fcntl
import importlib
import json
import os
import re
import stat
import time
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gcp_wif import limits
from gcp_wif.errors import InputError
from gcp_wif.files.folders import Roots, is_at, open_folder
from gcp_wif.files.problems import os_problem, owner_name, this_user
from gcp_wif.files.reading import read_up_to
from gcp_wif.files.staging import Staged, staged

__all__ = [
    "RECEIPT_NAME",
    "Fact",
    "Receipt",
    "named_project",
    "open_receipt",
    "pause_until",
    "real_path",
    "recorded",
    "sha256",
]

RECEIPT_NAME = ".gcp-wif-receipt.json"

_ORIGIN = "the receipt of what login wrote"
_HASH = re.compile(r"[0-9a-f]{64}")
_NO_RECEIPT = frozenset({"WIF302", "WIF303", "WIF311", "WIF312"})
"""What keeps a receipt from being written, but not a login from working."""


class Fact(NamedTuple):
    """One file that was written.

    Attributes:
        path: where it really is, all links resolved.
        config: the credential config that it belongs to, or is; likewise.
        inode: its number in its file system.
        sha256: of its content, in hexadecimal.
        size: how many bytes at its beginning that is of, for a file that grows; ``None`` for all of it.
        project: with a credential config, the project ID that its login named; else ``None``.
    """

    path: str
    config: str
    inode: int
    sha256: str
    size: int | None = None
    project: str | None = None


def sha256(data: bytes) -> str:
    """The SHA-256 of ``data`` in hexadecimal."""
    # hashlib loads OpenSSL, 2 ms of each step of a job. CPython's own module, which hashlib falls back to and `random`
    # takes for the same reason, is called `_sha256` until 3.11 and `_sha2` from 3.12.
    for module in ("_sha2", "_sha256", "hashlib"):
        with contextlib.suppress(ImportError):
            return str(importlib.import_module(module).sha256(data).hexdigest())
    raise AssertionError("unreachable: hashlib is part of Python")


def real_path(path: Path) -> str:
    """``path`` with the links of its folder resolved, so that a file has one name in the receipt."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - beside realpath


class Receipt:
    """The receipt, opened and locked."""

    def __init__(self, path: Path, folder: int, facts: tuple[Fact, ...], held: contextlib.ExitStack) -> None:
        self.path = path
        self.facts = facts
        self._folder = folder
        self._held = held

    def write(self, facts: Iterable[Fact]) -> None:
        """Make these the content, whole; an empty receipt is removed.

        Raises:
            InputError: WIF303, WIF304.
        """
        facts = tuple(facts)
        try:
            if not facts:
                os.unlink(self.path.name, dir_fd=self._folder)
            else:
                # The new file is locked from birth and stays so until the end: whoever opens it waits, as before.
                new = staged(self.path, self._folder, _text(facts), mode=0o600, origin=_ORIGIN)
                self._held.enter_context(new).replace()
        except OSError as error:
            raise os_problem(error, self.path, _ORIGIN, "written", culprit=self.path.parent) from error
        self.facts = facts


@contextlib.contextmanager
def open_receipt(roots: Roots, *, make: bool) -> Iterator[Receipt | None]:
    """Open and lock the receipt in ``$HOME``; ``None`` where there is none and ``make`` is false.

    Raises:
        InputError: WIF312 where there is no ``$HOME``, or the receipt there is not to be believed; WIF302 to WIF304;
            WIF305 where another run has held it for too long.
    """
    if not roots.home or not roots.home.startswith("/"):
        raise InputError("There is no receipt of what login wrote: HOME is not set.", code="WIF312")
    path = Path(roots.home, RECEIPT_NAME)
    with contextlib.ExitStack() as held:
        try:
            folder = held.enter_context(open_folder(path, roots, origin=_ORIGIN, make=False))
            descriptor = _locked(path, folder, held, make=make)
        except FileNotFoundError:
            if make:
                raise InputError(
                    f"There is no receipt of what login wrote: no folder {path.parent}.", code="WIF312"
                ) from None
            descriptor = None
        except OSError as error:
            raise os_problem(error, path, _ORIGIN, "opened") from error
        yield None if descriptor is None else Receipt(path, folder, _read(descriptor, path), held)


def named_project(config: Path, roots: Roots) -> str | None:
    """The project ID that the login of this very config named; ``None`` where it named none, or nothing proves it.

    Raises:
        InputError: WIF305 where another run has held the receipt for too long.
    """
    path = real_path(config)
    try:
        with open_receipt(roots, make=False) as receipt:
            facts = receipt.facts if receipt else ()
    except InputError as error:
        if error.code not in _NO_RECEIPT:
            raise
        return None
    return next((fact.project for fact in reversed(facts) if fact.path == path and _still_there(fact)), None)


@contextlib.contextmanager
def recorded(
    files: list[tuple[Staged, bytes]],
    config: Path,
    roots: Roots,
    growing: Container[Path] = (),
    *,
    project: str | None = None,
) -> Iterator[tuple[str, ...]]:
    """Enter ``files`` in the receipt and hold its lock; taken out again if what follows fails.

    The entry comes before the files are replaced: after a kill in between, it names a file that is not there, and the
    entry of the earlier file still stands.

    Yields:
        Warnings: why there is no receipt. A login must not fail for it.

    Raises:
        InputError: WIF304, WIF305.
    """
    owner = real_path(config)
    new: list[Fact] = []
    for file, data in files:
        size = len(data) if file.path in growing else None
        new.append(Fact(real_path(file.path), owner, os.fstat(file.descriptor).st_ino, sha256(data), size))
    new = [fact._replace(project=project) if fact.path == owner else fact for fact in new]
    with contextlib.ExitStack() as held:
        try:
            receipt = held.enter_context(open_receipt(roots, make=True))
            if receipt is None:  # cannot be: it was to be made
                return
            before = receipt.facts
            receipt.write([*filter(_still_there, before), *new][-limits.MAX_RECEIPT_ENTRIES :])
        except InputError as error:
            if error.code not in _NO_RECEIPT:
                raise
            reason = f"{error.message} {error.hint or ''}".rstrip()
            yield (f"`gcp-wif logout` will leave these files, as it cannot prove whose they are. {reason}",)
            return
        try:
            yield ()
        except BaseException:
            receipt.write(before)
            raise


def _still_there(fact: Fact) -> bool:
    try:
        return os.lstat(fact.path).st_ino == fact.inode
    except (OSError, ValueError):
        return False


def _locked(path: Path, folder: int, held: contextlib.ExitStack, *, make: bool) -> int | None:
    deadline = time.monotonic() + limits.LOCK_SECONDS
    while True:
        try:
            descriptor = _opened(path, folder, make=make)
        except FileNotFoundError:
            if not make:
                return None
            pause_until(deadline, path)  # another run has just removed it
            continue
        with contextlib.ExitStack() as mine:
            mine.callback(os.close, descriptor)
            _check_trust(descriptor, path)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if is_at(descriptor, path.name, folder):  # else it has just been replaced
                    held.push(mine.pop_all())
                    return descriptor
        pause_until(deadline, path)


def _opened(path: Path, folder: int, *, make: bool) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    if make:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path.name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
            os.fchmod(descriptor, 0o600)  # a umask such as 0777 takes even our own rights away
            return descriptor
    return os.open(path.name, flags, dir_fd=folder)


def _check_trust(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        problem = "is not a regular file"
    elif found.st_uid != os.geteuid():
        problem = f"belongs to {owner_name(found.st_uid)}, and {this_user()}"
    elif mode & 0o077:
        problem = f"has the mode {mode:04o}, but gcp-wif writes it with 0600"
    else:
        return
    raise InputError(
        f"{path} {problem}, so it does not prove what login wrote.",
        hint="Remove it; the next login writes a new one.",
        code="WIF312",
    )


def pause_until(deadline: float, path: Path) -> None:
    """Wait a moment for another run.

    Raises:
        InputError: WIF305 after ``deadline``, by the monotonic clock.
    """
    if time.monotonic() > deadline:
        raise InputError(
            f"Another process has held {path} for over {limits.LOCK_SECONDS:.0f} seconds.",
            hint=f"Look for a hung run of gcp-wif, with `fuser {path}`; then try again.",
            code="WIF305",
        )
    time.sleep(0.01)


def _text(facts: tuple[Fact, ...]) -> bytes:
    entries = [{name: value for name, value in fact._asdict().items() if value is not None} for fact in facts]
    return json.dumps({"version": 1, "files": entries}, indent=1).encode() + b"\n"


def _read(descriptor: int, path: Path) -> tuple[Fact, ...]:
    data = read_up_to(descriptor, limits.MAX_RECEIPT_BYTES + 1)
    if not data:
        return ()  # made a moment ago, by a run that was killed
    try:
        return _parsed(data)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            f"{path} is not a receipt of this gcp-wif, so it does not prove what login wrote.",
            hint="Remove it; the next login writes a new one.",
            code="WIF312",
        ) from None


def _parsed(data: bytes) -> tuple[Fact, ...]:
    if len(data) > limits.MAX_RECEIPT_BYTES:
        raise ValueError
    document = json.loads(data)
    if document["version"] != 1:
        raise ValueError
    return tuple(_fact(**entry) for entry in document["files"])


def _fact(
    path: object, config: object, inode: object, sha256: object, size: object = None, project: object = None
) -> Fact:
    if not (isinstance(path, str) and isinstance(config, str) and isinstance(sha256, str) and type(inode) is int):
        raise TypeError
    if project is not None and not isinstance(project, str):
        raise TypeError
    if size is not None and (not isinstance(size, int) or size < 1):
        raise TypeError
    if not path.startswith("/") or "\0" in path or not _HASH.fullmatch(sha256):
        raise ValueError
    os.fsencode(path)  # ValueError where no file can have this name
    return Fact(path, config, inode, sha256, size, project)
