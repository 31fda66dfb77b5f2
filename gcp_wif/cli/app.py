"""The entry point: one group whose commands are imported only when they are called.

A command of a job runs in each of its steps, so start-up time is the product's: nothing is imported here that the
chosen command does not need.
"""

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gcp_wif.cli.output import HidingStream, report_crash

__all__ = ["app", "run"]

_COMMANDS = (
    "login",
    "generate",
    "export",
    "verify",
    "logout",
    "token",
    "check",
    "init",
    "plan",
    "apply",
    "destroy",
    "render",
    "doctor",
    "emulator",
    "demo",
)


class _LazyGroup(TyperGroup):
    """Finds a command's module by its name: ``gcp_wif.cli.commands.NAME`` with a function ``main``."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            for name in _COMMANDS:  # so that the error can suggest one
                self.get_command(ctx, name)
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"gcp_wif.cli.commands.{cmd_name}")
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(cmd_name)(module.main)
            self.commands[cmd_name] = typer.main.get_command(single)
        return self.commands[cmd_name]


app = typer.Typer(
    cls=_LazyGroup,
    name="gcp-wif",
    help="Keyless Google Cloud for CI jobs: workload identity federation wired, proved and explained.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("gcp-wif"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line and exit with its code."""
    # Python has None for a stream that was closed before it began.
    sys.stdout = HidingStream(sys.stdout) if sys.stdout else sys.stdout
    sys.stderr = HidingStream(sys.stderr) if sys.stderr else sys.stderr
    try:
        app()
    except Exception as error:
        sys.exit(report_crash(error, as_json="--json" in sys.argv))
