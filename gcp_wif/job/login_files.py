"""How the files of a login are called, so that several logins of one job stand beside each other. Pure.

A login without a name has ``gcp_cred_config.json`` and ``oidc_token``; one with the name ``a`` has
``gcp_cred_config-a.json`` and ``oidc_token-a``, in the same folder. A name has no dot, so that no login's token is
called as another one's file: ``oidc_token.json`` is the JSON token of the login without a name.
"""

import re

from gcp_wif.errors import InputError, shown

__all__ = ["config_name", "name_of", "parse_name", "token_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What the name of an identity may be, too: each identity's name will do."""
_CONFIG = re.compile(rf"gcp_cred_config-({_NAME.pattern})\.json")


def parse_name(text: str) -> str:
    """The name of a login.

    Raises:
        InputError: WIF102 empty, WIF131 a name that no login can have.
    """
    if not text:
        raise InputError(
            "--name is empty.", hint="A variable that it was made from is likely unset: quote it, or set it.",
            code="WIF102",
        )  # fmt: skip
    if not _NAME.fullmatch(text):
        raise InputError(
            f"--name must be letters, digits, `-` and `_`, at most 63, but holds {shown(text)}.",
            hint="The name becomes a part of file names. The name of an identity in the manifest will do.",
            code="WIF131",
        )
    return text


def config_name(name: str | None) -> str:
    """The file name of a login's credential config."""
    return f"gcp_cred_config{_suffix(name)}.json"


def token_name(name: str | None, *, json: bool) -> str:
    """The file name of a login's subject token."""
    return f"oidc_token{_suffix(name)}{'.json' if json else ''}"


def name_of(config: str) -> str | None:
    """The name of the login whose credential config has this file name; ``None`` where that has none."""
    found = _CONFIG.fullmatch(config)
    return found[1] if found else None


def _suffix(name: str | None) -> str:
    return f"-{name}" if name is not None else ""
