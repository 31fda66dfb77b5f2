"""From the token to the condition: what STS decides. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gcp_wif.doctor.values import MISSING, AttributeRow, Case, Finding
from gcp_wif.errors import shown
from gcp_wif.federation import Decision, ProviderRules, Step, SubExpression, check_token, evaluate, trace_condition
from gcp_wif.refusals import RefusalKind

__all__ = ["attribute_rows", "decision_of", "provider_findings", "sts_findings", "trace_of"]

_LINK_OF_STEP = {"key": "token", "issuer": "issuer", "audience": "audience", "time": "time"}
_CIRCLECI = "oidc.circleci.com/"
_ORG = re.compile(r"/org/([0-9a-f-]{36})")
_ATTRIBUTE = re.compile(r"\battribute\.([a-z0-9_]+)")
_CLAIM = re.compile(r"assertion(?:\.([A-Za-z_][A-Za-z0-9_]*)|\['([^']+)'\]|\[\"([^\"]+)\"\])")
_LITERAL = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_UPDATE = "gcloud iam workload-identity-pools providers update-oidc {provider} --location=global " \
    "--workload-identity-pool={pool} --project={project} "  # fmt: skip


def update_command(case: Case, flags: str) -> str:
    """The gcloud command that changes the provider."""
    if case.provider is None:
        return f"gcloud iam workload-identity-pools providers update-oidc … {flags}"
    name = case.provider
    return _UPDATE.format(provider=name.provider_id, pool=name.pool_id, project=name.project_number) + flags


def provider_findings(case: Case) -> Iterator[Finding]:
    """Pool and provider: there, neither deleted nor disabled; and the config means them."""
    name = case.provider
    if name is not None and case.config is not None and case.config.provider != name:
        yield Finding(
            "WIF907", "provider", "broken", "The credential config names another provider than the one looked at.",
            str(name), str(case.config.provider),
            ("Generate the config again: gcp-wif generate --config-only --manifest gcp-wif.toml",),
        )  # fmt: skip
    pools = "gcloud iam workload-identity-pools"
    for what, state, codes, command in (
        ("pool", case.pool_state, ("WIF901", "WIF902", "WIF903"), pools),
        ("provider", case.provider_state, ("WIF904", "WIF905", "WIF906"), f"{pools} providers"),
    ):
        target = _target(case, what)
        if state is MISSING:
            make = (
                "`gcp-wif apply` makes it"
                if case.manifest
                else f"{command} create{'-oidc' * (what == 'provider')} {target}"
            )
            there = ", ".join(case.other_providers) if what == "provider" else ""
            message = f"The {what} does not exist." + (f" The pool has {there}." if there else "")
            yield Finding(codes[0], "provider", "broken", message, None, str(name), (make,))
            return
        if not isinstance(state, Mapping):
            continue
        if state.get("state") == "DELETED":
            until = f" until {state['expireTime']}" if state.get("expireTime") else ""
            yield Finding(
                codes[1], "provider", "broken", f"The {what} is deleted; it can be undeleted{until}.",
                "ACTIVE", "DELETED", (f"{command} undelete {target}",),
            )  # fmt: skip
            return
        if state.get("disabled"):
            verb = "update" if what == "pool" else "update-oidc"
            yield Finding(
                codes[2], "provider", "broken", f"The {what} is disabled.", "enabled", "disabled",
                (f"{command} {verb} {target} --no-disabled",),
            )  # fmt: skip
            return


def _target(case: Case, what: str) -> str:
    if case.provider is None:
        return "…"
    name = case.provider
    where = f"--location=global --project={name.project_number}"
    if what == "pool":
        return f"{name.pool_id} {where}"
    return f"{name.provider_id} --workload-identity-pool={name.pool_id} {where}"


def sts_findings(case: Case) -> Iterator[Finding]:
    """What STS refuses in this token, by this provider."""
    rules = case.rules
    if case.claims is None:
        return
    if rules is None:
        yield from _times_alone(case)
        return
    steps = check_token(case.header or {"alg": "RS256", "kid": "unseen"}, case.claims, rules, case.now)
    for step in steps:
        if not step.ok:
            yield _token_finding(step, case, rules)
    decision = evaluate(case.claims, rules)
    failed = next((step for step in decision.steps if step.refusal), None)
    if failed is not None:
        yield _mapping_finding(failed, case, rules, decision)


def _times_alone(case: Case) -> Iterator[Finding]:
    """Without a provider, the token's own times can still be told."""
    claims = case.claims or {}
    issued, expires = claims.get("iat"), claims.get("exp")
    if isinstance(expires, int | float) and expires <= case.now:
        yield _stale(case, f"it expired {case.now - expires:.0f} seconds ago", issued)
    elif isinstance(issued, int | float) and issued > case.now + 600:
        yield _stale(case, f"it is issued {issued - case.now:.0f} seconds from now", issued)


