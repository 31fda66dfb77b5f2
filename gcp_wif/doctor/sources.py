"""Seeing what there is: Google with the admin's credentials, saved answers of gcloud, or what a manifest would make."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcp_wif import secrets
from gcp_wif.desired import account_resource, project_resource
from gcp_wif.desired import from_manifest as from_desired
from gcp_wif.doctor.condition import alike
from gcp_wif.doctor.evidence import MISSING, Document, Evidence
from gcp_wif.errors import InputError, from_outside
from gcp_wif.federation import Binding, Scope, bindings_of
from gcp_wif.files import read_bounded
from gcp_wif.manifest import Manifest
from gcp_wif.names import PoolId, ProviderName, ServiceAccountEmail
from gcp_wif.roles import ACCESS_TOKEN, IMPERSONATION_ROLE, carries

if TYPE_CHECKING:
    from gcp_wif.provisioning import Clients, RetryPolicy

__all__ = ["from_files", "from_google", "from_manifest", "json_file", "policy_of"]

EXCHANGE_APIS = ("sts.googleapis.com", "iamcredentials.googleapis.com")
"""The APIs that a job's exchange itself goes through."""

_MAX_BYTES = 5_000_000
_MOST_ROLES = 50
_POOL_NAME = re.compile(r"projects/[^/]+/locations/global/workloadIdentityPools/[^/]+")


def json_file(path: Path, origin: str, *, limit: int = _MAX_BYTES) -> dict[str, Any]:
    """A JSON object in a file of at most ``limit`` bytes, such as what ``gcloud … --format=json`` printed.

    Raises:
        InputError: WIF306 missing, WIF307 too large, WIF917 no JSON object.
    """
    found: dict[str, Any] = _json_of(path, origin, (dict,), limit)
    return found


def _json_of(path: Path, origin: str, kinds: tuple[type, ...], limit: int = _MAX_BYTES) -> Any:
    try:
        found = json.loads(read_bounded(path, limit, origin=origin))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kinds):
        raise InputError(f"{origin}: {path} holds no JSON object.", hint="Save it with --format=json.", code="WIF917")
    secrets.remember_in(found)
    return found


def policy_of(document: Mapping[str, Any], origin: str) -> tuple[Binding, ...]:
    """A policy as ``get-iam-policy --format=json`` prints it.

    Raises:
        InputError: WIF917 where it is none.
    """
    try:
        return bindings_of(document)
    except ValueError:
        raise InputError(
            f"{origin} is not an IAM policy.", hint="Save get-iam-policy --format=json.", code="WIF917"
        ) from None


def _policies_of(found: Any, origin: str) -> dict[str, Any]:
    """The project's policy, and of what ``get-ancestors-iam-policy`` prints also those above it."""
    if isinstance(found, dict):
        return {"project_policy": policy_of(found, origin)}
    changes: dict[str, Any] = {"project_policy": None, "above": ()}
    for each in found:
        if not isinstance(each, dict) or not isinstance(each.get("policy"), dict):
            raise InputError(
                f"{origin} has no policies in it.",
                hint="Save `gcloud projects get-ancestors-iam-policy PROJECT_ID --format=json`.",
                code="WIF917",
            )
        bindings = policy_of(each["policy"], origin)
        if each.get("type") == "project":
            changes["project_policy"] = bindings
        else:
            changes["above"] += (Scope(f"the {each.get('type')} {each.get('id')}", bindings),)
    return changes


def _roles_of(path: Path) -> dict[str, Any]:
    found = json_file(path, "--role-file")
    permissions = found.get("includedPermissions", [])
    if not isinstance(found.get("name"), str) or not isinstance(permissions, list):
        raise InputError(
            "--role-file does not hold a role.", hint="Save `gcloud iam roles describe … --format=json`.", code="WIF917"
        )
    return {"roles": {found["name"]: frozenset(map(str, permissions))}}


def from_manifest(evidence: Evidence, manifest: Manifest, identity: str | None) -> Evidence:
    """What the manifest would make: so a rule can be tried before anything is deployed."""
    desired = from_desired(manifest)
    chosen = manifest.identities.get(identity) if identity else None
    account = desired.account(chosen.service_account) if chosen and chosen.service_account else None
    roles = chosen.roles if chosen and chosen.direct else None
    members = desired.members[chosen.name] if chosen else ()
    return replace(
        evidence,
        manifest=manifest,
        desired=desired,
        identity=identity,
        deployed=False,
        provider=desired.provider,
        account=chosen.service_account if chosen else evidence.account,
        direct=chosen.direct if chosen else evidence.direct,
        project=str(chosen.project_id) if chosen and chosen.project_id else evidence.project,
        pool_state={"state": "ACTIVE", **desired.pool_fields},
        provider_state={"name": str(desired.provider), "state": "ACTIVE", **desired.provider_document},
        account_state={"email": account.email, **_shown_names(account.fields)} if account and account.create else None,
        policy=(Binding(IMPERSONATION_ROLE, account.members),) if account else None,
        project_policy=tuple(Binding(role, members) for role in roles or ()) if chosen else None,
        above=(),
    )


