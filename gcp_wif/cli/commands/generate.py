"""`gcp-wif generate`."""

from typing import TYPE_CHECKING, Any

from gcp_wif.cli.command import CommonOptions, command, endpoints, terminal
from gcp_wif.cli.options import CiOptions, ConfigFileOptions, GenerateOptions, TargetOptions, TokenOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, shown
from gcp_wif.job.context import Context
from gcp_wif.job.generate import Generated, generate
from gcp_wif.job.target import ProjectChoice, Target, resolve_target

if TYPE_CHECKING:
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["choose_target", "main", "needed_claims", "run_generate", "target_of"]


def choose_target(options: TargetOptions, context: Context) -> Target:
    """The target that flags, manifest and environment mean.

    Raises:
        InputError: as `resolve_target`; WIF121 where --identity and the manifest do not fit.
    """
    if options.manifest is None:
        if options.identity is not None:
            raise InputError("--identity needs --manifest.", code="WIF121")
        return resolve_target(options.flags(), context.environ)
    from gcp_wif.cli.manifests import read_manifest  # a job without a manifest does not load it

    manifest = read_manifest(options.manifest, context.cwd)
    return resolve_target(options.flags(), context.environ, target_of(manifest, options.identity))


def target_of(manifest: "Manifest", name: str | None) -> Target:
    """The target of one identity.

    Raises:
        InputError: WIF121 where it is not named and there are several, or there is none of that name.
    """
    names = ", ".join(manifest.identities)
    if name is None and len(manifest.identities) > 1:
        raise InputError(f"--identity is needed: the manifest has {names}.", code="WIF121")
    chosen = name if name is not None else next(iter(manifest.identities))
    if chosen not in manifest.identities:
        raise InputError(f"The manifest has no identity {shown(chosen)}; it has {names}.", code="WIF121")
    identity = manifest.identities[chosen]
    return Target(
        manifest.provider_name,
        identity.service_account,
        ProjectChoice(identity.project_id, explicit=True) if identity.project_id else None,
        manifest.issuer,
        identity.token_lifetime_seconds,
        needed_claims(manifest, identity),
    )


def needed_claims(manifest: "Manifest", identity: "Identity") -> tuple[str, ...]:
    """The claims that decide about a token of ``identity``: its rules', the tenant's, and those of the guards."""
    profile = manifest.profile
    names = [name for rule in identity.allow for name, _ in rule.terms]
    claims = [found.claim for name in names if (found := profile.rule_name(name)) is not None]
    claims += [claim for claim, _ in manifest.issuer.tenant]
    claims += [guard.claim for guard in profile.guards if guard.name not in identity.lifted]
    return tuple(dict.fromkeys(claims))


def run_generate(
    target: Target,
    options: tuple[GenerateOptions, ConfigFileOptions, TokenOptions],
    endpoints: Endpoints,
    context: Context,
    out: Terminal,
) -> tuple[Generated, dict[str, Any]]:
    """Write the files; returns what was written, and its JSON shape."""
    done = generate(target, options[0].flags(*options[1:]), endpoints, context)
    if done.token is not None:
        out.command(context.system.mask(done.token.reveal()))
    for warning in done.warnings:
        out.warn(warning)
    out.say(f"credential config  {done.config_path}")
    if done.token_path:
        out.say(f"subject token      {done.token_path}")
    return done, {
        "config_path": str(done.config_path),
        "token_path": str(done.token_path) if done.token_path else None,
        "provider": str(target.provider),
        "service_account": target.service_account,
        "warnings": list(done.warnings),
    }


@command(TargetOptions, GenerateOptions, ConfigFileOptions, TokenOptions, CiOptions, CommonOptions)
def main(
    target: TargetOptions,
    options: GenerateOptions,
    config: ConfigFileOptions,
    token: TokenOptions,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Write the token file and the credential config that client libraries read.

    Both files are private (mode 0600) and are replaced together or not at all. The config equals what gcloud's
    create-cred-config writes for the same flags.
    """
    out, context = terminal(common), ci.context()
    where = endpoints(context, out, config.universe_domain)
    _, document = run_generate(choose_target(target, context), (options, config, token), where, context, out)
    out.data(document)
