"""The diagnosis: evidence in, a report out. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from gcp_wif.doctor.commands import account_command, on_provider, provider_name
from gcp_wif.doctor.condition import trace_of
from gcp_wif.doctor.drift import drift
from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.filling import admin_commands, filled
from gcp_wif.doctor.good_practice import advice
from gcp_wif.doctor.iam_checks import access_findings, access_of, lifetime_finding, narrowest_member
from gcp_wif.doctor.manifest_words import in_manifest_words
from gcp_wif.doctor.report import LINKS, AttributeRow, Finding, LinkState, Report
from gcp_wif.doctor.sts_checks import attribute_rows, decision_of, provider_findings, sts_findings, unset_attributes
from gcp_wif.errors import hide_tokens
from gcp_wif.federation import Access, Decision, SubExpression
from gcp_wif.issuers import profile_of
from gcp_wif.refusals import RefusalKind, row_of

__all__ = ["diagnose"]

_Row = TypeVar("_Row", LinkState, Finding, AttributeRow, SubExpression)

_CLAIMS_OF_LINK = {
    "time": ("iat", "exp"),
    "issuer": ("iss",),
    "audience": ("aud",),
    "subject": ("sub",),
}
"""What the token says of a link; of the others the issuer's profile knows it."""

_PROVISO = {"binding": "deny policies and access boundaries were not looked at"}
"""What is left open where a link is fine."""

_UNSEEN = {
    "account": "no service account was named: --service-account, --account-file, or --manifest with --identity",
    "lifetime": "no credential config was looked at: gcp-wif doctor --output-file CONFIG",
    "api": "whether the APIs are on shows in Google alone, to whoever may see it: gcp-wif doctor --live",
}
"""What settles a link about which there is no finding."""