def _shown_names(fields: Mapping[str, str]) -> dict[str, str]:
    """The names of an account as the REST resource has them."""
    return {{"display_name": "displayName"}.get(name, name): text for name, text in fields.items()}


def from_files(evidence: Evidence, files: Mapping[str, Path]) -> Evidence:
    """What gcloud printed into ``provider``, ``pool``, ``account``, ``policy``, ``project_policy`` and ``role``.

    What is Google's ends what the manifest would make: the rest is unseen then, not fine.

    Raises:
        InputError: WIF306 missing, WIF917 not what gcloud prints of such a thing.
    """
    if not files:
        return evidence
    changes: dict[str, Any] = {} if evidence.deployed else _nothing_planned()
    if "provider" in files:
        found = json_file(files["provider"], "--provider-file")
        _check_provider(found)
        changes["provider_state"] = found
        if evidence.provider is None:
            changes["provider"] = _named(found)
    if "pool" in files:
        found = json_file(files["pool"], "--pool-file")
        if not _POOL_NAME.fullmatch(str(found.get("name"))):
            raise InputError(
                "--pool-file does not hold a workload identity pool.",
                hint="Save `… describe POOL --format=json`.",
                code="WIF917",
            )
        changes["pool_state"] = found
    if "account" in files:
        found = json_file(files["account"], "--account-file")
        if not isinstance(found.get("email"), str):
            raise InputError(
                "--account-file does not hold a service account.",
                hint="Save `… describe EMAIL --format=json`.",
                code="WIF917",
            )
        changes["account_state"] = found
        if evidence.account is None and not evidence.direct:
            changes["account"] = ServiceAccountEmail.parse(found["email"], origin="--account-file")
        if evidence.project is None and isinstance(found.get("projectId"), str):
            changes["project"] = found["projectId"]
    if "policy" in files:
        changes["policy"] = policy_of(json_file(files["policy"], "--policy-file"), "--policy-file")
    if "project_policy" in files:
        origin = "--project-policy-file"
        changes |= _policies_of(_json_of(files["project_policy"], origin, (dict, list)), origin)
    if "role" in files:
        changes |= _roles_of(files["role"])
    return replace(evidence, **{"deployed": True, **changes})


def _nothing_planned() -> dict[str, Any]:
    """Every state unseen."""
    states = ("pool_state", "provider_state", "account_state", "policy", "project_policy", "above")
    return dict.fromkeys(states) | {"deployed": True}


def _named(provider: Mapping[str, Any]) -> ProviderName:
    name = provider.get("name")
    hint = "Save `gcloud iam workload-identity-pools providers describe … --format=json`."
    if not isinstance(name, str):
        raise InputError("--provider-file has no `name`.", hint=hint, code="WIF917")
    return ProviderName.parse(name, origin="the name in --provider-file")


def _check_provider(found: Mapping[str, Any]) -> None:
    """Refuse what no provider looks like; only OIDC ones are known here.

    Raises:
        InputError: WIF917.
    """
    oidc, mapping = found.get("oidc"), found.get("attributeMapping") or {}
    audiences = oidc.get("allowedAudiences") or [] if isinstance(oidc, dict) else None
    if (
        not isinstance(oidc, dict)
        or not isinstance(oidc.get("issuerUri"), str)
        or not isinstance(audiences, list)
        or not isinstance(mapping, dict)
        or not isinstance(found.get("attributeCondition") or "", str)
        or not all(isinstance(text, str) for text in (*mapping.values(), *audiences))
    ):
        raise InputError(
            "--provider-file does not hold an OIDC provider.",
            hint="Save `gcloud iam workload-identity-pools providers describe … --format=json`.",
            code="WIF917",
        )


