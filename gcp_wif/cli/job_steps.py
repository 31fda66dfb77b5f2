"""What `login` does in turn, and `generate`, `export` and `verify` one by one.

Each step loads its journey when it is called, so that `generate` does not wait for what `verify` needs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcp_wif.cli.command import CommonOptions
from gcp_wif.cli.options import ConfigFileOptions, ContainerOptions, GenerateOptions, NameOptions, TokenOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, RefusedError
from gcp_wif.job.context import Context
from gcp_wif.safe_text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcp_wif.ci.export_format import Export, ExportFile, ExportTarget
    from gcp_wif.credential_config import CredentialConfig
    from gcp_wif.job.export import Exported
    from gcp_wif.job.generate import Generated
    from gcp_wif.job.keeper import Keeper, Kept
    from gcp_wif.job.target import Target
    from gcp_wif.job.verify import Verified
    from gcp_wif.subject_token import SubjectToken

__all__ = [
    "agent_document", "check_stdout", "explained", "export_document", "hide_in_log", "kept_lines", "run_export",
    "run_generate", "run_verify", "say_how_to_source", "take_back", "verified_lines", "verify_document",
]  # fmt: skip


GenerateGroups = (
    tuple[GenerateOptions, ConfigFileOptions, TokenOptions]
    | tuple[GenerateOptions, ConfigFileOptions, TokenOptions, NameOptions, ContainerOptions]
)


def run_generate(
    target: "Target",
    options: "GenerateGroups",
    endpoints: Endpoints,
    context: Context,
    out: Terminal,
    accept: "Callable[[CredentialConfig], object] | None" = None,
    keeper: "Keeper | None" = None,
) -> tuple["Generated", dict[str, Any]]:
    """Write the files; returns what was written, and its JSON shape.

    Args:
        target: what the config is for.
        options: the command line's.
        endpoints: where the services are.
        context: the world around.
        out: where to speak.
        accept: refuses a config that may not be used, before anything is written.
        keeper: gives the config an agent as its source.
    """
    from gcp_wif.job.generate import generate

    out.so_far = ""  # until the files are there, both or neither
    done = generate(target, options[0].flags(*options[1:]), endpoints, context, accept, keeper)
    written = "The credential config is" if done.token_path is None else "The token file and the credential config are"
    out.so_far = f"{written} written: `gcp-wif logout` removes what is there."
    if done.token is not None:
        hide_in_log(done.token.reveal(), context, out)
    for warning in done.warnings:
        out.warn(warning)
    out.say(f"credential config  {done.config_path}")
    if done.token_path:
        out.say(f"subject token      {done.token_path}")
    if done.container:
        out.say(f"in the container   docker run {done.container.flags} IMAGE")
        out.say(
            '                   The files are private: where the image has a user of its own, add  --user "$(id -u)"'
        )
    return done, {
        "config_path": str(done.config_path),
        "token_path": str(done.token_path) if done.token_path else None,
        "env_file": str(done.container.env_file) if done.container else None,
        "provider": str(target.provider),
        "service_account": target.service_account,
        "warnings": list(done.warnings),
    }


def kept_lines(kept: "Kept") -> Iterator[str]:
    """For people."""
    whose = "that of an earlier login" if kept.shared else "started"
    yield f"agent              {whose}; ends at {utc(kept.ends_at)} at the latest; log {kept.log_path}"
    if kept.metadata_host:
        yield f"metadata server    {kept.metadata_host}"


def agent_document(kept: "Kept") -> dict[str, Any]:
    """The JSON shape of what keeps a job logged in."""
    return {
        "log_path": str(kept.log_path),
        "ends_at": utc(kept.ends_at),
        "metadata_host": kept.metadata_host,
        "shared": kept.shared,
    }


def utc(seconds: float) -> str:
    """A time as JSON has it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def hide_in_log(secret: str, context: Context, out: Terminal) -> None:
    """Have the CI system hide a secret in the log of this job; nowhere else: what asks for it has to hold it."""
    if context.system.is_here(context.environ):
        out.command(context.system.mask(secret))
        if why := context.system.hide(secret, context.environ):
            out.warn(why)


def check_stdout(target: "ExportTarget | None", common: CommonOptions) -> None:
    """Refuse two results on standard output.

    Raises:
        InputError: WIF110.
    """
    from gcp_wif.ci.export_format import ExportOutput

    if common.as_json and isinstance(target, ExportOutput):
        raise InputError(
            "--json and the exports both want stdout.", hint="Name a file for the exports: --to PATH.", code="WIF110"
        )


