"""Real host names: an HTTP CONNECT proxy on loopback that *is* Google and the CI systems' issuers, and nothing else.

A client that is told of the proxy and of its CA (`environ`) runs with its production config, byte for byte. What it
asks of another host is refused, so that nothing leaves loopback. TLS ends here, with a certificate for each host from a
CA of this very start; behind it are the emulator's own two servers: HTTP/1.1, and for a client that speaks HTTP/2
alone, which is how gRPC is recognised, the gRPC one.
"""

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from gcp_wif import limits
from gcp_wif.emulator.transport.authority import PROTOCOLS, Authority
from gcp_wif.emulator.transport.ports import PortError, listening_on

__all__ = ["CA_VARIABLES", "Proxy"]

_CHUNK = 64 * 1024
_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"

CA_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, and with it Python's ssl, Go and curl
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",  # gcloud, which hands it on to gsutil
    "HTTPLIB2_CA_CERTS",
    "AWS_CA_BUNDLE",
)
"""The variables by which clients learn of a CA, each where its own documentation says."""


class Proxy:
    """The proxy, from construction until `stop`.

    Args:
        port: 0 takes a free one.
        http_port: of the emulator's HTTP server.
        grpc_port: of its gRPC server.
        serves: whether a host is one of Google's or of an issuer.
        refused: is told of every host that is none.

    Raises:
        PortError: the port cannot be had.
        OSError: the CA's file cannot be written.
    """

    def __init__(
        self,
        port: int,
        http_port: int,
        grpc_port: int,
        serves: Callable[[str], bool],
        refused: Callable[[str], None],
    ) -> None:
        self._ports = dict(zip(PROTOCOLS, (http_port, grpc_port), strict=True))
        self._serves = serves
        self._refused = refused
        self._authority = Authority()
        try:
            with listening_on(port):
                self._server = _Server(port, self)
        except PortError:
            self._authority.close()
            raise
        self.ca = self._authority.path
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, the value of ``HTTPS_PROXY``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environ(self) -> dict[str, str]:
        """The variables that send clients here; loopback itself stays outside the proxy.

        Plain http goes to the proxy too, which refuses it: a client that looks for a metadata server must not find
        the one of the machine that the tests run on.
        """
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), self.url)
        direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
        return proxies | direct | dict.fromkeys(CA_VARIABLES, str(self.ca))

    def stop(self) -> None:
        """Stop serving, free the port, and remove the CA's file."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
        self._authority.close()

    def handle(self, client: socket.socket) -> None:
        """Serve one connection until it ends.

        Raises:
            OSError: the client went away, breaks TLS off, or does not trust the CA; its own connection ends, no other.
        """
        head = _head(client)
        if head is None:
            return
        host = _target(head)
        if host is None or not self._serves(host):
            self._refused(host or "")
            _refuse(client, host)
            return
        client.settimeout(limits.PROXY_HEAD_SECONDS)
        client.sendall(_OPEN)
        with self._authority.context(host).wrap_socket(client, server_side=True) as secure:
            port = self._ports[secure.selected_alpn_protocol() or PROTOCOLS[0]]
            with socket.create_connection(("127.0.0.1", port), timeout=limits.PROXY_HEAD_SECONDS) as inner:
                _send_at_once(secure, inner)
                _relay(secure, inner)
            secure.settimeout(1)
            secure.unwrap()  # without close_notify a client may take the answer for one that was cut


def _head(client: socket.socket) -> bytes | None:
    """The request's head; ``None`` where it does not end within the limits.

    Byte by byte: what follows the head belongs to TLS.
    """
    head = b""
    deadline = time.monotonic() + limits.PROXY_HEAD_SECONDS
    while not head.endswith(b"\r\n\r\n"):
        left = deadline - time.monotonic()
        if left <= 0 or len(head) >= limits.MAX_PROXY_HEAD_BYTES:
            return None
        client.settimeout(left)
        more = client.recv(1)
        if not more:
            return None
        head += more
    return head


def _target(head: bytes) -> str | None:
    """The host that a CONNECT request names, for port 443; ``None`` for anything else (RFC 9110, section 9.3.6)."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3 or words[0] != "CONNECT" or not words[2].startswith("HTTP/1."):
        return None
    host, _, port = words[1].rpartition(":")
    return host.lower() if port == "443" else None


def _refuse(client: socket.socket, host: str | None) -> None:
    shown = host if host and host.isascii() and host.isprintable() else "This request"
    body = f"{shown} is refused: the emulator is Google and the issuers, and nothing leaves this machine.\n".encode()
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    client.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _send_at_once(*sockets: socket.socket) -> None:
    """Let a small packet not wait until the one before it is acknowledged, which takes Linux up to 40 ms.

    Python's HTTP clients send a request's body behind its head, and so do servers their answers.
    """
    for each in sockets:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _relay(secure: ssl.SSLSocket, inner: socket.socket) -> None:
    """Copy both ways until the server ends, or nothing is said for a while.

    A client that ends its own half first still gets its answer (RFC 8446, section 6.1).
    """
    with selectors.DefaultSelector() as selector:
        selector.register(secure, selectors.EVENT_READ)
        selector.register(inner, selectors.EVENT_READ)
        while ready := _ready(selector, secure):
            for source in ready:
                data = _read(source)
                if data:
                    sink = inner if source is secure else secure
                    sink.settimeout(limits.PROXY_IDLE_SECONDS)
                    sink.sendall(data)
                elif data is not None and source is secure:
                    selector.unregister(secure)
                    inner.shutdown(socket.SHUT_WR)
                elif data is not None:
                    return


def _ready(selector: selectors.BaseSelector, secure: ssl.SSLSocket) -> list[Any]:
    if secure in (key.fileobj for key in selector.get_map().values()) and secure.pending():
        return [secure]  # decrypted bytes, which no selector sees
    return [key.fileobj for key, _ in selector.select(limits.PROXY_IDLE_SECONDS)]


def _read(source: socket.socket) -> bytes | None:
    """What has come; ``None`` where that is not yet a whole record of TLS, or one without data."""
    source.settimeout(0)
    try:
        return source.recv(_CHUNK)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None


class _Handler(BaseRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        with contextlib.suppress(OSError):
            server.proxy.handle(self.request)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: what a client does wrong is its own."""
