"""One file: its encoding, its kind, its secrets; and manifests."""

import re
from collections.abc import Iterator

from gcp_wif.config_lint.config import is_other_federation, lint_config, parse_config
from gcp_wif.config_lint.drift import lint_drift
from gcp_wif.config_lint.finding import LintFinding, bounded
from gcp_wif.config_lint.places import Places, scan_toml
from gcp_wif.config_lint.secrets import hide_secrets, secret_findings
from gcp_wif.config_lint.sources import Allowed
from gcp_wif.errors import shown
from gcp_wif.manifest import Manifest, ManifestError, ManifestProblem

__all__ = ["check_text"]

_FIXES = {
    "WIF701": "Correct the TOML there.",
    "WIF702": "Correct the name, or remove the key.",
    "WIF703": "Add it there; `gcp-wif init` writes a whole manifest.",
    "WIF705": "Keep one of them.",
    "WIF706": "Add what narrows the rule.",
}


def check_text(
    name: str,
    data: str | bytes,
    *,
    manifest: Manifest | None = None,
    manifest_name: str = "gcp-wif.toml",
    allow_executable: bool = False,
    universe_domain: str | None = None,
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[LintFinding]:
    """Everything that is wrong with one file, at most `MAX_FINDINGS_OF_A_KIND` of one code.

    Args:
        name: the file's name, which tells its kind: TOML is a manifest, everything else a credential config.
        data: its content.
        manifest: what a config is compared with.
        manifest_name: that manifest's file, for the fix.
        allow_executable: whether a config may run a program.
        universe_domain: a universe that a config may be for, beside Google's public cloud.
        allow_hosts: hosts that may hand out tokens to a URL source.
    """
    text, wrong = (data, ()) if isinstance(data, str) else _decoded(name, data)
    bare = text.removeprefix("\ufeff")
    allowed = Allowed(allow_executable, universe_domain, frozenset(host.lower() for host in allow_hosts))
    found = (
        _manifest(name, bare)
        if name.lower().endswith(".toml")
        else _config(name, bare, allowed, manifest, manifest_name, marked=bare != text)
    )
    for each in bounded((*wrong, *found)):
        # The rules above show names and paths; a person may have pasted a secret into any of them.
        diff = tuple(hide_secrets(line) for line in each.diff)
        yield each._replace(message=hide_secrets(each.message), fix=hide_secrets(each.fix), diff=diff)


def _decoded(name: str, data: bytes) -> tuple[str, tuple[LintFinding, ...]]:
    """The text, and what is wrong with its encoding; what cannot be decoded is replaced, so that the rest is seen."""
    fix = "Save the file as UTF-8."
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), (LintFinding("WIF462", name, 1, "The file is UTF-16.", fix),)
    try:
        return data.decode(), ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return data.decode(errors="replace"), (LintFinding("WIF462", name, line, "The file is not UTF-8.", fix),)


def _config(
    name: str, text: str, allowed: Allowed, manifest: Manifest | None, manifest_name: str, *, marked: bool
) -> list[LintFinding]:
    parsed = parse_config(name, text)
    found = secret_findings(name, text, parsed.places)
    if marked:
        message = "The file begins with a byte order mark, which clients refuse."
        found.append(LintFinding("WIF452", name, 1, message, "Save it without."))
    if parsed.places is not None:
        config = lint_config(parsed, allowed)
        if manifest is not None and is_other_federation(parsed.document):
            message = "The manifest has no identity for a workforce pool, X.509 or AWS."
            parsed.report.add("WIF460", ("audience",), message, "Check this file without --manifest.")
        elif manifest is not None and config is not None and allowed.admits(config.universe_domain):
            lint_drift(parsed.report, parsed.document, config, manifest, manifest_name)
    return found + parsed.report.findings


def _manifest(name: str, text: str) -> Iterator[LintFinding]:
    problems: tuple[ManifestProblem, ...] = ()
    try:
        Manifest.parse(text, origin=name)
    except ManifestError as error:
        problems = error.problems
    unparsed = any(problem.code == "WIF701" for problem in problems)
    places = Places() if unparsed else scan_toml(text.replace("\r\n", "\n"))
    yield from secret_findings(name, text, None if unparsed else places, plain=("attribute_mapping", "allow"))
    for problem in problems:
        at = re.search(r"at line (\d+)", problem.message) if unparsed else None
        end = text.count("\n") + 1 if unparsed and "at end of document" in problem.message else 1
        line = int(at[1]) if at else end if unparsed else places.line_of(problem.key)
        key = problem.key if problem.key.isprintable() and len(problem.key) < 200 else shown(problem.key)
        message = f"{key}: {problem.message}" if problem.key else problem.message
        yield LintFinding(problem.code, name, line, message, _FIXES.get(problem.code, "Correct the value."))
