"""From the token to the condition: what STS decides. Pure."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gcp_wif.doctor.commands import (
    change_mapping,
    list_providers,
    on_pool,
    on_provider,
    quoted_list,
    update_provider,
    write_config,
)
from gcp_wif.doctor.condition import absent_claim, alike, condition_finding
from gcp_wif.doctor.evidence import MISSING, Evidence
from gcp_wif.doctor.report import AttributeRow, Finding
from gcp_wif.federation import SKEW_SECONDS, Decision, ProviderRules, Step, check_token, evaluate
from gcp_wif.issuers import profile_of, profile_of_url
from gcp_wif.refusals import RefusalKind, row_of
from gcp_wif.subject_token import MAX_SUBJECT_BYTES

__all__ = [
    "attribute_rows", "decision_of", "provider_findings", "sts_findings", "unset_attributes", "uploaded_key_ids",
]  # fmt: skip

_MOST_AUDIENCES, _LONGEST_AUDIENCE = 10, 256
_THEN = "If it should work again:"
_FROM_THE_CI_SYSTEM = "Use the token that the CI system issues."
_YEAR_10000 = 253402300800


def provider_findings(evidence: Evidence) -> Iterator[Finding]:
    """Pool and provider: there, neither deleted nor disabled; and the config means them."""
    name = evidence.provider
    if name is not None and evidence.config is not None and evidence.config.provider != name:
        yield Finding(
            "WIF907", "provider", "broken", "The credential config names another provider than the one looked at.",
            str(name), str(evidence.config.provider),
            ("Write the config again, for that provider:", write_config(evidence, name)),
        )  # fmt: skip
    for what, state, codes, command in (
        ("pool", evidence.pool_state, ("WIF901", "WIF902", "WIF903"), on_pool),
        ("provider", evidence.provider_state, ("WIF904", "WIF905", "WIF906"), on_provider),
    ):
        if state is MISSING:
            there = ", ".join(evidence.other_providers) if what == "provider" else ""
            message = f"The {what} does not exist." + (f" The pool has {there}." if there else "")
            yield Finding(codes[0], "provider", "broken", message, None, str(name), tuple(_instead(evidence, what)))
            return
        if not isinstance(state, Mapping):
            continue
        if state.get("state") == "DELETED":
            until = f" until {state['expireTime']}" if state.get("expireTime") else ""
            yield Finding(
                codes[1], "provider", "broken", f"The {what} is deleted; it can be undeleted{until}.",
                "ACTIVE", "DELETED", (command(evidence, "undelete"),),
            )  # fmt: skip
            return
        if state.get("disabled"):
            verb = "update" if what == "pool" else "update-oidc"
            yield Finding(
                codes[2], "provider", "broken", f"The {what} is disabled.", "enabled", "disabled",
                (f"Find out why it was disabled. {_THEN}", command(evidence, verb, "--no-disabled")),
            )  # fmt: skip
            return


def _instead(evidence: Evidence, what: str) -> Iterator[str]:
    """The config is more often wrong than the pool: a second provider is seldom what is wanted."""
    meant = _meant_provider(evidence) if what == "provider" else _in_the_near_pool(evidence)
    if meant is not None:
        yield "Correct the credential config:"
        yield write_config(evidence, meant)
    elif what == "provider":
        yield "Compare the config with the providers that there are:"
        yield list_providers(evidence)
    else:
        yield "Correct the project number and the pool in the credential config."
    if evidence.manifest is not None:
        yield "`gcp-wif apply` makes it."
    elif meant is None:
        yield "If nobody has made it yet: `gcp-wif apply` makes it, from a manifest."


def _in_the_near_pool(evidence: Evidence) -> str | None:
    if evidence.provider is None or evidence.near_pool is None:
        return None
    return str(evidence.provider._replace(pool_id=evidence.near_pool))


def _meant_provider(evidence: Evidence) -> str | None:
    """The pool's provider that was most likely meant: it trusts the token's issuer, or has nearly the same ID."""
    issuer = (evidence.claims or {}).get("iss")
    fitting = [
        each["name"]
        for each in evidence.siblings
        if isinstance(issuer, str)
        and ((each.get("oidc") or {}).get("issuerUri")) == issuer
        and not each.get("disabled")
    ]
    near = alike(evidence.provider.provider_id, evidence.other_providers) if evidence.provider else None
    named = next((each["name"] for each in evidence.siblings if str(each.get("name")).endswith(f"/{near}")), None)
    return named if named in fitting or not fitting else fitting[0]


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
    yield from _key_finding(evidence, rules)
    decision = evaluate(evidence.claims, rules)
    failed = next((step for step in decision.steps if step.refusal), None)
    if failed is not None:
        yield _mapping_finding(failed, evidence, rules, decision)


def _key_finding(evidence: Evidence, rules: ProviderRules) -> Iterator[Finding]:
    """Keys that somebody uploaded verify every token of the provider; the issuer's own are not asked for then."""
    claims, used = evidence.claims or {}, (evidence.header or {}).get("kid")
    if not rules.uploaded_keys or not isinstance(used, str) or claims.get("iss") != rules.issuer:
        return
    known = uploaded_key_ids(rules.uploaded_keys)
    if used in known:
        return
    yield Finding(
        RefusalKind.ISSUER_UNREACHABLE.code, "token", "broken",
        "The token is signed with a key that is not among those uploaded to the provider.",
        f"one of the key IDs {', '.join(known) or '(none)'}", f"key ID {used}",
        ("The issuer changed its keys. Put its present ones into jwks.json, beside the uploaded ones that are still in "
         "use: the flag replaces them all.",
         update_provider(evidence, jwk_json_path="jwks.json"),
         "Where Google can reach the issuer, no keys need to be uploaded at all."),
    )  # fmt: skip


