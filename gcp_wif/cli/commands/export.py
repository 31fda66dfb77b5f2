"""`gcp-wif export`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, run_context, terminal
from gcp_wif.cli.options import ConfigFileOptions, ExecutableOptions, ExportOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError
from gcp_wif.job.context import Context
from gcp_wif.job.export import STDOUT, export, shell_file, weak_project
from gcp_wif.job.exports import exports, plain_lines
from gcp_wif.job.generate import config_path
from gcp_wif.job.target import ProjectChoice
from gcp_wif.job.trusted_config import read_trusted
from gcp_wif.names import ProjectId

__all__ = ["main", "run_export"]


class _Options(OptionGroup):
    project_id: Annotated[str | None, typer.Option(help="Project ID to export.")] = None


def run_export(
    config: Path,
    project: ProjectChoice | None,
    options: ExportOptions,
    context: Context,
    out: Terminal,
    *,
    executables: bool,
) -> dict[str, Any]:
    """Write or print the exports of a config that may be used; returns the JSON shape."""
    wanted = exports(config, project, executables=executables)
    if options.to == STDOUT:
        out.raw(plain_lines(wanted, context.environ))
        return {"shell_file": None}
    done = export(config, wanted, shell_file(options.to, context), context.environ)
    names = ", ".join(each.name for each in done.exports)
    state = f"{done.added} lines added" if done.added else "nothing to add"
    out.say(f"exports            {done.shell_file} ({state}): {names}")
    return {
        "shell_file": str(done.shell_file),
        "lines_added": done.added,
        "exports": {each.name: each.value for each in done.exports},
    }


@command(ConfigFileOptions, _Options, ExecutableOptions, ExportOptions, CommonOptions)
def main(
    chosen: ConfigFileOptions,
    options: _Options,
    executable: ExecutableOptions,
    sink: ExportOptions,
    common: CommonOptions,
) -> None:
    """Append the exports to $BASH_ENV, so that the job's next shells find the credential config.

    Lines are appended once; a changed value wins; other lines are never touched. A config that leads elsewhere than to
    Google, or runs a program that is not gcp-wif, is refused.
    """
    out, context = terminal(common), run_context()
    if common.as_json and sink.to == STDOUT:
        raise InputError("--json and --to stdout both want stdout.", code="WIF110")
    where = endpoints(context, out, chosen.universe_domain)
    config = config_path(chosen.output_file, context)
    trusted = read_trusted(config, where, context.program, allow_executable=executable.allow_executable)
    project = weak_project(trusted.config)
    if options.project_id is not None:
        project = ProjectChoice(ProjectId.parse(options.project_id, origin="--project-id"), explicit=True)
    out.data(run_export(config, project, sink, context, out, executables=trusted.executables))
