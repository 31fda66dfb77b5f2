"""`gcp-wif export`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gcp_wif.ci.export_format import ExportTarget
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.options import CiOptions, ExportOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError
from gcp_wif.job.context import Context
from gcp_wif.job.export import export, export_lines, export_target, read_config, weak_project
from gcp_wif.job.generate import config_path
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId

__all__ = ["check_stdout", "main", "run_export"]


class _Options(OptionGroup):
    output_file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The credential config. [default: $HOME/gcp_cred_config.json]"),
    ] = None
    project_id: Annotated[str | None, typer.Option(help="Project ID to export.")] = None


def check_stdout(target: ExportTarget, common: CommonOptions) -> None:
    """Refuse two results on standard output.

    Raises:
        InputError: WIF110.
    """
    if common.as_json and target.path is None:
        raise InputError(
            "--json and the exports both want stdout.", hint="Name a file for the exports: --to PATH.", code="WIF110"
        )


def run_export(
    config: Path, project: ProjectChoice | None, target: ExportTarget, context: Context, out: Terminal
) -> dict[str, Any]:
    """Write or print the exports; returns the JSON shape."""
    if target.path is None:
        out.raw(export_lines(config, project, target, context.environ))
        return {"shell_file": None}
    done = export(config, project, target.path, target, context.environ)
    names = ", ".join(each.name for each in done.exports)
    state = f"{done.added} lines added" if done.added else "nothing to add"
    out.say(f"exports            {done.path} ({state}): {names}")
    if target.now:
        out.say(f"                   this step has them after:  {target.now}")
    return {
        "shell_file": str(done.path),
        "lines_added": done.added,
        "exports": {each.name: each.value for each in done.exports},
    }


@command(_Options, ExportOptions, CiOptions, CommonOptions)
def main(options: _Options, sink: ExportOptions, ci: CiOptions, common: CommonOptions) -> None:
    """Hand the variables to the job's next steps, in the CI system's way, so that they find the credential config.

    Lines are appended once; a changed value wins; other lines are never touched.
    """
    out, context = terminal(common), ci.context()
    target = export_target(sink.to, context)
    check_stdout(target, common)
    config = config_path(options.output_file, context)
    project = weak_project(read_config(config))
    if options.project_id is not None:
        project = ProjectChoice(ProjectId.parse(options.project_id, origin="--project-id"), explicit=True)
    out.data(run_export(config, project, target, context, out))
