"""The credential source that a job asks for: gcloud's flags, parsed into one of three forms. Pure."""

from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from gcp_wif import secrets
from gcp_wif.credential_config import (
    DEFAULT_EXECUTABLE_TIMEOUT_MILLIS,
    CredentialSource,
    ExecutableSource,
    FileSource,
    TokenFormat,
    UrlSource,
)
from gcp_wif.errors import InputError, shown
from gcp_wif.job.flags import SourceFlags
from gcp_wif.job.login_files import token_name
from gcp_wif.limits import EXECUTABLE_TIMEOUT_MILLIS

__all__ = ["DEFAULT_FIELD_NAME", "Folder", "SourceChoice", "choose_source"]

DEFAULT_FIELD_NAME = "id_token"


class Folder(NamedTuple):
    """The folder of the default files; ``path`` is ``None`` where its variable is not set."""

    path: str | None
    variable: str = "HOME"


class SourceChoice(NamedTuple):
    """The source, and what the person should know about it."""

    source: CredentialSource
    warnings: tuple[str, ...] = ()


def choose_source(
    flags: SourceFlags, *, folder: Folder, cwd: str, keep_path: bool, name: str | None = None
) -> SourceChoice:
    """Decide the source.

    Args:
        flags: the command line.
        folder: for the default token file.
        cwd: the absolute working folder, against which a relative token path is resolved.
        keep_path: leave the token path as it was given (``--config-only``).
        name: of the login.

    Raises:
        InputError: WIF110 flags that are mutually exclusive, WIF111 a URL, WIF112 headers, WIF113 an executable,
            WIF114 a format, WIF117 a path.
    """
    kinds = {
        "--credential-source-file": flags.file,
        "--credential-source-url": flags.url,
        "--executable-command": flags.executable_command,
    }
    given = [name for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise InputError(
            f"{given[0]} and {given[1]} are mutually exclusive.",
            hint="A config has one credential source.",
            code="WIF110",
        )
    token_format, warnings = _format(flags)
    warnings += _idle_flags(flags, given[0] if given else "--credential-source-file")
    if flags.url is not None:
        return SourceChoice(UrlSource(_url(flags.url), _headers(flags.headers), token_format), warnings)
    if flags.executable_command is not None:
        source, more = _executable(flags)
        return SourceChoice(source, warnings + more)
    if flags.file is not None:
        path = clean_path(flags.file, origin="--credential-source-file")
        return SourceChoice(FileSource(path if keep_path else absolute(path, cwd), token_format), warnings)
    file = token_name(name, json=token_format is not None and token_format.type == "json")
    return SourceChoice(FileSource(default_path(folder, file, "--credential-source-file"), token_format), warnings)


def default_path(folder: Folder, name: str, flag: str) -> str:
    """The file ``name`` in the folder where the CI system keeps private files safe.

    Raises:
        InputError: WIF101 where the folder is not known, WIF117 where it is not absolute.
    """
    if not folder.path:
        message = f"{folder.variable} is not set, so the default of {flag} is unknown."
        raise InputError(message, hint=f"Give {flag}.", code="WIF101")
    if not folder.path.startswith("/"):
        raise InputError(f"{folder.variable} must be an absolute path, but holds {shown(folder.path)}.", code="WIF117")
    return str(PurePosixPath(folder.path) / name)


def absolute(path: str, cwd: str) -> str:
    """``path`` as an absolute one; symbolic links and ``..`` stay as they are."""
    return path if path.startswith("/") else str(PurePosixPath(cwd) / path)


def clean_path(path: str, *, origin: str) -> str:
    """Refuse a path that no client would resolve as its writer meant.

    Raises:
        InputError: WIF102 empty, WIF117 a tilde, a variable that was not expanded, or a folder.
    """
    if not path:
        raise InputError(f"{origin} is empty.", hint="A variable that it was made from is likely unset.", code="WIF102")
    if path.startswith("~"):
        raise InputError(
            f"{origin} begins with a tilde: {shown(path)}.",
            hint='No client expands it, and bash does not either behind an equals sign. Write "$HOME/…".',
            code="WIF117",
        )
    if path.startswith(("$HOME", "${HOME}")):
        raise InputError(
            f"{origin} holds a variable that nobody expands: {shown(path)}.",
            hint="Use double quotes where a shell should expand it; in YAML outside a command nothing does.",
            code="WIF117",
        )
    if path.endswith("/") or "\0" in path:
        raise InputError(f"{origin} must name a file, but holds {shown(path)}.", code="WIF117")
    return path


def _format(flags: SourceFlags) -> tuple[TokenFormat | None, tuple[str, ...]]:
    if flags.type is None:
        if flags.field_name is not None:
            return None, (
                "--credential-source-field-name has no effect without --credential-source-type json; "
                "as with gcloud, the token is taken as text.",
            )
        return None, ()
    kind = flags.type.lower()  # as gcloud does
    if kind == "text":
        idle = ("--credential-source-field-name has no effect with --credential-source-type text.",)
        return TokenFormat("text"), idle if flags.field_name is not None else ()
    if kind == "json":
        return TokenFormat("json", _field_name(flags.field_name)), ()
    raise InputError(f"--credential-source-type must be text or json, but holds {shown(flags.type)}.", code="WIF114")


def _field_name(given: str | None) -> str:
    if given is None:
        return DEFAULT_FIELD_NAME
    if not given:
        raise InputError("--credential-source-field-name is empty.", code="WIF102")
    if "." in given:
        raise InputError(
            f"--credential-source-field-name names a top-level field, but holds {shown(given)}.",
            hint="Clients look at the top level only and know no paths. To take a nested token out of a response use "
            f"--token-response FILE --token-response-field {given}; it is then written flat, under `id_token`.",
            code="WIF114",
        )
    return given


def _idle_flags(flags: SourceFlags, chosen: str) -> tuple[str, ...]:
    """Gcloud ignores flags of a source that was not chosen; so does this, but it says so."""
    owners: tuple[tuple[str, object, str], ...] = (
        ("--credential-source-headers", flags.headers, "--credential-source-url"),
        ("--executable-timeout-millis", flags.executable_timeout_millis, "--executable-command"),
        ("--executable-output-file", flags.executable_output_file, "--executable-command"),
    )
    idle = tuple(f"{name} has no effect without {owner}." for name, value, owner in owners if value and owner != chosen)
    if chosen == "--executable-command" and flags.type is not None:
        idle += ("--credential-source-type has no effect with --executable-command.",)
    return idle


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
        usable = usable and url.isprintable() and " " not in url and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"--credential-source-url must be an http or https URL without a user, but holds {shown(url)}.",
            code="WIF111",
        )
    return url


