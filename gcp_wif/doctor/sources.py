"""Seeing what there is: Google with the admin's credentials, saved answers of gcloud, or what a manifest would make."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcp_wif import secrets
from gcp_wif.desired import account_resource, project_resource
from gcp_wif.desired import from_manifest as from_desired
from gcp_wif.doctor.evidence import MISSING, Binding, Document, Evidence
from gcp_wif.errors import InputError, from_outside
from gcp_wif.files import read_bounded
from gcp_wif.manifest import Manifest
from gcp_wif.names import ProviderName, ServiceAccountEmail
from gcp_wif.roles import IMPERSONATION_ROLE

if TYPE_CHECKING:
    from gcp_wif.provisioning import Clients, RetryPolicy

__all__ = ["from_files", "from_google", "from_manifest", "json_file", "policy_of"]

_MAX_BYTES = 5_000_000
_POOL_NAME = re.compile(r"projects/[^/]+/locations/global/workloadIdentityPools/[^/]+")


def json_file(path: Path, origin: str, *, limit: int = _MAX_BYTES) -> dict[str, Any]:
    """A JSON object in a file of at most ``limit`` bytes, such as what ``gcloud … --format=json`` printed.

    Raises:
        InputError: WIF306 missing, WIF307 too large, WIF917 no JSON object.
    """
    try:
        found = json.loads(read_bounded(path, limit, origin=origin))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{origin}: {path} holds no JSON object.", hint="Save it with --format=json.", code="WIF917")
    secrets.remember_in(found)
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
            raise InputError(
                f"{origin} is not an IAM policy.", hint="Save get-iam-policy --format=json.", code="WIF917"
            )
        made.append(Binding(str(each.get("role", "")), tuple(members), bool(each.get("condition"))))
    return tuple(made)


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
        project_policy=tuple(Binding(role, members) for role in roles) if roles is not None else None,
    )


def _shown_names(fields: Mapping[str, str]) -> dict[str, str]:
    """The names of an account as the REST resource has them."""
    return {{"display_name": "displayName"}.get(name, name): text for name, text in fields.items()}


def from_files(evidence: Evidence, files: Mapping[str, Path]) -> Evidence:
    """What gcloud printed into ``provider``, ``pool``, ``account``, ``policy`` and ``project_policy``.

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
    for name in ("policy", "project_policy"):
        if name in files:
            origin = f"--{name.replace('_', '-')}-file"
            changes[name] = policy_of(json_file(files[name], origin), origin)
    return replace(evidence, **{"deployed": True, **changes})


def _nothing_planned() -> dict[str, Any]:
    """Every state unseen."""
    states = ("pool_state", "provider_state", "account_state", "policy", "project_policy")
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
            changes["other_providers"] = tuple(
                each["name"].rpartition("/")[2]
                for each in listed["found"]
                if not each["name"].endswith(f"/{name.provider_id}") and each.get("state") != "DELETED"
            )
    if evidence.account is not None:
        email = ServiceAccountEmail(evidence.account)
        resource = account_resource(email, email.project_id)

        def account() -> dict[str, Any]:
            found = clients.get_account(resource)
            names = {"displayName": found.display_name, "description": found.description}
            return {"email": found.email, "disabled": found.disabled, **names}

        changes["account_state"] = _seen(account, retry_policy, disabled)
        policy = _seen(lambda: _policy_document(clients.get_policy(resource)), retry_policy, disabled)
        changes["policy"] = policy_of(policy, resource) if isinstance(policy, Mapping) else None
    granted = evidence.desired.project_grants if evidence.desired else {}
    if evidence.project is not None and (evidence.direct or evidence.project in granted):
        project = project_resource(evidence.project)
        found = _seen(lambda: _policy_document(clients.get_policy(project)), retry_policy, disabled)
        changes["project_policy"] = policy_of(found, project) if isinstance(found, Mapping) else None
    if disabled:
        changes["disabled_api"] = disabled[0]
    return replace(evidence, **changes)


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
                "condition": binding.condition.expression if binding.HasField("condition") else None,
            }
            for binding in policy.bindings
        ]
    }
