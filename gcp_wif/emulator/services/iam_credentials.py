"""IAM Credentials v1: impersonation of a service account by a federated identity or by another account."""

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import Any

from gcp_wif.emulator.model.accounts import Account
from gcp_wif.emulator.model.errors import invalid, of_refusal, permission_denied
from gcp_wif.emulator.model.messages import Field, read
from gcp_wif.emulator.model.state import AccessToken
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.refusals import RefusalKind

__all__ = ["generate_access_token", "generate_id_token", "sign_blob", "sign_jwt"]

_ACCESS = {"delegates": Field("strings"), "scope": Field("strings"), "lifetime": Field("string")}
_IDENTITY = {
    "delegates": Field("strings"),
    "audience": Field("string"),
    "includeEmail": Field("bool"),
    "organizationNumberIncluded": Field("bool"),
}
_SIGN = {"delegates": Field("strings"), "payload": Field("string")}
_DENIED = {"getAccessToken": RefusalKind.IMPERSONATION_DENIED, "getOpenIdToken": RefusalKind.ID_TOKEN_DENIED}
_DURATION = re.compile(r"([0-9]{1,9})(?:\.[0-9]{1,9})?s")
_URL_SAFE = str.maketrans("-_", "+/")  # bytes come in either alphabet (protobuf JSON mapping)
_SCOPES = frozenset(f"https://www.googleapis.com/auth/{name}" for name in ("cloud-platform", "iam"))
"""The scopes that the methods of this API take (IAM Credentials v1, discovery)."""

_HOUR = 3600
_LONGEST = 43_200
_DELEGATE = "projects/-/serviceAccounts/"


