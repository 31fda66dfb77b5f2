"""Error texts in the shape that programs print them, each with its true cause: ``tests/golden/error_texts``.

The classes are those of public threads; the texts are written anew, and every name in them is invented. ``causes`` are
the codes that may be named first, none where the text is about something else; ``also`` are those that must be among
the causes named. ``looked_at`` was before the eyes of whoever built the recognition, ``put_aside`` was not.
"""

import tomllib
from pathlib import Path
from typing import NamedTuple

__all__ = ["LOOKED_AT", "PUT_ASIDE", "Pasted", "right"]

_FOLDER = Path(__file__).parents[1] / "golden" / "error_texts"


class Pasted(NamedTuple):
    """One text that somebody pasted."""

    source: str
    text: str
    causes: tuple[str, ...]
    also: tuple[str, ...]


def _read(name: str) -> tuple[Pasted, ...]:
    found = tomllib.loads((_FOLDER / f"{name}.toml").read_text())["text"]
    return tuple(
        Pasted(each["source"], each["text"].replace("␛", "\x1b"), tuple(each["causes"]), tuple(each.get("also", ())))
        for each in found
    )


LOOKED_AT = _read("looked_at")
PUT_ASIDE = _read("put_aside")


def right(pasted: Pasted, named: tuple[str, ...]) -> bool:
    """Whether the first cause that was named is the true one; for a text about something else, whether none was."""
    return named[:1] == () if not pasted.causes else bool(named) and named[0] in pasted.causes
