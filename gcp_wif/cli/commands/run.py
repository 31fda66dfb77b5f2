"""`gcp-wif run`."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.job_steps import hide_in_log, run_verify
from gcp_wif.cli.options import CiOptions, KeepOptions, TargetOptions, TokenOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.cli.targets import choose_target
from gcp_wif.errors import InputError, shown
from gcp_wif.job.context import Context
from gcp_wif.job.flags import GenerateFlags, SourceFlags
from gcp_wif.job.generate import DEFAULT_CONFIG_NAME, Generated, generate
from gcp_wif.job.keeper import Keeper
from gcp_wif.job.trusted_config import judge

if TYPE_CHECKING:
    from gcp_wif.ci.export_format import Export
    from gcp_wif.endpoints import Endpoints
    from gcp_wif.job.target import Target

__all__ = ["TYPER_CLASS", "main"]

_AUTHENTICATED_VARIABLE = "CLOUDSDK_AUTH_ACCESS_TOKEN"


class _BehindTwoDashes(TyperCommand):
    """What stands behind ``--`` is the command, whatever it looks like; before it are flags of ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own, words = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        rest: list[str] = super().parse_args(ctx, own)
        ctx.params["words"] = words
        return rest


TYPER_CLASS = _BehindTwoDashes


class _Options(OptionGroup):
    words: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND…", help="The command and its arguments.")] = (
        None
    )
    universe_domain: Annotated[str | None, typer.Option(help="Universe domain. [default: googleapis.com]")] = None
    service_account_token_lifetime_seconds: Annotated[
        int | None, typer.Option(help="Lifetime of the account's access token, 600 to 43200.")
    ] = None
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Prove it with one real exchange first.")] = True
    force: Annotated[bool, typer.Option("--force", help="Log in even where CLOUDSDK_AUTH_ACCESS_TOKEN is set.")] = False


@command(TargetOptions, _Options, TokenOptions, KeepOptions, CiOptions, CommonOptions)
def main(
    target: TargetOptions,
    options: _Options,
    token: TokenOptions,
    keep: KeepOptions,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Run one command with one identity, then clean up.

    Nothing is exported: the command alone has the variables, and files that are gone when it ends. It is kept logged in
    for as long as it runs, where the CI system gives more than one token. Signals are passed on; the exit code is the
    command's, or 128 and the number of the signal that ended it.
    """
    out, context = terminal(common), ci.context()
    words = options.words
    if not words:
        raise InputError(
            "There is no command to run.", hint="Write it behind two dashes:  gcp-wif run -- make deploy", code="WIF011"
        )
    if shutil.which(words[0], path=context.environ.get("PATH")) is None:
        raise InputError(
            f"There is no program {shown(words[0])}.",
            hint="It is looked up on the PATH and is not shell text; for that give  -- sh -c '…'",
            code="WIF015",
        )
    if context.environ.get(_AUTHENTICATED_VARIABLE) and not options.force:
        out.say(f"{_AUTHENTICATED_VARIABLE} is set: this job is authenticated already. See --force.")
        code = _run(words, context.environ)
    else:
        code = _logged_in(words, (target, options, token, keep), context, out)
    raise typer.Exit(code)


def _logged_in(
    words: list[str],
    given: tuple[TargetOptions, _Options, TokenOptions, KeepOptions],
    context: Context,
    out: Terminal,
) -> int:
    """Log in, run the command, and remove what was made for it."""
    target, options, token, keep = given
    where = endpoints(context, out, options.universe_domain)
    chosen = choose_target(target, context)
    folder = _private_folder(context)
    keeper = Keeper(keep.flags(), folder=folder)
    flags = GenerateFlags(
        SourceFlags(),
        token.flags(),
        str(folder / DEFAULT_CONFIG_NAME),
        token.subject_token_type,
        options.service_account_token_lifetime_seconds,
    )
    try:
        written = _generate(chosen, flags, where, context, keeper)
        for warning in written.warnings:
            out.warn(warning)
        if written.token is not None:
            hide_in_log(written.token.reveal(), context, out)
        if options.verify:
            run_verify(written.config_path, where, context, out, allow_executable=False, token=written.token)
        return _run(words, _environment(written, chosen, keeper, context))
    finally:
        keeper.finish()  # the agent removes the folder, as it does where this process is killed
        shutil.rmtree(folder, ignore_errors=True)


def _generate(
    target: "Target", flags: GenerateFlags, where: "Endpoints", context: Context, keeper: Keeper
) -> Generated:
    return generate(
        target,
        flags,
        where,
        context,
        lambda made: judge(made, where, context.program, allow_executable=False),
        keeper,
    )


def _private_folder(context: Context) -> Path:
    """A new folder for temporary files that only this user can open.

    Raises:
        InputError: WIF303 where none can be made.
    """
    from gcp_wif.files.problems import os_problem

    folder = Path(context.environ.get("TMPDIR") or "/tmp", f"gcp-wif-run-{os.urandom(8).hex()}")  # noqa: S108
    if not folder.is_absolute():
        folder = Path(context.cwd, folder)
    try:
        folder.mkdir(0o700)
        folder.chmod(0o700)  # a umask such as 0777 takes even our own rights away
    except OSError as error:
        raise os_problem(error, folder, "TMPDIR", "made", culprit=folder.parent) from error
    return folder


def _environment(written: Generated, target: "Target", keeper: Keeper, context: Context) -> Mapping[str, str]:
    """The job's variables, with the exports of a login."""
    from gcp_wif.job.export import exports, gsutil_search_path, loopback_exports

    in_folder = context._replace(environ={**context.environ, "HOME": str(keeper.folder)})
    boto_path = gsutil_search_path(written.config_path, in_folder)
    metadata = keeper.kept.metadata_host if keeper.kept else None
    wanted = exports(
        written.config_path,
        target.project,
        boto_path=boto_path,
        more=loopback_exports(written.config, metadata, context.environ),
    )
    without = {name: value for name, value in context.environ.items() if name != _AUTHENTICATED_VARIABLE}
    return without | {each.name: each.value for each in wanted if _is_due(each, without)}


def _is_due(export: "Export", environ: Mapping[str, str]) -> bool:
    return not (export.weak and environ.get(export.name))


def _run(words: list[str], environ: Mapping[str, str]) -> int:
    from gcp_wif.job.command import run_command

    return run_command(words, environ)
