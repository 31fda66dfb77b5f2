"""gsutil, the one client that neither of the variables logs in: it reads boto's configuration files, and those alone.

So login writes one of its own beside the credential config, and adds it to gsutil's search path, ``BOTO_PATH``. Files
of the user are neither changed nor hidden: gsutil reads them too, and first, as gcloud's wrapper lets it read its own.

gsutil keeps access tokens in a folder of its own, under a key that has the provider in it but no account (observed,
gsutil 5.34: ``GetCredentialStoreKey``). Two identities of one provider would get each other's tokens there. So each
config has a folder of its own, and a login empties it.
"""

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from gcp_wif.ci.export_format import GSUTIL_VARIABLE
from gcp_wif.errors import InputError, shown
from gcp_wif.files import Roots, open_folder, sha256

__all__ = [
    "FIRST_LINE",
    "Gsutil",
    "forget_tokens",
    "gsutil_for",
    "search_path",
    "search_path_without",
    "why_not",
]

FIRST_LINE = "# Written by gcp-wif login, removed by gcp-wif logout."
"""Of each boto file of ours."""
_ONLY_VARIABLE = "BOTO_CONFIG"
_DEFAULT_SEARCH = f"/etc/boto.cfg{os.pathsep}~/.boto"
_FOLDERS = ".gcp-wif-gsutil"
_KEPT = ("credstore2", "credstore2.lock")
_UNUSABLE = re.compile(rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff{os.pathsep}]|\A~|\s\Z")
"""No path with these can be told to boto: it separates paths by a colon, and reads its files by lines."""


class Gsutil(NamedTuple):
    """What gsutil needs for one credential config.

    Attributes:
        file: its boto file.
        content: of that file; it holds no secret.
        folder: where gsutil keeps access tokens.
    """

    file: Path
    content: bytes
    folder: Path


def gsutil_for(config: Path, home: str | None) -> Gsutil | None:
    """What gsutil needs for ``config``; ``None`` where boto cannot be told these paths.

    Args:
        config: the credential config, absolute.
        home: ``$HOME``.
    """
    if not home or not home.startswith("/") or _UNUSABLE.search(f"{home}/{config}"):
        return None
    name = sha256(os.fsencode(config))[:16]
    folder = Path(home, _FOLDERS, name)
    lines = (
        FIRST_LINE,
        "[Credentials]",
        f"gs_external_account_file = {_value(config)}",
        "[GSUtil]",
        f"state_dir = {_value(folder)}",
    )
    return Gsutil(config.with_name(f"{config.name}.boto"), ("\n".join(lines) + "\n").encode(), folder)


def search_path(file: Path, environ: Mapping[str, str], is_ours: Callable[[str], bool] = lambda _: False) -> str | None:
    """The value of ``BOTO_PATH`` with our file at its end, once; ``None`` where ``BOTO_CONFIG`` leaves no choice.

    Files of other logins go: gsutil would act as one of them as soon as this one's file is gone.

    Args:
        file: our boto file.
        environ: the job's environment.
        is_ours: whether the file at a path is one that a login wrote.
    """
    if environ.get(_ONLY_VARIABLE):
        return None
    before = environ.get(GSUTIL_VARIABLE) or _DEFAULT_SEARCH
    others = [each for each in before.split(os.pathsep) if each != str(file) and not is_ours(each)]
    return os.pathsep.join([*others, str(file)])


def search_path_without(file: Path, before: str) -> str:
    """``BOTO_PATH`` without our boto file; never empty where it was there, because gsutil then reads nothing at all."""
    others = [each for each in before.split(os.pathsep) if each != str(file)]
    return os.pathsep.join(others) or (_DEFAULT_SEARCH if before else "")


def why_not(config: Path, home: str | None, environ: Mapping[str, str]) -> str | None:
    """Why gsutil is not logged in with what is exported for ``config``; ``None`` where it can be."""
    if gsutil_for(config, home) is None:
        return (
            f"gsutil stays anonymous: its configuration cannot name {shown(str(config))} and HOME. Use paths without a "
            "colon and without control characters, or `gcloud storage` in place of gsutil."
        )
    if environ.get(_ONLY_VARIABLE):
        return (
            f"gsutil stays as {_ONLY_VARIABLE} says: where that is set, gsutil reads no other file. Unset it, or add "
            f"to that file, under [Credentials]:  gs_external_account_file = {_value(config)}"
        )
    return None


def forget_tokens(folder: Path, roots: Roots) -> None:
    """Remove the access tokens that gsutil has kept in ``folder``, and the folder if nothing else is in it.

    What cannot be removed stays: it is gsutil's, and a login or logout must not fail for it.
    """
    with (
        contextlib.suppress(OSError, InputError),
        open_folder(folder / "any", roots, origin="gsutil", make=False) as at,
    ):
        for name in _KEPT:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=at)
    with contextlib.suppress(OSError, InputError), open_folder(folder, roots, origin="gsutil", make=False) as at:
        os.rmdir(folder.name, dir_fd=at)
    with contextlib.suppress(OSError, InputError), open_folder(folder.parent, roots, origin="gsutil", make=False) as at:
        os.rmdir(folder.parent.name, dir_fd=at)


def _value(path: Path) -> str:
    return str(path).replace("%", "%%")  # boto interpolates, as Python's configparser does
