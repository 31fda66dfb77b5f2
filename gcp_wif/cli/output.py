"""What people and scripts see: data on stdout, words on stderr, and no secret in either.

`HidingStream` stands before the real stdout and stderr for the whole run, so that a log line of a library or a usage
error that repeats an argument cannot show a secret either, nor move the cursor, nor give the CI system a command.
`Terminal.secret` is the one door around it: for the commands whose output is a token.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import typer

from gcp_wif import secrets
from gcp_wif.errors import GcpWifError, InputError
from gcp_wif.safe_text import visible

__all__ = ["HidingStream", "Terminal", "report_crash", "start_logging"]

_LINE_CHARACTERS = 1 << 16
_BEFORE_CHARACTERS = 1 << 10


class HidingStream:
    """A text stream without secrets, control characters and CI systems' commands.

    It writes whole lines, and what there is at a flush. It remembers the end of what it wrote, so that of a secret that
    comes in pieces, with a flush behind each, no more than one piece's beginning is seen: less than
    `limits.SECRET_FRAGMENT` characters.
    """

    def __init__(self, stream: TextIO) -> None:
        self.bare = stream
        self._line: list[str] = []
        self._length = 0
        self._before = ""

    def write(self, text: str) -> int:
        """Write what ends in a line break; keep the rest until more comes, or a flush."""
        if not isinstance(text, str):
            raise TypeError(f"a text stream takes str, not {type(text).__name__}")
        lines, newline, rest = text.rpartition("\n")
        if newline:
            self._line.append(lines + newline)
            self._emit()
        if rest:
            self._line.append(rest)
            self._length += len(rest)
            if self._length > _LINE_CHARACTERS:
                self._emit()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what was kept."""
        self._emit()
        self.bare.flush()

    @property
    def buffer(self) -> "_HidingBuffer":
        """The binary side, which hides too: Click takes it where the encoding is not to its liking."""
        return _HidingBuffer(self)

    def _emit(self) -> None:
        text = "".join(self._line)
        self._line, self._length = [], 0
        if text:
            hidden = secrets.hide(text, before=self._before)
            self._before = (self._before + text)[-_BEFORE_CHARACTERS:]
            self.bare.write(visible(hidden, colours=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)


class _HidingBuffer:
    """The binary side of a `HidingStream`: bytes without secrets, for files that are printed."""

    def __init__(self, stream: HidingStream) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Write ``data`` without secrets; each call by itself."""
        self._stream.flush()
        text = bytes(data).decode("utf-8", "surrogateescape")
        self._stream.bare.buffer.write(secrets.hide(text).encode("utf-8", "surrogateescape"))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream.bare.buffer, name)


class Terminal:
    """Where one command speaks: ``say`` and ``warn`` to people, ``data`` and ``raw`` to programs."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self._quiet = quiet

    def say(self, text: str) -> None:
        """Words for people, on stderr."""
        if not self._quiet:
            typer.echo(text, err=True)

    def warn(self, text: str) -> None:
        """A warning, on stderr."""
        self.say(f"warning: {text}")

    def data(self, document: dict[str, Any]) -> None:
        """The result as one JSON object on stdout, where ``--json`` asks for it."""
        if self.as_json:
            typer.echo(json.dumps(_hidden(document), indent=2))

    def raw(self, data: bytes) -> None:
        """Bytes on stdout: shell text, a rendered file."""
        self.secret(secrets.hide(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))

    def secret(self, data: bytes) -> None:
        """Bytes on stdout as they are: for a token that was asked for, and for nothing else."""
        sys.stdout.flush()
        stream = sys.stdout.bare if isinstance(sys.stdout, HidingStream) else sys.stdout
        stream.buffer.write(data)
        stream.buffer.flush()

    def error(self, error: GcpWifError) -> None:
        """An error: words on stderr and, with ``--json``, ``{"error": {code, message, hint}}`` on stdout."""
        self.say(f"error {error.code}: {error.message}")
        for line in (error.hint or "").splitlines():
            self.say(f"  {line}")
        self.data({"error": {"code": error.code, "message": error.message, "hint": error.hint}})


def _hidden(value: Any) -> Any:
    """A JSON document without secrets: string by string, since hiding in its text could spoil the document."""
    if isinstance(value, str):
        return secrets.hide(value)
    if isinstance(value, dict):
        return {secrets.hide(str(name)): _hidden(each) for name, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list | tuple) else value


def start_logging(verbosity: int) -> None:
    """Send log records to stderr: those of gcp-wif at ``-v``, those of the libraries too at ``-vv``."""
    if verbosity == 0:
        return
    import logging

    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger(None if verbosity > 1 else "gcp_wif").setLevel(logging.DEBUG)


def report_crash(error: Exception, *, as_json: bool = False) -> int:
    """Say that this is a bug, without a traceback, which could hold a token; returns the exit code."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_qualname}, line {where.tb_lineno}" if where else "unknown place"
    message = f"unexpected {type(error).__name__} in {place}. This is a bug of gcp-wif."
    Terminal(as_json=as_json).error(InputError(message, code="WIF001"))
    return 2
