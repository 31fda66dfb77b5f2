"""getIamPolicy, setIamPolicy and testIamPermissions, which accounts and projects have in common."""

from collections.abc import Callable
from typing import Any

from gcp_wif.emulator.model.errors import invalid
from gcp_wif.emulator.model.messages import Field, read
from gcp_wif.emulator.model.policies import PolicyState, bindings_of
from gcp_wif.emulator.services.gateway import Answer, Call

__all__ = ["get_policy", "set_policy", "tested"]

_MOST_PERMISSIONS = 100


def get_policy(call: Call, policy: PolicyState, requested_version: object) -> Answer:
    """The policy in the version that was asked for, 1 by default.

    Raises:
        ApiError: INVALID_ARGUMENT for a version that there is not.
    """
    versions: dict[object, int] = {None: 1, "": 1, "0": 1, "1": 1, "3": 3, 0: 1, 1: 1, 3: 3}
    if isinstance(requested_version, list | dict | bool) or requested_version not in versions:
        raise invalid("Specified policy version is invalid.", "options.requested_policy_version")
    with call.state.lock:
        document = policy.document(versions[requested_version])
        if call.action.stale_etag:
            policy.generation += 1
        return document


def set_policy(call: Call, policy: PolicyState) -> Answer:
    """Replace the policy; without an etag whatever is there is overwritten.

    Raises:
        ApiError: INVALID_ARGUMENT, ABORTED.
    """
    body: dict[str, Any] = dict(call.body)
    if set(body) - {"policy", "updateMask"}:
        raise invalid("Invalid JSON payload received: setIamPolicy takes policy and updateMask.")
    parsed = bindings_of(body.get("policy") or {})
    with call.state.lock:
        if call.action.stale_etag:
            policy.generation += 1
        call.state.set_policy(policy, parsed)
        return policy.document(3 if parsed.get("version") == 3 else 1)


def tested(call: Call, allows: Callable[[str], bool]) -> Answer:
    """Those of the permissions in the body that the caller has; an admin without credentials has all.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    body = read(dict(call.body), {"permissions": Field("strings")}, "request")
    wanted: list[str] = body.get("permissions", [])
    if len(wanted) > _MOST_PERMISSIONS or any("*" in permission for permission in wanted):
        raise invalid("The permissions must be at most 100, without wildcards.", "permissions")
    held = [permission for permission in wanted if call.caller is None or allows(permission)]
    return {"permissions": held} if held else {}
