"""One call of a Google API, whichever way it came, and what every call has in common.

A call has the method ID of Google's discovery documents, such as ``iam.projects.serviceAccounts.get``; REST and gRPC
requests for the same thing are the same call. `Gateway.run` is the one road to a handler: it counts the call in the
fault plan, knows the caller, and keeps the request log.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gcp_wif.emulator.model.errors import ApiError, StsError, of_refusal
from gcp_wif.emulator.model.faults import Action, Faults
from gcp_wif.emulator.model.google_keys import GoogleKeys
from gcp_wif.emulator.model.state import AccessToken, State
from gcp_wif.emulator.model.token_issuer import TokenIssuer
from gcp_wif.errors import hide_tokens
from gcp_wif.refusals import RefusalKind

__all__ = ["Answer", "Call", "Dropped", "Gateway", "Handler", "Media", "Planned", "Request"]

Answer = dict[str, Any]
_LOG_ENTRIES = 10_000
_LOGGED_QUERY = frozenset({
    "updateMask", "pageSize", "showDeleted", "workloadIdentityPoolId", "workloadIdentityPoolProviderId",
    "options.requestedPolicyVersion", "assetTypes", "project", "prefix", "names",
})  # fmt: skip
_SERVICES = {
    "iam": "Identity and Access Management (IAM)",
    "iamcredentials": "IAM Service Account Credentials",
    "sts": "Security Token Service",
    "serviceusage": "Service Usage",
    "cloudresourcemanager": "Cloud Resource Manager",
    "cloudasset": "Cloud Asset",
    "storage": "Cloud Storage",
    "bigquery": "BigQuery",
}


@dataclass(frozen=True)
class Media:
    """An answer that is no JSON: an object's content, or nothing."""

    data: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Dropped(Exception):  # noqa: N818 - the connection is to be closed, which is not this program's error
    """The fault plan closes the connection without an answer."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "drop")
        self.reset = reset


class Planned(Exception):  # noqa: N818 - an answer, not an error
    """The fault plan answers with a status and a body of its own."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Request:
    """What came in.

    Attributes:
        method: the HTTP method, or ``GRPC``.
        path: the path, or the gRPC method's.
        authorization: the header or metadata of that name.
        query: the query parameters by their names in the discovery document.
        body: the JSON body; for gRPC the message in that shape.
    """

    method: str
    path: str
    authorization: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """What a handler gets."""

    state: State
    issuer: TokenIssuer
    keys: GoogleKeys
    caller: AccessToken | None
    query: Mapping[str, str]
    body: Mapping[str, Any]
    action: Action


Handler = Callable[..., Any]
"""From a call and the path's arguments to its `Answer`, or to `Media` for the few calls that have no JSON."""


class Gateway:
    """The road to every handler.

    Args:
        state: what Google knows.
        issuer: the token issuer.
        sleep: waits for a fault's latency.

    Attributes:
        crashes: the types of exceptions that were answered as internal errors: defects of the emulator.
    """

    def __init__(self, state: State, issuer: TokenIssuer, sleep: Callable[[float], None] = time.sleep) -> None:
        self.state = state
        self.issuer = issuer
        self.keys = GoogleKeys()
        self.faults = Faults()
        self.crashes: list[str] = []
        self._sleep = sleep
        self._log: list[Answer] = []
        self._lock = threading.Lock()

    @property
    def log(self) -> list[Answer]:
        """The calls so far, oldest first; `gcp_wif.emulator.transport.controls` documents an entry."""
        with self._lock:
            return [dict(entry) for entry in self._log]

    def clear_log(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._log.clear()

    def run(self, name: str, handler: Handler, request: Request, arguments: Mapping[str, str]) -> Any:
        """Answer one call.

        Raises:
            ApiError: the refusal, also a planned one.
            StsError: likewise for STS.
            Planned: an answer that the fault plan replaces.
            Dropped: none.
        """
        status: int | None = 200
        caller = self.state.grant(_bearer(request.authorization))
        try:
            return self._run(name, handler, request, arguments, caller)
        except (ApiError, StsError) as error:
            status = error.http_status
            raise
        except Planned as planned:
            status = planned.status
            raise
        except Dropped:
            status = None
            raise
        except BaseException:
            status = 500
            raise
        finally:
            self._record(name, request, caller, status)

    def refused(self, request: Request, status: int) -> None:
        """Record a request that is no call."""
        self._record("unknown", request, None, status)

    def _run(
        self, name: str, handler: Handler, request: Request, arguments: Mapping[str, str], caller: AccessToken | None
    ) -> Any:
        action = self.faults.take(name, request.method, request.path)
        if action.latency_ms:
            self._sleep(action.latency_ms / 1000)
        if action.replaces and not action.after:
            _replace(name, action)
        self._check_enabled(name, arguments)
        oauth = name.startswith(
            ("sts.", "oauth2.")
        )  # a client may send Basic authorization there, which is not looked at
        if request.authorization and not oauth and caller is None:
            raise of_refusal(RefusalKind.CREDENTIALS_UNACCEPTED)
        answer = handler(
            Call(self.state, self.issuer, self.keys, caller, request.query, request.body, action), **arguments
        )
        if action.replaces:
            _replace(name, action)
        return answer

    def _check_enabled(self, name: str, arguments: Mapping[str, str]) -> None:
        api = name.partition(".")[0]
        host = f"{api}.googleapis.com"
        if host not in self.state.settings.disabled_services:
            return
        project = arguments.get("project", "-")
        account = self.state.accounts.find(arguments.get("account", ""))
        if project == "-":
            project = account.project if account else "-"
        number = "000000000000" if project == "-" else self.state.project_number(project)
        raise of_refusal(
            RefusalKind.API_DISABLED, "SERVICE_DISABLED", service=_SERVICES.get(api, api), project=number, host=host
        )

    def _record(self, name: str, request: Request, caller: AccessToken | None, status: int | None) -> None:
        entry = {
            "method": request.method,
            "path": hide_tokens(request.path)[:1000],
            "status": status,
            "call": name,
            "caller": caller.kind if caller else "none",
            "principal": caller.principals[0] if caller and caller.principals else None,
            "query": {key: hide_tokens(text)[:200] for key, text in request.query.items() if key in _LOGGED_QUERY},
            "fields": _names(request.body),
        }
        with self._lock:
            self._log.append(entry)
            del self._log[:-_LOG_ENTRIES]


def _replace(name: str, action: Action) -> None:
    if action.drop or action.reset:
        raise Dropped(reset=action.reset)
    if action.body is not None:
        raise Planned(action.status or 200, action.body)
    if name.startswith(("sts.", "oauth2.")):
        message = action.message or "The service is currently unavailable."
        raise StsError(action.error or "internal_failure", message, action.status or 503)
    raise action.api_error()


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _names(body: Mapping[str, Any]) -> list[str]:
    """The names of a body's fields, without their values; a name that nobody would give a field is cut."""
    names: Iterable[str] = (hide_tokens(str(name))[:60] for name in body)
    return sorted(names)[:50]
