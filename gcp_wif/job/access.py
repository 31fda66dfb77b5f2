"""Access and ID tokens of the job's identity, for whoever asks for one: `print-access-token`, Docker's helper.

No token is kept on disk. A cache would save one exchange of a few hundred milliseconds, and leave a credential in a
file that outlives the command; who needs many tokens uses a client library, which keeps them in memory.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gcp_wif.credential_config import CredentialConfig
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, shown
from gcp_wif.job.context import Context
from gcp_wif.job.exchange import CLOUD_PLATFORM, IAM, AccessToken, exchange, federated, identity_token, impersonated
from gcp_wif.job.generate import config_path
from gcp_wif.job.verify import usable
from gcp_wif.names import ServiceAccountEmail

__all__ = [
    "AccessWish",
    "Chain",
    "Granted",
    "IdentityWish",
    "access_token",
    "exported_config",
    "id_token",
    "parse_chain",
    "parse_lifetime",
    "parse_scopes",
]

_EMAIL_SCOPES = ("openid", "https://www.googleapis.com/auth/userinfo.email")
"""What gcloud adds to ``--scopes``, so that the token's account can be told (observed, gcloud 528)."""

_CONFIG_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_SCOPE = re.compile(r"[!#-\[\]-~]{1,500}")
"""RFC 6749, appendix A.4."""
_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s?)?")
_LONGEST_SECONDS = 43_200


class Chain(NamedTuple):
    """``--impersonate-service-account``: the account to become, and those on the way to it.

    Attributes:
        account: the last one.
        delegates: the others, in order; each must be allowed to create tokens for the next.
    """

    account: ServiceAccountEmail
    delegates: tuple[ServiceAccountEmail, ...] = ()


class AccessWish(NamedTuple):
    """What kind of access token is asked for.

    Attributes:
        scopes: ``None`` for all of Google Cloud, where IAM alone decides.
        chain: whom to impersonate, beyond the config's own account.
        lifetime: in seconds; ``None`` for the config's, else an hour.
    """

    scopes: tuple[str, ...] | None = None
    chain: Chain | None = None
    lifetime: int | None = None


class IdentityWish(NamedTuple):
    """What kind of ID token is asked for.

    Attributes:
        audience: who will accept it.
        include_email: whether it has the claims ``email`` and ``email_verified``.
        chain: whom to impersonate, beyond the config's own account.
    """

    audience: str
    include_email: bool = False
    chain: Chain | None = None


class Granted(NamedTuple):
    """A token, and whose it is.

    Attributes:
        secret: the token.
        account: whose it is; ``None`` for the federated principal itself.
        warnings: what the person should know.
        expires_at: of an access token, UTC; an ID token says it itself.
    """

    secret: str
    account: ServiceAccountEmail | None
    warnings: tuple[str, ...]
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Granted(hidden, {self.account})"


def parse_chain(text: str | None) -> Chain | None:
    """Read ``--impersonate-service-account``, as gcloud does: emails with commas between, the last one is the target.

    Raises:
        InputError: WIF107.
    """
    if text is None:
        return None
    flag = "--impersonate-service-account"
    emails = [ServiceAccountEmail.parse(each.strip(), origin=flag) for each in text.split(",")]
    return Chain(emails[-1], tuple(emails[:-1]))


def parse_scopes(text: str | None) -> tuple[str, ...] | None:
    """Read ``--scopes``: URLs with commas between; those of an email are added, as gcloud adds them.

    Raises:
        InputError: WIF142.
    """
    if text is None:
        return None
    scopes = [each.strip() for each in text.split(",")]
    wrong = next((each for each in scopes if not _SCOPE.fullmatch(each)), None)
    if wrong is not None:
        raise InputError(
            f"--scopes holds {shown(wrong)}, which is not a scope.",
            hint=f"A scope is a URL without blanks, such as {CLOUD_PLATFORM}; several have commas between.",
            code="WIF142",
        )
    return tuple(dict.fromkeys([*scopes, *_EMAIL_SCOPES]))


