"""IAM v1: what a role carries. Custom roles are those of the setting ``roles``; of others what matters here."""

from gcp_wif.emulator.model.errors import not_found, permission_denied
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.roles import PREDEFINED

__all__ = ["get", "get_of_organization", "get_of_project"]


def get(call: Call, role: str) -> Answer:
    """``GET v1/roles/ROLE``: anybody may read a predefined role.

    Raises:
        ApiError: NOT_FOUND.
    """
    return _document(call, f"roles/{role}")


def get_of_project(call: Call, project: str, role: str) -> Answer:
    """``GET v1/projects/P/roles/ROLE``.

    Raises:
        ApiError: NOT_FOUND, PERMISSION_DENIED.
    """
    call.state.require(call.caller, "iam.roles.get", project=project)
    return _document(call, f"projects/{project}/roles/{role}")


def get_of_organization(call: Call, organization: str, role: str) -> Answer:
    """``GET v1/organizations/O/roles/ROLE``: no caller with a token has this permission here.

    Raises:
        ApiError: NOT_FOUND, PERMISSION_DENIED.
    """
    if call.caller is not None:
        raise permission_denied("iam.roles.get", f"organizations/{organization}")
    return _document(call, f"organizations/{organization}/roles/{role}")


def _document(call: Call, name: str) -> Answer:
    found = call.state.settings.roles.get(name, PREDEFINED.get(name))
    if found is None:
        raise not_found(f"The role named {name[:200]} was not found.")
    return {"name": name, "title": name.rpartition("/")[2], "stage": "GA", "includedPermissions": sorted(found)}
