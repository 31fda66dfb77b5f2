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

PROJECT_NUMBER_VARIABLES = ("PROJECT_NUMBER", "GCP_PROJECT_ID", "GOOGLE_PROJECT_NUMBER", "GCP_PROJECT_NUMBER")
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
        InputError: WIF101 missing (all that are), WIF102 set but empty, WIF103 two that disagree, WIF104 where
            ``GCP_PROJECT_ID`` holds an ID and nothing gives the number, WIF110 flags that are mutually exclusive, and
            the codes of `gcp_wif.names`.
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
    literal = _literal_project(environ)
    sought = _sought(flags, literal)
    texts = {each.flag: _text(each, environ) for each in sought}
    missing = [each for each in sought if texts[each.flag] is None]
    if missing:
        raise _missing(missing, literal)
    found = {flag: text for flag, text in texts.items() if text is not None}
    provider = _provider(flags, found)
    account = _account(found.get(_ACCOUNT))
    return Target(provider, account, explicit or _guessed_project(literal, account))


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


class _Sought(NamedTuple):
    """One thing that a job must name: by a flag, whose value is ``given``, or else by one of ``variables``."""

    flag: str
    what: str
    given: str | None
    variables: tuple[str, ...]


class _Found(NamedTuple):
    text: str
    origin: str


_NUMBER, _POOL, _PROVIDER, _ACCOUNT = "--project-number", "--pool-id", "--provider-id", "--service-account"
_EMPTY_HINT = "A variable that it was taken from is likely unset: a context that this job does not use, or a typo."


def _sought(flags: TargetFlags, literal: ProjectId | None) -> tuple[_Sought, ...]:
    """What is needed, given what the flags already say."""
    numbers = tuple(name for name in PROJECT_NUMBER_VARIABLES if not (literal and name == _MISNOMER))
    parts: tuple[_Sought, ...] = (
        _Sought(_NUMBER, "the project number", flags.project_number, numbers),
        _Sought(_POOL, "the workload identity pool's ID", flags.pool_id, POOL_VARIABLES),
        _Sought(_PROVIDER, "the provider's ID", flags.provider_id, PROVIDER_VARIABLES),
    )
    account = _Sought(_ACCOUNT, "the service account", flags.service_account, ACCOUNT_VARIABLES)
    if flags.provider is not None:
        clash = next((each.flag for each in parts if each.given is not None), None)
        if clash is not None:
            raise InputError(f"A provider resource name and {clash} are mutually exclusive.", code="WIF110")
        parts = ()
    return parts if flags.direct else (*parts, account)


def _text(sought: _Sought, environ: Mapping[str, str]) -> _Found | None:
    if sought.given is None:
        return _from_environment(sought.variables, environ)
    if not sought.given:
        raise InputError(f"{sought.flag} is empty.", hint=_EMPTY_HINT, code="WIF102")
    return _Found(sought.given, sought.flag)


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


def _missing(missing: list[_Sought], literal: ProjectId | None) -> InputError:
    """All that is missing, at once."""
    if literal and [each.flag for each in missing] == [_NUMBER]:
        return InputError(
            f"{_MISNOMER} holds the project ID {shown(literal)}, and nothing gives the project number.",
            hint="Many recipes use this name for the project number. Put the number in it, or set PROJECT_NUMBER "
            f"beside it: gcloud projects describe {literal} --format='value(projectNumber)'",
            code="WIF104",
        )
    if len(missing) == 1:
        what, names = missing[0].what, ", ".join(missing[0].variables)
        message = f"{what[0].upper()}{what[1:]} is missing: none of {names} is set, and {missing[0].flag} is not given."
        lines = []
    else:
        whats = [each.what for each in missing]
        message = f"{len(missing)} things are missing: {', '.join(whats[:-1])} and {whats[-1]}."
        lines = [f"- {each.what}: set one of {', '.join(each.variables)}, or give {each.flag}" for each in missing]
    lines.append(
        "The variables usually come from a context: does this job name that context, and may this branch use it?"
    )
    if any(each.flag == _ACCOUNT for each in missing):
        lines.append("Direct federation, without an account, must be asked for with --direct.")
    if literal and any(each.flag == _NUMBER for each in missing):
        lines.append(f"{_MISNOMER} holds the project ID {shown(literal)}, not the number.")
    return InputError(message, hint="\n".join(lines), code="WIF101")


def _provider(flags: TargetFlags, found: Mapping[str, _Found]) -> ProviderName:
    if flags.provider is not None:
        return ProviderName.parse(flags.provider, origin="the provider resource name")
    number, pool, provider = found[_NUMBER], found[_POOL], found[_PROVIDER]
    return ProviderName(
        ProjectNumber.parse(number.text, origin=number.origin),
        PoolId.parse(pool.text, origin=pool.origin),
        ProviderId.parse(provider.text, origin=provider.origin),
    )


def _account(found: _Found | None) -> ServiceAccountEmail | None:
    return ServiceAccountEmail.parse(found.text, origin=found.origin) if found else None


def _literal_project(environ: Mapping[str, str]) -> ProjectId | None:
    """The project ID, where ``GCP_PROJECT_ID`` holds what its name says and not, as in many recipes, the number."""
    text = environ.get(_MISNOMER)
    if not text or re.fullmatch(_DIGITS, text):
        return None
    try:
        return ProjectId.parse(text, origin=_MISNOMER)
    except InputError:
        return None  # neither: reported where a number is needed
