"""The Security Token Service: token exchange (RFC 8693) and introspection (RFC 7662).

Sentences and codes are those of `gcp_wif.refusals`. The order of the checks is assumed.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gcp_wif.emulator.model.errors import StsError
from gcp_wif.emulator.model.state import AccessToken, State
from gcp_wif.emulator.model.token_issuer import JWS, uploaded_keys
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.errors import GcpWifError
from gcp_wif.federation import ProviderRules, check_token, evaluate
from gcp_wif.limits import MAX_TOKEN_BYTES
from gcp_wif.names import ProviderName
from gcp_wif.refusals import Refusal, RefusalKind
from gcp_wif.subject_token import JWT_TOKEN_TYPES

__all__ = ["exchange", "introspect"]

_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name
_LIFETIME_SECONDS = 3600
_SCOPE = re.compile(r"https://[a-z0-9.-]+/[A-Za-z0-9._/-]*|openid|email|profile")


def exchange(call: Call) -> Answer:
    """``POST /v1/token``: a subject token for a federated token that lives min(exp - now, 1 hour) (observed once).

    Raises:
        StsError: in Google's words.
    """
    form, state = call.body, call.state
    if not state.use("sts", state.settings.sts_per_minute):
        raise StsError.of(Refusal.of(RefusalKind.THROTTLED))
    _require(form, "grant_type", _GRANT)
    _require(form, "requested_token_type", _ACCESS_TOKEN)
    if form.get("subject_token_type") not in JWT_TOKEN_TYPES:
        raise StsError.of(Refusal.of(RefusalKind.TOKEN_TYPE_UNSUPPORTED))
    _check_scope(form.get("scope", ""))
    _check_options(form.get("options", ""))
    rules = _provider(state, form.get("audience", ""))
    # Assumed: Google takes a token with a newline behind it. Many recipes write one into the token's file with `echo`,
    # and Google's libraries for Python and Node send it along.
    token = form.get("subject_token", "").rstrip("\r\n")
    header, claims = _parse(token)

    now = state.clock.now()
    for step in check_token(header, claims, rules, now):
        if step.refusal:
            raise StsError.of(step.refusal)
    _verify(token, header, _keys(call, rules))
    decision = evaluate(claims, rules)
    if decision.refusal:
        raise StsError.of(decision.refusal)

    lifetime = max(1, min(int(claims["exp"] - now), _LIFETIME_SECONDS))
    grant = AccessToken(decision.principals, None, rules.name.pool, now + lifetime, form["scope"])
    return {
        "access_token": state.issue(grant, "ya29.d."),
        "issued_token_type": _ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": lifetime,
    }


def introspect(call: Call) -> Answer:
    """``POST /v1/introspect``; ``username`` is the subject's principal, which gcloud shows as the account.

    Fields are those of Google's page on the method; what it answers for a service account's token is assumed.

    Raises:
        StsError: there is no token.
    """
    token = call.body.get("token", "")
    if not token:
        raise StsError("invalid_request", 'Invalid value for "token". It is required.')
    grant = call.state.grant(token)
    if grant is None:
        return {"active": False}
    subject = next((each for each in grant.principals if each.startswith("principal://")), grant.principals[0])
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


def _require(form: Mapping[str, str], name: str, allowed: str) -> None:
    if form.get(name) != allowed:
        error = "unsupported_grant_type" if name == "grant_type" else "invalid_request"
        raise StsError(error, f'Invalid value for "{name}". The supported value is {allowed}.')


def _check_scope(text: str) -> None:
    """Scopes are Google's own URLs, and the short names of OpenID Connect; the sentences are assumed.

    Raises:
        StsError: there is none, or one that is neither.
    """
    scopes = text.split()
    if not scopes:
        raise StsError("invalid_scope", 'Invalid value for "scope". At least one scope is required.')
    if not all(_SCOPE.fullmatch(scope) for scope in scopes):
        raise StsError.of(Refusal.of(RefusalKind.SCOPE_INVALID))


def _check_options(text: str) -> None:
    """``options`` is a JSON object, which google-auth sends percent-encoded (observed with 2.62)."""
    if not text:
        return
    try:
        options = json.loads(unquote(text))
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        raise StsError("invalid_request", 'Invalid value for "options". It should be a JSON object.')


def _provider(state: State, audience: str) -> ProviderRules:
    malformed = StsError.of(Refusal.of(RefusalKind.AUDIENCE_MALFORMED))
    if not audience.startswith("//iam.googleapis.com/"):
        raise malformed
    try:
        name = ProviderName.parse(audience, origin="audience")
    except GcpWifError:
        raise malformed from None
    found = None if state.is_missing(name.project_number) else state.pools.usable_provider(name)
    if found is None:
        raise StsError.of(Refusal.of(RefusalKind.TARGET_UNUSABLE))
    return found


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims."""
    malformed = StsError.of(Refusal.of(RefusalKind.TOKEN_UNREADABLE))
    if not token or len(token) > MAX_TOKEN_BYTES:
        raise malformed
    try:
        extracted = jws.extract_compact(token.encode(), registry=JWS)
        header, claims = extracted.headers(), json.loads(extracted.payload)
    except (JoseError, ValueError, RecursionError, TypeError, AttributeError):
        raise malformed from None
    if not isinstance(claims, dict) or not isinstance(header, dict):
        raise malformed
    return header, claims


def _keys(call: Call, rules: ProviderRules) -> KeySet:
    """The keys that the provider trusts: an uploaded JWKS, else the issuer's.

    Raises:
        StsError: a setting says that the issuer is unreachable.
    """
    if rules.uploaded_keys:
        try:
            return uploaded_keys(rules.uploaded_keys)
        except ValueError:
            # IAM takes no such JWKS, but `Emulator.provision` does.
            raise StsError.of(Refusal.of(RefusalKind.ISSUER_UNREACHABLE)) from None
    if {rules.issuer, urlsplit(rules.issuer).hostname} & call.state.settings.unreachable_issuers:
        raise StsError.of(Refusal.of(RefusalKind.ISSUER_UNREACHABLE))
    return call.issuer.key_set


def _verify(token: str, header: Mapping[str, Any], keys: KeySet) -> None:
    known = [key for key in keys.keys if key.kid == header.get("kid")]
    if not known:
        raise StsError.of(Refusal.of(RefusalKind.ISSUER_UNREACHABLE))
    try:
        jws.deserialize_compact(token, KeySet(known), registry=JWS)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise StsError.of(Refusal.of(RefusalKind.SIGNATURE_INVALID)) from None