def diagnose(evidence: Evidence) -> Report:
    """Walk the chain.

    Args:
        evidence: what is known; what is not is reported as unknown, never as fine.
    """
    decision = decision_of(evidence)
    access = access_of(evidence, decision)
    reached = [*access_findings(evidence, decision, access)]
    broken = [*provider_findings(evidence), *sts_findings(evidence)]
    broken += [each for each in reached if each.level == "broken"]
    lifetime = lifetime_finding(evidence)
    if lifetime is not None and lifetime.level == "broken":
        broken.append(lifetime)
    broken.sort(key=lambda finding: LINKS.index(finding.link))
    allowed = access is not None and access.allowed is True
    broken, alternatives = _with_error(evidence, broken, decision, _seen(evidence, decision, access), allowed=allowed)
    accounts = _accounts(evidence, decision)
    broken = [in_manifest_words(each, evidence, accounts) for each in broken]
    advised = _distinct([*drift(evidence), *unset_attributes(evidence, decision), *advice(evidence)])
    likely = [each for each in reached if each.level == "unknown"] if not broken else []
    likely = [each for each in likely if each.link not in evidence.proved]
    unknown = [each for each in _unknown(evidence, broken, access) if each.link not in evidence.proved]
    if lifetime is not None and lifetime.level == "unknown" and not broken:
        unknown.append(lifetime)
    links = _links(evidence, broken, [*likely, *unknown], decision, access)
    return Report(
        tuple(_hidden(links)),
        tuple(_hidden((*broken, *alternatives, *likely, *advised, *unknown))),
        {hide_tokens(name): hide_tokens(str(value))[:300] for name, value in (evidence.claims or {}).items()},
        tuple(_hidden(attribute_rows(evidence, decision))),
        tuple(_hidden(trace_of(evidence, decision))),
        tuple(map(hide_tokens, decision.principals)) if decision else (),
        accounts,
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


def _with_error(
    evidence: Evidence, broken: list[Finding], decision: Decision | None, seen: Mapping[str, bool], *, allowed: bool
) -> tuple[list[Finding], list[Finding]]:
    """What was said comes first where nothing that was seen explains it; the second list is what else it may mean."""
    if evidence.refused is None:
        return broken, []
    kinds = [evidence.refused, *evidence.also]
    links = {row_of(kind).link for kind in kinds}
    if any(finding.link in links or (finding.link == "account" and "binding" in links) for finding in broken):
        return broken, []
    kinds.sort(key=lambda kind: seen[row_of(kind).link])  # stable: what was seen to be fine comes after what was not
    new = allowed and not broken
    first, *others = (_said(evidence, kind, decision, binding_fits=new) for kind in kinds)
    found = replace(first, fix=(*_for_an_admin(evidence, first.fix),))
    alternatives = [replace(each, level="unknown", message=f"It may also be this: {each.message}") for each in others]
    return sorted([*broken, found], key=lambda each: LINKS.index(each.link)), alternatives


def _said(evidence: Evidence, kind: RefusalKind, decision: Decision | None, *, binding_fits: bool) -> Finding:
    row = row_of(kind)
    code, message, fixes = row.kind.code, row.meaning, row.fixes
    if kind in (RefusalKind.IMPERSONATION_DENIED, RefusalKind.ID_TOKEN_DENIED) and binding_fits:
        code = "WIF929"
        message = "The binding is there and fits this token, so it is most likely too new: it has not propagated."
        fixes = ("Wait: typically 2 minutes, sometimes 7 or more; `gcp-wif apply --wait --token-env NAME` does.",)
    if kind is RefusalKind.PERMISSION_MISSING:
        message = f"{_who_lacks_what(evidence)} {message}"
    advised = filled(fixes, evidence, narrowest_member(evidence, decision))
    return Finding(code, row.link, "broken", message, None, _evidence(evidence, row.link), advised)


def _who_lacks_what(evidence: Evidence) -> str:
    parts = evidence.error
    who = (parts and parts.account) or evidence.account or "The caller"
    what = (parts and parts.permission) or "a permission that is not named"
    where = f" on {parts.resource}" if parts and parts.resource else ""
    return f"{who} lacks {what}{where}."


def _for_an_admin(evidence: Evidence, fixes: tuple[str, ...]) -> Iterator[str]:
    """The fixes; where the job's exchange was refused, after what somebody with the right to read runs, to see why."""
    commands = admin_commands(evidence) if evidence.exchange == "refused" else ()
    if commands:
        files = " ".join(
            f"--{name}-file {name}.json" for name in ("provider", "policy") if f"{name}.json" in " ".join(commands)
        )
        yield "Why is in what the job may not read. An admin shows it with:"
        yield from commands
        yield f"Then, where the files are: gcp-wif doctor {files}. Or an admin runs: gcp-wif doctor --live"
    shown = [command.partition(" --format")[0] for command in commands]
    yield from (line for line in fixes if not any(command in line for command in shown))


def _evidence(evidence: Evidence, link: str) -> str | None:
    """What the token says of the thing that Google refused; the sentence where there is no token."""
    claims = evidence.claims
    if claims is None:
        return evidence.sentence
    telling = profile_of(claims).telling if link in ("mapping", "condition", "binding") else ()
    names = _CLAIMS_OF_LINK.get(link, telling)
    shown = [f"{name} is {hide_tokens(str(claims.get(name, 'absent')))[:200]}" for name in names]
    return "; ".join(shown) or evidence.sentence


def _unknown(evidence: Evidence, broken: list[Finding], access: Access | None) -> list[Finding]:
    """What was not seen, with the command whose output settles it."""
    found: list[Finding] = []
    allowed = access is not None and access.allowed is True
    told = evidence.exchange == "refused" and evidence.refused is not None

    def unseen(code: str, link: str, message: str, *fixes: str) -> None:
        found.append(Finding(code, link, "unknown", message, None, None, fixes))

    if evidence.unanswered is not None:
        error = evidence.unanswered
        unseen("WIF998", "api", f"The exchange with Google gave no answer: {error.message}",
               *(error.hint or "").splitlines())  # fmt: skip
    if evidence.sentence is not None and evidence.refused is None:
        unseen("WIF990", "api", f"The error is not one that gcp-wif knows. {_taken_apart(evidence)}",
               *_next_for_unknown(evidence))  # fmt: skip
    if evidence.claims is None:
        where = evidence.token_advice or ("In the job: gcp-wif doctor",)
        unseen("WIF991", "token", "No token was looked at.", *where,
               "or give its claims: gcp-wif doctor --claims claims.json")  # fmt: skip
    if evidence.provider_state is None and not told:
        unseen("WIF992", "provider", "The provider was not seen, so mapping and condition are not known.",
               f"{on_provider(evidence, 'describe')} --format=json > provider.json",
               f"gcp-wif doctor {provider_name(evidence)} --provider-file provider.json",
               "or with admin rights: gcp-wif doctor --live")  # fmt: skip
    if evidence.account is not None and evidence.policy is None and not allowed and not told:
        unseen("WIF993", "binding", "The account's policy was not seen.",
               f"{account_command(evidence, 'get-iam-policy')} --format=json > policy.json",
               "gcp-wif doctor --policy-file policy.json")  # fmt: skip
    if evidence.account is not None and evidence.account_state is None and not broken:
        unseen("WIF994", "account", "The account was not seen.",
               f"{account_command(evidence, 'describe')} --format=json > account.json",
               "gcp-wif doctor --account-file account.json")  # fmt: skip
    if evidence.direct and evidence.project_policy is None and evidence.project:
        unseen("WIF995", "binding", f"The policy of {evidence.project} was not seen.",
               f"gcloud projects get-iam-policy {evidence.project} --format=json > project-policy.json",
               "gcp-wif doctor --project-policy-file project-policy.json")  # fmt: skip
    return found


def _taken_apart(evidence: Evidence) -> str:
    named = evidence.error.named() if evidence.error else {}
    if not named:
        return "It names no API, status, permission or resource of Google's."
    return "It holds: " + "; ".join(f"{name} {value}" for name, value in named.items()) + "."


def _next_for_unknown(evidence: Evidence) -> Iterator[str]:
    parts = evidence.error
    if parts is None or not parts.named():
        yield "Give the whole error, with what stands before and after it: gcp-wif doctor --error - < FILE"
        return
    if parts.reason is not None:
        yield f"Look for the reason {parts.reason} in the documentation of {parts.service or 'the API'}."
    yield "See whether the login itself works: gcp-wif verify"


def _links(
    evidence: Evidence,
    broken: list[Finding],
    unknown: list[Finding],
    decision: Decision | None,
    access: Access | None,
) -> tuple[LinkState, ...]:
    bad = {finding.link: finding for finding in reversed(broken)}
    open_links = {finding.link for finding in unknown}
    seen = _seen(evidence, decision, access)
    links = []
    after = False
    for name in LINKS:
        if name in bad:
            links.append(LinkState(name, "broken", bad[name].message))
            after = True
        elif name in evidence.proved:
            links.append(LinkState(name, "fine"))
        elif after:
            links.append(LinkState(name, "skipped"))
        elif name in open_links or not seen[name]:
            links.append(LinkState(name, "unknown", "" if name in open_links else _UNSEEN.get(name, "")))
        else:
            links.append(LinkState(name, "fine", _PROVISO.get(name, "")))
    return tuple(links)


def _seen(evidence: Evidence, decision: Decision | None, access: Access | None) -> dict[str, bool]:
    claims, rules = evidence.claims is not None, evidence.rules is not None
    decided = claims and rules and decision is not None
    known = {
        "token": claims,
        "time": claims,
        "issuer": claims and rules,
        "audience": claims and rules,
        "provider": evidence.provider_state is not None,
        "mapping": decided,
        "subject": decided,
        "condition": decided,
        "principal": decided,
        "binding": decided and access is not None and access.allowed is True,
        "account": evidence.direct or evidence.account_state is not None,
        "lifetime": evidence.config is not None or evidence.direct,
        "api": bool(evidence.services) and all((evidence.services or {}).values()),
    }
    return known | dict.fromkeys(evidence.proved, True)


def _accounts(evidence: Evidence, decision: Decision | None) -> Mapping[str, str]:
    """Which identities of the manifest this token is, with their accounts."""
    manifest, desired = evidence.manifest, evidence.desired
    if manifest is None or desired is None or decision is None or not decision.admitted:
        return {}
    known = set(decision.principals)
    return {
        name: str(identity.service_account or "direct")
        for name, identity in manifest.identities.items()
        if not known.isdisjoint(desired.members[name])
    }


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))
