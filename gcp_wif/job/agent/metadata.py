"""A metadata server, as a machine of Google's cloud has one, for clients that know no external account.

Google's page "About VM metadata" and the client libraries are the source: what they ask of it before and while they use
it is answered, and no more. Unlike the token's own port this one has no password: each process of the machine that can
reach loopback can have an access token. What a page in a browser would send is refused, by the header that each request
must have and by the name in ``Host``.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

from gcp_wif.job.agent.connections import Server
from gcp_wif.job.agent.requests import Reply, Request, is_for
from gcp_wif.limits import AGENT_METADATA_GRANTS, AGENT_SHORTEST_PAUSE_SECONDS

if TYPE_CHECKING:
    from gcp_wif.job.context import Context

__all__ = ["Metadata", "granted"]

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_FLAVOR = (("Metadata-Flavor", "Google"), ("Server", "Metadata Server for VM"))
_ROOT = "/computeMetadata/v1"
_LEFT_SECONDS = 300
"""A token with less to live is replaced: clients use none that has under four minutes (google-auth, `_helpers.py`)."""


class _Child(Protocol):
    answer: dict[str, Any] | None

    def look(self) -> None: ...
    def stop(self) -> None: ...


class _Grant(NamedTuple):
    token: str
    expires: float


class Metadata:
    """The metadata server of one agent.

    Args:
        access: the task of `granted`, with what is known of the account beside it.
        server: where to listen.
        clock: seconds since 1970.
        start: starts an errand.
    """

    def __init__(
        self,
        access: Mapping[str, Any],
        server: Server,
        clock: Callable[[], float],
        start: Callable[[dict[str, Any]], _Child],
    ) -> None:
        self._server, self._clock, self._start = server, clock, start
        self._child: _Child | None = None
        self._asked: tuple[str, ...] = ()
        self.take(access)
        self._listener = server.listen(None, self._answer)

    def take(self, access: Mapping[str, Any]) -> None:
        """Serve another identity from now on, on the same port."""
        self._access = dict(access)
        self._grants: dict[tuple[str, ...], _Grant] = {}
        self._failed: dict[tuple[str, ...], tuple[float, str]] = {}
        if self._child is not None:
            self._child.stop()
            self._child = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    def look(self) -> None:
        """Take the answer of an errand that has ended."""
        if self._child is None:
            return
        self._child.look()
        if self._child.answer is None:
            return
        answer, self._child = self._child.answer, None
        for each in (self._grants, self._failed):
            while len(each) >= AGENT_METADATA_GRANTS:
                del each[next(iter(each))]
        try:
            self._grants[self._asked] = _Grant(answer["token"], float(answer["expires"]))
            self._failed.pop(self._asked, None)
        except (KeyError, TypeError, ValueError):
            self._failed[self._asked] = (time.monotonic(), str(answer.get("error"))[:1000])

    @property
    def is_busy(self) -> bool:
        """Whether an errand is under way."""
        return self._child is not None

    def stop(self) -> None:
        """Stop serving."""
        self._server.close(self._listener)
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _answer(self, request: Request) -> Reply | None:
        if not is_for(request, self.port) or "x-forwarded-for" in request.headers or request.method != "GET":
            return Reply(403)
        url = urlsplit(request.target)
        if url.path == "/":
            return _text("computeMetadata/\n")
        if request.headers.get("metadata-flavor") != "Google":
            return Reply(403, b"Missing Metadata-Flavor:Google header.\n", headers=_FLAVOR)
        query = parse_qs(url.query)
        path = url.path.removeprefix(_ROOT).rstrip("/")
        account = path.removeprefix("/instance/service-accounts/")
        for name in ("default", self._access["email"]):
            if path != account and (account == name or account.startswith(f"{name}/")):
                return self._account(account.removeprefix(name).strip("/"), query)
        return self._project(path)

    def _project(self, path: str) -> Reply:
        found = {
            "": "instance/\nproject/\nuniverse/\n",
            "/instance": "service-accounts/\n",
            "/instance/service-accounts": f"default/\n{self._access['email']}/\n",
            "/project/project-id": self._access["project_id"],
            "/project/numeric-project-id": self._access["project_number"],
            "/universe/universe-domain": self._access["universe"],
        }.get(path)
        return Reply(404, headers=_FLAVOR) if found is None else _text(found)

    def _account(self, what: str, query: Mapping[str, list[str]]) -> Reply | None:
        email = self._access["email"]
        if what == "token":
            scopes = ",".join(query.get("scopes", [])).replace(",", " ").split() or [_SCOPE]
            return self._token(("scopes", *dict.fromkeys(scopes)))
        if what == "identity" and query.get("audience"):
            return self._token(("audience", query["audience"][0]))
        if what == "" and "".join(query.get("recursive", [])).lower() == "true":  # oauth2client writes True
            found = {"aliases": ["default"], "email": email, "scopes": [_SCOPE]}
            return Reply(200, json.dumps(found).encode(), "application/json", _FLAVOR)
        texts = {
            "": "aliases\nemail\nidentity\nscopes\ntoken\n",
            "email": email,
            "scopes": _SCOPE,
            "aliases": "default",
        }
        return _text(texts[what]) if what in texts else Reply(404, headers=_FLAVOR)

    def _token(self, wish: tuple[str, ...]) -> Reply | None:
        """An access token for ``scopes``, or an ID token for one ``audience``: the first word says which."""
        now = self._clock()
        grant = self._grants.get(wish)
        if grant is not None and grant.expires - now > _LEFT_SECONDS:
            return _granted_reply(wish[0], grant, now)
        when, why = self._failed.get(wish, (0.0, ""))
        if why and time.monotonic() - when < AGENT_SHORTEST_PAUSE_SECONDS:
            if grant is not None and grant.expires > now:
                return _granted_reply(wish[0], grant, now)
            return Reply(503, f"{why}\n".encode(), headers=_FLAVOR)
        if self._child is None:
            self._asked = wish
            self._failed.pop(wish, None)
            self._child = self._start(self._access | {"wish": list(wish)})
        return None


def _granted_reply(what: str, grant: _Grant, now: float) -> Reply:
    if what == "audience":
        return _text(grant.token)
    found = {"access_token": grant.token, "expires_in": int(grant.expires - now), "token_type": "Bearer"}
    return Reply(200, json.dumps(found).encode(), "application/json", _FLAVOR)


def _text(text: str) -> Reply:
    return Reply(200, text.encode(), "application/text", _FLAVOR)


def granted(task: Mapping[str, Any], context: "Context") -> dict[str, Any]:
    """An access token or an ID token by the job's credential config, in a child of the agent.

    Raises:
        InputError, RefusedError, UnavailableError: as `gcp_wif.job.access` has them.
    """
    from pathlib import Path

    from gcp_wif.endpoints import Endpoints
    from gcp_wif.job.access import AccessWish, IdentityWish, access_token, id_token
    from gcp_wif.subject_token import SubjectToken

    path, endpoints = Path(task["config"]), Endpoints.resolve(context.environ, task["universe"])
    what, *values = task["wish"]
    if what == "scopes":
        found = access_token(path, AccessWish(tuple(values)), endpoints, context)
        return {"token": found.secret, "expires": found.expires_at.timestamp() if found.expires_at else None}
    text = id_token(path, IdentityWish(values[0], include_email=True), endpoints, context).secret
    return {"token": text, "expires": SubjectToken.parse(text, origin="Google's ID token").claims.epoch("exp")}
