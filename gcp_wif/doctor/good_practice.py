"""What works and should not be so (Google's good practice, and what users of CI systems have met). Pure."""

import re
from collections.abc import Iterator

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Finding
from gcp_wif.federation import Binding
from gcp_wif.federation.lint import is_multi_tenant
from gcp_wif.issuers import profile_of_url, shared_tenant_claims
from gcp_wif.names import Principal

__all__ = ["advice"]

_PREFIX = re.compile(r"\.startsWith\(\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*\)")
_LONG_SECONDS = 3600


def advice(evidence: Evidence) -> Iterator[Finding]:
    """Each with what to do instead."""
    yield from _grants(evidence)
    yield from _provider(evidence)
    lifetime = evidence.config.token_lifetime_seconds if evidence.config else None
    if lifetime is not None and lifetime > _LONG_SECONDS:
        fix = "Most jobs need less; a leaked token works until it expires."
        message = "The account's token lives longer than an hour."
        yield _advice("WIF957", "lifetime", message, f"{lifetime} seconds", fix)
    if evidence.other_providers:
        message = "Other providers share this pool, so what they map gets the same grants."
        found = ", ".join(evidence.other_providers)
        yield _advice("WIF958", "provider", message, found, "Give each issuer a pool of its own.")


def _grants(evidence: Evidence) -> Iterator[Finding]:
    policies: tuple[Binding, ...] = (*(evidence.policy or ()), *(evidence.project_policy or ()))
    mapping = evidence.rules.attribute_mapping if evidence.rules else {}
    profile = profile_of_url(evidence.rules.issuer) if evidence.rules else profile_of_url(None)
    wide = {target for target, expression in mapping.items() if _reads_alone(expression, profile.tenant_wide)}
    pins = [each for each in profile.names if each.name in profile.one_of]
    stable = {each.claim for each in pins if each.immutable}
    reusable = {
        target
        for target, expression in mapping.items()
        if any(each.claim in expression for each in pins if not each.immutable)
        and not any(claim in expression for claim in stable)
    }
    narrower = f"attribute.{pins[0].name}/ID" if pins else "an attribute that holds an ID"
    for member in (member for each in policies for member in each.members):
        principal = Principal.of_pool(member, evidence.pool)
        if principal is None:
            continue
        kind = principal.tail.partition("/")[0]
        if principal.is_whole_pool:
            fix = f"Bind the narrowest principal set: {narrower}, or better one of several claims."
            yield _advice("WIF951", "binding", "Every identity of the pool may use this account or role.", member, fix)
        elif kind in wide:
            message = f"Every job of the tenant may use this account or role: {kind} is the same for all of them."
            yield _advice("WIF952", "binding", message, member, f"Bind {narrower} instead.")
        elif kind in reusable:
            fix = f"Bind {narrower}: an ID is never used again."
            yield _advice("WIF955", "binding", "A name can be given to somebody else, who then gets this.", member, fix)


def _provider(evidence: Evidence) -> Iterator[Finding]:
    rules = evidence.rules
    if rules is None:
        return
    condition = rules.attribute_condition or ""
    if is_multi_tenant(rules.issuer) and not condition:
        message = "This issuer signs for everybody, and no condition keeps others out."
        claim = shared_tenant_claims(rules.issuer)[0]
        fix = f"Add a condition on the tenant: assertion['{claim}'] == 'ID'."
        yield _advice("WIF953", "condition", message, rules.issuer, fix)
    for expression in (condition, *rules.attribute_mapping.values()):
        for one, two in _PREFIX.findall(expression):
            literal = one or two
            if literal and not literal.endswith(("/", ":")):
                message = f"The prefix {literal!r} also fits names that only begin alike."
                fix = f"End it with a slash: {literal + '/'!r}."
                yield _advice("WIF954", "condition", message, expression[:300], fix)
    everything = condition + " ".join(rules.attribute_mapping.values())
    for guard in profile_of_url(rules.issuer).guards if evidence.deployed else ():
        if guard.claim not in everything:
            fix = f"Add: {guard.holds}. `gcp-wif apply` does it by itself."
            message = f"{guard.who[0].upper()}{guard.who[1:]} are admitted: {guard.why}."
            yield _advice("WIF956", "condition", message, f"no part of the condition reads {guard.claim}", fix)


def _reads_alone(expression: str, claims: tuple[str, ...]) -> bool:
    """Whether the expression is one of these claims and nothing else."""
    forms = ((f"assertion.{claim}", f"assertion['{claim}']", f'assertion["{claim}"]') for claim in claims)
    return any(expression.strip() in each for each in forms)


def _advice(code: str, link: str, message: str, found: str, fix: str) -> Finding:
    return Finding(code, link, "advice", message, None, found, (fix,))
