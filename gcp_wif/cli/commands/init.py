"""`gcp-wif init`."""

from pathlib import Path
from typing import Annotated

import typer

from gcp_wif import ci
from gcp_wif.ci.config import OldLogin
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, run_context, terminal
from gcp_wif.cli.issuer_options import IssuerOptions, Known, known_of
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError, MissingExtraError, shown
from gcp_wif.files import read_bounded, write_new
from gcp_wif.install import install_command
from gcp_wif.issuers import DEFAULT
from gcp_wif.job.context import Context
from gcp_wif.job.flags import TargetFlags
from gcp_wif.job.target import ACCOUNT_VARIABLES, POOL_VARIABLES, PROVIDER_VARIABLES, resolve_target
from gcp_wif.limits import CI_CONFIG_BYTES
from gcp_wif.manifest import Manifest
from gcp_wif.manifest.writing import Draft, DraftIdentity, toml_text
from gcp_wif.names import ProjectId, ServiceAccountEmail
from gcp_wif.rendering.replacement import replacement

__all__ = ["main"]


class _Options(OptionGroup):
    provider: Annotated[str | None, typer.Argument(metavar="[PROVIDER]", help="Provider resource name.")] = None
    manifest: Annotated[str, typer.Option(metavar="FILE", help="Where to write the manifest.")] = "gcp-wif.toml"
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False
    from_gcp: Annotated[
        bool, typer.Option("--from-gcp", help="From what exists in Google; a plan right after finds nothing to do.")
    ] = False
    ci: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"The CI system, and kind of issuer. [default: detected, else {DEFAULT}]"),
    ] = None
    url: Annotated[str | None, typer.Option(help="The issuer's URL, where the kind does not give it.")] = None
    audience: Annotated[list[str] | None, typer.Option(help="What tokens say in `aud`, where it is not usual.")] = None
    rule: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="What every rule says; may be given several times.")
    ] = None
    project_id: Annotated[
        str | None, typer.Option(help="ID of the pool's project; with --from-gcp of one whose accounts are read.")
    ] = None
    project_number: Annotated[str | None, typer.Option(help="Number of the pool's project.")] = None
    pool_id: Annotated[str | None, typer.Option(help="Workload identity pool ID. [default: the kind]")] = None
    provider_id: Annotated[str | None, typer.Option(help="Workload identity pool provider ID. [default: the kind]")] = (
        None
    )
    service_account: Annotated[
        list[str] | None, typer.Option(help="Email of an account for jobs; may be given several times.")
    ] = None
    direct: Annotated[bool, typer.Option("--direct", help="Direct federation: no account.")] = False
    branch: Annotated[str | None, typer.Option(help="Admit this branch alone.")] = None
    impersonate_service_account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="With --from-gcp: act as this account.")
    ] = None


@command(_Options, IssuerOptions, CommonOptions)
def main(options: _Options, issuer: OptionGroup, common: CommonOptions) -> None:
    """Write a commented manifest.

    From flags and environment, from what exists in Google (--from-gcp), or from a CI file that logs in the old way.
    """
    old_kind, file = _old_config(options, issuer)
    out, context = terminal(common), run_context()._replace(ci=options.ci or old_kind)
    path = Path(context.cwd, options.manifest)
    old = _old_logins(context.system, file, context) if file is not None else ()
    draft = _from_gcp(options, context, out) if options.from_gcp else _from_flags(options, issuer, context, old)
    text = toml_text(draft)
    made = Manifest.parse(text, origin="this manifest")  # what it would refuse is not written
    write_new(path, text.encode(), context.roots, replace=options.force, origin="--manifest")
    out.say(f"manifest           {path}")
    for note in draft.notes:
        out.warn(note)
    out.say("Read it, then run `gcp-wif plan`.")
    instead = None
    if old:
        owners = {login.job: _identity_name(_account_of(login, options, context)) for login in old}
        instead = replacement(context.system, old, options.manifest, owners, install_command())
        if not common.as_json:
            out.raw(instead.encode())
    result = {"manifest": str(path), "identities": list(made.identities), "notes": list(draft.notes)}
    out.data(result | {"replacement": instead})


def _target_flags(options: _Options, context: Context) -> TargetFlags:
    def unset(variables: tuple[str, ...]) -> bool:
        return options.provider is None and not any(name in context.environ for name in variables)

    pool = options.pool_id or (_kind(context) if unset(POOL_VARIABLES) else None)
    provider = options.provider_id or (_kind(context) if unset(PROVIDER_VARIABLES) else None)
    return TargetFlags(options.provider, options.project_number, pool, provider, None, True)


def _kind(context: Context) -> str:
    """The kind of issuer that is meant."""
    if context.ci is not None:
        return context.ci
    return DEFAULT if context.system is ci.UNKNOWN else context.system.kind


def _old_config(options: _Options, issuer: OptionGroup) -> tuple[str | None, str | None]:
    """The kind and the file of ``--from-KIND``.

    Raises:
        InputError: WIF110.
    """
    files = {kind: getattr(issuer, f"from_{kind.replace('-', '_')}", None) for kind in ci.kinds()}
    given = [(kind, file) for kind, file in files.items() if file is not None]
    flags = ["--from-gcp"] * options.from_gcp + [f"--from-{kind}" for kind, _ in given]
    if len(flags) > 1:
        raise InputError(f"{flags[0]} and {flags[1]} are mutually exclusive.", code="WIF110")
    return given[0] if given else (None, None)


