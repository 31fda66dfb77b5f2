"""IAM REST v1: workload identity pools and their providers.

Fields and limits are those of the discovery document; the sentences for limits are assumed, the others are Google's.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from gcp_wif.emulator.errors import ApiError, not_found, of_refusal
from gcp_wif.emulator.state import SOFT_DELETE_SECONDS, Pool, Provider, State
from gcp_wif.federation import lint_provider
from gcp_wif.refusals import Refusal, RefusalKind

__all__ = ["Pools"]

Json = dict[str, Any]
Query = Mapping[str, str]

_ID = re.compile(r"(?!gcp-)[a-z0-9-]{4,32}")
_POOL_FIELDS = {"displayName", "description", "disabled", "mode", "name", "state", "expireTime"}
_PROVIDER_FIELDS = {"displayName", "description", "disabled", "attributeMapping", "attributeCondition", "oidc", "name",
                    "state", "expireTime"}  # fmt: skip
_OIDC_FIELDS = {"issuerUri", "allowedAudiences", "jwksJson"}
_POOL_PAGES, _PROVIDER_PAGES = (50, 1000), (50, 100)
_MAX_AUDIENCES, _MAX_AUDIENCE = 10, 256
_MAX_KEYS = 8


class Pools:
    """The methods of ``projects.locations.workloadIdentityPools`` and ``….providers`` over one state.

    Every method that changes something answers an operation. ``begin`` decides what becomes of it: a planned failure
    keeps the change from happening.
    """

    def __init__(self, state: State, begin: Callable[[str, Callable[[], None]], Json]) -> None:
        self._state = state
        self._begin = begin

    # Pools

    def create_pool(self, project: str, query: Query, body: Json) -> Json:
        """``POST …/workloadIdentityPools?workloadIdentityPoolId=``."""
        pool_id = _checked_id(query.get("workloadIdentityPoolId", ""), "workload_identity_pool_id")
        _known_fields(body, _POOL_FIELDS)
        pool = Pool(pool_id, mode=_text(body, "mode", 64))
        _set_common(pool, body, {"displayName", "description", "disabled"})
        with self._state.lock:
            self._refuse_existing(lambda: self._state.pool(project, pool_id))
            return self._begin(self.pool_name(project, pool_id), lambda: self._state.add_pool(project, pool))

    def get_pool(self, project: str, pool_id: str) -> Json:
        """``GET …/POOL``; a deleted one is found too, for 30 days."""
        return self._pool_resource(project, self._state.pool(project, pool_id))

    def list_pools(self, project: str, query: Query) -> Json:
        """``GET …/workloadIdentityPools``."""
        pools = self._state.pools(project, show_deleted=_flag(query, "showDeleted"))
        resources = [self._pool_resource(project, pool) for pool in pools]
        return _page("workloadIdentityPools", resources, query, _POOL_PAGES)

    def patch_pool(self, project: str, pool_id: str, query: Query, body: Json) -> Json:
        """``PATCH …/POOL?updateMask=``."""
        _known_fields(body, _POOL_FIELDS)
        mask = _mask(query, {"displayName", "description", "disabled"})
        with self._state.lock:
            pool = self._state.pool(project, pool_id)
            _refuse_deleted(pool)
            _set_common(Pool(pool_id), body, mask)  # refused before anything changes
            return self._begin(self.pool_name(project, pool_id), lambda: _set_common(pool, body, mask))

    def delete_pool(self, project: str, pool_id: str) -> Json:
        """``DELETE …/POOL``: soft, for 30 days."""
        with self._state.lock:
            pool = self._state.pool(project, pool_id)
            _refuse_deleted(pool)
            return self._begin(self.pool_name(project, pool_id), lambda: self._delete(pool))

    def undelete_pool(self, project: str, pool_id: str) -> Json:
        """``POST …/POOL:undelete``."""
        with self._state.lock:
            pool = self._state.pool(project, pool_id)
            _refuse_living(pool)
            return self._begin(self.pool_name(project, pool_id), lambda: _undelete(pool))

    # Providers

    def create_provider(self, project: str, pool_id: str, query: Query, body: Json) -> Json:
        """``POST …/providers?workloadIdentityPoolProviderId=``."""
        provider_id = _checked_id(query.get("workloadIdentityPoolProviderId", ""), "workload_identity_pool_provider_id")
        provider = Provider(provider_id)
        _set_provider(provider, body, _PROVIDER_FIELDS - {"name", "state", "expireTime"})
        self._check_provider(provider)
        with self._state.lock:
            _refuse_deleted(self._state.pool(project, pool_id))
            self._refuse_existing(lambda: self._state.provider(project, pool_id, provider_id))
            return self._begin(
                self.provider_name(project, pool_id, provider_id),
                lambda: self._state.add_provider(project, pool_id, provider),
            )

    def get_provider(self, project: str, pool_id: str, provider_id: str) -> Json:
        """``GET …/providers/ID``."""
        return self._provider_resource(project, pool_id, self._state.provider(project, pool_id, provider_id))

    def list_providers(self, project: str, pool_id: str, query: Query) -> Json:
        """``GET …/providers``."""
        with self._state.lock:
            providers = [provider for _, provider in sorted(self._state.pool(project, pool_id).providers.items())]
            deleted = _flag(query, "showDeleted")
            resources = [
                self._provider_resource(project, pool_id, provider)
                for provider in providers
                if deleted or provider.deleted_at is None
            ]
        return _page("workloadIdentityPoolProviders", resources, query, _PROVIDER_PAGES)

    def patch_provider(self, project: str, pool_id: str, provider_id: str, query: Query, body: Json) -> Json:
        """``PATCH …/providers/ID?updateMask=``, leaf masks such as ``oidc.allowedAudiences`` too."""
        leaves = {f"oidc.{name}" for name in _OIDC_FIELDS}
        mask = _mask(query, (_PROVIDER_FIELDS - {"name", "state", "expireTime"}) | leaves)
        with self._state.lock:
            provider = self._state.provider(project, pool_id, provider_id)
            _refuse_deleted(provider)
            changed = Provider(**vars(provider))
            _set_provider(changed, body, mask)
            self._check_provider(changed)
            return self._begin(
                self.provider_name(project, pool_id, provider_id), lambda: vars(provider).update(vars(changed))
            )

    def delete_provider(self, project: str, pool_id: str, provider_id: str) -> Json:
        """``DELETE …/providers/ID``: soft, for 30 days."""
        with self._state.lock:
            provider = self._state.provider(project, pool_id, provider_id)
            _refuse_deleted(provider)
            return self._begin(self.provider_name(project, pool_id, provider_id), lambda: self._delete(provider))

    def undelete_provider(self, project: str, pool_id: str, provider_id: str) -> Json:
        """``POST …/providers/ID:undelete``."""
        with self._state.lock:
            provider = self._state.provider(project, pool_id, provider_id)
            _refuse_living(provider)
            return self._begin(self.provider_name(project, pool_id, provider_id), lambda: _undelete(provider))

    # Names, resources, rules

    def pool_name(self, project: str, pool_id: str) -> str:
        """The full resource name, with the project's number."""
        return f"projects/{self._state.project_number(project)}/locations/global/workloadIdentityPools/{pool_id}"

    def provider_name(self, project: str, pool_id: str, provider_id: str) -> str:
        """The full resource name, with the project's number."""
        return f"{self.pool_name(project, pool_id)}/providers/{provider_id}"

    def _pool_resource(self, project: str, pool: Pool) -> Json:
        fields = {"mode": pool.mode} if pool.mode else {}
        return {"name": self.pool_name(project, pool.pool_id)} | _common(pool) | fields

    def _provider_resource(self, project: str, pool_id: str, provider: Provider) -> Json:
        oidc: Json = {"issuerUri": provider.issuer_uri}
        if provider.allowed_audiences:
            oidc["allowedAudiences"] = list(provider.allowed_audiences)
        if provider.jwks_json:
            oidc["jwksJson"] = provider.jwks_json
        fields: Json = {"attributeMapping": dict(provider.attribute_mapping), "oidc": oidc}
        if provider.attribute_condition:
            fields["attributeCondition"] = provider.attribute_condition
        return {"name": self.provider_name(project, pool_id, provider.provider_id)} | _common(provider) | fields

    def _delete(self, resource: Pool | Provider) -> None:
        resource.deleted_at = self._state.clock.now()

    @staticmethod
    def _refuse_existing(find: Callable[[], object]) -> None:
        try:
            find()
        except ApiError:
            return
        raise of_refusal(RefusalKind.ALREADY_EXISTS)

    def _check_provider(self, provider: Provider) -> None:
        allowed = self._state.issuer_allow_list
        if allowed is not None and provider.issuer_uri not in allowed:
            refusal = Refusal.of(RefusalKind.ORG_POLICY, value=provider.issuer_uri)
            violation = {
                "type": "constraints/iam.workloadIdentityPoolProviders",
                "subject": "orgpolicy",
                "description": refusal.description,
            }
            detail = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [violation]}
            raise ApiError("FAILED_PRECONDITION", "Precondition check failed.", [detail])
        problems = lint_provider(provider.attribute_mapping, provider.attribute_condition, provider.issuer_uri)
        if problems:
            raise ApiError("INVALID_ARGUMENT", problems[0].message)
        _check_audiences(provider.allowed_audiences)
        _check_jwks(provider.jwks_json)


