"""`export`: hand a job's variables to the shell."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gcp_wif.ci import circleci
from gcp_wif.credential_config import MAX_CONFIG_BYTES, CredentialConfig
from gcp_wif.errors import InputError
from gcp_wif.files import edit_shared, read_bounded
from gcp_wif.job.context import Context
from gcp_wif.job.exports import Export, append_lines, block_removed
from gcp_wif.job.gsutil import gsutil_for, search_path
from gcp_wif.job.source import absolute, clean_path
from gcp_wif.job.target import ProjectChoice

__all__ = [
    "STDOUT",
    "Exported",
    "export",
    "gsutil_search_path",
    "read_config",
    "shell_file",
    "unexport",
    "weak_project",
]

STDOUT = "stdout"
"""The value of ``--to`` that prints the exports for ``eval`` instead of writing them."""


class Exported(NamedTuple):
    """What was exported.

    Attributes:
        shell_file: the file that shells source.
        added: the lines that were appended; 0 where the file had them already.
        exports: the variables.
        appended: the very bytes, so that they can be taken back.
    """

    shell_file: Path
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


def shell_file(to: str | None, context: Context) -> Path:
    """The file to append to: ``--to PATH``, else ``BASH_ENV``.

    Raises:
        InputError: WIF308 where neither is there.
    """
    if to is not None:
        return Path(absolute(clean_path(to, origin="--to"), context.cwd))
    found = circleci.shell_file(context.environ)
    if found is None:
        raise InputError(
            f"{circleci.SHELL_FILE_VARIABLE} is not set, so there is no file that the job's shells read.",
            hint="CircleCI sets it in bash steps. Elsewhere name a file that you source, with --to PATH, or print the "
            'exports for the present shell: eval "$(gcp-wif export --to stdout)"',
            code="WIF308",
        )
    return Path(absolute(str(found), context.cwd))


def gsutil_search_path(config: Path, context: Context) -> str | None:
    """Where gsutil finds the boto file that was written for ``config``; ``None`` where there is no such file."""
    wanted = gsutil_for(config, context.environ.get("HOME"))
    if wanted is None:
        return None
    try:
        there = read_bounded(wanted.file, len(wanted.content), origin="gsutil's boto file")
    except InputError:
        return None
    return search_path(wanted.file, context.environ) if there == wanted.content else None


def weak_project(config: CredentialConfig) -> ProjectChoice | None:
    """The project that the config's account belongs to, where its email tells."""
    account = config.service_account
    found = account.project_id if account else None
    return ProjectChoice(found, explicit=False) if found else None


def export(config: Path, wanted: tuple[Export, ...], to: Path, environ: Mapping[str, str]) -> Exported:
    """Append the exports to ``to``, once; a changed value is appended behind the earlier one.

    Args:
        config: the credential config that they name.
        wanted: what `exports` makes of a config that may be used (`trusted_config`).
        to: the shell file.
        environ: the job's environment.

    Raises:
        InputError: WIF301, WIF303, WIF304, WIF305; the file is as it was.
    """
    if to == config:
        raise InputError(f"{to} is the credential config; the exports need a shell file.", code="WIF110")
    answer = edit_shared(
        to,
        lambda content: (content, append_lines(content, wanted, environ)),
        origin="the shell file",
        create=True,
    )
    appended = answer[1][len(answer[0]) :] if answer else b""
    added = appended.strip().count(b"\n") + 1 if appended else 0
    return Exported(to, added, wanted, appended)


def unexport(done: Exported) -> bool:
    """Take back what `export` appended, so that what was there before counts again; ``False`` if nothing was changed.

    Raises:
        InputError: WIF301, WIF303, WIF304, WIF305; the file is as it was.
    """
    answer = edit_shared(
        done.shell_file,
        lambda content: (block_removed(content, done.appended), b""),
        origin="the shell file",
        create=False,
    )
    return answer is not None and answer[0] != answer[1]
