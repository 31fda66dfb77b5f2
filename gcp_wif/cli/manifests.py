"""Finding and reading the manifest of a command.

Without ``--manifest`` it is ``gcp-wif.toml`` in the working folder or the nearest folder above it. As git, ruff and uv
do, the search climbs; it ends at the top of the repository (a folder with ``.git``), at ``$HOME`` and at the root.
What is found above the working folder must belong to this user, to root, or to the working folder's owner: on a shared
machine anybody can put a file into ``/tmp``, and a manifest decides who may become whom (git's ``safe.directory`` has
the same reason, CVE-2022-24765).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from gcp_wif.errors import InputError
from gcp_wif.files import read_bounded
from gcp_wif.job.context import Context
from gcp_wif.limits import MAX_MANIFEST_BYTES
from gcp_wif.manifest import Manifest

__all__ = ["MANIFEST_NAME", "find_manifest", "read_manifest"]

MANIFEST_NAME = "gcp-wif.toml"

_NO_MANIFEST_HINT = "`gcp-wif init` writes one; --manifest FILE names another."


def read_manifest(name: str | None, context: Context) -> Manifest:
    """The manifest in the file ``name``, or the one that `find_manifest` finds.

    Raises:
        InputError: it cannot be found or read, or is no valid manifest: every problem at once.
    """
    path = find_manifest(context) if name is None else Path(context.cwd, name)
    try:
        data = read_bounded(path, MAX_MANIFEST_BYTES, origin=f"--manifest {name}" if name else MANIFEST_NAME)
    except InputError as error:
        if error.code == "WIF306":
            error.hint = _NO_MANIFEST_HINT
        raise
    return Manifest.parse(data, origin=name or os.path.relpath(path, context.cwd))


def find_manifest(context: Context) -> Path:
    """The nearest ``gcp-wif.toml``, from the working folder upwards.

    Raises:
        InputError: WIF125 where there is none, WIF126 where the one above the working folder is somebody else's.
    """
    start = Path(context.cwd)
    top = start
    for top in _folders(start, context.environ.get("HOME")):
        path = top / MANIFEST_NAME
        if os.path.isfile(path):  # noqa: PTH113 - a folder that may not be looked into has none
            if top != start:
                _check_owner(path, start)
            return path
    above = "" if top == start else f", nor in a folder above it up to {top}"
    raise InputError(f"There is no {MANIFEST_NAME} in {start}{above}.", hint=_NO_MANIFEST_HINT, code="WIF125")


def _folders(start: Path, home: str | None) -> Iterator[Path]:
    for folder in (start, *start.parents):
        yield folder
        if os.path.exists(folder / ".git") or (home and folder == Path(home)):  # noqa: PTH110 - likewise
            return


def _check_owner(path: Path, start: Path) -> None:
    owner = path.stat().st_uid
    if owner not in {os.geteuid(), 0, start.stat().st_uid}:
        raise InputError(
            f"{path} was found above the working folder, and belongs to another user (uid {owner}).",
            hint=f"A manifest decides who may become whom. If you trust it: --manifest {path}",
            code="WIF126",
        )
