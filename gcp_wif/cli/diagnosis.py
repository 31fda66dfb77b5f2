"""The doctor's report for people and for scripts.

On a screen the last lines are what somebody reads first, so the finding that matters ends the report; in JSON it comes
first.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gcp_wif.cli.output import Colour
from gcp_wif.safe_text import counted

if TYPE_CHECKING:
    from gcp_wif.doctor import Finding, Report

__all__ = ["finding_lines", "report_document", "report_lines"]

_MARKS = {"fine": "✓", "broken": "✗", "unknown": "?", "skipped": "·"}
_COLOURS: dict[str, Colour] = {
    "fine": "green", "broken": "red", "unknown": "yellow", "skipped": "grey", "advice": "yellow",
}  # fmt: skip


def report_lines(report: "Report", style: Callable[..., str]) -> Iterator[str]:
    """The chain, what it was judged by, and the findings, the likeliest last."""
    for link in report.links:
        mark = style(f"{_MARKS[link.state]} {link.name:<10}", _COLOURS[link.state])
        yield f"{mark} {_plain(link.detail) or ('' if link.state != 'unknown' else 'not seen')}".rstrip()
    if report.attributes:
        yield ""
        for row in report.attributes:
            value = _plain(row.value) if row.value is not None else "(not set)"
            yield f"{row.target} = {value}  ({counted(row.size, 'byte')})"
    if report.trace:
        yield ""
        for part in report.trace:
            value = part.value if part.value is not None else f"error: {part.error}"
            colour = "red" if part.depth == 0 and part.failed else None
            yield f"{'  ' * part.depth}{style(_plain(value), colour)}  ←  {_plain(part.text)}"
    if report.principals:
        yield ""
        yield from map(_plain, report.principals)
    for name, account in report.accounts.items():
        yield f"this token is the identity {name}: {account}"
    for finding in reversed(report.findings):
        yield ""
        first, *rest = map(_plain, finding_lines(finding))
        yield style(first, _COLOURS[finding.level], bold=finding.level == "broken")
        yield from rest
    if report.broken is None:
        unseen = [link.name for link in report.links if link.state == "unknown"]
        yield ""
        yield f"No broken link was found; not seen: {', '.join(unseen)}." if unseen else "Every link holds."


def finding_lines(finding: "Finding") -> list[str]:
    """A finding for people."""
    lines = [f"{finding.code} {finding.link}: {finding.message}"]
    if finding.expected:
        lines.append(f"  expected  {finding.expected}")
    if finding.found:
        lines.append(f"  found     {finding.found}")
    return lines + [f"  → {line}" for line in finding.fix]


def _plain(text: str) -> str:
    """Text of a claim or of Google's, which must not move the cursor or colour the terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def report_document(report: "Report") -> dict[str, Any]:
    """The JSON shape: findings likeliest first."""
    broken = report.broken
    return {
        "broken": broken.code if broken else None,
        "links": [link._asdict() for link in report.links],
        "findings": [
            {
                "code": each.code,
                "link": each.link,
                "level": each.level,
                "message": each.message,
                "expected": each.expected,
                "found": each.found,
                "fix": list(each.fix),
            }
            for each in report.findings
        ],
        "claims": dict(report.claims),
        "attributes": [row._asdict() for row in report.attributes],
        "trace": [part._asdict() for part in report.trace],
        "principals": list(report.principals),
        "accounts": dict(report.accounts),
    }
