"""CEL as workload identity federation speaks it: compiled, bounded and evaluated. The only importer of CEL.

Google documents the Common Expression Language's standard functions plus ``extract``, ``split`` and ``join``, with the
variables ``assertion`` in mappings and ``assertion``, ``google`` and ``attribute`` in conditions. The evaluator is
Google's own C++ implementation; it bounds recursion and iterations itself (observed with cel-expr-python 0.1.3). What
it does not bound is how long strings and lists become, so that is bounded here: before an evaluation begins for what
its operators make, while it runs for ``split`` and ``join``.

No expression reaches a file or the network: the only functions are CEL's and the three below.
"""

import functools
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from gcp_wif.cel_pieces import pieces
from gcp_wif.errors import MissingExtraError
from gcp_wif.limits import MAX_CONDITION

if TYPE_CHECKING:
    from cel_expr_python import cel

__all__ = [
    "Compiled",
    "ExpressionError",
    "compile_expression",
    "extract",
]

_MAX_RESULT = 64 * 1024
_MAX_JOINED = 1024 * 1024
_MAX_PARTS = 500
_MAX_ELEMENTS = 4_000
_MAX_ITERATIONS = 10_000  # the evaluator's own budget, observed
_MAX_WORK = 32 * 1024 * 1024
_MACROS = ("map", "filter", "all", "exists", "exists_one", "existsOne")
_LOWER = frozenset(["&&", "||", "?", ":", "==", "!=", "<=", ">=", "<", ">", "in"])
_ABSENT = "NOT_FOUND: Key not found in map"  # the evaluator's words (observed with cel-expr-python 0.1.3)
_COLUMN = re.compile(r"<input>:(\d+):(\d+): (.*)")
_spent: ContextVar[list[int] | None] = ContextVar("_spent", default=None)


