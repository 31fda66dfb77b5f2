"""From the token to the condition: what STS decides. Pure."""

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gcp_wif.doctor.condition import absent_claim, alike, condition_finding, update_command
from gcp_wif.doctor.evidence import MISSING, Evidence
from gcp_wif.doctor.report import AttributeRow, Finding
from gcp_wif.federation import SKEW_SECONDS, Decision, ProviderRules, Step, check_token, evaluate
from gcp_wif.issuers import profile_of, profile_of_url
from gcp_wif.refusals import RefusalKind, row_of

__all__ = ["attribute_rows", "decision_of", "provider_findings", "sts_findings"]

_FROM_THE_CI_SYSTEM = "Use the token that the CI system issues."
_YEAR_10000 = 253402300800


def provider_findings(evidence: Evidence) -> Iterator[Finding]:
    """Pool and provider: there, neither deleted nor disabled; and the config means them."""
    name = evidence.provider
    if name is not None and evidence.config is not None and evidence.config.provider != name:
        yield Finding(
            "WIF907", "provider", "broken", "The credential config names another provider than the one looked at.",
            str(name), str(evidence.config.provider),
            ("Generate the config again: gcp-wif generate --config-only --manifest gcp-wif.toml",),
        )  # fmt: skip
    pools = "gcloud iam workload-identity-pools"
    for what, state, codes, command in (
        ("pool", evidence.pool_state, ("WIF901", "WIF902", "WIF903"), pools),
        ("provider", evidence.provider_state, ("WIF904", "WIF905", "WIF906"), f"{pools} providers"),
    ):
        target = _target(evidence, what)
        if state is MISSING:
            make = (
                "`gcp-wif apply` makes it"
                if evidence.manifest
                else f"{command} create{'-oidc' * (what == 'provider')} {target}"
            )
            there = ", ".join(evidence.other_providers) if what == "provider" else ""
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


def _target(evidence: Evidence, what: str) -> str:
    if evidence.provider is None:
        return "…"
    name = evidence.provider
    where = f"--location=global --project={name.project_number}"
    if what == "pool":
        return f"{name.pool_id} {where}"
    return f"{name.provider_id} --workload-identity-pool={name.pool_id} {where}"


def sts_findings(evidence: Evidence) -> Iterator[Finding]:
    """What STS refuses in this token, by this provider."""
    rules = evidence.rules
    if evidence.claims is None:
        return
    if rules is None:
        yield from _times_alone(evidence)
        return
    steps = check_token(evidence.header or {"alg": "RS256", "kid": "unseen"}, evidence.claims, rules, evidence.now)
    for step in steps:
        if not step.ok:
            yield _token_finding(step, evidence, rules)
    decision = evaluate(evidence.claims, rules)
    failed = next((step for step in decision.steps if step.refusal), None)
    if failed is not None:
        yield _mapping_finding(failed, evidence, rules, decision)


def _times_alone(evidence: Evidence) -> Iterator[Finding]:
    """Without a provider, the token's own times can still be told."""
    claims = evidence.claims or {}
    issued, expires = (_seconds(claims.get(name)) for name in ("iat", "exp"))
    if expires is not None and expires <= evidence.now - SKEW_SECONDS:
        yield _times_finding(evidence, f"it expired at {_utc(expires)}")
    elif issued is not None and issued > evidence.now + 600:
        yield _times_finding(evidence, f"it is issued in the future, at {_utc(issued)}")


