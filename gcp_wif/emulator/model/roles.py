"""Which permissions a role carries, as far as this path asks for them (Google, "IAM roles and permissions index").

A role that is not listed here carries none of them. Tests add their own through the setting ``roles``.
"""

from collections.abc import Mapping

from gcp_wif.roles import TOKEN_ROLES

__all__ = ["PREDEFINED", "carries"]

_ACCOUNTS = "iam.serviceAccounts."
_POOLS = ("iam.workloadIdentityPools.", "iam.workloadIdentityPoolProviders.")

_READ_ACCOUNTS = {f"{_ACCOUNTS}{verb}" for verb in ("get", "list")}
_WRITE_ACCOUNTS = {f"{_ACCOUNTS}{verb}" for verb in ("create", "update", "delete", "undelete", "enable", "disable")}
_ACCOUNT_POLICIES = {f"{_ACCOUNTS}{verb}" for verb in ("getIamPolicy", "setIamPolicy")}
_READ_POOLS = {f"{prefix}{verb}" for prefix in _POOLS for verb in ("get", "list")}
_WRITE_POOLS = {f"{prefix}{verb}" for prefix in _POOLS for verb in ("create", "update", "delete", "undelete")}
_READ_PROJECT = {"resourcemanager.projects.get"}
_PROJECT_POLICY = {"resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"}
_READ = _READ_ACCOUNTS | _READ_POOLS | _READ_PROJECT
_GET_POLICIES = {f"{_ACCOUNTS}getIamPolicy", "resourcemanager.projects.getIamPolicy"}

PREDEFINED: Mapping[str, frozenset[str]] = {
    role: frozenset(permissions)
    for role, permissions in {
        # The basic roles carry neither token permission: impersonation is always granted by name.
        "roles/owner": _READ | _WRITE_ACCOUNTS | _ACCOUNT_POLICIES | _WRITE_POOLS | _PROJECT_POLICY,
        "roles/editor": _READ | _WRITE_ACCOUNTS - {f"{_ACCOUNTS}undelete"} | _GET_POLICIES,
        "roles/viewer": _READ | _GET_POLICIES,
        "roles/browser": _READ_PROJECT | {"resourcemanager.projects.getIamPolicy"},
        "roles/iam.serviceAccountAdmin": _READ_ACCOUNTS | _WRITE_ACCOUNTS | _ACCOUNT_POLICIES | _READ_PROJECT,
        "roles/iam.serviceAccountCreator": _READ_ACCOUNTS | {f"{_ACCOUNTS}create"} | _READ_PROJECT,
        "roles/iam.serviceAccountUser": _READ_ACCOUNTS | {f"{_ACCOUNTS}actAs"} | _READ_PROJECT,
        "roles/iam.serviceAccountViewer": _READ_ACCOUNTS | {f"{_ACCOUNTS}getIamPolicy"} | _READ_PROJECT,
        **{role: _READ_ACCOUNTS | permissions for role, permissions in TOKEN_ROLES.items()},
        "roles/iam.workloadIdentityPoolAdmin": _READ_POOLS | _WRITE_POOLS | _READ_PROJECT,
        "roles/iam.workloadIdentityPoolViewer": _READ_POOLS | _READ_PROJECT,
        "roles/iam.securityReviewer": _GET_POLICIES | _READ_PROJECT | {f"{_ACCOUNTS}list"},
        "roles/iam.securityAdmin": _ACCOUNT_POLICIES | _PROJECT_POLICY | _READ_PROJECT | {f"{_ACCOUNTS}list"},
        "roles/resourcemanager.projectIamAdmin": _PROJECT_POLICY | _READ_PROJECT,
        "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"} | _READ_PROJECT,
        "roles/storage.objectCreator": {"storage.objects.create"} | _READ_PROJECT,
        "roles/storage.objectAdmin": {f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list")},
        "roles/run.developer": {f"run.services.{verb}" for verb in ("create", "get", "list", "update")} | _READ_PROJECT,
        "roles/run.viewer": {"run.services.get", "run.services.list"} | _READ_PROJECT,
    }.items()
}


def carries(role: str, permission: str, custom: Mapping[str, frozenset[str]]) -> bool:
    """Whether ``role`` carries ``permission``; ``custom`` roles come before the predefined ones."""
    return permission in custom.get(role, PREDEFINED.get(role, frozenset()))
