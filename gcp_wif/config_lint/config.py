"""A credential config as a document: its form, where tokens go, what is unknown in it."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from gcp_wif.config_lint.finding import FileReport
from gcp_wif.config_lint.places import Places, Scalar, scan_json
from gcp_wif.config_lint.secrets import has_secret_shape
from gcp_wif.config_lint.showing import origin_of, program_of
from gcp_wif.config_lint.sources import Allowed, lint_range, lint_source
from gcp_wif.credential_config import CredentialConfig, read_document
from gcp_wif.endpoints import DEFAULT_UNIVERSE, Endpoints, parse_url
from gcp_wif.errors import InputError, shown
from gcp_wif.limits import LIFETIME_SECONDS, MAX_CONFIG_DEPTH

__all__ = ["Parsed", "is_other_federation", "lint_config", "parse_config"]

_WRITE = "`gcp-wif generate --config-only` writes a config."
_SOURCE = ("credential_source",)
_KNOWN: dict[tuple[str, ...], frozenset[str]] = {
    (): frozenset({
        "universe_domain", "type", "audience", "subject_token_type", "token_url", "token_info_url", "credential_source",
        "service_account_impersonation_url", "service_account_impersonation", "client_id", "client_secret",
        "quota_project_id", "workforce_pool_user_project",
    }),
    ("service_account_impersonation",): frozenset({"token_lifetime_seconds"}),
    _SOURCE: frozenset({
        "file", "url", "headers", "format", "executable", "certificate", "environment_id", "region_url",
        "regional_cred_verification_url", "imdsv2_session_token_url",
    }),
    (*_SOURCE, "format"): frozenset({"type", "subject_token_field_name", "path"}),
    (*_SOURCE, "executable"): frozenset({"command", "timeout_millis", "output_file", "interactive_timeout_millis"}),
    (*_SOURCE, "certificate"): frozenset({
        "use_default_certificate_config", "certificate_config_location", "trust_chain_path",
    }),
}  # fmt: skip
"""The fields that Google's clients read (AIP-4117; google-auth 2.62; gcloud 528). `path` is refused elsewhere."""

_OTHER_KINDS = frozenset({
    "service_account", "authorized_user", "impersonated_service_account", "external_account_authorized_user",
    "gdch_service_account",
})  # fmt: skip
_WORKFORCE = re.compile(r"//iam\.googleapis\.com/locations/global/workforcePools/[^/]{1,63}/providers/[^/]{1,63}")
_URL_NAME = re.compile(r"(?:^|[_-])ur[il]$|(?:ur[il]|endpoint)$", re.IGNORECASE)
_GOOGLE_HOST = re.compile(r"(?:[a-z0-9-]+\.)*(?:googleapis|google)\.com")
_GOOGLE_FIELDS = ("token_url", "token_info_url", "service_account_impersonation_url")


class Parsed(NamedTuple):
    """A JSON text.

    Attributes:
        document: its value, where it could be parsed.
        places: of its keys; ``None`` where it could not.
        report: what is wrong with it as JSON.
    """

    document: Any
    places: Places | None
    report: FileReport


def parse_config(name: str, text: str) -> Parsed:
    """Read ``text`` as JSON, and hold it to what JSON is to every client."""
    constants: list[str] = []
    report = FileReport(name, Places())
    try:
        document = json.loads(text, parse_constant=constants.append)
    except RecursionError:
        report.add("WIF401", (), "The file is nested too deeply.", _WRITE)
        return Parsed(None, None, report)
    except json.JSONDecodeError as error:
        report.add_at(error.lineno, "WIF401", f"The file is not JSON: {error.msg}.", _WRITE)
        return Parsed(None, None, report)
    except ValueError:  # Python refuses to read integers of more than 4,300 digits
        report.add("WIF401", (), "The file holds a number of thousands of digits, which no client reads.", _WRITE)
        return Parsed(None, None, report)
    places = report.places = scan_json(text)
    if constants:
        line = next((each.line for each in places.scalars if each.raw == constants[0]), 1)
        report.add_at(line, "WIF401", f"The file is not JSON: {constants[0]} is not a value of JSON.", _WRITE)
    if places.depth > MAX_CONFIG_DEPTH:
        report.add("WIF401", (), f"The file is nested {places.depth} levels deep, which no config is.", _WRITE)
    for key, line in places.repeated:
        message = f"The field {shown(key)} is there twice; clients differ in which they take."
        report.add_at(line, "WIF453", message, "Keep one.")
    return Parsed(document, places, report)


