"""What the doctor's command line names, gathered into evidence."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gcp_wif.ci import UNKNOWN
from gcp_wif.cli.manifests import read_manifest
from gcp_wif.cli.options import TargetOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.cli.targets import target_of
from gcp_wif.credential_config import MAX_CONFIG_BYTES, CredentialConfig, FileSource
from gcp_wif.doctor import Evidence
from gcp_wif.doctor.answer import with_accepted, with_error, with_refusal, without_answer
from gcp_wif.doctor.sources import from_files, from_google, from_manifest, json_file
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, RefusedError, UnavailableError
from gcp_wif.files import read_bounded
from gcp_wif.job.agent.launch import is_of_agent, log_path, token_of
from gcp_wif.job.context import Context
from gcp_wif.job.export import read_config
from gcp_wif.job.generate import config_path
from gcp_wif.job.target import (
    ACCOUNT_VARIABLES,
    POOL_VARIABLES,
    PROJECT_NUMBER_VARIABLES,
    PROVIDER_VARIABLES,
    resolve_target,
)
from gcp_wif.job.tokens import read_token_file
from gcp_wif.limits import CLAIMS_BYTES
from gcp_wif.names import ServiceAccountEmail
from gcp_wif.subject_token import SubjectToken

__all__ = [
    "add_answer", "add_error", "add_files", "add_google", "add_job", "add_manifest", "case_of_job", "empty_case",
    "job_config", "with_config", "with_token",
]  # fmt: skip


def empty_case(context: Context) -> Evidence:
    """Evidence of which nothing is known but the time."""
    return Evidence(context.clock())


def add_job(
    evidence: Evidence,
    target: TargetOptions,
    output_file: str | None,
    source: tuple[str | None, str | None],
    context: Context,
) -> Evidence:
    """The config, the token or its claims, and whom the flags and variables mean.

    Raises:
        InputError: something that was named is missing or malformed.
    """
    token_env, claims_file = source
    path = job_config(output_file, context)
    config = read_config(path) if output_file is not None or path.exists() else None
    evidence = with_config(evidence, config) if config else evidence
    if claims_file is not None:
        if token_env is not None:
            raise InputError("--claims and --token-env are mutually exclusive.", code="WIF110")
        path = Path(context.cwd, claims_file)
        claims = json_file(path, "--claims", limit=CLAIMS_BYTES)
        return _with_target(replace(evidence, claims=claims, token_origin=claims_file), target, context)
    system, environ = context.system, context.environ
    evidence = replace(evidence, token_advice=_token_advice(context))
    names = (token_env,) if token_env is not None else system.token_variables
    name = next((each for each in names if environ.get(each)), None)
    if token_env is None and config is not None and is_of_agent(config):
        evidence = _with_agent(evidence, path)
    elif name is not None:
        evidence = with_token(evidence, SubjectToken.parse(environ[name], origin=name), name)
    elif token_env is not None:
        raise InputError(f"{token_env} is not set, or empty.", code="WIF201")
    elif config is not None and isinstance(config.source, FileSource) and Path(config.source.file).exists():
        evidence = with_token(evidence, read_token_file(config.source), config.source.file)
    return _with_target(evidence, target, context)


def job_config(output_file: str | None, context: Context) -> Path:
    """The config that the job's clients read: ``--output-file``; ours; or the one that they are told of.

    What another program wrote is looked at only if it is of workload identity federation: a key says nothing here.
    """
    path = config_path(output_file, context)
    named = context.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if output_file is not None or path.exists() or not named:
        return path
    other = Path(context.cwd, named)
    try:
        found = json.loads(read_bounded(other, MAX_CONFIG_BYTES, origin="GOOGLE_APPLICATION_CREDENTIALS"))
    except (InputError, ValueError, RecursionError):
        return path
    return other if isinstance(found, dict) and found.get("type") == "external_account" else path


def _with_agent(evidence: Evidence, path: Path) -> Evidence:
    """With what the agent of the config gives now: that, and not a variable, is what clients send."""
    text = token_of(path)
    if text is not None:
        return with_token(evidence, SubjectToken.parse(text, origin="the agent's answer"), "the agent of this job")
    advice = (
        "The config leads to the agent of `gcp-wif login --keep-fresh`, which is not there, or has no token. "
        f"{log_path(path)} says why. Run `gcp-wif login --keep-fresh` again."
    )
    return replace(evidence, token_advice=(advice,))


def _token_advice(context: Context) -> tuple[str, ...]:
    """How a token comes before the doctor's eyes, in the words of the CI system whose job this is."""
    system = context.system
    if system is UNKNOWN:
        return ()
    missing = system.missing_token(context.environ)
    return (f"In this job {missing.what}. {missing.hint}",)


def case_of_job(
    config: CredentialConfig, now: float, error: RefusedError, token: SubjectToken | None = None
) -> Evidence:
    """What a job has when Google refuses: its config, its token, and Google's sentence."""
    evidence = with_config(Evidence(now), config)
    if token is not None:
        evidence = with_token(evidence, token)
    elif isinstance(config.source, FileSource):
        token = read_token_file(config.source, subject_token_type=config.subject_token_type)
        evidence = with_token(evidence, token, config.source.file)
    return with_refusal(evidence, error)


