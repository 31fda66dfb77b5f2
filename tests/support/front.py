"""A proxy on loopback that leads some host names to ports of this machine, and all others to another proxy."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit


@contextlib.contextmanager
def front(ports: Mapping[str, int], behind: str) -> Iterator[str]:
    """``http://127.0.0.1:PORT`` of a CONNECT proxy.

    Args:
        ports: host names, and where they are.
        behind: the URL of the proxy for all other hosts.
    """

    class Tunnel(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline(8192)
                if not line:
                    return
                head += line
            host = head.split()[1].decode().rpartition(":")[0]
            own = ports.get(host)
            with socket.create_connection(("127.0.0.1", own or urlsplit(behind).port or 0)) as inner:
                if own is None:
                    inner.sendall(head)
                else:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_copy, args=(inner, self.connection), daemon=True)
                back.start()
                _copy(self.connection, inner)
                back.join(30)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Tunnel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
