"""`gcp-wif doctor`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, run_context, terminal
from gcp_wif.cli.options import ConfigFileOptions, TargetOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.files import write_new
from gcp_wif.job.context import Context

if TYPE_CHECKING:
    from gcp_wif.doctor import Evidence, Finding, Report

__all__ = ["finding_lines", "main"]

_MARKS = {"fine": "✓", "broken": "✗", "unknown": "?", "skipped": "·"}
_COLOURS = {"fine": "green", "broken": "red", "unknown": "yellow", "skipped": "bright_black", "advice": "yellow"}


class _Options(OptionGroup):
    token_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variable with the token. [default: CIRCLE_OIDC_TOKEN, if set]")
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


@command(TargetOptions, ConfigFileOptions, _Options, CommonOptions)
def main(target: TargetOptions, config: ConfigFileOptions, options: _Options, common: CommonOptions) -> None:
    """Say why Google refuses: the chain link by link, the first broken one, the evidence, and what fixes it.

    From a job (its environment and files), a manifest (--manifest), Google (--live), or saved answers of gcloud. What
    was not seen is unknown. Exit code 1 where a link is broken.
    """
    out, context = terminal(common), run_context()
    if options.explain is not None:
        from gcp_wif.cli.explanation import explain

        explain(options.explain, out)
        return
    from gcp_wif.doctor import diagnose

    report = diagnose(_case(target, config, options, context, out))
    colour = not context.environ.get("NO_COLOR") and context.environ.get("TERM") != "dumb"
    _show(report, out, typer.style if colour else _unstyled)
    if options.html is not None:
        from gcp_wif.doctor.page import page

        path = Path(context.cwd, options.html)
        write_new(path, page(report, context.clock()).encode(), replace=True, origin="--html")
        out.say(f"page               {path}")
    out.data(_document(report))
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
        text = sys.stdin.read(100_000) if options.error == "-" else options.error
        evidence = add_error(evidence, text, out)
    if evidence.refused is None and evidence.claims is None and evidence.provider is None and evidence.config is None:
        raise InputError(
            "There is nothing to look at: no token, no config, no manifest, no known error.",
            hint="In a job: gcp-wif doctor. Elsewhere: --manifest FILE, --claims FILE, --live, or --error TEXT.",
            code="WIF918",
        )
    return evidence


def finding_lines(finding: "Finding") -> list[str]:
    """A finding for people."""
    lines = [f"{finding.code} {finding.link}: {finding.message}"]
    if finding.expected:
        lines.append(f"  expected  {finding.expected}")
    if finding.found:
        lines.append(f"  found     {finding.found}")
    return lines + [f"  → {line}" for line in finding.fix]


def _unstyled(text: str, **_: Any) -> str:
    return text


def _show(report: "Report", out: Terminal, style: Callable[..., str]) -> None:
    """The tree; off a terminal its colours are dropped anyway."""
    for link in report.links:
        mark = style(f"{_MARKS[link.state]} {link.name:<10}", fg=_COLOURS[link.state])
        out.say(f"{mark} {_plain(link.detail) or ('' if link.state != 'unknown' else 'not seen')}".rstrip())
    if report.attributes:
        out.say("")
        for row in report.attributes:
            value = _plain(row.value) if row.value is not None else "(not set)"
            out.say(f"{row.target} = {value}  ({row.size} bytes)")
    if report.trace:
        out.say("")
        for part in report.trace:
            value = part.value if part.value is not None else f"error: {part.error}"
            colour = "red" if part.depth == 0 and part.failed else None
            out.say(f"{'  ' * part.depth}{style(_plain(value), fg=colour)}  ←  {_plain(part.text)}")
    if report.principals:
        out.say("")
        for principal in report.principals:
            out.say(_plain(principal))
    for name, account in report.accounts.items():
        out.say(f"this token is the identity {name}: {account}")
    for finding in report.findings:
        out.say("")
        first, *rest = map(_plain, finding_lines(finding))
        out.say(style(first, fg=_COLOURS[finding.level], bold=finding.level == "broken"))
        for line in rest:
            out.say(line)
    if report.broken is None:
        unseen = [link.name for link in report.links if link.state == "unknown"]
        out.say("")
        out.say(f"No broken link was found; not seen: {', '.join(unseen)}." if unseen else "Every link holds.")


def _plain(text: str) -> str:
    """Text of a claim or of Google's, which must not move the cursor or colour the terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _document(report: "Report") -> dict[str, Any]:
    broken = report.broken
    return {
        "broken": broken.code if broken else None,
        "links": [link._asdict() for link in report.links],
        "findings": [
            {
                "code": each.code,
                "link": each.link,
                "level": each.level,
                "message": each.message,
                "expected": each.expected,
                "found": each.found,
                "fix": list(each.fix),
            }
            for each in report.findings
        ],
        "claims": dict(report.claims),
        "attributes": [row._asdict() for row in report.attributes],
        "trace": [part._asdict() for part in report.trace],
        "principals": list(report.principals),
        "accounts": dict(report.accounts),
    }
