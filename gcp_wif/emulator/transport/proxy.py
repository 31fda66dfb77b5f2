"""Real host names: an HTTP CONNECT proxy on loopback that *is* Google and the CI systems' issuers, and nothing else.

A client that is told of the proxy and of its CA (`environ`) runs with its production config, byte for byte. What it
asks of another host is refused, so that nothing leaves loopback. TLS ends here, with a certificate for each host from a
CA that is made at each start (trustme); behind it are the emulator's own two servers: HTTP/1.1, and for a client that
speaks HTTP/2 alone, which is how gRPC is recognised, the gRPC one.
"""

import contextlib
import selectors
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import trustme

__all__ = ["Proxy"]

_MAX_HEAD = 16 * 1024
_HEAD_SECONDS = 30
_IDLE_SECONDS = 120
_CHUNK = 64 * 1024
_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
_HTTP1, _HTTP2 = "http/1.1", "h2"

CA_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, and with it Python's ssl, Go and curl
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
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

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int, http_port: int, grpc_port: int, serves: Callable[[str], bool]) -> None:
        self._ports = {_HTTP1: http_port, _HTTP2: grpc_port}
        self._serves = serves
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._authority = trustme.CA(organization_name="gcp-wif emulator")
        self._server = _Server(port, self)
        self._folder = tempfile.TemporaryDirectory(prefix="gcp-wif-ca-")
        self.ca = Path(self._folder.name, "ca.pem")
        self._authority.cert_pem.write_to_path(str(self.ca))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, the value of ``HTTPS_PROXY``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environ(self) -> dict[str, str]:
        """The variables that send clients here; loopback itself stays outside the proxy."""
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self.url)
        direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
        return proxies | direct | dict.fromkeys(CA_VARIABLES, str(self.ca))

    def stop(self) -> None:
        """Stop serving, free the port, and remove the CA's file."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
        self._folder.cleanup()

    def handle(self, client: socket.socket, head: bytes) -> None:
        """Serve one connection whose request head has been read."""
        host = _target(head)
        if host is None or not self._serves(host):
            refused = f"{host or 'this request'} is refused: the emulator is Google and the issuers, and nothing leaves"
            body = f"{refused} this machine.\n".encode()
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n")
            client.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            return
        client.sendall(_OPEN)
        client.settimeout(_HEAD_SECONDS)
        with self._context(host).wrap_socket(client, server_side=True) as secure:
            port = self._ports[secure.selected_alpn_protocol() or _HTTP1]
            with socket.create_connection(("127.0.0.1", port), timeout=_HEAD_SECONDS) as inner:
                _relay(secure, inner)
            secure.settimeout(1)
            secure.unwrap()  # without close_notify a client may take the answer for one that was cut

    def _context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                made.minimum_version = ssl.TLSVersion.TLSv1_2
                # In the server's order: HTTP/2 is left to those who speak nothing else, which is gRPC.
                made.set_alpn_protocols([_HTTP1, _HTTP2])
                self._authority.issue_cert(host).configure_cert(made)
                self._contexts[host] = made
            return self._contexts[host]


def _target(head: bytes) -> str | None:
    """The host that a CONNECT request names, for port 443; ``None`` for anything else (RFC 9110, section 9.3.6)."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3 or words[0] != "CONNECT" or not words[2].startswith("HTTP/1."):
        return None
    host, _, port = words[1].rpartition(":")
    return host.lower() if port == "443" else None


def _relay(secure: ssl.SSLSocket, inner: socket.socket) -> None:
    """Copy both ways until one side ends, or nothing is said for a while."""
    with selectors.DefaultSelector() as selector:
        for each in (secure, inner):
            each.settimeout(_IDLE_SECONDS)
            selector.register(each, selectors.EVENT_READ)
        while True:
            # TLS may hold decrypted bytes that no selector sees.
            ready = [secure] if secure.pending() else [key.fileobj for key, _ in selector.select(_IDLE_SECONDS)]
            if not ready:
                return
            for source in ready:
                data = source.recv(_CHUNK)  # type: ignore[union-attr]  # only sockets are registered
                if not data:
                    return
                (inner if source is secure else secure).sendall(data)


class _Handler(StreamRequestHandler):
    rbufsize = 0  # what follows the head belongs to TLS
    timeout = _HEAD_SECONDS

    def handle(self) -> None:
        head = b""
        # A client that went away, breaks TLS off or does not trust the CA ends its own connection alone.
        with contextlib.suppress(OSError):
            while not head.endswith(b"\r\n\r\n"):
                more = self.connection.recv(1) if len(head) < _MAX_HEAD else b""
                if not more:
                    return
                head += more
            server: Any = self.server
            server.proxy.handle(self.connection, head)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: what a client does wrong is its own."""
