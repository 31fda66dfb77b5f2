"""`gcp-wif export`."""

from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.job_steps import check_stdout, export_document, run_export, say_how_to_source
from gcp_wif.cli.options import CiOptions, ExportOptions
from gcp_wif.job.export import export_lines, export_target, read_config, weak_project
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


@command(_Options, ExportOptions, CiOptions, CommonOptions)
def main(options: _Options, sink: ExportOptions, ci: CiOptions, common: CommonOptions) -> None:
    """Hand the variables to the job's next steps.

    In the CI system's own way. Lines are appended once; a changed value wins; other lines are never touched. For the
    present shell: eval "$(gcp-wif export --to stdout)".
    """
    out, context = terminal(common), ci.context()
    target = export_target(sink.to, context)
    check_stdout(target, common)
    config = config_path(options.output_file, context)
    project = weak_project(read_config(config))
    if options.project_id is not None:
        project = ProjectChoice(ProjectId.parse(options.project_id, origin="--project-id"), explicit=True)
    if target.path is None:
        out.raw(export_lines(config, project, target, context.environ))
        return
    done = run_export(config, project, target, context, out)
    say_how_to_source(done, target, context, out)
    out.data(export_document(done))
