"""Google's host names, and the issuers': which of them the emulator is, and which calls belong to each."""

from gcp_wif.issuers import kinds, profile
from gcp_wif.issuers.model import host_of

__all__ = ["api_of", "is_served"]

_GOOGLE = "googleapis.com"
_APIS = {
    f"{name}.{_GOOGLE}": name
    for name in ("sts", "iamcredentials", "iam", "cloudresourcemanager", "cloudasset", "oauth2", "storage", "www")
}


def is_served(host: str) -> bool:
    """Whether the emulator answers as ``host``."""
    return host in _APIS or host in _issuer_hosts()


def api_of(host: str) -> str | None:
    """The API that one of Google's hosts serves, as call names begin with it; ``None`` for any other host."""
    return _APIS.get(host.partition(":")[0].lower())


def _issuer_hosts() -> frozenset[str]:
    return frozenset(filter(None, (host_of(profile(kind).root) for kind in kinds())))
