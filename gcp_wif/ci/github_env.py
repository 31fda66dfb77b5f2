"""Exports as GitHub's runner reads them from the file that ``GITHUB_ENV`` names. Pure, but for random delimiters.

Each step has a file of its own, which the runner reads when the step has ended: ``NAME=VALUE``, or ``NAME<<DELIMITER``
with lines of the value and the delimiter behind it (GitHub, "Workflow commands"; actions/runner,
``FileCommandManager.cs``). Here it is always the second: a value then needs no escaping, whatever is in it, and nobody
can put a line into a value that would be a variable of its own, because the delimiter is random. It also marks what is
ours. A variable that an earlier step has set cannot be unset, only emptied.
"""

import os
import re
from collections.abc import Iterator, Mapping
from secrets import token_hex
from typing import NamedTuple

from gcp_wif.ci.export_format import Export, FileFormat

__all__ = ["GITHUB_ENV"]

_OWN = re.compile(rb"gcp-wif-[0-9a-f]{32}")


class _Assignment(NamedTuple):
    """A variable in the file; ``start`` and ``end`` are those of its lines, the last line end included."""

    name: bytes
    value: bytes
    own: bool
    start: int
    end: int


class _GitHubEnv(FileFormat):
    empties = True

    def appended(self, content: bytes, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """Nothing for a variable that has the value already: in this step's file or, from an earlier step, by now.

        A weak export gives way to whatever is set, unless this step's file has one of ours.
        """
        last = {each.name: each for each in _assignments(content)}
        due = []
        for export in wanted:
            found, value = last.get(export.name.encode()), os.fsencode(export.value)
            now = found.value if found else os.fsencode(environ.get(export.name, ""))
            if now != value and not (export.weak and now and not (found and found.own)):
                due.append(_lines(export))
        return _seam(content) + b"".join(due) if due else b""

    def ended(self, content: bytes, endings: tuple[Export, ...]) -> tuple[bytes, bytes]:
        """Without our lines; what earlier steps have set gets the value that ends it."""
        found = tuple(_assignments(content))
        wanted = [(export.name.encode(), os.fsencode(export.value)) for export in endings]
        if [(each.name, each.value) for each in found if each.own] == wanted:  # it was ended before
            return content, b""
        for each in reversed(found):
            if each.own:
                content = content[: each.start] + content[each.end :]
        more = b"".join(map(_lines, endings))
        return content, _seam(content) + more if more else b""


GITHUB_ENV = _GitHubEnv()
"""Variables in the runner's file."""


def _lines(export: Export) -> bytes:
    mark = f"gcp-wif-{token_hex(16)}".encode()
    value = os.fsencode(export.value)
    return b"".join((export.name.encode(), b"<<", mark, b"\n", value, b"\n", mark, b"\n"))


def _assignments(content: bytes) -> Iterator[_Assignment]:
    """What the runner would read, up to where it would refuse the file."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+", content)
    position, index = 0, 0
    while index < len(lines):
        start, line = position, lines[index].rstrip(b"\r\n")
        position, index = position + len(lines[index]), index + 1
        heredoc, equals = line.find(b"<<"), line.find(b"=")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            mark, value = line[heredoc + 2 :], []
            while index < len(lines) and lines[index].rstrip(b"\r\n") != mark:
                value.append(lines[index])
                position, index = position + len(lines[index]), index + 1
            if index == len(lines):
                return
            position, index = position + len(lines[index]), index + 1
            text = b"".join(value).removesuffix(b"\n").removesuffix(b"\r")
            yield _Assignment(line[:heredoc], text, bool(_OWN.fullmatch(mark)), start, position)
        elif equals >= 0:
            yield _Assignment(line[:equals], line[equals + 1 :], False, start, position)


def _seam(content: bytes) -> bytes:
    """What separates our first line from a last line that is not finished."""
    return b"\n" if content and not content.endswith(b"\n") else b""
