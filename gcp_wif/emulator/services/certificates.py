"""``www.googleapis.com``: the keys by which Google's ID tokens and service accounts' signatures are verified.

Paths are those of Google's pages on ID tokens and of the discovery document of IAM Credentials (signJwt, ``keyId``).
"""

from gcp_wif.emulator.model.errors import not_found
from gcp_wif.emulator.model.google_keys import SigningKey
from gcp_wif.emulator.services.gateway import Answer, Call

__all__ = ["account_certificates", "account_keys", "google_certificates", "google_keys"]


def google_certificates(call: Call) -> Answer:
    """``GET /oauth2/v1/certs``: PEM certificates by key ID."""
    return _certificates(call.keys.identity)


def google_keys(call: Call) -> Answer:
    """``GET /oauth2/v3/certs``: a JWKS."""
    return {"keys": [call.keys.identity.public_jwk()]}


def account_certificates(call: Call, account: str) -> Answer:
    """``GET /service_accounts/v1/metadata/x509/ACCOUNT``, also under ``/robot/v1``.

    Raises:
        ApiError: NOT_FOUND.
    """
    return _certificates(_key(call, account))


def account_keys(call: Call, account: str) -> Answer:
    """``GET /service_accounts/v1/metadata/jwk/ACCOUNT`` and ``…/jwk/ACCOUNT``: a JWKS.

    Raises:
        ApiError: NOT_FOUND.
    """
    return {"keys": [_key(call, account).public_jwk()]}


def _certificates(key: SigningKey) -> Answer:
    return {key.key_id: key.certificate()}


def _key(call: Call, name: str) -> SigningKey:
    account = call.state.accounts.find(name)
    if account is None:
        raise not_found()
    return call.keys.of_account(account.unique_id, account.email)
