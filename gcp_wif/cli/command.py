"""How a command is made: option groups, the world around it, and errors turned into exit codes.

Option groups let `generate` and `login` share one definition of each flag. `command` gives a function that takes such
groups the flat signature that Typer reads.
"""

import functools
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from gcp_wif.cli.interrupts import interruptible
from gcp_wif.cli.output import Terminal, start_logging
from gcp_wif.cli.process import run_context
from gcp_wif.endpoints import EMULATOR_VARIABLE, Endpoints
from gcp_wif.errors import GcpWifError
from gcp_wif.job.context import Context

__all__ = [
    "CommonOptions", "NoColor", "OptionGroup", "RootOptions", "Verbose", "command", "endpoints", "run_context",
    "terminal",
]  # fmt: skip

Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Log to stderr; -vv: libraries too.")
]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colour, as with NO_COLOR in the environment.")]


class OptionGroup:
    """Flags that belong together: a class attribute each, ``name: Annotated[type, typer.Option(…)] = default``.

    Not a dataclass: generating its methods would take longer than the whole of `generate` does (tests/benchmarks).
    """

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class RootOptions(OptionGroup):
    """What may stand before the command: ``gcp-wif -v login``."""

    verbose: Verbose = 0
    no_color: NoColor = False


class CommonOptions(OptionGroup):
    """What every command takes."""

    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on stdout.")] = False
    verbose: Verbose = 0
    no_color: NoColor = False
    out: Terminal | None = None
    """No flag: where the command speaks, made from these options."""


_NO_FLAGS = frozenset({"out"})


def command(*groups: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make ``function(*groups)`` a Typer command with the fields of ``groups`` as its parameters.

    A `GcpWifError` is printed and becomes the exit code that it carries; so does an interrupt.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        hints = {
            group: {name: hint for name, hint in group.__annotations__.items() if name not in _NO_FLAGS}
            for group in groups
        }

        @functools.wraps(function)
        def run(ctx: typer.Context, **values: Any) -> None:
            given = [group(**{name: values[name] for name in hints[group]}) for group in groups]
            common = next((group for group in given if isinstance(group, CommonOptions)), CommonOptions())
            root = ctx.obj if isinstance(ctx.obj, RootOptions) else RootOptions()
            common.no_color = common.no_color or root.no_color
            start_logging(common.verbose + root.verbose)
            out = terminal(common)
            try:
                with interruptible(out):
                    function(*given)
            except GcpWifError as error:
                out.error(error)
                raise typer.Exit(error.exit_code) from None

        parameters = {
            name: inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=annotation
            )
            for group in groups
            for name, annotation in hints[group].items()
        }
        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        run.__signature__ = inspect.Signature([context, *parameters.values()])  # type: ignore[attr-defined]  # inspect reads it
        run.__annotations__ = {"ctx": typer.Context} | {name: each.annotation for name, each in parameters.items()}
        del run.__wrapped__  # else Typer would read the groups' own signature
        return run

    return decorate


def terminal(options: CommonOptions) -> Terminal:
    """The terminal of a command with these options, the same at each call."""
    if options.out is None:
        plain = options.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        options.out = Terminal(as_json=options.as_json, colour=not plain)
    return options.out


def endpoints(context: Context, out: Terminal, universe: str | None = None) -> Endpoints:
    """The endpoints for this run, with a warning where they are the emulator's.

    Raises:
        InputError: WIF003, WIF116.
    """
    found = Endpoints.resolve(context.environ, universe)
    if found.emulator:
        out.warn(f"{EMULATOR_VARIABLE} is set: this talks to the emulator at {found.emulator}, not to Google.")
    return found
