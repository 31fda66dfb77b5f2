"""The HTTP side: bodies, answers, dropped connections, and a threaded server on 127.0.0.1.

Google's paths are in `routes`, the emulator's own in `controls`. The issuers that it plays answer discovery at the
paths that they have on their own hosts.
"""

import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request as HttpRequest
from werkzeug.wrappers import Response

from gcp_wif.emulator.model.errors import ApiError, StsError, invalid, not_found
from gcp_wif.emulator.services.gateway import Answer, Dropped, Gateway, Media, Planned, Request
from gcp_wif.emulator.services.hosts import Place, place_of
from gcp_wif.emulator.transport import controls
from gcp_wif.emulator.transport.ports import listening_on
from gcp_wif.emulator.transport.routes import google_routes, storage_xml_routes
from gcp_wif.emulator.transport.uploads import uploaded
from gcp_wif.issuers import DEFAULT, kinds, profile

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Application", "serve"]

_MAX_BODY = 1 << 20
_WELL_KNOWN = re.compile(r"(?P<path>.*)/\.well-known/(?P<what>openid-configuration|jwks-pub\.json)")


class Application:
    """The WSGI application over one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._routes = google_routes()
        self._storage_routes = storage_xml_routes()
        self._own: dict[tuple[str, str], Callable[[HttpRequest], Answer]] = {
            ("POST", "tokens"): lambda request: controls.sign(gateway, json_body(request)),
            ("GET", "requests"): lambda _: {"requests": gateway.log},
            ("DELETE", "requests"): lambda _: controls.clear_requests(gateway),
            ("GET", "faults"): lambda _: controls.faults(gateway),
            ("POST", "faults"): lambda request: controls.configure(gateway, json_body(request)),
            ("DELETE", "faults"): lambda _: controls.clear_faults(gateway),
            ("POST", "clock"): lambda request: controls.clock(gateway, json_body(request)),
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        request = HttpRequest(environ)
        request.max_content_length = _MAX_BODY
        request.max_form_memory_size = _MAX_BODY
        try:
            status, body = self._answer(request)
        except Dropped as dropped:
            _close(environ, reset=dropped.reset)
            raise ConnectionAbortedError from None  # the server sends nothing for it
        except Exception as error:  # a defect of the emulator, which must not take it down
            self.gateway.crashes.append(type(error).__name__)
            status, body = 500, ApiError("INTERNAL", "Internal error encountered.").body
        if isinstance(body, Media):
            response = Response(body.data, body.status, dict(body.headers), content_type=body.content_type)
        else:
            text = body if isinstance(body, str) else json.dumps(body)
            response = Response(text, status=status, content_type="application/json; charset=UTF-8")
        return response(environ, start_response)

    def _answer(self, request: HttpRequest) -> tuple[int, Any]:
        try:
            place = place_of(request.environ.get("HTTP_HOST", ""))
            if place is None and request.path.startswith("/emulator/"):
                handler = self._own.get((request.method, request.path.removeprefix("/emulator/")))
                if handler is None:
                    raise not_found()
                return 200, handler(request)
            issued = _WELL_KNOWN.fullmatch(request.path) if request.method == "GET" else None
            issuer = _issuer_at(issued["path"], place) if issued else None
            if issued and issuer:
                return 200, self._issuer(request, issued["path"], issued["what"], issuer)
            return 200, self._google(request, place)
        except Planned as planned:
            return planned.status, planned.body
        except (ApiError, StsError) as error:
            return error.http_status, error.body
        except RequestEntityTooLarge:
            return 413, _http_error(413, "Request entity is too large.", "INVALID_ARGUMENT")

    def _google(self, request: HttpRequest, place: Place | None) -> Any:
        found = self._route(request, place)
        if found is None:
            self.gateway.refused(_plain(request), 404)
            raise not_found()
        (name, handler), arguments = found
        try:
            body = _body(request, name)
        except (ApiError, StsError, HTTPException) as error:
            status = getattr(error, "http_status", 413)
            self.gateway.refused(_plain(request), status)
            raise
        return self.gateway.run(name, handler, _plain(request, body), arguments)

    def _route(self, request: HttpRequest, place: Place | None) -> Any:
        """The call and its arguments; Google answers 404 for a method that a path does not take, too."""
        for routes in (self._routes, self._storage_routes) if place == Place("storage") else (self._routes,):
            with contextlib.suppress(HTTPException):
                found = routes.bind_to_environ(request.environ).match()
                if place is None or found[0][0].partition(".")[0] == place.api:  # else a path of another host
                    return found
        return None

    def _issuer(self, request: HttpRequest, path: str, what: str, issuer: str) -> Answer:
        if what == "jwks-pub.json":
            return self.gateway.issuer.jwks()
        scheme = "https" if place_of(request.environ.get("HTTP_HOST", "")) else "http"
        host = f"{scheme}://{request.host}"
        return self.gateway.issuer.discovery(issuer, f"{host}{path}/.well-known/jwks-pub.json")


def _issuer_at(path: str, place: Place | None) -> str | None:
    """The issuer whose discovery document stands below ``path`` on that host; of any kind on loopback.

    Several kinds have theirs at the root, which on loopback is the default's.
    """
    served = (DEFAULT, *kinds()) if place is None else place.kinds
    return next(filter(None, (profile(kind).issuer_at(path) for kind in served)), None)


def json_body(request: HttpRequest) -> Answer:
    """The request's JSON object; an empty body is ``{}``.

    Raises:
        ApiError: INVALID_ARGUMENT for anything else.
    """
    data = request.get_data()
    if not data.strip():
        return {}
    try:
        body = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received.")
    return body


def _body(request: HttpRequest, name: str) -> Answer:
    if name.startswith(("sts.", "oauth2.")):
        return _form(request)
    if name == "storage.objects.insert":
        return uploaded(request.content_type or "", request.get_data())
    return json_body(request)


def _form(request: HttpRequest) -> Answer:
    """The parameters of an STS request, which may come as a form or as JSON in camel case.

    Raises:
        StsError: the JSON is not an object of strings.
    """
    if request.mimetype != "application/json":
        return dict(request.form.items())
    try:
        body = json_body(request)
    except ApiError as error:
        raise StsError("invalid_request", error.message) from None
    if not all(isinstance(value, str) for value in body.values()):
        raise StsError("invalid_request", "Invalid JSON payload received.")
    return {re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name): value for name, value in body.items()}


def _plain(request: HttpRequest, body: Answer | None = None) -> Request:
    authorization = request.headers.get("Authorization", "")
    return Request(
        request.method,
        request.path,
        authorization,
        {name: ",".join(request.args.getlist(name)) for name in request.args},
        body or {},
    )


def _refuse_constant(text: str) -> float:
    raise ValueError(text)  # NaN and Infinity are no JSON


def _http_error(code: int, message: str, status: str) -> Answer:
    return {"error": {"code": code, "message": message, "status": status}}


def _close(environ: "WSGIEnvironment", *, reset: bool) -> None:
    """End the connection at once: with FIN, or with RST.

    For RST the descriptor is taken from the server and closed with a linger time of 0; a plain close would come after
    the server's own shutdown, which sends FIN.
    """
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is None:
        return
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(connection.detach())
    else:
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # a body that is sent behind its head would wait up to 40 ms for an acknowledgement

    def run_wsgi(self) -> None:
        """Answer one request; werkzeug's server keeps no connection open after it."""
        try:
            super().run_wsgi()
        finally:
            self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Nothing: the gateway keeps its own log, without query strings."""


class _Server(ThreadedWSGIServer):
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away, or spoke no HTTP."""


def serve(application: Application, port: int) -> tuple[BaseWSGIServer, threading.Thread]:
    """Serve on 127.0.0.1 in a thread; ``port`` 0 takes a free one.

    Raises:
        PortError: the port cannot be had.
    """
    # werkzeug prints and exits where a port is taken; a socket that is already listening avoids that.
    with listening_on(port):
        listening = socket.create_server(("127.0.0.1", port), backlog=128)
    with listening:
        server = _Server("127.0.0.1", listening.getsockname()[1], application, _Handler, fd=listening.fileno())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    return server, thread