class ExpressionError(Exception):
    """An expression that does not compile, or fails for these values.

    Args:
        message: why, in the evaluator's words.
        column: where, counted from 1; ``None`` where it is not about a place.
        absent: whether a key is not there that the expression reads.
    """

    def __init__(self, message: str, column: int | None = None, *, absent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.absent = absent


class Compiled(NamedTuple):
    """A compiled expression."""

    text: str
    program: "cel.Expression"

    @property
    def may_be_bool(self) -> bool:
        """Whether its value can be true or false, as far as that shows before an evaluation."""
        return self.program.return_type().name() in ("BOOL", "DYN")

    def evaluate(self, **variables: Any) -> Any:
        """The value for ``variables``: plain Python data.

        Raises:
            ExpressionError: it fails for these values, as by naming an absent key, or would need too much memory; or
                they hold a NUL, at which the evaluator's binding would cut a string short (observed).
        """
        _bound(self.text, variables)
        token = _spent.set([0])
        try:
            value = self.program.eval(data=variables)
            if value.type().name() == "ERROR":
                message = str(value.value())
                raise ExpressionError(message, absent=message.startswith(_ABSENT))
            return value.plain_value()
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise ExpressionError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None
        finally:
            _spent.reset(token)


def extract(value: str, template: str) -> str:
    """Google's ``extract``: the part of ``value`` that stands where the template has its ``{name}``.

    It begins behind the first occurrence of the template's prefix and ends before the next occurrence of its suffix;
    with an empty suffix it is the rest. ``""`` where nothing matches (Google, "Extracting values from attributes").

    Raises:
        ValueError: the template has no ``{name}``, or more than one.
    """
    match = re.fullmatch(r"([^{}]*)\{[^{}]*\}([^{}]*)", template, re.DOTALL)
    if match is None:
        raise ValueError(f"the template {template!r} must hold one {{name}}")
    prefix, suffix = match.groups()
    begin = value.find(prefix)
    if begin < 0:
        return ""
    begin += len(prefix)
    if not suffix:
        return value[begin:]
    end = value.find(suffix, begin)
    return "" if end < 0 else value[begin:end]


def _split(value: str, separator: str) -> list[str]:
    parts = value.split(separator, _MAX_PARTS) if separator else list(value)
    if len(parts) > _MAX_PARTS:
        raise ValueError(f"split makes more than {_MAX_PARTS} parts")
    _spend(len(value) + 16 * len(parts))
    return parts


def _join(values: list[Any], separator: str = "") -> str:
    texts = [value.plain_value() if hasattr(value, "plain_value") else value for value in values]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("join takes a list of strings")
    size = sum(map(len, texts)) + len(separator) * len(texts)
    if size > _MAX_RESULT:
        raise ValueError("the joined string is too long")
    _spend(size)
    return separator.join(texts)


def _spend(size: int) -> None:
    """Count what ``split`` and ``join`` make in one evaluation, since a comprehension calls them for each element."""
    spent = _spent.get()
    if spent is not None:
        spent[0] += size
        if spent[0] > _MAX_JOINED:
            raise ValueError("split and join make too much")


@functools.lru_cache(maxsize=4)
def _environment(names: tuple[str, ...]) -> "cel.Env":
    try:
        from cel_expr_python import cel
    except ImportError:
        raise MissingExtraError("admin", command="doctor") from None
    string, strings = cel.Type.STRING, cel.Type.List(cel.Type.DYN)

    def member(name: str, overload: str, parameters: list[Any], result: Any, function: Any) -> Any:
        return cel.Overload(f"{name}_{overload}", result, parameters, True, function)

    return cel.NewEnv(
        # A name with a dot in it is a moment, such as `request.time`; any other is an object.
        variables={name: cel.Type.TIMESTAMP if "." in name else cel.Type.Map(string, cel.Type.DYN) for name in names},
        functions=[
            cel.FunctionDecl("extract", [member("extract", "string", [string, string], string, extract)]),
            cel.FunctionDecl("split", [member("split", "string", [string, string], cel.Type.List(string), _split)]),
            cel.FunctionDecl(
                "join",
                [
                    member("join", "list", [strings], string, _join),
                    member("join", "list_string", [strings, string], string, _join),
                ],
            ),
        ],
    )


@functools.lru_cache(maxsize=512)
def compile_expression(text: str, names: tuple[str, ...]) -> Compiled:
    """Compile ``text``, which may use the variables ``names``.

    Raises:
        ExpressionError: with the column where the evaluator gives one.
        MissingExtraError: WIF002 where CEL is not installed.
    """
    if len(text) > MAX_CONDITION:
        raise ExpressionError(f"an expression has at most {MAX_CONDITION} characters")
    try:
        return Compiled(text, _environment(names).compile(text))
    except (RuntimeError, ValueError, TypeError) as error:  # TypeError: a lone surrogate, which is no UTF-8
        match = _COLUMN.search(str(error))
        if match is None:
            raise ExpressionError(str(error).splitlines()[0]) from None
        before = text.split("\n")[: int(match[1]) - 1]
        raise ExpressionError(match[3].strip(), sum(len(line) + 1 for line in before) + int(match[2])) from None


def _bound(text: str, variables: Mapping[str, Any]) -> None:
    """Refuse an evaluation whose strings could grow beyond `_MAX_WORK` bytes, or its lists beyond `_MAX_ELEMENTS`.

    Both grow by ``+``; where a comprehension's variable stands on both sides, by each further comprehension again. A
    comprehension keeps what it makes of every element, and ``map`` takes memory by the square of their number
    (observed).
    """
    longest, elements = _extent(variables)
    signs = pieces(text)
    growth, loops, iterated = _growth(signs)
    longest = max(longest, *map(len, signs), 1)
    if "split" in signs:
        elements = max(elements, min(longest, _MAX_PARTS))
    if "join" in signs and growth > 1:
        longest = max(longest, _MAX_RESULT)
    elements = max(elements, signs.count(",") + 1)
    rounds = min(elements**loops, _MAX_ITERATIONS)
    if growth * longest * rounds > _MAX_WORK or iterated * elements > _MAX_ELEMENTS:
        raise ExpressionError("the values are too large for this expression")


class _Level:
    """What stands between two brackets, as far as it is read: an operand, its sum, and the largest sum before it.

    Args:
        macro: whether the brackets are a comprehension's.
        over: how often the longest list can stand in what the comprehensions around it go over.
    """

    def __init__(self, macro: bool, over: int) -> None:
        self.macro, self.over = macro, over
        self.loops = 0
        self.operand, self.sum, self.largest = 1, 0, 0

    def end_sum(self) -> int:
        self.largest = max(self.largest, self.sum + self.operand)
        self.operand, self.sum = 1, 0
        return self.largest


def _growth(signs: list[str]) -> tuple[int, int, int]:
    """How often the longest value can stand in a result, how deep comprehensions nest, what they go over; at most.

    An operand such as ``[a + a].map(b, b + b)`` holds what its brackets hold, multiplied; ``+`` adds operands.
    """
    levels, iterated = [_Level(False, 1)], 0
    before = ["", ""]
    for sign in signs:
        level = levels[-1]
        if sign in ("(", "[", "{"):
            macro = sign == "(" and before[0] == "." and before[1] in _MACROS
            levels.append(_Level(macro, level.over * level.operand if macro else level.over))
            iterated = max(iterated, levels[-1].over if macro else 0)
        elif sign in (")", "]", "}") and len(levels) > 1:
            levels.pop()
            levels[-1].operand *= level.end_sum()
            levels[-1].loops = max(levels[-1].loops, level.loops + level.macro)
        elif sign == "+":
            level.sum, level.operand = level.sum + level.operand, 1
        elif sign in _LOWER or sign == ",":
            level.end_sum()
        if not (sign.isspace() or sign.startswith("//")):
            before = [before[1], sign]
    return levels[0].end_sum(), levels[0].loops, iterated


def _extent(value: Any, depth: int = 0) -> tuple[int, int]:
    """The longest string and the largest list or map in ``value``."""
    if depth > 32:
        raise ExpressionError("the claims are nested too deeply")
    if isinstance(value, str):
        if "\0" in value:
            raise ExpressionError("a value holds a NUL character")
        return len(value), 0
    if isinstance(value, Mapping):
        inner = [_extent(each, depth + 1) for each in (*value, *value.values())]
        size = 0 if depth < 2 else len(value)  # the claims themselves are not a list that an issuer can make long
    elif isinstance(value, list | tuple):
        inner = [_extent(each, depth + 1) for each in value]
        size = len(value)
    else:
        return 0, 0
    return max((each[0] for each in inner), default=0), max([size, *(each[1] for each in inner)])
