"""`gcp-wif login`."""

from typing import Annotated, Any

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.commands.export import check_stdout, run_export
from gcp_wif.cli.commands.generate import choose_target, run_generate
from gcp_wif.cli.commands.verify import run_verify
from gcp_wif.cli.options import (
    CiOptions,
    ConfigFileOptions,
    ExportOptions,
    GenerateOptions,
    TargetOptions,
    TokenOptions,
)
from gcp_wif.errors import InputError
from gcp_wif.job.export import export_target

__all__ = ["main"]

_AUTHENTICATED_VARIABLE = "CLOUDSDK_AUTH_ACCESS_TOKEN"


class _Options(OptionGroup):
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove it with one real exchange.")] = True
    force: Annotated[bool, typer.Option("--force", help="Log in even where CLOUDSDK_AUTH_ACCESS_TOKEN is set.")] = False


@command(
    TargetOptions, GenerateOptions, ConfigFileOptions, TokenOptions, ExportOptions, CiOptions, _Options, CommonOptions
)
def main(
    target: TargetOptions,
    options: GenerateOptions,
    config: ConfigFileOptions,
    token: TokenOptions,
    export: ExportOptions,
    ci: CiOptions,
    login: _Options,
    common: CommonOptions,
) -> None:
    """Log the job in: `generate`, then `export`, then `verify`.

    Where CLOUDSDK_AUTH_ACCESS_TOKEN is set the job is authenticated already, and nothing is done unless --force.
    """
    out, context = terminal(common), ci.context()
    if context.environ.get(_AUTHENTICATED_VARIABLE) and not login.force:
        out.say(f"{_AUTHENTICATED_VARIABLE} is set: this job is authenticated already. Nothing was done; see --force.")
        out.data({"already_authenticated": True})
        return
    if options.config_only and login.verify:
        raise InputError(
            "--config-only writes no token, so there is nothing to verify.",
            hint="Use `gcp-wif generate --config-only` to write a config to commit, or add --no-verify.",
            code="WIF110",
        )
    where = endpoints(context, out, config.universe_domain)
    sink = export_target(export.to, context)  # refused before anything is written
    check_stdout(sink, common)
    chosen = choose_target(target, context)
    done, generated = run_generate(chosen, (options, config, token), where, context, out)
    result: dict[str, Any] = {"already_authenticated": False, "generate": generated}
    result["export"] = run_export(done.config_path, chosen.project, sink, context, out)
    result["verify"] = run_verify(done.config_path, where, context, out) if login.verify else None
    out.data(result)
