"""What can go wrong, as types with an exit code and texts that teach.

Every failure that a user can meet is a `GcpWifError`: what is wrong (``message``), the likeliest cause and what to
do (``hint``), and a stable ``code`` that scripts and `gcp-wif doctor --explain` can rely on. Nothing below ``cli/``
exits the process; the command line turns ``exit_code`` into the process's own.

A message may name a flag, a variable, a path or a claim. It never holds a token: values that came from outside go
through `shown` first, texts of servers through `safe_text.one_line`. Whatever it holds, a message is one line without
control characters and is bounded, because an error is where all that came from outside meets.
"""

import re
from typing import ClassVar

from gcp_wif import secrets
from gcp_wif.install import install_command
from gcp_wif.limits import MESSAGE_CHARACTERS, OUTSIDE_CHARACTERS
from gcp_wif.safe_text import one_line, visible

__all__ = [
    "GcpWifError",
    "InputError",
    "MissingExtraError",
    "RefusedError",
    "StoppedError",
    "UnavailableError",
    "from_outside",
    "hide_tokens",
    "shown",
]

_SECRET_SHAPES = r"eyJ|ya29\.|-----BEGIN|[A-Za-z0-9+/_=.-]{65,}"  # noqa: S105 - a pattern
_SHOWN_CHARACTERS = 120


class GcpWifError(Exception):
    """The root of all errors of gcp-wif.

    Args:
        message: what is wrong, one sentence, without a token in it.
        hint: the likeliest cause and what to do about it; may have several lines.
        code: ``WIF`` and three digits, stable between versions.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None, code: str) -> None:
        self.message = one_line(message, MESSAGE_CHARACTERS)
        super().__init__(self.message)
        self.hint = visible(hint[:MESSAGE_CHARACTERS]) if hint is not None else None
        self.code = code

    def __str__(self) -> str:
        return self.message


class InputError(GcpWifError):
    """Input or environment that cannot work; nothing was written. Exit code 2."""


class MissingExtraError(InputError):
    """A command needs packages that the core install leaves out."""

    def __init__(self, extra: str, *, command: str) -> None:
        super().__init__(
            f"`gcp-wif {command}` needs the extra `{extra}`: run  {install_command(extra)}",
            code="WIF002",
        )
        self.extra = extra


class RefusedError(GcpWifError):
    """The answer is no: a refusal, a drift, a finding. Exit code 1."""

    exit_code = 1


class UnavailableError(GcpWifError):
    """A service could not be reached, or kept failing after bounded retries. Exit code 3."""

    exit_code = 3


class StoppedError(GcpWifError):
    """Somebody stopped it, by Ctrl-C or by SIGTERM. Exit code 130, as a shell gives for SIGINT."""

    exit_code = 130


def shown(value: str) -> str:
    """Return ``value`` quoted for a message, unless it may be a secret.

    People put a token into the wrong variable. Anything that resembles a JWT, an access token, a key or another long
    run of base64 characters, or holds a piece of a secret that this run handled, is replaced by its length, and control
    characters are escaped.
    """
    if re.search(_SECRET_SHAPES, value) or secrets.seen(value):
        return f"a value of {len(value)} characters (not shown, it may be a secret)"
    if len(value) > _SHOWN_CHARACTERS:
        return f"{value[:_SHOWN_CHARACTERS]!r}… ({len(value)} characters)"
    return repr(value)


def hide_tokens(text: str) -> str:
    """Replace every secret in ``text``, known by its shape or by its value (`gcp_wif.secrets`)."""
    return secrets.hide(text)


def from_outside(text: str) -> str:
    """What a server or a library said, for a message: without secrets, on one line, and bounded."""
    return one_line(hide_tokens(text), OUTSIDE_CHARACTERS)
