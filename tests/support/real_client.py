"""google-auth's own exchange and impersonation against the emulator."""

from typing import Any

from google.auth import identity_pool
from google.auth.transport.requests import Request
from google_setup import Google

__all__ = ["SCOPES", "Supplier", "login"]

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


class Supplier(identity_pool.SubjectTokenSupplier):
    """Gives google-auth a token that stands in no file."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_subject_token(self, context: Any, request: Any) -> str:
        return self.token


def login(google: Google, token: str | None = None, **changes: Any) -> Any:
    """Credentials after one exchange; raises google-auth's error where Google refuses."""
    http = google.emulator.http
    impersonation = f"{http}/v1/projects/-/serviceAccounts/{google.account}:generateAccessToken"
    config = {
        "audience": google.provider.audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{http}/v1/token",
        "service_account_impersonation_url": impersonation,
        "subject_token_supplier": Supplier(google.emulator.token() if token is None else token),
    } | changes
    credentials = identity_pool.Credentials(**config, scopes=SCOPES)
    credentials.refresh(Request())
    return credentials
