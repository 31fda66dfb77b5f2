"""Which provider and account the flags, the manifest and the environment of a command mean."""

from typing import TYPE_CHECKING

from gcp_wif.cli.options import TargetOptions
from gcp_wif.errors import InputError, shown
from gcp_wif.job.context import Context
from gcp_wif.job.target import ProjectChoice, Target, resolve_target

if TYPE_CHECKING:
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["choose_target", "needed_claims", "target_of"]


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

    manifest = read_manifest(options.manifest, context)
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
