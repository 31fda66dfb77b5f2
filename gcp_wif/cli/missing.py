"""All that a job lacks, named at once: who mends one thing after the other needs a run of the job for each."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gcp_wif.errors import InputError

if TYPE_CHECKING:
    from gcp_wif.job.context import Context
    from gcp_wif.job.flags import GenerateFlags

__all__ = ["all_missing", "lacks_of_generate"]

_MISSING = frozenset({"WIF101", "WIF201", "WIF308"})
"""A value, a token, a place for the exports: each is found out at another moment."""


@contextlib.contextmanager
def all_missing(*checks: Callable[[], object]) -> Iterator[None]:
    """Where the block ends because something is missing, run every check and name everything.

    Args:
        checks: each looks for one thing, writes nothing and asks nobody.

    Raises:
        InputError: where several things are missing, the code that all share, else WIF132; or what the block raised.
    """
    try:
        yield
    except InputError as error:
        if error.code not in _MISSING:
            raise
        found = [error, *_failures(checks)]
        different = list({each.message: each for each in reversed(found)}.values())[::-1]
        if len(different) == 1:
            raise
        raise _together(sorted(different, key=lambda each: each.code)) from None


def lacks_of_generate(flags: "GenerateFlags", context: "Context") -> tuple[Callable[[], object], ...]:
    """The checks of what `generate` needs besides its target: paths, and a token."""

    def config() -> None:
        from gcp_wif.job.generate import config_path

        config_path(flags.output_file, context, flags.name)

    def source() -> None:  # by itself: without HOME both paths are unknown
        from gcp_wif.job.generate import places

        places(flags._replace(output_file=flags.output_file or "any", name=None), context)

    def token() -> None:
        from gcp_wif.job.tokens import require_source

        given = flags.source
        if not (flags.config_only or given.url is not None or given.executable_command is not None):
            require_source(flags.token, context)

    return config, source, token


def _failures(checks: tuple[Callable[[], object], ...]) -> Iterator[InputError]:
    for check in checks:
        try:
            check()
        except InputError as error:
            if error.code in _MISSING:
                yield error


def _together(errors: list[InputError]) -> InputError:
    lines: list[str] = []
    for error in errors:
        lines.append(f"- {error.code}: {error.message}")
        lines += [f"    {line}" for line in (error.hint or "").splitlines()]
    codes = {error.code for error in errors}
    code = codes.pop() if len(codes) == 1 else "WIF132"
    return InputError(f"{len(errors)} kinds of things are missing.", hint="\n".join(lines), code=code)
