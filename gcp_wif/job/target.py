"""Which provider and account a job means: from flags, a manifest or the environment, in this order.

The variables are those that people have today: gcp-wif's own names, and those of the recipes and glue that it
replaces. Pure: the environment is an argument.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from gcp_wif.errors import InputError, shown
from gcp_wif.issuers import Issuer
from gcp_wif.job.flags import TargetFlags
from gcp_wif.names import PoolId, ProjectId, ProjectNumber, ProviderId, ProviderName, ServiceAccountEmail

__all__ = ["ProjectChoice", "Target", "resolve_target"]

PROJECT_NUMBER_VARIABLES = ("PROJECT_NUMBER", "GCP_PROJECT_ID", "GOOGLE_PROJECT_NUMBER")
POOL_VARIABLES = ("POOL_ID", "GCP_WIP_ID", "OIDC_WIP_ID")
PROVIDER_VARIABLES = ("PROVIDER_ID", "GCP_WIP_PROVIDER_ID", "OIDC_WIP_PROVIDER_ID")
ACCOUNT_VARIABLES = ("SERVICE_ACCOUNT_EMAIL", "GCP_SERVICE_ACCOUNT_EMAIL", "OIDC_SERVICE_ACCOUNT_EMAIL")

_MISNOMER = "GCP_PROJECT_ID"
_DIGITS = r"[0-9]+"


class ProjectChoice(NamedTuple):
    """The project ID to export.

    Attributes:
        project_id: the ID.
        explicit: whether somebody named it (a flag or the manifest), so that it may replace one that is set.
    """

    project_id: ProjectId
    explicit: bool


class Target(NamedTuple):
    """What a credential config is for; ``service_account`` is ``None`` for direct federation."""

    provider: ProviderName
    service_account: ServiceAccountEmail | None
    project: ProjectChoice | None = None
    issuer: Issuer | None = None
    """The manifest's; ``None`` without one."""
    token_lifetime_seconds: int | None = None
    claims: tuple[str, ...] = ()
    """What the manifest's mapping and condition read of a token; empty without one."""


def resolve_target(flags: TargetFlags, environ: Mapping[str, str], manifest: Target | None = None) -> Target:
    """Decide the target.

    Args:
        flags: the command line.
        environ: read only for what no flag gives; not at all where a manifest is given.
        manifest: the target that a manifest's identity gives.

    Raises:
        InputError: WIF101 missing, WIF102 set but empty, WIF103 two that disagree, WIF110 flags that exclude each
            other, and the codes of `gcp_wif.names`.
    """
    if flags.direct and flags.service_account is not None:
        raise InputError(
            "--direct and --service-account are mutually exclusive.",
            hint="--direct means that no service account is impersonated.",
            code="WIF110",
        )
    explicit = _explicit_project(flags)
    if manifest is not None:
        return _from_manifest(flags, manifest, explicit)
    provider, literal_project = _provider(flags, environ)
    account = _account(flags, environ)
    return Target(provider, account, explicit or _guessed_project(literal_project, account))


def _from_manifest(flags: TargetFlags, manifest: Target, explicit: ProjectChoice | None) -> Target:
    given = {
        "a provider resource name": flags.provider,
        "--project-number": flags.project_number,
        "--pool-id": flags.pool_id,
        "--provider-id": flags.provider_id,
        "--service-account": flags.service_account,
        "--direct": "" if flags.direct else None,
    }
    clash = next((name for name, value in given.items() if value is not None), None)
    if clash is not None:
        raise InputError(
            f"--manifest and {clash} are mutually exclusive.",
            hint="The manifest names provider and account; choose the account with --identity.",
            code="WIF110",
        )
    return Target(
        manifest.provider,
        manifest.service_account,
        explicit or manifest.project or _guessed_project(None, manifest.service_account),
        manifest.issuer,
        manifest.token_lifetime_seconds,
        manifest.claims,
    )


def _explicit_project(flags: TargetFlags) -> ProjectChoice | None:
    if flags.project_id is None:
        return None
    return ProjectChoice(ProjectId.parse(flags.project_id, origin="--project-id"), explicit=True)


def _guessed_project(literal: ProjectId | None, account: ServiceAccountEmail | None) -> ProjectChoice | None:
    found = literal or (account.project_id if account else None)
    return ProjectChoice(found, explicit=False) if found else None


