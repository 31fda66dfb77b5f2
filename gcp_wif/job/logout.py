"""`logout`: remove what `login` wrote, and nothing else.

What a config says proves nothing: it may name any file, and a repository may hold one. A file is removed only where the
receipt in ``$HOME`` (`gcp_wif.files.receipt`) says that login wrote it there, and where it still is that very file with
that very content. Anything else stays, with a warning.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

from gcp_wif.ci.export_format import ExportFile, ExportTarget
from gcp_wif.errors import InputError
from gcp_wif.files import Fact, Roots, edit_shared, open_receipt, real_path, remove_proven
from gcp_wif.job.context import Context
from gcp_wif.job.export import endings, read_config
from gcp_wif.job.gsutil import forget_tokens, gsutil_for

__all__ = ["LoggedOut", "logout", "remove_written"]


class LoggedOut(NamedTuple):
    """What was removed.

    Attributes:
        removed: the files.
        agent_ended: whether there was an agent, which has ended.
        shell_file: the file that lost our export lines, ``None`` where it had none.
        warnings: what was left, and why.
    """

    removed: tuple[Path, ...]
    agent_ended: bool
    shell_file: Path | None
    warnings: tuple[str, ...]


def logout(config: Path, target: ExportTarget | None, context: Context) -> LoggedOut:
    """Remove the config at ``config``, the token files that were written for it, and our lines in the target's file.

    Args:
        config: the credential config.
        target: where login exported to; ``None`` where no file is known.
        context: the job's: what earlier exports have set, and where private files may be.

    Raises:
        InputError: WIF014 where an agent does not end; WIF303 where something cannot be removed; WIF305 where another
            run holds the receipt; WIF401 to WIF403 where ``config`` is not ours and no credential config either: likely
            the wrong file was named.
    """
    ended = _end_agent(config)
    removed, warnings = remove_written(config, context)
    changed = None
    if isinstance(target, ExportFile):
        answer = edit_shared(
            target.path,
            lambda content: target.format.ended(content, endings(config, context)),
            origin="the shell file",
            create=False,
        )
        changed = target.path if answer and answer[0] != answer[1] else None
    return LoggedOut(removed, ended, changed, warnings)


def _end_agent(config: Path) -> bool:
    """End the agent of the config, where one lives."""
    from gcp_wif.job.agent.launch import end, log_path

    return log_path(config).exists() and end(config)


def remove_written(config: Path, context: Context) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Remove the files that login wrote for ``config``; which ones, and warnings about those that stay.

    Raises:
        InputError: as `logout`, but for WIF014.
    """
    removed, warnings = _remove_files(config, context.roots)
    if gsutil := gsutil_for(config, context.roots.home):
        forget_tokens(gsutil.folder, context.roots)
    system = context.system
    if removed and system.folder_of_one_job and str(config.parent) == system.folder(context.environ):
        with contextlib.suppress(OSError):  # something is left in it
            config.parent.rmdir()
    return removed, warnings


def _remove_files(config: Path, roots: Roots) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    known = real_path(config)
    try:
        with open_receipt(roots, make=False) as receipt:
            facts = [fact for fact in receipt.facts if known in {fact.path, fact.config}] if receipt else []
            removed, warnings = _remove_proven(facts, known, roots)
            if receipt and facts:
                receipt.write(fact for fact in receipt.facts if fact not in facts)
    except InputError as error:
        if error.code != "WIF312":
            raise
        facts, removed, warnings = [], (), (error.message,)
    if known not in {fact.path for fact in facts}:
        warnings += _not_ours(config)
    return removed, warnings


def _remove_proven(facts: list[Fact], config: str, roots: Roots) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Remove the files of ``facts``, the config last.

    A path may have several, one a login: those of earlier ones fit no file any more, so a reason to keep it counts only
    where none of them fits.
    """
    removed: list[Path] = []
    warnings: list[str] = []
    paths = sorted({fact.path for fact in facts}, key=lambda path: (path == config, path))
    for path in paths:
        results = [remove_proven(fact, roots) for fact in reversed(facts) if fact.path == path]
        reason = results[0].reason
        if any(result.removed for result in results):
            removed.append(Path(path))
        elif reason is not None:
            warnings.append(f"{path} stays: {reason}")
    return tuple(removed), tuple(warnings)


def _not_ours(config: Path) -> tuple[str, ...]:
    """A warning where there is a config that no login is known to have written.

    Raises:
        InputError: WIF401 to WIF403, WIF303, WIF307 where it is no credential config, such as a key.
    """
    try:
        read_config(config)
    except InputError as error:
        if error.code == "WIF306":
            return ()
        raise
    return (
        f"{config} stays, and so does the token file that it names: nothing proves that login wrote them. "
        "Remove them yourself if they are not needed.",
    )
