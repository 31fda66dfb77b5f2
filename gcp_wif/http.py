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

import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Never
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError

from gcp_wif.answers import (
    Bounds,
    Deadline,
    Unusable,
    check_head,
    collected,
    is_loopback,
    remember_answer,
    remember_sent,
    too_slow,
)
from gcp_wif.limits import ANSWER_CHUNK_BYTES

__all__ = ["BoundedAdapter", "BoundedRetry", "Bounds", "SlowAnswer", "UnusableAnswer", "bounded", "is_loopback"]


class UnusableAnswer(Unusable, requests.RequestException):
    """An answer that was not read to its end, or not at all. The message names the server."""


class SlowAnswer(UnusableAnswer, requests.Timeout):
    """An answer that did not end in time."""

    code = "WIF606"


class _Active(threading.local):
    """The request that this thread is making: urllib3 opens connections several calls further down."""

    deadline: Deadline | None = None


_active = _Active()


@contextmanager
def _deadline(seconds: float) -> Iterator[Deadline]:
    before = _active.deadline
    with Deadline(seconds) as deadline:
        _active.deadline = deadline
        try:
            yield deadline
        finally:
            _active.deadline = before


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
        remember_sent(request.headers, request.body, used)
        with _deadline(self._bounds.seconds) as deadline:
            try:
                response = super().send(request, True, timeout, verify, cert, used)
                try:
                    body = self._body(response, host)
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
        with _as_answer():
            remember_answer(body, host)
        response._content = body  # noqa: SLF001 - where requests keeps an answer that was read
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001 - likewise
        return response

    def _too_slow(self, host: str) -> Never:
        raise SlowAnswer(too_slow(host, self._bounds.seconds))

    def _body(self, response: requests.Response, host: str) -> bytes:
        with _as_answer():
            encoding = check_head(response.status_code, response.headers, host, self._bounds.size)
            return collected(_raw_pieces(response.raw), encoding, host, self._bounds.size)


@contextmanager
def _as_answer() -> Iterator[None]:
    try:
        yield
    except Unusable as found:
        raise UnusableAnswer(str(found)) from None


def _raw_pieces(raw: Any) -> Iterator[bytes]:
    while piece := raw.read(ANSWER_CHUNK_BYTES, decode_content=False):
        yield piece


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
