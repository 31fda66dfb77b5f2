"""What a token becomes on the emulator: through STS, then impersonation of every account, and every role of direct
federation."""

from collections.abc import Mapping
from typing import Any

from gcp_wif.emulator import Emulator
from gcp_wif.emulator.model.errors import ApiError, StsError
from gcp_wif.emulator.services import iam_credentials, resource_manager, sts
from gcp_wif.emulator.services.gateway import Request
from gcp_wif.manifest import Manifest

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "scope": SCOPE,
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
}


def becomes(google: Emulator, token: str, manifest: Manifest) -> set[str]:
    """The identities of the manifest that the token is."""
    asked = {**_EXCHANGE, "audience": manifest.provider_name.audience, "subject_token": token}
    answer = _call(google, "sts.token", sts.exchange, asked)
    if answer is None:
        return set()
    bearer = f"Bearer {answer['access_token']}"
    granted = set()
    for name, identity in manifest.identities.items():
        if identity.service_account:
            answer = _call(
                google, "iamcredentials.generateAccessToken", iam_credentials.generate_access_token,
                {"scope": [SCOPE]}, bearer, project="-", account=identity.service_account,
            )  # fmt: skip
        else:
            answer = _call(
                google, "projects.testIamPermissions", resource_manager.tested_on,
                {"permissions": ["run.services.get", "storage.objects.get"]}, bearer, project=str(identity.project_id),
            )  # fmt: skip
        if answer:
            granted.add(name)
    return granted


def _call(
    google: Emulator, name: str, handler: Any, body: Mapping[str, Any], bearer: str = "", **arguments: str
) -> dict[str, Any] | None:
    try:
        return google.gateway.run(name, handler, Request("POST", "/", bearer, {}, body), arguments)
    except (StsError, ApiError):
        return None
