"""Google's URLs, per universe, or the emulator's: the only place that knows them, and how a URL is read.

The emulator is chosen by the environment (``GCP_WIF_EMULATOR_HOST``), and only a loopback address is accepted there:
that variable decides where a subject token is sent.
"""

import functools
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from gcp_wif.errors import InputError, shown
from gcp_wif.names import ServiceAccountEmail

__all__ = ["DEFAULT_UNIVERSE", "EMULATOR_GRPC_VARIABLE", "EMULATOR_VARIABLE", "Endpoints", "Url", "parse_url"]

DEFAULT_UNIVERSE = "googleapis.com"
EMULATOR_VARIABLE = "GCP_WIF_EMULATOR_HOST"
EMULATOR_GRPC_VARIABLE = "GCP_WIF_EMULATOR_GRPC_HOST"

_LOOPBACK = r"(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\]):[0-9]{1,5}"
_DOMAIN = r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Compiled where they are used: every command imports this module, and few read a URL.
_URL = r"(?i)(https?)://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?((?:[/?#][!-\[\]-~]*)?)"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_METADATA_HOSTS = frozenset({"169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal"})
_CONFIG_URLS = {
    "token_url": ("sts", r"/v1/token"),
    "token_info_url": ("sts", r"/v1/introspect"),
    "service_account_impersonation_url": (
        "iamcredentials",
        r"/v1/projects/-/serviceAccounts/[^/?#]+:generateAccessToken",
    ),
}
"""The URL fields of a credential config: the service, and how the path ends."""


class Url(NamedTuple):
    """An http or https URL that every client reads alike.

    Attributes:
        scheme: ``http`` or ``https``.
        host: in lower case, an IPv6 address in its brackets.
        port: 1 to 65535, ``None`` where the URL names none.
        rest: path, query and fragment, as written.
    """

    scheme: str
    host: str
    port: int | None
    rest: str

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine: 127.0.0.0/8, ``[::1]`` or ``localhost``."""
        return self.host in ("localhost", "[::1]") or (
            self.host.startswith("127.") and bool(re.fullmatch(_IPV4, self.host))
        )

    @property
    def is_metadata_server(self) -> bool:
        """Whether the host is a cloud's metadata server (AWS and Azure, AWS by IPv6, Google), which speaks http."""
        return self.host in _METADATA_HOSTS and self.port in (None, 80)


def parse_url(text: str) -> Url | None:
    """Read ``text`` strictly: RFC 3986 without userinfo, ASCII alone; ``None`` for everything else.

    Clients disagree on ``http://127.0.0.1:80@evil.example/``, on backslashes, on ``http://127.1/`` and on
    ``http://2130706433/``: a URL that two of them could take to two hosts is no URL here.
    """
    match = re.fullmatch(_URL, text)
    if match is None:
        return None
    scheme, host, port, rest = match[1].lower(), match[2].lower(), match[3], match[4]
    if host.startswith("["):
        import ipaddress

        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return None
    else:
        labels = host.removesuffix(".").split(".")
        if not all(labels) or (re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]) and not re.fullmatch(_IPV4, host)):
            return None
    if port is not None and not 0 < int(port) <= 65535:
        return None
    return Url(scheme, host, int(port) if port else None, rest)


@functools.cache
def _hosts(service: str, universe: str) -> re.Pattern[str]:
    """The host names of a service: global, regional, private service connect, and each of them with mutual TLS.

    google-auth accepted these when it still looked at URLs (2.16, ``external_account.py``); ``.rep`` is Google's newer
    form of a regional endpoint ("Regional endpoints", Google Cloud).
    """
    label = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    before, after = rf"(?:{label}[.-])?", rf"(?:\.{label}(?:\.rep)?|-{label}\.p)"
    return re.compile(rf"(?:{before}{service}|{service}{after})(?:\.mtls)?\.{re.escape(universe)}")


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

    @property
    def resource_manager_v1(self) -> str:
        """Base of Resource Manager REST v1, likewise."""
        return f"{self._base('cloudresourcemanager')}/v1"

    @property
    def service_usage(self) -> str:
        """Base of Service Usage REST v1, likewise."""
        return f"{self._base('serviceusage')}/v1"

    def impersonation_url(self, account: ServiceAccountEmail) -> str:
        """IAM Credentials generateAccessToken for ``account``."""
        base = self._base("iamcredentials")
        return f"{base}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"

    def fault_of(self, field: str, url: str) -> Literal["host", "path"] | None:
        """What is wrong with a URL of a credential config: where it leads, or what it asks there; ``None``: nothing.

        The host alone decides who is sent a token: the service's own in this universe, over https on its usual port.
        The path must end as the service's does. With the emulator on, only the emulator's own URL is right.

        Args:
            field: ``token_url``, ``token_info_url`` or ``service_account_impersonation_url``.
            url: its value.
        """
        service, tail = _CONFIG_URLS[field]
        found = parse_url(url)
        if self.emulator:
            base = f"http://{self.emulator}"
            return None if url.startswith(base) and re.fullmatch(tail, url.removeprefix(base)) else "host"
        if found is None or found.scheme != "https" or found.port not in (None, 443):
            return "host"
        if not _hosts(service, self.universe).fullmatch(found.host):
            return "host"
        return None if re.search(rf"{tail}\Z", found.rest) else "path"


def _loopback(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name)
    if value is None:
        return None
    value = value.removeprefix("http://").removesuffix("/")  # so `gcp-wif emulator` prints it
    if not re.fullmatch(_LOOPBACK, value) or int(value.rpartition(":")[2]) > 65535:
        raise InputError(
            f"{name} must be a loopback address such as 127.0.0.1:8080, but holds {shown(value)}.",
            hint="It decides where tokens are sent. Give it as `gcp-wif emulator` prints it, or unset it to talk to "
            "Google.",
            code="WIF003",
        )
    return value
