"""What `check` finds, and the report of one file that it is collected in."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gcp_wif.config_lint.places import Places
from gcp_wif.limits import MAX_FINDINGS_OF_A_KIND

__all__ = ["FileReport", "LintFinding", "bounded"]


class LintFinding(NamedTuple):
    """One thing that is wrong with a file. No part of it holds a secret's value.

    Attributes:
        line: counted from 1.
        fix: what to do; may have several lines.
        diff: for a drift, the lines of a unified diff.
    """

    code: str
    file: str
    line: int
    message: str
    fix: str
    diff: tuple[str, ...] = ()


class FileReport:
    """Collects what is wrong with one file.

    Attributes:
        name: the file's name.
        places: where its keys are.
        findings: in the order in which they were found.
    """

    def __init__(self, name: str, places: Places) -> None:
        self.name = name
        self.places = places
        self.findings: list[LintFinding] = []

    def add(self, code: str, path: tuple[str, ...], message: str, fix: str, diff: tuple[str, ...] = ()) -> None:
        """Add a finding at the key ``path``, or at the nearest key above it that is there."""
        self.add_at(self.places.line(*path), code, message, fix, diff)

    def add_at(self, line: int, code: str, message: str, fix: str, diff: tuple[str, ...] = ()) -> None:
        """Add a finding at a line that is known."""
        self.findings.append(LintFinding(code, self.name, line, message, fix, diff))


def bounded(findings: Iterable[LintFinding]) -> Iterator[LintFinding]:
    """The findings, at most `MAX_FINDINGS_OF_A_KIND` of one code; then how many more there are of each.

    A file of a million bytes can have 160,000 findings of one kind. They must not bury the one of another kind.
    """
    more: dict[str, list[LintFinding]] = {}
    counts: dict[str, int] = {}
    for each in findings:
        counts[each.code] = counts.get(each.code, 0) + 1
        if counts[each.code] <= MAX_FINDINGS_OF_A_KIND:
            yield each
        elif each.code not in more:
            more[each.code] = [each]
    for code, (first,) in more.items():
        number = counts[code] - MAX_FINDINGS_OF_A_KIND
        yield first._replace(message=f"{number} more findings of this kind, from this line on.", fix="Fix them alike.")
