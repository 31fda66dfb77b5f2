"""The picture: the token on its way to the account, in seven stations. Pure."""

import re
from collections.abc import Callable
from typing import NamedTuple

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Finding, LinkState, Report
from gcp_wif.doctor.view.model import BindingLine, FindingView, LinkView, Mark, Part, PrincipalLine, Station, Value
from gcp_wif.doctor.view.tables import ACCOUNT, TOKEN, claim_text, claims_read, deciding, tail
from gcp_wif.doctor.view.text import cut, safe, step
from gcp_wif.issuers import profile_of
from gcp_wif.safe_text import counted

__all__ = ["WORDS", "Case", "finding_view", "stations"]

WORDS: dict[Mark, str] = {
    "fine": "holds", "broken": "broken", "unknown": "unknown", "skipped": "not reached", "advice": "advice",
}  # fmt: skip
"""A state in a word, beside its shape and colour."""

_MOST = 3
"""Values of a station: what a glance takes in."""

_LABEL = 44
"""Characters of a label."""

_HOST = re.compile(r"\A[a-z0-9-]+(?:\.[a-z0-9-]+)+/")
_CLAIM = re.compile(r"assertion\[(?P<quote>['\"])(?P<name>[^'\"]+)(?P=quote)\]")

_PROVED = "Not seen, but proved by Google's answer."

Content = tuple[list[Value], str]
"""A station's values, and a note."""


class Case(NamedTuple):
    """What the stations are made from.

    Attributes:
        bindings: of `gcp_wif.doctor.view.tables.binding_lines`; likewise ``principals`` and ``parts``.
    """

    evidence: Evidence
    report: Report
    bindings: tuple[BindingLine, ...]
    principals: tuple[PrincipalLine, ...]
    parts: tuple[Part, ...]


class _Plan(NamedTuple):
    name: str
    title: str
    links: tuple[str, ...]
    content: Callable[[Case], Content]


def stations(case: Case) -> tuple[Station, ...]:
    """The chain as a flow: token, provider, attributes, condition, principal, binding, account."""
    return tuple(_station(plan, case) for plan in _PLANS)


def _station(plan: _Plan, case: Case) -> Station:
    evidence, report = case.evidence, case.report
    links = [link for link in report.links if link.name in plan.links]
    mark = _worst(links)
    values, note = plan.content(case)
    if not values and not note:
        proved = _PROVED if evidence.proved.issuperset(plan.links) else ""
        note = {"skipped": "Not reached.", "unknown": "Not seen.", "fine": proved}.get(mark, "")
    shown = tuple(values[:_MOST])
    if mark == "skipped":  # what would have been judged: no verdict
        shown = tuple(Value(value.label, value.text) for value in shown)
    title = "Project" if plan.name == "account" and evidence.direct else plan.title
    return Station(
        plan.name,
        title,
        mark,
        WORDS[mark],
        tuple(LinkView(link.name, link.state, WORDS[link.state]) for link in links),
        shown,
        len(values) - len(shown),
        note,
        tuple(finding_view(each) for each in report.findings if each.level == "broken" and each.link in plan.links),
    )


def _worst(links: list[LinkState]) -> Mark:
    states = {link.state for link in links}
    order: tuple[Mark, ...] = ("broken", "unknown", "skipped")
    return next((each for each in order if each in states), "fine")


def finding_view(finding: Finding) -> FindingView:
    """A finding as the page shows it."""
    return FindingView(
        safe(finding.code),
        safe(finding.link),
        finding.level,
        WORDS[finding.level],
        safe(finding.message),
        safe(finding.expected) if finding.expected else None,
        safe(finding.found) if finding.found else None,
        tuple(map(step, finding.fix)),
    )


def _value(label: object, text: object, mark: Mark | None = None, word: str = "") -> Value:
    return Value(cut(safe(label), _LABEL), cut(safe(text)), mark, word)


def _token(case: Case) -> Content:
    """The claims that the rules read; without rules those that tell most of this CI system's tokens."""
    evidence = case.evidence
    if evidence.claims is None:
        return [], "No token was looked at."
    names = claims_read(evidence) or profile_of(evidence.claims).telling
    claims = evidence.claims
    held = [_value(_short(name), claim_text(claims[name])) for name in names if name in claims]
    return [*held, *(_value(_short(name), "absent") for name in names if name not in claims)], ""


