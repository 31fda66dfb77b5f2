"""The plan: a pure function of what is wanted and what is there."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from google.iam.v1 import policy_pb2

from gcp_wif.desired import Condition, Desired, DesiredAccount, Grant, differences, leaves, project_resource
from gcp_wif.errors import RefusedError
from gcp_wif.names import Principal
from gcp_wif.provisioning.changes import AccountState, Change, FieldChange, Observed, Plan, PolicyChange, ResourceChange

__all__ = [
    "account_change",
    "changed_policy",
    "grants_of",
    "plan",
    "plan_destroy",
    "request_body",
    "resource_change",
]

_NOTHING: tuple[Any, ...] = ("", False, {}, [], (), None)


def plan(desired: Desired, observed: Observed, *, prune: bool = False) -> Plan:
    """What `apply` has to do.

    Args:
        desired: from the manifest.
        observed: what Google has; with ``prune`` also the policies of accounts that the manifest does not name.
        prune: revoke what is the manifest's own and no longer named.

    Raises:
        RefusedError: WIF820 for accounts that are missing and not to be created, WIF821 where the provider's ID is
            taken by a provider of another kind.
    """
    _check_possible(desired, observed)
    changes: list[Change] = []
    unchanged: list[str] = []
    for name, change in _resource_changes(desired, observed):
        if change:
            changes.append(change)
        else:
            unchanged.append(name)
    stale_grants: list[PolicyChange] = []
    for resource, wanted in _wanted(desired, observed).items():
        policy = observed.policies.get(resource)
        present = grants_of(policy) if policy is not None else frozenset()
        grant = tuple(each for each in wanted if each not in present)
        left = tuple(sorted((each for each in present - set(wanted) if _is_ours(each, resource, desired)), key=_order))
        revoke = left if prune else ()
        if left and not prune:
            stale_grants.append(PolicyChange(resource, revoke=left))
        if grant or revoke:
            changes.append(PolicyChange(resource, grant, revoke))
        elif wanted:
            unchanged.append(f"policy of {resource}")
    return Plan(tuple(changes), tuple(unchanged), tuple(stale_grants), _warnings(desired, observed, prune=prune))


def plan_destroy(desired: Desired, observed: Observed, *, accounts: bool) -> Plan:
    """What `destroy` has to do: grants first, then provider and pool, then with ``accounts`` those that it makes."""
    changes: list[Change] = []
    warnings: list[str] = []
    for resource, wanted in _wanted(desired, observed).items():
        policy = observed.policies.get(resource)
        present = grants_of(policy) if policy is not None else frozenset()
        alone = not observed.other_providers  # else a principal of the pool may be another provider's
        ours = tuple(
            sorted(
                (each for each in present if each in wanted or (alone and _is_our_principal(each, desired))), key=_order
            )
        )
        rest = [each for each in present if each not in ours and _is_our_principal(each, desired)]
        if rest:
            warnings.append(
                f"{len(rest)} grants on {resource} to principals of the pool stay: it has other providers. They are "
                f"{'; '.join(sorted(f'{each.role} to {each.member}' for each in rest))[:1000]}"
            )
        if ours:
            changes.append(PolicyChange(resource, revoke=ours))
    if _is_there(observed.provider):
        changes.append(ResourceChange("provider", str(desired.provider), "delete"))
    if _is_there(observed.pool):
        if observed.other_providers:
            others = ", ".join(observed.other_providers)
            warnings.append(f"The pool {desired.pool} stays: it has providers that are not the manifest's: {others}.")
        else:
            changes.append(ResourceChange("pool", str(desired.pool), "delete"))
    for account in desired.accounts:
        if observed.accounts.get(account.email) is None:
            continue
        if account.create and accounts:
            changes.append(ResourceChange("account", account.email, "delete"))
        else:
            why = "--accounts is not given" if account.create else "the manifest does not create it"
            warnings.append(f"The service account {account.email} stays: {why}.")
    return Plan(tuple(changes), warnings=tuple(warnings))


def resource_change(
    kind: Literal["pool", "provider"], name: str, wanted: Mapping[str, Any], observed: Mapping[str, Any] | None
) -> ResourceChange | None:
    """What a pool or provider needs; ``None`` where it is as wanted.

    Args:
        kind: ``pool`` or ``provider``.
        name: the resource name.
        wanted: leaf fields.
        observed: the REST resource, or ``None``.
    """
    if observed is None:
        made = tuple(FieldChange(name, None, value) for name, value in wanted.items() if value not in _NOTHING)
        return ResourceChange(kind, name, "create", made)
    fields = _field_changes(wanted, leaves(observed))
    if observed.get("state") == "DELETED":
        return ResourceChange(kind, name, "undelete", fields)
    return ResourceChange(kind, name, "update", fields) if fields else None


def account_change(wanted: DesiredAccount, observed: AccountState | None) -> ResourceChange | None:
    """What an account needs; one that the manifest does not create is left alone."""
    if not wanted.create:
        return None
    if observed is None:
        made = tuple(FieldChange(name, None, text) for name, text in wanted.fields.items() if text)
        return ResourceChange("account", wanted.email, "create", made)
    fields = _field_changes(wanted.fields, observed.fields)
    return ResourceChange("account", wanted.email, "update", fields) if fields else None


def grants_of(policy: policy_pb2.Policy) -> frozenset[Grant]:
    """The policy's grants, each with its condition where it has one."""
    return frozenset(
        Grant(binding.role, member, _condition(binding)) for binding in policy.bindings for member in binding.members
    )


