"""`export`: which variables a job gets, in which words a shell reads them, and which lines a shell file still needs.

Pure. Lines of ours end in a marker, so that they can be told from everybody else's: those are never touched.
"""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gcp_wif.job.gsutil import SEARCH_VARIABLE
from gcp_wif.job.target import ProjectChoice

__all__ = [
    "Export",
    "append_lines",
    "block_removed",
    "exports",
    "own_lines_removed",
    "plain_lines",
    "shell_words",
    "unset_words",
]

CREDENTIALS_VARIABLES = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT", "GCLOUD_PROJECT")
ALLOW_VARIABLE = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
VARIABLES = (*CREDENTIALS_VARIABLES, *PROJECT_VARIABLES, ALLOW_VARIABLE, SEARCH_VARIABLE)

_MARKER = b"  # gcp-wif"
_OWN = re.compile(rb"export (?P<name>" + "|".join(VARIABLES).encode() + rb")=(?P<words>.*)" + _MARKER + rb"\r?")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Export(NamedTuple):
    """One variable; ``weak`` where it must not replace a value that somebody else has set."""

    name: str
    value: str
    weak: bool = False


def exports(
    config: Path, project: ProjectChoice | None, *, executables: bool = False, boto_path: str | None = None
) -> tuple[Export, ...]:
    """The variables of a job.

    ``GOOGLE_APPLICATION_CREDENTIALS`` is for client libraries; ``CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE`` logs gcloud
    in without `gcloud auth login` (observed, gcloud 528).

    Args:
        config: the credential config, absolute.
        project: the project, where it is known.
        executables: whether clients may run the config's program: no client does without
            ``GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1`` (AIP-4117).
        boto_path: where gsutil looks, which knows neither of the two (`gcp_wif.job.gsutil`); ``None`` to leave it.
    """
    credentials = tuple(Export(name, str(config)) for name in CREDENTIALS_VARIABLES)
    if executables:
        credentials += (Export(ALLOW_VARIABLE, "1"),)
    if boto_path is not None:
        credentials += (Export(SEARCH_VARIABLE, boto_path),)
    if project is None:
        return credentials
    return credentials + tuple(
        Export(name, project.project_id, weak=not project.explicit) for name in PROJECT_VARIABLES
    )


def shell_words(value: str) -> bytes:
    """``value`` as one shell word, on one line.

    Bytes that are no text in the file system's encoding come through; control characters, a newline among them, are
    written in bash's ``$'…'``.
    """
    raw = os.fsencode(value)
    if not _CONTROL.search(raw):
        return os.fsencode(shlex.quote(value))
    escaped = raw.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
    return b"$'" + _CONTROL.sub(lambda match: b"\\%03o" % ord(match[0]), escaped) + b"'"


def _line(export: Export) -> bytes:
    return b"export " + export.name.encode() + b"=" + shell_words(export.value)


def plain_lines(wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
    """The exports for ``eval``, without markers; weak ones only where the variable is unset."""
    due = (export for export in wanted if not (export.weak and environ.get(export.name)))
    return b"".join(_line(export) + b"\n" for export in due)


def append_lines(content: bytes, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
    """What must be appended to a shell file so that each wanted variable has its value after sourcing it.

    Nothing, where our own line with that value is there and no later line speaks of the variable.

    Args:
        content: the file as it is.
        wanted: the exports.
        environ: the job's environment: a weak export gives way to a value that is set there or in the file by
            somebody else. A value that our own line has set is ours.
    """
    lines = content.split(b"\n")
    due = [_line(export) + _MARKER for export in wanted if _is_due(export, lines, environ)]
    if not due:
        return b""
    return _seam(content) + b"\n".join(due) + b"\n"


def _is_due(export: Export, lines: list[bytes], environ: Mapping[str, str]) -> bool:
    name = export.name.encode()
    mention = re.compile(rb"(?<![A-Za-z0-9_])" + name + rb"(?![A-Za-z0-9_])")
    mentions = [line for line in lines if mention.search(line)]
    own = [match for line in mentions if (match := _OWN.fullmatch(line)) and match["name"] == name]
    last = _OWN.fullmatch(mentions[-1]) if mentions else None
    last_is_own = last is not None and last["name"] == name
    if export.weak:
        value = environ.get(export.name)
        ours = {match["words"] for match in own}
        if value and shell_words(value) not in ours:
            return False
        assigns = re.compile(rb"\s*(?:export\s+|declare\s+-x\s+)?" + name + rb"=")
        if mentions and not last_is_own and any(assigns.match(line) for line in mentions):
            return False
    return not (last_is_own and own[-1]["words"] == shell_words(export.value))


def _seam(content: bytes) -> bytes:
    """What separates our first line from a last line that is not finished."""
    if not content or content.endswith(b"\n"):
        # A backslash before the newline would make our line the continuation of theirs.
        return b"\n" if content.endswith((b"\\\n", b"\\\r\n")) else b""
    return b"\n\n" if content.endswith(b"\\") else b"\n"


def block_removed(content: bytes, block: bytes) -> bytes:
    """The file without what one run appended; unchanged where that is not there as it was written.

    Args:
        content: the file as it is.
        block: what `append_lines` gave. Where somebody has appended behind it, the newline that ends a last line of
            theirs stays.
    """
    if not block or block not in content:
        return content
    before, _, after = content.rpartition(block)
    seam = block[: len(block) - len(block.lstrip(b"\n"))]
    return before + (seam if after else b"") + after


def own_lines_removed(content: bytes) -> bytes:
    """The file without our lines; every other byte stays."""
    return b"".join(line for line in content.splitlines(keepends=True) if not _OWN.fullmatch(line.rstrip(b"\n")))


def unset_words() -> bytes:
    """What ends the exports in a shell that has them: for ``eval``."""
    return b"unset " + " ".join(VARIABLES).encode() + b"\n"
