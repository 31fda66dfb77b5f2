"""Reading the manifest that a command names."""

from pathlib import Path

from gcp_wif.errors import InputError
from gcp_wif.files import read_bounded
from gcp_wif.manifest import MAX_MANIFEST_BYTES, Manifest

__all__ = ["read_manifest"]


def read_manifest(name: str, cwd: str) -> Manifest:
    """The manifest in the file ``name``.

    Raises:
        InputError: it cannot be read, or is no valid manifest: every problem at once.
    """
    try:
        data = read_bounded(Path(cwd, name), MAX_MANIFEST_BYTES, origin="--manifest")
    except InputError as error:
        if error.code == "WIF306":
            error.hint = "`gcp-wif init` writes one; --manifest FILE names another."
        raise
    return Manifest.parse(data, origin=name)
