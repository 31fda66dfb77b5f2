"""Exports as a shell reads them: lines in a file that bash sources, and text for ``eval``. Pure.

Lines of ours end in a marker, so that they can be told from everybody else's: those are never touched.
"""

import os
import re
import shlex
from collections.abc import Mapping

from gcp_wif.ci.export_format import NO_PROXY_VARIABLES, VARIABLES, Export, FileFormat, OutputFormat

__all__ = ["SHELL", "shell_words"]

_MARKER = b"  # gcp-wif"
_OWN = re.compile(rb"export (?P<name>" + "|".join(VARIABLES).encode() + rb")=(?P<words>.*)" + _MARKER + rb"\r?")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class _ShellFormat(FileFormat, OutputFormat):
    def appended(self, content: bytes, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """Nothing, where our own line with that value is there and no later line speaks of the variable.

        A weak export gives way to a value that is set in ``environ`` or in the file by somebody else. A value that our
        own line has set is ours.
        """
        lines = content.split(b"\n")
        due = [_line(export) + _MARKER for export in wanted if _is_due(export, lines, environ)]
        if not due:
            return b""
        return _seam(content) + b"\n".join(due) + b"\n"

    def ended(self, content: bytes, endings: tuple[Export, ...]) -> tuple[bytes, bytes]:
        """Without our lines; every other byte stays, and the next step's shell starts without the variables."""
        lines = content.splitlines(keepends=True)
        return b"".join(line for line in lines if not _OWN.fullmatch(line.rstrip(b"\n"))), b""

    def printed(self, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """For ``eval``: without markers; weak ones only where the variable is unset."""
        due = (export for export in wanted if not (export.weak and environ.get(export.name)))
        return b"".join(_line(export) + b"\n" for export in due)

    def unset(self, endings: tuple[Export, ...]) -> bytes:
        """For ``eval`` in a shell that has them."""
        names = (name for name in VARIABLES if name not in NO_PROXY_VARIABLES)
        return b"unset " + " ".join(names).encode() + b"\n"


SHELL = _ShellFormat()
"""``export`` lines: for a file that bash sources, and for ``eval`` in any shell."""


def shell_words(value: str) -> bytes:
    """``value`` as one shell word, on one line.

    Bytes that are no text in the file system's encoding come through; control characters, a newline among them, are
    written in bash's ``$'…'``. Of two ``#`` the second is quoted apart: printed text is a CI system's log, too, which
    obeys ``##WORD[…]`` (`gcp_wif.ci`).
    """
    raw = os.fsencode(value)
    if not _CONTROL.search(raw):
        return re.sub(rb"#(?=#)", rb"#''", os.fsencode(shlex.quote(value)))
    escaped = raw.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
    return b"$'" + _CONTROL.sub(lambda match: b"\\%03o" % ord(match[0]), escaped).replace(b"##", b"#\\043") + b"'"


def _line(export: Export) -> bytes:
    return b"export " + export.name.encode() + b"=" + shell_words(export.value)


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
