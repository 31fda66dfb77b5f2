"""The exchange with Google: a subject token for a federated one (RFC 8693), and that for an account's.

What is sent is what google-auth sends (observed with 2.63; a test holds the two against each other). google-auth itself
is left to run a config's program, since it takes longer to load than an exchange takes.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from gcp_wif import limits, secrets
from gcp_wif.credential_config import CredentialConfig, ExecutableSource, FileSource, UrlSource
from gcp_wif.endpoints import parse_url
from gcp_wif.errors import GcpWifError, InputError, RefusedError, UnavailableError, from_outside, shown
from gcp_wif.job.agent.order import SECRET_HEADER
from gcp_wif.job.tokens import read_token_file
from gcp_wif.job.wire import TRANSIENT, Answer, Wire

__all__ = ["CLOUD_PLATFORM", "IAM", "AccessToken", "exchange", "federated", "identity_token", "impersonated"]

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
IAM = "https://www.googleapis.com/auth/iam"
_DEFAULT_LIFETIME_SECONDS = 3600
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_REQUESTED = "urn:ietf:params:oauth:token-type:access_token"
_FORM = "application/x-www-form-urlencoded"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_TOKEN = re.compile(r"[!-~]{1,65536}")
"""What can stand in a header: RFC 6750 allows less, and a line break would begin another header."""


class AccessToken(NamedTuple):
    """An access token of Google's.

    Attributes:
        secret: the token itself.
        expires_at: UTC.
    """

    secret: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"AccessToken(hidden, {self.expires_at})"


def exchange(
    config: CredentialConfig,
    environ: Mapping[str, str],
    *,
    scopes: Sequence[str] = (CLOUD_PLATFORM,),
    lifetime: int | None = None,
) -> AccessToken:
    """Exchange the subject token and, where the config says so, impersonate the account.

    Args:
        config: read and checked before.
        environ: for the proxy and the certificates.
        scopes: of the access token.
        lifetime: of an account's token, in seconds; by default the config's, else an hour.

    Raises:
        RefusedError: a code of `gcp_wif.refusals`, or WIF500 for a sentence that is not known; WIF607 by the server of
            the config's URL.
        UnavailableError: WIF601 not reached, WIF602 kept failing or answered nonsense, WIF605 an answer too large or
            otherwise unusable, WIF606 one that did not end.
        InputError: WIF404 where the config or the token cannot be used, WIF140, WIF141, and as `read_token_file`.
    """
    if config.impersonation_url is None:
        return federated(config, environ, scopes)
    begun = federated(config, environ)
    seconds = lifetime or config.token_lifetime_seconds
    return impersonated(begun, config.impersonation_url, environ, scopes=scopes, lifetime=seconds)


def federated(config: CredentialConfig, environ: Mapping[str, str], scopes: Sequence[str] = (IAM,)) -> AccessToken:
    """Exchange the subject token at STS, and no more.

    Args:
        config: read and checked before.
        environ: for the proxy and the certificates.
        scopes: of the token; by default what an impersonation needs.

    Raises:
        GcpWifError: as `exchange`.
    """
    wire = Wire(environ)
    fields = {
        "grant_type": _GRANT,
        "audience": config.audience,
        "scope": " ".join(scopes),
        "requested_token_type": _REQUESTED,
        "subject_token": _subject_token(config, wire),
        "subject_token_type": config.subject_token_type,
    }
    document = _document(wire.ask("POST", config.token_url, {"Content-Type": _FORM}, urlencode(fields).encode()))
    seconds = document.get("expires_in")
    try:
        expires = datetime.fromtimestamp(time.time() + int(seconds), UTC)  # type: ignore[arg-type]  # else TypeError
    except (TypeError, ValueError, OverflowError, OSError):
        raise _nonsense("it says no time at which the token expires") from None
    return AccessToken(_text(document, "access_token"), expires)


def impersonated(
    caller: AccessToken,
    url: str,
    environ: Mapping[str, str],
    *,
    scopes: Sequence[str],
    lifetime: int | None,
    delegates: Sequence[str] = (),
) -> AccessToken:
    """An access token of a service account (IAM Credentials, ``generateAccessToken``).

    Args:
        caller: who asks.
        url: names the account.
        environ: for the proxy and the certificates.
        scopes: of the access token.
        lifetime: in seconds; an hour by default.
        delegates: emails of the accounts between the caller and the account, in order.

    Raises:
        GcpWifError: as `exchange`.
    """
    body = {
        "delegates": _delegates(delegates),
        "scope": list(scopes),
        "lifetime": f"{lifetime or _DEFAULT_LIFETIME_SECONDS}s",
    }
    document = _iam(caller, url, body, environ)
    try:
        written = _text(document, "expireTime")
        # The one form that client libraries read (observed with google-auth 2.63); `strptime` loads a calendar for it.
        expires = datetime.fromisoformat(written if _TIME.fullmatch(written) else "").replace(tzinfo=UTC)
    except ValueError:
        raise _nonsense("it says no time at which the token expires") from None
    return AccessToken(_text(document, "accessToken"), expires)


def identity_token(
    caller: AccessToken,
    url: str,
    environ: Mapping[str, str],
    *,
    audience: str,
    include_email: bool,
    delegates: Sequence[str] = (),
) -> str:
    """An ID token of a service account (IAM Credentials, ``generateIdToken``).

    Args:
        caller: who asks.
        url: names the account.
        environ: for the proxy and the certificates.
        audience: who will accept it.
        include_email: whether it has the claims ``email`` and ``email_verified``.
        delegates: as for `impersonated`.

    Raises:
        GcpWifError: as `exchange`.
    """
    body = {"audience": audience, "delegates": _delegates(delegates), "includeEmail": include_email}
    return _text(_iam(caller, url, body, environ), "token")


def _iam(caller: AccessToken, url: str, body: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {caller.secret}"}
    return _document(Wire(environ).ask("POST", url, headers, json.dumps(body).encode()))


def _delegates(emails: Sequence[str]) -> list[str]:
    return [f"projects/-/serviceAccounts/{email}" for email in emails]


def _document(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer of Google's.

    Raises:
        GcpWifError: as `exchange`.
    """
    text = answer.body.decode("utf-8", "replace")
    if answer.status != 200:
        raise _refused(answer.status, text)
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _nonsense("it is no JSON object")
    return document


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _nonsense(f"it has no usable `{name}`")
    secrets.remember(value if "oken" in name else None)
    return value


