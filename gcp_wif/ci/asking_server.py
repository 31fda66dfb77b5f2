"""Asking a server of a CI system for a token: bounded in time, size and retries; what it answers is never repeated.

The request carries a secret of the job, and its address comes from a variable. So the address must be the system's own,
by TLS; or of this machine, where a test or a proxy of the job's own stands in for it.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from gcp_wif import limits
from gcp_wif.errors import InputError, RefusedError, UnavailableError, from_outside, shown

if TYPE_CHECKING:
    import requests

__all__ = ["TokenServer", "ask_server", "check_address"]

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class TokenServer(NamedTuple):
    """A server that is asked, and what is said of it.

    Attributes:
        name: as the subject of a sentence.
        field: of its answer, a JSON object, that holds the token.
        refused: what to do where it says no.
        failed: what to do where it does not answer, or with something else.
    """

    name: str
    field: str
    refused: str
    failed: str


def check_address(url: str, hosts: re.Pattern[str], *, variable: str, system: str) -> None:
    """Refuse an address that is not the system's.

    Args:
        url: where a token is to be asked for.
        hosts: what its host must match, in lower case.
        variable: that names it.
        system: whose it must be.

    Raises:
        InputError: WIF214.
    """
    from gcp_wif.http import is_loopback

    try:
        parts = urlsplit(url)
        host, plain = (parts.hostname or "").lower(), not (parts.username or parts.password or parts.fragment)
        usable = plain and url.isascii() and url.isprintable() and " " not in url and "\\" not in url
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        host, parts, usable = "", urlsplit(""), False
    if usable and parts.scheme in ("http", "https") and is_loopback(host):
        return
    if not usable or parts.scheme != "https" or not hosts.fullmatch(host):
        where = f"https at {shown(host)}" if parts.scheme == "https" else shown(host)
        raise InputError(
            f"{variable} does not name a server of {system}, but {where}.",
            hint="A secret of this job would be sent there, so nothing was sent. What has changed the variable?",
            code="WIF214",
        )


def ask_server(
    url: str, server: TokenServer, *, headers: Mapping[str, str], method: str = "GET", body: bytes | None = None
) -> str:
    """The token that the server answers.

    Failures that pass are tried again, three times, within `limits.ASK_SECONDS` in all.

    Args:
        url: checked before.
        server: what is asked.
        headers: with the secret of the job.
        method: of the request.
        body: of the request.

    Raises:
        RefusedError: WIF608 the server says no.
        UnavailableError: WIF603 it does not answer, keeps failing, or answers something else.
    """
    import requests

    from gcp_wif.http import BoundedAdapter, BoundedRetry, Bounds, UnusableAnswer, bounded, is_loopback

    retry = BoundedRetry(
        total=limits.ASK_RETRIES, backoff_factor=0.3, backoff_jitter=0.3, status_forcelist=_TRANSIENT,
        allowed_methods=None, redirect=0, raise_on_status=False, retry_after_max=limits.ASK_RETRY_AFTER_SECONDS,
    )  # fmt: skip
    adapter = BoundedAdapter(Bounds(limits.ANSWER_BYTES, limits.ASK_SECONDS), retry)
    away = not is_loopback(urlsplit(url).hostname or "")
    with bounded(requests.Session(), adapter, proxies=away) as session:
        try:
            answer = session.request(method, url, data=body, headers=dict(headers), timeout=limits.SILENCE_SECONDS)
        except UnusableAnswer as error:
            raise UnavailableError(f"{server.name} gave no token. {error}", hint=server.failed, code="WIF603") from None
        except requests.RequestException as error:
            # The error's text has the address in it, whose path identifies the job; its type says what happened.
            raise UnavailableError(
                f"{server.name} could not be reached ({type(error).__name__}).", hint=server.failed, code="WIF603"
            ) from None
    return _token(answer, server)


def _token(answer: "requests.Response", server: TokenServer) -> str:
    status = answer.status_code
    if status in _TRANSIENT or status >= 500:
        raise UnavailableError(
            f"{server.name} kept failing with HTTP status {status}.", hint=server.failed, code="WIF603"
        )
    if status != 200:
        raise RefusedError(
            f"{server.name} refused (HTTP status {status}): {_said(answer)}", hint=server.refused, code="WIF608"
        )
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        found = None
    token = found.get(server.field) if isinstance(found, dict) else None
    if not isinstance(token, str) or not token:
        raise UnavailableError(
            f"{server.name} answered, but not with a JSON object that has `{server.field}`.",
            hint=server.failed,
            code="WIF603",
        )
    return token


def _said(answer: "requests.Response") -> str:
    """The server's own sentence: the ``message`` of a JSON object, or the beginning of its text."""
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        found = None
    message = found.get("message") if isinstance(found, dict) else None
    text = message if isinstance(message, str) else answer.content[:300].decode("utf-8", "replace")
    return from_outside(text) or "no reason was given"