def _checked_id(value: str, field: str) -> str:
    if not _ID.fullmatch(value):
        raise ApiError("INVALID_ARGUMENT", f"Invalid {field}: it must be 4-32 characters of [a-z0-9-], not gcp-….")
    return value


def _known_fields(body: Json, known: set[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        raise ApiError("INVALID_ARGUMENT", f'Invalid JSON payload received. Unknown name "{unknown[0][:100]}"')


def _text(body: Json, field: str, limit: int) -> str:
    value = body.get(field) or ""
    if not isinstance(value, str):
        raise ApiError("INVALID_ARGUMENT", f"Invalid value at '{field}' (TYPE_STRING)")
    if len(value) > limit:
        raise ApiError("INVALID_ARGUMENT", f"The value of {field} exceeds {limit} characters.")
    return value


def _set_common(resource: Pool | Provider, body: Json, mask: set[str]) -> None:
    name, description = _text(body, "displayName", 32), _text(body, "description", 256)
    disabled = body.get("disabled", False)
    if not isinstance(disabled, bool):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'disabled' (TYPE_BOOL)")
    if "displayName" in mask:
        resource.display_name = name
    if "description" in mask:
        resource.description = description
    if "disabled" in mask:
        resource.disabled = disabled


def _set_provider(provider: Provider, body: Json, mask: set[str]) -> None:
    _known_fields(body, _PROVIDER_FIELDS)
    _set_common(provider, body, mask)
    mapping = body.get("attributeMapping") or {}
    if not isinstance(mapping, dict) or not all(isinstance(value, str) for value in mapping.values()):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'attribute_mapping' (MAP)")
    oidc = body.get("oidc") or {}
    if not isinstance(oidc, dict):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'oidc'")
    _known_fields(oidc, _OIDC_FIELDS)
    audiences = oidc.get("allowedAudiences") or []
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise ApiError("INVALID_ARGUMENT", "Invalid value at 'oidc.allowed_audiences' (TYPE_STRING)")
    condition = _text(body, "attributeCondition", 1 << 20)
    issuer, jwks = _text(oidc, "issuerUri", 2000), _text(oidc, "jwksJson", 1 << 16)
    if "attributeMapping" in mask:
        provider.attribute_mapping = dict(mapping)  # replaced whole, as Google does
    if "attributeCondition" in mask:
        provider.attribute_condition = condition
    if mask & {"oidc", "oidc.issuerUri"}:
        provider.issuer_uri = issuer
    if mask & {"oidc", "oidc.allowedAudiences"}:
        provider.allowed_audiences = list(audiences)
    if mask & {"oidc", "oidc.jwksJson"}:
        provider.jwks_json = jwks


def _check_audiences(audiences: list[str]) -> None:
    if len(audiences) > _MAX_AUDIENCES or any(not 0 < len(each) <= _MAX_AUDIENCE for each in audiences):
        raise ApiError(
            "INVALID_ARGUMENT", f"At most {_MAX_AUDIENCES} allowed audiences of {_MAX_AUDIENCE} characters each."
        )


def _check_jwks(text: str) -> None:
    """Google: at most 8 keys, RSA or EC P-256, each with a key ID; the sentence is documented."""
    if not text:
        return
    refusal = ApiError("INVALID_ARGUMENT", "Input JWK is not in a valid json format.")
    try:
        keys = KeySet.import_key_set(json.loads(text)).keys
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise refusal from None
    if not 0 < len(keys) <= _MAX_KEYS or not all(key.kid for key in keys):
        raise refusal
    if not all(isinstance(key, RSAKey) or (isinstance(key, ECKey) and key.curve_name == "P-256") for key in keys):
        raise refusal


def _mask(query: Query, allowed: set[str]) -> set[str]:
    text = query.get("updateMask", "")
    camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), text)
    names = {name.strip() for name in camel.split(",") if name.strip()}
    if not names or not names <= allowed:
        raise ApiError("INVALID_ARGUMENT", "Invalid update mask.")
    return names