def _stale(case: Case, why: str, issued: object) -> Finding:
    return Finding(
        RefusalKind.TOKEN_STALE.code, "time", "broken", f"Google takes this token for stale: {why}.",
        f"now is {case.now:.0f}: iat before it, exp after it", f"iat {issued}, exp {(case.claims or {}).get('exp')}",
        ("Run `gcp-wif login` in this job: a token of another job, or from a workspace, is too old.",
         "Where the clock is off, mend the runner's time."),
    )  # fmt: skip


def _token_finding(step: Step, case: Case, rules: ProviderRules) -> Finding:
    claims = case.claims or {}
    link = _LINK_OF_STEP.get(step.name, "token")
    code = step.refusal.kind.code if step.refusal else "WIF909"
    if step.name == "time":
        return _stale(case, step.detail or "its times do not fit", claims.get("iat"))
    if step.name == "key":
        return Finding(
            code, link, "broken", "The token's header has an algorithm or key ID that Google does not take.",
            step.expected or "RS256 or ES256, with a key ID", step.found, ("Use the token that the CI system issues.",),
        )  # fmt: skip
    if step.name == "issuer":
        return _issuer_finding(code, str(claims.get("iss")), rules.issuer, case)
    found = claims.get("aud")
    given = found if isinstance(found, str) else ", ".join(map(str, found)) if isinstance(found, list) else "none"
    wanted = ", ".join(rules.expected_audiences)
    mends = [update_command(case, f"--allowed-audiences={given}")]
    if not rules.allowed_audiences:
        mends.insert(0, "The provider has no allowed audiences, so it expects its own name.")
    mends.append(f"or ask for a token with that audience: gcp-wif login --audience '{rules.expected_audiences[0]}'")
    return Finding(
        code,
        "audience",
        "broken",
        "The token's audience is not among those that the provider takes.",
        wanted,
        given,
        tuple(mends),
    )


def _issuer_finding(code: str, found: str, wanted: str, case: Case) -> Finding:
    ours, theirs = _ORG.search(found), _ORG.search(wanted)
    why = "The token's issuer is not the provider's."
    if ours and theirs and ours[1] != theirs[1]:
        code, why = "WIF908", "The token is of another CircleCI organisation than the provider trusts."
    elif found.rstrip("/") == wanted.rstrip("/"):
        why = "The issuers differ in a slash at the end alone; they are compared letter by letter."
    elif found.lower() == wanted.lower():
        why = "The issuers differ in upper and lower case alone."
    elif wanted.replace("http://", "https://") == found:
        why = "The provider's issuer begins with http instead of https."
    elif theirs and found == wanted.partition("/org/")[0]:
        why = "This is a token of the root issuer (--root-issuer); the provider wants the organisation's own."
    return Finding(code, "issuer", "broken", why, wanted, found, (update_command(case, f"--issuer-uri={found}"),))


def _mapping_finding(step: Step, case: Case, rules: ProviderRules, decision: Decision) -> Finding:
    refusal = step.refusal
    kind = refusal.kind if refusal else RefusalKind.MAPPING_FAILED
    claims = case.claims or {}
    if kind is RefusalKind.SUBJECT_TOO_LONG:
        size = step.found or "over 127 bytes"
        return Finding(
            kind.code, "subject", "broken", f"google.subject would have {size}; Google takes 127.",
            "at most 127 bytes", size,
            (update_command(case, "--attribute-mapping=…") + "  with",
             "  google.subject=assertion.sub.contains('/vcs-origin/') ? "
             "assertion.sub.extract('{v1}/vcs-origin/') : assertion.sub",
             "or use CIRCLE_OIDC_TOKEN instead of CIRCLE_OIDC_TOKEN_V2: it has the same claims."),
        )  # fmt: skip
    if kind is RefusalKind.CONDITION_FALSE:
        return _condition_finding(case, rules, decision)
    target = step.name.partition(":")[2]
    absent = _absent_claim(step.expected or "", claims)
    if absent is not None:
        close = _alike(absent, claims)
        return Finding(
            "WIF912" if kind is RefusalKind.MAPPING_FAILED else kind.code, "mapping", "broken",
            f"The mapping of {target} reads the claim {absent}, which this token does not have."
            + (f" It has {close}." if close else ""),
            step.expected, f"claims: {', '.join(sorted(claims))}",
            (f"Guard it: '{absent}' in assertion ? assertion['{absent}'] : ''",
             update_command(case, "--attribute-mapping=…")),
        )  # fmt: skip
    return Finding(
        kind.code,
        "mapping",
        "broken",
        f"{kind.meaning} {step.detail or ''}".strip(),
        step.expected,
        step.found,
        kind.advice,
    )


