"""IAM REST v1: workload identity pools, their providers, and the operations that change them.

Fields, limits and masks are those of Google's discovery document (iam v1). Where a sentence for a broken limit is not
known, it is assumed.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from joserfc.jwk import ECKey, RSAKey

from gcp_wif.emulator.model.errors import ApiError, invalid, of_refusal, permission_denied
from gcp_wif.emulator.model.messages import Field, masked, page, read
from gcp_wif.emulator.model.pools import Resource
from gcp_wif.emulator.model.token_issuer import uploaded_keys
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.federation import lint_provider
from gcp_wif.refusals import RefusalKind

__all__ = ["create", "delete", "get", "list_pools", "list_providers", "operation", "patch", "undelete"]

_ID = re.compile(r"[a-z0-9-]{4,32}")
_MOST_AUDIENCES, _LONGEST_AUDIENCE = 10, 256
_MOST_KEYS = 8
_SHARED = {
    "name": Field("output"),
    "state": Field("output"),
    "expireTime": Field("output"),
    "displayName": Field("string", 32),
    "description": Field("string", 256),
    "disabled": Field("bool"),
}
_MODES = ("MODE_UNSPECIFIED", "FEDERATION_ONLY", "TRUST_DOMAIN", "SYSTEM_TRUST_DOMAIN")
_POOL = _SHARED | {
    "mode": Field("string", values=_MODES, immutable=True),
    "inlineCertificateIssuanceConfig": Field("foreign"),
    "inlineTrustConfig": Field("foreign"),
}
_OIDC = {
    "issuerUri": Field("string", 2000),
    "allowedAudiences": Field("strings"),
    "jwksJson": Field("string", 100_000),
    "discoveryUri": Field("string", 2000),
}
_PROVIDER = _SHARED | {
    "attributeMapping": Field("map"),
    "attributeCondition": Field("string", 4096),
    "oidc": Field("message", message=_OIDC),
    "aws": Field("foreign"),
    "saml": Field("foreign"),
    "x509": Field("foreign"),
    "actorProviders": Field("foreign"),
}


def create(call: Call, project: str, location: str, pool: str | None = None) -> Answer:
    """``POST …/workloadIdentityPools?workloadIdentityPoolId=`` and, under a pool, ``POST …/providers``.

    Raises:
        ApiError: INVALID_ARGUMENT, ALREADY_EXISTS, NOT_FOUND, FAILED_PRECONDITION.
    """
    number = _project(call, project, location, _permission(pool is not None, "create"))
    _use_write_quota(call, number)
    kind = "workloadIdentityPoolId" if pool is None else "workloadIdentityPoolProviderId"
    new_id = call.query.get(kind, "")
    if not _ID.fullmatch(new_id) or new_id.startswith("gcp-"):
        raise invalid(
            f"Invalid {kind}: it must have 4 to 32 characters, [a-z0-9-], and not begin with the reserved prefix gcp-.",
            kind,
        )
    content = _checked(call, _read(call, provider=pool is not None), provider=pool is not None)
    pool_id, provider_id = (new_id, None) if pool is None else (pool, new_id)
    pools = call.state.pools
    pools.check_addable(number, pool_id, provider_id)
    return _start(call, _name(number, pool_id, provider_id), lambda: pools.add(number, pool_id, provider_id, content))


def get(call: Call, project: str, location: str, pool: str, provider: str | None = None) -> Answer:
    """A pool or provider; a deleted one says so until it is purged.

    Raises:
        ApiError: NOT_FOUND.
    """
    return _find(call, (project, location, pool, provider), "get").document()


def list_pools(call: Call, project: str, location: str) -> Answer:
    """The pools of a project, 50 a page by default and 1000 at most.

    Raises:
        ApiError: INVALID_ARGUMENT for the paging.
    """
    number = _project(call, project, location, _permission(False, "list"))
    return _listed(call, "workloadIdentityPools", call.state.pools.of_project(number), most=1000)


def list_providers(call: Call, project: str, location: str, pool: str) -> Answer:
    """The providers of a pool, 50 a page by default and 100 at most.

    Raises:
        ApiError: NOT_FOUND, INVALID_ARGUMENT.
    """
    number = _project(call, project, location, _permission(True, "list"))
    found = call.state.pools.get(number, pool)
    return _listed(call, "workloadIdentityPoolProviders", found.providers, most=100)


def patch(call: Call, project: str, location: str, pool: str, provider: str | None = None) -> Answer:
    """``PATCH …?updateMask=``.

    Raises:
        ApiError: NOT_FOUND, INVALID_ARGUMENT; FAILED_PRECONDITION for a deleted one (assumed).
    """
    found = _find(call, (project, location, pool, provider), "update")
    _must_be_active(found)
    fields = _PROVIDER if provider else _POOL
    content = masked(found.content, _read(call, provider=bool(provider)), call.query.get("updateMask", ""), fields)
    checked = _checked(call, content, provider=bool(provider))

    def change() -> None:
        found.content = checked

    return _start(call, found.name, change)


def delete(call: Call, project: str, location: str, pool: str, provider: str | None = None) -> Answer:
    """Delete for 30 days.

    Raises:
        ApiError: NOT_FOUND; FAILED_PRECONDITION where it is deleted already (assumed).
    """
    found = _find(call, (project, location, pool, provider), "delete")
    _must_be_active(found)

    def change() -> None:
        found.deleted_at = call.state.clock.now()

    return _start(call, found.name, change)


def undelete(call: Call, project: str, location: str, pool: str, provider: str | None = None) -> Answer:
    """``POST …:undelete``; the content comes back as it was.

    Raises:
        ApiError: NOT_FOUND; FAILED_PRECONDITION where it is not deleted (assumed).
    """
    found = _find(call, (project, location, pool, provider), "undelete")
    if found.deleted_at is None:
        raise ApiError("FAILED_PRECONDITION", "The resource is not deleted.")

    def change() -> None:
        found.deleted_at = None

    return _start(call, found.name, change)


def operation(
    call: Call, project: str, location: str, pool: str, operation: str, provider: str | None = None
) -> Answer:
    """``GET …/operations/ID`` under a pool or a provider.

    Raises:
        ApiError: NOT_FOUND, also under another resource's path.
    """
    number = _project(call, project, location, _permission(provider is not None, "get"))
    return call.state.operations.get(f"{_name(number, pool, provider)}/operations/{operation}")


def _name(number: str, pool: str, provider: str | None) -> str:
    name = f"projects/{number}/locations/global/workloadIdentityPools/{pool}"
    return f"{name}/providers/{provider}" if provider else name


def _permission(provider: bool, verb: str) -> str:
    return f"iam.{'workloadIdentityPoolProviders' if provider else 'workloadIdentityPools'}.{verb}"


def _project(call: Call, project: str, location: str, permission: str) -> str:
    """The project's number, for a caller that has the permission there."""
    if location != "global":
        raise invalid(f"Location {location[:60]} is not supported: workload identity pools are in global.")
    if call.state.is_missing(project):
        raise permission_denied(permission, f"projects/{project}")
    number = call.state.project_number(project)
    call.state.require(call.caller, permission, project=number)
    return number


