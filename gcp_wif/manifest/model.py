"""What a manifest says, as frozen values."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gcp_wif.errors import InputError
from gcp_wif.names import ImageName, PoolId, ProjectId, ProjectNumber, ProviderId, ServiceAccountEmail

__all__ = [
    "Identity",
    "ManifestError",
    "ManifestProblem",
    "PoolSpec",
    "ProviderSpec",
    "Rule",
]


class ManifestProblem(NamedTuple):
    """One thing that is wrong with a manifest.

    Attributes:
        key: where, as in ``identities.deploy.allow[1].branch``; empty for the file as a whole.
        message: what is wrong and what is allowed.
        code: WIF701 syntax, WIF702 unknown key, WIF703 missing, WIF704 value, WIF705 mutually exclusive things,
            WIF706 a rule that is too wide, WIF707 one that pins no tenant.
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
        terms: pairs of a rule name of the issuer's profile and the value that its claim must have, or for a list must
            hold. Sorted, each once.
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
        lifted: the names of the issuer's guards that do not hold for it.
        token_lifetime_seconds: of the account's access token.
        image: that the identity's job runs in, pulled as its account; ``None`` for a public one.
    """

    name: str
    service_account: ServiceAccountEmail | None
    project_id: ProjectId | None
    create: bool = False
    roles: tuple[str, ...] = ()
    allow: tuple[Rule, ...] = ()
    principals: tuple[str, ...] = ()
    lifted: frozenset[str] = frozenset()
    display_name: str | None = None
    description: str | None = None
    token_lifetime_seconds: int | None = None
    image: ImageName | None = None

    @property
    def direct(self) -> bool:
        """Whether no account is impersonated."""
        return self.service_account is None