def lint_config(parsed: Parsed, allowed: Allowed) -> CredentialConfig | None:
    """Add everything that is wrong with a config that is JSON to its report; the config, if its form is right."""
    report, document = parsed.report, parsed.document
    config, problems = read_document(document)
    if not isinstance(document, dict):
        report.add("WIF401", (), "The file is not a JSON object, so not a credential config.", _WRITE)
        return None
    source = document.get("credential_source")
    audience, kind = document.get("audience"), document.get("type")
    is_key = isinstance(kind, str) and kind in _OTHER_KINDS
    known_otherwise = _known_otherwise(document)
    for problem in problems:
        if problem.path in known_otherwise or (is_key and problem.path != ("type",)):
            continue
        report.add(problem.code, problem.path, problem.message, problem.hint or _WRITE)
    endpoints = _endpoints(report, document, allowed)
    for field in _GOOGLE_FIELDS:
        if isinstance(url := document.get(field), str) and url:
            _lint_google_url(report, field, url, endpoints)
    if isinstance(source, dict):
        lint_source(report, source, document.get("subject_token_type"), allowed)
    if isinstance(impersonation := document.get("service_account_impersonation"), dict):
        path = ("service_account_impersonation", "token_lifetime_seconds")
        lint_range(report, path, impersonation.get("token_lifetime_seconds"), LIFETIME_SECONDS, "seconds")
    if "workforce_pool_user_project" in document and isinstance(audience, str) and not _WORKFORCE.fullmatch(audience):
        message = "`workforce_pool_user_project` belongs to a workforce pool, but the audience is not one."
        report.add("WIF402", ("workforce_pool_user_project",), message, "Remove it: google-auth refuses the config.")
    for scalar in report.places.scalars:
        _lint_unknown(report, scalar, is_key=is_key)
        if not allowed.executable:
            _lint_hidden_program(report, scalar)
    return config


def is_other_federation(document: object) -> bool:
    """Whether a config is for a workforce pool, X.509 or AWS, which no manifest describes."""
    if not isinstance(document, dict):
        return False
    source = document.get("credential_source")
    return bool(_known_otherwise(document)) or (isinstance(source, dict) and "environment_id" in source)


def _known_otherwise(document: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """The fields where `read_document`, which knows what gcp-wif uses, refuses what other clients take."""
    found: set[tuple[str, ...]] = set()
    audience, source = document.get("audience"), document.get("credential_source")
    if isinstance(audience, str) and _WORKFORCE.fullmatch(audience):
        found.add(("audience",))
    if isinstance(source, dict):
        is_other = not source.keys().isdisjoint(("certificate", "environment_id"))
        if is_other and source.keys().isdisjoint(("file", "url", "executable")):
            found.add(_SOURCE)
    return found


def _endpoints(report: FileReport, document: Mapping[str, Any], allowed: Allowed) -> Endpoints:
    """Google's URLs in the config's universe, if that was asked for; else in Google's public cloud.

    The config's own word does not count: it would bless every URL of whoever wrote it.
    """
    universe = document.get("universe_domain", DEFAULT_UNIVERSE)
    if not isinstance(universe, str) or not universe:
        return Endpoints()
    if allowed.admits(universe):
        return Endpoints(universe)
    try:
        Endpoints.resolve({}, universe)
    except InputError as error:
        message = error.message.replace("--universe-domain", "`universe_domain`")
        report.add(error.code, ("universe_domain",), message, f"Write {DEFAULT_UNIVERSE} for Google's public cloud.")
    else:
        message = f"The config is for another universe than Google's public cloud: {shown(universe)}."
        asked = "DOMAIN" if has_secret_shape(universe) else universe
        fix = f"If that is your own cloud, add --universe-domain {asked}; if not, look at who changed the file."
        report.add("WIF461", ("universe_domain",), f"{message} Tokens would be sent there.", fix)
    return Endpoints(allowed.universe_domain or DEFAULT_UNIVERSE)


def _lint_google_url(report: FileReport, field: str, url: str, endpoints: Endpoints) -> None:
    fault = endpoints.fault_of(field, url)
    if fault == "host":
        message = f"`{field}` leads to {origin_of(url)}, which is not Google's in the universe {endpoints.universe}."
        fix = "Tokens would be sent there. Generate the config again, and look at who changed it."
        report.add("WIF454", (field,), message, fix)
    elif fault == "path":
        ending = {"token_url": "/v1/token", "token_info_url": "/v1/introspect"}.get(
            field, "/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken"
        )
        message = f"`{field}` does not end as Google's does: {ending}."
        report.add("WIF454", (field,), message, "Google would answer 404. Generate the config again.")


def _lint_hidden_program(report: FileReport, scalar: Scalar) -> None:
    """A program elsewhere than where `lint_source` looks.

    Go's clients take field names in any case, and a config may be inside another (``source_credentials``).
    """
    path = scalar.path
    if scalar.key is None or path == (*_SOURCE, "executable", "command"):
        return
    if scalar.key.lower() == "command" and len(path) > 1 and path[-2].lower() == "executable":
        message = f"The config runs a program wherever it is used: {shown(program_of(scalar.value))}."
        report.add("WIF455", path, message, "Look at who added it: no tool writes a program there.")


def _lint_unknown(report: FileReport, scalar: Scalar, *, is_key: bool) -> None:
    """An unknown field, and a URL in a field that no check above knows."""
    path = scalar.path
    known = _KNOWN.get(path[:-1])
    if scalar.key is None:
        if known is not None and path[-1] not in known and not is_key:
            message = f"The field {shown(path[-1])} is not one that Google's clients know."
            report.add("WIF464", path, message, "Correct its name, or remove it.")
        return
    if (known is not None and path[-1] in known) or path[:-1] == (*_SOURCE, "headers"):
        return
    is_url = scalar.value[:8].lower().startswith(("http://", "https://"))
    if scalar.raw.startswith('"') and scalar.value and (is_url or _URL_NAME.search(scalar.key)):
        found = parse_url(scalar.value)
        if found is None or found.scheme != "https" or not _GOOGLE_HOST.fullmatch(found.host):
            message = f"The field {shown(scalar.key)} leads to {origin_of(scalar.value)}, which is not Google's."
            report.add("WIF463", path, message, "Remove it, and look at who added it: tokens could be sent there.")
