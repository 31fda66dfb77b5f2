"""The entry point: one group whose commands are imported only when they are called.

A command of a job runs in each of its steps, so start-up time is the product's: nothing is imported here that the
chosen command does not need.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from gcp_wif.cli.command import NoColor, RootOptions, Verbose
from gcp_wif.cli.interrupts import end
from gcp_wif.cli.output import HidingStream, Terminal, lost_result, report_crash
from gcp_wif.cli.streams import hold_standard_streams
from gcp_wif.errors import InputError, StoppedError

__all__ = ["app", "run"]

_COMMANDS = (
    "login",
    "generate",
    "export",
    "verify",
    "logout",
    "run",
    "token",
    "print-access-token",
    "print-identity-token",
    "configure-docker",
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
    """Finds a command's module by its name: ``gcp_wif.cli.commands.NAME`` with a function ``main``.

    A hyphen of the name is an underscore there.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            for name in _COMMANDS:  # so that the error can suggest one
                self.get_command(ctx, name)
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"gcp_wif.cli.commands.{cmd_name.replace('-', '_')}")
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(cmd_name, cls=getattr(module, "TYPER_CLASS", None))(module.main)
            self.commands[cmd_name] = typer.main.get_command(single)
        return self.commands[cmd_name]


app = typer.Typer(
    cls=_LazyGroup,
    name="gcp-wif",
    help="Keyless Google Cloud for CI jobs: workload identity federation wired, proved and explained.",
    context_settings={"help_option_names": ["-h", "--help"]},  # commands inherit it
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
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Verbose = 0,
    no_color: NoColor = False,
) -> None:
    ctx.obj = RootOptions(verbose=verbose, no_color=no_color)


def run() -> None:
    """Run the command line and exit with its code."""
    hold_standard_streams()
    sys.stdout, sys.stderr = HidingStream(sys.stdout), HidingStream(sys.stderr)
    arguments = sys.argv[1:]
    try:
        end(_exit_code(arguments))
    except KeyboardInterrupt:  # before the command itself watches for it
        error = StoppedError("Interrupted. Nothing was changed.", code="WIF010")
        _early_terminal(arguments).error(error)
        end(error.exit_code)


def _exit_code(arguments: Sequence[str]) -> int:
    """Run the command; every way in which it can end is an exit code, and none a traceback."""
    group = typer.main.get_command(app)
    try:
        if not arguments:
            with group.make_context("gcp-wif", ["--help"], resilient_parsing=True) as ctx:
                sys.stderr.write(f"{ctx.get_help()}\n")
            return 2
        with group.make_context("gcp-wif", list(arguments)) as ctx:
            group.invoke(ctx)
    except typer.Exit as ended:
        return ended.exit_code
    except TyperException as error:  # the command line itself cannot be read
        _early_terminal(arguments).error(_usage_error(error))
        return 2
    except Exception as error:
        return _exit_code_of(error, _early_terminal(arguments))
    return 0


def _exit_code_of(error: Exception, out: Terminal) -> int:
    """Tell what no command caught: stdout that took no more of a help text or version, or a bug."""
    if not isinstance(error, OSError) or error is not getattr(sys.stdout, "failure", None):
        return report_crash(error, as_json=out.as_json)
    lost = lost_result(error)
    if lost is None:
        return 0
    out.error(lost)
    return lost.exit_code


def _usage_error(error: TyperException) -> InputError:
    ctx = getattr(error, "ctx", None)
    hint = f"{ctx.get_usage()}\n{ctx.command_path} --help lists what there is." if ctx is not None else None
    return InputError(error.format_message(), hint=hint, code="WIF011")


def _early_terminal(arguments: Sequence[str]) -> Terminal:
    """Where to speak while the flags are not read yet, or could not be: JSON where ``--json`` is among them."""
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return Terminal(as_json="--json" in flags)
