"""`verify`: one real exchange, and the impersonation where the config has one.

What a config may do is looked at first (`trusted_config`), and whether the token file holds a token that is still good.
Client libraries check none of this (observed with google-auth 2.62), and a config from a repository decides where the
token is sent.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError
from gcp_wif.issuers import profile_of
from gcp_wif.issuers.checks import check_claims
from gcp_wif.job.container import on_machine
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

__all__ = ["Usable", "Verified", "usable", "verify"]


class Usable(NamedTuple):
    """A config that may be used, and has what it needs.

    Attributes:
        config: where the emulator is on, turned to it.
        claims: of the token file's token; none for another source.
        warnings: what the person should know.
    """

    config: CredentialConfig
    claims: UnverifiedClaims
    warnings: tuple[str, ...]


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
    path_in_container: str | None = None,
    token: SubjectToken | None = None,
) -> Verified:
    """Prove that the credential config at ``path`` works.

    Args:
        path: the config.
        endpoints: where it may lead; to the emulator's all its URLs are turned.
        context: for the clock and the organisation.
        allow_executable: whether it may run a program that is not gcp-wif.
        path_in_container: the folder where a container sees the config's; the token is then read beside the config.
        token: what the config's source gives, where the caller has it: it tells the principal.

    Raises:
        InputError: the config or the token cannot work; Google was not asked.
        RefusedError: Google said no.
        UnavailableError: no answer.
    """
    found = usable(path, endpoints, context, allow_executable=allow_executable, path_in_container=path_in_container)
    claims = token.claims if token is not None else found.claims

    from gcp_wif.job.exchange import exchange

    granted = exchange(found.config, context.environ)
    account = found.config.service_account
    # What `usable` warns of, a mapping that would not fit, is settled now.
    return Verified(_principal(found.config, claims), account, granted.expires_at, ())


def usable(
    path: Path,
    endpoints: Endpoints,
    context: Context,
    *,
    allow_executable: bool,
    path_in_container: str | None = None,
) -> Usable:
    """Read the credential config at ``path`` and look at all that can be judged without asking Google.

    Args:
        path: the config.
        endpoints: where it may lead; to the emulator's all its URLs are turned.
        context: for the clock and the organisation.
        allow_executable: whether it may run a program that is not gcp-wif.
        path_in_container: the folder where a container sees the config's own; the token file is looked for beside the
            config.

    Raises:
        InputError: the config or the token cannot work.
    """
    trusted = read_trusted(path, endpoints, context.program, allow_executable=allow_executable)
    config = _directed(_on_machine(trusted.config, path, path_in_container), endpoints)
    if not isinstance(config.source, FileSource):
        return Usable(config, UnverifiedClaims({}), ())
    token = read_token_file(config.source, subject_token_type=config.subject_token_type)
    if config.subject_token_type not in JWT_TOKEN_TYPES:
        return Usable(config, token.claims, ())
    tenant = context.system.tenant(context.environ)
    origin = f"the token file {config.source.file}"
    return Usable(config, token.claims, check_claims(token.claims, context.clock(), tenant, origin=origin))


def _on_machine(config: CredentialConfig, path: Path, path_in_container: str | None) -> CredentialConfig:
    """The config, with the token file where this machine has it."""
    if path_in_container is None:
        return config
    if not isinstance(config.source, FileSource):
        raise InputError("--path-in-container is for a config with a token file, which this is not.", code="WIF110")
    file = on_machine(config.source.file, path_in_container, path)
    return config._replace(source=config.source._replace(file=file))


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