def parse_lifetime(text: str | None) -> int | None:
    """Read ``--lifetime``: seconds, or as in ``1h30m``, at most 12 hours.

    Raises:
        InputError: WIF143.
    """
    if text is None:
        return None
    match = _DURATION.fullmatch(text.lower())
    hours, minutes, seconds = (int(each or 0) for each in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not 0 < total <= _LONGEST_SECONDS:
        raise InputError(
            f"--lifetime must be 1 to {_LONGEST_SECONDS} seconds, but holds {shown(text)}.",
            hint="Write it in seconds, or as in 30m, 1h30m. More than 1h needs an organisation policy that allows it.",
            code="WIF143",
        )
    return total


def exported_config(output_file: str | None, context: Context) -> Path:
    """The job's credential config: ``--output-file``, the one that login exported, or where login writes it.

    Raises:
        InputError: WIF101, WIF102, WIF117.
    """
    return config_path(output_file if output_file is not None else context.environ.get(_CONFIG_VARIABLE), context)


def access_token(
    path: Path, wish: AccessWish, endpoints: Endpoints, context: Context, *, allow_executable: bool = False
) -> Granted:
    """Get an access token with the credential config at ``path``.

    Raises:
        InputError: the config, the token or the wish cannot work (WIF143: a lifetime where no account is impersonated);
            Google was not asked.
        RefusedError: Google said no.
        UnavailableError: no answer.
    """
    found = usable(path, endpoints, context, allow_executable=allow_executable)
    config, environ = found.config, context.environ
    scopes = wish.scopes or (CLOUD_PLATFORM,)
    if wish.chain is None:
        if wish.lifetime is not None and config.service_account is None:
            raise InputError(
                "--lifetime is for the token of a service account, and this login impersonates none.",
                hint="The token of direct federation ends with the subject token, after an hour at the latest. Leave "
                "--lifetime out, or name an account: --impersonate-service-account EMAIL",
                code="WIF143",
            )
        token = exchange(config, environ, scopes=scopes, lifetime=wish.lifetime)
        return Granted(token.secret, config.service_account, found.warnings, token.expires_at)
    chain = wish.chain
    token = impersonated(
        exchange(config, environ, scopes=(IAM,)),
        endpoints.impersonation_url(chain.account),
        environ,
        scopes=scopes,
        lifetime=wish.lifetime,
        delegates=chain.delegates,
    )
    return Granted(token.secret, chain.account, found.warnings, token.expires_at)


def id_token(
    path: Path, wish: IdentityWish, endpoints: Endpoints, context: Context, *, allow_executable: bool = False
) -> Granted:
    """Get an ID token with the credential config at ``path``.

    Google signs ID tokens for service accounts alone, so direct federation has none by itself.

    Raises:
        InputError: the config or the token cannot work, WIF144 without an account; Google was not asked.
        RefusedError: Google said no.
        UnavailableError: no answer.
    """
    found = usable(path, endpoints, context, allow_executable=allow_executable)
    caller, url, account, delegates = _caller(found.config, wish.chain, endpoints, context.environ)
    secret = identity_token(
        caller,
        url.removesuffix(":generateAccessToken") + ":generateIdToken",
        context.environ,
        audience=wish.audience,
        include_email=wish.include_email,
        delegates=delegates,
    )
    return Granted(secret, account, found.warnings)


def _caller(
    config: CredentialConfig, chain: Chain | None, endpoints: Endpoints, environ: Mapping[str, str]
) -> tuple[AccessToken, str, ServiceAccountEmail | None, Sequence[str]]:
    """Who asks for the ID token, the URL of the account that it is of, that account, and the accounts between."""
    if chain is not None:
        caller = exchange(config, environ, scopes=(IAM,))
        return caller, endpoints.impersonation_url(chain.account), chain.account, chain.delegates
    if config.impersonation_url is None:
        raise InputError(
            "This login is direct federation, which has no ID token: Google signs them for service accounts alone.",
            hint="Name an account whose ID token the job may get: --impersonate-service-account EMAIL (it needs "
            "roles/iam.workloadIdentityUser or roles/iam.serviceAccountOpenIdTokenCreator on it for the job's "
            "principal). Or log in with --service-account EMAIL. A service of your own can also be given the CI "
            "system's token: gcp-wif token",
            code="WIF144",
        )
    return federated(config, environ), config.impersonation_url, config.service_account, ()
