"""`gcp-wif export`."""

from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, run_context, terminal
from gcp_wif.cli.job_steps import export_document, run_export, say_how_to_source
from gcp_wif.cli.options import ConfigFileOptions, ExecutableOptions, ExportOptions
from gcp_wif.errors import InputError
from gcp_wif.job.export import STDOUT, gsutil_search_path, weak_project
from gcp_wif.job.exports import exports, plain_lines
from gcp_wif.job.generate import config_path
from gcp_wif.job.target import ProjectChoice
from gcp_wif.job.trusted_config import read_trusted
from gcp_wif.names import ProjectId

__all__ = ["main"]


class _Options(OptionGroup):
    project_id: Annotated[str | None, typer.Option(help="Project ID to export.")] = None


@command(ConfigFileOptions, _Options, ExecutableOptions, ExportOptions, CommonOptions)
def main(
    chosen: ConfigFileOptions,
    options: _Options,
    executable: ExecutableOptions,
    sink: ExportOptions,
    common: CommonOptions,
) -> None:
    """Hand the variables to the job's next steps, through $BASH_ENV.

    Lines are appended once; a changed value wins; other lines are never touched. A config that leads elsewhere than to
    Google, or runs a program that is not gcp-wif, is refused. For the present shell:
    eval "$(gcp-wif export --to stdout)".
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
    wanted = exports(config, project, executables=trusted.executables, boto_path=gsutil_search_path(config, context))
    if sink.to == STDOUT:
        out.raw(plain_lines(wanted, context.environ))
        return
    done = run_export(config, wanted, sink, context, out)
    say_how_to_source(done, sink, context, out)
    out.data(export_document(done))
