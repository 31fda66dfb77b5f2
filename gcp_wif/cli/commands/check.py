"""`gcp-wif check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcp_wif import secrets
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, run_context, terminal
from gcp_wif.config_lint import MAX_FILE_BYTES, LintFinding, check_text
from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.files import read_bounded
from gcp_wif.job.context import Context

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
    allow_executable: Annotated[bool, typer.Option("--allow-executable", help="Take configs that run a program.")] = (
        False
    )
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write JUnit XML, as CircleCI's store_test_results reads it.")
    ] = None


@command(_Options, CommonOptions)
def main(options: _Options, common: CommonOptions) -> None:
    """Lint committed credential configs and manifests, offline.

    Exit code 1 where something is wrong: secrets, URLs that are not Google's, programs, forms that clients refuse,
    project IDs for numbers, paths that are not absolute and, with --manifest, any difference from it.
    """
    out, context = terminal(common), run_context()
    if not options.files:
        raise InputError("No file is given.", hint="Name the configs and manifests to look at.", code="WIF450")
    manifest: Manifest | None = None
    if options.manifest is not None:
        from gcp_wif.cli.manifests import read_manifest

        manifest = read_manifest(options.manifest, context)
    found: dict[str, list[LintFinding]] = {}
    for name in options.files:
        data = read_bounded(Path(context.cwd, name), MAX_FILE_BYTES, origin="check")
        text = data.decode(errors="replace")
        found[name] = list(check_text(name, text, manifest=manifest, allow_executable=options.allow_executable))
    findings = [each for several in found.values() for each in several]
    for each in findings:
        out.report(f"{each.file}:{each.line}: {each.code} {each.message}")
        for line in (*each.diff, *each.fix.splitlines()):
            out.report(f"    {line}")
    if options.junit is not None:
        _write_junit(Path(context.cwd, options.junit), found, context)
    out.report(f"{len(found)} files, {len(findings)} findings")
    out.data({"checked": len(found), "findings": [_document(each) for each in findings]})
    raise typer.Exit(1 if findings else 0)


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