def _condition_finding(case: Case, rules: ProviderRules, decision: Decision) -> Finding:
    condition, claims = rules.attribute_condition or "", case.claims or {}
    mapped = {key.removeprefix("attribute.") for key in rules.attribute_mapping if key.startswith("attribute.")}
    unmapped = [name for name in dict.fromkeys(_ATTRIBUTE.findall(condition)) if name not in mapped]
    mends = (*_manifest_rule(case), update_command(case, "--attribute-condition=…"))
    if unmapped:
        close = _alike(unmapped[0], mapped)
        return Finding(
            "WIF911", "condition", "broken",
            f"The condition reads attribute.{unmapped[0]}, which the mapping never sets."
            + (f" It sets attribute.{close}." if close else ""),
            f"a mapping of attribute.{unmapped[0]}", f"mapped: {', '.join(sorted(mapped)) or 'nothing'}",
            (*mends, f"or add attribute.{unmapped[0]}=… to the mapping"),
        )  # fmt: skip
    trace = trace_of(case, decision)
    false = _culprit(trace)
    text = false.text if false else condition
    sides = [each for each in trace if false and each.depth == false.depth + 1 and each.text in false.text]
    found = "; ".join(
        f"{each.text} is {shown(each.value or '') if each.value is not None else each.error}"
        for each in _leaves(trace, false)
    )
    absent = _absent_claim(text, claims)
    if absent is not None:
        return Finding(
            "WIF913", "condition", "broken", f"The condition reads the claim {absent}, which this token does not have.",
            text, f"claims: {', '.join(sorted(claims))}", mends,
        )  # fmt: skip
    code, why = _why_false(text, sides)
    return Finding(code, "condition", "broken", why, text, found or (false.error if false else None) or "false", mends)


def _manifest_rule(case: Case) -> Iterator[str]:
    """The manifest line that admits this token, where the condition is a manifest's for CircleCI."""
    claims = case.claims or {}
    project, ref = claims.get(f"{_CIRCLECI}project-id"), claims.get(f"{_CIRCLECI}vcs-ref")
    if case.manifest is None or case.identity is None or not isinstance(project, str):
        return
    if claims.get(f"{_CIRCLECI}ssh-rerun") is True:
        yield f"In gcp-wif.toml, [identities.{case.identity}], if people in such jobs may: allow_ssh_rerun = true"
        return
    rule = f"project = {json.dumps(project)}"
    if isinstance(ref, str):
        branch = ref.removeprefix("refs/heads/")
        rule += f", branch = {json.dumps(branch)}" if branch != ref else f", ref = {json.dumps(ref)}"
    yield f"In gcp-wif.toml, add to allow of [identities.{case.identity}]: {{ {rule} }}; then gcp-wif apply"


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


def _why_false(text: str, sides: list[SubExpression]) -> tuple[str, str]:
    literals = [a or b for a, b in _LITERAL.findall(text)]
    for side in sides:
        value = side.value or ""
        if any(literal != value and literal.lower() == value.lower() for literal in literals):
            return "WIF914", "This part of the condition is false: the values differ in upper and lower case alone."
        if value.startswith("[") and "==" in text and any(f"'{each}'" in value for each in literals):
            return "WIF915", "This part compares a list with a string; `'VALUE' in LIST` asks whether it is in it."
        if any(value == f"refs/heads/{each}" or each == f"refs/heads/{value}" for each in literals):
            return "WIF916", "This part is false: one side is a whole ref, refs/heads/NAME, the other a bare name."
    return RefusalKind.CONDITION_FALSE.code, "The condition is false for this token; this part of it decides."


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


def trace_of(case: Case, decision: Decision | None) -> tuple[SubExpression, ...]:
    """The condition taken apart, where there is one."""
    rules = case.rules
    if rules is None or decision is None or case.claims is None or not rules.attribute_condition:
        return ()
    return trace_condition(rules.attribute_condition, case.claims, decision.google, decision.attributes)


def decision_of(case: Case) -> Decision | None:
    """What STS makes of the claims, where both are known."""
    rules = case.rules
    return evaluate(case.claims, rules) if rules is not None and case.claims is not None else None


def attribute_rows(case: Case, decision: Decision | None) -> tuple[AttributeRow, ...]:
    """Each mapped attribute with its value and size."""
    rules = case.rules
    if rules is None or decision is None:
        return ()
    values: dict[str, Any] = {f"google.{name}": value for name, value in decision.google.items()}
    values |= {f"attribute.{name}": value for name, value in decision.attributes.items()}
    rows = []
    for target, expression in rules.attribute_mapping.items():
        value = values.get(target)
        text = None if value is None else ", ".join(value) if isinstance(value, list) else str(value)
        rows.append(AttributeRow(target, expression, text, len((text or "").encode())))
    return tuple(rows)


def _absent_claim(expression: str, claims: Mapping[str, Any]) -> str | None:
    if " in assertion" in expression:  # guarded
        return None
    names = [a or b or c for a, b, c in _CLAIM.findall(expression)]
    return next((name for name in names if name not in claims), None)


def _alike(name: str, known: Any) -> str | None:
    import difflib

    found = difflib.get_close_matches(name, [str(each) for each in known], 1, 0.6)
    return found[0] if found else None
