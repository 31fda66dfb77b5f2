"""`export`: hand a job's variables to its next steps."""

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gcp_wif.ci.export_format import (
    ALLOW_VARIABLE,
    CREDENTIALS_VARIABLES,
    GSUTIL_VARIABLE,
    METADATA_VARIABLES,
    NO_PROXY_VARIABLES,
    PROJECT_VARIABLES,
    Export,
    ExportFile,
    ExportOutput,
    ExportTarget,
    block_removed,
)
from gcp_wif.ci.shell_format import SHELL
from gcp_wif.credential_config import MAX_CONFIG_BYTES, CredentialConfig, ExecutableSource, UrlSource
from gcp_wif.endpoints import parse_url
from gcp_wif.errors import InputError
from gcp_wif.files import Roots, edit_shared, named_project, read_bounded
from gcp_wif.job.context import Context
from gcp_wif.job.gsutil import FIRST_LINE, gsutil_for, search_path, search_path_without
from gcp_wif.job.source import absolute, clean_path
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId

__all__ = [
    "STDOUT",
    "Exported",
    "endings",
    "export",
    "export_target",
    "exports",
    "gsutil_search_path",
    "instead_of_earlier",
    "loopback_exports",
    "printed",
    "project_of",
    "read_config",
    "unexport",
]

STDOUT = "stdout"
"""The value of ``--to`` that prints the exports for ``eval`` instead of writing them."""

_LOOPBACK = "127.0.0.1"
_PROXY_VARIABLES = tuple(
    spelt(f"{name}_proxy") for name in ("http", "https", "all") for spelt in (str.upper, str.lower)
)


class Exported(NamedTuple):
    """What was exported.

    Attributes:
        path: the file that the next steps read.
        added: the lines that were appended; 0 where the file had them already.
        exports: the variables.
        appended: the very bytes, so that they can be taken back.
    """

    path: Path
    added: int
    exports: tuple[Export, ...]
    appended: bytes = b""


def read_config(path: Path) -> CredentialConfig:
    """Read and parse the credential config of a job.

    Raises:
        InputError: WIF306 missing, WIF303, WIF307, and WIF401 to WIF403 for what it holds.
    """
    return CredentialConfig.from_json(
        read_bounded(path, MAX_CONFIG_BYTES, origin="the credential config"), origin=str(path)
    )


def exports(
    config: Path,
    project: ProjectChoice | None,
    *,
    executables: bool = False,
    boto_path: str | None = None,
    more: tuple[Export, ...] = (),
) -> tuple[Export, ...]:
    """The variables of a job. Pure.

    ``GOOGLE_APPLICATION_CREDENTIALS`` is for client libraries; ``CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE`` logs gcloud
    in without `gcloud auth login` (observed, gcloud 528).

    Args:
        config: the credential config, absolute.
        project: the project, where it is known.
        executables: whether clients may run the config's program: no client does without
            ``GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1`` (AIP-4117).
        boto_path: where gsutil looks, which knows neither of the two (`gcp_wif.job.gsutil`); ``None`` to leave it.
        more: what a config that leads to loopback needs besides (`loopback_exports`).
    """
    credentials = tuple(Export(name, str(config)) for name in CREDENTIALS_VARIABLES)
    if executables:
        credentials += (Export(ALLOW_VARIABLE, "1"),)
    if boto_path is not None:
        credentials += (Export(GSUTIL_VARIABLE, boto_path),)
    credentials += more
    if project is None:
        return credentials
    return credentials + tuple(
        Export(name, project.project_id, weak=not project.explicit) for name in PROJECT_VARIABLES
    )


