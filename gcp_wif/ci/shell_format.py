"""Exports as a shell reads them: lines in a file that bash sources, and text for ``eval``. Pure.

Lines of ours end in a marker, so that they can be told from everybody else's: those are never touched.
"""

import os
import re
import shlex
from collections.abc import Collection, Mapping
from typing import NamedTuple

from gcp_wif.ci.export_format import (
    CREDENTIALS_VARIABLES,
    NO_PROXY_VARIABLES,
    VARIABLES,
    Export,
    FileFormat,
    OutputFormat,
)

__all__ = ["SHELL", "shell_words"]

_MARKER = b"  # gcp-wif"
_NAMES = "|".join(VARIABLES).encode()
_OWN = re.compile(
    rb"(?:export (?P<name>" + _NAMES + rb")=(?P<words>.*)|unset (?P<ended>" + _NAMES + rb"))" + _MARKER + rb"\r?"
)
_HEAD = CREDENTIALS_VARIABLES[0].encode()
"""What begins the lines of one login; those behind it, up to the next one's, are of the same login."""
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class _ShellFormat(FileFormat, OutputFormat):
    def appended(self, content: bytes, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """Nothing, where our own line with that value is there and no later line speaks of the variable.

        A weak export gives way to a value that is set in ``environ`` or in the file by somebody else. A value that our
        own line has set is ours. Where another login's config comes before, all lines are appended, so that each login
        stands in the file as a whole, and what the earlier one set besides is unset.
        """
        lines = content.split(b"\n")
        told = [(export, _state(export.name, lines)) for export in wanted]
        taken = [(export, state) for export, state in told if not _gives_way(export, state, environ)]
        new = any(export.name.encode() == _HEAD and not state.says(export) for export, state in taken)
        due = [_line(export) + _MARKER for export, state in taken if new or not state.says(export)]
        if new:
            names = {export.name for export in wanted}
            due += [
                b"unset " + name.encode() + _MARKER
                for name in VARIABLES
                if name not in names and name not in NO_PROXY_VARIABLES and _state(name, lines).is_ours
            ]
        if not due:
            return b""
        return _seam(content) + b"\n".join(due) + b"\n"

    def ended(self, content: bytes, endings: tuple[Export, ...]) -> tuple[bytes, bytes]:
        """Without our lines; every other byte stays, and the next step's shell starts without the variables."""
        lines = content.splitlines(keepends=True)
        return b"".join(line for line in lines if not _OWN.fullmatch(line.rstrip(b"\n"))), b""

    def ended_of(self, content: bytes, endings: tuple[Export, ...], configs: Collection[str]) -> tuple[bytes, bytes]:
        """Without the lines of one login; those of the login before it count again."""
        words = {shell_words(config) for config in configs}
        kept: list[bytes] = []
        theirs = others = False
        for line in content.splitlines(keepends=True):
            own = _OWN.fullmatch(line.rstrip(b"\n"))
            if own and own["name"] == _HEAD:
                theirs = own["words"] in words
                others = others or not theirs
            if not (own and theirs):
                kept.append(line)
        left = b"".join(kept)
        return (left, b"") if others else self.ended(left, endings)

    def printed(self, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """For ``eval``: without markers; weak ones only where the variable is unset."""
        due = (export for export in wanted if not (export.weak and environ.get(export.name)))
        return b"".join(_line(export) + b"\n" for export in due)

    def unset(self, endings: tuple[Export, ...]) -> bytes:
        """For ``eval`` in a shell that has them."""
        return self.left_over(tuple(name for name in VARIABLES if name not in NO_PROXY_VARIABLES))

    def left_over(self, names: tuple[str, ...]) -> bytes:
        """For ``eval``, as well."""
        return b"unset " + " ".join(names).encode() + b"\n" if names else b""


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


class _State(NamedTuple):
    """What a file says about one variable.

    Attributes:
        words: of all lines of ours that set it.
        last: of the last line that speaks of it, where that is ours and sets it.
        is_theirs: whether that line is somebody else's, and somebody else sets it.
    """

    words: frozenset[bytes]
    last: bytes | None
    is_theirs: bool

    @property
    def is_ours(self) -> bool:
        """Whether the value that counts is one of ours."""
        return self.last is not None

    def says(self, export: Export) -> bool:
        """Whether nothing has to be appended."""
        return self.last == shell_words(export.value)


def _state(variable: str, lines: list[bytes]) -> _State:
    name = variable.encode()
    mention = re.compile(rb"(?<![A-Za-z0-9_])" + name + rb"(?![A-Za-z0-9_])")
    mentions = [line for line in lines if mention.search(line)]
    own = [found for line in mentions if (found := _own(line, name))]
    last = _own(mentions[-1], name) if mentions else None
    assigns = re.compile(rb"\s*(?:export\s+|declare\s+-x\s+)?" + name + rb"=")
    theirs = bool(mentions) and last is None and any(assigns.match(line) for line in mentions)
    return _State(frozenset(each["words"] for each in own if each["name"]), last["words"] if last else None, theirs)


def _own(line: bytes, name: bytes) -> re.Match[bytes] | None:
    found = _OWN.fullmatch(line)
    return found if found and name in (found["name"], found["ended"]) else None


def _gives_way(export: Export, state: _State, environ: Mapping[str, str]) -> bool:
    """Whether somebody else has set what a weak export would set."""
    value = environ.get(export.name) if export.weak else None
    return export.weak and (state.is_theirs or (bool(value) and shell_words(value or "") not in state.words))


def _seam(content: bytes) -> bytes:
    """What separates our first line from a last line that is not finished."""
    if not content or content.endswith(b"\n"):
        # A backslash before the newline would make our line the continuation of theirs.
        return b"\n" if content.endswith((b"\\\n", b"\\\r\n")) else b""
    return b"\n\n" if content.endswith(b"\\") else b"\n"
