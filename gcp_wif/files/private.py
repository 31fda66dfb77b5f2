"""The token file and the credential config: private, whole, both or neither."""

import contextlib
import fcntl
import os
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from gcp_wif.errors import InputError
from gcp_wif.files.folders import Roots, check_replaceable, open_folder, walk
from gcp_wif.files.problems import os_problem, owner_name, this_user
from gcp_wif.files.receipt import recorded
from gcp_wif.files.staging import Staged, staged, temporary_name

__all__ = ["check_destination", "write_private"]


def check_destination(path: Path, roots: Roots, *, origin: str) -> None:
    """Refuse a path that `write_private` could not write, before anything is written.

    Args:
        path: an absolute path.
        roots: the trusted folders.
        origin: the flag or default that it came from, for messages.

    Raises:
        InputError: WIF301 a folder or special file, WIF302 a symbolic link, WIF303 not writable, WIF311 below another
            user's folder in a shared one, WIF313 another user's file in a shared folder.
    """
    folder, missing = walk(path, roots, origin=origin, make=False)
    try:
        if not missing:
            check_replaceable(folder, path, origin=origin)
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder):
            names = path.parent.parts
            named = Path(*names[: len(names) - len(missing)])
            raise _not_writable(folder, named, path, origin, _instead(path, roots))
    finally:
        os.close(folder)


def _instead(path: Path, roots: Roots) -> str:
    """What to do about a folder that cannot be written."""
    if roots.home and path.is_relative_to(roots.home):
        return (
            "HOME leads there. Name other paths, with --output-file and --credential-source-file, or give this step a "
            'HOME of its own:  export HOME="$(mktemp -d)"'
        )
    return "Choose a folder of the job's own, such as one below $HOME."


def _not_writable(folder: int, named: Path, path: Path, origin: str, hint: str) -> InputError:
    if os.fstatvfs(folder).f_flag & os.ST_RDONLY:
        return InputError(
            f"{origin}: {named} is on a read-only file system, so {path} cannot be written.",
            hint=hint,
            code="WIF303",
        )
    found = os.fstat(folder)
    return InputError(
        f"{origin}: {named} is not writable by this user, so {path} cannot be written. It belongs to "
        f"{owner_name(found.st_uid)} (mode {found.st_mode & 0o7777:04o}), and {this_user()}.",
        hint=hint,
        code="WIF303",
    )


def write_private(
    files: Mapping[Path, bytes],
    roots: Roots,
    *,
    receipt_for: Path | None = None,
    growing: Container[Path] = (),
    project: str | None = None,
) -> tuple[str, ...]:
    """Write all ``files`` with mode 0600, whole, or leave every earlier one as it was.

    Missing folders are made with mode 0700. All contents are on the disk before the first file is replaced, so a full
    disk replaces none; where a later one cannot be replaced, the earlier ones are put back.

    Args:
        files: contents by absolute path.
        roots: the trusted folders.
        receipt_for: the credential config that they belong to. They are then entered in the receipt in ``$HOME``, by
            which `logout` knows them again, and runs that write such files replace them one run after another, so that
            the files of two runs are never mixed. ``None`` for files that stay.
        growing: those that somebody appends to later: what is written now proves which file it is.
        project: the project ID that the login names, entered with that config.

    Returns:
        Warnings: why there is no receipt.

    Raises:
        InputError: WIF303 or WIF304 (disk full) where a file cannot be written; WIF301, WIF302, WIF311, WIF313 as in
            `check_destination`; WIF305 where another run holds the receipt.
    """
    origin = "output"
    with contextlib.ExitStack() as stack:
        ready = []
        for path in sorted(files):
            try:
                folder = stack.enter_context(open_folder(path, roots, origin=origin, make=True))
            except OSError as error:
                raise os_problem(error, path, origin, "written") from error
            check_replaceable(folder, path, origin=origin)
            ready.append(stack.enter_context(staged(path, folder, files[path], mode=0o600, origin=origin)))
        warnings: tuple[str, ...] = ()
        if receipt_for is not None:
            contents = [(each, files[each.path]) for each in ready]
            warnings = stack.enter_context(recorded(contents, receipt_for, roots, growing, project=project))
        stack.enter_context(_all_or_none(ready))
        for each in ready:
            try:
                each.replace()
            except OSError as error:
                raise os_problem(error, each.path, origin, "replaced", culprit=each.path.parent) from error
    return warnings


@contextlib.contextmanager
def _all_or_none(files: list[Staged]) -> Iterator[None]:
    """Put back what was replaced, if not all of it can be."""
    with contextlib.ExitStack() as kept:
        earlier = {file: kept.enter_context(_kept(file)) for file in files[:-1]}
        try:
            yield
        except BaseException:
            for file, name in earlier.items():
                if not file.is_in_place():
                    continue
                if name is not None:
                    os.rename(name, file.path.name, src_dir_fd=file.folder, dst_dir_fd=file.folder)
                else:
                    os.unlink(file.path.name, dir_fd=file.folder)
            raise


@contextlib.contextmanager
def _kept(file: Staged) -> Iterator[str | None]:
    """A second name for the earlier file, ``None`` where there is none, or on a file system without hard links."""
    name = temporary_name(file.path.name)
    descriptor = None
    try:
        os.link(file.path.name, name, src_dir_fd=file.folder, dst_dir_fd=file.folder, follow_symlinks=False)
    except OSError:
        yield None
        return
    try:
        with contextlib.suppress(OSError):  # the lock keeps another run from taking it for a leftover
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=file.folder)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):  # it was put back
            os.unlink(name, dir_fd=file.folder)
        if descriptor is not None:
            os.close(descriptor)
