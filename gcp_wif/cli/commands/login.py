"""`gcp-wif login`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcp_wif.ci.export_format import ExportFile, ExportOutput, ExportTarget
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.job_steps import (
    agent_document,
    check_stdout,
    export_document,
    kept_lines,
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
    KeepOptions,
    NameOptions,
    TargetOptions,
    TokenOptions,
)
from gcp_wif.cli.targets import choose_target
from gcp_wif.credential_config import CredentialConfig
from gcp_wif.errors import InputError, RefusedError
from gcp_wif.files import check_shared
from gcp_wif.job.export import export_target, exports, gsutil_search_path, loopback_exports, printed
from gcp_wif.job.trusted_config import TrustedConfig, judge

if TYPE_CHECKING:
    from gcp_wif.job.keeper import Keeper

__all__ = ["main"]

_AUTHENTICATED_VARIABLE = "CLOUDSDK_AUTH_ACCESS_TOKEN"


class _Options(OptionGroup):
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove it with one real exchange.")] = True
    force: Annotated[bool, typer.Option("--force", help="Log in even where CLOUDSDK_AUTH_ACCESS_TOKEN is set.")] = False
    keep_fresh: Annotated[
        bool,
        typer.Option("--keep-fresh", help="Keep the login working in a job that outlives its token, by an agent."),
    ] = False


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
    KeepOptions,
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
    keep: KeepOptions,
    common: CommonOptions,
) -> None:
    """Log in: `generate`, then `export`, then `verify`.

    A refused login takes its exports back. Where CLOUDSDK_AUTH_ACCESS_TOKEN is set the job is authenticated already,
    and nothing is done unless --force. With --keep-fresh a small background process, the agent, asks the CI system for
    another token whenever the old one nears its end; it ends with the job, at logout, or after --max-hours.
    """
    out, context = terminal(common), ci.context()
    if context.environ.get(_AUTHENTICATED_VARIABLE) and not login.force:
        out.say(f"{_AUTHENTICATED_VARIABLE} is set: this job is authenticated already. Nothing was done; see --force.")
        out.data({"already_authenticated": True, "generate": None, "export": None, "verify": None, "agent": None})
        return
    _check_flags(options, login, container, export)
    keeper = _keeper(login, keep)
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
        written, generated = run_generate(chosen, groups, where, context, out, usable, keeper)
    kept = keeper.kept if keeper else None
    for line in kept_lines(kept) if kept else ():
        out.say(line)
    wanted = exports(
        written.config_path,
        chosen.project,
        executables=usable(written.config).executables,
        boto_path=gsutil_search_path(written.config_path, context),
        more=loopback_exports(written.config, kept.metadata_host if kept else None, context.environ),
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
                token=written.token if kept else None,
            )
        except (RefusedError, InputError):  # no login came of it; a service that is away may be back for the next step
            if exported is not None:
                take_back(exported, out)
            if kept is not None:
                _end_agent(written.config_path)
            raise
        for line in verified_lines(verified):
            out.say(line)
    if isinstance(sink, ExportOutput):  # last, so that `eval` gets nothing from a login that is refused
        if sink.how:
            out.say(f"exports            {sink.how}")
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
            "agent": agent_document(kept) if kept else None,
        }
    )


def _check_flags(options: GenerateOptions, login: _Options, container: ContainerOptions, export: ExportOptions) -> None:
    """Refuse flags that do not go together.

    Raises:
        InputError: WIF110.
    """
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


def _keeper(login: _Options, keep: KeepOptions) -> "Keeper | None":
    """What keeps the job logged in, where that is asked for.

    Raises:
        InputError: WIF110 for a flag of the agent without one.
    """
    if login.keep_fresh:
        from gcp_wif.job.keeper import Keeper

        return Keeper(keep.flags())
    if keep.max_hours is not None or keep.metadata_server:
        flag = "--metadata-server" if keep.metadata_server else "--max-hours"
        raise InputError(f"{flag} needs --keep-fresh: it is the agent that it is about.", code="WIF110")
    return None


def _end_agent(config: Path) -> None:
    """End the agent of a login that was refused."""
    from gcp_wif.job.agent.launch import end

    end(config)
