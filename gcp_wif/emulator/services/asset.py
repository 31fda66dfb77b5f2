"""Cloud Asset's two searches (cloudasset v1, ``searchAllIamPolicies`` and ``searchAllResources``).

The scope is one project. Of the query language ``policy:`` and ``roles:`` are known, which pick bindings, and
``assetTypes``; the rest is left to the caller. An organisation's scope spans every project that was named so far.
"""

import re
from collections.abc import Iterator
from typing import Any

from gcp_wif.emulator.model.errors import ApiError
from gcp_wif.emulator.model.messages import page
from gcp_wif.emulator.services.gateway import Answer, Call

__all__ = ["search_policies", "search_resources"]

_PROJECT, _ACCOUNT = "cloudresourcemanager.googleapis.com/Project", "iam.googleapis.com/ServiceAccount"
_POOL = "iam.googleapis.com/WorkloadIdentityPool"
_PROVIDER = "iam.googleapis.com/WorkloadIdentityPoolProvider"
_WORD = re.compile(r'(policy|roles|policy\.role\.permissions|memberTypes|resource|project)[:=](?:"([^"]*)"|(\S+))')


def search_policies(call: Call, scope: str, *, kind: str) -> Answer:
    """``GET /v1/{scope}:searchAllIamPolicies``.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    wanted = [(match[1], match[2] or match[3]) for match in _WORD.finditer(call.query.get("query", ""))]
    found: list[Answer] = []
    for project in _projects(call, kind, scope, "cloudasset.assets.searchAllIamPolicies"):
        number = call.state.project_number(project)
        policies = [(_PROJECT, _project_name(project), call.state.project_policy(project))]
        policies += [
            (_ACCOUNT, f"//iam.googleapis.com/projects/{project}/serviceAccounts/{each.unique_id}", each.policy)
            for each in call.state.accounts.of_project(project)
        ]
        for asset_type, resource, policy in policies:
            bindings = [each for each in policy.document(3).get("bindings", []) if _matches(each, wanted)]
            if bindings and _is_wanted(call, asset_type):
                found.append(
                    {
                        "resource": resource,
                        "assetType": asset_type,
                        "project": f"projects/{number}",
                        "policy": {"bindings": bindings},
                    }
                )
    return _page(call, {each["resource"]: each for each in found})


def search_resources(call: Call, scope: str, *, kind: str) -> Answer:
    """``GET /v1/{scope}:searchAllResources``.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    found: list[Answer] = []
    for project in _projects(call, kind, scope, "cloudasset.assets.searchAllResources"):
        for asset_type, name, fields in _resources(call, project):
            if _is_wanted(call, asset_type):
                number = call.state.project_number(project)
                found.append({"name": name, "assetType": asset_type, "project": f"projects/{number}", **fields})
    return _page(call, {each["name"]: each for each in found})


def _resources(call: Call, project: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield (
        _PROJECT,
        f"//cloudresourcemanager.googleapis.com/projects/{project}",
        {"displayName": project, "state": "ACTIVE"},
    )
    for each in call.state.accounts.of_project(project):
        state = "DISABLED" if each.disabled else "ENABLED"
        attributes = {"email": each.email, "uniqueId": each.unique_id}
        name = f"//iam.googleapis.com/projects/{project}/serviceAccounts/{each.unique_id}"
        yield _ACCOUNT, name, {"displayName": each.display_name, "state": state, "additionalAttributes": attributes}
    for pool in call.state.pools.of_project(call.state.project_number(project)).values():
        yield _POOL, f"//iam.googleapis.com/{pool.name}", {"state": pool.document()["state"]}
        for provider in pool.providers.values():
            yield _PROVIDER, f"//iam.googleapis.com/{provider.name}", {"state": provider.document()["state"]}


def _project_name(project: str) -> str:
    return f"//cloudresourcemanager.googleapis.com/projects/{project}"


def _projects(call: Call, kind: str, scope: str, permission: str) -> list[str]:
    named = [scope] if kind == "projects" else call.state.known_projects()
    projects = [call.state.project_id(each) for each in named if not call.state.is_missing(each)]
    if call.caller is not None:
        projects = [each for each in projects if call.state.allows(call.caller, permission, project=each)]
    if not projects:
        raise ApiError("PERMISSION_DENIED", "The caller does not have permission")
    return projects


def _is_wanted(call: Call, asset_type: str) -> bool:
    wanted = call.query.get("assetTypes")
    return not wanted or any(re.fullmatch(each, asset_type) for each in wanted.split(","))


def _matches(binding: dict[str, Any], wanted: list[tuple[str, str]]) -> bool:
    text = f"{binding['role']} {' '.join(binding['members'])}"
    return all(
        value in text if name == "policy" else value == binding["role"] if name == "roles" else True
        for name, value in wanted
    )


def _page(call: Call, found: dict[str, dict[str, Any]]) -> Answer:
    shown, token = page(list(found), call.query, default=100, most=500)
    return ({"results": [found[name] for name in shown]} if shown else {}) | ({"nextPageToken": token} if token else {})
