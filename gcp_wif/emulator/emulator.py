"""One emulator: its state, its issuer and its server, started and stopped together."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from gcp_wif.emulator.issuer import Issuer
from gcp_wif.emulator.server import Application, serve
from gcp_wif.emulator.state import Clock, State
from gcp_wif.endpoints import EMULATOR_VARIABLE
from gcp_wif.names import ProviderName

__all__ = ["Emulator"]


class Emulator:
    """Google on 127.0.0.1, from construction or ``with`` until `stop`.

    Args:
        port: the HTTP port; 0 takes a free one.
        projects: project IDs with their numbers; any other ID exists too, with a number of its own.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, *, port: int = 0, projects: Mapping[str, str] | None = None) -> None:
        self.state = State(Clock(), dict(projects or {}))
        self.issuer = Issuer()
        self._application = Application(self.state, self.issuer)
        self._server, self._thread = serve(self._application, port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, the value of ``GCP_WIF_EMULATOR_HOST``."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def http(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{self.host}"

    def environ(self) -> dict[str, str]:
        """The variables that send gcp-wif here."""
        return {EMULATOR_VARIABLE: self.host}

    def token(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A signed subject token; see `Issuer.sign` for ``claims`` and ``header``."""
        return self.issuer.sign(claims, now=self.state.clock.now(), header=dict(header or {}))

    def provision(
        self,
        provider: ProviderName,
        *,
        issuer: str,
        mapping: Mapping[str, str],
        condition: str = "",
        allowed_audiences: Iterable[str] = (),
        accounts: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Make a pool, a provider and accounts with their members of roles/iam.workloadIdentityUser."""
        self.state.provision(
            provider,
            issuer=issuer,
            mapping=dict(mapping),
            condition=condition,
            allowed_audiences=allowed_audiences,
            accounts=dict(accounts or {}),
        )

    def requests(self) -> list[dict[str, Any]]:
        """What was asked so far: method, path and status."""
        return self._application.log
