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
    PROJECT_VARIABLES,
    Export,
    ExportFile,
    ExportOutput,
    ExportTarget,
    block_removed,
)
from gcp_wif.ci.shell_format import SHELL
from gcp_wif.credential_config import MAX_CONFIG_BYTES, CredentialConfig, ExecutableSource
from gcp_wif.errors import InputError
from gcp_wif.files import Roots, edit_shared, named_project, read_bounded
from gcp_wif.job.context import Context
from gcp_wif.job.gsutil import FIRST_LINE, gsutil_for, search_path
from gcp_wif.job.source import absolute, clean_path
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId

__all__ = [
    "STDOUT",
    "Exported",
    "export",
    "export_target",
    "exports",
    "gsutil_search_path",
    "printed",
    "project_of",
    "read_config",
    "unexport",
]

STDOUT = "stdout"
"""The value of ``--to`` that prints the exports for ``eval`` instead of writing them."""


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
    config: Path, project: ProjectChoice | None, *, executables: bool = False, boto_path: str | None = None
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
    """
    credentials = tuple(Export(name, str(config)) for name in CREDENTIALS_VARIABLES)
    if executables:
        credentials += (Export(ALLOW_VARIABLE, "1"),)
    if boto_path is not None:
        credentials += (Export(GSUTIL_VARIABLE, boto_path),)
    if project is None:
        return credentials
    return credentials + tuple(
        Export(name, project.project_id, weak=not project.explicit) for name in PROJECT_VARIABLES
    )


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
    return tuple(each.name for each in set_by_it if context.environ.get(each.name) == each.value)


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