def generate_access_token(call: Call, project: str, account: str) -> Answer:
    """``POST projects/-/serviceAccounts/ACCOUNT:generateAccessToken``.

    Raises:
        ApiError: UNAUTHENTICATED without a token; PERMISSION_DENIED where no binding admits the caller (the same for
            a missing account), or where the account is disabled; INVALID_ARGUMENT for scope and lifetime.
    """
    caller = _caller(call, project)
    body = read(dict(call.body), _ACCESS, "request")
    scope: list[str] = body.get("scope", [])
    if not scope or not all(scope):
        raise invalid("Request contains an invalid argument.", "scope")
    found = _impersonated(call, caller, account, body, "getAccessToken")
    lifetime = _lifetime(body.get("lifetime", "3600s"), found.email in call.state.long_lived_accounts, found.email)
    expires_at = int(call.state.clock.now()) + lifetime
    grant = AccessToken((found.member,), found.unique_id, None, expires_at, " ".join(scope))
    return {
        "accessToken": call.state.issue(grant, "ya29.c."),
        # google-auth parses exactly this form, without fractions (observed with 2.62).
        "expireTime": datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def generate_id_token(call: Call, project: str, account: str) -> Answer:
    """``POST projects/-/serviceAccounts/ACCOUNT:generateIdToken``: a Google-shaped ID token for the account.

    Raises:
        ApiError: as `generate_access_token`.
    """
    caller = _caller(call, project)
    body = read(dict(call.body), _IDENTITY, "request")
    if not body.get("audience"):
        raise invalid("Request contains an invalid argument.", "audience")
    found = _impersonated(call, caller, account, body, "getOpenIdToken")
    claims: dict[str, Any] = {"iss": "https://accounts.google.com", "aud": body["audience"]}
    claims |= {"azp": found.unique_id, "sub": found.unique_id}
    if body.get("includeEmail"):
        claims |= {"email": found.email, "email_verified": True}
    now = int(call.state.clock.now())
    return {"token": call.keys.identity.sign_jwt(json.dumps({**claims, "iat": now, "exp": now + _HOUR}))}


def sign_blob(call: Call, project: str, account: str) -> Answer:
    """``POST projects/-/serviceAccounts/ACCOUNT:signBlob``: how signed URLs are made without a key.

    Raises:
        ApiError: as `generate_access_token`.
    """
    caller = _caller(call, project)
    body = read(dict(call.body), _SIGN, "request")
    try:
        payload = base64.b64decode(body.get("payload", "").translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Invalid value at 'payload' (TYPE_BYTES), Base64 decoding failed", "payload") from None
    found = _impersonated(call, caller, account, body, "signBlob")
    key = call.keys.of_account(found.unique_id, found.email)
    return {"keyId": key.key_id, "signedBlob": base64.b64encode(key.sign(payload)).decode()}


def sign_jwt(call: Call, project: str, account: str) -> Answer:
    """``POST projects/-/serviceAccounts/ACCOUNT:signJwt``: how domain-wide delegation begins without a key.

    Raises:
        ApiError: as `generate_access_token`; INVALID_ARGUMENT for a payload that is no JSON object, or whose ``exp`` is
            past or more than 12 hours away.
    """
    caller = _caller(call, project)
    body = read(dict(call.body), _SIGN, "request")
    payload = body.get("payload", "")
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise invalid("Request contains an invalid argument.", "payload")
    expires, now = claims.get("exp"), call.state.clock.now()
    if "exp" in claims and not (type(expires) is int and now < expires <= now + _LONGEST):
        raise invalid("Request contains an invalid argument.", "payload")
    found = _impersonated(call, caller, account, body, "signJwt")
    key = call.keys.of_account(found.unique_id, found.email)
    return {"keyId": key.key_id, "signedJwt": key.sign_jwt(payload)}


def _caller(call: Call, project: str) -> AccessToken:
    if call.caller is None:  # there is no admin without credentials here: the token is what the call is about
        raise of_refusal(RefusalKind.CREDENTIALS_UNACCEPTED)
    if _SCOPES.isdisjoint(call.caller.scope.split()):
        raise of_refusal(RefusalKind.SCOPES_INSUFFICIENT, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    if project != "-":  # "The - wildcard character is required; replacing it with a project ID is invalid"
        raise invalid("Request contains an invalid argument.", "name")
    return call.caller


def _impersonated(call: Call, caller: AccessToken, name: str, body: dict[str, Any], verb: str) -> Account:
    """The account at the end of the delegation chain, each link of which must be allowed.

    A delegate needs ``iam.serviceAccounts.implicitDelegation``, which roles/iam.workloadIdentityUser does not carry.
    """
    delegates: list[str] = body.get("delegates", [])
    if not all(each.startswith(_DELEGATE) for each in delegates):
        raise invalid("Request contains an invalid argument.", "delegates")
    links = [(each.removeprefix(_DELEGATE), "implicitDelegation") for each in delegates]
    for link, each in links:
        found = _permitted(call, caller, link, each, verb)
        caller = AccessToken((found.member,), found.unique_id, None, caller.expires_at, caller.scope)
    return _permitted(call, caller, name, verb, verb)


def _permitted(call: Call, caller: AccessToken, name: str, verb: str, asked: str) -> Account:
    """The account, if the caller may ``verb``; a refusal names what was ``asked`` for."""
    found = call.state.accounts.find(name)
    permission = f"iam.serviceAccounts.{verb}"
    if found is None or not call.state.allows(caller, permission, project=found.project, account=found):
        kind = _DENIED.get(asked)
        raise of_refusal(kind, "IAM_PERMISSION_DENIED") if kind else permission_denied(f"iam.serviceAccounts.{asked}")
    if found.disabled:
        raise of_refusal(RefusalKind.ACCOUNT_DISABLED, account=found.email)
    return found


def _lifetime(text: str, may_be_long: bool, email: str) -> int:
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) if match else 0
    if not 0 < seconds <= _LONGEST:
        raise invalid("The access token lifetime is invalid: it must be 1 to 43200 seconds.", "lifetime")
    if seconds > _HOUR and not may_be_long:
        raise of_refusal(RefusalKind.LIFETIME_TOO_LONG, account=email)
    return seconds