def add_manifest(evidence: Evidence, target: TargetOptions, context: Context) -> Evidence:
    """What the manifest would make, for the identity that is named, or the only one, or the config's."""
    assert target.manifest is not None  # noqa: S101 - the caller looked
    manifest = read_manifest(target.manifest, context)
    name = target.identity
    if name is not None:
        target_of(manifest, name)  # refuses a name that there is not
    elif len(manifest.identities) == 1:
        name = next(iter(manifest.identities))
    elif evidence.account is not None:
        name = next(
            (each.name for each in manifest.identities.values() if each.service_account == evidence.account), None
        )
    return from_manifest(evidence, manifest, name)


def add_files(evidence: Evidence, files: Mapping[str, str], context: Context) -> Evidence:
    """Saved answers of gcloud."""
    return from_files(evidence, {name: Path(context.cwd, file) for name, file in files.items()})


def add_google(evidence: Evidence, endpoints: Endpoints, impersonate: str | None) -> Evidence:
    """Google as it is.

    Raises:
        InputError: WIF919 where it is not known whom to look at; WIF810 without credentials.
        ImportError: the extra ``admin`` is not installed.
    """
    from gcp_wif.provisioning import Clients, RetryPolicy, admin_credentials

    if evidence.provider is None:
        raise InputError(
            "--live needs to know the provider.", hint="Give its resource name, a config, or --manifest.", code="WIF919"
        )
    account = ServiceAccountEmail.parse(impersonate, origin="--impersonate-service-account") if impersonate else None
    retry_policy = RetryPolicy(bound=30.0)
    clients = Clients(endpoints, admin_credentials(endpoints, account), retry_policy.request)
    return from_google(evidence, clients, retry_policy)


def add_error(evidence: Evidence, text: str, out: Terminal) -> Evidence:
    """Google's sentence inside what a client printed."""
    found = with_error(evidence, text)
    own = re.search(r"\bWIF[0-9]{3}\b", text)
    if found.refused is None and own is not None:
        out.warn(f"This is a message of gcp-wif itself; what it means:  gcp-wif doctor --explain {own[0]}")
        return evidence
    return found


def add_answer(evidence: Evidence, path: Path, endpoints: Endpoints, context: Context) -> Evidence:
    """Google's answer to the one exchange that a job may make without any rights: the one of its own config.

    What the token file holds is looked at then, since that is what the config's clients send.
    """
    from gcp_wif.job.verify import verify

    source = evidence.config.source if evidence.config else None
    try:
        if isinstance(source, FileSource):
            evidence = with_token(evidence, read_token_file(source), source.file)
        verify(path, endpoints, context)
    except RefusedError as error:
        return with_refusal(_with_manifest_at_hand(evidence, context), error)
    except (InputError, UnavailableError) as error:
        return without_answer(evidence, error)
    return with_accepted(evidence)


def _with_manifest_at_hand(evidence: Evidence, context: Context) -> Evidence:
    """With the job's own ``gcp-wif.toml``, where it is of this provider: its rules say whom the identity admits.

    What is made of it is not evidence of what Google has, so nothing else is taken from it.
    """
    try:
        manifest = read_manifest(None, context)
    except InputError:
        return evidence
    names = [each.name for each in manifest.identities.values() if each.service_account == evidence.account]
    if manifest.provider_name != evidence.provider or len(names) != 1:
        return evidence
    return replace(evidence, manifest=manifest, identity=names[0])


def with_config(evidence: Evidence, config: CredentialConfig) -> Evidence:
    """With a credential config, and whom it means."""
    account = config.service_account
    project = str(account.project_id) if account and account.project_id else None
    return replace(
        evidence, config=config, provider=config.provider, account=account, direct=account is None, project=project
    )


def with_token(evidence: Evidence, token: SubjectToken, origin: str | None = None) -> Evidence:
    """With a token's header and claims, unverified, and the variable or file that it came from."""
    return replace(evidence, header=_header(token), claims=dict(token.claims), token_origin=origin)


def _header(token: SubjectToken) -> dict[str, Any]:
    part = token.reveal().partition(".")[0]
    found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found if isinstance(found, dict) else {}


def _with_target(evidence: Evidence, target: TargetOptions, context: Context) -> Evidence:
    """Flags and variables, where anything of them is given; the config's own otherwise."""
    flags = target.flags()
    variables = (*PROJECT_NUMBER_VARIABLES, *POOL_VARIABLES, *PROVIDER_VARIABLES, *ACCOUNT_VARIABLES)
    named = any(value for value in flags) or (
        evidence.config is None and any(name in context.environ for name in variables)
    )
    if not named or target.manifest is not None:
        return evidence
    if evidence.config is not None and not (flags.provider or flags.pool_id or flags.provider_id):
        return replace(evidence, project=flags.project_id or evidence.project)
    account_given = flags.direct or flags.service_account or any(name in context.environ for name in ACCOUNT_VARIABLES)
    found = resolve_target(flags if account_given else flags._replace(direct=True), context.environ)
    if evidence.config is not None:
        return replace(evidence, provider=found.provider)
    project = flags.project_id or (found.project.project_id if found.project else None)
    return replace(
        evidence,
        provider=found.provider,
        account=found.service_account,
        direct=flags.direct,
        project=str(project) if project else None,
    )
