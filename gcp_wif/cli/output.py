"""What people and scripts see: the result on stdout, everything else on stderr, and no secret in either.

`HidingStream` stands before the real stdout and stderr for the whole run, so that a log line of a library or a usage
error that repeats an argument cannot show a secret either, nor move the cursor, nor give the CI system a command.
`Terminal.secret` is the one door around it: for the commands whose output is a token.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TextIO

from gcp_wif import secrets
from gcp_wif.errors import GcpWifError, InputError
from gcp_wif.safe_text import visible

__all__ = [
    "JSON_VERSION",
    "Colour",
    "HidingStream",
    "Terminal",
    "error_document",
    "lost_result",
    "report_crash",
    "start_logging",
]

JSON_VERSION = 1
"""Of the objects that ``--json`` prints, as `gcp_wif/schemas/output.v1.json` describes them."""

Colour = Literal["green", "red", "yellow", "grey"]
_ESCAPES: dict[Colour, str] = {"green": "32", "red": "31", "yellow": "33", "grey": "90"}

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
        self.failure: OSError | None = None
        """Why the stream behind took no more."""

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
        with self._noting_failure():
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
            with self._noting_failure():
                self.bare.write(visible(hidden, colours=True))

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise

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
    """Where one command speaks: ``report``, ``data`` and ``raw`` are its result, on stdout; the rest is on stderr.

    Args:
        as_json: the result is one JSON object, so ``report`` is silent.
        quiet: nothing on stderr, for a client that merges it into stdout.
        colour: whether colour is wanted; it is only ever used on a terminal.

    Attributes:
        so_far: what an interrupt leaves behind, in whole sentences; a command keeps it true as it goes on.
        finishing: whether work is under way that an interrupt waits for.
        answered: whether the end has been told, a result or an error: the second would contradict the first.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, colour: bool = False) -> None:
        self.as_json = as_json
        self.so_far = "Nothing was changed."
        self.finishing = False
        self.answered = False
        self._quiet = quiet
        self._colour = colour

    def report(self, text: str = "") -> None:
        """A line of the report that was asked for, on stdout; silent with ``--json``.

        Raises:
            InputError: WIF012 where stdout takes no more.
        """
        if not self.as_json:
            _to_stdout(lambda: _write_text(f"{text}\n"))

    def say(self, text: str) -> None:
        """Words for people, on stderr."""
        if self._quiet:
            return
        try:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
        except OSError:
            _discard(2)  # nobody listens there; the work goes on, and so does its exit code

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

    def ask(self, question: str) -> str:
        """The line that somebody answers on the terminal; empty where they end the input."""
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def data(self, document: dict[str, Any]) -> None:
        """The result as one JSON object on stdout, where ``--json`` asks for it.

        Raises:
            InputError: WIF012 where stdout takes no more.
        """
        if self.as_json:
            text = json.dumps(_hidden(_versioned(document)), indent=2)
            _to_stdout(lambda: _write_bare(f"{text}\n".encode()))
        self.answered = True

    def raw(self, data: bytes) -> None:
        """Bytes on stdout, without secrets: shell text, a rendered file.

        Raises:
            InputError: WIF012 where stdout takes no more.
        """
        self.secret(secrets.hide(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))

    def secret(self, data: bytes) -> None:
        """Bytes on stdout as they are: for a token that was asked for, and for nothing else.

        Raises:
            InputError: WIF012 where stdout takes no more.
        """
        _to_stdout(lambda: _write_bare(data))

    def error(self, error: GcpWifError) -> None:
        """An error: words on stderr and, with ``--json``, ``{"error": {code, message, hint}}`` on stdout."""
        self.say(f"error {error.code}: {error.message}")
        for line in (error.hint or "").splitlines():
            self.say(f"  {line}")
        if error.code == "WIF012" or self.answered:
            return  # no object can go there, or one is there already
        with contextlib.suppress(InputError):  # where no object can go either, the words must do
            self.data(error_document(error))

    def style(self, text: str, colour: Colour | None, *, bold: bool = False, err: bool = False) -> str:
        """``text`` in a colour, where it goes to a terminal and colour is wanted."""
        stream = sys.stderr if err else sys.stdout
        codes = [*(["1"] if bold else []), *([_ESCAPES[colour]] if colour else [])]
        if not (self._colour and codes and stream is not None and stream.isatty()):
            return text
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m"


def error_document(error: GcpWifError) -> dict[str, Any]:
    """The JSON shape of an error."""
    return _versioned({"error": {"code": error.code, "message": error.message, "hint": error.hint}})


def _versioned(document: dict[str, Any]) -> dict[str, Any]:
    return {"version": JSON_VERSION, **document}


def _hidden(value: Any) -> Any:
    """A JSON document without secrets: string by string, since hiding in its text could spoil the document."""
    if isinstance(value, str):
        return secrets.hide(value)
    if isinstance(value, dict):
        return {secrets.hide(str(name)): _hidden(each) for name, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list | tuple) else value


def _write_text(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _write_bare(data: bytes) -> None:
    sys.stdout.flush()
    stream = sys.stdout.bare if isinstance(sys.stdout, HidingStream) else sys.stdout
    stream.buffer.write(data)
    stream.buffer.flush()


def _to_stdout(write: Callable[[], None]) -> None:
    """Write and flush.

    Raises:
        InputError: WIF012 where stdout is closed or full. A reader that has seen enough (``| head``) is no error.
    """
    lost: InputError | None = None
    try:
        write()
    except OSError as error:
        lost = lost_result(error)
    if lost is not None:
        raise lost


def lost_result(failure: OSError) -> InputError | None:
    """What it means that stdout took no more: WIF012, or nothing where the reader has seen enough (``| head``)."""
    _discard(1)
    if isinstance(failure, BrokenPipeError):
        return None
    return InputError(
        f"The result cannot be written to stdout: {failure.strerror}.",
        hint="What the command did otherwise stands.",
        code="WIF012",
    )


def _discard(descriptor: int) -> None:
    """Let what is still buffered go nowhere, or Python would complain at exit, with an exit code of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    if nowhere != descriptor:
        os.close(nowhere)


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
