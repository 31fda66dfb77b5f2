"""`check`: committed credential configs and manifests, offline. Pure, and quick to load: it runs before each commit.

A config decides where a token is sent, and may run a program: Google asks that configs from outside be validated.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gcp_wif.credential_config import CredentialConfig, ExecutableSource, FileSource
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, shown
from gcp_wif.manifest import Manifest, ManifestError

__all__ = ["MAX_FILE_BYTES", "LintFinding", "check_text"]

MAX_FILE_BYTES = 1_000_000

_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "a private key"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"), "a JWT, such as a subject token"),
    (re.compile(r"\bya29\.[A-Za-z0-9_.-]{10,}"), "an access token of Google's"),
    (re.compile(r"\b1//0[A-Za-z0-9_-]{20,}"), "a refresh token of Google's"),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"), "an API key of Google's"),
    (re.compile(r"\bGOCSPX-[A-Za-z0-9_-]{20,}"), "a client secret of Google's"),
)
_SECRET_FIELDS = re.compile(
    r'"(private_key|private_key_id|refresh_token|client_secret|access_token|id_token)"\s*:\s*"[^"]'
)
_LOOPBACK = re.compile(r"https?://(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\]|169\.254\.169\.254)(?:[:/]|$)")
_FIELD = re.compile(r"`([a-z_.]+)`")


class LintFinding(NamedTuple):
    """One thing that is wrong with a file.

    Attributes:
        line: counted from 1.
        fix: what to do; may have several lines.
        diff: for a drift, the lines of a unified diff.
    """

    code: str
    file: str
    line: int
    message: str
    fix: str
    diff: tuple[str, ...] = ()


def check_text(
    name: str, text: str, *, manifest: Manifest | None = None, allow_executable: bool = False
) -> Iterator[LintFinding]:
    """Everything that is wrong with one file.

    Args:
        name: the file's name, which tells its kind: TOML is a manifest, everything else a credential config.
        text: its content.
        manifest: what a config is compared with.
        allow_executable: whether a config may run a program.
    """
    yield from _secrets(name, text)
    if name.endswith(".toml"):
        yield from _manifest(name, text)
    else:
        yield from _config(name, text, manifest, allow_executable=allow_executable)


def _secrets(name: str, text: str) -> Iterator[LintFinding]:
    fix = "Take it out of the file and of the repository's history, and revoke it: whoever has read it can use it."
    for number, line in enumerate(text.splitlines(), 1):
        what = next((what for pattern, what in _SECRETS if pattern.search(line)), None)
        field = _SECRET_FIELDS.search(line)
        if what or field:
            found = what or f"a secret in the field {field[1] if field else ''}"
            yield LintFinding("WIF451", name, number, f"There is {found} in it (not shown).", fix)


def _manifest(name: str, text: str) -> Iterator[LintFinding]:
    try:
        Manifest.parse(text, origin=name)
    except ManifestError as error:
        for problem in error.problems:
            place = re.search(r"at line (\d+)", problem.message)
            line = int(place[1]) if place else _toml_line(text, problem.key)
            message = f"{problem.key}: {problem.message}" if problem.key else problem.message
            yield LintFinding(problem.code, name, line, message, "See the manifest in README.")


def _config(name: str, text: str, manifest: Manifest | None, *, allow_executable: bool) -> Iterator[LintFinding]:
    document = None
    if text.startswith("\ufeff"):
        yield LintFinding(
            "WIF452", name, 1, "It begins with a byte order mark, which clients refuse.", "Save it without."
        )
        text = text.removeprefix("\ufeff")
    repeated: list[str] = []
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, repeated))
    except RecursionError:
        yield LintFinding(
            "WIF401", name, 1, "It is nested too deeply.", "`gcp-wif generate --config-only` writes a config."
        )
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        yield LintFinding(
            "WIF401", name, line, f"It is not JSON: {getattr(error, 'msg', 'malformed')}.", "Generate it again."
        )
    for key in repeated:
        message = f"The field `{key}` stands there twice; clients differ in which they take."
        yield LintFinding("WIF453", name, _json_line(text, key, second=True), message, "Leave one.")
    if document is None:
        return
    try:
        config = CredentialConfig.from_json(text, origin=name)
    except InputError as error:
        message = error.message.removeprefix(f"{name}: ")
        match = _FIELD.search(message)
        line = _json_line(text, match[1] if match else "audience" if "audience" in message else "type")
        yield LintFinding(
            error.code, name, line, message, error.hint or "`gcp-wif generate --config-only` writes a config."
        )
        return
    yield from _fields(name, text, config, allow_executable=allow_executable)
    if manifest is not None:
        yield from _drift(name, text, document, config, manifest)


def _fields(name: str, text: str, config: CredentialConfig, *, allow_executable: bool) -> Iterator[LintFinding]:
    try:
        endpoints = Endpoints.resolve({}, config.universe_domain)
    except InputError as error:
        yield LintFinding(error.code, name, _json_line(text, "universe_domain"), error.message, error.hint or "")
        return
    for field, found in config.misdirected_urls(endpoints):
        message = f"`{field}` is not Google's in the universe {config.universe_domain}: {shown(found)}. "
        fix = "Tokens would be sent there. Generate the config again, and look at who changed it."
        yield LintFinding("WIF454", name, _json_line(text, field), message + "Tokens would be sent there.", fix)
    source = config.source
    if isinstance(source, ExecutableSource):
        if not allow_executable:
            message = f"It runs a program wherever it is used: {shown(source.command)}."
            fix = "--allow-executable, where that is meant and the program is in the repository's own hands."
            yield LintFinding("WIF455", name, _json_line(text, "command"), message, fix)
        if source.output_file is not None:
            yield from _path(name, text, "output_file", source.output_file)
    elif isinstance(source, FileSource):
        yield from _path(name, text, "file", source.file)
    elif not _LOOPBACK.match(source.url) and not source.url.startswith("https://"):
        message = f"The token is fetched without encryption: {shown(source.url)}."
        yield LintFinding("WIF457", name, _json_line(text, "url"), message, "Use https, or an address of this machine.")
    token_format = None if isinstance(source, ExecutableSource) else source.format
    if token_format is not None and token_format.field_name and "." in token_format.field_name:
        message = f"The field {shown(token_format.field_name)} is looked up at the top level alone, dot and all."
        fix = "Take a nested token out with --token-response FILE --token-response-field NAME, which writes it flat."
        yield LintFinding("WIF458", name, _json_line(text, "subject_token_field_name"), message, fix)


def _path(name: str, text: str, field: str, path: str) -> Iterator[LintFinding]:
    if path.startswith("/"):
        return
    why = "no client expands a ~" if path.startswith("~") else "it depends on the folder that the program runs in"
    message = f"The path {shown(path)} is not absolute: {why}."
    yield LintFinding(
        "WIF456", name, _json_line(text, field), message, "Write an absolute path, such as /tmp/oidc_token."
    )


def _drift(
    name: str, text: str, document: Mapping[str, Any], config: CredentialConfig, manifest: Manifest
) -> Iterator[LintFinding]:
    account = config.service_account
    fitting = [each for each in manifest.identities.values() if each.service_account == account]
    if not fitting:
        message = f"The manifest has no identity for {account or 'direct federation'}."
        line = _json_line(text, "service_account_impersonation_url" if account else "audience")
        yield LintFinding("WIF460", name, line, message, "Correct one of the two.")
        return
    identity = fitting[0]
    wanted = CredentialConfig.build(
        manifest.provider_name,
        config.source,
        Endpoints.resolve({}, config.universe_domain),
        service_account=identity.service_account,
        token_lifetime_seconds=identity.token_lifetime_seconds,
        subject_token_type=config.subject_token_type,
    )
    if wanted.document() == document:
        return
    import difflib

    ours = json.dumps(document, indent=2).splitlines()
    diff = tuple(difflib.unified_diff(ours, wanted.to_json().splitlines(), name, "from the manifest", lineterm=""))
    first = next((line[1:].strip() for line in diff[2:] if line.startswith("-")), "")
    line = next((number for number, each in enumerate(text.splitlines(), 1) if first and first in each), 1)
    fix = f"gcp-wif generate --config-only --manifest gcp-wif.toml --identity {identity.name} --output-file {name}"
    yield LintFinding("WIF459", name, line, f"It differs from the manifest's identity {identity.name}.", fix, diff)


def _object(pairs: list[tuple[str, Any]], repeated: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            repeated.append(key)
        made[key] = value
    return made


def _json_line(text: str, path: str, *, second: bool = False) -> int:
    """The line of the field ``path``, such as ``format.type``; the first line where it is not there."""
    where = 0
    for name in path.split("."):
        found = [match.start() for match in re.finditer(rf'"{re.escape(name)}"\s*:', text[where:])]
        if not found:
            continue
        where += found[1] if second and len(found) > 1 else found[0]
    return text.count("\n", 0, where) + 1


def _toml_line(text: str, key: str) -> int:
    """The line of a TOML key such as ``identities.deploy.allow[1].branch``, or of the nearest that is there."""
    lines = text.splitlines()
    plain = re.sub(r"\[\d+\]", "", key)
    parts = plain.split(".")
    best = 1
    for depth in range(len(parts), 0, -1):
        header = re.compile(rf"^\s*\[\s*{re.escape('.'.join(parts[:depth]))}\s*\]")
        start = next((number for number, line in enumerate(lines) if header.match(line)), None)
        if start is None:
            continue
        best = start + 1
        for name in reversed(parts[depth:]):
            index = re.search(r"\[(\d+)\]", key)
            found = _entries(lines, start + 1, name, int(index[1]) if index and name == parts[-1] else 0)
            if found is not None:
                return found
        return best
    top = re.compile(rf"^\s*{re.escape(parts[0])}\s*=")
    return next((number for number, line in enumerate(lines, 1) if top.match(line)), best)


def _entries(lines: list[str], start: int, name: str, nth: int) -> int | None:
    """The line of the nth ``name =`` below ``start``, before the next table."""
    seen = 0
    for number in range(start, len(lines)):
        if re.match(r"^\s*\[[^\[]*\]\s*(?:#.*)?$", lines[number]) and number > start:
            break
        if re.search(rf"(?:^|[{{,\s]){re.escape(name)}\s*=", lines[number]):
            if seen == nth:
                return number + 1
            seen += 1
    return None
