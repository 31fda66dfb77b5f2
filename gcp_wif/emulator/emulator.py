"""One emulator: its state, its issuer and its two servers, started and stopped together."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from gcp_wif.desired import Grant, from_manifest
from gcp_wif.emulator.model.state import Clock, State
from gcp_wif.emulator.model.token_issuer import TokenIssuer
from gcp_wif.emulator.services.gateway import Answer, Gateway, Request
from gcp_wif.emulator.services.hosts import place_of
from gcp_wif.emulator.transport import controls
from gcp_wif.emulator.transport.grpc import serve_grpc
from gcp_wif.emulator.transport.http import Application, serve
from gcp_wif.emulator.transport.proxy import Proxy
from gcp_wif.endpoints import EMULATOR_GRPC_VARIABLE, EMULATOR_VARIABLE
from gcp_wif.issuers import DEFAULT, profile
from gcp_wif.manifest import Manifest
from gcp_wif.names import ProviderName
from gcp_wif.roles import IMPERSONATION_ROLE

__all__ = ["Emulator"]


class Emulator:
    """Google on 127.0.0.1, from construction or ``with`` until `stop`.

    Args:
        port: the HTTP port; 0 takes a free one.
        grpc_port: the gRPC port, likewise.
        proxy_port: the port of the proxy for Google's own host names, likewise; ``None`` for no proxy.
        projects: project IDs with their numbers; any other ID exists too, with a number of its own.
        clock: the time; `Clock` over the real one by default.

    Raises:
        PortError: a port cannot be had; it says which.
        OSError: the CA's file cannot be written.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        grpc_port: int = 0,
        proxy_port: int | None = None,
        projects: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._projects = dict(projects or {})
        self._clock = clock or Clock()
        self.issuer = TokenIssuer()
        self.gateway = Gateway(State(self._clock, self._projects), self.issuer)
        self._application = Application(self.gateway)
        self._server, self._thread = serve(self._application, port)
        try:
            self._grpc_server, self._grpc_port = serve_grpc(self.gateway, grpc_port)
        except OSError:
            self._stop_http()
            raise
        self._proxy: Proxy | None = None
        try:
            if proxy_port is not None:
                self._proxy = Proxy(
                    proxy_port,
                    self._server.port,
                    self._grpc_port,
                    lambda host: place_of(host) is not None,
                    self._elsewhere,
                )
        except OSError:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def state(self) -> State:
        """What Google knows; tests may look at it and change it."""
        return self.gateway.state

    def reset(self) -> None:
        """Forget everything but the issuer's keys: quicker than another emulator."""
        self.gateway.state = State(self._clock, self._projects)
        self.gateway.faults.replace([])
        self.gateway.clear_log()

    def stop(self) -> None:
        """Stop serving and free the ports."""
        if self._proxy is not None:
            self._proxy.stop()
        self._grpc_server.stop(None).wait(10)
        self._stop_http()

    def _elsewhere(self, host: str) -> None:
        self.gateway.refused(Request("CONNECT", host), 403)

    def _stop_http(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, the value of ``GCP_WIF_EMULATOR_HOST``."""
        return f"127.0.0.1:{self._server.port}"

    @property
    def http(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{self.host}"

    @property
    def grpc(self) -> str:
        """``127.0.0.1:PORT``, the value of ``GCP_WIF_EMULATOR_GRPC_HOST``."""
        return f"127.0.0.1:{self._grpc_port}"

    @property
    def crashes(self) -> list[str]:
        """The types of exceptions that were answered with 500: defects of the emulator."""
        return list(self.gateway.crashes)

    @property
    def proxy(self) -> str | None:
        """``http://127.0.0.1:PORT``, the value of ``HTTPS_PROXY``; ``None`` without a proxy."""
        return self._proxy.url if self._proxy else None

    @property
    def ca(self) -> str | None:
        """The file of the CA that signs for Google's host names; ``None`` without a proxy."""
        return str(self._proxy.ca) if self._proxy else None

    def environ(self, *, real_hosts: bool = False) -> dict[str, str]:
        """The variables that send gcp-wif here.

        Args:
            real_hosts: in place of gcp-wif's own variables, those by which every client takes this for Google's own
                hosts: the proxy and its CA.

        Raises:
            ValueError: there is no proxy.
        """
        if not real_hosts:
            return {EMULATOR_VARIABLE: self.host, EMULATOR_GRPC_VARIABLE: self.grpc}
        if self._proxy is None:
            raise ValueError("real host names need a proxy: Emulator(proxy_port=0)")
        return self._proxy.environ()

    def token(
        self, header: Mapping[str, Any] | None = None, *, kind: str = DEFAULT, stranger: bool = False, **claims: Any
    ) -> str:
        """A signed subject token: claims, and what `TokenIssuer.sign` takes besides them."""
        options = {name: claims.pop(name) for name in profile(kind).sample_options if name in claims}
        now = self.state.clock.now()
        return self.issuer.sign(claims, now=now, header=header, kind=kind, stranger=stranger, **options)

    def provision(
        self,
        provider: ProviderName,
        *,
        issuer: str,
        mapping: Mapping[str, str],
        condition: str = "",
        allowed_audiences: Iterable[str] = (),
        jwks_json: str = "",
        accounts: Mapping[str, Iterable[str]] | None = None,
        roles: Mapping[str, Mapping[str, Iterable[str]]] | None = None,
    ) -> None:
        """Make a pool, a provider and accounts at once, replacing what has these names.

        Nothing is checked, so that a test can also set up what Google would refuse.

        Args:
            provider: its name.
            issuer: ``oidc.issuerUri``.
            mapping: the attribute mapping.
            condition: the attribute condition.
            allowed_audiences: ``oidc.allowedAudiences``.
            jwks_json: ``oidc.jwksJson``.
            accounts: emails with their members of roles/iam.workloadIdentityUser.
            roles: project IDs, with roles and their members.
        """
        state = self.state
        oidc = {"issuerUri": issuer, "allowedAudiences": list(allowed_audiences), "jwksJson": jwks_json}
        content = {"attributeMapping": dict(mapping), "attributeCondition": condition, "oidc": _filled(oidc)}
        with state.lock:
            state.pools.put(provider, _filled(content))
            for email, members in (accounts or {}).items():
                account = state.accounts.find(email) or state.accounts.put(email, state.project_id)
                state.grant_roles(account.policy, {IMPERSONATION_ROLE: members})
            for project, granted in (roles or {}).items():
                state.grant_roles(state.project_policy(project), granted)

    def provision_as(self, manifest: Manifest) -> None:
        """Make everything as the manifest says, accounts that it does not create included.

        Raises:
            InputError: WIF720, WIF721: the manifest does not compile.
        """
        desired = from_manifest(manifest)
        state = self.state
        with state.lock:
            state.name_project(desired.pool_project, desired.pool.project_number)
            content = dict(desired.provider_document) | {"oidc": _filled(desired.provider_document["oidc"])}
            state.pools.put(desired.provider, _filled(content), _filled(desired.pool_fields))
            for wanted in desired.accounts:
                account = state.accounts.find(wanted.email) or state.accounts.put(wanted.email, state.project_id)
                account.display_name = wanted.fields.get("display_name", "")
                account.description = wanted.fields.get("description", "")
                state.grant_roles(account.policy, _by_role(wanted.grants))
            for project, grants in desired.project_grants.items():
                state.grant_roles(state.project_policy(project), _by_role(grants))

    def requests(self) -> list[Answer]:
        """What was asked so far, without secrets; `gcp_wif.emulator.transport.controls` documents an entry."""
        return self.gateway.log

    def faults(self, *faults: Mapping[str, Any], **settings: Any) -> Answer:
        """Plan failures, as ``POST /emulator/faults`` does; the plan is replaced, settings that are not named stay.

        Raises:
            ApiError: a fault or a setting is malformed.
        """
        return controls.configure(self.gateway, {"faults": [dict(fault) for fault in faults], **settings})

    def advance(self, seconds: float) -> None:
        """Move the emulator's time by ``seconds``."""
        self.state.clock.advance(seconds)


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what has its default value, which no REST resource shows."""
    return {name: value for name, value in fields.items() if value}


def _by_role(grants: Iterable[Grant]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for grant in grants:
        found.setdefault(grant.role, []).append(grant.member)
    return found
