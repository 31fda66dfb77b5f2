"""What the kernel refused, in words: which file, whose it is, and what to do."""

import errno
import os
import stat
from pathlib import Path

from gcp_wif.errors import InputError

__all__ = ["link_error", "os_problem", "owner_name", "this_user"]


def owner_name(uid: int) -> str:
    """``user NAME``, or ``user 1234`` where the machine has no name for the number, as in many containers."""
    import pwd  # only where something went wrong

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except (KeyError, OSError):
        return f"user {uid}"


def this_user() -> str:
    """Who runs this, for a message."""
    return f"this run is {owner_name(os.geteuid())}"


def link_error(path: Path, origin: str, *, link: Path, target: str | None = None) -> InputError:
    """WIF302: ``link`` is ``path`` itself, or a folder on the way to it."""
    if link == path:
        return InputError(
            f"{origin}: {path} is a symbolic link, and a file of gcp-wif is never written through one.",
            hint="Whoever owns the link decides where it ends up. Remove it, or name its target.",
            code="WIF302",
        )
    leads = f" It leads to {target}." if target else ""
    return InputError(
        f"{origin}: {link} is a symbolic link, so {path} is not written through it.{leads}",
        hint="Whoever owns the link decides where the file ends up. Remove the link, or name the real folder.",
        code="WIF302",
    )


def os_problem(error: OSError, path: Path, origin: str, verb: str, *, culprit: Path | None = None) -> InputError:
    """The `InputError` for what the kernel said.

    Args:
        error: as it was raised.
        path: the file that the user knows of.
        origin: the flag, variable or purpose that named it.
        verb: what could not be done, as a participle: ``written``.
        culprit: whose rights are missing where permission was denied; ``path`` itself without it.

    Returns:
        WIF304 for a full disk, WIF302 for a loop of links, WIF303 for the rest.
    """
    reason = error.strerror or type(error).__name__
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return InputError(
            f"{origin}: {path} could not be {verb}: the disk is full ({reason}).",
            hint="Nothing was replaced; earlier files are as they were.",
            code="WIF304",
        )
    if error.errno == errno.ELOOP:
        return InputError(f"{origin}: {path} runs through a symbolic link ({reason}).", code="WIF302")
    whose = f" {_whose(culprit or path)}" if error.errno in {errno.EACCES, errno.EPERM} else ""
    return InputError(
        f"{origin}: {path} could not be {verb}: {reason}.{whose}",
        hint="The folder must be writable by this user; on a runner, check the mount, and which user the step runs as.",
        code="WIF303",
    )


def _whose(path: Path) -> str:
    """Owner and mode of the nearest thing that can be looked at: a folder that may not be searched hides the rest."""
    for candidate in (path, *path.parents):
        try:
            found = candidate.lstat()
        except OSError:
            continue
        mode = stat.S_IMODE(found.st_mode)
        return f"{candidate} belongs to {owner_name(found.st_uid)} (mode {mode:04o}), and {this_user()}."
    return ""
