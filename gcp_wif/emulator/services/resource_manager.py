"""Resource Manager v1 and v3: project lookup, what is above a project, and the policies of all of these.

Every project exists, unless the setting ``missing_projects`` names it: then the answer is 403, as at Google, which does
not tell a missing project from a hidden one.
"""

import re

from gcp_wif.emulator.model.errors import ApiError, invalid
from gcp_wif.emulator.model.messages import page
from gcp_wif.emulator.model.policies import PolicyState
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.emulator.services.iam_policies import get_policy, set_policy, tested

__all__ = [
    "ancestry",
    "found_node",
    "found_project",
    "get_node",
    "get_node_policy",
    "get_policy_of",
    "get_v1",
    "get_v3",
    "list_v1",
    "search_v3",
    "set_node_policy",
    "set_policy_of",
    "tested_on",
]

_CREATED = "2024-01-01T00:00:00.000Z"
_PREFIX = "resourcemanager.projects."
_TERM = re.compile(r"\b(?:projectId|id|name|displayName|projectNumber)\s*[:=]\s*\"?([a-z0-9.:*-]+)\"?")


def get_v1(call: Call, project: str) -> Answer:
    """``GET v1/projects/P`` by ID or number.

    Raises:
        ApiError: PERMISSION_DENIED for one that does not exist.
    """
    return _v1(call, _find(call, project, "get"))


def get_v3(call: Call, project: str) -> Answer:
    """``GET v3/projects/P`` by ID or number.

    Raises:
        ApiError: PERMISSION_DENIED for one that does not exist.
    """
    return _v3(call, _find(call, project, "get"))


def list_v1(call: Call) -> Answer:
    """``GET v1/projects?filter=``: the projects that were named so far, or those that the filter names.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    return _listed(call, call.query.get("filter", ""), v3=False)


def search_v3(call: Call) -> Answer:
    """``GET v3/projects:search?query=``; as `list_v1`.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    return _listed(call, call.query.get("query", ""), v3=True)


def get_policy_of(call: Call, project: str) -> Answer:
    """``POST …:getIamPolicy``, the version wanted in the body's options.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    return _policy(call, call.state.project_policy(_find(call, project, "getIamPolicy")))


def _policy(call: Call, policy: PolicyState) -> Answer:
    options = call.body.get("options") or {}
    if set(call.body) - {"options"} or not isinstance(options, dict) or set(options) - {"requestedPolicyVersion"}:
        raise invalid("Invalid JSON payload received: getIamPolicy takes options.requestedPolicyVersion.")
    return get_policy(call, policy, options.get("requestedPolicyVersion"))


def set_policy_of(call: Call, project: str) -> Answer:
    """``POST …:setIamPolicy``.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT, ABORTED.
    """
    return set_policy(call, call.state.project_policy(_find(call, project, "setIamPolicy")))


def ancestry(call: Call, project: str) -> Answer:
    """``POST v1/projects/P:getAncestry``: the project, its folders and its organisation, the nearest first.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    _find(call, project, "get")
    above = [each.partition("s/") for each in call.state.ancestors_of(project)]
    found = [("project", call.state.project_id(project)), *((kind, number) for kind, _, number in above)]
    return {"ancestor": [{"resourceId": {"type": kind, "id": each}} for kind, each in found]}


def get_node(call: Call, node: str, *, kind: str, version: str) -> Answer:
    """``GET v1/organizations/O``, ``v3/folders/F`` and the like.

    Raises:
        ApiError: PERMISSION_DENIED for one that does not exist.
    """
    name = _node(call, kind, node)
    return {"name": name, "displayName": name, "state" if version == "v3" else "lifecycleState": "ACTIVE"}


def get_node_policy(call: Call, node: str, *, kind: str) -> Answer:
    """``POST …/folders/F:getIamPolicy`` and the same of an organisation.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    return _policy(call, call.state.node_policy(_node(call, kind, node)))


def set_node_policy(call: Call, node: str, *, kind: str) -> Answer:
    """``POST …:setIamPolicy`` of these.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT, ABORTED.
    """
    return set_policy(call, call.state.node_policy(_node(call, kind, node)))


def found_project(call: Call, project: str) -> None:
    """Refuse a caller who may not see the project.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    _find(call, project, "get")


def found_node(call: Call, node: str) -> None:
    """Refuse a caller who may not see the organisation; likewise."""
    _node(call, "organizations", node)


def _node(call: Call, kind: str, node: str) -> str:
    """Its name; nobody with a token may look at a folder or organisation here."""
    name = f"{kind}/{node}"
    if call.caller is not None or not call.state.node_exists(name):
        raise ApiError("PERMISSION_DENIED", "The caller does not have permission")
    return name


def tested_on(call: Call, project: str) -> Answer:
    """``POST …:testIamPermissions``: where direct federation shows whether its roles have arrived.

    Raises:
        ApiError: PERMISSION_DENIED for a project that does not exist, INVALID_ARGUMENT.
    """
    _check(call, project)
    caller = call.caller
    return tested(
        call, lambda permission: caller is not None and call.state.allows(caller, permission, project=project)
    )


def _check(call: Call, project: str) -> None:
    if call.state.is_missing(project):
        raise ApiError("PERMISSION_DENIED", "The caller does not have permission")


def _find(call: Call, project: str, verb: str) -> str:
    _check(call, project)
    if call.caller is not None and not call.state.allows(call.caller, f"{_PREFIX}{verb}", project=project):
        raise ApiError("PERMISSION_DENIED", "The caller does not have permission")
    return project


def _listed(call: Call, text: str, *, v3: bool) -> Answer:
    state = call.state
    wanted = _TERM.findall(text[:2000])
    known = wanted or state.known_projects()
    names = [state.project_id(each) for each in dict.fromkeys(known) if not state.is_missing(each)]
    if call.caller is not None:
        names = [each for each in names if state.allows(call.caller, f"{_PREFIX}get", project=each)]
    shown, token = page(names, call.query, default=500, most=1000)
    answer: Answer = {"projects": [_v3(call, each) if v3 else _v1(call, each) for each in shown]} if shown else {}
    return answer | ({"nextPageToken": token} if token else {})


def _v1(call: Call, project: str) -> Answer:
    project_id = call.state.project_id(project)
    return {
        "projectNumber": call.state.project_number(project),
        "projectId": project_id,
        "lifecycleState": "ACTIVE",
        "name": project_id,
        "createTime": _CREATED,
    }


def _v3(call: Call, project: str) -> Answer:
    project_id = call.state.project_id(project)
    above = call.state.ancestors_of(project)
    return {
        "name": f"projects/{call.state.project_number(project)}",
        **({"parent": above[0]} if above else {}),
        "projectId": project_id,
        "state": "ACTIVE",
        "displayName": project_id,
        "createTime": _CREATED,
        "updateTime": _CREATED,
        "etag": 'W/"emulator"',
    }
