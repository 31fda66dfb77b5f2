"""The plain fields of TOML tables: present or not, of the right type, or one problem more."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from gcp_wif.errors import InputError
from gcp_wif.limits import MAX_SUGGESTIONS
from gcp_wif.manifest.model import ManifestProblem

__all__ = ["LONGEST_VALUE", "Table", "Tables", "is_value"]

T = TypeVar("T")
Table = Mapping[str, Any]

LONGEST_VALUE = 1000
"""The most characters of a claim's value, ours: Google bounds all mapped values together, at 8 KB."""


def is_value(text: str) -> bool:
    """Whether an identifier in a policy can hold it: what is invisible there could not be told from something else."""
    return 0 < len(text) <= LONGEST_VALUE and text.isprintable() and not re.search(r"\s|\ufffd", text)


class Tables:
    """Reads fields and collects what is wrong with them.

    A ``key`` is the whole TOML key, for messages; its last part names the field in the table.

    Attributes:
        problems: in the order in which they were found.
    """

    def __init__(self) -> None:
        self.problems: list[ManifestProblem] = []

    def _say(self, key: str, message: str, code: str = "WIF704") -> None:
        self.problems.append(ManifestProblem(key, message, code))

    def _known(self, table: Table, key: str, names: Iterable[str]) -> None:
        suggested = 0
        for name in table:
            if name not in names:
                import difflib

                suggested += 1
                near = difflib.get_close_matches(name, list(names), 1, 0.5) if suggested <= MAX_SUGGESTIONS else ()
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}."
                self._say(f"{key}.{name}" if key else name, f"is unknown; {hint}", "WIF702")

    def _table(self, document: Table, key: str, *, required: bool = True) -> Table:
        name = key.removeprefix("identities.") if key.startswith("identities.") else key.rpartition(".")[2]
        found = document.get(name)
        if isinstance(found, dict):
            return found
        if found is not None:
            self._say(key, f"must be a table, [{key}].")
        elif required:
            self._say(key, f"is needed: the table [{key}].", "WIF703")
        return {}

    def _text(
        self, table: Table, key: str, *, required: bool = False, empty: bool = False, limit: int = 10_000
    ) -> str | None:
        value = table.get(key.rpartition(".")[2])
        if value is None:
            if required:
                self._say(key, "is needed.", "WIF703")
            return None
        if not isinstance(value, str):
            self._say(key, "must be a string in quotes.")
        elif not value and not empty:
            self._say(key, "is empty.")
        elif len(value) > limit:
            self._say(key, f"has {len(value)} characters, at most {limit} are allowed.")
        else:
            return value
        return None

    def _texts(self, table: Table, key: str, name: str | None = None) -> tuple[str, ...]:
        value = table.get(key.rpartition(".")[2] if name is None else name)
        if value is None:
            return ()
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(each, str) and each for each in values):
            self._say(key, "must be a string or a list of strings, none of them empty.")
            return ()
        return tuple(dict.fromkeys(cast("list[str]", values)))

    def _bool(self, table: Table, key: str, *, default: bool = False) -> bool:
        value = table.get(key.rpartition(".")[2], default)
        if not isinstance(value, bool):
            self._say(key, "must be true or false.")
            return default
        return value

    def _parsed(self, table: Table, key: str, parse: Callable[..., T], *, required: bool = True) -> T | None:
        text = self._text(table, key, required=required, empty=True)
        if text is None:
            return None
        try:
            return parse(text, origin="it")
        except InputError as error:
            self._say(key, f"{error.message.removeprefix('it ')} {error.hint or ''}".strip())
            return None
