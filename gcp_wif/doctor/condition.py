"""A condition that is false: which part of it, why, and the condition or manifest line that would hold. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gcp_wif.doctor.commands import change_mapping, update_provider
from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Finding
from gcp_wif.errors import shown
from gcp_wif.federation import Decision, ProviderRules, SubExpression, evaluate, trace_condition
from gcp_wif.issuers import profile_of
from gcp_wif.refusals import RefusalKind

__all__ = ["absent_claim", "alike", "condition_finding", "trace_of"]

_ATTRIBUTE = re.compile(r"\battribute\.([a-z0-9_]+)")
_CLAIM = re.compile(r"assertion(?:\.([A-Za-z_][A-Za-z0-9_]*)|\['([^']+)'\]|\[\"([^\"]+)\"\])")
_LITERAL = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_PLAIN = re.compile(r"[A-Za-z0-9._/:@-]+")
"""A value that may stand between quotes of CEL as it is."""

_CHECK = "Check first that this job should be admitted. If it should:"


def condition_finding(evidence: Evidence, rules: ProviderRules, decision: Decision) -> Finding:
    """Why the condition refuses this token."""
    condition, claims = rules.attribute_condition or "", evidence.claims or {}
    mapped = {key.removeprefix("attribute.") for key in rules.attribute_mapping if key.startswith("attribute.")}
    unmapped = [name for name in dict.fromkeys(_ATTRIBUTE.findall(condition)) if name not in mapped]
    if unmapped:
        return _unmapped_finding(evidence, rules, unmapped[0], mapped)
    trace = trace_of(evidence, decision)
    false = _culprit(trace)
    text = false.text if false else condition
    sides = [each for each in trace if false and each.depth == false.depth + 1 and each.text in false.text]
    found = "; ".join(
        f"{each.text} is {shown(each.value or '') if each.value is not None else each.error}"
        for each in _leaves(trace, false)
    )
    absent = absent_claim(text, claims) or _unset_claim(text, rules, claims)
    if absent is not None:
        return _absent_finding(evidence, condition, text, absent)
    code, why, meant = _why_false(text, sides)
    fixes = [*_manifest_rule(evidence)]
    if evidence.manifest is None:
        fixes = [*_widened(evidence, rules, text, sides, meant)]
    return Finding(
        code, "condition", "broken", why, text, found or (false.error if false else None) or "false", tuple(fixes)
    )


def _unmapped_finding(evidence: Evidence, rules: ProviderRules, name: str, mapped: set[str]) -> Finding:
    condition, claims = rules.attribute_condition or "", evidence.claims or {}
    close = alike(name, mapped)
    fixes = [*_manifest_rule(evidence)]
    rule = profile_of(claims).rule_name(name)
    claim = rule.claim if rule and rule.claim in claims else name
    renamed = re.sub(rf"\battribute\.{name}\b", f"attribute.{close}", condition)
    if evidence.manifest is None:
        if close and _admits(evidence, rules, renamed):
            fixes.append(_with_condition(evidence, renamed))
        elif isinstance(claims.get(claim), str):
            expression = f"assertion.{claim}" if claim.isidentifier() else f"assertion['{claim}']"
            fixes.append(change_mapping(evidence, rules, {f"attribute.{name}": expression}))
        else:
            fixes.append(f"Map attribute.{name}, or take it out of the condition.")
    return Finding(
        "WIF911", "condition", "broken",
        f"The condition reads attribute.{name}, which the mapping never sets."
        + (f" It sets attribute.{close}." if close else ""),
        f"a mapping of attribute.{name}", f"mapped: {', '.join(sorted(mapped)) or 'nothing'}", tuple(fixes),
    )  # fmt: skip


def _unset_claim(text: str, rules: ProviderRules, claims: Mapping[str, Any]) -> str | None:
    """The claim whose absence leaves an attribute unset that ``text`` reads."""
    for name in _ATTRIBUTE.findall(text):
        absent = absent_claim(rules.attribute_mapping.get(f"attribute.{name}", ""), claims)
        if absent is not None:
            return absent
    return None


def _absent_finding(evidence: Evidence, condition: str, text: str, absent: str) -> Finding:
    claims = evidence.claims or {}
    close = alike(absent, claims)
    fixes = [*_manifest_rule(evidence)]
    rules = evidence.rules
    if evidence.manifest is None and rules is not None:
        renamed = condition.replace(absent, close or absent)
        if close and renamed != condition and _admits(evidence, rules, renamed):
            fixes.append(_with_condition(evidence, renamed))
        else:
            fixes.append(
                "Run the job so that its token has the claim. If the name is misspelt, correct it in the condition; "
                "if jobs without the claim should be admitted, guard it: 'claim' in assertion && …"
            )
    message = f"The condition reads the claim {absent}, which this token does not have."
    return Finding(
        "WIF913", "condition", "broken", message + (f" It has {close}." if close else ""), text,
        f"claims: {', '.join(sorted(claims))}", tuple(fixes),
    )  # fmt: skip


def _admits(evidence: Evidence, rules: ProviderRules, condition: str) -> bool:
    """Whether this token would pass with another condition."""
    return evaluate(evidence.claims or {}, replace(rules, attribute_condition=condition)).admitted


def _widened(
    evidence: Evidence, rules: ProviderRules, text: str, sides: list[SubExpression], meant: str | None
) -> Iterator[str]:
    """The condition that admits this token and everybody whom the present one admits."""
    condition, claims = rules.attribute_condition or "", evidence.claims or {}
    guard = profile_of(claims).stopped_by(claims)
    if guard is not None and guard.claim in text:
        yield f"The condition keeps {guard.who} out: {guard.why}. Run the job again as an ordinary one."
        return
    if meant is not None and _admits(evidence, rules, condition.replace(text, meant)):
        yield _with_condition(evidence, condition.replace(text, meant))
        return
    for side in sides:
        value = side.value or ""
        if not _PLAIN.fullmatch(value) or value in ("true", "false"):
            continue
        also = f"({text} || {side.text} == '{value}')"
        for place in re.finditer(re.escape(text), condition):  # the part that decides is one of these
            wider = condition[: place.start()] + also + condition[place.end() :]
            if _admits(evidence, rules, wider):
                yield _CHECK
                yield _with_condition(evidence, wider)
                return
    yield "Compare this part with the token's claims. Run the job where it holds, or change the condition."


def _manifest_rule(evidence: Evidence) -> Iterator[str]:
    """The manifest line that admits this token, where the condition is a manifest's."""
    claims, manifest = evidence.claims or {}, evidence.manifest
    if manifest is None or evidence.identity is None:
        return
    rule, guard = manifest.profile.rule_of(claims), manifest.profile.stopped_by(claims)
    if not rule:
        return
    if guard is not None:
        yield f"In gcp-wif.toml, [identities.{evidence.identity}], to admit {guard.who}: {guard.key} = true"
        return
    text = ", ".join(f"{name} = {json.dumps(value)}" for name, value in rule.items())
    yield f"In gcp-wif.toml, add to allow of [identities.{evidence.identity}]: {{ {text} }}; then gcp-wif apply"


