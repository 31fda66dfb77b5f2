"""Finding Google's sentence in what some client printed, and saying it with its values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gcp_wif.refusals.model import RefusalKind, Row
from gcp_wif.refusals.table import TABLE

__all__ = ["Refusal", "recognise", "row_of"]

_SEARCHED_CHARACTERS = 20_000
_ROWS = {row.kind: row for row in TABLE}


def row_of(kind: RefusalKind) -> Row:
    """The row of the table for ``kind``."""
    return _ROWS[kind]


@dataclass(frozen=True)
class Refusal:
    """One refusal with its values: what the emulator answers and `federation` finds."""

    kind: RefusalKind
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, kind: RefusalKind, **values: str) -> "Refusal":
        """A refusal of ``kind``; ``values`` fill its template."""
        return cls(kind, MappingProxyType(values))

    @property
    def row(self) -> Row:
        """All that is known of its kind."""
        return row_of(self.kind)

    @property
    def description(self) -> str:
        """Google's sentence, filled in."""
        return self.row.template.format(**self.values)


def recognise(text: str) -> Row | None:
    """Find Google's sentence in ``text``, as printed by any client; ``None`` where none is known.

    Args:
        text: at most the first 20,000 characters are searched.
    """
    head = text[:_SEARCHED_CHARACTERS]
    return next((row for row in TABLE if re.search(row.pattern, head, re.IGNORECASE)), None)
