"""What STS checks of a token before its claims are mapped: algorithm, key ID, issuer, audience, times. Pure.

The order is assumed: Google does not document which of several faults it names.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gcp_wif.federation.decision import ProviderRules, Step
from gcp_wif.refusals import Refusal, RefusalKind

__all__ = ["ALGORITHMS", "MAX_AGE_SECONDS", "MAX_SPAN_SECONDS", "SKEW_SECONDS", "check_token"]

ALGORITHMS = ("RS256", "ES256")
"""The signature algorithms that Google accepts (Google, OIDC provider requirements)."""

MAX_AGE_SECONDS = 24 * 3600
"""``iat`` may be at most this old (Google, OIDC token requirements)."""

MAX_SPAN_SECONDS = 48 * 3600
"""``exp`` must be "less than 48 hours after iat" (Google, STS v1 reference)."""

SKEW_SECONDS = 60
"""How far clocks may differ: ``iat`` 60 s ahead and ``exp`` 59 s ago were accepted (one dated observation)."""


def check_token(
    header: Mapping[str, Any], claims: Mapping[str, Any], rules: ProviderRules, now: float
) -> tuple[Step, ...]:
    """The steps up to the first failure; the signature is the caller's to verify between ``key`` and ``time``.

    Args:
        header: the JOSE header.
        claims: the claims.
        rules: the provider.
        now: seconds since 1970.
    """
    steps: list[Step] = []
    for step in _steps(header, claims, rules, now):
        steps.append(step)
        if not step.ok:
            break
    return tuple(steps)


def _steps(header: Mapping[str, Any], claims: Mapping[str, Any], rules: ProviderRules, now: float) -> Iterator[Step]:
    issuer = claims.get("iss")
    yield _step(
        "issuer",
        issuer == rules.issuer,
        rules.issuer,
        _text(issuer),
        # "null" and, below, "[]" for a claim that is absent (one dated observation).
        Refusal.of(
            RefusalKind.ISSUER_MISMATCH, found="null" if issuer is None else _text(issuer), expected=rules.issuer
        ),
    )
    algorithm, key = header.get("alg"), header.get("kid")
    # Google documents that `kid` is required and both algorithms; the sentence for their absence is assumed.
    yield _step(
        "key",
        algorithm in ALGORITHMS and isinstance(key, str) and bool(key),
        f"{' or '.join(ALGORITHMS)}, with a key ID",
        f"{_text(algorithm)}, key ID {_text(key)}",
        Refusal.of(RefusalKind.ISSUER_UNREACHABLE),
    )
    audience = claims.get("aud")
    found = audience if isinstance(audience, list) else [audience]
    yield _step(
        "audience",
        any(isinstance(each, str) and each in rules.expected_audiences for each in found),
        " or ".join(rules.expected_audiences),
        ", ".join(_text(each) for each in found),
        Refusal.of(
            RefusalKind.AUDIENCE_MISMATCH,
            found="" if audience is None else ", ".join(_text(each) for each in found),
        ),
    )
    yield _time(claims, now)


def _time(claims: Mapping[str, Any], now: float) -> Step:
    issued, expires = _number(claims.get("iat")), _number(claims.get("exp"))
    not_before = _number(claims.get("nbf"))
    refusal = Refusal.of(RefusalKind.TOKEN_STALE, issued_at=str(int(issued)) if issued is not None else "null")
    expected = f"iat <= {int(now)} < exp, give or take {SKEW_SECONDS} s"
    found = f"iat {_text(claims.get('iat'))}, exp {_text(claims.get('exp'))}"
    detail = None
    if issued is None or expires is None:
        detail = "iat or exp is missing or is not a number"
    elif issued > now + SKEW_SECONDS:
        detail = "iat is in the future"
    elif now - issued > MAX_AGE_SECONDS:
        detail = "iat is over 24 hours ago"
    elif expires <= now - SKEW_SECONDS:
        detail = "it has expired"
    elif expires - issued >= MAX_SPAN_SECONDS:
        detail = "exp is 48 hours or more after iat"
    elif not_before is not None and not_before > now + SKEW_SECONDS:
        detail = "nbf is in the future"
    return Step("time", detail is None, expected, found, detail, refusal if detail else None)


def _step(name: str, ok: bool, expected: str, found: str, refusal: Refusal) -> Step:
    return Step(name, ok, expected, found, None, None if ok else refusal)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or value != value:  # noqa: PLR0124 - NaN
        return None
    return float(value)


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value if value is not None else "(none)"
    try:
        return str(value)[:200]
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        return f"({type(value).__name__})"
