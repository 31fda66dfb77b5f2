"""A CI system's server for tokens, on loopback: what it was asked, and what it answers, is the test's."""

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

__all__ = ["Asked", "TokenServer", "serving"]


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class TokenServer:
    """What stands behind the address.

    Attributes:
        url: ``http://127.0.0.1:PORT``.
        asked: the requests so far.
        failures: statuses to answer with first, one a request.
    """

    def __init__(self, url: str, answer: Callable[[Asked], tuple[int, object]]) -> None:
        self.url, self.answer = url, answer
        self.asked: list[Asked] = []
        self.failures: list[int] = []

    def respond(self, asked: Asked) -> tuple[int, bytes]:
        self.asked.append(asked)
        status, document = (self.failures.pop(0), {"message": "no"}) if self.failures else self.answer(asked)
        return status, document if isinstance(document, bytes) else json.dumps(document).encode()


@contextlib.contextmanager
def serving(answer: Callable[[Asked], tuple[int, object]]) -> Iterator[TokenServer]:
    """A server for as long as the context lasts; ``answer`` gives the status and the JSON document, or bytes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.command, parts.path, parse_qs(parts.query), dict(self.headers), body)
            status, data = found.respond(asked)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = TokenServer(f"http://127.0.0.1:{server.server_port}", answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join(10)
