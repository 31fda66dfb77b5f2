"""Files without a secret: a manifest, a page, a report, rendered text."""

import os
from pathlib import Path

from gcp_wif.errors import InputError
from gcp_wif.files.folders import Roots, check_replaceable, open_folder
from gcp_wif.files.problems import os_problem
from gcp_wif.files.staging import staged

__all__ = ["write_new"]


def write_new(path: Path, data: bytes, roots: Roots, *, replace: bool, origin: str) -> None:
    """Write a file that holds no secret, whole or not at all; its mode follows the umask.

    A link in its place is refused, not followed and not replaced: a repository may hold one, and whoever runs the
    command would be surprised by either.

    Args:
        path: absolute, in a folder that exists.
        data: the whole content.
        roots: the trusted folders.
        replace: whether a file of that name may be replaced.
        origin: the flag that named it.

    Raises:
        InputError: WIF310 where it exists and may not be replaced; WIF301 to WIF304, WIF311, WIF313 where it cannot be
            written.
    """
    try:
        with open_folder(path, roots, origin=origin, make=False) as folder:
            if replace:
                check_replaceable(folder, path, origin=origin)
            with staged(path, folder, data, mode=None, origin=origin) as file:
                if replace:
                    file.replace()
                else:  # unlike a rename, this fails where the name is taken
                    os.link(file.name, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise InputError(f"{origin}: {path} exists.", hint="--force replaces it.", code="WIF310") from None
    except OSError as error:
        raise os_problem(error, path, origin, "written", culprit=path.parent) from error
