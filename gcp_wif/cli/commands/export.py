"""`gcp-wif export`."""

import os
from typing import Annotated

import typer

from gcp_wif.ci.export_format import ExportOutput
from gcp_wif.cli.chosen_config import chosen_config
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.job_steps import check_stdout, export_document, run_export, say_how_to_source
from gcp_wif.cli.options import CiOptions, ConfigFileOptions, ExecutableOptions, ExportOptions, NameOptions
from gcp_wif.credential_config import FileSource
from gcp_wif.job.export import export_target, exports, gsutil_search_path, loopback_exports, printed, project_of
from gcp_wif.job.target import ProjectChoice
from gcp_wif.job.trusted_config import read_trusted
from gcp_wif.names import ProjectId

__all__ = ["main"]


class _Options(OptionGroup):
    project_id: Annotated[str | None, typer.Option(help="Project ID to export.")] = None


@command(ConfigFileOptions, NameOptions, _Options, ExecutableOptions, ExportOptions, CiOptions, CommonOptions)
def main(
    chosen: ConfigFileOptions,
    named: NameOptions,
    options: _Options,
    executable: ExecutableOptions,
    sink: ExportOptions,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Hand the variables to the job's next steps.

    In the CI system's own way. Lines are appended once; a changed value wins; other lines are never touched. A config
    that leads elsewhere than to Google, or runs a program that is not gcp-wif, is refused. For the present shell:
    eval "$(gcp-wif export --to stdout)".
    """
    out, context = terminal(common), ci.context()
    target = export_target(sink.to, context)
    check_stdout(target, common)
    where = endpoints(context, out, chosen.universe_domain)
    config = chosen_config(chosen, named, context)
    trusted = read_trusted(config, where, context.program, allow_executable=executable.allow_executable)
    source = trusted.config.source
    if isinstance(source, FileSource) and source.file.startswith("/") and not os.path.lexists(source.file):
        out.warn(
            f"The token file {source.file}, which the config names, is not here: no client can use the config. Was it "
            "written for a container, with --path-in-container?"
        )
    project = project_of(trusted.config, config, context.roots)
    if options.project_id is not None:
        project = ProjectChoice(ProjectId.parse(options.project_id, origin="--project-id"), explicit=True)
    wanted = exports(
        config,
        project,
        executables=trusted.executables,
        boto_path=gsutil_search_path(config, context),
        more=loopback_exports(trusted.config, None, context.environ),
    )
    if isinstance(target, ExportOutput):
        if target.how:
            out.say(f"exports            {target.how}")
        out.raw(printed(config, wanted, target, context))
        return
    done = run_export(config, wanted, target, context, out)
    say_how_to_source(done, target, context, out)
    out.data(export_document(done))
