"""`gcp-wif init`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gcp_wif.ci import circleci, circleci_config
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, run_context, terminal
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError, MissingExtraError, shown
from gcp_wif.files import read_bounded, write_new
from gcp_wif.install import install_command
from gcp_wif.issuers import profile_of
from gcp_wif.job.context import Context
from gcp_wif.job.flags import TargetFlags
from gcp_wif.job.target import ACCOUNT_VARIABLES, POOL_VARIABLES, PROVIDER_VARIABLES, resolve_target
from gcp_wif.limits import CI_CONFIG_BYTES
from gcp_wif.manifest import Manifest
from gcp_wif.manifest.writing import Draft, DraftIdentity, toml_text
from gcp_wif.names import ProjectId, ServiceAccountEmail
from gcp_wif.rendering.replacement import replacement
from gcp_wif.subject_token import SubjectToken

__all__ = ["main"]

_DEFAULT_ID = "circleci"
_PROJECT_VARIABLE = "CIRCLE_PROJECT_ID"


class _Options(OptionGroup):
    provider: Annotated[str | None, typer.Argument(metavar="[PROVIDER]", help="Provider resource name.")] = None
    manifest: Annotated[str, typer.Option(metavar="FILE", help="Where to write the manifest.")] = "gcp-wif.toml"
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False
    from_gcp: Annotated[
        bool, typer.Option("--from-gcp", help="From what exists in Google; a plan right after finds nothing to do.")
    ] = False
    from_circleci: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="From a .circleci/config.yml that logs in the old way; says what replaces it."
        ),
    ] = None
    project_id: Annotated[
        str | None, typer.Option(help="ID of the pool's project; with --from-gcp of one whose accounts are read.")
    ] = None
    project_number: Annotated[str | None, typer.Option(help="Number of the pool's project.")] = None
    pool_id: Annotated[str | None, typer.Option(help="Workload identity pool ID. [default: circleci]")] = None
    provider_id: Annotated[str | None, typer.Option(help="Workload identity pool provider ID. [default: circleci]")] = (
        None
    )
    service_account: Annotated[
        list[str] | None, typer.Option(help="Email of an account for jobs; may be given several times.")
    ] = None
    direct: Annotated[bool, typer.Option("--direct", help="Direct federation: no account.")] = False
    organization_id: Annotated[
        str | None, typer.Option(help="CircleCI's organisation. [default: CIRCLE_ORGANIZATION_ID, or the token's]")
    ] = None
    circleci_project: Annotated[
        str | None, typer.Option(help="CircleCI's project. [default: CIRCLE_PROJECT_ID, or the token's]")
    ] = None
    branch: Annotated[str | None, typer.Option(help="Admit this branch alone.")] = None
    impersonate_service_account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="With --from-gcp: act as this account.")
    ] = None


@command(_Options, CommonOptions)
def main(options: _Options, common: CommonOptions) -> None:
    """Write a commented manifest.

    From flags and environment, from what exists in Google (--from-gcp), or from a CI file that logs in the old way.
    """
    out, context = terminal(common), run_context()
    path = Path(context.cwd, options.manifest)
    if options.from_gcp and options.from_circleci is not None:
        raise InputError("--from-gcp and --from-circleci are mutually exclusive.", code="WIF110")
    logins = _logins(options, context)
    draft = _from_gcp(options, context, out) if options.from_gcp else _from_flags(options, context, logins)
    text = toml_text(draft)
    made = Manifest.parse(text, origin="this manifest")  # what it would refuse is not written
    write_new(path, text.encode(), context.roots, replace=options.force, origin="--manifest")
    out.say(f"manifest           {path}")
    for note in draft.notes:
        out.warn(note)
    out.say("Read it, then run `gcp-wif plan`.")
    instead = None
    if logins:
        owners = {login.job: _identity_name(_account_of(login, options, context)) for login in logins}
        instead = replacement(logins, options.manifest, owners, install_command())
        if not common.as_json:
            out.raw(instead.encode())
    result = {"manifest": str(path), "identities": list(made.identities), "notes": list(draft.notes)}
    out.data(result | {"replacement": instead})


def _target_flags(options: _Options, context: Context) -> TargetFlags:
    def unset(variables: tuple[str, ...]) -> bool:
        return options.provider is None and not any(name in context.environ for name in variables)

    pool = options.pool_id or (_DEFAULT_ID if unset(POOL_VARIABLES) else None)
    provider = options.provider_id or (_DEFAULT_ID if unset(PROVIDER_VARIABLES) else None)
    return TargetFlags(options.provider, options.project_number, pool, provider, None, True)


def _logins(options: _Options, context: Context) -> list[circleci_config.Login]:
    if options.from_circleci is None:
        return []
    path = Path(context.cwd, options.from_circleci)
    data = read_bounded(path, CI_CONFIG_BYTES, origin="--from-circleci")
    found = circleci_config.find_logins(data.decode(errors="replace"), origin=options.from_circleci)
    if not found:
        raise InputError(
            f"No job of {options.from_circleci} logs in to Google Cloud the old way.",
            hint="Looked for are commands that call gcloud's create-cred-config or `gcloud auth login`, and the orb "
            "circleci/gcp-cli with use_oidc.",
            code="WIF124",
        )
    return found


def _account_of(login: circleci_config.Login, options: _Options, context: Context) -> ServiceAccountEmail:
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


def _from_flags(options: _Options, context: Context, logins: list[circleci_config.Login]) -> Draft:
    provider = resolve_target(_target_flags(options, context), context.environ).provider
    used: dict[ServiceAccountEmail, list[circleci_config.Login]] = {}
    for login in logins:
        used.setdefault(_account_of(login, options, context), []).append(login)
    accounts = list(used) or _accounts(options, context)
    claims = _claims(context)
    organization = options.organization_id or circleci.organization_id(context.environ) or claims.get("org")
    project = options.circleci_project or context.environ.get(_PROJECT_VARIABLE) or claims.get("project")
    missing = [
        flag
        for flag, value in [
            ("--project-id (of the pool's project)", options.project_id),
            ("--organization-id", organization),
            ("--circleci-project", project),
            ("--service-account, or --direct", accounts or options.direct),
        ]
        if not value
    ]
    if missing or options.project_id is None:
        raise InputError(
            f"A manifest needs {'; '.join(missing)}.",
            hint="In a CircleCI job the last part is known from the environment; on a workstation give the flags.\n"
            "With --from-gcp it is made from a pool that exists.",
            code="WIF122",
        )
    home = ProjectId.parse(options.project_id, origin="--project-id")
    holders: list[ServiceAccountEmail | None] = [*accounts] or [None]
    identities = [_identity(each, home, str(project), options, used.get(each, []) if each else []) for each in holders]
    return Draft(
        "gcp-wif init",
        {"kind": "circleci", "organization_id": organization},
        {"project_id": home, "project_number": provider.project_number, "id": provider.pool_id},
        {"id": provider.provider_id},
        tuple(identities),
        notes=tuple(note for login in logins for note in login.notes),
    )


def _identity(
    account: ServiceAccountEmail | None,
    home: ProjectId,
    project: str,
    options: _Options,
    logins: list[circleci_config.Login],
) -> DraftIdentity:
    restricted = bool(logins) and all(login.branches for login in logins)
    found = [branch for login in logins for branch in login.branches] if restricted else []
    branches = [options.branch] if options.branch else list(dict.fromkeys(found))
    rules = tuple({"project": project, "branch": branch} for branch in branches) or ({"project": project},)
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


def _claims(context: Context) -> dict[str, Any]:
    """Organisation and project of the job's token, where there is one that can be read."""
    text = context.environ.get(circleci.DEFAULT_TOKEN_VARIABLE)
    if not text:
        return {}
    claims = SubjectToken.parse(text, origin=circleci.DEFAULT_TOKEN_VARIABLE).claims
    known = profile_of(claims)
    return {"org": known.tenant_of(claims).get("organization_id"), "project": known.rule_of(claims).get("project")}
