"""`gcp-wif logout`."""

from typing import Annotated

import typer

from gcp_wif.ci.export_format import ExportOutput
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.options import CiOptions, ExportOptions
from gcp_wif.errors import InputError
from gcp_wif.job.export import STDOUT, endings, export_target
from gcp_wif.job.generate import config_path
from gcp_wif.job.logout import logout

__all__ = ["main"]


class _Options(OptionGroup):
    output_file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The credential config. [default: $HOME/gcp_cred_config.json]"),
    ] = None


@command(_Options, ExportOptions, CiOptions, CommonOptions)
def main(options: _Options, export: ExportOptions, ci: CiOptions, common: CommonOptions) -> None:
    """Remove what login wrote, and nothing else.

    That is the token file, the credential config and the export lines; the agent of --keep-fresh ends. With --to stdout
    it prints the `unset` for the present shell: eval "$(gcp-wif logout --to stdout)".
    """
    out, context = terminal(common), ci.context()
    if common.as_json and export.to == STDOUT:
        raise InputError("--json and --to stdout both want stdout.", code="WIF110")
    out.so_far = "Run it again to remove what is left."
    known = export.to is not None or context.system.export_target(context.environ) is not None
    target = export_target(export.to, context) if known else None
    config = config_path(options.output_file, context)
    done = logout(config, target, context)
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
    if isinstance(target, ExportOutput) and not common.as_json:
        out.raw(target.format.unset(endings(config, context)))
    out.data(
        {
            "removed": [str(path) for path in done.removed],
            "agent_ended": done.agent_ended,
            "shell_file": str(done.shell_file) if done.shell_file else None,
            "warnings": list(done.warnings),
        }
    )
