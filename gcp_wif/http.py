"""HTTP with bounds: every answer of a server, also an error's, is bounded in size, decoded size and time.

requests and google-auth read an answer whole, whatever its size, and their time-outs begin anew with each byte
(observed with requests 2.34, google-auth 2.62). So the bounds are put below them, into the adapter that a session is
mounted with: whoever uses the session gets an answer that was read already, or an `UnusableAnswer`.

Redirects are not followed, whatever the session says: a request here carries a token. Loopback is reached without a
proxy. ``.netrc`` is not looked at: it would replace the token that a request carries.

What a request sends and what its answer brings is remembered as secret (`gcp_wif.secrets`) on the way through, since
this is all that a server can echo.

Imported only where a request is made: requests takes longer to load than the rest of a command.
"""

import ipaddress
import json
import os
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Never, Self
from urllib.parse import parse_qsl, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError

from gcp_wif import secrets
from gcp_wif.errors import UnavailableError
from gcp_wif.limits import ANSWER_CHUNK_BYTES
from gcp_wif.safe_text import one_line

__all__ = ["BoundedAdapter", "BoundedRetry", "Bounds", "SlowAnswer", "UnusableAnswer", "bounded", "is_loopback"]

_HINT = (
    "Google answers with a few KiB, within a second, and without a redirect. Something else answered: a proxy or a "
    "sign-in page of this network, or the address is not Google's."
)


class Bounds(NamedTuple):
    """What one request may cost.

    Attributes:
        size: bytes of the answer's body, as sent and as decoded.
        seconds: wall time until the last byte was read, retries included.
    """

    size: int
    seconds: float


class UnusableAnswer(requests.RequestException):
    """An answer that was not read to its end, or not at all. The message names the server."""

    code = "WIF605"

    def as_error(self) -> UnavailableError:
        """The error to show."""
        return UnavailableError(str(self), hint=_HINT, code=self.code)


class SlowAnswer(UnusableAnswer, requests.Timeout):
    """An answer that did not end in time."""

    code = "WIF606"


class _Active(threading.local):
    """The request that this thread is making: urllib3 opens connections several calls further down."""

    deadline: "_Deadline | None" = None


_active = _Active()


class _Deadline:
    """Ends the connections of one request when its time is over, in whatever state they are.

    A time-out of a socket begins anew with each byte, and a server can drip its TLS handshake and its headers, too. So
    a timer shuts the connection down, by a duplicate of the descriptor, which works below TLS and outlives a close.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self.passed = False

    def __enter__(self) -> Self:
        self._before, _active.deadline = _active.deadline, self
        self._timer = threading.Timer(self._seconds, self._end)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _active.deadline = self._before
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    def watch(self, sock: socket.socket) -> None:
        with self._lock:
            handle = socket.socket(fileno=os.dup(sock.fileno()))
            self._handles.append(handle)
            if self.passed:
                _shut(handle)

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            for handle in self._handles:
                _shut(handle)


def _shut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


class _WatchedConnection(HTTPConnection):
    def __str__(self) -> str:  # urllib3 begins its messages with it
        return f"{self.host}:{self.port}"

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if _active.deadline:
            _active.deadline.watch(sock)
        return sock

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if _active.deadline and self.sock is not None:  # one that is used again
            _active.deadline.watch(self.sock)
        super().putrequest(*args, **kwargs)


class _WatchedTlsConnection(_WatchedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class BoundedRetry(urllib3.util.Retry):
    """urllib3's retries, which end with the request's time."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> "BoundedRetry":
        """As urllib3's."""
        if _active.deadline and _active.deadline.passed:
            raise MaxRetryError(_pool, url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)


