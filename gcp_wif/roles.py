"""Google's roles, as far as they let somebody become a service account. Data.

Becoming an account is a permission, not a role: ``iam.serviceAccounts.getAccessToken`` gives its access tokens,
``getOpenIdToken`` its ID tokens, ``signBlob`` and ``signJwt`` signatures that are traded for either, and
``implicitDelegation`` the next link of a chain (Google, "Roles and permissions for service account impersonation").
The table is of Google's "IAM roles and permissions index". The emulator decides by it; plan and doctor explain by it.
"""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

__all__ = [
    "ACCESS_TOKEN",
    "ID_TOKEN",
    "IMPERSONATION_ROLE",
    "PREDEFINED",
    "TOKEN_PERMISSIONS",
    "TOKEN_ROLES",
    "carries",
    "is_custom",
]

IMPERSONATION_ROLE = "roles/iam.workloadIdentityUser"
"""The role that gcp-wif grants: the narrowest that gives an account's tokens."""

_ACCOUNTS = "iam.serviceAccounts."
ACCESS_TOKEN, ID_TOKEN = f"{_ACCOUNTS}getAccessToken", f"{_ACCOUNTS}getOpenIdToken"
TOKEN_PERMISSIONS = frozenset(
    {ACCESS_TOKEN, ID_TOKEN, *(f"{_ACCOUNTS}{verb}" for verb in ("signBlob", "signJwt", "implicitDelegation"))}
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

_CUSTOM = re.compile(r"(?:projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]+")
_SERVICE_AGENT = re.compile(r"roles/.*serviceagent", re.IGNORECASE)
"""The roles of Google's own service agents; several of them carry token permissions."""

_POOLS = ("iam.workloadIdentityPools.", "iam.workloadIdentityPoolProviders.")
_READ_ACCOUNTS = {f"{_ACCOUNTS}{verb}" for verb in ("get", "list")}
_WRITE_ACCOUNTS = {f"{_ACCOUNTS}{verb}" for verb in ("create", "update", "delete", "undelete", "enable", "disable")}
_ACCOUNT_POLICIES = {f"{_ACCOUNTS}{verb}" for verb in ("getIamPolicy", "setIamPolicy")}
_READ_POOLS = {f"{prefix}{verb}" for prefix in _POOLS for verb in ("get", "list")}
_WRITE_POOLS = {f"{prefix}{verb}" for prefix in _POOLS for verb in ("create", "update", "delete", "undelete")}
_READ_PROJECT = {"resourcemanager.projects.get"}
_READ_ROLES = {"iam.roles.get", "iam.roles.list"}
_READ_SERVICES = {"serviceusage.services.get", "serviceusage.services.list"}
_PROJECT_POLICY = {"resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"}
_READ = _READ_ACCOUNTS | _READ_POOLS | _READ_PROJECT | _READ_ROLES | _READ_SERVICES
_GET_POLICIES = {f"{_ACCOUNTS}getIamPolicy", "resourcemanager.projects.getIamPolicy"}
_WRITE_SERVICES = {"serviceusage.services.enable", "serviceusage.services.disable"}

PREDEFINED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        role: frozenset(permissions)
        for role, permissions in {
            "roles/owner": _READ
            | _WRITE_ACCOUNTS
            | _ACCOUNT_POLICIES
            | _WRITE_POOLS
            | _PROJECT_POLICY
            | _WRITE_SERVICES,
            "roles/editor": (_READ | _WRITE_ACCOUNTS | _GET_POLICIES | _WRITE_SERVICES) - {f"{_ACCOUNTS}undelete"},
            "roles/viewer": _READ | _GET_POLICIES,
            "roles/browser": _READ_PROJECT | {"resourcemanager.projects.getIamPolicy"},
            "roles/iam.serviceAccountAdmin": _READ_ACCOUNTS | _WRITE_ACCOUNTS | _ACCOUNT_POLICIES | _READ_PROJECT,
            "roles/iam.serviceAccountCreator": _READ_ACCOUNTS | {f"{_ACCOUNTS}create"} | _READ_PROJECT,
            "roles/iam.serviceAccountUser": _READ_ACCOUNTS | {f"{_ACCOUNTS}actAs"} | _READ_PROJECT,
            "roles/iam.serviceAccountViewer": _READ_ACCOUNTS | {f"{_ACCOUNTS}getIamPolicy"} | _READ_PROJECT,
            **{role: _READ_ACCOUNTS | permissions for role, permissions in TOKEN_ROLES.items()},
            "roles/iam.workloadIdentityPoolAdmin": _READ_POOLS | _WRITE_POOLS | _READ_PROJECT,
            "roles/iam.workloadIdentityPoolViewer": _READ_POOLS | _READ_PROJECT,
            "roles/iam.roleViewer": _READ_ROLES | _READ_PROJECT,
            "roles/iam.securityReviewer": _GET_POLICIES | _READ_PROJECT | _READ_ROLES | {f"{_ACCOUNTS}list"},
            "roles/iam.securityAdmin": _ACCOUNT_POLICIES
            | _PROJECT_POLICY
            | _READ_PROJECT
            | _READ_ROLES
            | {f"{_ACCOUNTS}list"},
            "roles/resourcemanager.projectIamAdmin": _PROJECT_POLICY | _READ_PROJECT,
            "roles/serviceusage.serviceUsageViewer": _READ_SERVICES,
            "roles/serviceusage.serviceUsageConsumer": _READ_SERVICES | {"serviceusage.services.use"},
            "roles/serviceusage.serviceUsageAdmin": _READ_SERVICES | _WRITE_SERVICES,
            "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"} | _READ_PROJECT,
            "roles/storage.objectCreator": {"storage.objects.create"} | _READ_PROJECT,
            "roles/storage.objectAdmin": {f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list")},
            "roles/run.developer": {f"run.services.{verb}" for verb in ("create", "get", "list", "update")}
            | _READ_PROJECT,
            "roles/run.viewer": {"run.services.get", "run.services.list"} | _READ_PROJECT,
        }.items()
    }
)
"""Predefined roles, each with those of its permissions that matter on the path from a token to an account."""


def is_custom(role: str) -> bool:
    """Whether a project or an organisation made the role, so that only they know what it carries."""
    return _CUSTOM.fullmatch(role) is not None


def carries(role: str, permission: str, read: Mapping[str, Collection[str] | None] | None = None) -> bool | None:
    """Whether a role carries one of `TOKEN_PERMISSIONS`, or another permission that `PREDEFINED` is about.

    Args:
        role: as a binding names it.
        permission: such as `ACCESS_TOKEN`.
        read: the permissions of roles that Google was asked for; ``None`` for one that it did not show.

    Returns:
        ``None`` where that is not known: a custom role, or one of Google's service agents', that was not read.
    """
    found = read.get(role) if read else None
    if found is not None:
        return permission in found
    if role in PREDEFINED:
        return permission in PREDEFINED[role]
    return None if is_custom(role) or _SERVICE_AGENT.fullmatch(role) else False
