"""`gcp-wif logout`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gcp_wif.ci.export_format import CREDENTIALS_VARIABLES, ExportOutput
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.options import CiOptions, ExportOptions, NameOptions
from gcp_wif.errors import InputError
from gcp_wif.job.context import Context
from gcp_wif.job.export import STDOUT, export_target
from gcp_wif.job.generate import config_path
from gcp_wif.job.login_files import name_of
from gcp_wif.job.logout import endings_of, logout, logout_all

__all__ = ["main"]


class _Options(OptionGroup):
    output_file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The credential config. [default: $HOME/gcp_cred_config.json]"),
    ] = None
    everything: Annotated[
        bool, typer.Option("--all", help="End every login of this $HOME, with a name or another path, too.")
    ] = False


@command(_Options, NameOptions, ExportOptions, CiOptions, CommonOptions)
def main(options: _Options, named: NameOptions, export: ExportOptions, ci: CiOptions, common: CommonOptions) -> None:
    """Remove what login wrote, and nothing else.

    That is the token file, the credential config and the export lines, of one login: the one without a name, unless
    --name, --output-file or --all says which; the agent of --keep-fresh ends. With --to stdout it prints the `unset`
    for the present shell: eval "$(gcp-wif logout --to stdout)".
    """
    out, context = terminal(common), ci.context()
    if common.as_json and export.to == STDOUT:
        raise InputError("--json and --to stdout both want stdout.", code="WIF110")
    out.so_far = "Run it again to remove what is left."
    known = export.to is not None or context.system.export_target(context.environ) is not None
    target = export_target(export.to, context) if known else None
    which = {"--name": named.name, "--output-file": options.output_file}
    given = next((flag for flag, value in which.items() if value is not None), None)
    if options.everything and given:
        raise InputError(f"--all and {given} are mutually exclusive.", code="WIF110")
    config = config_path(options.output_file, context, named.name)
    done = logout_all(config, target, context) if options.everything else logout(config, target, context)
    for warning in done.warnings:
        out.warn(warning)
    if done.agent_ended:
        out.say("agent ended        the token is kept fresh no longer")
    for path in done.removed:
        out.say(f"removed            {path}")
    if done.shell_file:
        out.say(f"exports removed    {done.shell_file}")
    if not (done.removed or done.shell_file or done.agent_ended):
        out.say("There was nothing to remove.")
    for other in done.remaining:
        out.say(f"still logged in    {other}: `{_command(other, context)}` ends it, `gcp-wif logout --all` every login")
    if isinstance(target, ExportOutput) and not common.as_json:
        present = context.environ.get(CREDENTIALS_VARIABLES[0])
        if present is None or options.everything or Path(present) == config:
            out.raw(target.format.unset(endings_of([config, *done.ended], context)))
        else:
            out.warn(f"The variables of this shell stay: they name {present}.")
    out.data(
        {
            "removed": [str(path) for path in done.removed],
            "agent_ended": done.agent_ended,
            "shell_file": str(done.shell_file) if done.shell_file else None,
            "remaining": [str(path) for path in done.remaining],
            "warnings": list(done.warnings),
        }
    )


def _command(config: Path, context: Context) -> str:
    """What ends this login alone."""
    default, name = config_path(None, context), name_of(config.name)
    if config.parent != default.parent.resolve() or (name is None and config.name != default.name):
        return f"gcp-wif logout --output-file {shlex.quote(str(config))}"
    return f"gcp-wif logout --name {name}" if name else "gcp-wif logout"
