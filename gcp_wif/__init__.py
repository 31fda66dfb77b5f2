"""Keyless Google Cloud for CI jobs: the public API.

Names are loaded when they are first used, because this module is imported by every run of the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcp_wif.credential_config import CredentialConfig, ExecutableSource, FileSource, TokenFormat, UrlSource
    from gcp_wif.endpoints import Endpoints
    from gcp_wif.errors import GcpWifError, InputError, RefusedError, UnavailableError
    from gcp_wif.names import (
        PoolId,
        PoolName,
        Principal,
        ProjectId,
        ProjectNumber,
        ProviderId,
        ProviderName,
        ServiceAccountEmail,
    )
    from gcp_wif.subject_token import SubjectToken

__all__ = [
    "CredentialConfig",
    "Endpoints",
    "ExecutableSource",
    "FileSource",
    "GcpWifError",
    "InputError",
    "PoolId",
    "PoolName",
    "Principal",
    "ProjectId",
    "ProjectNumber",
    "ProviderId",
    "ProviderName",
    "RefusedError",
    "ServiceAccountEmail",
    "SubjectToken",
    "TokenFormat",
    "UnavailableError",
    "UrlSource",
]

_ROOMS = ("credential_config", "endpoints", "errors", "names", "subject_token")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f"gcp_wif.{room}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module 'gcp_wif' has no attribute {name!r}")
