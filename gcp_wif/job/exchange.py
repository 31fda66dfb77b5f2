"""The exchange with Google, by google-auth: its transport with bounds, and what its errors mean.

Imported only where an exchange is made: google-auth and requests take longer to load than the rest of a command.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import requests
from google.auth import exceptions, identity_pool, pluggable
from google.auth.transport.requests import Request

from gcp_wif import limits
from gcp_wif.ci.export_format import ALLOW_VARIABLE
from gcp_wif.credential_config import CredentialConfig, ExecutableSource, UrlSource
from gcp_wif.errors import GcpWifError, InputError, RefusedError, UnavailableError, from_outside
from gcp_wif.http import BoundedAdapter, BoundedRetry, Bounds, UnusableAnswer, bounded
from gcp_wif.refusals import recognise

__all__ = ["AccessToken", "access_token", "exchange"]

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_RETRIES = 4
_RETRY_AFTER_SECONDS = 10
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


class _Transport(Request):
    """google-auth's own transport, with bounds and a memory of the last status.

    google-auth does not retry these calls (observed with 2.62), so urllib3 does: four times, with jittered
    exponential back-off, within about half a minute.
    """

    def __init__(self, *, proxies: bool) -> None:
        retry = BoundedRetry(
            total=_RETRIES,
            backoff_factor=0.4,
            backoff_jitter=0.4,
            status_forcelist=_TRANSIENT,
            allowed_methods=None,
            redirect=0,
            raise_on_status=False,
            retry_after_max=_RETRY_AFTER_SECONDS,
        )
        bounds = Bounds(limits.ANSWER_BYTES, limits.ANSWER_SECONDS)
        super().__init__(bounded(requests.Session(), BoundedAdapter(bounds, retry), proxies=proxies))
        self.last_status: int | None = None
        self.last_url: str | None = None
        self.answered = False

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = limits.SILENCE_SECONDS,
        **kwargs: Any,
    ) -> Any:
        self.last_status, self.last_url = None, url
        response = super().__call__(url, method, body, headers, timeout, **kwargs)  # type: ignore[no-untyped-call]  # google-auth has no annotations
        self.last_status, self.answered = response.status, True
        return response


class AccessToken(NamedTuple):
    """What Google granted.

    Attributes:
        token: a secret.
        expires_at: UTC.
    """

    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return "AccessToken(hidden)"


def exchange(config: CredentialConfig, *, loopback: bool) -> datetime:
    """Prove that the config works; when the access token expires (UTC). As `access_token`, but the token is dropped."""
    return access_token(config, loopback=loopback).expires_at


def access_token(config: CredentialConfig, *, loopback: bool, scopes: tuple[str, ...] = _SCOPES) -> AccessToken:
    """Exchange the subject token and, where the config says so, impersonate the account.

    Args:
        config: read and checked before.
        loopback: whether the URLs are the emulator's; no proxy is used for those.
        scopes: what the access token is good for.

    Raises:
        RefusedError: a code of `gcp_wif.refusals`, or WIF500 for a sentence that is not known.
        UnavailableError: WIF601 not reached, WIF602 kept failing or answered nonsense, WIF605 an answer too large or
            otherwise unusable, WIF606 one that did not end.
        InputError: WIF404 where google-auth cannot use the config.
    """
    transport = _Transport(proxies=not loopback)
    try:
        kind = pluggable if isinstance(config.source, ExecutableSource) else identity_pool  # as google.auth.default()
        with _executables_allowed():
            credentials = kind.Credentials.from_info(config.document(), scopes=scopes)
            credentials.refresh(transport)
        expiry: datetime = credentials.expiry
        token: str = credentials.token
    except exceptions.TransportError as error:
        if error.args and isinstance(error.args[0], UnusableAnswer):
            raise error.args[0].as_error() from None
        raise UnavailableError(
            f"Google could not be reached: {from_outside(_cause(error))}",
            hint="The job needs to reach sts.googleapis.com and iamcredentials.googleapis.com over https; behind a "
            "proxy set HTTPS_PROXY. The files are written and the exports stand.",
            code="WIF601",
        ) from None
    except exceptions.GoogleAuthError as error:
        own = isinstance(config.source, UrlSource) and transport.last_url == config.source.url
        raise _explained(error, transport.last_status, from_source=own) from None
    except (ValueError, TypeError, AttributeError, KeyError, OSError, OverflowError, RecursionError) as error:
        # google-auth raises these for configs and answers that it did not expect (observed with 2.62).
        if transport.answered:
            raise UnavailableError(
                f"The service answered something that is not a token response ({type(error).__name__}).", code="WIF602"
            ) from None
        raise InputError(f"google-auth cannot use this config: {from_outside(str(error))}", code="WIF404") from None
    return AccessToken(token, expiry.replace(tzinfo=UTC))


@contextmanager
def _executables_allowed() -> Iterator[None]:
    """Let google-auth run the config's program: whether it may was decided before (`trusted_config`).

    google-auth reads the variable itself, from the process's environment.
    """
    before = os.environ.get(ALLOW_VARIABLE)
    os.environ[ALLOW_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[ALLOW_VARIABLE]
        else:
            os.environ[ALLOW_VARIABLE] = before


def _explained(error: Exception, status: int | None, *, from_source: bool) -> GcpWifError:
    """What google-auth's error means.

    Args:
        error: holds the words of whoever answered.
        status: of the last answer, where there was one.
        from_source: whether that was the server of the config's own URL, not Google.
    """
    text = "\n".join(str(part)[: limits.MESSAGE_CHARACTERS] for part in error.args)
    # A program that fails may have printed the token before, and google-auth repeats all that it printed (2.62).
    sentence = from_outside(re.sub(r"(?s)(^Executable exited with .{1,60}?) Error: .*", r"\1", _sentence(error.args)))
    if status in _TRANSIENT:
        return UnavailableError(
            f"The service kept failing with HTTP status {status}: {sentence}",
            hint="It was tried five times. Run the command again in a few minutes.",
            code="WIF602",
        )
    if from_source and status != 200:
        return RefusedError(
            f"The server of `credential_source.url` gave no subject token (HTTP status {status}): {sentence}",
            hint="Google was not asked. Look at the URL and the headers in the config's `credential_source`.",
            code="WIF607",
        )
    known = recognise(text)
    if known is not None:
        return known.as_error(sentence)
    if status is not None and status != 200:
        return RefusedError(f"Google refused (HTTP status {status}): {sentence}", code="WIF500")
    if status is not None and not from_source:
        return UnavailableError(
            f"The service answered something that is not a token response: {sentence}", code="WIF602"
        )
    return InputError(f"google-auth cannot use this config or token: {sentence}", code="WIF404")


def _sentence(parts: tuple[object, ...]) -> str:
    """Google's own words out of a google-auth error, whose last part is the response's body."""
    for part in reversed(parts):
        try:
            body = json.loads(str(part))
        except (ValueError, RecursionError):
            continue
        if isinstance(body, dict):
            error = body.get("error")
            if isinstance(error, dict):
                return f"{error.get('status')}: {error.get('message')}"
            return f"{error}: {body.get('error_description', '')}"
    return str(parts[0]) if parts else "no reason was given"


def _cause(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    reason = getattr(cause, "args", None)
    return str(reason[0] if reason else cause)
