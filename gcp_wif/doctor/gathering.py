"""Seeing what there is: Google with the admin's credentials, saved answers of gcloud, or what a manifest would make."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcp_wif.doctor.values import MISSING, Binding, Case, Document
from gcp_wif.errors import InputError
from gcp_wif.federation import compile_manifest
from gcp_wif.files import read_bounded
from gcp_wif.manifest import Manifest
from gcp_wif.names import ServiceAccountEmail

if TYPE_CHECKING:
    from gcp_wif.provisioning import Clients, Patience

__all__ = ["from_files", "from_google", "from_manifest", "json_file", "policy_of"]

_MAX_BYTES = 5_000_000


def json_file(path: Path, origin: str) -> dict[str, Any]:
    """A JSON object in a file, such as what ``gcloud … --format=json`` printed.

    Raises:
        InputError: WIF306 missing, WIF917 no JSON object.
    """
    try:
        found = json.loads(read_bounded(path, _MAX_BYTES, origin=origin))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{origin}: {path} holds no JSON object.", hint="Save it with --format=json.", code="WIF917")
    return found


def policy_of(document: Mapping[str, Any], origin: str) -> tuple[Binding, ...]:
    """A policy as ``get-iam-policy --format=json`` prints it.

    Raises:
        InputError: WIF917 where it is none.
    """
    bindings = document.get("bindings", [])
    made = []
    for each in bindings if isinstance(bindings, list) else [{}]:
        members = each.get("members") if isinstance(each, dict) else None
        if (
            not isinstance(each, dict)
            or not isinstance(members, list)
            or not all(isinstance(member, str) for member in members)
        ):
            raise InputError(f"{origin} is no IAM policy.", hint="Save get-iam-policy --format=json.", code="WIF917")
        made.append(Binding(str(each.get("role", "")), tuple(members), bool(each.get("condition"))))
    return tuple(made)


def from_manifest(case: Case, manifest: Manifest, identity: str | None) -> Case:
    """What the manifest would make: so a rule can be tried before anything is deployed."""
    compiled = compile_manifest(manifest)
    rules = compiled.rules
    chosen = manifest.identities.get(identity) if identity else None
    state = {
        "name": str(rules.name),
        "state": "ACTIVE",
        "disabled": manifest.provider.disabled,
        "attributeMapping": dict(rules.attribute_mapping),
        "attributeCondition": rules.attribute_condition or "",
        "oidc": {"issuerUri": rules.issuer, "allowedAudiences": list(rules.allowed_audiences)},
    }
    members = tuple(str(member) for member in compiled.members[chosen.name]) if chosen else ()
    policy = (Binding("roles/iam.workloadIdentityUser", members),) if chosen and not chosen.direct else None
    project_policy = tuple(Binding(role, members) for role in chosen.roles) if chosen and chosen.direct else None
    return replace(
        case,
        manifest=manifest,
        identity=identity,
        deployed=False,
        provider=rules.name,
        account=chosen.service_account if chosen else case.account,
        direct=chosen.direct if chosen else case.direct,
        project=str(chosen.project_id) if chosen and chosen.project_id else case.project,
        pool_state={"state": "ACTIVE", "disabled": manifest.pool.disabled},
        provider_state=state,
        account_state={"email": chosen.service_account} if chosen and chosen.service_account else None,
        policy=policy,
        project_policy=project_policy,
    )


def from_files(case: Case, files: Mapping[str, Path]) -> Case:
    """What gcloud printed into ``provider``, ``pool``, ``account``, ``policy`` and ``project_policy``."""
    changes: dict[str, Any] = {}
    for name in ("provider", "pool", "account"):
        if name in files:
            changes[f"{name}_state"] = json_file(files[name], f"--{name}-file")
    for name in ("policy", "project_policy"):
        if name in files:
            origin = f"--{name.replace('_', '-')}-file"
            changes[name] = policy_of(json_file(files[name], origin), origin)
    return replace(case, deployed=True, **changes) if changes else case


def from_google(case: Case, clients: "Clients", patience: "Patience") -> Case:
    """Google as it is; what may not be read stays unseen."""
    from gcp_wif.provisioning.values import account_resource, project_resource

    name = case.provider
    disabled: list[str] = []
    changes: dict[str, Any] = {"deployed": True}
    if name is not None:
        changes["pool_state"] = _seen(lambda: clients.get(str(name.pool)), patience, disabled)
        changes["provider_state"] = _seen(lambda: clients.get(str(name)), patience, disabled)
        listed = _seen(lambda: {"found": list(clients.list_providers(str(name.pool)))}, patience, disabled)
        if isinstance(listed, Mapping):
            changes["other_providers"] = tuple(
                each["name"].rpartition("/")[2]
                for each in listed["found"]
                if not each["name"].endswith(f"/{name.provider_id}") and each.get("state") != "DELETED"
            )
    if case.account is not None:
        email = ServiceAccountEmail(case.account)
        resource = account_resource(email, email.project_id)

        def account() -> dict[str, Any]:
            found = clients.get_account(resource)
            return {"email": found.email, "disabled": found.disabled}

        changes["account_state"] = _seen(account, patience, disabled)
        policy = _seen(lambda: _policy_document(clients.get_policy(resource)), patience, disabled)
        changes["policy"] = policy_of(policy, resource) if isinstance(policy, Mapping) else None
    if case.project is not None and case.direct:
        project = project_resource(case.project)
        found = _seen(lambda: _policy_document(clients.get_policy(project)), patience, disabled)
        changes["project_policy"] = policy_of(found, project) if isinstance(found, Mapping) else None
    if disabled:
        changes["disabled_api"] = disabled[0]
    return replace(case, **changes)


def _seen(read: Callable[[], dict[str, Any]], patience: "Patience", disabled: list[str]) -> Document:
    from google.api_core import exceptions

    try:
        return patience.retry(read)
    except exceptions.NotFound:
        return MISSING
    except exceptions.GoogleAPICallError as error:
        if "SERVICE_DISABLED" in str(error) or "has not been used in project" in str(error.message):
            disabled.append(str(error.message)[:300])
        return None


def _policy_document(policy: Any) -> dict[str, Any]:
    return {
        "bindings": [
            {
                "role": binding.role,
                "members": list(binding.members),
                "condition": binding.condition.expression if binding.HasField("condition") else None,
            }
            for binding in policy.bindings
        ]
    }
