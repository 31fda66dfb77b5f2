"""Google's URLs, per universe, or the emulator's: the only place that knows them.

The emulator is chosen by the environment (``GCP_WIF_EMULATOR_HOST``), and only a loopback address is accepted there:
that variable decides where a subject token is sent.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from gcp_wif.errors import InputError, shown
from gcp_wif.names import ServiceAccountEmail

__all__ = ["DEFAULT_UNIVERSE", "EMULATOR_GRPC_VARIABLE", "EMULATOR_VARIABLE", "Endpoints"]

DEFAULT_UNIVERSE = "googleapis.com"
EMULATOR_VARIABLE = "GCP_WIF_EMULATOR_HOST"
EMULATOR_GRPC_VARIABLE = "GCP_WIF_EMULATOR_GRPC_HOST"

_LOOPBACK = r"(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\]):[0-9]{1,5}"
_DOMAIN = r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"


class Endpoints(NamedTuple):
    """Where the services of one universe answer.

    Attributes:
        universe: the universe domain; ``googleapis.com`` unless it is a sovereign cloud.
        emulator: ``HOST:PORT`` of the emulator's HTTP side, or ``None`` for Google.
        emulator_grpc: ``HOST:PORT`` of its gRPC side, or ``None``.
    """

    universe: str = DEFAULT_UNIVERSE
    emulator: str | None = None
    emulator_grpc: str | None = None

    @classmethod
    def resolve(cls, environ: Mapping[str, str], universe: str | None = None) -> "Endpoints":
        """Choose the endpoints from the environment and the flag ``--universe-domain``.

        Raises:
            InputError: WIF003 where the emulator's address is not on loopback, WIF116 for the universe domain.
        """
        domain = universe if universe is not None else DEFAULT_UNIVERSE
        if not re.fullmatch(_DOMAIN, domain):
            raise InputError(
                f"--universe-domain must be a domain name, but holds {shown(domain)}.",
                hint=f"Google's public cloud is {DEFAULT_UNIVERSE}; leave the flag away for it.",
                code="WIF116",
            )
        return cls(domain, *(_loopback(environ, name) for name in (EMULATOR_VARIABLE, EMULATOR_GRPC_VARIABLE)))

    def _base(self, service: str) -> str:
        return f"http://{self.emulator}" if self.emulator else f"https://{service}.{self.universe}"

    @property
    def token_url(self) -> str:
        """STS token exchange (RFC 8693)."""
        return f"{self._base('sts')}/v1/token"

    @property
    def token_info_url(self) -> str:
        """STS introspection (RFC 7662)."""
        return f"{self._base('sts')}/v1/introspect"

    @property
    def iam(self) -> str:
        """Base of IAM REST v1, without a trailing slash."""
        return f"{self._base('iam')}/v1"

    @property
    def resource_manager(self) -> str:
        """Base of Resource Manager REST v3, without a trailing slash."""
        return f"{self._base('cloudresourcemanager')}/v3"

    def impersonation_url(self, account: ServiceAccountEmail) -> str:
        """IAM Credentials generateAccessToken for ``account``."""
        base = self._base("iamcredentials")
        return f"{base}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"


def _loopback(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name)
    if value is None:
        return None
    if not re.fullmatch(_LOOPBACK, value) or int(value.rpartition(":")[2]) > 65535:
        raise InputError(
            f"{name} must be a loopback address such as 127.0.0.1:8080, but holds {shown(value)}.",
            hint="It decides where tokens are sent. Give host and port as `gcp-wif emulator` prints them, "
            "without http://; unset it to talk to Google.",
            code="WIF003",
        )
    return value
