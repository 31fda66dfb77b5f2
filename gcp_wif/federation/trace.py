"""A condition, taken apart: the value of each part of it, so that a person sees which one is false. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gcp_wif.federation.expressions import ExpressionError, compile_expression

__all__ = ["SubExpression", "trace_condition"]

_MOST_PARTS = 200
_DEEPEST = 12
_PIECE = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\|\||&&|[()\[\]{}?:]|.""", re.DOTALL)
_VARIABLES = ("assertion", "google", "attribute")
_COMPARISON = re.compile(r"==|!=|<=|>=|<|>|\bin\b")


class SubExpression(NamedTuple):
    """One part of a condition.

    Attributes:
        text: as it stands in the condition.
        depth: how deep it is nested, for an indented list.
        value: as text; ``None`` where it could not be evaluated.
        error: why it could not.
    """

    text: str
    depth: int
    value: str | None
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether this part is not true."""
        return self.value != "true"


def trace_condition(
    condition: str, claims: Mapping[str, Any], google: Mapping[str, Any], attributes: Mapping[str, str]
) -> tuple[SubExpression, ...]:
    """The condition, its operands of ``&&``, ``||``, ``!`` and ``?:``, and both sides of each comparison.

    Args:
        condition: CEL.
        claims: the token's.
        google: mapped ``google.*`` values, without the prefix.
        attributes: mapped ``attribute.*`` values, without the prefix.
    """
    variables = {"assertion": dict(claims), "google": dict(google), "attribute": dict(attributes)}
    found: list[SubExpression] = []
    for text, depth in _parts(condition.strip(), 0):
        if len(found) >= _MOST_PARTS:
            break
        try:
            value = compile_expression(text, _VARIABLES).evaluate(**variables)
        except ExpressionError as error:
            found.append(SubExpression(text, depth, None, error.message))
        else:
            found.append(SubExpression(text, depth, _shown(value)))
    return tuple(found)


def _parts(text: str, depth: int) -> Iterator[tuple[str, int]]:
    yield text, depth
    if depth >= _DEEPEST:
        return
    inner = _unwrapped(text)
    if inner != text:
        for part, below in _parts(inner, depth):
            if part != inner:
                yield part, below
        return
    for operator in ("?", "||", "&&"):
        operands = _split(text, operator)
        if len(operands) > 1:
            for operand in operands:
                yield from _parts(operand, depth + 1)
            return
    if text.startswith("!") and not text.startswith("!="):
        yield from _parts(_unwrapped(text[1:].strip()), depth + 1)
        return
    for side in _sides(text):
        if not _is_literal(side) and side not in _VARIABLES:  # all claims at once say nothing
            yield side, depth + 1


def _split(text: str, operator: str) -> list[str]:
    """The operands at the outermost level; for ``?`` the three of a conditional expression."""
    marks = {"?", ":"} if operator == "?" else {operator}
    operands, level, current = [], 0, ""
    for piece in _PIECE.findall(text):
        level += (piece in "([{") - (piece in ")]}") if len(piece) == 1 else 0
        if level == 0 and piece in marks:
            operands.append(current)
            current = ""
        else:
            current += piece
    operands.append(current)
    return [operand.strip() for operand in operands] if all(each.strip() for each in operands) else [text]


def _unwrapped(text: str) -> str:
    """Without brackets that enclose the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    level = 0
    pieces = _PIECE.findall(text)
    for index, piece in enumerate(pieces):
        level += (piece == "(") - (piece == ")")
        if level == 0 and index < len(pieces) - 1:
            return text
    return text[1:-1].strip()


def _sides(text: str) -> list[str]:
    """Both sides of a comparison at the outermost level."""
    level, current, pieces = 0, "", _PIECE.findall(text)
    plain = ""
    for piece in pieces:
        if len(piece) == 1:
            level += (piece in "([{") - (piece in ")]}")
        hidden = level > 0 or len(piece) > 1 or piece in ")]}"
        plain += "\x00" * len(piece) if hidden else piece
        current += piece
    match = _COMPARISON.search(plain)
    if match is None:
        return []
    return [side for side in (text[: match.start()].strip(), text[match.end() :].strip()) if side]


def _is_literal(text: str) -> bool:
    return bool(
        re.fullmatch(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|-?[0-9.]+|true|false|null|\[.*\]", text, re.DOTALL)
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:500]