def _old_logins(system: ci.CiSystem, file: str, context: Context) -> tuple[OldLogin, ...]:
    reader = system.config_reader()
    assert reader is not None  # noqa: S101 - the flag is there because there is one
    data = read_bounded(Path(context.cwd, file), CI_CONFIG_BYTES, origin=f"--from-{system.kind}")
    found = tuple(reader.find_logins(data.decode(errors="replace"), origin=file))
    if not found:
        raise InputError(
            f"No job of {file} logs in to Google Cloud the old way.",
            hint=f"Looked for are {system.old_logins}.",
            code="WIF124",
        )
    return found


def _account_of(login: OldLogin, options: _Options, context: Context) -> ServiceAccountEmail:
    """The account that a job names by a variable; its value is in a context, so it is given here."""
    variable = login.variables["service_account"]
    value = context.environ.get(variable)
    if not value and options.service_account and len(options.service_account) == 1:
        return ServiceAccountEmail.parse(options.service_account[0], origin="--service-account")
    if not value:
        where = f"the context {', '.join(map(shown, login.contexts))}" if login.contexts else "the project's settings"
        raise InputError(
            f"The job {shown(login.job)} takes its account from {variable}, whose value is in {where} and not in the "
            "file.",
            hint=f"Set {variable} for this command, or give --service-account where all jobs share one.",
            code="WIF122",
        )
    return ServiceAccountEmail.parse(value, origin=variable)


def _identity_name(account: ServiceAccountEmail) -> str:
    return account.account_id if account.project_id else "default-account"


def _accounts(options: _Options, context: Context) -> list[ServiceAccountEmail]:
    if options.service_account:
        return [ServiceAccountEmail.parse(each, origin="--service-account") for each in options.service_account]
    if options.direct or not any(name in context.environ for name in ACCOUNT_VARIABLES):
        return []
    flags = _target_flags(options, context)._replace(direct=False)
    found = resolve_target(flags, context.environ).service_account
    return [found] if found else []


def _from_flags(options: _Options, issuer: OptionGroup, context: Context, old: tuple[OldLogin, ...]) -> Draft:
    provider = resolve_target(_target_flags(options, context), context.environ).provider
    used: dict[ServiceAccountEmail, list[OldLogin]] = {}
    for login in old:
        used.setdefault(_account_of(login, options, context), []).append(login)
    accounts = list(used) or _accounts(options, context)
    kind = _kind(context)
    system = ci.system(kind)
    place = (options.url, options.audience)
    known = known_of(issuer, options.rule, place, (kind, system), context.environ)
    missing = [] if options.project_id else ["--project-id (of the pool's project)"]
    missing += known.missing
    missing += [] if accounts or options.direct else ["--service-account, or --direct"]
    if missing or options.project_id is None:
        raise InputError(
            f"A manifest needs {'; '.join(missing)}.",
            hint=f"This is for the kind `{kind}`; --ci NAME chooses another. What belongs to the CI system is known in "
            "its jobs; on a workstation give the flags.\nWith --from-gcp it is made from a pool that exists.",
            code="WIF122",
        )
    home = ProjectId.parse(options.project_id, origin="--project-id")
    holders: list[ServiceAccountEmail | None] = [*accounts] or [None]
    identities = [_identity(each, home, known, options, used.get(each, []) if each else []) for each in holders]
    return Draft(
        "gcp-wif init",
        known.issuer,
        {"project_id": home, "project_number": provider.project_number, "id": provider.pool_id},
        {"id": provider.provider_id},
        tuple(identities),
        notes=tuple(note for login in old for note in login.notes),
    )


def _identity(
    account: ServiceAccountEmail | None,
    home: ProjectId,
    known: Known,
    options: _Options,
    logins: list[OldLogin],
) -> DraftIdentity:
    restricted = bool(logins) and all(login.branches for login in logins)
    found = [branch for login in logins for branch in login.branches] if restricted else []
    branches = [options.branch] if options.branch else list(dict.fromkeys(found))
    rules = tuple({**known.rule, "branch": branch} for branch in branches) or (known.rule,)
    comment = [] if branches else ['every branch may; add branch = "main" to admit one alone']
    contexts = list(dict.fromkeys(context for login in logins for context in login.contexts))
    if contexts:
        comment.append(f'used with the context {", ".join(contexts)}; context = "ID" in a rule admits it alone')
    if account is None:
        return DraftIdentity("direct", None, home, rules=rules, comment=tuple(comment))
    name = _identity_name(account)
    create = account.project_id is not None and not logins  # what jobs use already exists
    return DraftIdentity(name, account, account.project_id, create, rules=rules, comment=tuple(comment))


def _from_gcp(options: _Options, context: Context, out: Terminal) -> Draft:
    where = endpoints(context, out)
    try:
        from gcp_wif.provisioning import Clients, RetryPolicy, admin_credentials, import_existing
    except ImportError:
        raise MissingExtraError("admin", command="init --from-gcp") from None
    account = options.impersonate_service_account
    impersonate = ServiceAccountEmail.parse(account, origin="--impersonate-service-account") if account else None
    retry_policy = RetryPolicy()
    clients = Clients(where, admin_credentials(where, impersonate), retry_policy.request)
    provider = resolve_target(_target_flags(options, context), context.environ).provider
    projects = [each.project_id for each in _accounts(options, context) if each.project_id]
    if options.project_id is not None:
        projects.append(ProjectId.parse(options.project_id, origin="--project-id"))
    return import_existing(provider, projects, "gcp-wif init --from-gcp", clients, retry_policy)
