"""What `applying` needs of Google: the seam between deciding what to do next and doing it.

`gcp_wif.provisioning.clients.Clients` is the real one. Tests put a Google in memory in its place, with failures
planned to the call. Every method does one call, without a retry; failures are ``google.api_core`` exceptions, or one of
requests' where no answer came.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from google.iam.v1 import policy_pb2

from gcp_wif.names import PoolName, ProviderName

__all__ = ["AccountDocument", "AdminApi"]


class AccountDocument(Protocol):
    """A service account as IAM answers it (IAM REST v1, ServiceAccount)."""

    @property
    def disabled(self) -> bool:
        """Whether nobody can use it."""
        ...

    @property
    def display_name(self) -> str:
        """At most 100 bytes."""
        ...

    @property
    def description(self) -> str:
        """At most 256 bytes."""
        ...


class AdminApi(Protocol):
    """The calls of `apply`. Writes of pools and providers answer an operation: ``name``, ``done``, ``error``."""

    # Pools, providers and operations

    def get(self, name: str) -> dict[str, Any]:
        """A pool, a provider or an operation by its resource name."""
        ...

    def create_pool(self, name: PoolName, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start creating a pool."""
        ...

    def create_provider(self, name: ProviderName, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start creating a provider."""
        ...

    def patch(self, name: str, body: Mapping[str, Any], mask: tuple[str, ...]) -> dict[str, Any]:
        """Start changing the fields of ``mask``."""
        ...

    def undelete(self, name: str) -> dict[str, Any]:
        """Start bringing a deleted pool or provider back."""
        ...

    def delete(self, name: str) -> dict[str, Any]:
        """Start deleting a pool or provider."""
        ...

    # Accounts

    def get_account(self, resource: str) -> AccountDocument:
        """An account by its resource name."""
        ...

    def create_account(self, project: str, account_id: str, display_name: str, description: str) -> None:
        """Create an account."""
        ...

    def patch_account(self, resource: str, fields: Mapping[str, str]) -> None:
        """Change ``display_name`` and ``description``, those that are given."""
        ...

    def delete_account(self, resource: str) -> None:
        """Delete an account."""
        ...

    # Policies

    def get_policy(self, resource: str) -> policy_pb2.Policy:
        """The policy of ``projects/P`` or ``projects/P/serviceAccounts/EMAIL``."""
        ...

    def set_policy(self, resource: str, policy: policy_pb2.Policy) -> policy_pb2.Policy:
        """Write a policy whose etag is the one it was read with."""
        ...