def _short(name: str) -> str:
    """A claim's name without the host that owns it, as CI systems put it before their own."""
    return _HOST.sub("", name)


def _readable(expression: str) -> str:
    """CEL for a glance: claims by their short names, without `assertion`."""
    return _CLAIM.sub(lambda match: _short(match["name"]), expression)


def _provider(case: Case) -> Content:
    evidence = case.evidence
    rules = evidence.rules
    if rules is None:
        return [], ""
    audiences = rules.allowed_audiences
    said = ", ".join(audiences) if audiences else "the provider's own name"
    return [
        _value("issuer", rules.issuer.removeprefix("https://")),
        _value("audience" if len(audiences) < 2 else counted(len(audiences), "audience"), said),
    ], ""


def _attributes(case: Case) -> Content:
    """What the condition reads and the policy names before the rest."""
    rules = case.evidence.rules
    condition = (rules.attribute_condition or "") if rules else ""
    bound = " ".join(line.tail for line in case.principals if line.roles)
    rows = sorted(case.report.attributes, key=lambda row: not (row.target in condition or row.target in bound))
    return [_value(row.target, "not set" if row.value is None else row.value or "empty") for row in rows], ""


def _condition(case: Case) -> Content:
    rules, found = case.evidence.rules, case.parts
    if rules is not None and not rules.attribute_condition:
        return [], "No condition: whatever the issuer signs may pass."
    if not found:
        return [_value("not evaluated", _readable(rules.attribute_condition or ""))] if rules else [], ""
    marked = [part for part in _operands(found) if part.mark]
    ordered = sorted(marked, key=lambda part: part.mark != "broken")
    return [_value("", _readable(part.text), part.mark, part.outcome.partition(":")[0]) for part in ordered], ""


def _operands(found: tuple[Part, ...]) -> list[Part]:
    """The parts that the condition is joined from; the condition itself where it is of one piece."""
    outer = [part for part in found if part.level == 1 and part.mark]
    return outer if len(outer) > 1 else list(found[:1])


def _principal(case: Case) -> Content:
    """Those that a policy names, else the attributes' before the subject's, the whole pool's last."""
    return [_value(_kind(line), line.tail) for line in sorted(case.principals, key=_weight)], ""


def _kind(line: PrincipalLine) -> str:
    return "principal" if line.tail.startswith("subject/") else "principal set"


def _weight(line: PrincipalLine) -> tuple[bool, bool, bool]:
    return (not line.roles, line.text.endswith("/*"), line.tail.startswith("subject/"))


def _binding(case: Case) -> Content:
    """The bindings that name the token; where there is none, whom the policy names instead."""
    fitting = [_value(line.role, tail(line.member)) for line in case.bindings if line.holder == TOKEN]
    policy = deciding(case.evidence)
    if fitting or policy is None:
        return fitting, ""
    others = [_value(each.role, tail(member)) for each in policy for member in each.members]
    if not case.report.principals:
        return [], f"{counted(len(others), 'member')} in the policy."
    return others, "None of these is this token." if others else "The policy has no binding."


def _account(case: Case) -> Content:
    evidence = case.evidence
    if evidence.direct:
        found = [_value("project", evidence.project)] if evidence.project else []
        return found, "Direct federation: no account is impersonated."
    if evidence.account is None:
        return [], "No account was named."
    values = [_value("service account", evidence.account)]
    values += [_value(f"on {line.resource}", line.role) for line in case.bindings if line.holder == ACCOUNT]
    return values, ""


_PLANS = (
    _Plan("token", "Token", ("token", "time"), _token),
    _Plan("provider", "Provider", ("issuer", "audience", "provider"), _provider),
    _Plan("attributes", "Attributes", ("mapping", "subject"), _attributes),
    _Plan("condition", "Condition", ("condition",), _condition),
    _Plan("principal", "Principal", ("principal",), _principal),
    _Plan("binding", "Binding", ("binding",), _binding),
    _Plan("account", "Account", ("account", "lifetime", "api"), _account),
)
"""The stations in the chain's order, with the links of the report that each shows."""
