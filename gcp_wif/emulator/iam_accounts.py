"""Service accounts, policies and projects: IAM REST v1 and Resource Manager v1 and v3, as plain functions.

The gRPC side calls the same functions and turns their JSON into messages.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

from gcp_wif.emulator.errors import ApiError, of_refusal
from gcp_wif.emulator.state import Account, Grant, Policy, State
from gcp_wif.refusals import RefusalKind

__all__ = [
    "account_resource",
    "create_account",
    "list_accounts",
    "policy_resource",
    "project_v1",
    "project_v3",
    "set_policy",
    "test_permissions",
    "update_account",
]

Json = dict[str, Any]

_ACCOUNT_ID = re.compile(r"[a-z](?:[-a-z0-9]{4,28})[a-z0-9]")
_MAX_DISPLAY_NAME, _MAX_DESCRIPTION = 100, 256
_PAGE = 100


def account_resource(account: Account) -> Json:
    """A ``ServiceAccount`` resource; fields with their default value are left out."""
    fields: Json = {
        "name": f"projects/{account.project_id}/serviceAccounts/{account.email}",
        "projectId": account.project_id,
        "uniqueId": account.unique_id,
        "email": account.email,
        "etag": base64.b64encode(b"\x01\x01").decode(),
        "oauth2ClientId": account.unique_id,
    }
    optional = {
        "displayName": account.display_name,
        "description": account.description,
        "disabled": account.disabled,
    }
    return fields | {name: value for name, value in optional.items() if value}


def create_account(state: State, project: str, body: Json) -> Json:
    """``POST projects/P/serviceAccounts`` with ``{accountId, serviceAccount?}``.

    Raises:
        ApiError: INVALID_ARGUMENT, ALREADY_EXISTS.
    """
    account_id = body.get("accountId")
    if not isinstance(account_id, str) or not _ACCOUNT_ID.fullmatch(account_id):
        raise ApiError(
            "INVALID_ARGUMENT",
            "Service account ID must be between 6 and 30 characters, of the form [a-z]([-a-z0-9]*[a-z0-9]).",
        )
    name, description = _descriptions(body.get("serviceAccount") or {})
    return account_resource(state.add_account(project, account_id, name, description))


def update_account(state: State, account: Account, body: Json, mask: set[str]) -> Json:
    """Set the display name or description of an account.

    Raises:
        ApiError: INVALID_ARGUMENT for another field, or a text that is too long.
    """
    if not mask or not mask <= {"displayName", "description"}:
        raise ApiError("INVALID_ARGUMENT", "Invalid update mask.")
    name, description = _descriptions(body)
    with state.lock:
        if "displayName" in mask:
            account.display_name = name
        if "description" in mask:
            account.description = description
    return account_resource(account)


def list_accounts(state: State, project: str, query: Mapping[str, str]) -> Json:
    """``GET projects/P/serviceAccounts``."""
    accounts = [account_resource(account) for account in state.accounts(project)]
    try:
        begin, size = int(query.get("pageToken") or 0), int(query.get("pageSize") or _PAGE)
    except ValueError:
        raise ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.") from None
    if begin < 0 or size < 0:
        raise ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.")
    end = begin + min(size or _PAGE, _PAGE)
    page: Json = {"accounts": accounts[begin:end]} if accounts[begin:end] else {}
    return page | ({"nextPageToken": str(end)} if end < len(accounts) else {})


def policy_resource(policy: Policy, version: int) -> Json:
    """A ``Policy``; a policy with conditions is shown as version 1 without them unless version 3 was asked for.

    Google then marks such roles; that the emulator leaves conditional bindings out instead is a simplification.
    """
    bindings = policy.bindings
    if version < 3:
        bindings = [binding for binding in bindings if "condition" not in binding]
    shown = [{name: value for name, value in binding.items() if value} for binding in bindings]
    fields: Json = {"version": policy.version if version >= 3 else 1, "etag": policy.etag}
    return fields | ({"bindings": shown} if shown else {})


def set_policy(state: State, policy: Policy, body: Json) -> Json:
    """``POST …:setIamPolicy`` with ``{policy, updateMask?}``.

    Raises:
        ApiError: INVALID_ARGUMENT; ABORTED for a stale etag.
    """
    wanted = body.get("policy")
    if not isinstance(wanted, dict):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'policy'")
    bindings, version, etag = wanted.get("bindings") or [], wanted.get("version") or 0, wanted.get("etag")
    if not isinstance(bindings, list) or not all(isinstance(binding, dict) for binding in bindings):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'policy.bindings'")
    if version not in {0, 1, 3} or isinstance(version, bool) or not (etag is None or isinstance(etag, str)):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'policy'")
    with state.lock:
        state.set_policy(policy, bindings, version, etag)
        return policy_resource(policy, 3)


def project_v1(state: State, project: str) -> Json:
    """Resource Manager v1: ``GET v1/projects/P``."""
    project_id = state.project_id(project)
    return {
        "projectId": project_id,
        "projectNumber": state.project_number(project_id),
        "lifecycleState": "ACTIVE",
        "name": project_id,
    }


def project_v3(state: State, project: str) -> Json:
    """Resource Manager v3: ``GET v3/projects/P``."""
    project_id = state.project_id(project)
    number = state.project_number(project_id)
    return {"name": f"projects/{number}", "projectId": project_id, "state": "ACTIVE", "displayName": project_id}


def test_permissions(state: State, policy: Policy, caller: Grant | None, body: Json) -> Json:
    """``POST …:testIamPermissions``: what the bearer may do by the policy's bindings.

    The emulator knows no role's permissions: a role that the bearer has grants every permission that is asked for,
    and a bearer without any role has none. Without a bearer nothing is granted.
    """
    wanted = body.get("permissions") or []
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'permissions'")
    if caller is None:
        raise of_refusal(RefusalKind.CREDENTIALS_UNACCEPTED)
    roles = {str(binding["role"]) for binding in policy.bindings}
    granted = any(state.grants_role(policy, role, caller.principals) for role in roles)
    return {"permissions": wanted} if granted and wanted else {}


def _descriptions(body: object) -> tuple[str, str]:
    if not isinstance(body, dict):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'service_account'")
    name, description = body.get("displayName") or "", body.get("description") or ""
    if not isinstance(name, str) or not isinstance(description, str):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'service_account'")
    if len(name.encode()) > _MAX_DISPLAY_NAME or len(description.encode()) > _MAX_DESCRIPTION:
        raise ApiError("INVALID_ARGUMENT", "The display name or the description is too long.")
    return name, description