def uploaded_key_ids(text: str) -> list[str]:
    """The key IDs of a JWKS; none where it is no such document."""
    try:
        keys = json.loads(text)["keys"]
        return [str(key.get("kid")) for key in keys]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


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
    fixes = tuple(_audience_fixes(evidence, rules, found))
    return Finding(
        code,
        "audience",
        "broken",
        "The token's audience is not among those that the provider takes.",
        wanted,
        given,
        fixes,
    )


def _audience_fixes(evidence: Evidence, rules: ProviderRules, found: object) -> Iterator[str]:
    """The provider takes one audience more; nobody else's is taken away."""
    texts = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    usable = [each for each in texts if isinstance(each, str) and 0 < len(each) <= _LONGEST_AUDIENCE]
    if usable:
        every = list(dict.fromkeys([*rules.expected_audiences, usable[0]]))
        if not rules.allowed_audiences:
            yield "The provider has no list of audiences, so it expects its own name. With a list, only that counts."
        if len(every) <= _MOST_AUDIENCES:
            yield update_provider(evidence, allowed_audiences=quoted_list(every))
        else:
            yield f"It has {_MOST_AUDIENCES} audiences, as many as Google takes: take out one that is unused."
    else:
        yield _FROM_THE_CI_SYSTEM
    asked = shlex.quote(rules.expected_audiences[0])
    yield f"Or, in the job, ask for a token with that audience: gcp-wif login --audience {asked}"


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
    same = found.rstrip("/").lower() == wanted.rstrip("/").lower().replace("http://", "https://")
    return Finding(code, "issuer", "broken", why, wanted, found, tuple(_issuer_fixes(evidence, found, same)))


def _issuer_fixes(evidence: Evidence, found: str, same: bool) -> Iterator[str]:
    """The provider is changed only where its URL misspells the token's: else its own jobs would be cut off."""
    meant = next(
        (each["name"] for each in evidence.siblings if (each.get("oidc") or {}).get("issuerUri") == found), None
    )
    if same and found.startswith("https://"):
        yield update_provider(evidence, issuer_uri=found)
    elif meant is not None:
        yield f"The pool's provider {meant.rpartition('/')[2]} trusts this token's issuer. Name it in the config:"
        yield write_config(evidence, meant)
    else:
        yield "Use the provider that was made for this issuer, or run the job where the provider's tokens come from."
        yield (
            "Do not change this provider's issuer: its own jobs would be refused. An issuer that nobody trusts yet "
            "gets a pool and a provider of its own, from a manifest: gcp-wif apply"
        )


