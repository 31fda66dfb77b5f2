"""The evidence below the picture, row by row. Pure."""

import json
import re
from collections.abc import Sequence

from gcp_wif.doctor.evidence import Binding, Evidence
from gcp_wif.doctor.report import Report
from gcp_wif.doctor.view.model import (
    AttributeLine,
    BindingLine,
    ClaimLine,
    IdentityLine,
    Mark,
    Part,
    PrincipalLine,
    Row,
    Table,
)
from gcp_wif.doctor.view.text import moment, safe
from gcp_wif.federation import SubExpression
from gcp_wif.limits import MAX_PAGE_ROWS
from gcp_wif.names import Principal

__all__ = [
    "ACCOUNT", "TOKEN", "attribute_lines", "binding_lines", "claim_lines", "claim_text", "claims_read", "deciding",
    "identity_lines", "parts", "policies", "principal_lines", "table", "tail",
]  # fmt: skip

_CLAIM = re.compile(r"assertion(?:\.([A-Za-z_][A-Za-z0-9_]*)|\['([^']+)'\]|\[\"([^\"]+)\"\])")
_TIMES = ("iat", "nbf", "exp", "auth_time")
"""Claims that are times (RFC 7519, section 4.1; OpenID Connect Core, section 2)."""

TOKEN, ACCOUNT, OTHER = _HOLDERS = ("this token", "its account", "somebody else")

_AFTER_A_SIDE = re.compile(r"\s*(?:[=!<>]=|[<>]|in\b)")
_BEFORE_A_SIDE = re.compile(r"(?:[=!<>]=|[<>]|\bin)\s*\Z")
_DEEPEST = 8
_LONGEST = 600
"""Characters of a claim."""


def table(lines: Sequence[Row]) -> Table[Row]:
    """As many lines as a page holds."""
    return Table(tuple(lines[:MAX_PAGE_ROWS]), max(0, len(lines) - MAX_PAGE_ROWS))


def claims_read(evidence: Evidence) -> tuple[str, ...]:
    """The claims that the provider's rules read, the condition's first, each once."""
    rules = evidence.rules
    if rules is None:
        return ()
    expressions = (rules.attribute_condition or "", *rules.attribute_mapping.values())
    names = [a or b or c for text in expressions for a, b, c in _CLAIM.findall(text)]
    return tuple(dict.fromkeys(names))


def claim_lines(evidence: Evidence) -> tuple[ClaimLine, ...]:
    """Every claim by name, times as times."""
    read = set(claims_read(evidence))
    return tuple(
        ClaimLine(safe(name), claim_text(value), moment(value, evidence.now) if name in _TIMES else None, name in read)
        for name, value in sorted((evidence.claims or {}).items())
    )


def claim_text(value: object) -> str:
    """A claim's value: text as it is, anything else as JSON."""
    text = safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def attribute_lines(report: Report) -> tuple[AttributeLine, ...]:
    """Every mapped attribute, in the mapping's order."""
    return tuple(
        AttributeLine(safe(row.target), safe(row.expression), None if row.value is None else safe(row.value), row.size)
        for row in report.attributes
    )


def parts(trace: tuple[SubExpression, ...]) -> tuple[Part, ...]:
    """The condition's parts; one is marked as false only where all parts that hold it are false too."""
    found: list[Part] = []
    above: list[tuple[SubExpression, bool]] = []  # the parts that hold this one, and whether they are false or true
    for index, each in enumerate(trace):
        del above[each.depth :]
        holder = above[-1][0] if above else None
        decides = (holder is None or not _is_side(each.text, holder.text)) and each.value in ("true", "false", None)
        mark: Mark | None = None
        if decides and each.value == "true":
            mark = "fine"
        elif decides and all(failed for _, failed in above):
            mark = "broken"
        above.append((each, each.failed))
        outcome = each.value if each.value is not None else f"error: {each.error or 'cannot be evaluated'}"
        whole = index + 1 < len(trace) and trace[index + 1].depth > each.depth
        found.append(Part(safe(each.text), min(each.depth, _DEEPEST), safe(outcome), mark, whole))
    return tuple(found)


def _is_side(text: str, holder: str) -> bool:
    """Whether ``text`` is one side of the comparison ``holder``: a value, not a verdict."""
    inner = holder.strip()
    while inner:
        after = inner.startswith(text) and _AFTER_A_SIDE.match(inner[len(text) :])
        if after or (inner.endswith(text) and _BEFORE_A_SIDE.search(inner[: len(inner) - len(text)])):
            return True
        if not (inner.startswith("(") and inner.endswith(")")):
            return False
        inner = inner[1:-1].strip()
    return False


def deciding(evidence: Evidence) -> tuple[Binding, ...] | None:
    """The policy that must name the token: the account's, or for direct federation the project's."""
    return evidence.project_policy if evidence.direct else evidence.policy


def policies(evidence: Evidence) -> tuple[tuple[str, tuple[Binding, ...]], ...]:
    """The policies that were seen, each with what it belongs to; the one that must name the token first."""
    project = ((safe(evidence.project or "the project"), evidence.project_policy),)
    account = () if evidence.direct else ((safe(evidence.account or "the account"), evidence.policy),)
    above = ((safe(each.name), each.bindings) for each in evidence.above or ())
    return tuple((name, bindings) for name, bindings in (*account, *project, *above) if bindings is not None)


def binding_lines(evidence: Evidence, report: Report) -> tuple[BindingLine, ...]:
    """Members of the policies that were seen, those that are this token first.

    Of a project's policy only what concerns this token and its account, unless it is the one that must name the token.
    """
    known, account = set(report.principals), f"serviceAccount:{evidence.account}"
    holders = dict.fromkeys(known, TOKEN) | ({account: ACCOUNT} if evidence.account else {})
    lines = [
        BindingLine(resource, safe(each.role), safe(member), holders.get(member, OTHER), each.condition is not None)
        for resource, bindings in policies(evidence)
        for each in bindings
        for member in each.members
        if member in holders or bindings is deciding(evidence)
    ]
    return tuple(sorted(lines, key=lambda line: _HOLDERS.index(line.holder)))


def principal_lines(report: Report, bindings: tuple[BindingLine, ...]) -> tuple[PrincipalLine, ...]:
    """Every identifier of the token, those that a policy names first."""
    roles: dict[str, dict[str, None]] = {}
    for each in bindings:
        if each.holder == TOKEN:
            roles.setdefault(each.member, {})[each.role] = None
    lines = [PrincipalLine(safe(text), tail(text), tuple(roles.get(safe(text), ()))) for text in report.principals]
    return tuple(sorted(lines, key=lambda line: not line.roles))


def tail(member: str) -> str:
    """The part of a principal that tells it from others of its pool; any other member as it is."""
    principal = Principal.parse(member)
    if principal is None:
        return safe(member)
    return "every identity of the pool" if principal.is_whole_pool else safe(principal.tail)


def identity_lines(report: Report) -> tuple[IdentityLine, ...]:
    """The identities of the manifest that this token is."""
    return tuple(IdentityLine(safe(name), safe(account)) for name, account in sorted(report.accounts.items()))