def run_export(
    config: Path, wanted: "tuple[Export, ...]", target: "ExportFile", context: Context, out: Terminal
) -> "Exported":
    """Append the exports to the target's file."""
    from gcp_wif.job.export import export, instead_of_earlier
    from gcp_wif.job.gsutil import why_not

    wanted, environ = instead_of_earlier(config, wanted, target, context)
    done = export(config, wanted, target, environ)
    names = ", ".join(each.name for each in done.exports)
    state = f"{counted(done.added, 'line')} added" if done.added else "nothing to add"
    out.say(f"exports            {done.path} ({state}): {names}")
    if reason := why_not(config, context.environ.get("HOME"), context.environ):
        out.warn(reason)
    return done


def export_document(done: "Exported") -> dict[str, Any]:
    """The JSON shape of an export."""
    return {
        "shell_file": str(done.path),
        "lines_added": done.added,
        "exports": {each.name: each.value for each in done.exports},
    }


def take_back(done: "Exported", out: Terminal) -> None:
    """Take the lines out again that this run appended; what was there before counts again."""
    from gcp_wif.job.export import unexport

    if not done.appended:
        out.warn(
            f"The exports of an earlier login stand in {done.path}, and name the files that this run has replaced; "
            "`gcp-wif logout` removes both."
        )
        return
    if unexport(done):
        out.say(f"exports taken back {done.path}: the next steps do not see them")
    else:
        out.warn(f"{done.path} was changed meanwhile, so the exports stay there; `gcp-wif logout` removes them.")


def say_how_to_source(done: "Exported", target: "ExportFile", context: Context, out: Terminal) -> None:
    """How this very step gets the exports, and whether the next ones do by themselves."""
    if all(each.weak or context.environ.get(each.name) == each.value for each in done.exports):
        return
    if target.warning:
        out.warn(target.warning)
    elif target.now:
        out.say(f"in this step       {target.now}")


def run_verify(
    config: Path,
    endpoints: Endpoints,
    context: Context,
    out: Terminal,
    *,
    allow_executable: bool,
    path_in_container: str | None = None,
    token: "SubjectToken | None" = None,
) -> "Verified":
    """Do the exchange.

    Raises:
        RefusedError: Google's refusal, ended by what the doctor makes of it.
    """
    from gcp_wif.job.verify import verify

    with explained(config, context, token=token):
        done = verify(
            config,
            endpoints,
            context,
            allow_executable=allow_executable,
            path_in_container=path_in_container,
            token=token,
        )
    for warning in done.warnings:
        out.warn(warning)
    return done


@contextmanager
def explained(
    config: Path, context: Context, *, token: "SubjectToken | None" = None, beyond: bool = False
) -> Iterator[None]:
    """End Google's refusal with what the doctor makes of it.

    Args:
        config: the credential config.
        context: the world around.
        token: what the config's source gives, where the caller has it.
        beyond: whether another account than the config's is wanted, of which the doctor knows nothing.

    Raises:
        RefusedError: as it was raised, with more to read.
    """
    try:
        yield
    except RefusedError as error:
        raise (error if beyond else _with_finding(error, config, context, token)) from None


def verified_lines(done: "Verified") -> Iterator[str]:
    """For people."""
    account = done.service_account or "none: direct federation"
    yield f"principal          {done.principal or 'not known from outside: the mapping of the provider decides'}"
    yield f"service account    {account}"
    yield f"access token       valid until {done.expires_at:%Y-%m-%d %H:%M:%S} UTC"


def verify_document(done: "Verified") -> dict[str, Any]:
    """The JSON shape of what Google granted."""
    return {
        "principal": done.principal,
        "service_account": done.service_account,
        "expires_at": f"{done.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "warnings": list(done.warnings),
    }


def _with_finding(error: RefusedError, config: Path, context: Context, token: "SubjectToken | None") -> RefusedError:
    """Google's refusal, ended by what the doctor makes of it with what a job has."""
    try:
        from gcp_wif.cli.evidence import case_of_job
        from gcp_wif.doctor import diagnose
        from gcp_wif.job.export import read_config

        report = diagnose(case_of_job(read_config(config), context.clock(), error, token))
    except Exception:  # a defect there must not hide the refusal, which is what matters
        return error
    found = report.broken
    if found is None:
        return error
    shown = [f"found: {found.found}"] if found.found and found.found not in error.message else []
    lines = [found.message, *shown, *(f"- {line}" for line in found.fix)]
    lines.append("Look closer: gcp-wif doctor, or where you may read Google: gcp-wif doctor --live")
    return RefusedError(error.message, hint="\n".join(lines), code=error.code)
