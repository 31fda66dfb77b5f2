"""How a config is shown without what may be secret in it: more people read a CI log than a repository."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gcp_wif.config_lint.secrets import has_secret_shape
from gcp_wif.endpoints import parse_url

__all__ = ["masked", "origin_of", "program_of"]

_HIDDEN = "(not shown)"


def origin_of(url: str) -> str:
    """Scheme and host that a URL leads to, for a message: user, path and query may be secrets.

    Of a URL that cannot be read strictly it is the host behind the last ``@``, where most clients go.
    """
    match = re.match(r"(https?://)(?:[^/?#\\]*@)?([^/?#\\@]*)(.*)", url, re.IGNORECASE | re.DOTALL)
    found = parse_url(match[1] + match[2]) if match and "@" not in match[3] else None
    if found is None or has_secret_shape(found.host):
        return "an address that is not shown (it may hold a secret)"
    return f"{found.scheme}://{found.host}" + (f":{found.port}" if found.port else "")


def program_of(command: str) -> str:
    """The program of a command, for a message: its arguments may be secrets."""
    return next(iter(command.split()), "")


def _same(text: str) -> str:
    return text


def _google_url(url: str) -> str:
    """A URL with its path, and without a query."""
    found = parse_url(url)
    if found is None:
        return origin_of(url)
    bare = re.split(r"[?#]", found.rest)[0]
    return f"{origin_of(url)}{bare}" + (f"?{_HIDDEN}" if bare != found.rest else "")


def _token_url(url: str) -> str:
    found = parse_url(url)
    return f"{origin_of(url)}/{_HIDDEN}" if found and found.rest not in ("", "/") else origin_of(url)


def _command(command: str) -> str:
    return f"{program_of(command)} {_HIDDEN}" if " " in command else command


_SHOWABLE: dict[str, Any] = {
    "universe_domain": _same,
    "type": _same,
    "audience": _same,
    "subject_token_type": _same,
    "token_url": _google_url,
    "token_info_url": _google_url,
    "service_account_impersonation_url": _google_url,
    "service_account_impersonation": {"token_lifetime_seconds": _same},
    "credential_source": {
        "file": _same,
        "url": _token_url,
        "headers": {},
        "format": {"type": _same, "subject_token_field_name": _same},
        "executable": {"command": _command, "timeout_millis": _same, "output_file": _same},
    },
}
"""What of a config is no secret, and how it is shown."""


def masked(document: Any, showable: Any = _SHOWABLE) -> Any:
    """A config to be shown: of known fields what is no secret, of all others the names alone."""
    if isinstance(document, Mapping) and isinstance(showable, dict):
        return {
            (_HIDDEN if has_secret_shape(key) else key): masked(value, showable.get(key))
            for key, value in document.items()
        }
    if isinstance(document, (bool, int, float)) and isinstance(showable, Callable):  # type: ignore[arg-type]  # mypy does not take the ABC here
        return document
    if isinstance(document, str) and not isinstance(showable, dict) and showable is not None:
        return _HIDDEN if has_secret_shape(document) else showable(document)
    return _HIDDEN