def _nonsense(why: str) -> UnavailableError:
    return UnavailableError(f"The service answered something that is not a token response: {why}.", code="WIF602")


def _refused(status: int, text: str) -> GcpWifError:
    """What an answer with this status means."""
    from gcp_wif.refusals import recognise  # a table that no exchange which succeeds needs

    sentence = from_outside(_sentence(text))
    if status in TRANSIENT:
        return UnavailableError(
            f"The service kept failing with HTTP status {status}: {sentence}",
            hint="It was tried five times. Run the command again in a few minutes.",
            code="WIF602",
        )
    known = recognise(text[: limits.MESSAGE_CHARACTERS])
    if known is not None and known.service != "client":  # an answer of Google's is no client library's word
        return known.as_error(sentence)
    return RefusedError(f"Google refused (HTTP status {status}): {sentence}", code="WIF500")


def _sentence(text: str) -> str:
    """Google's own words: STS answers as OAuth does (RFC 6749, section 5.2), IAM as Google's other APIs."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        error = body.get("error")
        if isinstance(error, dict):
            return f"{error.get('status')}: {error.get('message')}"
        return f"{error}: {body.get('error_description', '')}"
    return text[: limits.OUTSIDE_CHARACTERS] or "no reason was given"


def _subject_token(config: CredentialConfig, wire: Wire) -> str:
    source = config.source
    if isinstance(source, FileSource):
        return read_token_file(source, subject_token_type=config.subject_token_type).reveal()
    token = _from_url(source, wire) if isinstance(source, UrlSource) else _from_program(config)
    secrets.remember(token)
    return token


def _from_url(source: UrlSource, wire: Wire) -> str:
    try:
        answer = wire.ask("GET", source.url, dict(source.headers))
    except UnavailableError as error:
        raise _source_is_away(source) if error.code == "WIF601" else error from None
    text = answer.body.decode("utf-8", "replace")
    if answer.status in TRANSIENT:
        raise UnavailableError(
            f"The server of `credential_source.url` kept failing with HTTP status {answer.status}: "
            f"{from_outside(_sentence(text))}",
            hint="It was tried five times, and Google was not asked. Run the command again in a few minutes.",
            code="WIF602",
        )
    if answer.status != 200:
        raise RefusedError(
            f"The server of `credential_source.url` gave no subject token (HTTP status {answer.status}): "
            f"{from_outside(_sentence(text))}",
            hint="Google was not asked. Look at the URL and the headers in the config's `credential_source`.",
            code="WIF607",
        )
    field = source.format.field_name if source.format else None
    if field is not None:
        try:
            found = json.loads(text)[field]
        except (ValueError, RecursionError, KeyError, TypeError):
            found = None
        text = found if isinstance(found, str) else ""
    if not text:
        where = f"in the field `{field}` " if field else ""
        raise InputError(f"The server of `credential_source.url` answered no token {where}at all.", code="WIF404")
    return text


def _source_is_away(source: UrlSource) -> UnavailableError:
    parsed = parse_url(source.url)
    message = f"The server of `credential_source.url` could not be reached: {shown(parsed.host if parsed else '')}."
    if SECRET_HEADER in dict(source.headers):
        hint = (
            "It is the agent of `gcp-wif login --keep-fresh`, which has ended; NAME.agent.log beside the credential "
            "config says why. Log in again, and the next one takes its place."
        )
    else:
        hint = "Google was not asked. Look at the URL in the config's `credential_source`."
    return UnavailableError(message, hint=hint, code="WIF601")


def _from_program(config: CredentialConfig) -> str:
    """What the config's program prints; google-auth runs it (AIP-4117)."""
    from subprocess import SubprocessError

    from google.auth import exceptions, pluggable

    assert isinstance(config.source, ExecutableSource)  # noqa: S101 - there are three kinds
    try:
        with _executables_allowed():
            found = pluggable.Credentials.from_info(config.document()).retrieve_subject_token(None)
    except exceptions.GoogleAuthError as error:
        # A program that fails may have printed the token before, and google-auth repeats all that it printed (2.63).
        said = str(error.args[0] if error.args else "no reason was given")
        said = re.sub(r"(?s)(^Executable exited with .{1,60}?) Error: .*", r"\1", said)
        raise InputError(f"The config's program gave no token: {from_outside(said)}", code="WIF404") from None
    except SubprocessError:  # it holds what the program had printed
        raise InputError("The config's program did not end in time.", code="WIF404") from None
    except (ValueError, TypeError, AttributeError, KeyError, OSError, RecursionError) as error:
        raise InputError(
            f"The config's program cannot be used: {from_outside(str(error))}", code="WIF404"
        ) from None  # google-auth raises these for what it did not expect (observed with 2.63)
    if not isinstance(found, str) or not found:
        raise InputError("The config's program gave no token.", code="WIF404")
    return found


@contextmanager
def _executables_allowed() -> Iterator[None]:
    """Let google-auth run the config's program: whether it may was decided before (`trusted_config`).

    google-auth reads the variable itself, from the process's environment.
    """
    from gcp_wif.ci.export_format import ALLOW_VARIABLE

    before = os.environ.get(ALLOW_VARIABLE)
    os.environ[ALLOW_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[ALLOW_VARIABLE]
        else:
            os.environ[ALLOW_VARIABLE] = before
