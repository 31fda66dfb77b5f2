"""`logout`: remove what `login` wrote, and nothing else.

What a config says proves nothing: it may name any file, and a repository may hold one. A file is removed only where the
receipt in ``$HOME`` (`gcp_wif.files.receipt`) says that login wrote it there, and where it still is that very file with
that very content. Anything else stays, with a warning.

A login is known by its credential config. `logout` ends one and leaves the others working, for they may be another
job's that shares this ``$HOME``; `logout_all` ends all that the receipt knows.
"""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from gcp_wif.ci.export_format import CREDENTIALS_VARIABLES, Export, ExportFile, ExportTarget
from gcp_wif.errors import InputError
from gcp_wif.files import Fact, Roots, edit_shared, open_receipt, real_path, remove_proven
from gcp_wif.job.context import Context
from gcp_wif.job.export import endings, read_config
from gcp_wif.job.gsutil import forget_tokens, gsutil_for

__all__ = ["LoggedOut", "endings_of", "logout", "logout_all", "remove_written"]


class LoggedOut(NamedTuple):
    """What was removed.

    Attributes:
        removed: the files.
        agent_ended: whether there was an agent, which has ended.
        shell_file: the file that lost our export lines, ``None`` where it had none.
        warnings: what was left, and why.
        remaining: the credential configs of other logins that are still there.
        ended: those of the logins that were ended.
    """

    removed: tuple[Path, ...]
    agent_ended: bool
    shell_file: Path | None
    warnings: tuple[str, ...]
    remaining: tuple[Path, ...] = ()
    ended: tuple[Path, ...] = ()


def logout(config: Path, target: ExportTarget | None, context: Context) -> LoggedOut:
    """Remove the config at ``config``, the token files that were written for it, and its lines in the target's file.

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
    names = {str(config), real_path(config)}
    changed = None
    if isinstance(target, ExportFile):
        changed = _edit(target, lambda content: target.format.ended_of(content, endings(config, context), names))
    return LoggedOut(removed, ended, changed, warnings, _known(context.roots), (config,))


def logout_all(default: Path, target: ExportTarget | None, context: Context) -> LoggedOut:
    """End every login that the receipt knows, and all our lines in the target's file.

    Args:
        default: a credential config that is looked for where the receipt knows none.
        target: as for `logout`.
        context: the job's.

    Raises:
        InputError: as `logout`.
    """
    configs = _known(context.roots) or (default,)
    done = [logout(config, None, context) for config in configs]
    changed = None
    if isinstance(target, ExportFile):
        changed = _edit(target, lambda content: target.format.ended(content, endings_of([default, *configs], context)))
    return LoggedOut(
        tuple(path for each in done for path in each.removed),
        any(each.agent_ended for each in done),
        changed,
        tuple(warning for each in done for warning in each.warnings),
        _known(context.roots),
        configs,
    )


def endings_of(configs: Iterable[Path], context: Context) -> tuple[Export, ...]:
    """The endings of several logins, as `endings` has those of one; also where the step names one by another path."""
    known = set(configs)
    present = Path(context.environ.get(CREDENTIALS_VARIABLES[0]) or "/")
    if Path(real_path(present)) in known:
        known.add(present)
    return tuple({each.name: each for config in sorted(known) for each in endings(config, context)}.values())


def _edit(target: ExportFile, change: Callable[[bytes], tuple[bytes, bytes]]) -> Path | None:
    answer = edit_shared(target.path, change, origin="the shell file", create=False)
    return target.path if answer and answer[0] != answer[1] else None


def _known(roots: Roots) -> tuple[Path, ...]:
    """The credential configs that the receipt knows; none where there is no receipt to believe."""
    try:
        with open_receipt(roots, make=False) as receipt:
            facts = receipt.facts if receipt else ()
    except InputError as error:
        if error.code != "WIF312":
            raise
        return ()
    return tuple(Path(config) for config in dict.fromkeys(fact.config for fact in facts))


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
