"""`gcp-wif login`."""

from typing import Annotated, Any

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, run_context, terminal
from gcp_wif.cli.commands.export import run_export
from gcp_wif.cli.commands.generate import choose_target, run_generate
from gcp_wif.cli.commands.verify import run_verify
from gcp_wif.cli.options import (
    ConfigFileOptions,
    ExecutableOptions,
    ExportOptions,
    GenerateOptions,
    TargetOptions,
    TokenOptions,
)
from gcp_wif.credential_config import CredentialConfig
from gcp_wif.errors import InputError
from gcp_wif.job.export import STDOUT, shell_file
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
    TokenOptions,
    ExecutableOptions,
    ExportOptions,
    _Options,
    CommonOptions,
)
def main(
    target: TargetOptions,
    options: GenerateOptions,
    config: ConfigFileOptions,
    token: TokenOptions,
    executable: ExecutableOptions,
    export: ExportOptions,
    login: _Options,
    common: CommonOptions,
) -> None:
    """Log the job in: `generate`, then `export`, then `verify`.

    Where CLOUDSDK_AUTH_ACCESS_TOKEN is set the job is authenticated already, and nothing is done unless --force.
    """
    out, context = terminal(common), run_context()
    if context.environ.get(_AUTHENTICATED_VARIABLE) and not login.force:
        out.say(f"{_AUTHENTICATED_VARIABLE} is set: this job is authenticated already. Nothing was done; see --force.")
        out.data({"already_authenticated": True})
        return
    if common.as_json and export.to == STDOUT:
        raise InputError("--json and --to stdout both want stdout.", code="WIF110")
    if options.config_only and login.verify:
        raise InputError(
            "--config-only writes no token, so there is nothing to verify.",
            hint="Use `gcp-wif generate --config-only` to write a config to commit, or add --no-verify.",
            code="WIF110",
        )
    where = endpoints(context, out, config.universe_domain)
    if export.to != STDOUT:
        shell_file(export.to, context)  # refused before anything is written
    chosen = choose_target(target, context)
    allow = executable.allow_executable

    def usable(made: CredentialConfig) -> TrustedConfig:
        return judge(made, where, context.program, allow_executable=allow)

    done, generated = run_generate(chosen, (options, config, token), where, context, out, usable)
    result: dict[str, Any] = {"already_authenticated": False, "generate": generated}
    executables = usable(done.config).executables
    result["export"] = run_export(done.config_path, chosen.project, export, context, out, executables=executables)
    result["verify"] = (
        run_verify(done.config_path, where, context, out, allow_executable=allow) if login.verify else None
    )
    out.data(result)
