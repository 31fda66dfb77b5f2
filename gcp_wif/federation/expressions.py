"""CEL as workload identity federation speaks it: compiled, bounded and evaluated. The only importer of CEL.

Google documents the Common Expression Language's standard functions plus ``extract``, ``split`` and ``join``, with the
variables ``assertion`` in mappings and ``assertion``, ``google`` and ``attribute`` in conditions. The evaluator is
Google's own C++ implementation; it bounds recursion and iterations itself (observed with cel-expr-python 0.1.3). What
it does not bound is how long a string becomes, so that is bounded here before an evaluation begins.

No expression reaches a file or the network: the only functions are CEL's and the three below.
"""

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from gcp_wif.errors import MissingExtraError

if TYPE_CHECKING:
    from cel_expr_python import cel

__all__ = ["MAX_CONDITION", "MAX_EXPRESSION", "Compiled", "ExpressionError", "compile_expression", "extract"]

MAX_EXPRESSION = 2048
"""Google's limit for a mapping's expression, in characters."""

MAX_CONDITION = 4096
"""Google's limit for a condition, in characters."""

_MAX_RESULT = 64 * 1024
_MAX_WORK = 32 * 1024 * 1024
_COMPREHENSION = re.compile(r"\.\s*(?:map|filter|all|exists|exists_one)\s*\(")
_COLUMN = re.compile(r"<input>:1:(\d+): (.*)")


class ExpressionError(Exception):
    """An expression that does not compile, or fails for these values.

    Args:
        message: why, in the evaluator's words.
        column: where, counted from 1; ``None`` where it is not about a place.
    """

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


class Compiled(NamedTuple):
    """A compiled expression."""

    text: str
    program: "cel.Expression"

    def evaluate(self, **variables: Mapping[str, Any]) -> Any:
        """The value for ``variables``: plain Python data.

        Raises:
            ExpressionError: it fails for these values, as by naming an absent key, or would need too much memory.
        """
        _bound(self.text, variables)
        try:
            value = self.program.eval(data=variables)
            if value.type().name() == "ERROR":
                raise ExpressionError(str(value.value()))
            return value.plain_value()
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise ExpressionError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None


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
    return value.split(separator) if separator else list(value)


def _join(values: list[Any], separator: str = "") -> str:
    texts = [value.plain_value() if hasattr(value, "plain_value") else value for value in values]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("join takes a list of strings")
    if sum(map(len, texts)) + len(separator) * len(texts) > _MAX_RESULT:
        raise ValueError("the joined string is too long")
    return separator.join(texts)


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
        variables={name: cel.Type.Map(string, cel.Type.DYN) for name in names},
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
        raise ExpressionError(match[2].strip(), int(match[1])) from None


def _bound(text: str, variables: Mapping[str, Any]) -> None:
    """Refuse an evaluation whose strings could grow beyond `_MAX_WORK` bytes.

    Strings grow by concatenation, once for each ``+``, and a comprehension does so for each element.
    """
    longest, elements = _extent(variables)
    rounds = max(1, elements) ** min(2, len(_COMPREHENSION.findall(text)))
    work = (text.count("+") + 1) * max(longest, len(text)) * rounds
    if work > _MAX_WORK:
        raise ExpressionError("the values are too large for this expression")


def _extent(value: Any, depth: int = 0) -> tuple[int, int]:
    """The longest string and the largest list or map in ``value``."""
    if depth > 32:
        raise ExpressionError("the claims are nested too deeply")
    if isinstance(value, str):
        return len(value), 0
    if isinstance(value, Mapping):
        inner = [_extent(each, depth + 1) for each in value.values()]
        size = 0 if depth < 2 else len(value)  # the claims themselves are not a list that an issuer can make long
    elif isinstance(value, list | tuple):
        inner = [_extent(each, depth + 1) for each in value]
        size = len(value)
    else:
        return 0, 0
    return max((each[0] for each in inner), default=0), max([size, *(each[1] for each in inner)])
