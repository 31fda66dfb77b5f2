"""What can go wrong, as types with an exit code and texts that teach.

Every failure that a user can meet is a `GcpWifError`: what is wrong (``message``), the likeliest cause and what to
do (``hint``), and a stable ``code`` that scripts and `gcp-wif doctor --explain` can rely on. Nothing below ``cli/``
exits the process; the command line turns ``exit_code`` into the process's own.

A message may name a flag, a variable, a path or a claim. It never holds a token: values that came from outside go
through `shown` first.
"""

import re
from typing import ClassVar

__all__ = [
    "GcpWifError",
    "InputError",
    "MissingExtraError",
    "RefusedError",
    "StoppedError",
    "UnavailableError",
    "hide_tokens",
    "shown",
]

_SECRET_SHAPES = r"eyJ|ya29\.|-----BEGIN|[A-Za-z0-9+/_=.-]{65,}"  # noqa: S105 - a pattern
_SHOWN_CHARACTERS = 120
_TOKEN_SHAPES = r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}|ya29\.[A-Za-z0-9_.-]+"  # noqa: S105 - a pattern


class GcpWifError(Exception):
    """The root of all errors of gcp-wif.

    Args:
        message: what is wrong, one sentence, without a token in it.
        hint: the likeliest cause and what to do about it; may have several lines.
        code: ``WIF`` and three digits, stable between versions.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return self.message


class InputError(GcpWifError):
    """Input or environment that cannot work; nothing was written. Exit code 2."""


class MissingExtraError(InputError):
    """A command needs packages that the core install leaves out."""

    def __init__(self, extra: str, *, command: str) -> None:
        super().__init__(
            f"`gcp-wif {command}` needs the extra `{extra}`: run  pip install 'gcp-wif[{extra}]'",
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
    run of base64 characters is replaced by its length, and control characters are escaped.
    """
    if re.search(_SECRET_SHAPES, value):
        return f"a value of {len(value)} characters (not shown, it may be a secret)"
    if len(value) > _SHOWN_CHARACTERS:
        return f"{value[:_SHOWN_CHARACTERS]!r}… ({len(value)} characters)"
    return repr(value)


def hide_tokens(text: str) -> str:
    """Replace every JWT and every access token of Google's in ``text``, for words that came from elsewhere."""
    return re.sub(_TOKEN_SHAPES, "(token hidden)", text)
