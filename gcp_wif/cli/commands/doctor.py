"""`gcp-wif doctor`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.diagnosis import report_document, report_lines
from gcp_wif.cli.options import CiOptions, ConfigFileOptions, NameOptions, TargetOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.files import write_new
from gcp_wif.job.context import Context

if TYPE_CHECKING:
    from gcp_wif.doctor import Evidence

__all__ = ["main"]


class _Options(OptionGroup):
    token_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variable with the token. [default: what the CI system sets]")
    ] = None
    claims: Annotated[
        str | None, typer.Option(metavar="FILE", help="Claims as JSON, in place of a token: a dry run.")
    ] = None
    error: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What gcloud, google-auth, Node or Terraform printed; - for stdin."),
    ] = None
    live: Annotated[bool, typer.Option("--live", help="Look at Google, with the admin's credentials.")] = False
    impersonate_service_account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="With --live: act as this account.")
    ] = None
    provider_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="`… providers describe --format=json`, saved.")
    ] = None
    pool_file: Annotated[str | None, typer.Option(metavar="FILE", help="The same of the pool.")] = None
    account_file: Annotated[str | None, typer.Option(metavar="FILE", help="The same of the service account.")] = None
    policy_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The account's `get-iam-policy --format=json`, saved.")
    ] = None
    project_policy_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The project's, for direct federation.")
    ] = None
    explain: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Print what a code such as WIF508 means, its cause and its fix, and end."),
    ] = None
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a page to keep as an artifact.")] = None


@command(TargetOptions, ConfigFileOptions, NameOptions, _Options, CiOptions, CommonOptions)
def main(
    target: TargetOptions,
    config: ConfigFileOptions,
    named: NameOptions,
    options: _Options,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Say why Google refuses, on what evidence, and what fixes it.

    Shows the chain link by link, the first broken one last. From a job (its environment and files), a manifest
    (--manifest), Google (--live), or saved answers of gcloud. What was not seen is unknown. Exit code 1 where a link is
    broken.
    """
    out, context = terminal(common), ci.context()
    if options.explain is not None:
        from gcp_wif.cli.explanation import explain

        explain(options.explain, out)
        return
    from gcp_wif.doctor import diagnose
    from gcp_wif.job.generate import config_path

    if named.name is not None:
        config.output_file = str(config_path(config.output_file, context, named.name))
    report = diagnose(_case(target, config, options, context, out))
    if options.html is not None:
        from gcp_wif.doctor.page import page

        path = Path(context.cwd, options.html)
        write_new(path, page(report, context.clock()).encode(), context.roots, replace=True, origin="--html")
        out.say(f"page               {path}")
    for line in report_lines(report, out.style):
        out.report(line)
    out.data(report_document(report))
    raise typer.Exit(1 if report.broken else 0)


def _case(
    target: TargetOptions, config: ConfigFileOptions, options: _Options, context: Context, out: Terminal
) -> "Evidence":
    from gcp_wif.cli.evidence import add_error, add_files, add_google, add_job, add_manifest, empty_case

    evidence = add_job(empty_case(context), target, config.output_file, (options.token_env, options.claims), context)
    if target.manifest is not None:
        evidence = add_manifest(evidence, target, context)
    names = ("provider_file", "pool_file", "account_file", "policy_file", "project_policy_file")
    files = {name.removesuffix("_file"): getattr(options, name) for name in names if getattr(options, name) is not None}
    evidence = add_files(evidence, files, context)
    if options.live:
        try:
            evidence = add_google(evidence, endpoints(context, out), options.impersonate_service_account)
        except ImportError:
            raise MissingExtraError("admin", command="doctor --live") from None
    if options.error is not None:
        text = context.stdin.read(100_000).decode(errors="replace") if options.error == "-" else options.error
        evidence = add_error(evidence, text, out)
    if evidence.refused is None and evidence.claims is None and evidence.provider is None and evidence.config is None:
        raise InputError(
            "There is nothing to look at: no token, no config, no manifest, no known error.",
            hint="In a job: gcp-wif doctor. Elsewhere: --manifest FILE, --claims FILE, --live, or --error TEXT.",
            code="WIF918",
        )
    return evidence
