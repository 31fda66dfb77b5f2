"""The credential source of a config: where the token is read, what is sent there, and what runs.

Five kinds (AIP-4117 and google-auth): a file, a URL, a program, a certificate (X.509), and AWS, which is marked by its
`environment_id`. Azure is a URL source that leads to the metadata server.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from gcp_wif.ci.token_hosts import is_token_host
from gcp_wif.config_lint.finding import FileReport
from gcp_wif.config_lint.secrets import has_secret_shape
from gcp_wif.config_lint.showing import origin_of, program_of
from gcp_wif.endpoints import DEFAULT_UNIVERSE, Url, parse_url
from gcp_wif.errors import shown
from gcp_wif.limits import EXECUTABLE_TIMEOUT_MILLIS

__all__ = ["Allowed", "lint_range", "lint_source"]

_GENERATE = "`gcp-wif generate --config-only` writes a config."
_SOURCE = ("credential_source",)
_AWS_STS = re.compile(r"sts(?:-fips)?(?:\.[a-z0-9-]{1,40})?\.amazonaws\.com(?:\.cn)?")
_AWS_METADATA_FIELDS = ("url", "region_url", "imdsv2_session_token_url")
_AWS_TYPE = "urn:ietf:params:aws:token-type:aws4_request"
_SPECIAL_FILE = re.compile(r"/(?:proc|sys|dev(?!/shm/.))(?:/|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TIMEOUTS = {"timeout_millis": EXECUTABLE_TIMEOUT_MILLIS, "interactive_timeout_millis": range(30_000, 1_800_001)}
"""What every client accepts (google-auth, ``pluggable.py``)."""


class Allowed(NamedTuple):
    """What the caller of `check` asked for, beyond what is right everywhere.

    Attributes:
        executable: a config may run a program.
        universe_domain: a universe beside ``googleapis.com``.
        hosts: hosts that may hand out tokens.
    """

    executable: bool = False
    universe_domain: str | None = None
    hosts: frozenset[str] = frozenset()

    def admits(self, universe: str) -> bool:
        """Whether a config may be for this universe."""
        return universe in (DEFAULT_UNIVERSE, self.universe_domain)


def lint_source(report: FileReport, source: Mapping[str, Any], token_type: object, allowed: Allowed) -> None:
    """Check every field of a ``credential_source``, whatever else is wrong with it."""
    is_aws = "environment_id" in source
    _lint_kinds(report, source, is_aws=is_aws)
    if isinstance(file := source.get("file"), str) and file:
        _lint_path(report, (*_SOURCE, "file"), file)
    if isinstance(executable := source.get("executable"), dict):
        _lint_executable(report, executable, allowed)
    if isinstance(certificate := source.get("certificate"), dict):
        _lint_certificate(report, certificate)
    elif "certificate" in source:
        report.add("WIF402", (*_SOURCE, "certificate"), "`certificate` must be an object.", _GENERATE)
    if is_aws:
        _lint_aws(report, source, token_type)
    else:
        _lint_url_source(report, source, allowed)
    if isinstance(headers := source.get("headers"), dict):
        _lint_headers(report, headers)
    if isinstance(token_format := source.get("format"), dict):
        _lint_format(report, token_format)


def _lint_headers(report: FileReport, headers: Mapping[str, Any]) -> None:
    for name, value in headers.items():
        if isinstance(value, str) and _CONTROL.search(name + value):
            message = "A header holds a control character; a line break in it would add another header."
            report.add("WIF402", (*_SOURCE, "headers", name), message, "Write the header without it.")


def _lint_url_source(report: FileReport, source: Mapping[str, Any], allowed: Allowed) -> None:
    if isinstance(url := source.get("url"), str) and url:
        _lint_token_url(report, (*_SOURCE, "url"), url, allowed)
    for field in ("region_url", "imdsv2_session_token_url", "regional_cred_verification_url"):
        if field in source:
            message = f"`{field}` belongs to an AWS source, but there is no `environment_id`."
            report.add("WIF402", (*_SOURCE, field), message, 'Add "environment_id": "aws1", or remove the field.')
            if isinstance(source[field], str):
                _lint_aws_url(report, field, source[field])


def _lint_kinds(report: FileReport, source: Mapping[str, Any], *, is_aws: bool) -> None:
    """Several kinds at once where one of them is a certificate or AWS; `read_document` knows the three others."""
    kinds = [kind for kind in ("file", "executable", "certificate", "environment_id") if kind in source]
    kinds += ["url"] if "url" in source and not is_aws else []
    if len(kinds) > 1 and {"certificate", "environment_id"} & set(kinds):
        message = f"`credential_source` must have one source, but has {', '.join(f'`{kind}`' for kind in kinds)}."
        report.add("WIF402", (*_SOURCE, kinds[-1]), message, "Remove all but one: clients differ in which they take.")


def _lint_executable(report: FileReport, executable: Mapping[str, Any], allowed: Allowed) -> None:
    path = (*_SOURCE, "executable")
    command = executable.get("command")
    if isinstance(command, str) and not allowed.executable:
        message = f"The config runs a program wherever it is used: {shown(program_of(command))}."
        fix = "If that is intended, and the program is under your own control, add --allow-executable."
        report.add("WIF455", (*path, "command"), message, fix)
    if isinstance(output := executable.get("output_file"), str) and output:
        _lint_path(report, (*path, "output_file"), output)
    for field, accepted in _TIMEOUTS.items():
        lint_range(report, (*path, field), executable.get(field), accepted, "milliseconds")


def _lint_certificate(report: FileReport, certificate: Mapping[str, Any]) -> None:
    path = (*_SOURCE, "certificate")
    is_default = certificate.get("use_default_certificate_config") is True
    if is_default == (certificate.get("certificate_config_location") is not None):
        message = "`certificate` needs either `use_default_certificate_config`: true or `certificate_config_location`."
        report.add("WIF402", path, message, "Keep one of the two: google-auth refuses both, and neither.")
    for field in ("certificate_config_location", "trust_chain_path"):
        if isinstance(value := certificate.get(field), str):
            _lint_path(report, (*path, field), value)
        elif value is not None:
            report.add("WIF402", (*path, field), f"`{field}` must be a path.", "Write an absolute path.")


def _lint_aws(report: FileReport, source: Mapping[str, Any], token_type: object) -> None:
    if source["environment_id"] != "aws1":
        message = "`environment_id` must be 'aws1', the only version that clients know."
        report.add("WIF402", (*_SOURCE, "environment_id"), message, 'Write "environment_id": "aws1".')
    if token_type != _AWS_TYPE:
        message = f"`subject_token_type` of an AWS config must be {_AWS_TYPE}."
        report.add("WIF402", ("subject_token_type",), message, "Correct it; clients choose AWS by it.")
    if "regional_cred_verification_url" not in source:
        message = "An AWS source needs `regional_cred_verification_url`."
        report.add("WIF402", _SOURCE, message, "gcloud's `create-cred-config --aws` writes one.")
    for field in (*_AWS_METADATA_FIELDS, "regional_cred_verification_url"):
        value = source.get(field)
        if isinstance(value, str):
            _lint_aws_url(report, field, value)
        elif field in source:
            report.add("WIF402", (*_SOURCE, field), f"`{field}` must be a URL.", _GENERATE)


def _lint_aws_url(report: FileReport, field: str, url: str) -> None:
    """An address of AWS: the signed request and the session token go there."""
    path = (*_SOURCE, field)
    found = _parsed(report, path, url.replace("{region}", "us-east-1"))
    if found is None:
        return
    if field in _AWS_METADATA_FIELDS:
        if not found.is_metadata_server:
            message = f"`{field}` leads to {origin_of(url)}, which is not AWS's metadata server."
            report.add("WIF463", path, message, "Write the address that AWS documents, at 169.254.169.254.")
    elif found.scheme != "https" or found.port not in (None, 443) or not _AWS_STS.fullmatch(found.host):
        message = f"`{field}` leads to {shown(found.host)}, not to AWS STS over https. A signed request goes there."
        fix = "Write https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
        report.add("WIF463", path, message, fix)


def _lint_token_url(report: FileReport, path: tuple[str, ...], url: str, allowed: Allowed) -> None:
    found = _parsed(report, path, url)
    if found is None or found.is_loopback or found.is_metadata_server:
        return
    if found.scheme == "http":
        message = f"The token is fetched without encryption: {origin_of(url)}."
        report.add("WIF457", path, message, "Use https, or an address of this machine.")
    elif not is_token_host(found.host) and found.host not in allowed.hosts:
        message = f"The token is fetched from {origin_of(url)}, which is neither this machine nor a known CI system."
        host = "HOST" if has_secret_shape(found.host) else found.host
        fix = f"If that is your own token service, add --allow-host {host}; if not, look at who changed the file."
        report.add("WIF463", path, message + " The headers of the config are sent there.", fix)


def _parsed(report: FileReport, path: tuple[str, ...], url: str) -> Url | None:
    found = parse_url(url)
    if found is None:
        message = f"`{path[-1]}` is not a plain http or https URL; clients that take it go to {origin_of(url)}."
        report.add("WIF465", path, message, "Write https://HOST/PATH, without a user or password before the host.")
    return found


def _lint_format(report: FileReport, token_format: Mapping[str, Any]) -> None:
    field = token_format.get("subject_token_field_name")
    if isinstance(field, str) and "." in field:
        message = f"The field {shown(field)} is looked up at the top level alone, dot and all."
        fix = "Take a nested token out with --token-response FILE --token-response-field NAME, which writes it flat."
        report.add("WIF458", (*_SOURCE, "format", "subject_token_field_name"), message, fix)


def _lint_path(report: FileReport, path: tuple[str, ...], file: str) -> None:
    fix = "Write an absolute path, such as /tmp/oidc_token."
    if _CONTROL.search(file):
        message = f"The path {shown(file)} holds a control character, which no client can open."
        report.add("WIF466", path, message, fix)
    elif _SPECIAL_FILE.match("/" + posixpath.normpath(file).lstrip("/")) and file.startswith("/"):
        message = f"The path {shown(file)} is not a plain file: what the system shows there would be sent as the token."
        report.add("WIF466", path, message + " /proc/self/environ holds every secret of the job.", fix)
    elif not file.startswith("/"):
        why = "it depends on the folder that the program runs in"
        if file.startswith(("~", "$")):
            why = f"no client expands a {'~' if file.startswith('~') else 'variable'}"
        report.add("WIF456", path, f"The path {shown(file)} is not absolute: {why}.", fix)


def lint_range(report: FileReport, path: tuple[str, ...], value: object, allowed: range, unit: str) -> None:
    """A whole number outside of what clients or Google accept; other types are for `read_document`."""
    if isinstance(value, int) and not isinstance(value, bool) and value not in allowed:
        message = f"`{path[-1]}` must be from {allowed[0]} to {allowed[-1]} {unit}."
        report.add("WIF468", path, message, f"Write a number from {allowed[0]} to {allowed[-1]}.")
