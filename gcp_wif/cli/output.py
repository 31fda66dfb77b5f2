"""What people and scripts see: data on stdout, words on stderr, and no token in either.

`HidingStream` stands before the real stderr for the whole run, so that a log line of a library or a usage error that
repeats an argument cannot show a token either.
"""

import json
import sys
from typing import Any, TextIO

import typer

from gcp_wif.errors import GcpWifError, hide_tokens

__all__ = ["HidingStream", "Terminal", "report_crash", "start_logging"]


class HidingStream:
    """A text stream that replaces tokens in what is written through it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def bare(self) -> TextIO:
        """The stream itself."""
        return self._stream

    def write(self, text: str) -> int:
        """Write ``text`` with its tokens replaced."""
        return self._stream.write(hide_tokens(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


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

    def command(self, text: str) -> None:
        """A command to the CI system on stderr, not hidden: one that masks a secret in the log has to hold it."""
        if text and not self._quiet:
            sys.stderr.flush()
            stream = sys.stderr.bare if isinstance(sys.stderr, HidingStream) else sys.stderr
            stream.write(text + "\n")
            stream.flush()

    def data(self, document: dict[str, Any]) -> None:
        """The result as one JSON object on stdout, where ``--json`` asks for it."""
        if self.as_json:
            typer.echo(json.dumps(document, indent=2))

    def raw(self, data: bytes) -> None:
        """Bytes on stdout: shell text, a token."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def error(self, error: GcpWifError) -> None:
        """An error: words on stderr and, with ``--json``, ``{"error": {code, message, hint}}`` on stdout."""
        self.say(f"error {error.code}: {error.message}")
        for line in (error.hint or "").splitlines():
            self.say(f"  {line}")
        self.data({"error": {"code": error.code, "message": hide_tokens(error.message), "hint": error.hint}})


def start_logging(verbosity: int) -> None:
    """Send log records to stderr: those of gcp-wif at ``-v``, those of the libraries too at ``-vv``."""
    if verbosity == 0:
        return
    import logging

    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger(None if verbosity > 1 else "gcp_wif").setLevel(logging.DEBUG)


def report_crash(error: Exception) -> int:
    """Say that this is a bug, without a traceback, which could hold a token; returns the exit code."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_qualname}, line {where.tb_lineno}" if where else "unknown place"
    typer.echo(f"error WIF001: unexpected {type(error).__name__} in {place}. This is a bug of gcp-wif.", err=True)
    return 2
