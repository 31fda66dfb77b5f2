"""What a manifest means in Google: the one picture that plan, emulator, doctor, drift and rendering read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gcp_wif.federation import ProviderRules, compile_manifest
from gcp_wif.manifest import Identity, Manifest
from gcp_wif.names import PoolName, Principal, ProjectId, ProviderName, ServiceAccountEmail
from gcp_wif.roles import IMPERSONATION_ROLE

__all__ = [
    "Condition",
    "Desired",
    "DesiredAccount",
    "Difference",
    "Grant",
    "account_resource",
    "differences",
    "from_manifest",
    "leaves",
    "project_resource",
]


class Condition(NamedTuple):
    """An IAM condition (google.type.Expr)."""

    expression: str
    title: str = ""
    description: str = ""


class Grant(NamedTuple):
    """One member of one role."""

    role: str
    member: str
    condition: Condition | None = None

    @property
    def holder(self) -> str:
        """The member for people, with what it depends on."""
        return f"{self.member} (if {self.condition.expression})" if self.condition else self.member

    def document(self) -> dict[str, Any]:
        """The JSON shape."""
        condition = {"condition": self.condition._asdict()} if self.condition else {}
        return {"role": self.role, "member": self.member, **condition}


@dataclass(frozen=True)
class DesiredAccount:
    """A service account that the manifest names.

    Attributes:
        identity: its name in the manifest.
        project_id: where it lives; ``None`` for Google's default accounts, whose emails do not tell.
        create: make it where it is missing. Such an account is the manifest's own: `destroy --accounts` deletes it.
        fields: ``display_name`` and ``description``, as far as the manifest gives them.
        members: principals that may impersonate it.
    """

    identity: str
    email: ServiceAccountEmail
    project_id: ProjectId | None
    create: bool
    fields: Mapping[str, str]
    members: tuple[Principal, ...]

    @property
    def resource(self) -> str:
        """Its name for IAM."""
        return account_resource(self.email, self.project_id)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The grants on it."""
        return tuple(Grant(IMPERSONATION_ROLE, member) for member in self.members)


@dataclass(frozen=True)
class Desired:
    """What a manifest asks for.

    Attributes:
        pool_project: the ID of the pool's project.
        pool_fields: fields of the pool's REST resource, such as ``displayName``; those not named are left alone.
        provider_document: the provider's REST resource, as far as the manifest says; likewise.
        rules: the same provider, as far as it decides.
        members: the principals of each identity, by its name.
        project_grants: roles on each project, for accounts and, in direct federation, for principals.
        warnings: what works but should not be so.
    """

    pool: PoolName
    pool_project: ProjectId
    pool_fields: Mapping[str, Any]
    provider: ProviderName
    provider_document: Mapping[str, Any]
    rules: ProviderRules
    members: Mapping[str, tuple[Principal, ...]]
    accounts: tuple[DesiredAccount, ...] = ()
    project_grants: Mapping[ProjectId, tuple[Grant, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def provider_fields(self) -> Mapping[str, Any]:
        """The provider's leaf fields, ``oidc.issuerUri`` and the like, as an update mask names them."""
        return leaves(self.provider_document)

    @property
    def projects(self) -> tuple[ProjectId, ...]:
        """Every project in which something is granted or lives, the pool's own aside."""
        homes = [account.project_id for account in self.accounts if account.project_id]
        return tuple(dict.fromkeys([*self.project_grants, *homes]))

    def account(self, email: str) -> DesiredAccount | None:
        """The account with this email."""
        return next((each for each in self.accounts if each.email == email), None)


def from_manifest(manifest: Manifest) -> Desired:
    """Compile a manifest.

    Raises:
        InputError: WIF720, WIF721 of `gcp_wif.federation.compile_manifest`.
    """
    compiled = compile_manifest(manifest)
    identities = manifest.identities.values()
    grants: dict[ProjectId, dict[Grant, None]] = {}
    for identity in identities:
        for grant in _roles(identity, compiled.members[identity.name]):
            if identity.project_id:
                grants.setdefault(identity.project_id, {})[grant] = None
    return Desired(
        pool=manifest.pool_name,
        pool_project=manifest.pool.project_id,
        pool_fields=_names(manifest.pool.display_name, manifest.pool.description)
        | {"disabled": manifest.pool.disabled},
        provider=manifest.provider_name,
        provider_document=_names(manifest.provider.display_name, manifest.provider.description)
        | {"disabled": manifest.provider.disabled}
        | compiled.rules.to_rest(),
        rules=compiled.rules,
        members=compiled.members,
        accounts=tuple(
            _account(each, each.service_account, compiled.members[each.name])
            for each in identities
            if each.service_account
        ),
        project_grants={project: tuple(found) for project, found in grants.items()},
        warnings=compiled.warnings,
    )


def leaves(document: Mapping[str, Any]) -> dict[str, Any]:
    """``{"oidc": {"issuerUri": x}}`` as ``{"oidc.issuerUri": x}``; a mapping of attributes is a leaf."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        inner = value.items() if name == "oidc" and isinstance(value, Mapping) else ()
        found |= {f"{name}.{each}": leaf for each, leaf in inner} if inner else {name: value}
    return found


class Difference(NamedTuple):
    """One leaf field that is not as wanted; ``found`` is an empty value of its kind where Google names none."""

    field: str
    wanted: Any
    found: Any


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The leaf fields of ``wanted`` that are not so in ``found``; Google leaves empty fields out of its answers.

    Args:
        wanted: leaf fields, as `Desired.provider_fields` has them; what it does not name is left alone.
        found: leaf fields of a REST resource.
    """
    present = {leaf: type(value)() if found.get(leaf) is None else found[leaf] for leaf, value in wanted.items()}
    return tuple(
        Difference(leaf, value, present[leaf])
        for leaf, value in wanted.items()
        if _comparable(leaf, present[leaf]) != _comparable(leaf, value)
    )


def _comparable(leaf: str, value: Any) -> Any:
    return sorted(value) if leaf == "oidc.allowedAudiences" else value  # a set in all but its JSON


def account_resource(email: str, project: str | None) -> str:
    """A service account's name in IAM calls.

    With the project where it is known: Google answers 403 in place of 404 for a missing account that is asked for
    under ``projects/-`` (IAM REST v1, serviceAccounts.get).
    """
    return f"projects/{project or '-'}/serviceAccounts/{email}"


def project_resource(project: str) -> str:
    """A project's name in Resource Manager calls."""
    return f"projects/{project}"


def _account(identity: Identity, email: ServiceAccountEmail, members: tuple[Principal, ...]) -> DesiredAccount:
    fields = {"display_name": identity.display_name, "description": identity.description}
    given = {name: text for name, text in fields.items() if text is not None}
    return DesiredAccount(identity.name, email, identity.project_id, identity.create, given, members)


def _roles(identity: Identity, members: tuple[Principal, ...]) -> list[Grant]:
    holders = members if identity.direct else (f"serviceAccount:{identity.service_account}",)
    return [Grant(role, holder) for role in identity.roles for holder in holders]


def _names(display_name: str | None, description: str | None) -> dict[str, Any]:
    names = {"displayName": display_name, "description": description}
    return {name: text for name, text in names.items() if text is not None}
