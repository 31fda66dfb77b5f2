"""`gcp-wif login`."""

from typing import Annotated

import typer

from gcp_wif.ci.export_format import ExportFile, ExportOutput, ExportTarget
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.job_steps import (
    check_stdout,
    export_document,
    run_export,
    run_generate,
    run_verify,
    say_how_to_source,
    take_back,
    verified_lines,
    verify_document,
)
from gcp_wif.cli.missing import all_missing, lacks_of_generate
from gcp_wif.cli.options import (
    CiOptions,
    ConfigFileOptions,
    ContainerOptions,
    ExecutableOptions,
    ExportOptions,
    GenerateOptions,
    NameOptions,
    TargetOptions,
    TokenOptions,
)
from gcp_wif.cli.targets import choose_target
from gcp_wif.credential_config import CredentialConfig
from gcp_wif.errors import InputError, RefusedError
from gcp_wif.files import check_shared
from gcp_wif.job.export import export_target, exports, gsutil_search_path, printed
from gcp_wif.job.trusted_config import TrustedConfig, judge

__all__ = ["main"]

_AUTHENTICATED_VARIABLE = "CLOUDSDK_AUTH_ACCESS_TOKEN"


class _Options(OptionGroup):
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove it with one real exchange.")] = True
    force: Annotated[bool, typer.Option("--force", help="Log in even where CLOUDSDK_AUTH_ACCESS_TOKEN is set.")] = False


@command(
    TargetOptions,
    GenerateOptions,
    ConfigFileOptions,
    NameOptions,
    ContainerOptions,
    TokenOptions,
    ExecutableOptions,
    ExportOptions,
    CiOptions,
    _Options,
    CommonOptions,
)
def main(
    target: TargetOptions,
    options: GenerateOptions,
    config: ConfigFileOptions,
    named: NameOptions,
    container: ContainerOptions,
    token: TokenOptions,
    executable: ExecutableOptions,
    export: ExportOptions,
    ci: CiOptions,
    login: _Options,
    common: CommonOptions,
) -> None:
    """Log the job in: `generate`, then `export`, then `verify`.

    A refused login takes its exports back. Where CLOUDSDK_AUTH_ACCESS_TOKEN is set the job is authenticated already,
    and nothing is done unless --force.
    """
    out, context = terminal(common), ci.context()
    if context.environ.get(_AUTHENTICATED_VARIABLE) and not login.force:
        out.say(f"{_AUTHENTICATED_VARIABLE} is set: this job is authenticated already. Nothing was done; see --force.")
        out.data({"already_authenticated": True, "generate": None, "export": None, "verify": None})
        return
    if options.config_only and login.verify:
        raise InputError(
            "--config-only writes no token, so there is nothing to verify.",
            hint="Use `gcp-wif generate --config-only` to write a config to commit, or add --no-verify.",
            code="WIF110",
        )
    if container.path_in_container is not None and export.to is not None:
        raise InputError(
            "--path-in-container and --to are mutually exclusive.",
            hint="The container gets its variables from a file beside the credential config, with --env-file.",
            code="WIF110",
        )
    where = endpoints(context, out, config.universe_domain)
    allow = executable.allow_executable
    groups = (options, config, token, named, container)

    def usable(made: CredentialConfig) -> TrustedConfig:
        return judge(made, where, context.program, allow_executable=allow)

    def sink_of_exports() -> ExportTarget | None:
        found = None if container.path_in_container is not None else export_target(export.to, context)
        if isinstance(found, ExportFile):
            check_shared(found.path, origin="the shell file")
        return found

    lacks = lacks_of_generate(options.flags(*groups[1:]), context)
    with all_missing(sink_of_exports, lambda: choose_target(target, context), *lacks):
        sink = sink_of_exports()  # refused before anything is written
        check_stdout(sink, common)
        chosen = choose_target(target, context)
        written, generated = run_generate(chosen, groups, where, context, out, usable)
    wanted = exports(
        written.config_path,
        chosen.project,
        executables=usable(written.config).executables,
        boto_path=gsutil_search_path(written.config_path, context),
    )
    exported = None
    if isinstance(sink, ExportFile):
        exported = run_export(written.config_path, wanted, sink, context, out)
        out.so_far += f" The exports stand in {exported.path}."
    verified = None
    if login.verify:
        try:
            verified = run_verify(
                written.config_path,
                where,
                context,
                out,
                allow_executable=allow,
                path_in_container=container.path_in_container,
            )
        except (RefusedError, InputError):  # no login came of it; a service that is away may be back for the next step
            if exported is not None:
                take_back(exported, out)
            raise
        for line in verified_lines(verified):
            out.say(line)
    if isinstance(sink, ExportOutput):  # last, so that `eval` gets nothing from a login that is refused
        out.raw(printed(written.config_path, wanted, sink, context))
        return
    if isinstance(sink, ExportFile) and exported is not None:
        say_how_to_source(exported, sink, context, out)
    out.data(
        {
            "already_authenticated": False,
            "generate": generated,
            "export": export_document(exported) if exported else None,
            "verify": verify_document(verified) if verified else None,
        }
    )
