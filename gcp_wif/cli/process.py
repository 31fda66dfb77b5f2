"""The world that this process runs in, as a `Context`; without Typer, since Docker's helper has no flags to read."""

import os
import sys
import time

from gcp_wif.errors import InputError
from gcp_wif.job.context import Context, Program

__all__ = ["run_context"]


def run_context() -> Context:
    """The process's own environment, working folder, input and clock: the one place that reads them.

    Raises:
        InputError: WIF013 where the working folder is gone.
    """
    try:
        cwd = os.getcwd()  # noqa: PTH109 - a string
    except OSError as error:
        raise InputError(
            f"The working folder cannot be read: {error.strerror}.",
            hint="Was it removed or replaced meanwhile? Change into a folder that exists, and run it again.",
            code="WIF013",
        ) from None
    program = Program(os.path.abspath(sys.argv[0]), sys.executable)  # noqa: PTH100 - a string, links as they are
    return Context(dict(os.environ), cwd, sys.stdin.buffer, time.time, program=program)
