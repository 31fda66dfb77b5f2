"""The world around a call of the public API: what was given, else the process's own."""

import io
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gcp_wif.job.context import Context
from gcp_wif.limits import MAX_MANIFEST_BYTES
from gcp_wif.manifest import Manifest

__all__ = ["AnyPath", "Clock", "ManifestSource", "context_of", "manifest_of"]

AnyPath = str | os.PathLike[str]

ManifestSource = Manifest | AnyPath
"""A manifest, or the path of one."""

Clock = Callable[[], float]
"""Seconds since 1970."""


def context_of(environ: Mapping[str, str] | None, cwd: AnyPath | None, clock: Clock = time.time) -> Context:
    """The world around a call: what was given, else the process's own."""
    variables = dict(os.environ if environ is None else environ)
    folder = os.path.abspath(cwd) if cwd is not None else os.getcwd()  # noqa: PTH100, PTH109 - a string
    return Context(variables, folder, io.BytesIO(), clock)


def manifest_of(source: ManifestSource, context: Context) -> Manifest:
    """The manifest itself, or that in the file.

    Raises:
        InputError: WIF306 and its kin where it cannot be read, WIF700 for what is in it.
    """
    if isinstance(source, Manifest):
        return source
    from gcp_wif.files import read_bounded

    name = os.fspath(source)
    return Manifest.parse(read_bounded(Path(context.cwd, name), MAX_MANIFEST_BYTES, origin="the manifest"), origin=name)
