"""Terraform's google resources for what `apply` makes, and import blocks for what exists. Pure.

What the manifest leaves alone (a name that it does not give) Terraform is told to ignore. Grants are single members,
as `apply`'s are: other people's stay. Attributes of one line stand in groups whose ``=`` are aligned here, because
`terraform fmt` aligns them; values of several lines stand alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gcp_wif.desired import Desired, DesiredAccount, Grant, project_resource
from gcp_wif.manifest import Manifest
from gcp_wif.names import ServiceAccountEmail
from gcp_wif.provisioning import Observed
from gcp_wif.provisioning.planning import grants_of
from gcp_wif.rendering.header import remade_by
from gcp_wif.rendering.quoting import FILTERS, as_hcl
from gcp_wif.roles import IMPERSONATION_ROLE
from gcp_wif.templating import Quoted, render_template

__all__ = ["Existing", "existing_of", "render_terraform"]

_POOL = "google_iam_workload_identity_pool"
_PROVIDER = "google_iam_workload_identity_pool_provider"


class Existing(NamedTuple):
    """What is there already, and what stands in the way of making the rest.

    Attributes:
        pool: whether the pool exists.
        provider: whether the provider does.
        accounts: those of the manifest that exist.
        grants: by `account_resource` and `project_resource`.
        deleted: names of the pool and the provider where they are deleted: they can neither be imported nor made.
    """

    pool: bool = False
    provider: bool = False
    accounts: frozenset[str] = frozenset()
    grants: Mapping[str, frozenset[Grant]] = {}
    deleted: tuple[str, ...] = ()


def existing_of(desired: Desired, observed: Observed) -> Existing:
    """What `observe` has found, as far as Terraform can import it."""
    found = {str(desired.pool): observed.pool, str(desired.provider): observed.provider}
    deleted = tuple(name for name, document in found.items() if document and document.get("state") == "DELETED")
    present = [document is not None and name not in deleted for name, document in found.items()]
    return Existing(
        present[0],
        present[1],
        frozenset(email for email, state in observed.accounts.items() if state is not None),
        {resource: grants_of(policy) for resource, policy in observed.policies.items()},
        deleted,
    )


def render_terraform(manifest: Manifest, desired: Desired, origin: str, existing: Existing | None = None) -> str:
    """One file of Terraform, as `terraform fmt` leaves it.

    Args:
        manifest: for the names of its identities.
        desired: what it asks for.
        origin: the manifest's file, for the header.
        existing: what to import; ``None`` where Google was not asked.
    """
    names = _account_names(manifest)
    arguments = ["terraform", "--manifest", origin] + (["--import-existing"] if existing is not None else [])
    here, made = existing or Existing(), _made(desired, names)
    return render_template(
        "terraform/main.tf",
        {
            "remade": remade_by(*arguments),
            "imports": list(_imports(desired, names, here)),
            "pool": _pool(desired),
            "provider": _provider(desired),
            "mapping": {
                as_hcl(name): as_hcl(text) for name, text in desired.provider_fields["attributeMapping"].items()
            },
            "oidc": _oidc(desired),
            "accounts": [_account(each, names[each.email]) for each in desired.accounts],
            "projects": [_project(each, grants, made) for each, grants in desired.project_grants.items()],
        },
        filters={**FILTERS, "label": _label, "attributes": _attributes},
    )


def _pool(desired: Desired) -> dict[str, Any]:
    return {
        "id": {"project": as_hcl(desired.pool_project), "workload_identity_pool_id": as_hcl(desired.pool.pool_id)},
        "fields": _fields(desired.pool_fields),
        "ignored": _ignored(desired.pool_fields, "displayName"),
    }


def _provider(desired: Desired) -> dict[str, Any]:
    fields = desired.provider_fields
    condition = fields["attributeCondition"]
    return {
        "id": {
            "project": as_hcl(desired.pool_project),
            "workload_identity_pool_id": Quoted(f"{_POOL}.pool.workload_identity_pool_id"),
            "workload_identity_pool_provider_id": as_hcl(desired.provider.provider_id),
        },
        "fields": _fields(fields) | ({"attribute_condition": as_hcl(condition)} if condition else {}),
        "ignored": _ignored(fields, "displayName"),
    }


def _fields(fields: Mapping[str, Any]) -> dict[str, Quoted]:
    """The plain fields that pools and providers share."""
    names = {"displayName": "display_name", "description": "description"}
    found = {target: as_hcl(fields[source]) for source, target in names.items() if fields.get(source)}
    return found | {"disabled": Quoted("true" if fields["disabled"] else "false")}


def _ignored(fields: Mapping[str, Any], display_name: str) -> Quoted:
    """The names that the manifest does not give; empty where it gives both."""
    wanted = {display_name: "display_name", "description": "description"}
    return Quoted(", ".join(target for source, target in wanted.items() if source not in fields))


def _oidc(desired: Desired) -> dict[str, Quoted]:
    fields = desired.provider_fields
    audiences = ", ".join(as_hcl(each) for each in fields["oidc.allowedAudiences"])
    found = {"issuer_uri": as_hcl(fields["oidc.issuerUri"])}
    return found | ({"allowed_audiences": Quoted(f"[{audiences}]")} if audiences else {})


def _account(account: DesiredAccount, name: str) -> dict[str, Any]:
    label = _label(name)
    fields = {field: as_hcl(text) for field, text in account.fields.items() if text}
    email = ServiceAccountEmail(account.email)
    return {
        "label": label,
        "create": account.create,
        "fields": {"project": as_hcl(account.project_id or ""), "account_id": as_hcl(email.account_id)} | fields,
        "ignored": _ignored(account.fields, "display_name"),
        "resource": Quoted(f"google_service_account.{label}.name") if account.create else as_hcl(account.resource),
        "role": IMPERSONATION_ROLE,
        "members": account.members,
    }


def _made(desired: Desired, names: Mapping[str, str]) -> dict[str, Quoted]:
    """The accounts that Terraform makes, as members of a policy."""
    return {
        f"serviceAccount:{each.email}": Quoted(f"google_service_account.{_label(names[each.email])}.member")
        for each in desired.accounts
        if each.create
    }


def _project(project: str, grants: Iterable[Grant], made: Mapping[str, Quoted]) -> dict[str, Any]:
    # A reference, where the account is Terraform's: a grant to an account that does not exist yet is refused.
    members = [(_key(grant), as_hcl(grant.role), made.get(grant.member, as_hcl(grant.member))) for grant in grants]
    return {"label": _label(project), "id": project, "grants": members}


def _imports(desired: Desired, names: Mapping[str, str], existing: Existing) -> Iterator[dict[str, Quoted]]:
    parent = f"projects/{desired.pool_project}/locations/global/workloadIdentityPools/{desired.pool.pool_id}"
    if existing.pool:
        yield _import(f"{_POOL}.pool", parent)
    if existing.provider:
        yield _import(f"{_PROVIDER}.provider", f"{parent}/providers/{desired.provider.provider_id}")
    for account in desired.accounts:
        label = _label(names[account.email])
        if account.create and account.email in existing.accounts:
            yield _import(f"google_service_account.{label}", account.resource)
        present = existing.grants.get(account.resource, frozenset())
        for member in account.members:
            if Grant(IMPERSONATION_ROLE, member) in present:
                address = f"google_service_account_iam_member.{label}[{as_hcl(member)}]"
                yield _import(address, f"{account.resource} {IMPERSONATION_ROLE} {member}")
    for project, grants in desired.project_grants.items():
        present = existing.grants.get(project_resource(project), frozenset())
        for grant in grants:
            if grant in present:
                address = f"google_project_iam_member.{_label(project)}[{as_hcl(_key(grant))}]"
                yield _import(address, f"{project} {grant.role} {grant.member}")


def _import(address: str, name: str) -> dict[str, Quoted]:
    return {"to": Quoted(address), "id": as_hcl(name)}


def _key(grant: Grant) -> str:
    return f"{grant.role} {grant.member}"


def _account_names(manifest: Manifest) -> dict[str, str]:
    """The identities' names by the emails of their accounts."""
    return {each.service_account: name for name, each in manifest.identities.items() if each.service_account}


def _label(name: str) -> Quoted:
    """A resource's name in Terraform: letters, digits, ``_`` and ``-``, no digit first.

    Different names stay different: identities and projects have neither a leading ``_`` nor one for ``.`` or ``:``.
    """
    label = re.sub(r"[.:]", "_", name)
    return Quoted(f"_{label}" if label[0].isdigit() else label)


def _attributes(fields: Mapping[str, Quoted], indent: int) -> Quoted:
    """Attributes of one line each, their ``=`` in one column."""
    width = max(len(name) for name in fields)
    return Quoted("\n".join(f"{' ' * indent}{name:<{width}} = {text}" for name, text in fields.items()))
