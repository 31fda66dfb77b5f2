"""The values of provisioning: what is wanted, what is there, and what is to be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from google.iam.v1 import policy_pb2

from gcp_wif.names import PoolName, ProjectId, ProviderName, ServiceAccountEmail

__all__ = [
    "AccountState",
    "Change",
    "Desired",
    "DesiredAccount",
    "FieldChange",
    "Grant",
    "Observed",
    "Plan",
    "PolicyChange",
    "ResourceChange",
    "account_resource",
    "project_resource",
]

Kind = Literal["pool", "provider", "account"]
Action = Literal["create", "undelete", "update", "delete"]


class Grant(NamedTuple):
    """One member of one role, without a condition."""

    role: str
    member: str


@dataclass(frozen=True)
class DesiredAccount:
    """A service account that the manifest names.

    Attributes:
        project_id: where it lives; ``None`` for Google's default accounts, whose emails do not tell.
        create: make it where it is missing. Such an account is the manifest's own: `destroy --accounts` deletes it.
        fields: ``display_name`` and ``description``, as far as the manifest gives them.
        members: principals that may impersonate it.
    """

    email: ServiceAccountEmail
    project_id: ProjectId | None
    create: bool
    fields: Mapping[str, str]
    members: tuple[str, ...]

    @property
    def resource(self) -> str:
        """Its name for IAM."""
        return account_resource(self.email, self.project_id)


@dataclass(frozen=True)
class Desired:
    """What a manifest asks for.

    Attributes:
        pool_project: the ID of the pool's project.
        pool_fields: leaf fields of the REST resource, such as ``displayName``; those not named are left alone.
        provider_fields: likewise, with ``oidc.issuerUri`` and the like as leaves.
        project_grants: roles on each project, for accounts and, in direct federation, for principals.
        warnings: what works but should not be so.
    """

    pool: PoolName
    pool_project: ProjectId
    pool_fields: Mapping[str, Any]
    provider: ProviderName
    provider_fields: Mapping[str, Any]
    accounts: tuple[DesiredAccount, ...] = ()
    project_grants: Mapping[ProjectId, tuple[Grant, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def projects(self) -> tuple[ProjectId, ...]:
        """Every project in which something is granted or lives, the pool's own aside."""
        homes = [account.project_id for account in self.accounts if account.project_id]
        return tuple(dict.fromkeys([*self.project_grants, *homes]))


@dataclass(frozen=True)
class AccountState:
    """A service account as Google shows it."""

    disabled: bool
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Observed:
    """What is there.

    Attributes:
        pool: the REST resource, also of a deleted pool; ``None`` where there is none.
        provider: likewise.
        other_providers: IDs of the pool's other providers that are not deleted.
        accounts: by email; ``None`` for one that does not exist.
        policies: by `account_resource` and `project_resource`; those of missing accounts are absent.
    """

    pool: Mapping[str, Any] | None = None
    provider: Mapping[str, Any] | None = None
    other_providers: tuple[str, ...] = ()
    accounts: Mapping[str, AccountState | None] = field(default_factory=dict)
    policies: Mapping[str, policy_pb2.Policy] = field(default_factory=dict)


class FieldChange(NamedTuple):
    """One field: ``before`` is ``None`` where the resource is made."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class ResourceChange:
    """A pool, a provider or an account to create, undelete, update or delete.

    An ``undelete`` with fields is followed by an update of these.
    """

    kind: Kind
    name: str
    action: Action
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class PolicyChange:
    """All that changes in one policy, so that it is written once."""

    resource: str
    grant: tuple[Grant, ...] = ()
    revoke: tuple[Grant, ...] = ()


Change = ResourceChange | PolicyChange


@dataclass(frozen=True)
class Plan:
    """What is to be done, in the order of doing it.

    Attributes:
        unchanged: names of what is as it should be.
        stale_grants: grants of the manifest's own that it no longer names, where they are not pruned.
        warnings: what works but should not be so.
    """

    changes: tuple[Change, ...]
    unchanged: tuple[str, ...] = ()
    stale_grants: tuple[PolicyChange, ...] = ()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)


def account_resource(email: str, project: str | None) -> str:
    """A service account's name in IAM calls.

    With the project where it is known: Google answers 403 in place of 404 for a missing account that is asked for
    under ``projects/-`` (IAM REST v1, serviceAccounts.get).
    """
    return f"projects/{project or '-'}/serviceAccounts/{email}"


def project_resource(project: str) -> str:
    """A project's name in Resource Manager calls."""
    return f"projects/{project}"
