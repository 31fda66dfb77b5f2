"""One code of the registry, and the exit codes that go with it."""

from typing import NamedTuple

from gcp_wif.errors import InputError, RefusedError, StoppedError, UnavailableError

__all__ = ["DOWN", "HINT", "INPUT", "NO", "STOPPED", "Code"]

INPUT = InputError.exit_code
NO = RefusedError.exit_code
"""Also of a finding of `check` and of a broken link of `doctor`."""
DOWN = UnavailableError.exit_code
STOPPED = StoppedError.exit_code
HINT = 0
"""Advice, or something that was not seen: it is reported, and alone it does not change the exit code."""


class Code(NamedTuple):
    """What a ``WIFnnn`` means.

    The exit codes are those of the error classes in `gcp_wif.errors`; tests/unit/test_codes.py holds each row to the
    class that is raised with its code.

    Attributes:
        code: ``WIF`` and three digits, stable between versions.
        title: what is wrong, in a few words, without a dot at the end.
        cause: the likeliest cause, in whole sentences.
        fix: what to do, in order. Words in capitals stand for the reader's own names.
        exit_code: of a command that ends with it. `check` and `doctor` exit with 1 where they report it as a finding.
    """

    code: str
    title: str
    cause: str
    fix: tuple[str, ...]
    exit_code: int
