"""`gcp-wif export`."""

from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, run_context, terminal
from gcp_wif.cli.job_steps import export_document, run_export, say_how_to_source
from gcp_wif.cli.options import ExportOptions
from gcp_wif.errors import InputError
from gcp_wif.job.export import STDOUT, export_lines, read_config, weak_project
from gcp_wif.job.generate import config_path
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId

__all__ = ["main"]


class _Options(OptionGroup):
    output_file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The credential config. [default: $HOME/gcp_cred_config.json]"),
    ] = None
    project_id: Annotated[str | None, typer.Option(help="Project ID to export.")] = None


@command(_Options, ExportOptions, CommonOptions)
def main(options: _Options, sink: ExportOptions, common: CommonOptions) -> None:
    """Hand the variables to the job's next steps, through $BASH_ENV.

    Lines are appended once; a changed value wins; other lines are never touched. For the present shell:
    eval "$(gcp-wif export --to stdout)".
    """
    out, context = terminal(common), run_context()
    if common.as_json and sink.to == STDOUT:
        raise InputError("--json and --to stdout both want stdout.", code="WIF110")
    config = config_path(options.output_file, context)
    project = weak_project(read_config(config))
    if options.project_id is not None:
        project = ProjectChoice(ProjectId.parse(options.project_id, origin="--project-id"), explicit=True)
    if sink.to == STDOUT:
        out.raw(export_lines(config, project, context.environ))
        return
    done = run_export(config, project, sink, context, out)
    say_how_to_source(done, sink, context, out)
    out.data(export_document(done))
