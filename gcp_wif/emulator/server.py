"""The HTTP side: routes, bodies, the request log, and a threaded server on 127.0.0.1.

Besides Google's own paths it has the emulator's:

* ``POST /emulator/tokens`` ``{"claims"?: {…}, "header"?: {…}}`` answers ``{"token"}``: CircleCI-shaped by default;
  ``null`` takes a claim or a header field out; ``org``, ``project`` and ``user`` shape the claims that hold them.
* ``GET /emulator/requests`` answers ``{"requests": [{method, path, status}]}``, without secrets.
* ``POST /emulator/clock`` ``{"advance": SECONDS}`` moves the emulator's time and answers ``{"now"}``.
"""

import json
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from gcp_wif.emulator import iam_credentials, sts
from gcp_wif.emulator.errors import ApiError, StsError, not_found
from gcp_wif.emulator.issuer import Issuer
from gcp_wif.emulator.state import State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Application", "serve"]

Answer = dict[str, Any]
_MAX_BODY = 1 << 20
_LOG_ENTRIES = 10_000


class Application:
    """The WSGI application over one state."""

    def __init__(self, state: State, issuer: Issuer) -> None:
        self.state = state
        self.issuer = issuer
        self._log: list[Answer] = []
        self._log_lock = threading.Lock()
        self._routes = Map(self._rules(), strict_slashes=False, merge_slashes=False)

    def _rules(self) -> list[Rule]:
        table: list[tuple[str, str, Callable[..., Answer]]] = [
            ("POST", "/v1/token", self._token),
            ("POST", "/v1/introspect", self._introspect),
            ("POST", "/v1/projects/-/serviceAccounts/<account>:generateAccessToken", self._access_token),
            ("POST", "/v1/projects/-/serviceAccounts/<account>:generateIdToken", self._id_token),
            ("POST", "/emulator/tokens", self._sign),
            ("GET", "/emulator/requests", self._requests),
            ("POST", "/emulator/clock", self._clock),
            ("GET", "/.well-known/openid-configuration", self._discovery),
            ("GET", "/.well-known/jwks-pub.json", self._jwks),
        ]
        return [Rule(path, methods=[method], endpoint=handler) for method, path, handler in table]

    @property
    def log(self) -> list[Answer]:
        """The requests so far, oldest first: method, path and status."""
        with self._log_lock:
            return list(self._log)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = _MAX_BODY
        status, body = self._answer(request)
        with self._log_lock:
            self._log.append({"method": request.method, "path": request.path, "status": status})
            del self._log[:-_LOG_ENTRIES]
        response = Response(json.dumps(body), status=status, content_type="application/json; charset=UTF-8")
        return response(environ, start_response)

    def _answer(self, request: Request) -> tuple[int, Answer]:
        try:
            handler, arguments = self._routes.bind_to_environ(request.environ).match()
            return 200, handler(request, **arguments)
        except (ApiError, StsError) as error:
            return error.http_status, error.body
        except MethodNotAllowed:
            return 404, not_found().body
        except HTTPException as error:
            if error.code == 404:
                return 404, not_found().body
            return error.code or 400, ApiError("INVALID_ARGUMENT", "Request contains an invalid argument.").body

    # Google's paths

    def _token(self, request: Request) -> Answer:
        return sts.exchange(self.state, self.issuer, _form(request))

    def _introspect(self, request: Request) -> Answer:
        return sts.introspect(self.state, _form(request))

    def _access_token(self, request: Request, account: str) -> Answer:
        caller = iam_credentials.bearer(self.state, request.headers.get("Authorization", ""))
        return iam_credentials.generate_access_token(self.state, caller, account, json_body(request))

    def _id_token(self, request: Request, account: str) -> Answer:
        caller = iam_credentials.bearer(self.state, request.headers.get("Authorization", ""))
        return iam_credentials.generate_id_token(self.state, self.issuer, caller, account, json_body(request))

    # The issuer's and the emulator's own

    def _discovery(self, request: Request) -> Answer:
        return self.issuer.discovery(request.host_url.rstrip("/"))

    def _jwks(self, request: Request) -> Answer:  # noqa: ARG002 - a handler's signature
        return self.issuer.jwks()

    def _sign(self, request: Request) -> Answer:
        body = json_body(request)
        claims, header = body.get("claims") or {}, body.get("header") or {}
        if not isinstance(claims, dict) or not isinstance(header, dict):
            raise ApiError("INVALID_ARGUMENT", "claims and header must be objects.")
        return {"token": self.issuer.sign(claims, now=self.state.clock.now(), header=header)}

    def _requests(self, request: Request) -> Answer:  # noqa: ARG002 - a handler's signature
        return {"requests": self.log}

    def _clock(self, request: Request) -> Answer:
        seconds = json_body(request).get("advance", 0)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or abs(seconds) > 1e10:
            raise ApiError("INVALID_ARGUMENT", "advance must be a number of seconds.")
        self.state.clock.advance(seconds)
        return {"now": self.state.clock.now()}


def json_body(request: Request) -> Answer:
    """The request's JSON object; an empty body is ``{}``.

    Raises:
        ApiError: INVALID_ARGUMENT for anything else.
    """
    data = request.get_data()
    if not data.strip():
        return {}
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ApiError("INVALID_ARGUMENT", "Invalid JSON payload received.")
    return body


def _form(request: Request) -> dict[str, str]:
    """The parameters of an STS request, which may come as a form or as JSON in camel case."""
    if request.mimetype == "application/json":
        return {_snake(name): value for name, value in json_body(request).items() if isinstance(value, str)}
    return dict(request.form.items())


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Nothing: the application keeps its own log, without query strings."""


def serve(application: Application, port: int) -> tuple[BaseWSGIServer, threading.Thread]:
    """Serve on 127.0.0.1 in a thread; ``port`` 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=_Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]  # of socketserver.ThreadingMixIn
    server.block_on_close = False  # type: ignore[attr-defined]  # likewise
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    return server, thread
