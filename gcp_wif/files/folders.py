"""The way to a file: which links are the machine's own, and a folder that is held open while it is written in.

The rule. ``$HOME`` and the working folder are trusted, and how the machine leads to them is its own business, links
included. Below the one that holds a path (the deeper one, where both do), no link is followed. A path that neither
holds shares its first names with one of them, or at least the name that stands in ``/`` (macOS has ``/tmp`` and
``/var`` as links there); those names are the machine's own, and below them no link is followed either.

In a folder where everybody may make names but only owners may replace them (sticky, such as ``/tmp``), a folder must
belong to this user or to root: anybody else could have put it there first, and would decide what is in it.
"""

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gcp_wif.errors import InputError
from gcp_wif.files.problems import link_error, os_problem, owner_name, this_user

__all__ = ["SEARCH", "Roots", "check_replaceable", "folder_of", "is_at", "is_shared", "open_folder", "walk"]

SEARCH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
"""Flags that open a folder to go through it; on Linux also one that may be searched but not listed."""

_UMASK = threading.Lock()
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Roots(NamedTuple):
    """The folders that are trusted as they are named.

    Attributes:
        home: ``$HOME``, ``None`` where it is not set.
        cwd: the working folder.
    """

    home: str | None
    cwd: str | None


@contextlib.contextmanager
def open_folder(path: Path, roots: Roots, *, origin: str, make: bool) -> Iterator[int]:
    """A descriptor of the folder that ``path`` stands in, for as long as the context lasts.

    Args:
        path: the absolute path of a file.
        roots: the trusted folders.
        origin: the flag or purpose that named it.
        make: whether missing folders are made, with mode 0700 whatever the umask.

    Raises:
        InputError: WIF302 a link on the way, WIF303 no folder, WIF311 a folder of another user in a shared one.
        FileNotFoundError: a folder is missing, and ``make`` is false.
    """
    descriptor, missing = walk(path, roots, origin=origin, make=make)
    try:
        if missing:
            raise FileNotFoundError(2, "No such file or directory", str(path.parent))
        yield descriptor
    finally:
        os.close(descriptor)


def walk(path: Path, roots: Roots, *, origin: str, make: bool) -> tuple[int, tuple[str, ...]]:
    """A descriptor of the deepest folder on the way to ``path`` that exists, and the names that are missing below it.

    The caller closes the descriptor. Errors as in `open_folder`.
    """
    names = path.parent.parts[1:]
    machine = _machine_names(names, roots)
    folder = os.open("/", SEARCH)
    try:
        for index, name in enumerate(names):
            here = Path("/", *names[: index + 1])
            follow = 0 if index < machine else os.O_NOFOLLOW
            try:
                try:
                    inner = os.open(name, SEARCH | follow, dir_fd=folder)
                except FileNotFoundError:
                    if not make:
                        return folder, names[index:]
                    _make_private(name, folder)
                    inner = os.open(name, SEARCH | os.O_NOFOLLOW, dir_fd=folder)
            except OSError as error:
                raise _explained(error, (folder, name, here), path, origin) from error
            outer, folder = folder, inner
            try:
                if index >= machine:
                    _check_owner(outer, inner, here, origin)
            finally:
                os.close(outer)
    except BaseException:
        os.close(folder)
        raise
    return folder, ()


def _machine_names(names: tuple[str, ...], roots: Roots) -> int:
    """How many of the leading names are the machine's own, where links are followed."""
    trusted = [Path(root).parts[1:] for root in roots if root and root.startswith("/")]
    holding = [len(root) for root in trusted if names[: len(root)] == root]
    if holding:
        return max(holding)
    return max([1, *(_shared_names(names, root) for root in trusted)])


def _shared_names(names: tuple[str, ...], root: tuple[str, ...]) -> int:
    pairs = zip(names, root, strict=False)
    return next((index for index, (name, other) in enumerate(pairs) if name != other), min(len(names), len(root)))


def _make_private(name: str, parent: int) -> None:
    # The umask is the process's, so the lock keeps two threads from leaving ours behind; a third one that makes a
    # file meanwhile makes it more private than it meant.
    with _UMASK:
        before = os.umask(0o077)
        try:
            with contextlib.suppress(FileExistsError):  # another run has just made it
                os.mkdir(name, 0o700, dir_fd=parent)
        finally:
            os.umask(before)


def _explained(error: OSError, place: tuple[int, str, Path], path: Path, origin: str) -> InputError:
    folder, name, here = place
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            return link_error(path, origin, link=here, target=os.readlink(name, dir_fd=folder))
        if not stat.S_ISDIR(found.st_mode):
            return InputError(f"{origin}: {here} is not a folder, so {path} cannot be made.", code="WIF303")
    except OSError:
        pass  # gone, or not to be looked at: what was said first counts
    return os_problem(error, path, origin, "reached", culprit=here)


def is_shared(folder: os.stat_result) -> bool:
    """Whether others may make names in this folder but not replace those of others, as in ``/tmp``."""
    return bool(folder.st_mode & stat.S_ISVTX and folder.st_mode & _OTHERS_WRITE)


def _check_owner(outer: int, inner: int, here: Path, origin: str) -> None:
    if not is_shared(os.fstat(outer)):
        return
    owner = os.fstat(inner).st_uid
    if owner not in {0, os.geteuid()}:
        raise InputError(
            f"{origin}: the folder {here} belongs to {owner_name(owner)}, and {this_user()}.",
            hint=f"Everybody may make names in {here.parent}, and the owner of this one could replace what is written "
            "in it. Choose a folder of the job's own, such as one below $HOME.",
            code="WIF311",
        )


def check_replaceable(folder: int, path: Path, *, origin: str) -> None:
    """Refuse a final name, in the open ``folder``, that must not be replaced.

    Raises:
        InputError: WIF301 a folder or special file, WIF302 a link, WIF313 another user's file in a shared folder.
    """
    if not path.name:
        raise InputError(f"{origin}: {path} is a folder.", hint="Name a file.", code="WIF301")
    try:
        found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise os_problem(error, path, origin, "looked at") from error
    if stat.S_ISLNK(found.st_mode):
        raise link_error(path, origin, link=path)
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise InputError(f"{origin}: {path} is {kind}.", hint="Name a file.", code="WIF301")
    around = os.fstat(folder)
    if is_shared(around) and os.geteuid() not in {0, found.st_uid, around.st_uid}:
        raise InputError(
            f"{origin}: {path} belongs to {owner_name(found.st_uid)}, and {this_user()}.",
            hint=f"In {path.parent} only its owner may replace it (the sticky bit). Choose a folder of the job's own.",
            code="WIF313",
        )


def is_at(descriptor: int, name: str, folder: int) -> bool:
    """Whether ``name`` in the open ``folder`` still is the file behind ``descriptor``."""
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def folder_of(path: Path) -> int:
    """A descriptor of the folder of ``path``, reached as the kernel does, through links too."""
    return os.open(path.parent, SEARCH)
