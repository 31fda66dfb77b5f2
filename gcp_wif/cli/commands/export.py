"""`gcp-wif export`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, run_context, terminal
from gcp_wif.cli.options import ExportOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError
from gcp_wif.job.context import Context
from gcp_wif.job.export import STDOUT, export, export_lines, read_config, shell_file, weak_project
from gcp_wif.job.generate import config_path
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId

__all__ = ["main", "run_export"]


class _Options(OptionGroup):
    output_file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The credential config. [default: $HOME/gcp_cred_config.json]"),
    ] = None
    project_id: Annotated[str | None, typer.Option(help="Project ID to export.")] = None


def run_export(
    config: Path, project: ProjectChoice | None, options: ExportOptions, context: Context, out: Terminal
) -> dict[str, Any]:
    """Write or print the exports; returns the JSON shape."""
    if options.to == STDOUT:
        out.raw(export_lines(config, project, context.environ))
        return {"shell_file": None}
    done = export(config, project, shell_file(options.to, context), context.environ)
    names = ", ".join(each.name for each in done.exports)
    state = f"{done.added} lines added" if done.added else "nothing to add"
    out.say(f"exports            {done.shell_file} ({state}): {names}")
    return {
        "shell_file": str(done.shell_file),
        "lines_added": done.added,
        "exports": {each.name: each.value for each in done.exports},
    }


@command(_Options, ExportOptions, CommonOptions)
def main(options: _Options, sink: ExportOptions, common: CommonOptions) -> None:
    """Append the exports to $BASH_ENV, so that the job's next shells find the credential config.

    Lines are appended once; a changed value wins; other lines are never touched.
    """
    out, context = terminal(common), run_context()
    if common.as_json and sink.to == STDOUT:
        raise InputError("--json and --to stdout both want stdout.", code="WIF110")
    config = config_path(options.output_file, context)
    project = weak_project(read_config(config))
    if options.project_id is not None:
        project = ProjectChoice(ProjectId.parse(options.project_id, origin="--project-id"), explicit=True)
    out.data(run_export(config, project, sink, context, out))
