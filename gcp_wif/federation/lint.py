"""What Google refuses when a provider is created or changed (IAM REST v1, limits of a provider). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gcp_wif.federation.expressions import ExpressionError, compile_expression
from gcp_wif.issuers import shared_tenant_claims
from gcp_wif.limits import MAX_CONDITION, MAX_EXPRESSION
from gcp_wif.refusals import Refusal, RefusalKind

__all__ = ["MAX_ATTRIBUTES", "ProviderProblem", "is_multi_tenant", "lint_provider"]

MAX_ATTRIBUTES = 50
"""Google's limit for custom attributes."""

_BAD_ISSUER = "Invalid OIDC issuer URI."
"""What Google says of an issuer without a scheme, and nothing more (one dated observation)."""

_KEY = re.compile(r"google\.(subject|groups|display_name|profile_photo|posix_username)|attribute\.[a-z0-9_]{1,100}")


@dataclass(frozen=True)
class ProviderProblem:
    """One reason why Google would refuse a provider.

    Attributes:
        field: such as ``attributeMapping.google.subject`` or ``oidc.issuerUri``.
        message: Google's sentence where it is known, else one in its manner (assumed).
        column: where in an expression, counted from 1.
    """

    field: str
    message: str
    column: int | None = None


def lint_provider(mapping: Mapping[str, str], condition: str | None, issuer: str) -> tuple[ProviderProblem, ...]:
    """Everything that Google would refuse in these three, in the order of the fields.

    Args:
        mapping: target attributes to expressions.
        condition: the attribute condition; ``None`` or empty where there is none.
        issuer: the issuer's URL.
    """
    problems = [*_issuer(issuer), *_mapping(mapping)]
    if condition:
        if len(condition) > MAX_CONDITION:
            problems.append(
                ProviderProblem("attributeCondition", f"The attribute condition exceeds {MAX_CONDITION} characters.")
            )
        else:
            problems += _compiles("attributeCondition", condition, ("assertion", "google", "attribute"), boolean=True)
    if is_multi_tenant(issuer) and not (condition and re.search(r"\b(assertion|google|attribute)\b", condition)):
        problems.append(ProviderProblem("attributeCondition", Refusal.of(RefusalKind.CONDITION_REQUIRED).description))
    return tuple(problems)


def is_multi_tenant(issuer: str) -> bool:
    """Whether the issuer signs for tenants that do not trust each other. Google's own list is not public: assumed."""
    return bool(shared_tenant_claims(issuer))


def _issuer(issuer: str) -> list[ProviderProblem]:
    """An issuer is an https URL with a host, and without query, fragment (OpenID Connect Core, 1.2) or userinfo."""
    try:
        parts = urlsplit(issuer)
        host, user = parts.hostname, parts.username
    except ValueError:
        return [ProviderProblem("oidc.issuerUri", _BAD_ISSUER)]
    if not parts.scheme or host is None or user is not None or "?" in issuer or "#" in issuer:
        return [ProviderProblem("oidc.issuerUri", _BAD_ISSUER)]
    if parts.scheme != "https":
        return [ProviderProblem("oidc.issuerUri", Refusal.of(RefusalKind.ISSUER_NOT_HTTPS).description)]
    return []


def _mapping(mapping: Mapping[str, str]) -> list[ProviderProblem]:
    problems = []
    if "google.subject" not in mapping:
        problems.append(ProviderProblem("attributeMapping", "The attribute mapping must include google.subject."))
    if sum(key.startswith("attribute.") for key in mapping) > MAX_ATTRIBUTES:
        problems.append(
            ProviderProblem("attributeMapping", f"At most {MAX_ATTRIBUTES} custom attributes can be mapped.")
        )
    for key, expression in mapping.items():
        field = f"attributeMapping.{key}"
        if not _KEY.fullmatch(key):
            problems.append(ProviderProblem(field, f"Invalid mapped attribute key: {key}."))
        elif not 0 < len(expression) <= MAX_EXPRESSION:
            problems.append(ProviderProblem(field, f"The mapping of {key} must have 1 to {MAX_EXPRESSION} characters."))
        else:
            problems += _compiles(field, expression, ("assertion",))
    return problems


def _compiles(field: str, expression: str, names: tuple[str, ...], *, boolean: bool = False) -> list[ProviderProblem]:
    try:
        compiled = compile_expression(expression, names)
    except ExpressionError as error:
        return [ProviderProblem(field, f"Error parsing CEL expression: {error.message}", error.column)]
    if boolean and not compiled.may_be_bool:
        return [ProviderProblem(field, "The attribute condition must evaluate to a boolean.")]
    return []