def _mapping_finding(step: Step, evidence: Evidence, rules: ProviderRules, decision: Decision) -> Finding:
    kind = step.refusal.kind if step.refusal else RefusalKind.MAPPING_FAILED
    claims = evidence.claims or {}
    if kind is RefusalKind.CONDITION_FALSE:
        return condition_finding(evidence, rules, decision)
    if kind is RefusalKind.SUBJECT_TOO_LONG:
        size = step.found or "over 127 bytes"
        return Finding(
            kind.code, "subject", "broken", f"google.subject would have {size}; Google takes 127.",
            "at most 127 bytes", size, tuple(_shorter_subject(evidence, rules)),
        )  # fmt: skip
    target = step.name.partition(":")[2]
    absent = absent_claim(step.expected or "", claims)
    fixes = _mapping_fixes(evidence, rules, target, absent)
    if absent is not None:
        close = alike(absent, claims)
        return Finding(
            kind.code, "mapping", "broken",
            f"The mapping of {target} reads the claim {absent}, which this token does not have."
            + (f" It has {close}." if close else ""),
            step.expected, f"claims: {', '.join(sorted(claims))}", tuple(fixes),
        )  # fmt: skip
    message = f"{row_of(kind).meaning} {step.detail or ''}".strip()
    return Finding(kind.code, "mapping", "broken", message, step.expected, step.found, tuple(fixes))


def _shorter_subject(evidence: Evidence, rules: ProviderRules) -> Iterator[str]:
    """Tokens whose subject fits keep it, since bindings may name it."""
    profile, present = profile_of(evidence.claims or {}), rules.attribute_mapping.get("google.subject", "assertion.sub")
    shorter = f"size(bytes({present})) <= {MAX_SUBJECT_BYTES} ? {present} : ({profile.subject})"
    if _passes(evidence, rules, {"google.subject": shorter}):
        yield "Every subject that fits stays as it is:"
        yield change_mapping(evidence, rules, {"google.subject": shorter})
        yield from (line for line in profile.subject_advice if not line.startswith("google.subject="))
        return
    yield from profile.subject_advice


def _mapping_fixes(evidence: Evidence, rules: ProviderRules, target: str, absent: str | None) -> Iterator[str]:
    """An expression that gives the same wherever the present one gives something."""
    present = rules.attribute_mapping.get(target, "")
    tried: list[str] = []
    if target == "google.subject":
        if absent is not None:
            tried.append(f"'{absent}' in assertion ? {present} : assertion.sub")
        if present:
            tried.append(f"({present}) != '' ? {present} : assertion.sub")
        tried += ["assertion.sub", profile_of(evidence.claims or {}).subject]
    elif present:
        tried += [f"string({present})", f"{present}.join(',')"]
    for expression in tried:
        if _passes(evidence, rules, {target: expression}):
            yield "Only where the present expression gives nothing that Google takes, this one differs from it:"
            yield change_mapping(evidence, rules, {target: expression})
            return
    yield f"Correct the expression of {target}, and write the mapping whole, since the flag replaces it."


def _passes(evidence: Evidence, rules: ProviderRules, changes: Mapping[str, str]) -> bool:
    """Whether the mapping, changed, takes this token as far as the condition."""
    changed = replace(rules, attribute_mapping={**rules.attribute_mapping, **changes}, attribute_condition=None)
    return evaluate(evidence.claims or {}, changed).admitted


def unset_attributes(evidence: Evidence, decision: Decision | None) -> Iterator[Finding]:
    """Attributes that this token does not set, since it lacks their claims: they are worth a look, and no fault."""
    rules, claims = evidence.rules, evidence.claims or {}
    if rules is None or decision is None or not decision.admitted:
        return
    for step in decision.steps:
        target = step.name.partition(":")[2]
        absent = absent_claim(step.expected or "", claims)
        if step.found is not None or not target.startswith("attribute.") or absent is None:
            continue
        close = alike(absent, claims)
        known = any(absent == name.claim for name in profile_of(claims).names)
        if known:
            continue  # this kind of job lacks it, and others of the same CI system have it
        hint = f" The token has {close}." if close else ""
        fix = f"If the name is misspelt, correct it; nothing can be granted by {target} to this job."
        if close:
            fix = change_mapping(evidence, rules, {target: (step.expected or "").replace(absent, close)})
        yield Finding(
            "WIF959", "mapping", "advice",
            f"{target} is not set for this token: it reads the claim {absent}, which the token does not have.{hint}",
            step.expected, f"claims: {', '.join(sorted(claims))}", (fix,),
        )  # fmt: skip


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
