"""What works and should not be so (Google's good practice, and what CircleCI's users have met). Pure."""

import re
from collections.abc import Iterator

from gcp_wif.doctor.evidence import Binding, Evidence
from gcp_wif.doctor.report import Finding
from gcp_wif.federation.lint import is_multi_tenant

__all__ = ["advice"]

_PREFIX = re.compile(r"\.startsWith\(\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*\)")
_ORGANIZATION_WIDE = ("assertion.aud", "assertion['oidc.circleci.com/org-id']", 'assertion["oidc.circleci.com/org-id"]')
_REUSABLE = ("oidc.circleci.com/vcs-origin",)
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
    wide = {target for target, expression in mapping.items() if expression.strip() in _ORGANIZATION_WIDE}
    reusable = {
        target
        for target, expression in mapping.items()
        if any(claim in expression for claim in _REUSABLE) and "project-id" not in expression
    }
    for member in (member for each in policies for member in each.members):
        tail = member.partition(f"/{evidence.pool}/")[2]
        kind = tail.partition("/")[0]
        if tail == "*":
            fix = "Bind the narrowest principal set: attribute.project/ID, or better a branch or context of it."
            yield _advice("WIF951", "binding", "Every identity of the pool may use this account or role.", member, fix)
        elif kind in wide:
            message = "Every project of the organisation may use this account or role."
            yield _advice("WIF952", "binding", message, member, "Bind attribute.project/ID instead.")
        elif kind in reusable:
            fix = "Bind the project's ID, which is never used again."
            yield _advice("WIF955", "binding", "A repository's name can be given to another repository.", member, fix)


def _provider(evidence: Evidence) -> Iterator[Finding]:
    rules = evidence.rules
    if rules is None:
        return
    condition = rules.attribute_condition or ""
    if is_multi_tenant(rules.issuer) and not condition:
        message = "This issuer signs for everybody, and no condition keeps others out."
        fix = "Add a condition on the organisation: assertion['oidc.circleci.com/org-id'] == 'ORGANIZATION_ID'."
        yield _advice("WIF953", "condition", message, rules.issuer, fix)
    for expression in (condition, *rules.attribute_mapping.values()):
        for one, two in _PREFIX.findall(expression):
            literal = one or two
            if literal and not literal.endswith(("/", ":")):
                message = f"The prefix {literal!r} also fits names that only begin alike."
                fix = f"End it with a slash: {literal + '/'!r}."
                yield _advice("WIF954", "condition", message, expression[:300], fix)
    everything = condition + " ".join(rules.attribute_mapping.values())
    if "circleci" in rules.issuer and evidence.deployed and "ssh-rerun" not in everything:
        yield _advice(
            "WIF956", "condition", "Jobs that somebody re-ran with SSH are admitted: a person is inside them.",
            "no part of the condition reads oidc.circleci.com/ssh-rerun",
            "Add: assertion['oidc.circleci.com/ssh-rerun'] == false. `gcp-wif apply` does it by itself.",
        )  # fmt: skip


def _advice(code: str, link: str, message: str, found: str, fix: str) -> Finding:
    return Finding(code, link, "advice", message, None, found, (fix,))
