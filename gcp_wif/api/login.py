"""`login`: the job's journey in one call."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gcp_wif.api.world import AnyPath, Clock, ManifestSource, context_of, manifest_of
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, RefusedError
from gcp_wif.job.context import Context
from gcp_wif.job.flags import GenerateFlags, SourceFlags, TargetFlags, TokenFlags
from gcp_wif.job.target import Target, resolve_target
from gcp_wif.names import Principal, ProviderName, ServiceAccountEmail

__all__ = ["Login", "login"]


@dataclass(frozen=True)
class Login:
    """What `login` has written, exported and verified.

    Attributes:
        provider: whom the token is exchanged with.
        service_account: the account that is impersonated; ``None`` for direct federation.
        config_path: the credential config, for ``google.auth.identity_pool.Credentials.from_file`` and other clients.
        token_path: the subject token's file, mode 0600.
        exports: the variables that name the config to client libraries and to gcloud.
        exported_to: the file that got them; ``None`` where none was named.
        principal: who the job is to Google, where that can be told from outside; ``None`` without ``verify``.
        expires_at: when the access token of the proof expires, UTC; ``None`` without ``verify``.
        warnings: what a person should know.
    """

    provider: ProviderName
    service_account: ServiceAccountEmail | None
    config_path: Path
    token_path: Path | None
    exports: Mapping[str, str]
    exported_to: Path | None = None
    principal: Principal | None = None
    expires_at: datetime | None = None
    warnings: tuple[str, ...] = ()


def login(
    provider: str | None = None,
    *,
    service_account: str | None = None,
    direct: bool = False,
    project_id: str | None = None,
    manifest: ManifestSource | None = None,
    identity: str | None = None,
    name: str | None = None,
    token_env: str | None = None,
    audience: str | None = None,
    config_path: AnyPath | None = None,
    token_path: AnyPath | None = None,
    export_to: AnyPath | None = None,
    ci: str | None = None,
    verify: bool = True,
    environ: Mapping[str, str] | None = None,
    cwd: AnyPath | None = None,
    clock: Clock = time.time,
) -> Login:
    """Log the job in: write the subject token and the credential config, and prove that they work.

    Args:
        provider: the provider's resource name; else it comes from the manifest, or from the job's variables.
        service_account: the account to impersonate; likewise.
        direct: impersonate none.
        project_id: the project to export.
        manifest: takes the provider and the account from an identity of it.
        identity: which one; not needed where the manifest has one.
        name: of this login, where the job has several: their files stand beside each other.
        token_env: the variable with the token, where it is not the CI system's usual one.
        audience: ask the CI system for a fresh token with this audience.
        config_path: where to write the config; ``$HOME/gcp_cred_config.json``, with a name
            ``$HOME/gcp_cred_config-NAME.json``.
        token_path: where to write the token; ``$HOME/oidc_token``, with a name ``$HOME/oidc_token-NAME``.
        export_to: a file that gets the exports: that of the CI system in its own format, any other as a shell file; by
            default none does. What a refused login has appended is taken back.
        ci: the CI system whose job this is, where the variables do not tell.
        verify: whether to make one real exchange.
        environ: the job's variables; those of this process.
        cwd: the folder that relative paths begin at.
        clock: seconds since 1970.

    Raises:
        InputError: something cannot work; nothing was written, or the token is no longer good.
        RefusedError: Google says no.
        UnavailableError: no answer.
    """
    from gcp_wif.ci.export_format import ExportFile
    from gcp_wif.files import check_shared
    from gcp_wif.job.export import export, export_target, exports, gsutil_search_path, instead_of_earlier, unexport
    from gcp_wif.job.generate import generate
    from gcp_wif.job.trusted_config import judge
    from gcp_wif.job.verify import verify as prove

    context = context_of(environ, cwd, clock)._replace(ci=ci)
    endpoints = Endpoints.resolve(context.environ)
    flags = TargetFlags(
        provider, service_account=service_account, direct=direct, project_id=str(project_id) if project_id else None
    )
    target = resolve_target(flags, context.environ, _target(manifest, identity, context))
    wanted = GenerateFlags(
        SourceFlags(file=_text(token_path)),
        TokenFlags(env=token_env, audience=audience),
        output_file=_text(config_path),
        name=name,
    )
    sink = None
    if export_to is not None:
        sink = export_target(os.fspath(Path(context.cwd, export_to)), context)
        if isinstance(sink, ExportFile):
            check_shared(sink.path, origin="the shell file")  # before anything is written
    written = generate(
        target, wanted, endpoints, context, lambda made: judge(made, endpoints, None, allow_executable=False)
    )
    gsutil = gsutil_search_path(written.config_path, context)
    variables = exports(written.config_path, target.project, executables=False, boto_path=gsutil)
    exported = None
    if isinstance(sink, ExportFile):  # a path never means the output
        wanted_there, there = instead_of_earlier(written.config_path, variables, sink, context)
        exported = export(written.config_path, wanted_there, sink, there)
    verified = None
    try:
        verified = prove(written.config_path, endpoints, context) if verify else None
    except (RefusedError, InputError):
        if exported is not None:
            unexport(exported)
        raise
    return Login(
        target.provider,
        target.service_account,
        written.config_path,
        written.token_path,
        {each.name: each.value for each in variables},
        exported.path if exported else None,
        verified.principal if verified else None,
        verified.expires_at if verified else None,
        (*written.warnings, *(verified.warnings if verified else ())),
    )


def _text(path: AnyPath | None) -> str | None:
    return None if path is None else os.fspath(path)


def _target(source: ManifestSource | None, identity: str | None, context: Context) -> Target | None:
    if source is None:
        if identity is not None:
            raise InputError("An identity needs the manifest that it is in.", code="WIF121")
        return None
    from gcp_wif.cli.targets import target_of

    return target_of(manifest_of(source, context), identity)
