"""A condition, taken apart: the value of each part of it, so that a person sees which one is false. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gcp_wif.cel_pieces import pieces
from gcp_wif.federation.expressions import ExpressionError, compile_expression

__all__ = ["SubExpression", "trace_condition"]

_MOST_PARTS = 200
_DEEPEST = 12
_VARIABLES = ("assertion", "google", "attribute")
_MACROS = ("map", "filter", "all", "exists", "exists_one", "has")
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">", "in")


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
    text = _unwrapped(text)
    for operator in ("?", "||", "&&"):
        operands = _split(text, operator)
        if len(operands) > 1:
            for operand in operands:
                yield from _parts(operand, depth + 1)
            return
    sides = _sides(text)  # before `!`, which binds tighter
    if not sides and text.startswith("!"):
        yield from _parts(_unwrapped(text[1:].strip()), depth + 1)
        return
    for side in sides or _operands_of_call(text):
        if not _is_literal(side) and side not in _VARIABLES:  # all claims at once say nothing
            yield side, depth + 1


def _split(text: str, operator: str) -> list[str]:
    """The operands at the outermost level; for ``?`` the three of a conditional expression."""
    marks = {"?", ":"} if operator == "?" else {operator}
    operands, level, current = [], 0, ""
    for piece in pieces(text):
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
    for _ in range(_DEEPEST):
        if not (text.startswith("(") and text.endswith(")")):
            break
        level, signs = 0, pieces(text)
        for index, piece in enumerate(signs):
            level += (piece == "(") - (piece == ")")
            if level == 0 and index < len(signs) - 1:
                return text
        if level or signs[-1] != ")":
            break
        text = text[1:-1].strip()
    return text


def _sides(text: str) -> list[str]:
    """Both sides of a comparison at the outermost level; of several, the last, since they bind to the left."""
    level, signs, found = 0, pieces(text), None
    for index, piece in enumerate(signs):
        if len(piece) == 1:
            level += (piece in "([{") - (piece in ")]}")
        if level == 0 and piece in _COMPARISONS:
            found = index
    if found is None:
        return []
    return [side for side in ("".join(signs[:found]).strip(), "".join(signs[found + 1 :]).strip()) if side]


def _operands_of_call(text: str) -> list[str]:
    """Receiver and arguments of ``RECEIVER.name(ARGUMENTS)``; of a macro the receiver alone."""
    signs = pieces(text)
    if not signs or signs[-1] != ")":
        return []
    level = 0
    for index in range(len(signs) - 1, 0, -1):
        level += (signs[index] in (")", "]", "}")) - (signs[index] in ("(", "[", "{"))
        if level == 0:
            break
    else:
        return []
    named = index >= 1 and signs[index - 1].isidentifier()
    if signs[index] != "(" or not named:
        return []
    method = index >= 3 and signs[index - 2] == "."
    receiver = ["".join(signs[: index - 2]).strip()] if method else []
    if signs[index - 1] in _MACROS:
        return receiver
    arguments = _split("".join(signs[index + 1 : -1]).strip(), ",")
    return [each for each in (*receiver, *arguments) if each]


def _is_literal(text: str) -> bool:
    if re.fullmatch(r"-?[0-9.]+|true|false|null|\[.*\]", text, re.DOTALL):
        return True
    return text.endswith(("'", '"')) and len(pieces(text)) == 1


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:500]
