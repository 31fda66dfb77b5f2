"""A manifest from what exists: a pool and provider that somebody made by hand, and who may use them.

What is written names principals as they are in Google, and mapping and condition whole, so that a plan right after
finds nothing to do. What a manifest does not express is left out and said: it stays as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from google.api_core import exceptions

from gcp_wif.desired import account_resource, project_resource
from gcp_wif.errors import GcpWifError, RefusedError
from gcp_wif.federation import ProviderRules
from gcp_wif.issuers import FALLBACK, profile_of_url
from gcp_wif.manifest.writing import Draft, DraftIdentity
from gcp_wif.names import Principal, ProviderName, ServiceAccountEmail
from gcp_wif.provisioning.clients import Clients, Policy
from gcp_wif.provisioning.failures import explained
from gcp_wif.provisioning.observing import CONCURRENCY
from gcp_wif.provisioning.planning import grants_of
from gcp_wif.provisioning.retry import RetryPolicy
from gcp_wif.roles import IMPERSONATION_ROLE

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
    return _Import(provider, clients, retry_policy).draft(tuple(projects), origin)


class _Import:
    def __init__(self, provider: ProviderName, clients: Clients, retry_policy: RetryPolicy) -> None:
        self._name = provider
        self._clients = clients
        self._retry_policy = retry_policy
        self._notes: list[str] = []

    def draft(self, projects: tuple[str, ...], origin: str) -> Draft:
        number = self._name.project_number
        pool_project, _ = self._read(
            partial(self._clients.get_project, number), f"looking up the project {number}",
            "resourcemanager.projects.get", number,
        )  # fmt: skip
        pool = self._resource(str(self._name.pool), "iam.workloadIdentityPools.get")
        provider = self._resource(str(self._name), "iam.workloadIdentityPoolProviders.get")
        rules = ProviderRules.from_rest(self._name, provider)
        if not rules.issuer or rules.uploaded_keys:
            raise RefusedError(
                f"A manifest cannot express {self._name}: it is not an OIDC provider, or has uploaded keys.",
                code="WIF829",
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
            _issuer(rules),
            {"project_id": pool_project, "project_number": str(number), "id": str(self._name.pool_id)} | _names(pool),
            {"id": str(self._name.provider_id)}
            | _names(provider)
            | {"attribute_condition": rules.attribute_condition or ""},
            tuple(identities),
            rules.attribute_mapping,
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
                own = f"serviceAccount:{email}"
                held = [
                    each.role for each in grants_of(policies[project]) if (each.member, each.condition) == (own, None)
                ]
                name = _free(email.partition("@")[0], names)
                identities.append(
                    DraftIdentity(name, email, project, roles=tuple(sorted(held)), principals=tuple(principals))
                )
        for project, policy in policies.items():
            identities += self._direct(project, policy, names)
        return identities

    def _ours(self, policy: Policy, where: str) -> Iterator[tuple[str, Principal]]:
        """The roles of principals of the pool, those for everybody and under a condition aside, which are noted."""
        for role, member, condition in sorted(grants_of(policy), key=str):
            principal = Principal.of_pool(member, self._name.pool)
            if principal is None:
                continue
            if condition is not None:
                self._notes.append(f"Not taken over: a conditional binding of {role} on {where}.")
            elif principal.is_whole_pool:
                self._notes.append(f"Not taken over: {role} on {where} for every identity of the pool. Far too wide.")
            else:
                yield role, principal

    def _principals(self, policy: Policy, email: str) -> list[str]:
        found = []
        for role, principal in self._ours(policy, email):
            if role == IMPERSONATION_ROLE:
                found.append(principal.tail)
            else:
                self._notes.append(f"Not taken over: {role} on {email} for {principal}.")
        return found

    def _direct(self, project: str, policy: Policy, names: set[str]) -> Iterable[DraftIdentity]:
        roles: dict[str, list[str]] = {}
        for role, principal in self._ours(policy, project):
            roles.setdefault(principal.tail, []).append(role)
        groups: dict[tuple[str, ...], list[str]] = {}
        for tail, held in roles.items():
            groups.setdefault(tuple(held), []).append(tail)
        for held_roles, tails in groups.items():
            name = _free(f"direct-{project.rpartition(':')[2]}", names)
            yield DraftIdentity(name, None, project, roles=held_roles, principals=tuple(tails))

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


def _issuer(rules: ProviderRules) -> dict[str, object]:
    url, audiences = rules.issuer, rules.allowed_audiences
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
