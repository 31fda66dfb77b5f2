"""`gcp-wif doctor`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.diagnosis import report_document, report_lines
from gcp_wif.cli.options import CiOptions, ConfigFileOptions, NameOptions, TargetOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError, MissingExtraError, UnavailableError
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
        str | None,
        typer.Option(metavar="FILE", help="Its project's; or `gcloud projects get-ancestors-iam-policy`, saved."),
    ] = None
    role_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="`gcloud iam roles describe`, saved: a custom role.")
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
    """Say why Google refuses, and what fixes it.

    Shows the chain link by link, the first broken one last. In a job it makes the exchange of the job's own config and
    says where Google's answer stands in the chain. Otherwise from a manifest (--manifest), Google (--live), an error
    (--error) or saved answers of gcloud. What was not seen is unknown. Exit code 1 where a link is broken.
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
    evidence = _case(target, config, options, context, out)
    report = diagnose(evidence)
    if options.html is not None:
        from gcp_wif.doctor.page import page

        path = Path(context.cwd, options.html)
        write_new(path, page(evidence, report).encode(), context.roots, replace=True, origin="--html")
        out.say(f"page               {path}")
    for line in report_lines(report, out.style):
        out.report(line)
    out.data(report_document(report))
    unreachable = isinstance(evidence.unanswered, UnavailableError)
    raise typer.Exit(1 if report.broken else UnavailableError.exit_code if unreachable else 0)


def _case(
    target: TargetOptions, config: ConfigFileOptions, options: _Options, context: Context, out: Terminal
) -> "Evidence":
    from gcp_wif.cli.evidence import (
        add_answer,
        add_error,
        add_files,
        add_google,
        add_job,
        add_manifest,
        empty_case,
        job_config,
    )  # fmt: skip

    evidence = add_job(empty_case(context), target, config.output_file, (options.token_env, options.claims), context)
    if target.manifest is not None:
        evidence = add_manifest(evidence, target, context)
    names = ("provider_file", "pool_file", "account_file", "policy_file", "project_policy_file", "role_file")
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
    asks = not (options.live or options.error or options.claims or options.token_env or target.manifest)
    if asks and evidence.config is not None:
        where = endpoints(context, out, config.universe_domain)
        evidence = add_answer(evidence, job_config(config.output_file, context), where, context)
    told = evidence.refused is not None or (evidence.error is not None and evidence.error.named())
    if not told and evidence.claims is None and evidence.provider is None and evidence.config is None:
        raise InputError(
            "There is nothing to look at: no token, no config, no manifest, no known error.",
            hint="In a job: gcp-wif doctor. Elsewhere: --manifest FILE, --claims FILE, --live, or --error TEXT.",
            code="WIF918",
        )
    return evidence