def _seconds(value: object) -> float | None:
    """A time in seconds, where it is one that a calendar holds."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if usable else None  # type: ignore[arg-type]  # `usable` looked


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if 0 <= seconds < _YEAR_10000 else str(seconds)


def _shown_time(value: object) -> str:
    seconds = _seconds(value)
    return "none" if value is None else str(value) if seconds is None else _utc(seconds)


def _times_finding(evidence: Evidence, why: str) -> Finding:
    claims = evidence.claims or {}
    return Finding(
        RefusalKind.TOKEN_STALE.code, "time", "broken", f"Google does not accept the token's times: {why}.",
        f"iat before now and exp after it; now is {_utc(evidence.now)}",
        f"iat {_shown_time(claims.get('iat'))}, exp {_shown_time(claims.get('exp'))}",
        ("Run `gcp-wif login` in this job: a token of another job, or from a workspace, is too old.",
         "Where the clock is off, fix the runner's time."),
    )  # fmt: skip


def _token_finding(step: Step, evidence: Evidence, rules: ProviderRules) -> Finding:
    claims = evidence.claims or {}
    code = step.refusal.kind.code if step.refusal else "WIF909"
    if step.name == "time":
        return _times_finding(evidence, step.detail or "its times do not fit")
    if step.name == "key":
        return Finding(
            code, "token", "broken", "The token's header has an algorithm or key ID that Google does not take.",
            step.expected or "RS256 or ES256, with a key ID", step.found, (_FROM_THE_CI_SYSTEM,),
        )  # fmt: skip
    if step.name == "issuer":
        return _issuer_finding(code, claims.get("iss"), rules.issuer, evidence)
    found = claims.get("aud")
    given = found if isinstance(found, str) else ", ".join(map(str, found)) if isinstance(found, list) else "none"
    wanted = ", ".join(rules.expected_audiences)
    fixes = [update_command(evidence, f"--allowed-audiences={shlex.quote(given)}")] if found else [_FROM_THE_CI_SYSTEM]
    if found and not rules.allowed_audiences:
        fixes.insert(0, "The provider has no allowed audiences, so it expects its own name.")
    fixes.append(
        f"or ask for a token with that audience: gcp-wif login --audience {shlex.quote(rules.expected_audiences[0])}"
    )
    return Finding(
        code,
        "audience",
        "broken",
        "The token's audience is not among those that the provider takes.",
        wanted,
        given,
        tuple(fixes),
    )


def _issuer_finding(code: str, found: object, wanted: str, evidence: Evidence) -> Finding:
    if not isinstance(found, str):
        why = "The token has no issuer: its claim `iss` is missing, or not text."
        return Finding(code, "issuer", "broken", why, wanted, "none", (_FROM_THE_CI_SYSTEM,))
    why = "The token's issuer is not the provider's."
    known = profile_of_url(wanted).explain_issuer(found, wanted)
    if known is not None:
        code, why = "WIF908" if known.other_tenant else code, known.why
    elif found.rstrip("/") == wanted.rstrip("/"):
        why = "The issuers differ in a slash at the end alone; they are compared letter by letter."
    elif found.lower() == wanted.lower():
        why = "The issuers differ in upper and lower case alone."
    elif wanted.replace("http://", "https://") == found:
        why = "The provider's issuer begins with http instead of https."
    return Finding(
        code, "issuer", "broken", why, wanted, found, (update_command(evidence, f"--issuer-uri={shlex.quote(found)}"),)
    )


def _mapping_finding(step: Step, evidence: Evidence, rules: ProviderRules, decision: Decision) -> Finding:
    refusal = step.refusal
    kind = refusal.kind if refusal else RefusalKind.MAPPING_FAILED
    claims = evidence.claims or {}
    if kind is RefusalKind.SUBJECT_TOO_LONG:
        size = step.found or "over 127 bytes"
        return Finding(
            kind.code, "subject", "broken", f"google.subject would have {size}; Google takes 127.",
            "at most 127 bytes", size,
            (update_command(evidence, "--attribute-mapping=…") + "  with", *profile_of(claims).subject_advice),
        )  # fmt: skip
    if kind is RefusalKind.CONDITION_FALSE:
        return condition_finding(evidence, rules, decision)
    target = step.name.partition(":")[2]
    absent = absent_claim(step.expected or "", claims)
    if absent is not None:
        close = alike(absent, claims)
        return Finding(
            "WIF912" if kind is RefusalKind.MAPPING_FAILED else kind.code, "mapping", "broken",
            f"The mapping of {target} reads the claim {absent}, which this token does not have."
            + (f" It has {close}." if close else ""),
            step.expected, f"claims: {', '.join(sorted(claims))}",
            (f"Guard it: '{absent}' in assertion ? assertion['{absent}'] : ''",
             update_command(evidence, "--attribute-mapping=…")),
        )  # fmt: skip
    return Finding(
        kind.code,
        "mapping",
        "broken",
        f"{row_of(kind).meaning} {step.detail or ''}".strip(),
        step.expected,
        step.found,
        row_of(kind).fixes,
    )


def decision_of(evidence: Evidence) -> Decision | None:
    """What STS makes of the claims, where both are known."""
    rules = evidence.rules
    return evaluate(evidence.claims, rules) if rules is not None and evidence.claims is not None else None


def attribute_rows(evidence: Evidence, decision: Decision | None) -> tuple[AttributeRow, ...]:
    """Each mapped attribute with its value and size."""
    rules = evidence.rules
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
