"""IAM v1: service accounts and their policies, for REST and gRPC alike."""

import base64
from typing import Any

from gcp_wif.emulator.model.accounts import Account
from gcp_wif.emulator.model.errors import ApiError, invalid, permission_denied
from gcp_wif.emulator.model.messages import Field, masked, page, read
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.emulator.services.iam_policies import get_policy, set_policy, tested

__all__ = [
    "create",
    "delete",
    "disable",
    "enable",
    "get",
    "get_iam_policy",
    "list_accounts",
    "patch",
    "set_iam_policy",
    "test_iam_permissions",
    "undelete",
    "update",
]

_ACCOUNT = {
    "displayName": Field("string", 100),
    "description": Field("string", 256),
    "etag": Field("string"),
} | {name: Field("output") for name in ("name", "projectId", "uniqueId", "email", "oauth2ClientId", "disabled")}
_CREATE = {"accountId": Field("string"), "serviceAccount": Field("message", message=_ACCOUNT)}
_PATCH = {"updateMask": Field("string"), "serviceAccount": Field("message", message=_ACCOUNT)}
_PREFIX = "iam.serviceAccounts."


def create(call: Call, project: str) -> Answer:
    """``POST projects/P/serviceAccounts``.

    Raises:
        ApiError: INVALID_ARGUMENT, ALREADY_EXISTS.
    """
    project_id = _project(call, project, "create")
    body = read(dict(call.body), _CREATE, "request")
    hidden = call.state.settings.new_account_reads
    wanted = body.get("serviceAccount", {})
    with call.state.lock:
        account = call.state.accounts.add(project_id, body.get("accountId", ""), hidden)
        account.display_name, account.description = wanted.get("displayName", ""), wanted.get("description", "")
        return _document(account)


def get(call: Call, project: str, account: str) -> Answer:
    """``GET projects/P/serviceAccounts/EMAIL``; the project may be ``-``.

    Raises:
        ApiError: NOT_FOUND.
    """
    return _document(_find(call, project, account, "get"))


def list_accounts(call: Call, project: str) -> Answer:
    """The accounts of a project, 20 a page by default and 100 at most.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    project_id = _project(call, project, "list")
    known = {account.email: account for account in call.state.accounts.of_project(project_id)}
    emails, token = page(list(known), call.query, default=20, most=100)
    answer: Answer = {"accounts": [_document(known[email]) for email in emails]} if emails else {}
    return answer | ({"nextPageToken": token} if token else {})


def patch(call: Call, project: str, account: str) -> Answer:
    """``PATCH``: display name and description, by the mask in the body.

    Raises:
        ApiError: NOT_FOUND, INVALID_ARGUMENT.
    """
    body = read(dict(call.body), _PATCH, "request")
    found = _find(call, project, account, "update")
    present = {"displayName": found.display_name, "description": found.description}
    mask = body.get("updateMask", "")
    _change(call, found, masked(present, body.get("serviceAccount", {}), mask, _ACCOUNT))
    return _document(found)


def update(call: Call, project: str, account: str) -> Answer:
    """``PUT``: replaces display name and description; an etag that is given must be the present one.

    Raises:
        ApiError: NOT_FOUND, INVALID_ARGUMENT, ABORTED.
    """
    body = read(dict(call.body), _ACCOUNT, "service_account")
    found = _find(call, project, account, "update")
    _change(call, found, body)
    return _document(found)


def delete(call: Call, project: str, account: str) -> Answer:
    """``DELETE``: its name is free at once, and bindings that name it mean nobody.

    Raises:
        ApiError: NOT_FOUND.
    """
    call.state.delete_account(_find(call, project, account, "delete"))
    return {}


def undelete(call: Call, project: str, account: str) -> Answer:
    """``POST …:undelete`` by unique ID, within 30 days.

    Raises:
        ApiError: NOT_FOUND, ALREADY_EXISTS.
    """
    project_id = "-" if project == "-" else _project(call, project, "undelete")
    return {"restoredAccount": _document(call.state.undelete_account(project_id, account))}


def disable(call: Call, project: str, account: str) -> Answer:
    """``POST …:disable``: its tokens stop working.

    Raises:
        ApiError: NOT_FOUND.
    """
    _find(call, project, account, "disable").disabled = True
    return {}


def enable(call: Call, project: str, account: str) -> Answer:
    """``POST …:enable``.

    Raises:
        ApiError: NOT_FOUND.
    """
    _find(call, project, account, "enable").disabled = False
    return {}


def get_iam_policy(call: Call, project: str, account: str) -> Answer:
    """``POST …:getIamPolicy?options.requestedPolicyVersion=``.

    Raises:
        ApiError: NOT_FOUND, INVALID_ARGUMENT.
    """
    found = _find(call, project, account, "getIamPolicy")
    return get_policy(call, found.policy, call.query.get("options.requestedPolicyVersion"))


def set_iam_policy(call: Call, project: str, account: str) -> Answer:
    """``POST …:setIamPolicy``.

    Raises:
        ApiError: NOT_FOUND, INVALID_ARGUMENT, ABORTED.
    """
    return set_policy(call, _find(call, project, account, "setIamPolicy").policy)


def test_iam_permissions(call: Call, project: str, account: str) -> Answer:
    """``POST …:testIamPermissions``.

    Raises:
        ApiError: NOT_FOUND, INVALID_ARGUMENT.
    """
    if project != "-" and call.state.is_missing(project):
        raise permission_denied(f"{_PREFIX}get")
    found = call.state.accounts.get(account)
    caller = call.caller
    return tested(
        call,
        lambda permission: (
            caller is not None and call.state.allows(caller, permission, project=found.project, account=found)
        ),
    )


def _project(call: Call, project: str, verb: str) -> str:
    permission = f"{_PREFIX}{verb}"
    if project == "-":
        raise invalid("A project is needed.", "name")
    if call.state.is_missing(project):
        raise permission_denied(permission, f"projects/{project}")
    call.state.require(call.caller, permission, project=project)
    return call.state.project_id(project)


def _find(call: Call, project: str, name: str, verb: str) -> Account:
    """An account that the caller may do ``verb`` on; without the permission a missing one looks the same."""
    permission = f"{_PREFIX}{verb}"
    state = call.state
    if project != "-" and state.is_missing(project):
        raise permission_denied(permission)
    known = state.accounts.find(name)
    if call.caller is not None and known is None and project == "-":
        raise permission_denied(permission)
    if known is None and project != "-":
        state.require(call.caller, permission, project=project)
    if known is not None:
        state.require(call.caller, permission, project=known.project, account=known)
    return state.accounts.get(name)


def _change(call: Call, account: Account, content: dict[str, Any]) -> None:
    with call.state.lock:
        if content.get("etag") and content["etag"] != _etag(account):
            raise ApiError("ABORTED", "The etag does not match the service account's.")
        account.display_name = content.get("displayName", "")
        account.description = content.get("description", "")
        account.generation += 1


def _etag(account: Account) -> str:
    return base64.b64encode(b"sa" + account.generation.to_bytes(4, "big")).decode()


def _document(account: Account) -> Answer:
    document: Answer = {
        "name": f"projects/{account.project}/serviceAccounts/{account.email}",
        "projectId": account.project,
        "uniqueId": account.unique_id,
        "email": account.email,
        "etag": _etag(account),
        "oauth2ClientId": account.unique_id,
    }
    optional = {"displayName": account.display_name, "description": account.description, "disabled": account.disabled}
    return document | {name: value for name, value in optional.items() if value}
