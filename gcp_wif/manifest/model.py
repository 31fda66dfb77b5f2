"""What a manifest says, as frozen values."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gcp_wif.errors import InputError
from gcp_wif.names import PoolId, PoolName, ProjectId, ProjectNumber, ProviderId, ProviderName, ServiceAccountEmail

__all__ = [
    "MAX_MANIFEST_BYTES",
    "Identity",
    "Issuer",
    "Manifest",
    "ManifestError",
    "ManifestProblem",
    "PoolSpec",
    "ProviderSpec",
    "Rule",
]

MAX_MANIFEST_BYTES = 1_000_000
"""The largest manifest that is read; one of 200 identities has about 50 KB."""


class ManifestProblem(NamedTuple):
    """One thing that is wrong with a manifest.

    Attributes:
        key: where, as in ``identities.deploy.allow[1].branch``; empty for the file as a whole.
        message: what is wrong and what is allowed.
        code: WIF701 syntax, WIF702 unknown key, WIF703 missing, WIF704 value, WIF705 mutually exclusive things,
            WIF706 a rule that is too wide.
    """

    key: str
    message: str
    code: str


class ManifestError(InputError):
    """Everything that is wrong with a manifest, at once."""

    def __init__(self, origin: str, problems: tuple[ManifestProblem, ...]) -> None:
        lines = [f"{problem.key}: {problem.message}" if problem.key else problem.message for problem in problems]
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{origin} has {count}.", hint="\n".join(f"- {line}" for line in lines), code="WIF700")
        self.problems = problems


class Issuer(NamedTuple):
    """Who signs the tokens.

    Attributes:
        kind: ``circleci`` or ``oidc``.
        url: exactly what tokens say in ``iss``.
        audiences: what they may say in ``aud``; none means the provider's own name.
        organization_id: CircleCI's, a UUID; ``None`` for ``oidc``.
    """

    kind: str
    url: str
    audiences: tuple[str, ...]
    organization_id: str | None = None


class PoolSpec(NamedTuple):
    """The pool; names that are ``None`` are left as they are in Google."""

    project_id: ProjectId
    project_number: ProjectNumber
    id: PoolId
    display_name: str | None = None
    description: str | None = None
    disabled: bool = False


class ProviderSpec(NamedTuple):
    """The provider.

    Attributes:
        attribute_mapping: added to the compiled mapping; ``google.subject`` overrides it.
        attribute_condition: must hold besides the compiled one; ``None`` where nothing is added.
    """

    id: ProviderId
    display_name: str | None = None
    description: str | None = None
    disabled: bool = False
    attribute_mapping: Mapping[str, str] = MappingProxyType({})
    attribute_condition: str | None = None


class Rule(NamedTuple):
    """Who may come: all of ``terms`` must hold.

    Attributes:
        terms: pairs of a claim and the value that it must have, or for ``context`` must hold; by short names for
            CircleCI (``project``, ``context``, ``ref``, ``origin``, ``user``, ``pipeline_definition``), by the claims'
            own for ``oidc``. Sorted, each once.
    """

    terms: tuple[tuple[str, str], ...]


class Identity(NamedTuple):
    """What some jobs are to Google.

    Attributes:
        name: its key in the manifest.
        service_account: the account to impersonate; ``None`` for direct federation.
        project_id: where roles are granted; for an account the project that it lives in.
        create: make the account where it is missing.
        roles: granted on the project, to the account or to the principals.
        allow: any of these; a list in a rule is written out.
        principals: in place of ``allow``: the ends of principal identifiers, as in ``attribute.project/ID``.
        allow_ssh_rerun: admit jobs that were re-run with SSH.
        token_lifetime_seconds: of the account's access token.
    """

    name: str
    service_account: ServiceAccountEmail | None
    project_id: ProjectId | None
    create: bool = False
    roles: tuple[str, ...] = ()
    allow: tuple[Rule, ...] = ()
    principals: tuple[str, ...] = ()
    allow_ssh_rerun: bool = False
    display_name: str | None = None
    description: str | None = None
    token_lifetime_seconds: int | None = None

    @property
    def direct(self) -> bool:
        """Whether no account is impersonated."""
        return self.service_account is None


class Manifest(NamedTuple):
    """``gcp-wif.toml``, parsed and checked."""

    issuer: Issuer
    pool: PoolSpec
    provider: ProviderSpec
    identities: Mapping[str, Identity]

    @classmethod
    def parse(cls, data: str | bytes, *, origin: str) -> "Manifest":
        """Parse a manifest.

        Args:
            data: TOML; bytes are UTF-8, with or without a byte order mark.
            origin: the file's name, for errors.

        Raises:
            ManifestError: WIF700, with every problem at once.
        """
        from gcp_wif.manifest.reader import parse

        return parse(data, origin)

    @property
    def pool_name(self) -> PoolName:
        """The pool's resource name."""
        return PoolName(self.pool.project_number, self.pool.id)

    @property
    def provider_name(self) -> ProviderName:
        """The provider's resource name."""
        return ProviderName(self.pool.project_number, self.pool.id, self.provider.id)
