"""Who a token becomes on the emulator: through STS, then impersonation of every account and each direct identity."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rules import manifest

from gcp_wif.emulator import Emulator
from gcp_wif.emulator.model.errors import ApiError, StsError
from gcp_wif.emulator.services import iam_credentials, resource_manager, sts
from gcp_wif.emulator.services.gateway import Request
from gcp_wif.manifest import Manifest

__all__ = ["granted", "world"]

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@contextlib.contextmanager
def world(
    identities: Mapping[str, Any], issuer: Mapping[str, Any]
) -> Iterator[Callable[[Mapping[str, Any]], set[str]]]:
    """A Google of these identities, each with an account of its own: asks who a token with some claims becomes."""
    accounts = {
        name: {"service_account": f"{name}-account@acme-prod.iam.gserviceaccount.com"} | identity
        for name, identity in identities.items()
    }
    made = manifest(accounts, issuer, direct=False)
    with Emulator() as google:
        google.provision_as(made)
        yield lambda claims: granted(google, claims, made)


def granted(google: Emulator, claims: Mapping[str, Any], manifest: Manifest) -> set[str]:
    """The identities of ``manifest``, as which ``google`` is provisioned, that a token with these claims becomes."""
    timeless = {name: value for name, value in claims.items() if name != "nbf"}  # that of the sample's own time
    answer = _call(
        google,
        "sts.token",
        sts.exchange,
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": f"//iam.googleapis.com/{manifest.provider_name}",
            "scope": _SCOPE,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": google.issuer.sign_claims(timeless, now=google.state.clock.now()),
        },
    )
    if answer is None:
        return set()
    bearer, found = f"Bearer {answer['access_token']}", set()
    for name, identity in manifest.identities.items():
        if identity.service_account:
            reply = _call(
                google, "iamcredentials.generateAccessToken", iam_credentials.generate_access_token,
                {"scope": [_SCOPE]}, bearer, project="-", account=identity.service_account,
            )  # fmt: skip
        else:
            reply = _call(
                google, "projects.testIamPermissions", resource_manager.tested_on,
                {"permissions": ["run.services.get"]}, bearer, project=str(identity.project_id),
            )  # fmt: skip
        if reply:
            found.add(name)
    return found


def _call(
    google: Emulator, name: str, handler: Any, body: Mapping[str, Any], bearer: str = "", **arguments: str
) -> dict[str, Any] | None:
    try:
        return google.gateway.run(name, handler, Request("POST", "/", bearer, {}, body), arguments)
    except (StsError, ApiError):
        return None
