"""Hosts of CI systems that hand a job its token by a request, as a credential config may name them. Pure."""

from gcp_wif import ci

__all__ = ["is_token_host"]


def is_token_host(host: str) -> bool:
    """Whether a CI system hands out tokens there; ``host`` is in lower case."""
    patterns = (ci.system(kind).token_hosts for kind in ci.kinds())
    return any(each.fullmatch(host) for each in patterns if each)
