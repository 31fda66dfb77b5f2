"""How a command is made: option groups, the world around it, and errors turned into exit codes.

Option groups let `generate` and `login` share one definition of each flag. `command` gives a function that takes such
groups the flat signature that Typer reads.
"""

import functools
import inspect
import os
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from gcp_wif.cli.output import Terminal, start_logging
from gcp_wif.endpoints import EMULATOR_VARIABLE, Endpoints
from gcp_wif.errors import GcpWifError
from gcp_wif.job.context import Context, Program

__all__ = ["CommonOptions", "OptionGroup", "command", "endpoints", "run_context", "terminal"]


class OptionGroup:
    """Flags that belong together: a class attribute each, ``name: Annotated[type, typer.Option(…)] = default``.

    Not a dataclass: generating its methods would take longer than the whole of `generate` does (tests/benchmarks).
    """

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class CommonOptions(OptionGroup):
    """What every command takes."""

    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Log to stderr; twice for the libraries too.")
    ] = 0


def command(*groups: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make ``function(*groups)`` a Typer command with the fields of ``groups`` as its parameters.

    A `GcpWifError` is printed and becomes the exit code that it carries.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        hints = {group: dict(group.__annotations__) for group in groups}

        @functools.wraps(function)
        def run(**values: Any) -> None:
            given = [group(**{name: values[name] for name in hints[group]}) for group in groups]
            common = next((group for group in given if isinstance(group, CommonOptions)), CommonOptions())
            start_logging(common.verbose)
            try:
                function(*given)
            except GcpWifError as error:
                terminal(common).error(error)
                raise typer.Exit(error.exit_code) from None

        parameters = {
            name: inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=annotation
            )
            for group in groups
            for name, annotation in hints[group].items()
        }
        run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]  # inspect reads it
        run.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
        del run.__wrapped__  # else Typer would read the groups' own signature
        return run

    return decorate


def terminal(options: CommonOptions) -> Terminal:
    """The terminal of a command with these options."""
    return Terminal(as_json=options.as_json)


def run_context() -> Context:
    """The process's own environment, working folder, input and clock: the one place that reads them."""
    program = Program(os.path.abspath(sys.argv[0]), sys.executable)  # noqa: PTH100 - a string, links as they are
    return Context(dict(os.environ), os.getcwd(), sys.stdin.buffer, time.time, program=program)  # noqa: PTH109 - a string


def endpoints(context: Context, out: Terminal, universe: str | None = None) -> Endpoints:
    """The endpoints for this run, with a warning where they are the emulator's.

    Raises:
        InputError: WIF003, WIF116.
    """
    found = Endpoints.resolve(context.environ, universe)
    if found.emulator:
        out.warn(f"{EMULATOR_VARIABLE} is set: this talks to the emulator at {found.emulator}, not to Google.")
    return found
