"""`generate`: the token file and the credential config, both or neither."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gcp_wif.credential_config import (
    DEFAULT_TOKEN_TYPE,
    MAX_CONFIG_BYTES,
    CredentialConfig,
    FileSource,
)
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, shown
from gcp_wif.files import Roots, check_destination, read_bounded, write_private
from gcp_wif.job.container import Container, choose_container, seen
from gcp_wif.job.context import Context
from gcp_wif.job.flags import GenerateFlags
from gcp_wif.job.gsutil import forget_tokens, gsutil_for
from gcp_wif.job.login_files import config_name, parse_name
from gcp_wif.job.source import Folder, SourceChoice, absolute, choose_source, clean_path, default_path
from gcp_wif.job.target import Target
from gcp_wif.limits import LIFETIME_SECONDS

if TYPE_CHECKING:
    from gcp_wif.job.keeper import Keeper
    from gcp_wif.subject_token import SubjectToken

__all__ = ["DEFAULT_CONFIG_NAME", "Generated", "config_path", "generate", "places"]

DEFAULT_CONFIG_NAME = config_name(None)

_DEFAULT_MAX_LIFETIME_SECONDS = 3_600
_TOKEN_TYPE_PREFIX = "urn:ietf:params:"  # noqa: S105 - a type's name


class Generated(NamedTuple):
    """What was written.

    Attributes:
        config_path: the credential config's file.
        token_path: the token's file, ``None`` where no token was written.
        config: the config.
        warnings: what the person should know.
        token: the token, ``None`` where none was written.
        container: what a container needs besides, where the files are for one.
    """

    config_path: Path
    token_path: Path | None
    config: CredentialConfig
    warnings: tuple[str, ...]
    token: "SubjectToken | None" = None
    container: Container | None = None


def config_path(output_file: str | None, context: Context, name: str | None = None) -> Path:
    """The absolute path of the credential config: ``--output-file``, or one where the CI system keeps files safe.

    Args:
        output_file: as it was given.
        context: the job's.
        name: ``--name``: of one login among several.

    Raises:
        InputError: WIF101, WIF102 or WIF117; WIF110 where both are given; WIF131 for the name.
    """
    if name is not None:
        parse_name(name)
        if output_file is not None:
            raise InputError(
                "--name and --output-file are mutually exclusive.",
                hint="Each says which credential config is meant. A name gives it a path beside the others.",
                code="WIF110",
            )
    if output_file is None:
        return Path(default_path(_folder(context), config_name(name), "--output-file"))
    return Path(absolute(clean_path(output_file, origin="--output-file"), context.cwd))


def generate(
    target: Target,
    flags: GenerateFlags,
    endpoints: Endpoints,
    context: Context,
    accept: Callable[[CredentialConfig], object] | None = None,
    keeper: "Keeper | None" = None,
) -> Generated:
    """Write the config and, for a file source, the token.

    Everything is checked before anything is written, and the two files are replaced together.

    Args:
        target: the provider and the account.
        flags: the command line.
        endpoints: whose URLs the config gets.
        context: the job.
        accept: called with the config before anything is written; raises where it is not to be.
        keeper: gives the config an agent as its source, which holds the token; no token is written then.

    Raises:
        InputError: any of the codes of target, source, token and files; nothing was written.
        UnavailableError: WIF603 where the CI system gives no token; nothing was written.
    """
    if keeper is not None:
        keeper.check(flags)
        output, choice = config_path(flags.output_file, context, flags.name), SourceChoice(keeper.unknown_source)
    else:
        output, choice = places(flags, context)
    container = choose_container(flags, output, choice.source, target)
    token_type = _token_type(flags.subject_token_type)
    lifetime, warnings = _lifetime(flags.lifetime_seconds, target)
    config = CredentialConfig.build(
        target.provider,
        seen(choice.source, container),
        endpoints,
        service_account=target.service_account,
        token_lifetime_seconds=lifetime,
        subject_token_type=token_type,
    )
    if accept is not None:
        accept(config)
    if keeper is not None:
        return _kept(config, output, warnings, (target, flags, context), keeper)
    source = choice.source if isinstance(choice.source, FileSource) and not flags.config_only else None
    if source is None and flags.token.given:
        why = "--config-only writes no token" if flags.config_only else "clients fetch the token themselves"
        raise InputError(f"{flags.token.given[0]} has no use here: {why}.", code="WIF110")

    token_path = Path(source.file) if source else None
    _check_paths(output, token_path, context.roots)
    files = {output: config.to_json().encode()}
    warnings += choice.warnings
    token = None
    if source and token_path:
        from gcp_wif.job.tokens import obtain_token

        checked = obtain_token(flags.token, context, target, subject_token_type=token_type)
        token = checked.token
        files[token_path] = source.effective_format.encode(token.reveal())
        warnings += checked.warnings
    if not flags.config_only:
        files |= _beside(output, container, context)
        warnings += _replaced(output, config)
    # A config that is written alone is made to be committed, and stays; what a job logs in with is for `logout`.
    receipt_for = None if flags.config_only else output
    warnings += write_private(files, context.roots, receipt_for=receipt_for, project=_named_project(target))
    return Generated(output, token_path, config, warnings, token, container)


def places(flags: GenerateFlags, context: Context) -> tuple[Path, SourceChoice]:
    """Where the credential config goes, and its source.

    Raises:
        InputError: as `config_path` and `choose_source`.
    """
    output = config_path(flags.output_file, context, flags.name)
    folder = _folder(context) if flags.path_in_container is None else Folder(str(output.parent), "--output-file")
    return output, choose_source(
        flags.source, folder=folder, cwd=context.cwd, keep_path=flags.config_only, name=flags.name
    )


def _beside(output: Path, container: Container | None, context: Context) -> dict[Path, bytes]:
    """What a login writes for some clients alone: a container's variables, or gsutil's file."""
    if container:
        check_destination(container.env_file, context.roots, origin="--output-file")
        return {container.env_file: container.content}
    gsutil = gsutil_for(output, context.environ.get("HOME"))
    if gsutil is None:
        return {}
    forget_tokens(gsutil.folder, context.roots)  # those of an earlier login, maybe as somebody else
    return {gsutil.file: gsutil.content}


def _named_project(target: Target) -> str | None:
    """The project that somebody has named for this login."""
    return target.project.project_id if target.project and target.project.explicit else None


def _replaced(path: Path, new: CredentialConfig) -> tuple[str, ...]:
    """A warning where the files of a login as somebody else are about to be replaced."""
    try:
        data = read_bounded(path, MAX_CONFIG_BYTES, origin="the credential config")
        old = CredentialConfig.from_json(data, origin=str(path))
        before, after = ((each.provider, each.service_account) for each in (old, new))
    except InputError:
        return ()  # there is none, or it is none of ours
    if before == after:
        return ()
    who = old.service_account or f"the principals of {old.provider}"
    return (
        f"This replaces an earlier login, as {who}: {path} was its credential config. To keep two logins beside each "
        "other, give one a name: --name NAME",
    )


def _kept(
    config: CredentialConfig,
    output: Path,
    warnings: tuple[str, ...],
    job: tuple[Target, GenerateFlags, Context],
    keeper: "Keeper",
) -> Generated:
    """Write a config that leads to an agent."""
    target, flags, context = job
    _check_paths(output, None, context.roots)
    checked = keeper.obtain(flags, context, target)
    config = config._replace(source=keeper.begin(checked, output, target, context))
    try:
        files = {output: config.to_json().encode(), **keeper.files}
        if gsutil := gsutil_for(output, str(keeper.folder) if keeper.folder else context.environ.get("HOME")):
            files[gsutil.file] = gsutil.content
            forget_tokens(gsutil.folder, context.roots)
        # What stands in a folder of its own needs no receipt: the folder goes as a whole.
        receipt_for = output if keeper.folder is None else None
        more = _replaced(output, config)
        more += write_private(
            files, context.roots, receipt_for=receipt_for, growing=keeper.files, project=_named_project(target)
        )
        keeper.ready()
    except BaseException:
        keeper.abandon()
        raise
    return Generated(output, None, config, warnings + checked.warnings + more, checked.token)


def _folder(context: Context) -> Folder:
    system = context.system
    return Folder(system.folder(context.environ), system.folder_variable)


def _check_paths(output: Path, token: Path | None, roots: Roots) -> None:
    check_destination(output, roots, origin="--output-file")
    if token is None:
        return
    check_destination(token, roots, origin="--credential-source-file")
    if token.resolve() == output.resolve():
        raise InputError(
            f"--output-file and --credential-source-file both name {output}.",
            hint="One is the credential config, which holds no secret; the other holds the token.",
            code="WIF110",
        )


def _token_type(given: str | None) -> str:
    if given is None:
        return DEFAULT_TOKEN_TYPE
    if not given.startswith(_TOKEN_TYPE_PREFIX) or not given.isprintable() or " " in given:
        raise InputError(
            f"--subject-token-type must be a token type URN, but holds {shown(given)}.",
            hint=f"For OIDC leave it away: {DEFAULT_TOKEN_TYPE} is the default.",
            code="WIF118",
        )
    return given


def _lifetime(given: int | None, target: Target) -> tuple[int | None, tuple[str, ...]]:
    if given is not None and target.service_account is None:
        raise InputError(
            "--service-account-token-lifetime-seconds needs a service account.",
            hint="With direct federation the token lives as long as the subject token, one hour at most.",
            code="WIF110",
        )
    seconds = given if given is not None else target.token_lifetime_seconds
    if seconds is None:
        return None, ()
    if seconds not in LIFETIME_SECONDS:
        raise InputError(
            f"--service-account-token-lifetime-seconds must lie between {LIFETIME_SECONDS[0]} and "
            f"{LIFETIME_SECONDS[-1]}, but is {seconds}.",
            hint="The unit is seconds; without the flag it is one hour.",
            code="WIF109",
        )
    if seconds > _DEFAULT_MAX_LIFETIME_SECONDS:
        return seconds, (
            "A lifetime over 3600 seconds is refused unless the organisation policy "
            "constraints/iam.allowServiceAccountCredentialLifetimeExtension lists the account.",
        )
    return seconds, ()
