"""What the doctor looks at, and what it finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from gcp_wif.credential_config import CredentialConfig
from gcp_wif.federation import ProviderRules, SubExpression
from gcp_wif.manifest import Manifest
from gcp_wif.names import PoolName, ProviderName, ServiceAccountEmail
from gcp_wif.refusals import RefusalKind

__all__ = [
    "LINKS",
    "MISSING",
    "AttributeRow",
    "Binding",
    "Case",
    "Document",
    "Finding",
    "Level",
    "LinkState",
    "Report",
]

LINKS = (
    "token",
    "time",
    "issuer",
    "audience",
    "provider",
    "mapping",
    "subject",
    "condition",
    "principal",
    "binding",
    "account",
    "lifetime",
    "api",
)
"""The chain, in its order."""

Level = Literal["broken", "unknown", "advice"]


class _Missing:
    """Looked for, and not there; unlike ``None``, which means that nobody looked."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()

Document = Mapping[str, Any] | _Missing | None
"""A REST resource, `MISSING`, or ``None`` where it was not seen."""


class Binding(NamedTuple):
    """One binding of an IAM policy."""

    role: str
    members: tuple[str, ...]
    conditional: bool = False


@dataclass(frozen=True)
class Case:
    """All that is known. Everything may be ``None``: not seen.

    Attributes:
        now: seconds since 1970.
        header: the token's header, unverified.
        claims: its claims, unverified.
        config: the credential config.
        provider: whose chain it is.
        account: the account to impersonate; ``None`` also for direct federation, see ``direct``.
        direct: whether no account is impersonated.
        pool_state: the pool's REST resource.
        provider_state: the provider's.
        account_state: the service account's.
        policy: the account's policy.
        project_policy: for direct federation, the project's policy.
        project: that project.
        other_providers: the pool's other providers.
        refused: the row of Google's table that an error text was recognised as.
        sentence: that text.
        disabled_api: what Google said of an API that is off.
        manifest: the manifest.
        identity: the identity in it that is meant.
        deployed: whether the states above are Google's, or only what the manifest would make.
        live: whether Google itself was read, not saved answers of it.
    """

    now: float
    header: Mapping[str, Any] | None = None
    claims: Mapping[str, Any] | None = None
    config: CredentialConfig | None = None
    provider: ProviderName | None = None
    account: ServiceAccountEmail | None = None
    direct: bool = False
    pool_state: Document = None
    provider_state: Document = None
    account_state: Document = None
    policy: tuple[Binding, ...] | None = None
    project_policy: tuple[Binding, ...] | None = None
    project: str | None = None
    other_providers: tuple[str, ...] = ()
    refused: RefusalKind | None = None
    sentence: str | None = None
    disabled_api: str | None = None
    manifest: Manifest | None = None
    identity: str | None = None
    deployed: bool = True
    live: bool = False

    @property
    def rules(self) -> ProviderRules | None:
        """The provider's rules, where it was seen."""
        state = self.provider_state
        if not isinstance(state, Mapping) or self.provider is None:
            return None
        oidc = state.get("oidc") or {}
        return ProviderRules(
            self.provider,
            str(oidc.get("issuerUri", "")),
            dict(state.get("attributeMapping") or {}),
            state.get("attributeCondition") or None,
            tuple(oidc.get("allowedAudiences") or ()),
        )

    @property
    def pool(self) -> PoolName | None:
        """The pool's name."""
        return self.provider.pool if self.provider else None


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, unknown, or should not be so.

    Attributes:
        code: of `gcp_wif.refusals` where Google has a sentence for it, else WIF9xx; see `explanations`.
        link: where in the chain.
        message: what it is.
        expected: what would pass.
        found: what is there; never a token.
        mend: commands or manifest lines, in order.
    """

    code: str
    link: str
    level: Level
    message: str
    expected: str | None = None
    found: str | None = None
    mend: tuple[str, ...] = ()


class LinkState(NamedTuple):
    """One link of the chain: ``fine``, ``broken``, ``unknown``, or ``skipped`` after a broken one."""

    name: str
    state: Literal["fine", "broken", "unknown", "skipped"]
    detail: str = ""


class AttributeRow(NamedTuple):
    """One mapped attribute: its expression, its value, the value's size in bytes."""

    target: str
    expression: str
    value: str | None
    size: int


@dataclass(frozen=True)
class Report:
    """What the doctor says.

    Attributes:
        links: the chain.
        findings: broken ones first, in the chain's order; then advice; then unknown ones.
        claims: the token's claims, by name, as text.
        attributes: what the mapping makes of them.
        trace: the condition, taken apart.
        principals: every identifier that a policy may use for this identity.
        accounts: the accounts that each identity of the manifest gives this token, by identity.
    """

    links: tuple[LinkState, ...]
    findings: tuple[Finding, ...]
    claims: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[AttributeRow, ...] = ()
    trace: tuple[SubExpression, ...] = ()
    principals: tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> Finding | None:
        """The first broken link's finding."""
        return next((each for each in self.findings if each.level == "broken"), None)