def endings(config: Path, context: Context) -> tuple[Export, ...]:
    """The variables of this step that an export for ``config`` has set, each with the value that ends it. Pure.

    For a CI system that hands variables on and takes none back. A project is no credential, and may be somebody
    else's choice: it stays. An empty value is as good as none to Google's libraries and to gcloud (observed with
    google-auth 2.62, gcloud 528).
    """
    environ = context.environ
    ended = [Export(name, "") for name in CREDENTIALS_VARIABLES if environ.get(name) == str(config)]
    if ended and environ.get(ALLOW_VARIABLE):
        ended.append(Export(ALLOW_VARIABLE, ""))
    if ended:
        served = (name for name in METADATA_VARIABLES if environ.get(name, "").startswith(f"{_LOOPBACK}:"))
        ended += [Export(name, "") for name in served]
    gsutil = gsutil_for(config, environ.get("HOME"))
    before = environ.get(GSUTIL_VARIABLE, "")
    if gsutil and (after := search_path_without(gsutil.file, before)) != before:
        ended.append(Export(GSUTIL_VARIABLE, after))
    return tuple(ended)


def loopback_exports(
    config: CredentialConfig, metadata_host: str | None, environ: Mapping[str, str]
) -> tuple[Export, ...]:
    """What clients need in order to reach this machine itself. Pure.

    Python's and Node's libraries would ask a proxy for the token's URL, too, and hand it the header that stands in the
    config; only Go leaves loopback out by itself (``net/http.ProxyFromEnvironment``).

    Args:
        config: the config.
        metadata_host: of a metadata server; ``None`` for none. Python looks for it at ``GCE_METADATA_IP`` (google-auth
            2.62), every library asks ``GCE_METADATA_HOST``.
        environ: the job's environment.
    """
    found = tuple(Export(name, metadata_host) for name in METADATA_VARIABLES) if metadata_host else ()
    source = config.source
    url = parse_url(source.url) if isinstance(source, UrlSource) else None
    behind_proxy = any(environ.get(name) for name in _PROXY_VARIABLES)
    if not behind_proxy or not (metadata_host or (url is not None and url.is_loopback)):
        return found
    return found + tuple(Export(name, _with_loopback(name, environ)) for name in NO_PROXY_VARIABLES)


def _with_loopback(name: str, environ: Mapping[str, str]) -> str:
    """The variable's value, else that of the other spelling, with loopback in it once."""
    value = next((environ[each] for each in (name, *NO_PROXY_VARIABLES) if environ.get(each)), "")
    hosts = [each.strip() for each in value.split(",") if each.strip()]
    return value if _LOOPBACK in hosts or "*" in hosts else ",".join([*hosts, _LOOPBACK])


def export_target(to: str | None, context: Context) -> ExportTarget:
    """Where the exports go: ``--to``, else where the CI system reads them.

    ``--to`` takes the file of the CI system in that system's format, and any other as a shell file.

    Raises:
        InputError: WIF308 where nothing is named and the CI system reads none here.
    """
    system = context.system
    if to == STDOUT:
        return ExportOutput(SHELL)
    own = system.export_target(context.environ)
    if isinstance(own, ExportFile):
        own = own._replace(path=Path(absolute(str(own.path), context.cwd)))
    if to is not None:
        path = Path(absolute(clean_path(to, origin="--to"), context.cwd))
        if isinstance(own, ExportFile) and own.path == path:
            return own
        return ExportFile(SHELL, path, now=f". {shlex.quote(str(path))}")
    if own is None:
        raise InputError(
            "The exports cannot reach the next steps: there is no file from which they read variables.",
            hint=system.no_exports,
            code="WIF308",
        )
    return own


def printed(config: Path, wanted: tuple[Export, ...], target: ExportOutput, context: Context) -> bytes:
    """The exports for standard output; what an earlier login has set in this shell counts for nothing.

    Args:
        config: the credential config that they name.
        wanted: what `exports` makes of it.
        target: the format.
        context: the job's, with the variables of this shell.
    """
    earlier = _of_earlier_login(config, context)
    names = {each.name for each in wanted}
    environ = {name: value for name, value in context.environ.items() if name not in earlier}
    return target.format.left_over(tuple(name for name in earlier if name not in names)) + target.format.printed(
        wanted, environ
    )


