"""Organisation policies, Resource Manager v1: the allow-list of issuers.

There is one list for all organisations, the setting ``issuer_allow_list``, whose constraint is
``constraints/iam.workloadIdentityPoolProviders``. Every other constraint has no policy.
"""

from gcp_wif.emulator.model.errors import invalid
from gcp_wif.emulator.model.messages import Field, read
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.emulator.services.resource_manager import found_node, found_project

__all__ = ["effective", "get", "set_policy"]

_ISSUERS = "constraints/iam.workloadIdentityPoolProviders"
_LIST = {"allowedValues": Field("strings"), "deniedValues": Field("strings"), "allValues": Field("string")} | {
    name: Field("foreign") for name in ("inheritFromParent", "suggestedValue")
}
_POLICY = {"constraint": Field("string"), "etag": Field("string"), "version": Field("int")} | {
    "listPolicy": Field("message", message=_LIST),
    **{name: Field("foreign") for name in ("booleanPolicy", "restoreDefault", "updateTime")},
}


def effective(call: Call, project: str) -> Answer:
    """``POST v1/projects/P:getEffectiveOrgPolicy`` ``{"constraint"}``.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    found_project(call, project)
    return _document(call)


def get(call: Call, node: str) -> Answer:
    """``POST v1/organizations/O:getOrgPolicy`` ``{"constraint"}``.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    found_node(call, node)
    return _document(call)


def set_policy(call: Call, node: str) -> Answer:
    """``POST v1/organizations/O:setOrgPolicy`` ``{"policy"}``: the values that are allowed.

    Raises:
        ApiError: PERMISSION_DENIED; INVALID_ARGUMENT for another constraint.
    """
    found_node(call, node)
    body = read(dict(call.body), {"policy": Field("message", message=_POLICY)}, "request")
    policy = body.get("policy", {})
    if policy.get("constraint") != _ISSUERS:
        raise invalid(f"The emulator keeps a policy for {_ISSUERS} alone.", "policy.constraint")
    allowed = policy.get("listPolicy", {}).get("allowedValues")
    call.state.settings.issuer_allow_list = tuple(allowed) if allowed else None
    return _shown(call, _ISSUERS)


def _document(call: Call) -> Answer:
    body = read(dict(call.body), {"constraint": Field("string")}, "request")
    if not body.get("constraint", "").startswith("constraints/"):
        raise invalid("A constraint is needed: constraints/NAME.", "constraint")
    return _shown(call, body["constraint"])


def _shown(call: Call, constraint: str) -> Answer:
    allowed = call.state.settings.issuer_allow_list
    if constraint != _ISSUERS or allowed is None:
        return {"constraint": constraint, "listPolicy": {"allValues": "ALLOW"}}
    return {"constraint": constraint, "etag": "BwXX", "listPolicy": {"allowedValues": list(allowed)}}