def _headers(text: str | None) -> tuple[tuple[str, str], ...]:
    """Gcloud's ``KEY=VALUE,…``, with ``^DELIMITER^`` in front to choose another delimiter than the comma."""
    if not text:
        return ()
    delimiter = ","
    if text.startswith("^") and "^" in text[1:]:
        delimiter, _, text = text[1:].partition("^")
    headers: dict[str, str] = {}
    for entry in text.split(delimiter or ","):
        name, equals, value = entry.partition("=")
        if not equals or not name or not (name + value).isprintable():
            # The entry itself is not repeated: headers are where people put secrets.
            raise InputError(
                "--credential-source-headers must read NAME=VALUE,NAME=VALUE.",
                hint="For a value with a comma choose another delimiter in gcloud's way: ^;^NAME=VALUE;NAME=VALUE",
                code="WIF112",
            )
        secrets.remember_header(name, value)
        headers[name] = value
    return tuple(headers.items())


def _executable(flags: SourceFlags) -> tuple[ExecutableSource, tuple[str, ...]]:
    command = flags.executable_command or ""
    if not command.strip() or not command.isprintable():
        raise InputError("--executable-command must name a program.", code="WIF113")
    timeout = flags.executable_timeout_millis or DEFAULT_EXECUTABLE_TIMEOUT_MILLIS
    if timeout not in EXECUTABLE_TIMEOUT_MILLIS:
        raise InputError(
            f"--executable-timeout-millis must lie between {EXECUTABLE_TIMEOUT_MILLIS[0]} and "
            f"{EXECUTABLE_TIMEOUT_MILLIS[-1]}, but is {timeout}.",
            hint="Every client refuses other values. The unit is milliseconds.",
            code="WIF113",
        )
    warnings = [
        "Clients run the program only where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 is set. `gcp-wif export` sets "
        "it for gcp-wif itself, and with --allow-executable for another program."
    ]
    if not command.startswith("/"):
        warnings.append(
            f"--executable-command should begin with an absolute path; {shown(command.split()[0])} is looked up on the "
            "PATH of whoever reads the config."
        )
    if '"' in command or "'" in command:
        warnings.append("gcloud and google-auth split the command at blanks and keep quotes as they are.")
    output = flags.executable_output_file
    if output is not None:
        output = clean_path(output, origin="--executable-output-file")
    return ExecutableSource(command, timeout, output), tuple(warnings)
