"""A manifest from what exists: a pool and provider that somebody made by hand, and who may use them.

What is written names principals as they are in Google, and mapping and condition whole, so that a plan right after
finds nothing to do. What a manifest does not express is left out and said: it stays as it is.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from google.api_core import exceptions

from gcp_wif.errors import GcpWifError, RefusedError
from gcp_wif.issuers import FALLBACK, profile_of_url
from gcp_wif.manifest.writing import Draft, DraftIdentity
from gcp_wif.names import ProviderName, ServiceAccountEmail
from gcp_wif.provisioning.changes import account_resource, project_resource
from gcp_wif.provisioning.clients import Clients, Policy
from gcp_wif.provisioning.failures import explained
from gcp_wif.provisioning.observing import CONCURRENCY
from gcp_wif.provisioning.planning import IMPERSONATION_ROLE, grants_of
from gcp_wif.provisioning.retry import RetryPolicy

__all__ = ["import_existing"]


def import_existing(
    provider: ProviderName, projects: Iterable[str], origin: str, clients: Clients, retry_policy: RetryPolicy
) -> Draft:
    """Read the provider, and every account and project policy that names a principal of its pool.

    Args:
        provider: what to import.
        projects: IDs of the projects whose accounts and policies are read, besides the pool's own.
        origin: how the manifest is made, for its first line.
        clients: the admin's.
        retry_policy: bounds of each call.

    Raises:
        RefusedError: WIF829 where there is no such pool or provider, or a manifest cannot express it; WIF801 for a
            missing permission.
        UnavailableError: WIF602.
    """
    return _Adoption(provider, clients, retry_policy).draft(tuple(projects), origin)


class _Adoption:
    def __init__(self, provider: ProviderName, clients: Clients, retry_policy: RetryPolicy) -> None:
        self._name = provider
        self._clients = clients
        self._retry_policy = retry_policy
        self._notes: list[str] = []
        base = f"://iam.googleapis.com/{provider.pool}/"
        self._prefixes = (f"principal{base}", f"principalSet{base}")

    def draft(self, projects: tuple[str, ...], origin: str) -> Draft:
        number = self._name.project_number
        pool_project, _ = self._read(
            partial(self._clients.get_project, number), f"looking up the project {number}",
            "resourcemanager.projects.get", number,
        )  # fmt: skip
        pool = self._resource(str(self._name.pool), "iam.workloadIdentityPools.get")
        provider = self._resource(str(self._name), "iam.workloadIdentityPoolProviders.get")
        oidc = provider.get("oidc")
        if not oidc or oidc.get("jwksJson"):
            raise RefusedError(
                f"A manifest cannot express {self._name}: it is no OIDC provider, or has uploaded keys.", code="WIF829"
            )
        all_projects = tuple(dict.fromkeys([*projects, pool_project]))
        identities = self._identities(all_projects)
        if not identities:
            raise RefusedError(
                f"Nothing in {', '.join(all_projects)} may be used from this pool: no account, no role.",
                hint="Name the projects where its accounts are: --service-account EMAIL or --project-id ID.",
                code="WIF829",
            )
        return Draft(
            origin,
            _issuer(oidc),
            {"project_id": pool_project, "project_number": str(number), "id": str(self._name.pool_id)} | _names(pool),
            {"id": str(self._name.provider_id)}
            | _names(provider)
            | {"attribute_condition": provider.get("attributeCondition", "")},
            tuple(identities),
            provider.get("attributeMapping", {}),
            tuple(self._notes),
        )

    def _identities(self, projects: tuple[str, ...]) -> list[DraftIdentity]:
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="gcp-wif-read") as executor:
            policies = dict(zip(projects, executor.map(self._project_policy, projects), strict=True))
            listed = dict(zip(projects, executor.map(self._accounts, projects), strict=True))
            pairs = [(project, email) for project, emails in listed.items() for email in emails]
            read = executor.map(lambda pair: self._account_policy(*pair), pairs)
            accounts = dict(zip(pairs, read, strict=True))
        identities = []
        names: set[str] = set()
        for (project, email), policy in accounts.items():
            principals = self._principals(policy, email)
            if principals:
                held = [role for role, member in grants_of(policies[project]) if member == f"serviceAccount:{email}"]
                name = _free(email.partition("@")[0], names)
                identities.append(
                    DraftIdentity(name, email, project, roles=tuple(sorted(held)), principals=tuple(principals))
                )
        for project, policy in policies.items():
            identities += self._direct(project, policy, names)
        return identities

    def _principals(self, policy: Policy, email: str) -> list[str]:
        found = []
        for role, member in sorted(grants_of(policy)):
            if not member.startswith(self._prefixes):
                continue
            if role != IMPERSONATION_ROLE:
                self._notes.append(f"Not taken over: {role} on {email} for {member}.")
            elif member.endswith("/*"):
                self._notes.append(f"Not taken over: {email} for every identity of the pool, {member}. Far too wide.")
            else:
                found.append(self._tail(member))
        self._note_conditional(policy, email)
        return found

    def _direct(self, project: str, policy: Policy, names: set[str]) -> Iterable[DraftIdentity]:
        roles: dict[str, list[str]] = {}
        for role, member in sorted(grants_of(policy)):
            if member.startswith(self._prefixes) and not member.endswith("/*"):
                roles.setdefault(self._tail(member), []).append(role)
            elif member.startswith(self._prefixes):
                self._notes.append(f"Not taken over: {role} on {project} for every identity of the pool. Far too wide.")
        self._note_conditional(policy, project)
        groups: dict[tuple[str, ...], list[str]] = {}
        for tail, held in roles.items():
            groups.setdefault(tuple(held), []).append(tail)
        for held_roles, tails in groups.items():
            name = _free(f"direct-{project.rpartition(':')[2]}", names)
            yield DraftIdentity(name, None, project, roles=held_roles, principals=tuple(tails))

    def _note_conditional(self, policy: Policy, where: str) -> None:
        for binding in policy.bindings:
            if binding.HasField("condition") and any(each.startswith(self._prefixes) for each in binding.members):
                self._notes.append(f"Not taken over: a conditional binding of {binding.role} on {where}.")

    def _tail(self, member: str) -> str:
        return member.partition(f"/{self._name.pool}/")[2]

    # Reads

    def _resource(self, name: str, permission: str) -> Mapping[str, Any]:
        project = str(self._name.project_number)
        found: Mapping[str, Any] = self._read(partial(self._clients.get, name), f"reading {name}", permission, project)
        if found.get("state") == "DELETED":
            raise RefusedError(f"{name} is deleted.", hint="Undelete it first, or start anew.", code="WIF829")
        return found

    def _project_policy(self, project: str) -> Policy:
        read = partial(self._clients.get_policy, project_resource(project))
        doing = f"reading the policy of the project {project}"
        found: Policy = self._read(read, doing, "resourcemanager.projects.getIamPolicy", project)
        return found

    def _accounts(self, project: str) -> list[ServiceAccountEmail]:
        read = partial(self._clients.list_accounts, project)
        doing = f"listing the service accounts of {project}"
        found = self._read(read, doing, "iam.serviceAccounts.list", project)
        return [ServiceAccountEmail(each.email) for each in found]

    def _account_policy(self, project: str, email: str) -> Policy:
        read = partial(self._clients.get_policy, account_resource(email, project))
        found: Policy = self._read(read, f"reading the policy of {email}", "iam.serviceAccounts.getIamPolicy", project)
        return found

    def _read(self, read: Any, doing: str, permission: str, project: str) -> Any:
        try:
            return self._retry_policy.retry(read)
        except GcpWifError:
            raise
        except exceptions.NotFound as error:
            raise RefusedError(f"Not found, while {doing}: {error.message}", code="WIF829") from None
        except Exception as error:
            raise explained(error, doing, permission=permission, project=project) from None


def _issuer(oidc: Mapping[str, Any]) -> dict[str, object]:
    url, audiences = oidc.get("issuerUri", ""), tuple(oidc.get("allowedAudiences", []))
    known = profile_of_url(url)
    keys = known.keys_of_url(url) or {}
    if all(each.name in keys for each in known.keys if each.required) and not known.url_required:
        usual = known.issuer(keys, keys.get("url"), None).audiences
        made: dict[str, object] = {"kind": known.kind, **keys}
        return made if audiences == usual else made | {"audience": list(audiences)}
    return {"kind": FALLBACK, "url": url, "audience": list(audiences)}


def _names(document: Mapping[str, Any]) -> dict[str, object]:
    kept = {"display_name": "displayName", "description": "description", "disabled": "disabled"}
    return {name: document[field] for name, field in kept.items() if document.get(field)}


def _free(wanted: str, names: set[str]) -> str:
    name, count = wanted, 1
    while name in names:
        count += 1
        name = f"{wanted}-{count}"
    names.add(name)
    return name
