"""Hosts of CI systems that hand a job its token by a GET request, as a credential config may name them. Pure.

GitHub Actions and Azure DevOps document such an address: a variable of the job, whose host is one of these.
"""

import re

__all__ = ["is_token_host"]

_HOSTS = re.compile(r"(?:[a-z0-9-]+\.)*actions\.githubusercontent\.com|(?:vstoken\.)?dev\.azure\.com")


def is_token_host(host: str) -> bool:
    """Whether a CI system hands out tokens there; ``host`` is in lower case."""
    return _HOSTS.fullmatch(host) is not None
