"""Where Google differs from the manifest: every field that the manifest says, and who is bound. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gcp_wif.desired import Desired, differences, leaves
from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Finding
from gcp_wif.names import Principal
from gcp_wif.roles import IMPERSONATION_ROLE

__all__ = ["drift"]

_FIX = ("gcp-wif plan shows every difference, gcp-wif apply ends it; or change the manifest to say what Google has.",)

_FIELDS = {
    "displayName": ("provider", "display name", "none"),
    "description": ("provider", "description", "none"),
    "disabled": ("provider", "`disabled`", "none"),
    "attributeCondition": ("condition", "condition", "none"),
    "oidc.issuerUri": ("issuer", "issuer", "none"),
    "oidc.allowedAudiences": ("audience", "audiences", "the provider's own name"),
    "oidc.jwksJson": ("token", "uploaded keys", "none"),
}
"""Where in the chain each field counts, its name for people and that of its absence; the mapping goes by attribute."""


def drift(evidence: Evidence) -> Iterator[Finding]:
    """Differences, where both sides were seen.

    Args:
        evidence: with a manifest, and states that are Google's.
    """
    desired = evidence.desired
    if desired is None or not evidence.deployed:
        return
    if isinstance(evidence.pool_state, Mapping):
        yield from _fields("pool", desired.pool_fields, evidence.pool_state)
    if isinstance(evidence.provider_state, Mapping) and evidence.provider == desired.provider:
        yield from _fields("provider", desired.provider_fields, leaves(evidence.provider_state))
    yield from _account(evidence, desired)
    yield from _roles(evidence, desired)


def _fields(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    for each in differences(wanted, found):
        if each.field == "attributeMapping":
            yield from _mapping(each.wanted, each.found)
            continue
        link, name, empty = _FIELDS[each.field]
        yield _differs(link, f"The {what}'s {name}", _shown(each.wanted, empty), _shown(each.found, empty))


def _mapping(wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    for target in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(target), found.get(target)
        if one != other:
            yield _differs("mapping", f"The mapping of {target}", one or "not mapped", other or "not mapped")


def _account(evidence: Evidence, desired: Desired) -> Iterator[Finding]:
    account = desired.account(evidence.account or "")
    if account is None or evidence.direct:
        return
    state = evidence.account_state
    if account.create and isinstance(state, Mapping):
        present = {field: state.get({"display_name": "displayName"}.get(field, field)) for field in account.fields}
        for field, text, found in differences(account.fields, present):
            yield _differs("account", f"The account's {field.replace('_', ' ')}", _shown(text), _shown(found))
    if evidence.policy is not None:
        bound = {member for each in evidence.policy if each.role == IMPERSONATION_ROLE and each.condition is None
                 for member in each.members}  # fmt: skip
        yield from _members("The account's policy", account.members, bound)
        pool = {member for each in evidence.policy for member in each.members if _is_ours(member, desired)}
        extra = pool - set(account.members)
        if extra:
            found = "bound as well: " + "; ".join(sorted(extra))
            yield _differs("binding", "The account's policy", "no other principal of the pool", found)


def _roles(evidence: Evidence, desired: Desired) -> Iterator[Finding]:
    policy = evidence.project_policy
    wanted = {str(project): grants for project, grants in desired.project_grants.items()}.get(evidence.project or "")
    if policy is None or wanted is None:
        return
    holders = set(desired.members.get(evidence.identity or "", ())) | {f"serviceAccount:{evidence.account}"}
    present = {(each.role, member) for each in policy if each.condition is None for member in each.members}
    for role in dict.fromkeys(each.role for each in wanted):
        due = [each.member for each in wanted if each.role == role and each.member in holders]
        yield from _members(f"{role} on {evidence.project}", due, {member for held, member in present if held == role})


def _members(what: str, wanted: Iterable[str], bound: set[str]) -> Iterator[Finding]:
    missing = [member for member in wanted if member not in bound]
    if missing:
        found = "not bound: " + "; ".join(missing)
        yield _differs("binding", what, "a binding for every principal of the identity", found)


def _is_ours(member: str, desired: Desired) -> bool:
    return Principal.of_pool(member, desired.pool) is not None


def _shown(value: object, empty: str = "none") -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or empty
    return str(value) if value else empty


def _differs(link: str, what: str, expected: str, found: str) -> Finding:
    message = f"{what} in Google is not the manifest's."
    return Finding("WIF961", link, "advice", message, expected[:1000], found[:1000], _FIX)