def _leaves(trace: tuple[SubExpression, ...], part: SubExpression | None) -> list[SubExpression]:
    """What ``part`` reads, at the bottom of it, each once."""
    if part is None:
        return []
    start = trace.index(part)
    found: dict[str, SubExpression] = {}
    for index in range(start + 1, len(trace)):
        each = trace[index]
        if each.depth <= part.depth:
            break
        if index + 1 == len(trace) or trace[index + 1].depth <= each.depth:
            found.setdefault(each.text, each)
    return list(found.values())


def _with_condition(evidence: Evidence, condition: str) -> str:
    return update_provider(evidence, attribute_condition=condition)


def _why_false(text: str, sides: list[SubExpression]) -> tuple[str, str, str | None]:
    """Code, words, and what the part was most likely meant to be."""
    literals = [(match[0], match[1] or match[2] or "") for match in _LITERAL.finditer(text)]
    for side in sides:
        value = side.value or ""
        for quoted, literal in literals:
            meant = text.replace(quoted, quoted[0] + value + quoted[0]) if _PLAIN.fullmatch(value) else None
            if literal != value and literal.lower() == value.lower():
                why = "This part of the condition is false: the values differ in upper and lower case alone."
                return "WIF914", why, meant
            if value.startswith("[") and "==" in text and f"'{literal}'" in value:
                why = "This part compares a list with a string; `'VALUE' in LIST` asks whether it is in it."
                return "WIF915", why, f"{quoted} in {side.text}"
            if value == f"refs/heads/{literal}" or literal == f"refs/heads/{value}":
                why = "This part is false: one side is a whole ref, refs/heads/NAME, the other a bare name."
                return "WIF916", why, meant
    why = "The condition is false for this token; this part of it decides."
    return RefusalKind.CONDITION_FALSE.code, why, None


def _culprit(trace: tuple[SubExpression, ...]) -> SubExpression | None:
    """The smallest part that is false: down from the whole along what is not true."""
    if not trace:
        return None
    current = trace[0]
    start = 0
    while True:
        below = []
        for index in range(start + 1, len(trace)):
            if trace[index].depth <= current.depth:
                break
            if trace[index].depth == current.depth + 1 and trace[index].text in current.text:
                below.append(index)
        inner = [index for index in below if trace[index].value in ("false", None) and len(below) > 1]
        if "&&" not in current.text or not inner:
            return current
        start = inner[0]
        current = trace[start]


def trace_of(evidence: Evidence, decision: Decision | None) -> tuple[SubExpression, ...]:
    """The condition taken apart, where there is one."""
    rules = evidence.rules
    if rules is None or decision is None or evidence.claims is None or not rules.attribute_condition:
        return ()
    return trace_condition(rules.attribute_condition, evidence.claims, decision.google, decision.attributes)


def absent_claim(expression: str, claims: Mapping[str, Any]) -> str | None:
    """The first claim that the expression reads, unguarded, and the token does not have."""
    if " in assertion" in expression:  # guarded
        return None
    names = [a or b or c for a, b, c in _CLAIM.findall(expression)]
    return next((name for name in names if name not in claims), None)


def alike(name: str, known: Any) -> str | None:
    """The known name that ``name`` was most likely meant to be."""
    import difflib

    found = difflib.get_close_matches(name, [str(each) for each in known], 1, 0.6)
    return found[0] if found else None
