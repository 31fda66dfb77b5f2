"""The admin's credentials: application default ones, impersonating an account where that is asked for."""

from typing import Any

import google.auth
from google.auth import credentials as auth_credentials
from google.auth import exceptions, impersonated_credentials

from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, from_outside
from gcp_wif.names import ServiceAccountEmail

__all__ = ["admin_credentials"]

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def admin_credentials(endpoints: Endpoints, impersonate: ServiceAccountEmail | None) -> auth_credentials.Credentials:
    """Application default credentials, or those of ``impersonate`` made from them.

    The emulator needs none, so application default credentials are not even looked for there, unless an account is to
    be impersonated.

    Raises:
        InputError: WIF810 where there are none.
    """
    if endpoints.emulator and impersonate is None:
        return auth_credentials.AnonymousCredentials()
    try:
        found: Any
        found, _ = google.auth.default(scopes=_SCOPES)
    except exceptions.DefaultCredentialsError as error:
        raise InputError(
            f"There are no application default credentials: {from_outside(str(error))}",
            hint="On a workstation run `gcloud auth application-default login`; in CI use an identity for admins. "
            "To try it without Google set GCP_WIF_EMULATOR_HOST and GCP_WIF_EMULATOR_GRPC_HOST.",
            code="WIF810",
        ) from None
    if impersonate is None:
        return found  # type: ignore[no-any-return]  # google-auth has no annotations
    override = endpoints.impersonation_url(impersonate) if endpoints.emulator else None
    return impersonated_credentials.Credentials(found, str(impersonate), list(_SCOPES), iam_endpoint_override=override)
