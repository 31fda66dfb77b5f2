"""Where each key and value of a JSON or TOML text is.

The standard library's parsers keep no positions. Both scans here take a text that such a parser has already accepted,
so they only follow its structure, without recursion, and see every value: one that a repeated key hides as well.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["KeyPath", "Places", "Scalar", "scan_json", "scan_toml"]

KeyPath = tuple[str, ...]
"""The keys from the top, an element of an array with its index: ``("identities", "deploy", "allow[1]", "branch")``."""

_DEEPEST = 12
"""Nothing that can be wrong is deeper. Longer paths would make a hostile file cost memory by its depth."""

_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_TOML = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'"
    r"""|\#[^\n]*|\n|[\[\]{}=,.]|[^\s\[\]{}=,.\#"']+""",
    re.DOTALL,
)  # fmt: skip


class Scalar(NamedTuple):
    """One value that is neither object nor array, or one key.

    Attributes:
        path: of the value; of a key, its own.
        key: the nearest key above it; ``None`` for a key itself.
        value: strings decoded, all else as it is written.
        raw: as it is written.
        line: counted from 1.
    """

    path: KeyPath
    key: str | None
    value: str
    raw: str
    line: int


class Places:
    """The lines of a text's keys and array elements.

    Attributes:
        scalars: in the text's order.
        repeated: each key that its object has a second time, and that line.
        depth: how deeply objects and arrays are nested.
    """

    def __init__(self) -> None:
        self.scalars: list[Scalar] = []
        self.repeated: list[tuple[str, int]] = []
        self.depth = 0
        self._lines: dict[KeyPath, int] = {}
        self._joined: dict[str, int] | None = None

    def note(self, path: KeyPath, line: int) -> None:
        """Remember a place; of a repeated key the last counts, as for parsers."""
        if len(path) <= _DEEPEST:
            self._lines[path] = line

    def line(self, *path: str) -> int:
        """The line of ``path``, else of the nearest key above it that is there, else 1."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines[path] if path else 1

    def line_of(self, key: str) -> int:
        """As `line`, for a key in one string such as ``identities.deploy.allow[1].branch``."""
        if self._joined is None:
            self._joined = {".".join(path): line for path, line in reversed(self._lines.items())}
        while key and key not in self._joined:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self._joined[key] if key else 1


def _below(path: KeyPath, key: str) -> KeyPath:
    """Paths that are too deep to be asked for all get the same length, one more than is kept."""
    return (*path, key) if len(path) <= _DEEPEST else path


def _element(path: KeyPath, index: int) -> KeyPath:
    return (*path[:-1], f"{path[-1] if path else ''}[{index}]") if len(path) <= _DEEPEST else path


class _Frame:
    """An open object, array or inline table."""

    __slots__ = ("index", "is_array", "key", "name", "path", "seen")

    def __init__(self, path: KeyPath, name: str | None, *, is_array: bool) -> None:
        self.path, self.name, self.is_array = path, name, is_array
        self.index = 0
        self.key: str | None = None
        self.seen: set[str] | None = None

    def place(self) -> tuple[KeyPath, str | None]:
        """The path of the value that comes next, and the nearest key."""
        if self.is_array:
            return _element(self.path, self.index), self.name
        return _below(self.path, self.key or ""), self.key

    def is_repeated(self, key: str) -> bool:
        """Whether the object has had ``key`` before."""
        if self.seen is None:
            self.seen = set()
        before = len(self.seen)
        self.seen.add(key)
        return len(self.seen) == before


def _tokens(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, int]]:
    line, last = 1, 0
    for match in pattern.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        yield match[0], line


def scan_json(text: str) -> Places:
    """The places in ``text``, which ``json.loads`` takes."""
    places, frames = Places(), list[_Frame]()
    for symbol, line in _tokens(_JSON, text):
        frame = frames[-1] if frames else None
        if symbol in "}]":
            frames.pop()
        elif symbol == "," and frame is not None:
            frame.index, frame.key = frame.index + 1, None
        elif symbol == ":":
            continue
        elif frame is not None and not frame.is_array and frame.key is None:
            frame.key = _json_string(symbol)
            if frame.is_repeated(frame.key):
                places.repeated.append((frame.key, line))
            path, _ = frame.place()
            places.note(path, line)
            places.scalars.append(Scalar(path, None, frame.key, symbol, line))
        else:
            path, name = frame.place() if frame is not None else ((), None)
            if frame is not None and frame.is_array:
                places.note(path, line)
            if symbol in "{[":
                frames.append(_Frame(path, name, is_array=symbol == "["))
                places.depth = max(places.depth, len(frames))
            else:
                value = _json_string(symbol) if symbol.startswith('"') else symbol
                places.scalars.append(Scalar(path, name, value, symbol, line))
    return places


def _json_string(symbol: str) -> str:
    return str(json.loads(symbol, strict=False)) if "\\" in symbol else symbol[1:-1]


def scan_toml(text: str) -> Places:
    """The places in ``text``, which ``tomllib.loads`` takes."""
    scan = _TomlScan()
    for symbol, line in _tokens(_TOML, text):
        if not symbol.startswith("#"):
            scan.take(symbol, line)
    return scan.places


class _TomlScan:
    """Follows one TOML text, symbol by symbol.

    ``_keys`` holds the parts of the key that is being read, and is ``None`` while a value is.
    """

    def __init__(self) -> None:
        self.places = Places()
        self._prefix: KeyPath = ()
        self._frames: list[_Frame] = []
        self._keys: list[str] | None = []
        self._key_line = 1
        self._value: KeyPath = ()
        self._name: str | None = None
        self._header = 0
        self._counts: dict[KeyPath, int] = {}

    def take(self, symbol: str, line: int) -> None:
        """The next symbol."""
        frame = self._frames[-1] if self._frames else None
        if symbol == "\n":
            if frame is None:
                self._end_of_line()
        elif frame is None and self._keys == [] and symbol == "[":
            self._header += 1
        elif self._keys is not None and symbol == "}" and frame is not None:  # an inline table that is empty
            self._frames.pop()
            self._keys = None
        elif self._keys is not None:
            self._take_key(symbol, line)
        else:
            self._take_value(symbol, line, frame)

    def _end_of_line(self) -> None:
        if self._header and self._keys:
            self._open_table(self._keys)
        self._keys, self._header = [], 0

    def _open_table(self, keys: list[str]) -> None:
        self._prefix = ()
        for number, key in enumerate(keys, 1):
            path = _below(self._prefix, key)
            if self._header > 1 and number == len(keys):
                self._counts[path] = self._counts.get(path, -1) + 1
                if self._counts[path] == 0:
                    self.places.note(path, self._key_line)
            self._prefix = _element(path, self._counts[path]) if path in self._counts else path
        self.places.note(self._prefix, self._key_line)

    def _take_key(self, symbol: str, line: int) -> None:
        if self._keys is None or symbol in (".", "]"):
            return
        if symbol != "=":
            if not self._keys:
                self._key_line = line
            self._keys.append(_toml_string(symbol))
            self.places.scalars.append(Scalar((), None, self._keys[-1], symbol, line))
            return
        path = self._frames[-1].path if self._frames else self._prefix
        for key in self._keys:
            path = _below(path, key)
            self.places.note(path, self._key_line)
        self._value, self._name = path, self._keys[-1]
        self._keys = None

    def _take_value(self, symbol: str, line: int, frame: _Frame | None) -> None:
        if symbol == ",":
            if frame is not None and frame.is_array:
                frame.index += 1
            else:
                self._keys = []
            return
        if symbol in "]}":
            self._frames.pop()
            return
        path, name = frame.place() if frame is not None and frame.is_array else (self._value, self._name)
        if frame is not None and frame.is_array:
            self.places.note(path, line)
        if symbol in "[{":
            self._frames.append(_Frame(path, name, is_array=symbol == "["))
            self._keys = [] if symbol == "{" else None
        elif symbol not in (".", "="):
            self.places.scalars.append(Scalar(path, name, _toml_string(symbol), symbol, line))


def _toml_string(symbol: str) -> str:
    """A key or value, decoded where it is a string."""
    if symbol[0] not in "\"'":
        return symbol
    fence = symbol[:3] if symbol[:3] in ('"""', "'''") and len(symbol) >= 6 else symbol[0]
    if symbol[0] == '"' and "\\" in symbol:
        import tomllib

        return str(tomllib.loads(f"x = {symbol}")["x"])
    return symbol[len(fence) : -len(fence)].removeprefix("\n" if len(fence) == 3 else "")
