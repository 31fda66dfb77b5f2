"""IAM Credentials v1: impersonation of a service account by a federated identity or by another account."""

import re
from datetime import UTC, datetime
from typing import Any

from gcp_wif.emulator.errors import ApiError, of_refusal
from gcp_wif.emulator.issuer import Issuer
from gcp_wif.emulator.state import Account, Grant, State
from gcp_wif.refusals import RefusalKind

__all__ = ["WORKLOAD_IDENTITY_USER", "bearer", "generate_access_token", "generate_id_token"]

WORKLOAD_IDENTITY_USER = "roles/iam.workloadIdentityUser"
_TOKEN_CREATOR = "roles/iam.serviceAccountTokenCreator"  # noqa: S105 - a role's name
_ID_TOKEN_CREATOR = "roles/iam.serviceAccountOpenIdTokenCreator"  # noqa: S105 - a role's name
_DURATION = re.compile(r"([0-9]{1,9})(?:\.[0-9]{1,9})?s")
_HOUR = 3600
_LONGEST = 43_200
_DELEGATE = "projects/-/serviceAccounts/"


def bearer(state: State, authorization: str) -> Grant:
    """Who calls, from the ``Authorization`` header.

    Raises:
        ApiError: UNAUTHENTICATED where there is no token, or one that is unknown or has expired.
    """
    scheme, _, token = authorization.partition(" ")
    grant = state.grant(token.strip()) if scheme.lower() == "bearer" else None
    if grant is None:
        raise of_refusal(RefusalKind.CREDENTIALS_UNACCEPTED)
    return grant


def generate_access_token(state: State, caller: Grant, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """``POST …:generateAccessToken``.

    Raises:
        ApiError: PERMISSION_DENIED where no binding admits the caller (the same for a missing account), where the
            account is disabled; INVALID_ARGUMENT for scope and lifetime.
    """
    scope = body.get("scope")
    if not isinstance(scope, list) or not scope or not all(isinstance(each, str) and each for each in scope):
        raise ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.")
    account = _impersonated(
        state, caller, name, body, RefusalKind.IMPERSONATION_DENIED, {WORKLOAD_IDENTITY_USER, _TOKEN_CREATOR}
    )
    lifetime = _lifetime(body.get("lifetime", "3600s"), account.email in state.long_lived_accounts, account.email)
    expires_at = int(state.clock.now()) + lifetime
    member = f"serviceAccount:{account.email}"
    grant = Grant((member,), account.email, expires_at, " ".join(scope))
    return {
        "accessToken": state.issue(grant, "ya29.c."),
        # google-auth parses exactly this form, without fractions (observed with 2.62).
        "expireTime": datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def generate_id_token(state: State, issuer: Issuer, caller: Grant, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """``POST …:generateIdToken``: a Google-shaped ID token for the account.

    Raises:
        ApiError: as `generate_access_token`.
    """
    audience = body.get("audience")
    if not isinstance(audience, str) or not audience:
        raise ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.")
    roles = {WORKLOAD_IDENTITY_USER, _TOKEN_CREATOR, _ID_TOKEN_CREATOR}
    account = _impersonated(state, caller, name, body, RefusalKind.ID_TOKEN_DENIED, roles)
    claims: dict[str, Any] = {"iss": "https://accounts.google.com", "aud": audience, "azp": account.unique_id}
    claims |= {"sub": account.unique_id}
    if body.get("includeEmail"):
        claims |= {"email": account.email, "email_verified": True}
    return {"token": issuer.sign_claims(claims, now=state.clock.now())}


def _impersonated(
    state: State, caller: Grant, name: str, body: dict[str, Any], denied: RefusalKind, roles: set[str]
) -> Account:
    """The account at the end of the delegation chain, each link of which must be allowed."""
    delegates = body.get("delegates") or []
    if not isinstance(delegates, list) or not all(isinstance(each, str) for each in delegates):
        raise ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.")
    principals: tuple[str, ...] = caller.principals
    account = None
    for link in [*(each.removeprefix(_DELEGATE) for each in delegates), name]:
        try:
            account = state.account("-", link)
        except ApiError:
            raise of_refusal(denied, "IAM_PERMISSION_DENIED") from None
        if not any(state.grants_role(account.policy, role, principals) for role in roles):
            raise of_refusal(denied, "IAM_PERMISSION_DENIED")
        if account.disabled:
            raise of_refusal(RefusalKind.ACCOUNT_DISABLED, account=account.email)
        principals = (f"serviceAccount:{account.email}",)
    if account is None:
        raise of_refusal(denied, "IAM_PERMISSION_DENIED")
    return account


def _lifetime(text: object, may_be_long: bool, email: str) -> int:
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    seconds = int(match[1]) if match else 0
    if not 0 < seconds <= _LONGEST:
        raise ApiError("INVALID_ARGUMENT", "The access token lifetime is invalid.")
    if seconds > _HOUR and not may_be_long:
        raise of_refusal(RefusalKind.LIFETIME_TOO_LONG, account=email)
    return seconds
