"""Removing a file that is proven to be ours."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from gcp_wif import limits
from gcp_wif.errors import InputError
from gcp_wif.files.folders import Roots, is_at, open_folder
from gcp_wif.files.problems import os_problem
from gcp_wif.files.reading import read_up_to
from gcp_wif.files.receipt import Fact, sha256
from gcp_wif.files.staging import sweep

__all__ = ["Removal", "remove_proven"]

_ORIGIN = "logout"


class Removal(NamedTuple):
    """What became of a file: removed, or why it stays; neither where there was none."""

    removed: bool
    reason: str | None = None


def remove_proven(fact: Fact, roots: Roots) -> Removal:
    """Remove the file of ``fact`` if it is the very file that was written, with the very content.

    What a killed run left beside it goes too. No link is followed on the way to it.

    Raises:
        InputError: WIF303 where it is ours but cannot be removed.
    """
    path = Path(fact.path)
    try:
        with open_folder(path, roots, origin=_ORIGIN, make=False) as folder:
            reason = _why_not_ours(fact, path.name, folder)
            if reason is None:
                os.unlink(path.name, dir_fd=folder)
            sweep(path.name, folder)
    except FileNotFoundError:
        return Removal(removed=False)
    except OSError as error:
        raise os_problem(error, path, _ORIGIN, "removed", culprit=path.parent) from error
    except InputError as error:
        return Removal(removed=False, reason=error.message)
    return Removal(removed=reason is None, reason=reason)


def _why_not_ours(fact: Fact, name: str, folder: int) -> str | None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    changed = "it was changed since login wrote it."
    if not stat.S_ISREG(found.st_mode) or found.st_ino != fact.inode or found.st_size > limits.MAX_PROVEN_BYTES:
        return changed
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except PermissionError:
        return "it may not be read any more, so it was changed since login wrote it."
    try:
        data = read_up_to(descriptor, found.st_size + 1 if fact.size is None else fact.size)
        return None if sha256(data) == fact.sha256 and is_at(descriptor, name, folder) else changed
    finally:
        os.close(descriptor)
