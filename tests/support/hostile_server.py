"""A server that means harm: it reads a request and then does to the connection whatever a test wants."""

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent import futures

import grpc

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What happens on a connection behind its first request; the event is set when the test is over."""

_GREETING_SECONDS = 10


class HostileServer:
    """On 127.0.0.1, at a port of its own.

    Attributes:
        host: ``127.0.0.1:PORT``.
        seen: the first bytes of each connection, headers and body.
    """

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.host = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.seen: list[bytes] = []

    def start(self) -> None:
        self._listener.settimeout(0.1)
        self._begin(self._accept)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        self._listener.close()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_GREETING_SECONDS)
            self.seen.append(_request(connection))
            self._behave(connection, self._over)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
        if data[:1] == b"\x16":  # TLS
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving(behave: Behaviour) -> Iterator[HostileServer]:
    server = HostileServer(behave)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def answer(body: bytes | str, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole answer, with its length."""
    data = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{headers}\r\n".encode() + data


def says(data: bytes) -> Behaviour:
    """Sends ``data`` and closes."""
    return lambda connection, _: connection.sendall(data)


def says_json(document: object, status: str = "200 OK") -> Behaviour:
    """Sends a JSON document and closes."""
    return says(answer(json.dumps(document), status, "Content-Type: application/json\r\n"))


def floods(head: bytes, piece: bytes) -> Behaviour:
    """Sends ``head``, then ``piece`` again and again, as long as anybody reads."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.is_set():
            connection.sendall(piece)

    return behave


def drips(head: bytes, piece: bytes, seconds: float = 0.2) -> Behaviour:
    """Sends ``head``, then ``piece`` every now and then: often enough for a time-out of the socket never to pass."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.wait(seconds):
            connection.sendall(piece)

    return behave


def gzip_bomb(megabytes: int) -> bytes:
    """gzip of so many megabytes of blanks, about a thousandth of that in size."""
    packed = bytearray()

    class Sink:
        def write(self, data: bytes) -> None:
            packed.extend(data)

    with gzip.GzipFile(fileobj=Sink(), mode="wb", compresslevel=9) as file:  # type: ignore[call-overload]
        for _ in range(megabytes):
            file.write(b" " * (1 << 20))
    return bytes(packed)


def serving_grpc(reply: bytes):
    """A gRPC server that answers every call with these bytes."""
    import contextlib

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: reply)

    @contextlib.contextmanager
    def run():
        server = grpc.server(
            futures.ThreadPoolExecutor(2), handlers=[Handler()], options=[("grpc.max_send_message_length", -1)]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait(10)

    return run()
