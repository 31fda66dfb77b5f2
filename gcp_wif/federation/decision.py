"""The values of a decision: what a provider says, each step taken, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gcp_wif.names import Principal, ProviderName
from gcp_wif.refusals import Refusal

__all__ = ["Decision", "ProviderRules", "Step"]


@dataclass(frozen=True)
class ProviderRules:
    """A workload identity pool provider, as far as it decides.

    Attributes:
        name: its resource name.
        issuer: the issuer's URL, compared with ``iss`` exactly.
        attribute_mapping: ``google.subject`` and others to CEL expressions.
        attribute_condition: a CEL expression, or ``None``.
        allowed_audiences: where empty, the provider's own name with and without ``https:`` is accepted.
        uploaded_keys: a JWKS in place of the issuer's own keys; empty where there is none. Keys that somebody uploaded
            sign tokens that the issuer never saw.
    """

    name: ProviderName
    issuer: str
    attribute_mapping: Mapping[str, str]
    attribute_condition: str | None = None
    allowed_audiences: tuple[str, ...] = ()
    uploaded_keys: str = ""

    @classmethod
    def from_rest(cls, name: ProviderName, document: Mapping[str, Any]) -> "ProviderRules":
        """The rules in a provider's REST resource; what is absent there has its empty value (IAM REST v1).

        Args:
            name: the provider's.
            document: the resource, as Google and gcloud print it.
        """
        oidc = document.get("oidc") or {}
        return cls(
            name,
            str(oidc.get("issuerUri", "")),
            MappingProxyType(dict(document.get("attributeMapping") or {})),
            document.get("attributeCondition") or None,
            tuple(oidc.get("allowedAudiences") or ()),
            str(oidc.get("jwksJson") or ""),
        )

    def to_rest(self) -> dict[str, Any]:
        """The fields of the REST resource that hold these rules, empty ones too."""
        return {
            "attributeMapping": dict(self.attribute_mapping),
            "attributeCondition": self.attribute_condition or "",
            "oidc": {
                "issuerUri": self.issuer,
                "allowedAudiences": list(self.allowed_audiences),
                "jwksJson": self.uploaded_keys,
            },
        }

    @property
    def expected_audiences(self) -> tuple[str, ...]:
        """The accepted values of ``aud`` (Google, OIDC provider reference)."""
        return self.allowed_audiences or self.name.default_audiences


@dataclass(frozen=True)
class Step:
    """One step of the chain.

    Attributes:
        name: ``issuer``, ``key``, ``audience``, ``time``, ``mapping:NAME``, ``subject-size``, ``size``, ``condition``.
        ok: whether it passed.
        expected: what would pass, where that can be said.
        found: what was there.
        detail: why, in the evaluator's words or ours.
        refusal: what Google says, where it failed.
    """

    name: str
    ok: bool
    expected: str | None = None
    found: str | None = None
    detail: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Decision:
    """What Google makes of a token whose signature is good.

    Attributes:
        steps: every step that was taken; after the first failure none follows that depends on it.
        google: the mapped ``google.*`` values, without that prefix.
        attributes: the custom ones, without ``attribute.``; those mapped to ``""`` are not set (assumed).
        principals: every identifier in a policy that means this identity; empty where it is refused.
    """

    steps: tuple[Step, ...]
    google: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    principals: tuple[Principal, ...] = ()

    @property
    def refusal(self) -> Refusal | None:
        """What Google says; ``None`` where the token is admitted."""
        return next((step.refusal for step in self.steps if step.refusal), None)

    @property
    def admitted(self) -> bool:
        """Whether STS issues a federated token."""
        return self.refusal is None

    @property
    def subject(self) -> str | None:
        """The mapped ``google.subject``."""
        value = self.google.get("subject")
        return value if isinstance(value, str) else None