def changed_policy(policy: policy_pb2.Policy, change: PolicyChange) -> policy_pb2.Policy | None:
    """A copy of ``policy`` with ``change`` made; ``None`` where it is made already.

    Everything else stays byte for byte: other members, other people's conditional bindings, audit configs, and the
    etag, which makes Google refuse the write if somebody else was there first.
    """
    present = grants_of(policy)
    grant = [each for each in change.grant if each not in present]
    revoke = {each for each in change.revoke if each in present}
    if not grant and not revoke:
        return None
    made = policy_pb2.Policy()
    made.CopyFrom(policy)
    for binding in made.bindings:
        condition = _condition(binding)
        kept = [member for member in binding.members if Grant(binding.role, member, condition) not in revoke]
        if len(kept) < len(binding.members):
            del binding.members[:]
            binding.members.extend(kept)
    for role, member, _ in grant:
        found = next((each for each in made.bindings if each.role == role and not each.HasField("condition")), None)
        (found or made.bindings.add(role=role)).members.append(member)
    filled = [binding for binding in made.bindings if binding.members]
    del made.bindings[:]
    made.bindings.extend(filled)
    if any(binding.HasField("condition") for binding in made.bindings):
        made.version = 3
    return made


def _condition(binding: policy_pb2.Binding) -> Condition | None:
    if not binding.HasField("condition"):
        return None
    found = binding.condition
    return Condition(found.expression, found.title, found.description)