def _flag(query: Query, name: str) -> bool:
    return query.get(name, "").lower() == "true"


def _page(field: str, resources: list[Json], query: Query, sizes: tuple[int, int]) -> Json:
    try:
        size = int(query.get("pageSize") or sizes[0])
        begin = int(query.get("pageToken") or 0)
    except ValueError:
        raise ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.") from None
    if size < 0 or begin < 0:
        raise ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.")
    end = begin + min(size or sizes[0], sizes[1])
    page: Json = {field: resources[begin:end]} if resources[begin:end] else {}
    return page | ({"nextPageToken": str(end)} if end < len(resources) else {})


def _refuse_deleted(resource: Pool | Provider) -> None:
    if resource.deleted_at is not None:
        raise not_found()


def _refuse_living(resource: Pool | Provider) -> None:
    if resource.deleted_at is None:
        raise ApiError("FAILED_PRECONDITION", "The resource is not deleted.")


def _undelete(resource: Pool | Provider) -> None:
    resource.deleted_at = None


def _common(resource: Pool | Provider) -> Json:
    """Display name, description, state; fields with their default value are left out, as Google does."""
    fields: Json = {"state": "ACTIVE"}
    if resource.deleted_at is not None:
        expires = datetime.fromtimestamp(resource.deleted_at + SOFT_DELETE_SECONDS, UTC)
        fields = {"state": "DELETED", "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if resource.display_name:
        fields["displayName"] = resource.display_name
    if resource.description:
        fields["description"] = resource.description
    if resource.disabled:
        fields["disabled"] = True
    return fields
