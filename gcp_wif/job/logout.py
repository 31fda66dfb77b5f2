"""`logout`: remove what `login` wrote, and nothing else.

A file is removed only where it is evidently ours: the config where its bytes are those that `generate` writes, the
token file where the config names it and it holds a token in the config's format. Anything else stays, with a warning.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gcp_wif.ci.export_format import ExportTarget
from gcp_wif.credential_config import MAX_CONFIG_BYTES, CredentialConfig, FileSource
from gcp_wif.errors import InputError
from gcp_wif.files import edit_shared, read_bounded, remove_private
from gcp_wif.job.tokens import read_token_file

__all__ = ["LoggedOut", "logout"]


class LoggedOut(NamedTuple):
    """What was removed.

    Attributes:
        removed: the files.
        shell_file: the file that lost our export lines, ``None`` where it had none.
        warnings: what was left, and why.
    """

    removed: tuple[Path, ...]
    shell_file: Path | None
    warnings: tuple[str, ...]


def logout(config: Path, target: ExportTarget | None, environ: Mapping[str, str]) -> LoggedOut:
    """Remove the config at ``config``, the token file that it names, and our lines in the target's file.

    Args:
        config: the credential config.
        target: where login exported to; ``None`` where no file is known.
        environ: what the exports of earlier steps have set.

    Raises:
        InputError: WIF303 where something cannot be removed; WIF403 where ``config`` is another kind of credential.
    """
    removed, warnings = _remove_files(config)
    changed = None
    if target is not None and target.path is not None:
        answer = edit_shared(
            target.path, lambda content: target.format.ended(content, environ), origin="the shell file", create=False
        )
        changed = target.path if answer and answer[0] != answer[1] else None
    return LoggedOut(removed, changed, warnings)


def _remove_files(path: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    try:
        data = read_bounded(path, MAX_CONFIG_BYTES, origin="the credential config")
    except InputError as error:
        if error.code == "WIF306":
            return (), ()
        raise
    if path.is_symlink():
        return (), (f"{path} is a symbolic link, which login never writes, so it stays.",)
    parsed = CredentialConfig.from_json(data, origin=str(path))
    if parsed.to_json().encode() != data:
        return (), (f"{path} is not as gcp-wif writes it, so it stays, and so does the token file it names.",)
    removed: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    if isinstance(parsed.source, FileSource):
        token = Path(parsed.source.file)
        reason = _not_ours(token, parsed.source, parsed.subject_token_type)
        if reason is None:
            removed += (token,) if remove_private(token) else ()
        elif reason:
            warnings += (f"{token} stays: {reason}",)
    # The config goes last: as long as it is there, a second run still knows the token file.
    return removed + ((path,) if remove_private(path) else ()), warnings


def _not_ours(token: Path, source: FileSource, subject_token_type: str) -> str | None:
    """Why the token file is not evidently ours; ``""`` where it is missing, ``None`` where it is ours."""
    if token.is_symlink():
        return "it is a symbolic link, which login never writes."
    try:
        read_token_file(source, subject_token_type=subject_token_type)
    except InputError as error:
        return "" if error.code == "WIF306" else error.message
    return None
