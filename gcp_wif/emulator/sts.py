"""The Security Token Service: token exchange (RFC 8693) and introspection (RFC 7662).

Sentences and codes are those of `gcp_wif.refusals`. The order of the checks is assumed.
"""

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gcp_wif.emulator.errors import StsError
from gcp_wif.emulator.issuer import Issuer
from gcp_wif.emulator.state import Grant, State
from gcp_wif.errors import GcpWifError
from gcp_wif.federation import ProviderRules, check_token, evaluate
from gcp_wif.names import ProviderName
from gcp_wif.refusals import Refusal, RefusalKind
from gcp_wif.subject_token import JWT_TOKEN_TYPES, MAX_TOKEN_BYTES

__all__ = ["exchange", "introspect"]

_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name
_LIFETIME_SECONDS = 3600


def exchange(state: State, issuer: Issuer, form: Mapping[str, str]) -> dict[str, Any]:
    """``POST /v1/token``: a subject token for a federated token that lives min(exp - now, 1 hour) (observed once).

    Raises:
        StsError: in Google's words.
    """
    _require(form, "grant_type", {_GRANT})
    _require(form, "requested_token_type", {_ACCESS_TOKEN})
    if form.get("subject_token_type") not in JWT_TOKEN_TYPES:
        raise StsError.of(Refusal.of(RefusalKind.TOKEN_TYPE_UNSUPPORTED))
    if not form.get("scope", "").strip():
        raise StsError("invalid_scope", 'Invalid value for "scope". At least one scope is required.')
    rules, uploaded = _provider(state, form.get("audience", ""))
    header, claims = _parse(form.get("subject_token", ""))

    now = state.clock.now()
    for step in check_token(header, claims, rules, now):
        if step.refusal:
            raise StsError.of(step.refusal)
    _verify(form["subject_token"], _keys(uploaded, issuer))
    decision = evaluate(claims, rules)
    if decision.refusal:
        raise StsError.of(decision.refusal)

    lifetime = min(int(claims["exp"] - now), _LIFETIME_SECONDS)
    grant = Grant(decision.principals, None, now + lifetime, form["scope"])
    return {
        "access_token": state.issue(grant, "ya29.d."),
        "issued_token_type": _ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": lifetime,
    }


def introspect(state: State, form: Mapping[str, str]) -> dict[str, Any]:
    """``POST /v1/introspect``; the fields are those of RFC 7662, ``username`` is the subject principal (assumed)."""
    token = form.get("token", "")
    grant = state.grant(token)
    if grant is None:
        return {"active": False}
    subject = next((each for each in grant.principals if each.startswith("principal://")), grant.account or "")
    return {
        "active": True,
        "scope": grant.scope,
        "client_id": "",
        "username": subject,
        "token_type": "Bearer",
        "exp": int(grant.expires_at),
        "iss": "https://sts.googleapis.com/",
        "sub": subject,
    }


def _require(form: Mapping[str, str], name: str, allowed: set[str]) -> None:
    if form.get(name) not in allowed:
        error = "unsupported_grant_type" if name == "grant_type" else "invalid_request"
        raise StsError(error, f'Invalid value for "{name}". The supported value is {" or ".join(sorted(allowed))}.')


def _provider(state: State, audience: str) -> tuple[ProviderRules, str]:
    try:
        name = ProviderName.parse(audience, origin="audience")
    except GcpWifError:
        raise StsError.of(Refusal.of(RefusalKind.AUDIENCE_MALFORMED)) from None
    if not audience.startswith("//iam.googleapis.com/"):
        raise StsError.of(Refusal.of(RefusalKind.AUDIENCE_MALFORMED))
    found = state.usable_provider(name)
    if found is None:
        raise StsError.of(Refusal.of(RefusalKind.TARGET_UNUSABLE))
    return found[1], found[0].jwks_json


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims; the sentence for something that is no JWT is assumed."""
    malformed = StsError("invalid_request", "Unable to parse the ID Token.")
    if not token or len(token) > MAX_TOKEN_BYTES:
        raise malformed
    try:
        extracted = jws.extract_compact(token.encode())
        header, claims = extracted.headers(), json.loads(extracted.payload)
    except (JoseError, ValueError, RecursionError, TypeError, AttributeError):
        raise malformed from None
    if not isinstance(claims, dict):
        raise malformed
    return header, claims


def _keys(uploaded: str, issuer: Issuer) -> KeySet:
    return KeySet.import_key_set(json.loads(uploaded)) if uploaded else issuer.key_set


def _verify(token: str, keys: KeySet) -> None:
    kid = jws.extract_compact(token.encode()).headers()["kid"]
    if not any(key.kid == kid for key in keys.keys):
        raise StsError.of(Refusal.of(RefusalKind.ISSUER_UNREACHABLE))
    try:
        jws.deserialize_compact(token, keys, algorithms=["RS256", "ES256"])
    except (JoseError, ValueError, TypeError):
        raise StsError.of(Refusal.of(RefusalKind.SIGNATURE_INVALID)) from None