class BoundedAdapter(HTTPAdapter):
    """Sends a request and reads its answer within bounds.

    Args:
        bounds: of each request.
        retries: none by default.
        connections: of how many hosts connections are kept, and how many for each.
    """

    __attrs__ = (*HTTPAdapter.__attrs__, "_bounds")  # google-auth copies it for a thread

    def __init__(
        self, bounds: Bounds, retries: BoundedRetry | int = 0, connections: tuple[int, int] = (10, 10)
    ) -> None:
        self._bounds = bounds
        super().__init__(connections[0], connections[1], max_retries=retries)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """With connections that a deadline can end."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """With connections that a deadline can end."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - requests' signature; an answer is always read here, to its end
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """As requests', but the answer has been read.

        Raises:
            UnusableAnswer: too large, a redirect, an encoding that was not asked for.
            SlowAnswer: not in time.
            requests.RequestException: no answer.
        """
        host = urlsplit(request.url or "").hostname or ""
        request.headers["Accept-Encoding"] = "identity"
        used = {} if is_loopback(host) else dict(proxies or {})
        _remember_sent(request, used)
        with _Deadline(self._bounds.seconds) as deadline:
            try:
                response = super().send(request, True, timeout, verify, cert, used)
                try:
                    body = self._body(response, one_line(host, 100))
                finally:
                    response.raw.close()  # does nothing to a connection that was read to its end, which is kept
            except (HTTPError, OSError, zlib.error) as error:
                if deadline.passed:
                    self._too_slow(host)
                if isinstance(error, requests.RequestException):
                    raise
                raise requests.ConnectionError(error, request=request) from None
            if deadline.passed:
                self._too_slow(host)  # else an answer that was cut off by it could pass for a whole one
        _remember_answer(body, host)
        response._content = body  # noqa: SLF001 - where requests keeps an answer that was read
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001 - likewise
        return response

    def _too_slow(self, host: str) -> Never:
        raise SlowAnswer(f"The answer of {one_line(host, 100)} did not end within {self._bounds.seconds:g} seconds.")

    def _body(self, response: requests.Response, host: str) -> bytes:
        if response.is_redirect:
            status = response.status_code
            raise UnusableAnswer(f"{host} answered with a redirect (HTTP status {status}), which is not followed.")
        declared = response.headers.get("Content-Length", "")
        if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > self._bounds.size:
            self._too_large(host)
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        pieces = _raw_pieces(response.raw)
        if encoding in {"gzip", "x-gzip", "deflate"}:
            pieces = _inflated(pieces)
        elif encoding not in {"", "identity"}:
            raise UnusableAnswer(
                f"The answer of {host} is encoded as {one_line(encoding, 50)}, which was not asked for."
            )
        found, size = [], 0
        for piece in pieces:
            size += len(piece)
            if size > self._bounds.size:
                self._too_large(host)
            found.append(piece)
        return b"".join(found)

    def _too_large(self, host: str) -> Never:
        raise UnusableAnswer(f"The answer of {host} has more than {self._bounds.size:,} bytes.")


def _raw_pieces(raw: Any) -> Iterator[bytes]:
    while piece := raw.read(ANSWER_CHUNK_BYTES, decode_content=False):
        yield piece


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Both gzip and zlib, in small steps: a kilobyte can stand for a megabyte."""
    decoder = zlib.decompressobj(wbits=47)  # either, told by its header
    for piece in pieces:
        waiting = piece
        while not decoder.eof:
            data = decoder.decompress(waiting, ANSWER_CHUNK_BYTES)
            waiting = decoder.unconsumed_tail
            if data:
                yield data
            elif not waiting:
                break
        if decoder.eof:
            return
    if not decoder.eof:
        raise zlib.error("the compressed answer is not complete")


def bounded(session: requests.Session, adapter: BoundedAdapter, *, proxies: bool) -> requests.Session:
    """``session``, made to send everything through ``adapter``.

    Args:
        session: changed in place.
        adapter: with the bounds.
        proxies: whether to use those that the environment names.
    """
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.trust_env = proxies
    session.auth = _no_netrc
    return session


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine: ``localhost`` or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _remember_sent(request: requests.PreparedRequest, proxies: Mapping[str, str]) -> None:
    headers: dict[str, Any] = dict(request.headers)
    for name, value in headers.items():
        if secrets.is_secret_name(name):
            secrets.remember_header(name, value.decode("latin-1") if isinstance(value, bytes) else value)
    for url in proxies.values():
        with suppress(ValueError):
            secrets.remember(urlsplit(url).password)
    body = request.body
    if isinstance(body, bytes | str):
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        if "urlencoded" in str(request.headers.get("Content-Type", "")):
            secrets.remember_in(dict(parse_qsl(text)))
        else:
            with suppress(ValueError):
                secrets.remember_in(json.loads(text))


def _remember_answer(body: bytes, host: str) -> None:
    try:
        document = json.loads(body)
    except RecursionError:  # nobody above survives it either
        raise UnusableAnswer(f"The answer of {one_line(host, 100)} is JSON that is nested too deeply.") from None
    except ValueError:
        return
    secrets.remember_in(document)
    if isinstance(document, dict) and isinstance(document.get("value"), str):
        secrets.remember_in({"token": document["value"]})  # a CI system's answer to a request for a token
