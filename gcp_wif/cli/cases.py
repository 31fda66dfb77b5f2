"""What the doctor's command line names, gathered into a case."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gcp_wif.ci import circleci
from gcp_wif.cli.generate import target_of
from gcp_wif.cli.manifests import read_manifest
from gcp_wif.cli.options import TargetOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.doctor import Case
from gcp_wif.doctor.gathering import from_files, from_google, from_manifest, json_file
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import GcpWifError, InputError, hide_tokens
from gcp_wif.job.export import read_config
from gcp_wif.job.generate import Surroundings, config_path
from gcp_wif.job.target import (
    ACCOUNT_VARIABLES,
    POOL_VARIABLES,
    PROJECT_NUMBER_VARIABLES,
    PROVIDER_VARIABLES,
    resolve_target,
)
from gcp_wif.job.tokens import read_token_file
from gcp_wif.names import ServiceAccountEmail
from gcp_wif.refusals import recognise
from gcp_wif.subject_token import SubjectToken

__all__ = ["add_error", "add_files", "add_google", "add_job", "add_manifest", "case_of_job", "empty_case"]


def empty_case(around: Surroundings) -> Case:
    """A case of which nothing is known but the time."""
    return Case(around.clock())


def add_job(
    case: Case,
    target: TargetOptions,
    output_file: str | None,
    source: tuple[str | None, str | None],
    around: Surroundings,
) -> Case:
    """The config, the token or its claims, and whom the flags and variables mean.

    Raises:
        InputError: something that was named is missing or malformed.
    """
    token_env, claims_file = source
    path = config_path(output_file, around)
    config = read_config(path) if output_file is not None or path.exists() else None
    case = _with_config(case, config) if config else case
    if claims_file is not None:
        if token_env is not None:
            raise InputError("--claims and --token-env exclude each other.", code="WIF110")
        return _with_target(replace(case, claims=json_file(Path(around.cwd, claims_file), "--claims")), target, around)
    name = token_env or circleci.DEFAULT_TOKEN_VARIABLE
    text = around.environ.get(name)
    if text:
        case = _with_token(case, SubjectToken.parse(text, origin=name))
    elif token_env is not None:
        raise InputError(f"{token_env} is not set, or empty.", code="WIF201")
    elif config is not None and isinstance(config.source, FileSource) and Path(config.source.file).exists():
        case = _with_token(case, read_token_file(config.source))
    return _with_target(case, target, around)


def case_of_job(config: CredentialConfig, now: float, error: GcpWifError) -> Case:
    """What a job has when Google refuses: its config, its token, and Google's sentence."""
    case = _with_config(Case(now), config)
    if isinstance(config.source, FileSource):
        case = _with_token(case, read_token_file(config.source, subject_token_type=config.subject_token_type))
    known = recognise(error.message)
    return replace(case, refused=known.kind if known else None, sentence=hide_tokens(error.message)[:500])


def add_manifest(case: Case, target: TargetOptions, around: Surroundings) -> Case:
    """What the manifest would make, for the identity that is named, or the only one, or the config's."""
    assert target.manifest is not None  # noqa: S101 - the caller looked
    manifest = read_manifest(target.manifest, around.cwd)
    name = target.identity
    if name is not None:
        target_of(manifest, name)  # refuses a name that there is not
    elif len(manifest.identities) == 1:
        name = next(iter(manifest.identities))
    elif case.account is not None:
        name = next((each.name for each in manifest.identities.values() if each.service_account == case.account), None)
    return from_manifest(case, manifest, name)


def add_files(case: Case, files: Mapping[str, str], around: Surroundings) -> Case:
    """Saved answers of gcloud."""
    return from_files(case, {name: Path(around.cwd, file) for name, file in files.items()})


def add_google(case: Case, endpoints: Endpoints, impersonate: str | None) -> Case:
    """Google as it is.

    Raises:
        InputError: WIF919 where it is not known whom to look at; WIF810 without credentials.
        ImportError: the extra ``admin`` is not installed.
    """
    from gcp_wif.provisioning import Clients, Patience, admin_credentials

    if case.provider is None:
        raise InputError(
            "--live needs to know the provider.", hint="Give its resource name, a config, or --manifest.", code="WIF919"
        )
    account = ServiceAccountEmail.parse(impersonate, origin="--impersonate-service-account") if impersonate else None
    patience = Patience(bound=30.0)
    clients = Clients(endpoints, admin_credentials(endpoints, account), patience.request)
    return from_google(case, clients, patience)


def add_error(case: Case, text: str, out: Terminal) -> Case:
    """Google's sentence inside what a client printed."""
    known = recognise(text)
    if known is None:
        out.warn("No sentence of Google's that gcp-wif knows is in the error.")
        return case
    return replace(case, refused=known.kind, sentence=hide_tokens(text)[:500])


def _with_config(case: Case, config: CredentialConfig) -> Case:
    account = config.service_account
    project = str(account.project_id) if account and account.project_id else None
    return replace(
        case, config=config, provider=config.provider, account=account, direct=account is None, project=project
    )


def _with_token(case: Case, token: SubjectToken) -> Case:
    return replace(case, header=_header(token), claims=dict(token.claims))


def _header(token: SubjectToken) -> dict[str, Any]:
    part = token.reveal().partition(".")[0]
    found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found if isinstance(found, dict) else {}


def _with_target(case: Case, target: TargetOptions, around: Surroundings) -> Case:
    """Flags and variables, where anything of them is given; the config's own otherwise."""
    flags = target.flags()
    variables = (*PROJECT_NUMBER_VARIABLES, *POOL_VARIABLES, *PROVIDER_VARIABLES, *ACCOUNT_VARIABLES)
    named = any(value for value in flags) or (case.config is None and any(name in around.environ for name in variables))
    if not named or target.manifest is not None:
        return case
    if case.config is not None and not (flags.provider or flags.pool_id or flags.provider_id):
        return replace(case, project=flags.project_id or case.project)
    account_given = flags.direct or flags.service_account or any(name in around.environ for name in ACCOUNT_VARIABLES)
    found = resolve_target(flags if account_given else flags._replace(direct=True), around.environ)
    if case.config is not None:
        return replace(case, provider=found.provider)
    project = flags.project_id or (found.project.project_id if found.project else None)
    return replace(
        case,
        provider=found.provider,
        account=found.service_account,
        direct=flags.direct,
        project=str(project) if project else None,
    )
