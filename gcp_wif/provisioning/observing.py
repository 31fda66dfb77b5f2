"""Reading what is there: side by side, each call retried within bounds, none more than the plan needs.

For a manifest with N accounts in P projects these are at most 2 + 2N + P calls: the pool, its providers, each account
and its policy, each project's policy. Where the pool is missing the project is looked up instead of the providers.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from google.api_core import exceptions

from gcp_wif.desired import Desired, account_resource, project_resource
from gcp_wif.errors import GcpWifError, RefusedError
from gcp_wif.provisioning.changes import AccountState, Observed
from gcp_wif.provisioning.clients import Clients, Policy
from gcp_wif.provisioning.failures import explained
from gcp_wif.provisioning.retry import RetryPolicy

__all__ = ["CONCURRENCY", "observe"]

T = TypeVar("T")

CONCURRENCY = 24
"""Calls at a time: enough to hide a round trip of 20 ms, far below the quota of 600 reads a minute and 20 s."""


def observe(
    desired: Desired,
    clients: Clients,
    retry_policy: RetryPolicy,
    *,
    everywhere: bool = False,
    concurrency: int = CONCURRENCY,
) -> Observed:
    """Read all that the plan for ``desired`` depends on.

    Args:
        desired: from the manifest.
        clients: the admin's.
        retry_policy: bounds of each call.
        everywhere: for ``--prune`` and ``destroy``: also the policy of every other account in the manifest's projects,
            and of projects in which it grants nothing.
        concurrency: calls at a time.

    Raises:
        RefusedError: WIF801 for a missing permission, WIF822 where number and ID of the pool's project differ, and
            the codes of `gcp_wif.refusals`.
        UnavailableError: WIF602.
    """
    reader = _Reader(clients, retry_policy)
    with ThreadPoolExecutor(concurrency, thread_name_prefix="gcp-wif-read") as executor:
        try:
            return _observe(desired, reader, executor, everywhere=everywhere)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _observe(desired: Desired, reader: "_Reader", executor: ThreadPoolExecutor, *, everywhere: bool) -> Observed:
    project = desired.pool_project
    pool = executor.submit(reader.pool, f"projects/{project}/locations/global/workloadIdentityPools", desired)
    providers = executor.submit(reader.providers, desired)
    emails = [account.email for account in desired.accounts]
    accounts = {each.email: executor.submit(reader.account, each.email, each.project_id) for each in desired.accounts}
    policies = {
        each.resource: executor.submit(reader.account_policy, each.email, each.project_id) for each in desired.accounts
    }
    granted = desired.projects if everywhere else tuple(desired.project_grants)
    policies |= {project_resource(each): executor.submit(reader.project_policy, each) for each in granted}
    if everywhere:
        listed = {each: executor.submit(reader.accounts_of, each) for each in desired.projects}
        others = [(email, each) for each, found in listed.items() for email in found.result() if email not in emails]
        policies |= {
            account_resource(email, each): executor.submit(reader.account_policy, email, each) for email, each in others
        }
    known = list(providers.result())
    own = next((each for each in known if each["name"].endswith(f"/{desired.provider.provider_id}")), None)
    read = {resource: found.result() for resource, found in policies.items()}
    return Observed(
        pool.result(),
        own,
        tuple(each["name"].rpartition("/")[2] for each in known if each is not own and each.get("state") != "DELETED"),
        {email: found.result() for email, found in accounts.items()},
        {resource: policy for resource, policy in read.items() if policy is not None},
    )


class _Reader:
    """The reads, with what each failure means."""

    def __init__(self, clients: Clients, retry_policy: RetryPolicy) -> None:
        self._clients = clients
        self._retry_policy = retry_policy

    def pool(self, parent: str, desired: Desired) -> Mapping[str, Any] | None:
        """The pool, addressed by its project's ID: Google's answer holds the number, which is compared."""
        project = desired.pool_project
        read = partial(self._clients.get, f"{parent}/{desired.pool.pool_id}")
        found = self._read(read, f"reading the pool {desired.pool}", "iam.workloadIdentityPools.get", project)
        if found is not None:
            number = found["name"].split("/")[1]
        else:
            read_project = partial(self._clients.get_project, project)
            answer = self._read(
                read_project, f"looking up the project {project}", "resourcemanager.projects.get", project
            )
            number = answer[1] if answer else ""
        if number != desired.pool.project_number:
            raise RefusedError(
                f"The project {project} has the number {number or 'unknown'}, but the manifest says "
                f"{desired.pool.project_number}.",
                hint=f'Write project_number = "{number}" in [pool], or correct project_id.',
                code="WIF822",
            )
        return found

    def providers(self, desired: Desired) -> list[dict[str, Any]]:
        """The pool's providers; none where there is no pool."""

        def read() -> list[dict[str, Any]]:
            return list(self._clients.list_providers(str(desired.pool)))

        doing = f"listing the providers of {desired.pool}"
        return self._read(read, doing, "iam.workloadIdentityPoolProviders.list", desired.pool_project) or []

    def account(self, email: str, project: str | None) -> AccountState | None:
        """One account; ``None`` where it does not exist."""
        read = partial(self._clients.get_account, account_resource(email, project))
        found = self._read(read, f"reading the service account {email}", "iam.serviceAccounts.get", project)
        if found is None:
            return None
        fields = {"display_name": found.display_name, "description": found.description}
        return AccountState(found.disabled, fields)

    def accounts_of(self, project: str) -> list[str]:
        """The emails of a project's accounts."""
        read = partial(self._clients.list_accounts, project)
        doing = f"listing the service accounts of {project}"
        return [each.email for each in self._read(read, doing, "iam.serviceAccounts.list", project) or []]

    def account_policy(self, email: str, project: str | None) -> Policy | None:
        """An account's policy; ``None`` where the account does not exist."""
        read = partial(self._clients.get_policy, account_resource(email, project))
        return self._read(read, f"reading the policy of {email}", "iam.serviceAccounts.getIamPolicy", project)

    def project_policy(self, project: str) -> Policy | None:
        """A project's policy."""
        read = partial(self._clients.get_policy, project_resource(project))
        doing = f"reading the policy of the project {project}"
        found = self._read(read, doing, "resourcemanager.projects.getIamPolicy", project)
        if found is None:
            raise RefusedError(f"There is no project {project}.", hint="Correct project_id.", code="WIF823")
        return found

    def _read(self, read: Callable[[], T], doing: str, permission: str, project: str | None) -> T | None:
        try:
            return self._retry_policy.retry(read)
        except exceptions.NotFound:
            return None
        except GcpWifError:
            raise
        except Exception as error:
            raise explained(error, doing, permission=permission, project=project or "the account's project") from None
