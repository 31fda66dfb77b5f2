"""Where the source uses a ``WIFnnn``, and which exit code a command has there; read from the syntax tree.

A code may be a literal in the call that raises or reports it, or go through a helper of the same module, a tuple or a
``return``. Then the calls of that helper, of the function around the literal, or of the module say what becomes of it.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gcp_wif import errors

PACKAGE = Path(errors.__file__).parent
CODE = re.compile(r"WIF\d{3}")
_USED = re.compile(r"(WIF\d{3})|error (WIF\d{3}): ?.*", re.DOTALL)
"""A whole literal, or the beginning of the line that is printed; other texts only mention a code."""
_LEVELS = {"broken": 1, "unknown": 0, "advice": 0}
"""`doctor` exits with 1 for a broken link alone."""


@dataclass
class Use:
    """How the source uses one code.

    Attributes:
        places: ``file:line`` of each use.
        raised: exit codes of the error classes that are raised with it.
        reported: exit codes of the findings that are made with it.
        possible: where it takes a detour: exit codes of all that the function or module around it makes.
    """

    places: list[str] = field(default_factory=list)
    raised: set[int] = field(default_factory=set)
    reported: set[int] = field(default_factory=set)
    possible: set[int] = field(default_factory=set)


class _Package:
    def __init__(self, folder: Path) -> None:
        self.trees = {
            path.relative_to(folder): ast.parse(path.read_text())
            for path in sorted(folder.rglob("*.py"))
            if not _is_registry(path.relative_to(folder))
        }
        bases = {
            each.name: [_name(base) for base in each.bases]
            for tree in self.trees.values()
            for each in ast.walk(tree)
            if isinstance(each, ast.ClassDef)
        }
        self.exit_codes = {name: code for name in bases if (code := _exit_code(name, bases)) is not None}

    def outcomes(self, node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[set[int], set[int]]:
        """Exit codes of what the calls in ``node`` raise, and of what they report."""
        raised: set[int] = set()
        reported: set[int] = set()
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                one, other = self.outcome(call, parents)
                raised |= one
                reported |= other
        return raised, reported

    def outcome(self, call: ast.Call, parents: dict[ast.AST, ast.AST]) -> tuple[set[int], set[int]]:
        name = _name(call.func)
        if name in self.exit_codes:
            return {self.exit_codes[name]}, set()
        if name == "__init__":
            owner = next((each for each in _up(call, parents) if isinstance(each, ast.ClassDef)), None)
            return ({self.exit_codes[owner.name]} if owner and owner.name in self.exit_codes else set()), set()
        if name in ("ManifestProblem", "_say"):  # `_say` is how the readers of tables make one
            return {self.exit_codes["ManifestError"]}, set()
        of_a_report = name in ("add", "add_at") and _name(getattr(call.func, "value", call)) == "report"
        if name == "LintFinding" or of_a_report:
            return set(), {1}
        if name == "Finding":
            words = {each.value for each in ast.walk(call) if isinstance(each, ast.Constant)}
            return set(), {code for level, code in _LEVELS.items() if level in words}
        return set(), set()


def uses() -> dict[str, Use]:
    """Every code that the source uses, docstrings and comparisons aside."""
    package = _Package(PACKAGE)
    found: dict[str, Use] = {}
    for path, tree in package.trees.items():
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        helpers: dict[str, list[ast.AST]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                helpers.setdefault(node.name, []).append(node)
        for node in ast.walk(tree):
            value = node.value if isinstance(node, ast.Constant) else None
            match = _USED.fullmatch(value) if isinstance(value, str) else None
            if match is None:
                continue
            above = list(_up(node, parents))
            if isinstance(above[0], ast.Expr) or any(isinstance(each, ast.Compare) for each in above):
                continue
            use = found.setdefault(match[1] or match[2], Use())
            use.places.append(f"{path}:{node.lineno}")
            _classify(use, above, package, parents, helpers)
    return found


def _classify(
    use: Use,
    above: list[ast.AST],
    package: _Package,
    parents: dict[ast.AST, ast.AST],
    helpers: dict[str, list[ast.AST]],
) -> None:
    if isinstance(above[0], ast.arguments):  # the code of a problem that is raised where nothing else is said
        use.raised.add(package.exit_codes["InputError"])
        return
    for call in (each for each in above if isinstance(each, ast.Call)):
        raised, reported = package.outcome(call, parents)
        for helper in helpers.get(_name(call.func), []) if not raised and not reported else []:
            one, other = package.outcomes(helper, parents)
            raised, reported = raised | one, reported | other
        if raised or reported:
            use.raised |= raised
            use.reported |= reported
            return
    around = [each for each in above if isinstance(each, ast.FunctionDef)][:1]
    for scope in (*around, above[-1]):
        raised, reported = package.outcomes(scope, parents)
        if raised or reported:
            use.possible |= raised | reported
            return


def refusal_kinds() -> set[str]:
    """The names of `RefusalKind` that the source uses outside of the table."""
    return {
        node.attr
        for tree in _Package(PACKAGE).trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _name(node.value) == "RefusalKind"
    }


def _is_registry(path: Path) -> bool:
    """Whether the file holds rows of the registry, or the table that some are made from."""
    return path.parts[0] == "refusals" or (path.parts[0] == "codes" and path.name != "__init__.py")


def _up(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in parents:
        node = parents[node]
        yield node


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _exit_code(name: str, bases: dict[str, list[str]]) -> int | None:
    own = getattr(errors, name, None)
    if isinstance(own, type) and issubclass(own, errors.GcpWifError):
        return own.exit_code
    found = [_exit_code(base, bases) for base in bases.get(name, [])]
    return next((code for code in found if code is not None), None)