def _find(call: Call, path: tuple[str, str, str, str | None], verb: str) -> Resource:
    project, location, pool, provider = path
    number = _project(call, project, location, _permission(provider is not None, verb))
    if verb != "get":
        _use_write_quota(call, number)
    return call.state.pools.get(number, pool, provider)


def _use_write_quota(call: Call, number: str) -> None:
    if not call.state.use(f"pool writes of {number}", call.state.settings.pool_writes_per_minute):
        raise ApiError("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Workload identity pool write requests'.")


def _must_be_active(found: Resource) -> None:
    if found.deleted_at is not None:
        raise ApiError("FAILED_PRECONDITION", "The resource is deleted; undelete it first.")


def _start(call: Call, name: str, change: Callable[[], None]) -> Answer:
    return call.state.operations.start(name, change, call.action.operation)


def _listed(call: Call, kind: str, resources: dict[str, Resource], *, most: int) -> Answer:
    deleted_too = call.query.get("showDeleted", "").lower() in {"true", "1"}
    shown = {each: found for each, found in resources.items() if deleted_too or found.deleted_at is None}
    names, token = page(list(shown), call.query, default=50, most=most)
    answer: Answer = {kind: [shown[name].document() for name in names]} if names else {}
    return answer | ({"nextPageToken": token} if token else {})


def _read(call: Call, *, provider: bool) -> dict[str, Any]:
    where = "workload_identity_pool_provider" if provider else "workload_identity_pool"
    return read(dict(call.body), _PROVIDER if provider else _POOL, where)


def _checked(call: Call, content: dict[str, Any], *, provider: bool) -> dict[str, Any]:
    """The content, if Google would take it as a whole."""
    if not provider:
        return content
    oidc = content.get("oidc")
    if not oidc or not oidc.get("issuerUri"):
        raise invalid("One of the provider configs must be set, and oidc.issuer_uri with it.", "oidc")
    mapping, condition = content.get("attributeMapping", {}), content.get("attributeCondition")
    for problem in lint_provider(mapping, condition, oidc["issuerUri"]):
        raise invalid(problem.message, problem.field)
    audiences = oidc.get("allowedAudiences", [])
    if len(audiences) > _MOST_AUDIENCES or not all(0 < len(each) <= _LONGEST_AUDIENCE for each in audiences):
        raise invalid("At most 10 allowed audiences of 1 to 256 characters each.", "oidc.allowed_audiences")
    _check_discovery(oidc)
    if "jwksJson" in oidc:
        _check_jwks(oidc["jwksJson"])
    allowed = call.state.settings.issuer_allow_list
    if allowed is not None and oidc["issuerUri"] not in allowed:
        raise of_refusal(RefusalKind.ORG_POLICY, "ORG_POLICY_VIOLATED", value=oidc["issuerUri"])
    return content


def _check_discovery(oidc: dict[str, Any]) -> None:
    if "discoveryUri" not in oidc:
        return
    try:
        ours, issuer = urlsplit(oidc["discoveryUri"]), urlsplit(oidc["issuerUri"])
        same = (ours.scheme, ours.netloc) == ("https", issuer.netloc) and "/.well-known/" in ours.path
    except ValueError:
        same = False
    if not same:
        raise invalid(
            "The discovery URI must be https, on the issuer's host, under /.well-known/.", "oidc.discovery_uri"
        )


def _check_jwks(text: str) -> None:
    """At most 8 keys, RSA or EC on P-256, each with a key ID.

    What is said of other curves and of other kinds of keys was observed once.
    """
    wrong = invalid("Input JWK is not in a valid json format.", "oidc.jwks_json")
    try:
        documents = json.loads(text)["keys"]
        if any(each["kty"] == "OKP" for each in documents):
            raise invalid("Input JWK contains corrupted key material.", "oidc.jwks_json")
        keys = uploaded_keys(text).keys
        kinds = all(isinstance(key, RSAKey) or (isinstance(key, ECKey) and key.curve_name == "P-256") for key in keys)
        if not kinds:
            raise invalid("Only RSA, EC key types are supported.", "oidc.jwks_json")
        named = all(isinstance(each.get("kid"), str) and each["kid"] for each in documents)
        public = not any("d" in each for each in documents)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise wrong from None
    if not (keys and len(keys) <= _MOST_KEYS and named and public):
        raise wrong