def from_google(evidence: Evidence, clients: "Clients", retry_policy: "RetryPolicy") -> Evidence:
    """Google as it is; what may not be read stays unseen.

    Raises:
        UnavailableError: WIF602 where Google cannot be reached.
        InputError: WIF812 where the admin's credentials do not work.
    """
    name = evidence.provider
    disabled: list[str] = []
    changes: dict[str, Any] = {"deployed": True, "live": True}
    if name is not None:
        changes["pool_state"] = _seen(lambda: clients.get(str(name.pool)), retry_policy, disabled)
        changes["provider_state"] = _seen(lambda: clients.get(str(name)), retry_policy, disabled)
        listed = _seen(lambda: {"found": list(clients.list_providers(str(name.pool)))}, retry_policy, disabled)
        if isinstance(listed, Mapping):
            changes["siblings"] = tuple(
                each
                for each in listed["found"]
                if not each["name"].endswith(f"/{name.provider_id}") and each.get("state") != "DELETED"
            )
        if changes["pool_state"] is MISSING:
            found = _seen(
                lambda: {"found": [each["name"] for each in clients.list_pools(str(name.project_number))]},
                retry_policy,
                disabled,
            )
            ids = [each.rpartition("/")[2] for each in found["found"]] if isinstance(found, Mapping) else []
            near = alike(name.pool_id, ids)
            changes["near_pool"] = PoolId(near) if near else None
        changes["services"] = _services(clients, str(name.project_number), retry_policy)
    project = evidence.project
    if evidence.account is not None:
        email = ServiceAccountEmail(evidence.account)
        resource = account_resource(email, email.project_id)

        def account() -> dict[str, Any]:
            found = clients.get_account(resource)
            names = {"displayName": found.display_name, "description": found.description}
            ids = {"uniqueId": found.unique_id, "projectId": found.project_id}
            return {"email": found.email, "disabled": found.disabled, **names, **ids}

        changes["account_state"] = state = _seen(account, retry_policy, disabled)
        if project is None and isinstance(state, Mapping):  # its email does not tell
            changes["project"] = project = state["projectId"]
        if state is MISSING and project is not None:
            near = alike(email, _emails(clients, project, retry_policy))
            changes["near_account"] = ServiceAccountEmail(near) if near else None
        policy = _seen(lambda: _policy_document(clients.get_policy(resource)), retry_policy, disabled)
        changes["policy"] = policy_of(policy, resource) if isinstance(policy, Mapping) else None
    if project is not None:
        resource = project_resource(project)
        found = _seen(lambda: _policy_document(clients.get_policy(resource)), retry_policy, [])
        changes["project_policy"] = policy_of(found, resource) if isinstance(found, Mapping) else None
        changes["above"] = _above(clients, project, retry_policy)
    if disabled:
        changes["disabled_api"] = disabled[0]
    seen = replace(evidence, **changes)
    return replace(seen, roles=_roles_read(seen, clients, retry_policy))


def _emails(clients: "Clients", project: str, retry_policy: "RetryPolicy") -> list[str]:
    found = _seen(lambda: {"found": [each.email for each in clients.list_accounts(project)]}, retry_policy, [])
    return found["found"] if isinstance(found, Mapping) else []


def _services(clients: "Clients", project: str, retry_policy: "RetryPolicy") -> dict[str, bool] | None:
    """Whether the APIs of the exchange are on; ``None`` without the right to see it."""
    found = _seen(lambda: {"found": clients.services(project, EXCHANGE_APIS)}, retry_policy, [])
    return found["found"] if isinstance(found, Mapping) else None


def _above(clients: "Clients", project: str, retry_policy: "RetryPolicy") -> tuple[Scope, ...] | None:
    """The folders and the organisation above a project; ``None`` without the right to see which there are."""
    nodes = _seen(lambda: {"found": clients.ancestors(project)}, retry_policy, [])
    if not isinstance(nodes, Mapping):
        return None
    found = []
    for node in nodes["found"]:
        policy = _seen(partial(clients.get_node_policy, node), retry_policy, [])
        name = f"the {node.replace('s/', ' ')}"
        found.append(Scope(name, policy_of(policy, name) if isinstance(policy, Mapping) else None))
    return tuple(found)


def _roles_read(
    evidence: Evidence, clients: "Clients", retry_policy: "RetryPolicy"
) -> dict[str, frozenset[str] | None]:
    """What the roles carry that principals of the pool hold, and of which nothing is known without asking."""
    wanted: dict[str, None] = {}
    for scope in evidence.scopes:
        for binding in scope.bindings or ():
            ours = any("/workloadIdentityPools/" in member for member in binding.members)
            if ours and carries(binding.role, ACCESS_TOKEN) is None:
                wanted[binding.role] = None
    found: dict[str, frozenset[str] | None] = {}
    for role in list(wanted)[:_MOST_ROLES]:
        answer = _seen(partial(clients.get, role), retry_policy, [])
        if answer is MISSING:
            found[role] = frozenset()  # a role that was deleted grants nothing
        elif isinstance(answer, Mapping):
            found[role] = frozenset(answer.get("includedPermissions", []))
    return found


def _seen(read: Callable[[], dict[str, Any]], retry_policy: "RetryPolicy", disabled: list[str]) -> Document:
    """One reading: what may not be read is unseen; where nothing answers, or nobody is logged in, nothing can be said.

    Raises:
        UnavailableError: WIF602.
        InputError: WIF812.
    """
    import requests
    from google.api_core import exceptions
    from google.auth import exceptions as auth_exceptions

    from gcp_wif.provisioning.failures import explained
    from gcp_wif.provisioning.retry import is_transient

    try:
        return retry_policy.retry(read)
    except exceptions.NotFound:
        return MISSING
    except (exceptions.GoogleAPICallError, auth_exceptions.GoogleAuthError, requests.RequestException) as error:
        if not isinstance(error, exceptions.GoogleAPICallError) or is_transient(error):
            raise explained(error, "looking at what there is", permission="iam.…get", project="…") from None
        if "SERVICE_DISABLED" in str(error) or "has not been used in project" in str(error.message):
            disabled.append(from_outside(str(error.message))[:300])
        return None


def _policy_document(policy: Any) -> dict[str, Any]:
    return {
        "bindings": [
            {
                "role": binding.role,
                "members": list(binding.members),
                **(
                    {"condition": {"expression": binding.condition.expression}} if binding.HasField("condition") else {}
                ),
            }
            for binding in policy.bindings
        ]
    }
