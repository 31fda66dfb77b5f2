"""Mapping, sizes and condition: what STS makes of a token's claims. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gcp_wif.federation.decision import Decision, ProviderRules, Step
from gcp_wif.federation.expressions import ExpressionError, compile_expression
from gcp_wif.names import PoolName, Principal
from gcp_wif.refusals import Refusal, RefusalKind
from gcp_wif.subject_token import MAX_SUBJECT_BYTES

__all__ = ["MAX_MAPPED_BYTES", "evaluate"]

MAX_MAPPED_BYTES = 8 * 1024
"""Google's limit for all mapped values together, in UTF-8 bytes."""

_SUBJECT, _GROUPS = "google.subject", "google.groups"
_UNSET = "it is not set: its expression reads a claim that is absent"


class _Refused(Exception):  # noqa: N818 - not an error: it ends the chain
    def __init__(self, step: Step) -> None:
        super().__init__(step.name)
        self.step = step


def evaluate(claims: Mapping[str, Any], rules: ProviderRules) -> Decision:
    """Map the claims and ask the condition.

    Args:
        claims: taken as verified.
        rules: the provider. Expressions that do not compile refuse, as those that fail do.
    """
    claims = dict(claims)  # CEL takes a dict alone
    steps: list[Step] = []
    google: dict[str, Any] = {}
    attributes: dict[str, str] = {}
    try:
        for target, expression in rules.attribute_mapping.items():
            value = _mapped(target, expression, claims)
            if value is None:
                steps.append(Step(f"mapping:{target}", ok=True, expected=expression, detail=_UNSET))
                continue
            steps.append(Step(f"mapping:{target}", ok=True, expected=expression, found=_shown(value)))
            if target.startswith("attribute."):
                if value:
                    attributes[target.removeprefix("attribute.")] = value
            else:
                google[target.removeprefix("google.")] = value
        steps.extend(_sizes(google, attributes))
        # A token without `sub` is refused by a condition on `sub` before the missing subject is (observed once).
        if rules.attribute_condition:
            steps.append(_condition(rules.attribute_condition, claims, google, attributes))
        _require_subject(google, rules.attribute_mapping.get(_SUBJECT))
    except _Refused as refused:
        return Decision((*steps, refused.step), MappingProxyType(google), MappingProxyType(attributes))
    return Decision(
        tuple(steps),
        MappingProxyType(google),
        MappingProxyType(attributes),
        _principals(rules.name.pool, google, attributes),
    )


def _mapped(target: str, expression: str, claims: Mapping[str, Any]) -> Any:
    """One mapped value: a string, or for ``google.groups`` a list of strings; ``None`` where it is not set.

    How Google treats an absent claim is not documented. Public blueprints map claims that their own workflows do not
    send, and work: so the attribute is not set (a strong hint). ``google.subject`` must be set.
    """
    kind = RefusalKind.SUBJECT_UNMAPPED if target == _SUBJECT else RefusalKind.MAPPING_FAILED  # of an expression

    def refused(detail: str, found: str | None = None) -> _Refused:
        refusal = Refusal.of(RefusalKind.ATTRIBUTE_TYPE, attribute=target) if found is not None else Refusal.of(kind)
        return _Refused(Step(f"mapping:{target}", False, expression, found, detail, refusal))

    try:
        value = compile_expression(expression, ("assertion",)).evaluate(assertion=claims)
    except ExpressionError as error:
        if error.absent:
            return None
        raise refused(error.message) from None
    if target == _GROUPS and isinstance(value, list):
        if all(isinstance(each, str) for each in value):
            return value
        raise refused("google.groups must be a list of strings", _shown(value))
    if not isinstance(value, str):
        raise refused("the value is not a string", _shown(value))
    if target == _SUBJECT and not value:
        return None
    return [value] if target == _GROUPS else value


def _sizes(google: Mapping[str, Any], attributes: Mapping[str, str]) -> list[Step]:
    size = len(str(google.get("subject", "")).encode())
    if size > MAX_SUBJECT_BYTES:
        refusal = Refusal.of(RefusalKind.SUBJECT_TOO_LONG)
        limit = f"at most {MAX_SUBJECT_BYTES} bytes"
        raise _Refused(Step("subject-size", False, limit, f"{size} bytes", None, refusal))
    groups = google.get("groups", [])
    texts = [value for value in google.values() if isinstance(value, str)] + list(attributes.values()) + list(groups)
    total = sum(len(text.encode()) for text in texts)
    if total > MAX_MAPPED_BYTES:
        refusal = Refusal.of(RefusalKind.ATTRIBUTES_TOO_LARGE)
        limit = f"at most {MAX_MAPPED_BYTES} bytes"
        raise _Refused(Step("size", False, limit, f"{total} bytes", None, refusal))
    return [
        Step("subject-size", ok=True, expected=f"at most {MAX_SUBJECT_BYTES} bytes", found=f"{size} bytes"),
        Step("size", ok=True, expected=f"at most {MAX_MAPPED_BYTES} bytes", found=f"{total} bytes"),
    ]


def _require_subject(google: Mapping[str, Any], expression: str | None) -> None:
    if not google.get("subject"):
        detail = "it is not mapped" if expression is None else "its value is empty, or reads a claim that is absent"
        refusal = Refusal.of(RefusalKind.SUBJECT_UNMAPPED)
        raise _Refused(Step(f"mapping:{_SUBJECT}", False, expression, None, detail, refusal))


def _condition(
    condition: str, claims: Mapping[str, Any], google: Mapping[str, Any], attributes: Mapping[str, str]
) -> Step:
    try:
        compiled = compile_expression(condition, ("assertion", "google", "attribute"))
        value = compiled.evaluate(assertion=claims, google=google, attribute=attributes)
        detail = None if isinstance(value, bool) else "the condition's value is not a bool"
    except ExpressionError as error:
        value, detail = None, error.message
    if value is True:
        return Step("condition", ok=True, expected=condition, found="true")
    found = _shown(value) if value is not None else None
    raise _Refused(Step("condition", False, condition, found, detail, Refusal.of(RefusalKind.CONDITION_FALSE)))


def _principals(pool: PoolName, google: Mapping[str, Any], attributes: Mapping[str, str]) -> tuple[Principal, ...]:
    return (
        Principal.subject(pool, google["subject"]),
        *(Principal.group(pool, group) for group in google.get("groups", []) if group),
        *(Principal.attribute(pool, name, value) for name, value in attributes.items()),
        Principal.whole_pool(pool),
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:2_000]