def instead_of_earlier(
    config: Path, wanted: tuple[Export, ...], target: ExportFile, context: Context
) -> tuple[tuple[Export, ...], Mapping[str, str]]:
    """The exports for a file, and the environment in which they count: nothing of an earlier login gets in their way.

    Args:
        config: the credential config that they name.
        wanted: what `exports` makes of it.
        target: the file.
        context: the job's, with the variables of this step.
    """
    earlier = _of_earlier_login(config, context)
    names = {each.name for each in wanted}
    environ = {name: value for name, value in context.environ.items() if name not in names or name not in earlier}
    if target.format.empties:
        wanted += tuple(Export(name, "") for name in earlier if name not in names)
    return wanted, environ


def _of_earlier_login(config: Path, context: Context) -> tuple[str, ...]:
    """The variables of this shell that have the values of an earlier login, by the config that the shell names."""
    named = context.environ.get(CREDENTIALS_VARIABLES[0], "")
    if not named.startswith("/") or Path(named) == config:
        return ()
    try:
        earlier = read_config(Path(named))
    except InputError:
        return ()
    set_by_it = exports(
        Path(named),
        project_of(earlier, Path(named), context.roots),
        executables=isinstance(earlier.source, ExecutableSource),
        boto_path=context.environ.get(GSUTIL_VARIABLE) if gsutil_search_path(Path(named), context) else None,
    )
    served = (name for name in METADATA_VARIABLES if context.environ.get(name, "").startswith(f"{_LOOPBACK}:"))
    return (*(each.name for each in set_by_it if context.environ.get(each.name) == each.value), *served)


def gsutil_search_path(config: Path, context: Context) -> str | None:
    """Where gsutil finds the boto file that was written for ``config``; ``None`` where there is no such file."""
    wanted = gsutil_for(config, context.environ.get("HOME"))
    if wanted is None:
        return None
    try:
        there = read_bounded(wanted.file, len(wanted.content), origin="gsutil's boto file")
    except InputError:
        return None
    return search_path(wanted.file, context.environ, _is_gsutils) if there == wanted.content else None


def _is_gsutils(path: str) -> bool:
    """Whether a login wrote this file for gsutil."""
    try:
        return path.startswith("/") and read_bounded(Path(path), MAX_CONFIG_BYTES, origin="a boto file").startswith(
            FIRST_LINE.encode()
        )
    except InputError:
        return False


def project_of(config: CredentialConfig, path: Path, roots: Roots) -> ProjectChoice | None:
    """The project of a login: the one that it named, else the one that its account's email tells.

    Args:
        config: the credential config.
        path: where it stands.
        roots: for the receipt, which has what login named.
    """
    named = named_project(path, roots)
    if named is not None:
        with contextlib.suppress(InputError):  # the receipt is the user's own file, and may say anything
            return ProjectChoice(ProjectId.parse(named, origin="the receipt"), explicit=True)
    account = config.service_account
    found = account.project_id if account else None
    return ProjectChoice(found, explicit=False) if found else None


def export(config: Path, wanted: tuple[Export, ...], target: ExportFile, environ: Mapping[str, str]) -> Exported:
    """Append the exports to the target's file, once; a changed value is appended behind the earlier one.

    Args:
        config: the credential config that they name.
        wanted: what `exports` makes of a config that may be used (`trusted_config`).
        target: the file, and its format.
        environ: the job's environment.

    Raises:
        InputError: WIF110 for the config itself; WIF301, WIF303, WIF304, WIF305; the file is as it was.
    """
    path = target.path
    if path == config:
        raise InputError(f"{path} is the credential config; the exports need a shell file.", code="WIF110")
    answer = edit_shared(
        path,
        lambda content: (content, target.format.appended(content, wanted, environ)),
        origin="the shell file",
        create=True,
    )
    appended = answer[1][len(answer[0]) :] if answer else b""
    added = appended.strip().count(b"\n") + 1 if appended else 0
    return Exported(path, added, wanted, appended)


def unexport(done: Exported) -> bool:
    """Take back what `export` appended, so that what was there before counts again; ``False`` if nothing was changed.

    Raises:
        InputError: WIF301, WIF303, WIF304, WIF305; the file is as it was.
    """
    answer = edit_shared(
        done.path,
        lambda content: (block_removed(content, done.appended), b""),
        origin="the shell file",
        create=False,
    )
    return answer is not None and answer[0] != answer[1]
