"""What a manifest asks of Google. Pure."""

from typing import Any

from gcp_wif.federation import compile_manifest
from gcp_wif.manifest import Identity, Manifest
from gcp_wif.names import ProjectId
from gcp_wif.provisioning.changes import Desired, DesiredAccount, Grant

__all__ = ["desired_of"]


def desired_of(manifest: Manifest) -> Desired:
    """Compile a manifest.

    Raises:
        InputError: WIF720, WIF721 of `gcp_wif.federation.compile_manifest`.
    """
    compiled = compile_manifest(manifest)
    identities = manifest.identities.values()
    grants: dict[ProjectId, dict[Grant, None]] = {}
    for identity in identities:
        for grant in _roles(identity, tuple(compiled.members[identity.name])):
            if identity.project_id:
                grants.setdefault(identity.project_id, {})[grant] = None
    rules = compiled.rules
    return Desired(
        pool=manifest.pool_name,
        pool_project=manifest.pool.project_id,
        pool_fields=_names(manifest.pool.display_name, manifest.pool.description)
        | {"disabled": manifest.pool.disabled},
        provider=manifest.provider_name,
        provider_fields=_names(manifest.provider.display_name, manifest.provider.description)
        | {
            "disabled": manifest.provider.disabled,
            "attributeMapping": dict(rules.attribute_mapping),
            "attributeCondition": rules.attribute_condition or "",
            "oidc.issuerUri": rules.issuer,
            "oidc.allowedAudiences": list(rules.allowed_audiences),
            # Keys that somebody uploaded would sign tokens that the issuer never saw.
            "oidc.jwksJson": "",
        },
        accounts=tuple(
            _account(each, tuple(compiled.members[each.name])) for each in identities if each.service_account
        ),
        project_grants={project: tuple(found) for project, found in grants.items()},
        warnings=compiled.warnings,
    )


def _account(identity: Identity, members: tuple[str, ...]) -> DesiredAccount:
    account = identity.service_account
    assert account is not None  # noqa: S101 - the caller chose identities that have one
    fields = {"display_name": identity.display_name, "description": identity.description}
    return DesiredAccount(
        email=account,
        project_id=identity.project_id,
        create=identity.create,
        fields={name: text for name, text in fields.items() if text is not None},
        members=members,
    )


def _roles(identity: Identity, members: tuple[str, ...]) -> list[Grant]:
    holders = members if identity.direct else (f"serviceAccount:{identity.service_account}",)
    return [Grant(role, holder) for role in identity.roles for holder in holders]


def _names(display_name: str | None, description: str | None) -> dict[str, Any]:
    names = {"displayName": display_name, "description": description}
    return {name: text for name, text in names.items() if text is not None}
