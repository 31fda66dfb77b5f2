"""``oauth2.googleapis.com``: a service account's signed JWT for an access token (RFC 7523, section 2.1).

With a ``sub`` it is domain-wide delegation, which a Workspace admin allows by account and scope; here the setting
``delegated_accounts`` does. Sentences are Google's ("Using OAuth 2.0 for server to server applications"); which of
several faults is named first is assumed.
"""

import json
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from gcp_wif.emulator.model.errors import StsError
from gcp_wif.emulator.model.state import AccessToken
from gcp_wif.emulator.services.gateway import Answer, Call

__all__ = ["exchange_assertion"]

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token")
_HOUR = 3600
_NOT_DELEGATED = (
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the "
    "scopes requested."
)


def exchange_assertion(call: Call) -> Answer:
    """``POST /token``.

    Raises:
        StsError: in Google's words.
    """
    if call.body.get("grant_type") != _GRANT:
        raise StsError("unsupported_grant_type", f"Invalid grant_type: {call.body.get('grant_type', '')}")
    token = str(call.body.get("assertion", ""))
    claims = _claims(token)
    account = call.state.accounts.find(str(claims.get("iss", "")))
    if account is None or account.disabled:
        raise StsError("invalid_grant", "Invalid grant: account not found")
    try:
        call.keys.of_account(account.unique_id, account.email).verify_jwt(token)
    except (JoseError, ValueError):
        raise StsError("invalid_grant", "Invalid JWT Signature.") from None
    now = call.state.clock.now()
    issued, expires = claims.get("iat"), claims.get("exp")
    if not (
        isinstance(issued, int | float)
        and isinstance(expires, int | float)
        and expires > now >= issued - 60
        and expires - issued <= _HOUR
    ):
        raise StsError(
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat "
            "and exp values in the JWT claim.",
        )
    if claims.get("aud") not in _AUDIENCES:
        raise StsError("invalid_grant", "Invalid JWT: Failed audience check.")
    scope = str(claims.get("scope", ""))
    if not scope.split():
        raise StsError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    subject = claims.get("sub")
    if subject and subject != account.email:
        if account.email not in call.state.settings.delegated_accounts:
            raise StsError("unauthorized_client", _NOT_DELEGATED, 401)
        granted = AccessToken((f"user:{subject}",), None, None, now + _HOUR, scope)
    else:
        granted = AccessToken((account.member,), account.unique_id, None, now + _HOUR, scope)
    return {"access_token": call.state.issue(granted, "ya29.a."), "expires_in": _HOUR - 1, "token_type": "Bearer"}


def _claims(token: str) -> dict[str, Any]:
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload)
    except (JoseError, ValueError, RecursionError, TypeError, AttributeError):
        claims = None
    if not isinstance(claims, dict):
        raise StsError("invalid_grant", "Bad Request")
    return claims
