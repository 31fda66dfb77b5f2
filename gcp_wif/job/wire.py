"""The requests of a job's exchange, by the standard library alone: a job's step waits for what it loads.

google-auth and requests take longer to load than all the rest of a login, the exchange included (tests/benchmarks), so
the three requests that an exchange consists of are sent from here. What requests and google-auth do for a client holds
here too: the proxy of ``HTTPS_PROXY`` and ``NO_PROXY``, the certificates of ``REQUESTS_CA_BUNDLE`` or
``CURL_CA_BUNDLE``, else certifi's. Every answer is bounded (`gcp_wif.answers`); failures that pass are tried again.
"""

import http.client
import socket
import ssl
import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gcp_wif import limits, secrets
from gcp_wif.answers import (
    Deadline,
    Slow,
    Unusable,
    check_head,
    collected,
    remember_answer,
    remember_sent,
    too_slow,
)
from gcp_wif.endpoints import Url, parse_url
from gcp_wif.errors import InputError, UnavailableError, from_outside, shown

__all__ = ["TRANSIENT", "Answer", "Wire"]

TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""Status codes that are tried again."""

_TRIES = 5
_BACKOFF_SECONDS = 0.4
_RETRY_AFTER_SECONDS = 10
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Answer(NamedTuple):
    """An answer, read to its end.

    Attributes:
        status: of HTTP.
        body: decoded.
    """

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, hidden)"  # it may hold a token


class _Tried(NamedTuple):
    answer: Answer
    retry_after: str


class _Proxy(NamedTuple):
    host: str
    port: int
    headers: dict[str, str]


class Wire:
    """Sends requests.

    Args:
        environ: for the proxy and the certificates.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._context: ssl.SSLContext | None = None

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send one request, up to five times where it fails in passing, with jittered back-off between.

        Args:
            method: of HTTP.
            url: checked before: it decides who gets a token.
            headers: names and values, ASCII.
            body: of a POST.

        Raises:
            UnavailableError: WIF601 not reached, WIF605 an answer too large or otherwise unusable, WIF606 one that did
                not end in time.
            InputError: WIF404 for a request that cannot be sent; WIF140, WIF141 for the proxy and the certificates.
        """
        to = parse_url(url)
        if to is None:
            raise InputError(f"The credential config's URL {shown(url)} cannot be read.", code="WIF404")
        proxy = self._proxy(to)
        remember_sent(dict(headers), body, {})
        sent = {**headers, "Accept-Encoding": "identity"}
        seconds = limits.ANSWER_SECONDS
        with Deadline(seconds) as deadline:
            try:
                return self._repeated(to, proxy, (method, sent, body), deadline)
            except Unusable as found:
                raise found.as_error() from None
            except (OSError, http.client.HTTPException, zlib.error) as error:
                if deadline.passed:
                    raise Slow(too_slow(to.host, seconds)).as_error() from None
                raise _not_reached(to.host, error) from None
            except ValueError as error:  # a header or a path that HTTP does not have
                raise InputError(
                    f"A request to {to.host} cannot be sent: {from_outside(str(error))}", code="WIF404"
                ) from None

    def _repeated(
        self, to: Url, proxy: _Proxy | None, request: tuple[str, dict[str, str], bytes | None], deadline: Deadline
    ) -> Answer:
        for tried in range(1, _TRIES + 1):
            wait = 0.0
            try:
                found = self._once(to, proxy, request, deadline)
            except (OSError, http.client.HTTPException) as error:
                if tried == _TRIES or deadline.passed or isinstance(error, ssl.SSLCertVerificationError):
                    raise
            else:
                if deadline.passed:  # else an answer that was cut off by it could pass for a whole one
                    raise TimeoutError
                if found.answer.status not in TRANSIENT or tried == _TRIES:
                    remember_answer(found.answer.body, to.host)
                    return found.answer
                wait = float(min(int(found.retry_after), _RETRY_AFTER_SECONDS)) if found.retry_after else 0.0
            if not deadline.pause(wait or _backoff(tried)):
                raise TimeoutError
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(
        self, to: Url, proxy: _Proxy | None, request: tuple[str, dict[str, str], bytes | None], deadline: Deadline
    ) -> _Tried:
        method, headers, body = request
        connection = self._connection(to, proxy)

        def connect(address: tuple[str, int], *_: object) -> socket.socket:
            sock = socket.create_connection(address, limits.SILENCE_SECONDS)
            deadline.watch(sock)
            return sock

        connection._create_connection = connect  # type: ignore[attr-defined]  # noqa: SLF001 - before TLS, which a server can drip too
        try:
            connection.request(method, _path(to), body, headers)
            with connection.getresponse() as response:
                head = {name.lower(): value for name, value in response.headers.items()}
                encoding = check_head(response.status, head, to.host, limits.ANSWER_BYTES)
                data = collected(_pieces(response), encoding, to.host, limits.ANSWER_BYTES)
            _log(f"{method} {to.host}{_path(to).partition('?')[0]} {response.status}")
            after = head.get("retry-after", "")
            return _Tried(Answer(response.status, data), after if after.isascii() and after.isdigit() else "")
        finally:
            connection.close()

    def _connection(self, to: Url, proxy: _Proxy | None) -> http.client.HTTPConnection:
        host = to.host.strip("[]")
        if to.scheme == "http":  # loopback, or a metadata server: never by a proxy
            return http.client.HTTPConnection(host, to.port or 80, timeout=limits.SILENCE_SECONDS)
        context = self._certificates()
        if proxy is None:
            return http.client.HTTPSConnection(host, to.port or 443, timeout=limits.SILENCE_SECONDS, context=context)
        connection = http.client.HTTPSConnection(
            proxy.host, proxy.port, timeout=limits.SILENCE_SECONDS, context=context
        )
        connection.set_tunnel(host, to.port or 443, proxy.headers)
        return connection

    def _certificates(self) -> ssl.SSLContext:
        """Whom to believe.

        Raises:
            InputError: WIF141 where the environment names a file that has no certificates.
        """
        if self._context is None:
            name = next((each for each in _CA_VARIABLES if self._environ.get(each)), None)
            place = self._environ[name] if name else _certifi()
            try:
                self._context = ssl.create_default_context(cafile=place)
            except IsADirectoryError:
                self._context = ssl.create_default_context(capath=place)
            except OSError as error:
                raise InputError(
                    f"{name or 'certifi'} names {shown(place)}, which cannot be read as certificates: "
                    f"{error.strerror or type(error).__name__}.",
                    hint="It must be a file of certificates in PEM, or a folder of them as c_rehash makes it.",
                    code="WIF141",
                ) from None
        return self._context

    def _proxy(self, to: Url) -> _Proxy | None:
        """The proxy for ``to``, as requests takes it from the environment.

        Raises:
            InputError: WIF140 where it is one that is not spoken to in plain http.
        """
        if to.scheme == "http" or to.is_loopback:
            return None
        found = _variable(self._environ, "https_proxy") or _variable(self._environ, "all_proxy")
        if not found or _bypassed(to, _variable(self._environ, "no_proxy")):
            return None
        from urllib.parse import unquote, urlsplit

        try:
            parts = urlsplit(found if "://" in found else f"http://{found}")
            port = parts.port or 80
        except ValueError:
            parts, port = urlsplit(""), 0
        secrets.remember(parts.password)
        if parts.scheme != "http" or not parts.hostname:
            raise InputError(
                "HTTPS_PROXY does not name a proxy that gcp-wif can use.",
                hint="Write it as http://HOST:PORT: the proxy itself is spoken to in http, and what goes through it is "
                "encrypted all the same.",
                code="WIF140",
            )
        headers = {}
        if parts.username is not None:
            from base64 import b64encode

            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers["Proxy-Authorization"] = f"Basic {b64encode(login).decode()}"
            remember_sent(dict(headers), None, {})
        return _Proxy(parts.hostname, port, headers)


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read(limits.ANSWER_CHUNK_BYTES):
        yield piece
    if response.length:  # http.client does not say so where a part was asked for
        raise http.client.IncompleteRead(b"", response.length)


def _path(to: Url) -> str:
    rest = to.rest.partition("#")[0]
    return rest if rest.startswith("/") else f"/{rest}"


def _log(text: str) -> None:
    """A debug record, where ``-v`` has asked for some: `logging` is not loaded for all the other runs."""
    if "logging" in sys.modules:
        sys.modules["logging"].getLogger(__name__).debug(text)


def _backoff(tried: int) -> float:
    if tried == 1:  # a connection that was lost by chance
        return 0.0
    from random import uniform  # only where something failed

    return float(_BACKOFF_SECONDS * 2 ** (tried - 1) + uniform(0, _BACKOFF_SECONDS))  # noqa: S311 - jitter


def _certifi() -> str:
    import certifi

    return certifi.where()


def _variable(environ: Mapping[str, str], name: str) -> str:
    """A proxy's variable: curl and Python take the name in small letters before the one in capitals."""
    return environ.get(name, environ.get(name.upper(), ""))


def _bypassed(to: Url, names: str) -> bool:
    """Whether ``NO_PROXY`` names this host, or a domain that it is in."""
    for each in names.lower().split(","):
        name = each.strip().lstrip(".")
        host = f"{to.host}:{to.port or 443}" if ":" in name else to.host
        if name and (name in {"*", host} or host.endswith(f".{name}")):
            return True
    return False


def _not_reached(host: str, error: Exception) -> UnavailableError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return UnavailableError(
        f"Google could not be reached: {host}: {from_outside(str(reason))}",
        hint="The job needs to reach sts.googleapis.com and iamcredentials.googleapis.com over https; behind a proxy "
        "set HTTPS_PROXY. The files are written and the exports stand.",
        code="WIF601",
    )
