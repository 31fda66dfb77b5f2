"""`verify`: one real exchange, done by google-auth itself, and the impersonation where the config has one.

What a config may do is looked at first (`trusted_config`), and whether the token file holds a token that is still good.
google-auth checks none of this (observed with 2.62), and a config from a repository decides where the token is sent.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.endpoints import Endpoints
from gcp_wif.issuers import profile_of
from gcp_wif.issuers.checks import check_claims
from gcp_wif.job.context import Context
from gcp_wif.job.tokens import read_token_file
from gcp_wif.job.trusted_config import read_trusted
from gcp_wif.names import Principal, ServiceAccountEmail
from gcp_wif.subject_token import (
    JWT_TOKEN_TYPES,
    MAX_SUBJECT_BYTES,
    SubjectToken,
    UnverifiedClaims,
)

__all__ = ["Verified", "verify"]


class Verified(NamedTuple):
    """What Google granted.

    Attributes:
        principal: who the job is to Google, where that can be told from outside: the subject principal, if the
            provider maps ``google.subject`` as `apply` does for this kind of issuer, which for most is the token's
            ``sub``, as most guides do. ``None`` where the token is not at hand or its subject cannot be told.
        service_account: the account that was impersonated; ``None`` for direct federation.
        expires_at: when the access token expires, UTC.
        warnings: what the person should know; nothing so far is left to say once Google has granted it.
    """

    principal: Principal | None
    service_account: ServiceAccountEmail | None
    expires_at: datetime
    warnings: tuple[str, ...]


def verify(
    path: Path,
    endpoints: Endpoints,
    context: Context,
    *,
    allow_executable: bool = False,
    token: SubjectToken | None = None,
) -> Verified:
    """Prove that the credential config at ``path`` works.

    Args:
        path: the config.
        endpoints: where it may lead; to the emulator's all its URLs are turned.
        context: for the clock and the organisation.
        allow_executable: whether it may run a program that is not gcp-wif.
        token: what the config's source gives, where the caller has it: it tells the principal.

    Raises:
        InputError: the config or the token cannot work; Google was not asked.
        RefusedError: Google said no.
        UnavailableError: no answer.
    """
    trusted = read_trusted(path, endpoints, context.program, allow_executable=allow_executable)
    config = _directed(trusted.config, endpoints)
    claims = token.claims if token is not None else UnverifiedClaims({})
    if isinstance(config.source, FileSource):
        token = read_token_file(config.source, subject_token_type=config.subject_token_type)
        claims = token.claims
        if config.subject_token_type in JWT_TOKEN_TYPES:
            tenant = context.system.tenant(context.environ)
            # What it warns of, a mapping that would not fit, is settled by the exchange.
            check_claims(claims, context.clock(), tenant, origin=f"the token file {config.source.file}")

    from gcp_wif.job.exchange import exchange

    expires_at = exchange(config, loopback=endpoints.emulator is not None)
    return Verified(_principal(config, claims), config.service_account, expires_at, ())


def _directed(config: CredentialConfig, endpoints: Endpoints) -> CredentialConfig:
    """The config, turned to the emulator where that is on."""
    if not endpoints.emulator:
        return config
    account = config.service_account
    return config._replace(
        token_url=endpoints.token_url,
        token_info_url=endpoints.token_info_url if config.token_info_url else None,
        impersonation_url=endpoints.impersonation_url(account) if account else None,
    )


def _principal(config: CredentialConfig, claims: UnverifiedClaims) -> Principal | None:
    subject = profile_of(claims).subject_of(claims)
    if not subject or len(subject.encode()) > MAX_SUBJECT_BYTES:
        return None
    return Principal.subject(config.provider.pool, subject)
