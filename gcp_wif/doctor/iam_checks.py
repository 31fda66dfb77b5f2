"""From the principal to the account: what IAM decides. Pure."""

import shlex
from collections.abc import Iterator, Mapping

from gcp_wif.doctor.evidence import MISSING, Binding, Evidence
from gcp_wif.doctor.report import Finding
from gcp_wif.federation import Decision
from gcp_wif.names import Principal
from gcp_wif.refusals import RefusalKind, row_of
from gcp_wif.roles import ACCESS_TOKEN, IMPERSONATION_ROLE, carries

__all__ = ["access_findings", "may_impersonate"]

_ORDINARY_LIFETIME = 3600


def may_impersonate(policy: tuple[Binding, ...], principals: tuple[Principal, ...]) -> bool:
    """Whether a binding of the policy lets one of ``principals`` get the account's tokens."""
    wanted = set(principals)
    return any(
        carries(each.role, ACCESS_TOKEN) and not each.conditional and not wanted.isdisjoint(each.members)
        for each in policy
    )


def access_findings(evidence: Evidence, decision: Decision | None) -> Iterator[Finding]:
    """Account and binding; for direct federation the project's policy. In the chain's order."""
    principals = decision.principals if decision and decision.admitted else ()
    if evidence.account is not None and evidence.account_state is MISSING:
        made = (
            "`gcp-wif apply` makes it, with create = true"
            if evidence.manifest
            else "gcloud iam service-accounts create …"
        )
        yield Finding(
            "WIF931", "account", "broken", "The service account does not exist.", None, evidence.account,
            ("Correct the email in the credential config (--service-account), letter by letter; or", made),
        )  # fmt: skip
        return
    if (
        principals
        and evidence.policy is not None
        and not evidence.direct
        and not may_impersonate(evidence.policy, principals)
    ):
        yield _binding_finding(evidence, principals)
    if principals and evidence.direct and evidence.project_policy is not None:
        held = [each for each in evidence.project_policy if not set(each.members).isdisjoint(principals)]
        if not held:
            yield Finding(
                "WIF928", "binding", "broken",
                f"Direct federation: no role on {evidence.project} is granted to any principal of this token.",
                "a role for one of the principals", "none",
                (f"gcloud projects add-iam-policy-binding {evidence.project} --role=ROLE "
                 f"--member={shlex.quote(_narrowest(principals))}",),
            )  # fmt: skip
    if isinstance(evidence.account_state, Mapping) and evidence.account_state.get("disabled"):
        yield Finding(
            RefusalKind.ACCOUNT_DISABLED.code, "account", "broken", "The service account is disabled.", "enabled",
            "disabled", (f"gcloud iam service-accounts enable {evidence.account}",),
        )  # fmt: skip
    if evidence.disabled_api is not None:
        yield Finding(
            RefusalKind.API_DISABLED.code, "api", "broken", "An API that the exchange needs is not enabled.", "enabled",
            evidence.disabled_api, row_of(RefusalKind.API_DISABLED).fixes,
        )  # fmt: skip


def _binding_finding(evidence: Evidence, principals: tuple[Principal, ...]) -> Finding:
    shown = "; ".join(each.tail for each in principals if not each.is_whole_pool)
    fixes: tuple[str, ...] = (
        f"gcloud iam service-accounts add-iam-policy-binding {evidence.account} --role={IMPERSONATION_ROLE} "
        f"--member={shlex.quote(_narrowest(principals))}",
        "A new binding takes about 2 minutes to work, sometimes 7 or more.",
    )
    if evidence.manifest is not None:
        fixes = ("`gcp-wif apply` grants what the manifest says; else add a rule to the identity's `allow`.", *fixes)
    code, message, found = next(_why_not_bound(evidence, principals))
    return Finding(code, "binding", "broken", message, f"one of: {shown}", found, fixes)


def _why_not_bound(evidence: Evidence, principals: tuple[Principal, ...]) -> Iterator[tuple[str, str, str]]:
    """Reasons, the most telling first."""
    policy = evidence.policy or ()
    ours = [
        member
        for each in policy
        if carries(each.role, ACCESS_TOKEN) and not each.conditional
        for member in each.members
    ]
    bound = [principal for member in ours if (principal := Principal.parse(member)) is not None]
    tails = [each.tail for each in bound if evidence.pool is not None and each.is_of(evidence.pool)]
    for each in policy:
        if not set(each.members).isdisjoint(principals):
            if each.conditional:
                yield (
                    "WIF926",
                    "The binding for this principal has a condition, which is not met or not known.",
                    each.role,
                )
            yield "WIF925", "This principal has a role on the account, but none that gives its tokens.", each.role
    mapping = evidence.rules.attribute_mapping if evidence.rules else {}
    for tail in tails:
        kind = tail.partition("/")[0]
        if kind.startswith("attribute.") and kind not in mapping:
            yield "WIF922", f"The binding names {kind}, which the mapping never sets.", tail
    present = {each.tail.lower() for each in principals}
    for tail in tails:
        if tail.lower() in present:
            yield "WIF924", "The bound value differs from the token's in upper and lower case alone.", tail
    if tails:
        found = "; ".join(tails)
        yield "WIF923", "The account is bound to principals of this pool, but to none of this token's.", found
    if bound:
        yield "WIF927", "The account is bound to principals of another pool or project number.", bound[0]
    yield "WIF921", "No binding lets anybody of this pool impersonate the account.", "none"


def _narrowest(principals: tuple[Principal, ...]) -> str:
    """What to bind where nothing better is known: an attribute rather than the subject, never the whole pool."""
    attributes = [each for each in principals if each.parts.kind == "attribute"]
    return str(next(iter(sorted(attributes, key=len, reverse=True)), principals[0]))


def lifetime_finding(evidence: Evidence) -> Finding | None:
    """A lifetime that only an organisation policy allows."""
    seconds = evidence.config.token_lifetime_seconds if evidence.config else None
    refused = evidence.refused is RefusalKind.LIFETIME_TOO_LONG
    if not refused and (seconds is None or seconds <= _ORDINARY_LIFETIME):
        return None
    row = row_of(RefusalKind.LIFETIME_TOO_LONG)
    message = "Tokens of over an hour need the account to be in an organisation policy."
    found = f"{seconds} seconds" if seconds else evidence.sentence
    fixes = ("gcp-wif generate --service-account-token-lifetime-seconds=3600, or less", *row.fixes)
    return Finding(
        row.kind.code, "lifetime", "broken" if refused else "unknown", message, "at most 3600 seconds", found, fixes
    )
