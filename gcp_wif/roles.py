"""Google's roles, as far as they let somebody become a service account. Data.

Becoming an account is a permission, not a role: ``iam.serviceAccounts.getAccessToken`` gives its access tokens,
``getOpenIdToken`` its ID tokens, ``signBlob`` and ``signJwt`` signatures that are traded for either, and
``implicitDelegation`` the next link of a chain (Google, "Roles and permissions for service account impersonation").
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ACCESS_TOKEN", "ID_TOKEN", "IMPERSONATION_ROLE", "TOKEN_PERMISSIONS", "TOKEN_ROLES", "carries"]

IMPERSONATION_ROLE = "roles/iam.workloadIdentityUser"
"""The role that gcp-wif grants: the narrowest that gives an account's tokens."""

_PREFIX = "iam.serviceAccounts."
ACCESS_TOKEN, ID_TOKEN = f"{_PREFIX}getAccessToken", f"{_PREFIX}getOpenIdToken"
TOKEN_PERMISSIONS = frozenset(
    {ACCESS_TOKEN, ID_TOKEN, *(f"{_PREFIX}{verb}" for verb in ("signBlob", "signJwt", "implicitDelegation"))}
)
"""Whoever has one of these on an account can act as it."""

TOKEN_ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        IMPERSONATION_ROLE: frozenset({ACCESS_TOKEN, ID_TOKEN}),
        "roles/iam.serviceAccountTokenCreator": TOKEN_PERMISSIONS,
        "roles/iam.serviceAccountOpenIdTokenCreator": frozenset({ID_TOKEN}),
    }
)
"""The predefined roles that carry some of them. The basic roles carry none: owners grant themselves one first."""


def carries(role: str, permission: str) -> bool | None:
    """Whether a role carries one of `TOKEN_PERMISSIONS`; ``None`` for a custom role: what it carries is not known."""
    if not role.startswith("roles/"):
        return None
    return permission in TOKEN_ROLES.get(role, frozenset())