def request_body(leaves: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """``{"oidc.issuerUri": x}`` as ``{"oidc": {"issuerUri": x}}``, the body of a request."""
    body: dict[str, Any] = {}
    for leaf, value in leaves:
        *outer, last = leaf.split(".")
        holder = body
        for name in outer:
            holder = holder.setdefault(name, {})
        holder[last] = value
    return body


def _check_possible(desired: Desired, observed: Observed) -> None:
    missing = [each.email for each in desired.accounts if not each.create and observed.accounts.get(each.email) is None]
    if missing:
        raise RefusedError(
            f"These service accounts do not exist: {', '.join(missing)}.",
            hint="Correct the email, or write `create = true` in the identity to have the account made.",
            code="WIF820",
        )
    foreign = [kind for kind in ("aws", "saml", "x509") if observed.provider and observed.provider.get(kind)]
    if foreign:
        raise RefusedError(
            f"The provider {desired.provider} is of the kind {foreign[0]}, not OIDC, and the kind cannot be changed.",
            hint="Choose another provider ID in the manifest; an ID stays taken for 30 days after deletion.",
            code="WIF821",
        )


def _resource_changes(desired: Desired, observed: Observed) -> list[tuple[str, ResourceChange | None]]:
    return [
        (str(desired.pool), resource_change("pool", str(desired.pool), desired.pool_fields, observed.pool)),
        (
            str(desired.provider),
            resource_change("provider", str(desired.provider), desired.provider_fields, observed.provider),
        ),
        *((each.email, account_change(each, observed.accounts.get(each.email))) for each in desired.accounts),
    ]


def _wanted(desired: Desired, observed: Observed) -> dict[str, tuple[Grant, ...]]:
    """The grants wanted on every resource whose policy counts: named ones first, then what else was observed."""
    wanted: dict[str, tuple[Grant, ...]] = {account.resource: account.grants for account in desired.accounts}
    wanted |= {project_resource(project): grants for project, grants in desired.project_grants.items()}
    return wanted | {resource: () for resource in observed.policies if resource not in wanted}


def _is_ours(grant: Grant, resource: str, desired: Desired) -> bool:
    """Whether a grant is the manifest's own although it does not name it.

    Principals of its pool are, on accounts and projects, through whatever role and under whatever condition: a role may
    give an account's tokens by a permission that its name does not tell. So are, on a project, the roles of accounts
    that it creates.
    """
    if _is_our_principal(grant, desired):
        return True
    made = {f"serviceAccount:{each.email}": each for each in desired.accounts if each.create}
    owner = made.get(grant.member)
    return owner is not None and grant.condition is None and resource == project_resource(owner.project_id or "")


def _is_our_principal(grant: Grant, desired: Desired) -> bool:
    return Principal.of_pool(grant.member, desired.pool) is not None


def _field_changes(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    return tuple(FieldChange(each.field, each.found, each.wanted) for each in differences(wanted, found))


def _order(grant: Grant) -> tuple[str, str, str]:
    return grant.role, grant.member, str(grant.condition)


def _is_there(document: Mapping[str, Any] | None) -> bool:
    return document is not None and document.get("state") != "DELETED"


def _warnings(desired: Desired, observed: Observed, *, prune: bool) -> tuple[str, ...]:
    """What Google's good practice asks for and this setup lacks (Google, "Best practices for WIF")."""
    found = list(desired.warnings)
    for resource, policy in observed.policies.items():
        for grant in sorted(grants_of(policy), key=_order):
            principal = Principal.of_pool(grant.member, desired.pool)
            if principal is not None and principal.is_whole_pool:
                found.append(
                    f"EVERY identity of the pool has {grant.role} on {resource}: whoever the provider admits, now or "
                    "later. " + ("--prune revokes it." if not prune else "It is revoked.")
                )
    if observed.other_providers:
        others = ", ".join(observed.other_providers)
        found.append(
            f"The pool has other providers ({others}): whatever they map to the same attributes gets the same grants. "
            "Google advises one provider per pool."
        )
        if prune:
            found.append("--prune cannot tell the grants of those providers from this manifest's own: read the plan.")
    if desired.pool_project in desired.projects:
        found.append(
            f"The pool's project {desired.pool_project} also holds accounts or grants of identities. Google advises a "
            "project of its own for pools."
        )
    for account in desired.accounts:
        state = observed.accounts.get(account.email)
        if state is not None and state.disabled:
            found.append(
                f"The service account {account.email} is disabled, so nobody can impersonate it:  "
                f"gcloud iam service-accounts enable {account.email}"
                + (f" --project={account.project_id}" if account.project_id else "")
            )
    return tuple(found)