def _provider(flags: TargetFlags, environ: Mapping[str, str]) -> tuple[ProviderName, ProjectId | None]:
    if flags.provider is not None:
        parts = {
            "--project-number": flags.project_number,
            "--pool-id": flags.pool_id,
            "--provider-id": flags.provider_id,
        }
        clash = next((name for name, value in parts.items() if value is not None), None)
        if clash is not None:
            raise InputError(f"A provider resource name and {clash} are mutually exclusive.", code="WIF110")
        return ProviderName.parse(flags.provider, origin="the provider resource name"), _literal_project(environ)
    number, literal = _project_number(flags.project_number, environ)
    pool = _value("--pool-id", flags.pool_id, POOL_VARIABLES, environ, "the workload identity pool's ID")
    provider = _value("--provider-id", flags.provider_id, PROVIDER_VARIABLES, environ, "the provider's ID")
    name = ProviderName(
        number, PoolId.parse(pool.text, origin=pool.origin), ProviderId.parse(provider.text, origin=provider.origin)
    )
    return name, literal


class _Found(NamedTuple):
    text: str
    origin: str


def _value(flag: str, given: str | None, variables: tuple[str, ...], environ: Mapping[str, str], what: str) -> _Found:
    if given is not None:
        if not given:
            raise InputError(f"{flag} is empty.", hint=_EMPTY_HINT, code="WIF102")
        return _Found(given, flag)
    found = _from_environment(variables, environ)
    if found is None:
        raise _missing(flag, variables, what)
    return found


_EMPTY_HINT = "A variable that it was taken from is likely unset: a context that this job does not use, or a typo."


def _from_environment(variables: tuple[str, ...], environ: Mapping[str, str]) -> _Found | None:
    present = [_Found(environ[name], name) for name in variables if name in environ]
    for found in present:
        if not found.text:
            raise InputError(
                f"{found.origin} is set, but empty.",
                hint="Set it where this job's variables come from, or unset it: it may have been saved empty there.",
                code="WIF102",
            )
    for other in present[1:]:
        if other.text != present[0].text:
            raise InputError(
                f"{present[0].origin} and {other.origin} disagree: "
                f"{shown(present[0].text)} against {shown(other.text)}.",
                hint="Both name the same thing, and choosing one could log in as the wrong account. Unset one of them.",
                code="WIF103",
            )
    return present[0] if present else None


def _missing(flag: str, variables: tuple[str, ...], what: str, extra: str = "") -> InputError:
    return InputError(
        f"{what[0].upper()}{what[1:]} is missing: none of {', '.join(variables)} is set, and {flag} is not given.",
        hint="The variables usually come from a context: does this job name that context, and may this branch use it?"
        + extra,
        code="WIF101",
    )


def _project_number(given: str | None, environ: Mapping[str, str]) -> tuple[ProjectNumber, ProjectId | None]:
    if given is not None:
        found = _value("--project-number", given, (), environ, "")
        return ProjectNumber.parse(found.text, origin=found.origin), _literal_project(environ)
    literal = _literal_project(environ)
    variables = tuple(name for name in PROJECT_NUMBER_VARIABLES if not (literal and name == _MISNOMER))
    number = _from_environment(variables, environ)
    if number is not None:
        return ProjectNumber.parse(number.text, origin=number.origin), literal
    if literal:
        raise InputError(
            f"{_MISNOMER} holds the project ID {shown(literal)}, and nothing gives the project number.",
            hint="Many recipes use this name for the project number. Put the number in it, or set PROJECT_NUMBER "
            f"beside it: gcloud projects describe {literal} --format='value(projectNumber)'",
            code="WIF104",
        )
    raise _missing("--project-number", PROJECT_NUMBER_VARIABLES, "the project number")


def _literal_project(environ: Mapping[str, str]) -> ProjectId | None:
    """The project ID, where ``GCP_PROJECT_ID`` holds what its name says and not, as in many recipes, the number."""
    text = environ.get(_MISNOMER)
    if not text or re.fullmatch(_DIGITS, text):
        return None
    try:
        return ProjectId.parse(text, origin=_MISNOMER)
    except InputError:
        return None  # neither: reported where a number is needed


def _account(flags: TargetFlags, environ: Mapping[str, str]) -> ServiceAccountEmail | None:
    if flags.direct:
        return None
    if flags.service_account is not None:
        found: _Found | None = _value("--service-account", flags.service_account, (), environ, "")
    else:
        found = _from_environment(ACCOUNT_VARIABLES, environ)
    if found is None:
        raise _missing(
            "--service-account",
            ACCOUNT_VARIABLES,
            "the service account",
            " Direct federation, without an account, must be asked for with --direct.",
        )
    return ServiceAccountEmail.parse(found.text, origin=found.origin)
