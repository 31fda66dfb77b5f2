"""`gcp-wif check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcp_wif import secrets
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, run_context, terminal
from gcp_wif.config_lint import LintFinding, check_text
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.files import read_bounded
from gcp_wif.job.context import Context
from gcp_wif.limits import MAX_LINTED_BYTES
from gcp_wif.safe_text import counted

if TYPE_CHECKING:
    from gcp_wif.manifest import Manifest

__all__ = ["main"]


class _Options(OptionGroup):
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Credential configs (JSON) and manifests (TOML).")
    ] = []  # noqa: RUF012 - Typer copies it
    manifest: Annotated[
        str | None, typer.Option(metavar="FILE", help="Compare the configs with this manifest, too.")
    ] = None
    universe_domain: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="Admit configs for this universe, beside googleapis.com.")
    ] = None
    allow_executable: Annotated[bool, typer.Option("--allow-executable", help="Admit configs that run a program.")] = (
        False
    )
    allow_host: Annotated[
        list[str], typer.Option(metavar="HOST", help="Admit this host as one that hands out tokens; repeatable.")
    ] = []  # noqa: RUF012 - Typer copies it
    junit: Annotated[str | None, typer.Option(metavar="FILE", help="Write JUnit XML, as CI systems show it.")] = None


@command(_Options, CommonOptions)
def main(options: _Options, common: CommonOptions) -> None:
    """Lint committed configs and manifests, offline.

    Secrets, URLs that are not Google's, another universe, programs, forms that clients refuse, unknown fields, project
    IDs for numbers, paths that are not absolute and, with --manifest, any difference from it. A FILE that cannot be
    read does not keep the others from being checked; with no other finding the exit code is then 2.
    """
    out, context = terminal(common), run_context()
    if not options.files:
        raise InputError("There is nothing to check.", hint="Name at least one config or manifest.", code="WIF450")
    Endpoints.resolve({}, options.universe_domain)
    manifest: Manifest | None = None
    if options.manifest is not None:
        from gcp_wif.cli.manifests import read_manifest

        manifest = read_manifest(options.manifest, context)
    found: dict[str, list[LintFinding]] = {}
    unread = 0
    for given in options.files:
        name = _printable(given)
        try:
            data = read_bounded(Path(context.cwd, given), MAX_LINTED_BYTES, origin="check")
        except (InputError, ValueError) as error:
            unread += 1
            found[name] = [_unreadable(name, error)]
            continue
        lint = check_text(
            name,
            data,
            manifest=manifest,
            manifest_name=_printable(options.manifest or ""),
            allow_executable=options.allow_executable,
            universe_domain=options.universe_domain,
            allow_hosts=tuple(host.removeprefix("https://").rstrip("/") for host in options.allow_host),
        )
        found[name] = list(lint)
    findings = [each for several in found.values() for each in several]
    for each in findings:
        out.report(f"{each.file}:{each.line}: {each.code} {each.message}")
        for line in (*each.diff, *each.fix.splitlines()):
            out.report(f"    {line}")
    if options.junit is not None:
        _write_junit(Path(context.cwd, options.junit), found, context)
    out.report(f"{counted(len(found), 'file')}, {counted(len(findings), 'finding')}")
    out.data({"checked": len(found), "findings": [_document(each) for each in findings]})
    raise typer.Exit(1 if len(findings) > unread else 2 if unread else 0)


def _printable(name: str) -> str:
    """A file's name for a terminal: a repository may hold names with line breaks or escape sequences."""
    return name if name.isprintable() else ascii(name)[1:-1]


def _unreadable(name: str, error: InputError | ValueError) -> LintFinding:
    if not isinstance(error, InputError):  # a NUL in the name
        return LintFinding("WIF303", name, 1, "No file can have this name.", "Name the configs and manifests.")
    return LintFinding(error.code, name, 1, f"The file was not checked. {_printable(error.message)}", error.hint or "")


def _document(finding: LintFinding) -> dict[str, Any]:
    return finding._asdict() | {"diff": list(finding.diff)}


def _write_junit(path: Path, found: dict[str, list[LintFinding]], context: Context) -> None:
    try:
        from junitparser import Failure, JUnitXml, TestCase, TestSuite
    except ImportError:
        raise MissingExtraError("junit", command="check --junit") from None
    import io

    from gcp_wif.files import write_new

    suite = TestSuite("gcp-wif check")
    for name, findings in found.items():
        case = TestCase(name, "gcp-wif check")
        case.result = [Failure(secrets.hide(f"line {each.line}: {each.message}"), each.code) for each in findings]
        suite.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    buffer = io.BytesIO()
    xml.write(buffer)
    write_new(path, buffer.getvalue(), context.roots, replace=True, origin="--junit")
