"""What the doctor looks at."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from gcp_wif.credential_config import CredentialConfig
from gcp_wif.desired import Desired
from gcp_wif.errors import GcpWifError
from gcp_wif.federation import Binding, ProviderRules, Scope, Target
from gcp_wif.manifest import Manifest
from gcp_wif.names import PoolId, PoolName, ProviderName, ServiceAccountEmail
from gcp_wif.refusals import Parts, RefusalKind

__all__ = ["ABOVE", "MISSING", "Binding", "Document", "Evidence"]


class _Missing:
    """Looked for, and not there; unlike ``None``, which means that nobody looked."""

    def __repr__(self) -> str:
        return "MISSING"


ABOVE = "what is above the project"
"""The name of the folders and the organisation, where nobody looked which there are."""

MISSING = _Missing()

Document = Mapping[str, Any] | _Missing | None
"""A REST resource, `MISSING`, or ``None`` where it was not seen."""


@dataclass(frozen=True)
class Evidence:
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
        project: the ID of the account's project; for direct federation, of that in which roles are granted.
        project_policy: its policy.
        above: the folders and the organisation above that project, with their policies.
        roles: permissions of the roles that were read; ``None`` for one that Google did not show.
        services: the APIs that were looked at in the pool's project, and whether each is on.
        near_pool: where the pool does not exist, the ID of one that is named much alike.
        near_account: likewise of the account.
        siblings: the pool's other providers, as REST resources; deleted ones are not among them.
        refused: the row of Google's table that an error text was recognised as.
        also: other rows that fit the text, the likelier first.
        error: what else the text holds.
        sentence: what it says, for a person.
        exchange: what came of the job's own exchange; ``None`` where it was not tried, ``none`` without an answer.
        proved: links that Google's answer shows to be fine.
        unanswered: why there is no answer.
        disabled_api: what Google said of an API that is off.
        manifest: the manifest.
        desired: what it means in Google; there where ``manifest`` is.
        identity: the identity in it that is meant.
        deployed: whether the states above are Google's, or only what the manifest would make.
        live: whether Google itself was read, not saved answers of it.
        token_origin: the variable or file that the token or its claims came from.
        token_advice: what the CI system whose job this is says of a missing token.
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
    above: tuple[Scope, ...] | None = None
    roles: Mapping[str, Collection[str] | None] = field(default_factory=lambda: MappingProxyType({}))
    services: Mapping[str, bool] | None = None
    siblings: tuple[Mapping[str, Any], ...] = ()
    near_pool: PoolId | None = None
    near_account: ServiceAccountEmail | None = None
    refused: RefusalKind | None = None
    also: tuple[RefusalKind, ...] = ()
    error: Parts | None = None
    sentence: str | None = None
    exchange: Literal["accepted", "refused", "none"] | None = None
    proved: frozenset[str] = frozenset()
    unanswered: GcpWifError | None = None
    disabled_api: str | None = None
    manifest: Manifest | None = None
    desired: Desired | None = None
    identity: str | None = None
    deployed: bool = True
    live: bool = False
    token_origin: str | None = None
    token_advice: tuple[str, ...] = ()

    @property
    def rules(self) -> ProviderRules | None:
        """The provider's rules, where it was seen."""
        state = self.provider_state
        if not isinstance(state, Mapping) or self.provider is None:
            return None
        return ProviderRules.from_rest(self.provider, state)

    @property
    def other_providers(self) -> tuple[str, ...]:
        """The IDs of the pool's other providers."""
        return tuple(str(each.get("name", "")).rpartition("/")[2] for each in self.siblings)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The policies that decide about the account, the nearest first; in direct federation, about the project."""
        project = Scope(f"the project {self.project or 'of the account'}", self.project_policy)
        above = (Scope(ABOVE, None),) if self.above is None else self.above
        if self.direct:
            return (project, *above)
        return (Scope(f"the account {self.account or ''}".rstrip(), self.policy), project, *above)

    @property
    def target(self) -> Target | None:
        """What is asked for, as conditions of bindings see it."""
        if self.account is None:
            return None
        state = self.account_state if isinstance(self.account_state, Mapping) else {}
        unique = state.get("uniqueId")
        return Target.account(str(self.account), self.project, str(unique) if unique else None)

    @property
    def pool(self) -> PoolName | None:
        """The pool's name."""
        return self.provider.pool if self.provider else None
