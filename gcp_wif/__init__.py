"""Keyless Google Cloud for CI jobs: the public API.

Names are loaded when they are first used, because this module is imported by every run of the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcp_wif.api.admin import Applied, apply, plan
    from gcp_wif.api.diagnosis import diagnose
    from gcp_wif.api.login import Login, login
    from gcp_wif.api.tokens import access_token, id_token
    from gcp_wif.credential_config import CredentialConfig, ExecutableSource, FileSource, TokenFormat, UrlSource
    from gcp_wif.doctor.report import Finding, Report
    from gcp_wif.endpoints import Endpoints
    from gcp_wif.errors import GcpWifError, InputError, MissingExtraError, RefusedError, UnavailableError
    from gcp_wif.job.access import Granted
    from gcp_wif.manifest import Manifest
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
    from gcp_wif.provisioning.changes import Plan
    from gcp_wif.subject_token import SubjectToken

__all__ = [
    "Applied",
    "CredentialConfig",
    "Endpoints",
    "ExecutableSource",
    "FileSource",
    "Finding",
    "GcpWifError",
    "Granted",
    "InputError",
    "Login",
    "Manifest",
    "MissingExtraError",
    "Plan",
    "PoolId",
    "PoolName",
    "Principal",
    "ProjectId",
    "ProjectNumber",
    "ProviderId",
    "ProviderName",
    "RefusedError",
    "Report",
    "ServiceAccountEmail",
    "SubjectToken",
    "TokenFormat",
    "UnavailableError",
    "UrlSource",
    "access_token",
    "apply",
    "diagnose",
    "id_token",
    "login",
    "plan",
]

_ROOMS = {
    "api.admin": ("Applied", "apply", "plan"),
    "api.diagnosis": ("diagnose",),
    "api.login": ("Login", "login"),
    "api.tokens": ("access_token", "id_token"),
    "credential_config": ("CredentialConfig", "ExecutableSource", "FileSource", "TokenFormat", "UrlSource"),
    "doctor.report": ("Finding", "Report"),
    "endpoints": ("Endpoints",),
    "errors": ("GcpWifError", "InputError", "MissingExtraError", "RefusedError", "UnavailableError"),
    "job.access": ("Granted",),
    "manifest": ("Manifest",),
    "provisioning.changes": ("Plan",),
    "subject_token": ("SubjectToken",),
}
"""Where each name is; all others are in ``names``."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        room = next((room for room, names in _ROOMS.items() if name in names), "names")
        return getattr(import_module(f"gcp_wif.{room}"), name)
    raise AttributeError(f"module 'gcp_wif' has no attribute {name!r}")
