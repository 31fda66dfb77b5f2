"""The subject token: a CI system's OIDC token, which is a credential, and its claims, which are unverified here.

Nothing here checks a signature: only Google's STS decides. What is checked is what would make Google refuse later with
one unhelpful sentence: shape and times; `gcp_wif.issuers` knows the rest. The parsing is RFC 7519 and RFC 7515 by hand,
three base64url parts, because a JOSE library costs a job more start-up time than the rest of the command.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Never

from gcp_wif import secrets
from gcp_wif.errors import InputError
from gcp_wif.limits import MAX_TOKEN_BYTES

__all__ = [
    "JWT_TOKEN_TYPES",
    "MAX_SUBJECT_BYTES",
    "SubjectToken",
    "UnverifiedClaims",
    "check_times",
]

MAX_SUBJECT_BYTES = 127
"""Google's limit for ``google.subject``, in UTF-8 bytes (Google, "Mappings for OIDC")."""

JWT_TOKEN_TYPES = frozenset({"urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"})
"""The subject token types (RFC 8693, section 3) whose tokens are JWTs and are checked as such."""

_CLOCK_SKEW_SECONDS = 60
_YEAR_10000 = 253_402_300_800  # no client's datetime holds more
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_JWT = r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"


class UnverifiedClaims(Mapping[str, Any]):
    """The claims of a token whose signature nobody has checked yet. Read-only; compares by value."""

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self._claims = MappingProxyType(dict(claims))

    def __getitem__(self, name: str) -> Any:
        return self._claims[name]

    def __iter__(self) -> Any:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    def __repr__(self) -> str:
        return f"UnverifiedClaims({sorted(self._claims)})"

    def text(self, name: str) -> str | None:
        """The claim ``name`` where it is a string, else ``None``."""
        value = self._claims.get(name)
        return value if isinstance(value, str) else None

    def epoch(self, name: str) -> float | None:
        """The claim ``name`` where it is a number of seconds since 1970 (RFC 7519 NumericDate), else ``None``.

        A number that is no time is none either: negative, infinite, not a number, or beyond the year 9999.
        """
        value = self._claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if 0 <= value < _YEAR_10000 else None


class SubjectToken:
    """A subject token that hides itself: ``repr``, ``str`` and ``format`` never show it, and it cannot be pickled.

    `reveal` is the one way to the value, so that every place which uses it can be found by that word.
    """

    __slots__ = ("_claims", "_value")

    def __init__(self, value: str, claims: UnverifiedClaims | None) -> None:
        self._value = value
        self._claims = claims

    @classmethod
    def parse(cls, text: str, *, origin: str, jwt: bool = True) -> "SubjectToken":
        """Parse a token, tolerating white space around it.

        Args:
            text: what was found.
            origin: where it was found, for messages: a variable, a file, a command.
            jwt: whether it must be a JWT; ``False`` for the SAML and other token types of RFC 8693.

        Raises:
            InputError: WIF202 where it is empty, WIF203 where it cannot be a token.
        """
        value = text.strip()
        secrets.remember(value)  # also where it is refused: it may be half a token
        if not value:
            raise InputError(
                f"{origin} is set, but empty.",
                hint="The CI system issued no token for this job: jobs of forks often get none.",
                code="WIF202",
            )
        if len(value) > MAX_TOKEN_BYTES:
            raise InputError(
                f"{origin} holds {len(value)} characters; a token has at most {MAX_TOKEN_BYTES}.", code="WIF203"
            )
        if not jwt:
            if not (value.isascii() and value.isprintable() and " " not in value):
                raise InputError(f"{origin} holds white space or control characters inside the token.", code="WIF203")
            return cls(value, None)
        return cls(value, _parse_jwt(value, origin))

    @property
    def claims(self) -> UnverifiedClaims:
        """The unverified claims; empty where the token is not a JWT."""
        return self._claims if self._claims is not None else UnverifiedClaims({})

    def reveal(self) -> str:
        """The token itself. Write it to a private file or hand it to a client; never format it into a message."""
        return self._value

    def __repr__(self) -> str:
        return "SubjectToken(hidden)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        raise TypeError("a SubjectToken is not serialised: write it with files.write_private")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubjectToken) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def _parse_jwt(value: str, origin: str) -> UnverifiedClaims:
    def refuse(why: str, hint: str) -> Never:
        # `from None` at the raise sites keeps decoder errors, which quote their input, out of the chain.
        raise InputError(f"{origin} holds no JWT: {why}.", hint=hint, code="WIF203")

    if not re.fullmatch(_JWT, value):
        if value.startswith("{"):
            refuse(
                "it holds a JSON document",
                "Take the token out of a response with --token-response FILE --token-response-field NAME.",
            )
        if value.startswith("$"):
            refuse("it holds a variable's name, not its value", "Use double quotes where the shell should expand it.")
        refuse(
            "a token is three base64url parts joined by dots",
            "Name the variable that holds the OIDC token itself. An access token or an API key cannot be used.",
        )
    header, payload = (_json_part(part) for part in value.split(".")[:2])
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        refuse("its first part is not a JOSE header", "It may have been cut or altered on the way.")
    if not isinstance(payload, dict):
        refuse(
            "its second part is not a JSON object",
            "It may have been cut or altered on the way. NaN, Infinity and half a character (a lone surrogate) are "
            "not JSON either.",
        )
    return UnverifiedClaims(payload)


def _json_part(part: str) -> object:
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        found = json.loads(data, parse_constant=_no_constant)
        if _SURROGATE.search(data):  # half a character can be neither compared, counted nor written
            json.dumps(found, ensure_ascii=False).encode()
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found


def _no_constant(name: str) -> Never:
    """Python takes NaN and Infinity for JSON; RFC 8259 does not, and neither does Google."""
    raise ValueError(name)


def check_times(claims: UnverifiedClaims, now: float, *, origin: str) -> None:
    """Refuse a token whose times Google would refuse.

    Args:
        claims: the token's.
        now: seconds since 1970.
        origin: where the token was found, for messages.

    Raises:
        InputError: WIF204 expired, WIF205 not valid yet or without usable times.
    """
    expires, issued, not_before = (claims.epoch(name) for name in ("exp", "iat", "nbf"))
    given = {"exp": expires} | {name: claims.epoch(name) for name in ("iat", "nbf") if name in claims}
    for name, value in given.items():
        if value is None:
            raise InputError(
                f"The token in {origin} has no usable `{name}` claim.",
                hint="It must be a number of seconds since 1970, before the year 10000 (RFC 7519, NumericDate).",
                code="WIF205",
            )
    assert expires is not None  # noqa: S101 - for mypy: refused above
    if expires <= now:
        raise InputError(
            f"The token in {origin} expired at {_utc(expires)}; it is now {_utc(now)}.",
            hint="A job's token is issued when the job starts. In a longer job ask for a fresh one with --audience, or "
            "use an executable source that calls `gcp-wif token`. A token that came through a workspace or a cache "
            "belongs to an earlier job: each job has its own.",
            code="WIF204",
        )
    begins = max((value for value in (issued, not_before) if value is not None), default=now)
    if begins > now + _CLOCK_SKEW_SECONDS:
        raise InputError(
            f"The token in {origin} is valid from {_utc(begins)} on; it is now {_utc(now)}.",
            hint="This machine's clock is likely slow: compare it with `date -u` elsewhere.",
            code="WIF205",
        )


def _utc(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "a time that no calendar holds"
