"""Searching a phrase in an error text, however it was wrapped, quoted, escaped or cut.

A phrase is written as it is printed. Letter case, blanks, quotes and punctuation do not count. ``*`` stands for a
value of up to 400 letters and digits, ``~`` for a name of up to 100; ``&`` joins pieces that may stand anywhere in the
text, in any order. Only `str.find` is used, so that no text, however hostile, takes more than time in proportion to its
length.
"""

import re
from functools import cache
from typing import NamedTuple

__all__ = ["is_cut_phrase", "says", "squeezed"]

_VALUES = {"*": 400, "~": 100}
_CUT_CHARACTERS = 18
"""The fewest characters of a phrase that a cut text must still have, and two thirds of its words: fewer say little."""
_TRIES = 50
"""How often the first words of a phrase are looked at, should a text repeat them without end."""


def squeezed(text: str) -> str:
    """Letters and digits alone, in lower case: what wrapping, quoting and escaping leave untouched."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())


class _Piece(NamedTuple):
    """Words in their order, and how many characters may stand before each."""

    parts: tuple[str, ...]
    gaps: tuple[int, ...]


@cache
def _pieces(phrase: str) -> tuple[_Piece, ...]:
    return tuple(
        _Piece(
            tuple(map(squeezed, re.split(r"[*~]", each))), (0, *(_VALUES[mark] for mark in re.findall(r"[*~]", each)))
        )
        for each in phrase.split("&")
    )


def says(text: str, phrase: str) -> bool:
    """Whether ``text``, which is `squeezed`, has the phrase."""
    return all(_has(text, piece) for piece in _pieces(phrase))


def _has(text: str, piece: _Piece) -> bool:
    start = -1
    for _ in range(_TRIES):
        start = text.find(piece.parts[0], start + 1)
        if start < 0:
            return False
        at = start + len(piece.parts[0])
        for part, gap in zip(piece.parts[1:], piece.gaps[1:], strict=True):
            found = text.find(part, at, at + gap + len(part))
            if found < 0:
                break
            at = found + len(part)
        else:
            return True
    return False


def is_cut_phrase(text: str, phrase: str) -> bool:
    """Whether ``text``, which is `squeezed` and was cut at its beginning or end, begins or ends within the phrase."""
    pieces = _pieces(phrase)
    return len(pieces) == 1 and (_ends_within(text, pieces[0]) or _begins_within(text, pieces[0].parts[-1]))


def _begins_within(text: str, part: str) -> bool:
    return any(text.startswith(part[at:]) for at in range(1, len(part) - _least(part) + 1))


def _least(part: str) -> int:
    return max(_CUT_CHARACTERS, len(part) * 2 // 3)


def _ends_within(text: str, piece: _Piece) -> bool:
    """Within its first words, or within those after the first value, which must be cut in their turn."""
    first, *rest = piece.parts
    if _ends_with_beginning(text, first, _least(first)):
        return True
    start = text.rfind(first)
    if start < 0 or not rest or len(first) < _CUT_CHARACTERS // 2:
        return False
    left = text[start + len(first) :]
    if len(left) > piece.gaps[1] + len(rest[0]):
        return False
    return len(first) >= _CUT_CHARACTERS or _ends_with_beginning(left, rest[0], _CUT_CHARACTERS - len(first))


def _ends_with_beginning(text: str, part: str, least: int) -> bool:
    return any(text.endswith(part[:length]) for length in range(len(part) - 1, least - 1, -1))
