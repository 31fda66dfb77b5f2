"""The values of provisioning: what is there, and what is to be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from google.iam.v1 import policy_pb2

from gcp_wif.desired import Grant

__all__ = [
    "AccountState",
    "Change",
    "FieldChange",
    "Observed",
    "Plan",
    "PolicyChange",
    "ResourceChange",
]

Kind = Literal["pool", "provider", "account"]
Action = Literal["create", "undelete", "update", "delete"]


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
