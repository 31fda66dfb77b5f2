"""The examination: a case in, a report out. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from gcp_wif.doctor.access import access_findings, lifetime_finding, may_impersonate
from gcp_wif.doctor.advice import advice
from gcp_wif.doctor.chain import attribute_rows, decision_of, provider_findings, sts_findings
from gcp_wif.doctor.condition import trace_of
from gcp_wif.doctor.drift import drift
from gcp_wif.doctor.values import LINKS, AttributeRow, Binding, Case, Finding, LinkState, Report
from gcp_wif.errors import hide_tokens
from gcp_wif.federation import Decision, SubExpression, compile_manifest
from gcp_wif.refusals import RefusalKind

__all__ = ["examine"]

_Row = TypeVar("_Row", LinkState, Finding, AttributeRow, SubExpression)

_LINK_OF_REFUSAL = {
    RefusalKind.AUDIENCE_MALFORMED: "provider",
    RefusalKind.TARGET_UNUSABLE: "provider",
    RefusalKind.AUDIENCE_MISMATCH: "audience",
    RefusalKind.ISSUER_MISMATCH: "issuer",
    RefusalKind.TOKEN_STALE: "time",
    RefusalKind.SIGNATURE_INVALID: "token",
    RefusalKind.ISSUER_UNREACHABLE: "issuer",
    RefusalKind.CONDITION_FALSE: "condition",
    RefusalKind.SUBJECT_UNMAPPED: "mapping",
    RefusalKind.SUBJECT_TOO_LONG: "subject",
    RefusalKind.ATTRIBUTES_TOO_LARGE: "subject",
    RefusalKind.MAPPING_FAILED: "mapping",
    RefusalKind.TOKEN_TYPE_UNSUPPORTED: "token",
    RefusalKind.IMPERSONATION_DENIED: "binding",
    RefusalKind.ID_TOKEN_DENIED: "binding",
    RefusalKind.LIFETIME_TOO_LONG: "lifetime",
    RefusalKind.ACCOUNT_DISABLED: "account",
}

_CLAIMS_OF_LINK = {
    "time": ("iat", "exp"),
    "issuer": ("iss",),
    "audience": ("aud",),
    "subject": ("sub",),
    **dict.fromkeys(
        ("mapping", "condition", "binding"),
        tuple(f"oidc.circleci.com/{name}" for name in ("project-id", "vcs-ref", "context-ids", "ssh-rerun")),
    ),
}

_UNSEEN = {
    "account": "no service account was named: --service-account, --account-file, or --manifest with --identity",
    "lifetime": "no credential config was looked at: gcp-wif doctor --output-file CONFIG",
    "api": "whether the APIs are on shows in Google alone: gcp-wif doctor --live",
}
"""What settles a link about which there is no finding."""


def examine(case: Case) -> Report:
    """Walk the chain.

    Args:
        case: what is known; what is not is reported as unknown, never as fine.
    """
    decision = decision_of(case)
    broken = [*provider_findings(case), *sts_findings(case), *access_findings(case, decision)]
    lifetime = lifetime_finding(case)
    if lifetime is not None and lifetime.level == "broken":
        broken.append(lifetime)
    broken.sort(key=lambda finding: LINKS.index(finding.link))
    broken = _with_error(case, broken)
    advised = _distinct([*drift(case), *advice(case)])
    unknown = _unknown(case, broken)
    if lifetime is not None and lifetime.level == "unknown" and not broken:
        unknown.append(lifetime)
    links = _links(case, broken, unknown, decision)
    return Report(
        tuple(_hidden(links)),
        tuple(_hidden((*broken, *advised, *unknown))),
        {hide_tokens(name): hide_tokens(str(value))[:300] for name, value in (case.claims or {}).items()},
        tuple(_hidden(attribute_rows(case, decision))),
        tuple(_hidden(trace_of(case, decision))),
        tuple(map(hide_tokens, decision.principals)) if decision else (),
        _accounts(case, decision),
    )


def _hidden(rows: Iterable[_Row]) -> Iterator[_Row]:
    """The rows without a token, should a claim or a policy hold one."""
    for row in rows:
        values = row._asdict() if hasattr(row, "_asdict") else vars(row)
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, str):
                changes[name] = hide_tokens(value)
            elif isinstance(value, tuple):
                changes[name] = tuple(map(hide_tokens, value))
        yield type(row)(**{**values, **changes})


def _with_error(case: Case, broken: list[Finding]) -> list[Finding]:
    """What Google said comes first where nothing that was seen explains it."""
    kind = case.refused
    if kind is None:
        return broken
    link = _LINK_OF_REFUSAL.get(kind, "api")
    if any(finding.link == link or (link == "binding" and finding.link == "account") for finding in broken):
        return broken
    message, mends = kind.meaning, kind.advice
    code = kind.code
    if kind is RefusalKind.IMPERSONATION_DENIED and case.policy is not None and not broken:
        code = "WIF929"
        message = "The binding is there and fits this token, so it is most likely too new: it has not propagated."
        mends = ("Wait: typically 2 minutes, sometimes 7 or more; `gcp-wif apply --wait --token-env NAME` does.",)
    found = Finding(code, link, "broken", message, None, _evidence(case, link), mends)
    return sorted([*broken, found], key=lambda each: LINKS.index(each.link))


def _evidence(case: Case, link: str) -> str | None:
    """What the token says of the thing that Google refused; the sentence where there is no token."""
    claims = case.claims
    if claims is None:
        return case.sentence
    names = _CLAIMS_OF_LINK.get(link, ())
    shown = [f"{name} is {hide_tokens(str(claims.get(name, 'absent')))[:200]}" for name in names]
    return "; ".join(shown) or case.sentence


def _unknown(case: Case, broken: list[Finding]) -> list[Finding]:
    """What was not seen, with the command whose output settles it."""
    name = case.provider
    found = []

    def unseen(code: str, link: str, message: str, *mends: str) -> None:
        found.append(Finding(code, link, "unknown", message, None, None, mends))

    if case.claims is None:
        unseen("WIF991", "token", "No token was looked at.", "In the job: gcp-wif doctor --token-env CIRCLE_OIDC_TOKEN",
               "or give its claims: gcp-wif doctor --claims claims.json")  # fmt: skip
    if case.provider_state is None:
        describe = "gcloud iam workload-identity-pools providers describe"
        target = (
            f"{name.provider_id} --workload-identity-pool={name.pool_id} --location=global "
            f"--project={name.project_number}"
            if name
            else "PROVIDER --workload-identity-pool=POOL --location=global --project=PROJECT"
        )
        unseen("WIF992", "provider", "The provider was not seen, so mapping and condition are not known.",
               f"{describe} {target} --format=json > provider.json", "gcp-wif doctor --provider-file provider.json",
               "or with admin rights: gcp-wif doctor --live")  # fmt: skip
    if case.account is not None and case.policy is None:
        unseen("WIF993", "binding", "The account's policy was not seen.",
               f"gcloud iam service-accounts get-iam-policy {case.account} --format=json > policy.json",
               "gcp-wif doctor --policy-file policy.json")  # fmt: skip
    if case.account is not None and case.account_state is None and not broken:
        unseen("WIF994", "account", "The account was not seen.",
               f"gcloud iam service-accounts describe {case.account} --format=json > account.json",
               "gcp-wif doctor --account-file account.json")  # fmt: skip
    if case.direct and case.project_policy is None and case.project:
        unseen("WIF995", "binding", f"The policy of {case.project} was not seen.",
               f"gcloud projects get-iam-policy {case.project} --format=json > project-policy.json",
               "gcp-wif doctor --project-policy-file project-policy.json")  # fmt: skip
    return found


def _links(
    case: Case, broken: list[Finding], unknown: list[Finding], decision: Decision | None
) -> tuple[LinkState, ...]:
    bad = {finding.link: finding for finding in reversed(broken)}
    open_links = {finding.link for finding in unknown}
    seen = _seen(case, decision)
    links = []
    after = False
    for name in LINKS:
        if name in bad:
            links.append(LinkState(name, "broken", bad[name].message))
            after = True
        elif after:
            links.append(LinkState(name, "skipped"))
        elif name in open_links or not seen[name]:
            links.append(LinkState(name, "unknown", "" if name in open_links else _UNSEEN.get(name, "")))
        else:
            links.append(LinkState(name, "fine"))
    return tuple(links)


def _seen(case: Case, decision: Decision | None) -> dict[str, bool]:
    claims, rules = case.claims is not None, case.rules is not None
    decided = claims and rules and decision is not None
    policy = case.project_policy is not None if case.direct else case.policy is not None
    return {
        "token": claims,
        "time": claims,
        "issuer": claims and rules,
        "audience": claims and rules,
        "provider": case.provider_state is not None,
        "mapping": decided,
        "subject": decided,
        "condition": decided,
        "principal": decided,
        "binding": decided and policy,
        "account": case.direct or case.account_state is not None,
        "lifetime": case.config is not None or case.direct,
        "api": case.live and policy,
    }


def _accounts(case: Case, decision: Decision | None) -> Mapping[str, str]:
    """Which identities of the manifest this token is, with their accounts."""
    if case.manifest is None or decision is None or not decision.admitted:
        return {}
    members = compile_manifest(case.manifest).members
    return {
        name: str(identity.service_account or "direct")
        for name, identity in case.manifest.identities.items()
        if may_impersonate((Binding("roles/iam.workloadIdentityUser", members[name]),), decision.principals)
    }


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))
