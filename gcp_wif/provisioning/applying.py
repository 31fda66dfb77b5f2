"""Carrying out a plan, so that whatever breaks, the next try converges.

Each resource is brought to its wanted state by one loop: read, decide, change, wait, until nothing is left to decide
or the time is up. An answer that got lost, a change that somebody else made first, and an operation that failed are
then all the same: the next round reads what is there. The plan's own reading serves the first round.

Order: pool, provider, accounts, policies. A policy names principals and accounts, which have to exist; and the
provider's condition stands before anything is granted through it.
"""

import contextlib
import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from google.api_core import exceptions

from gcp_wif.desired import Desired, DesiredAccount
from gcp_wif.errors import GcpWifError, UnavailableError
from gcp_wif.provisioning.changes import AccountState, Change, Observed, Plan, PolicyChange, ResourceChange
from gcp_wif.provisioning.failures import explained
from gcp_wif.provisioning.interface import AccountDocument, AdminApi
from gcp_wif.provisioning.planning import account_change, changed_policy, request_body, resource_change
from gcp_wif.provisioning.retry import RetryPolicy, is_concurrent_change, is_transient

__all__ = ["Outcome", "apply", "wait_until_visible"]

_CONCURRENCY = 8
_READS_IN_A_ROW = 3
"""How many reads must see a new account before it counts as visible, as peers do (it says 403 or 404 at first)."""

T = TypeVar("T")
Say = Callable[[str, Change], None]


@dataclass
class Outcome:
    """What became of a plan.

    Attributes:
        done: changes that were made, in the order in which they ended.
        failed: those that were not, with the reason.
        interrupted: whether somebody stopped it.
    """

    done: list[Change] = field(default_factory=list)
    failed: list[tuple[Change, GcpWifError]] = field(default_factory=list)
    interrupted: bool = False

    def open(self, plan: Plan) -> list[Change]:
        """The plan's changes that were neither made nor tried to the end."""
        ended = [*self.done, *(change for change, _ in self.failed)]
        return [change for change in plan.changes if change not in ended]


def apply(
    plan: Plan, desired: Desired, observed: Observed, clients: AdminApi, retry_policy: RetryPolicy, say: Say
) -> Outcome:
    """Make the changes of ``plan``; stages follow one another, changes within one run side by side.

    A failure ends the run after the changes that are under way; nothing is rolled back.

    Args:
        plan: made from ``desired`` and ``observed``.
        desired: from the manifest.
        observed: what the plan was made from.
        clients: the admin's.
        retry_policy: bounds of waiting.
        say: told ``start``, ``done``, ``failed`` or why it ``waits`` for each change.
    """
    run = _Run(plan, desired, observed, clients, retry_policy, say)
    outcome = Outcome()
    for _, changes in itertools.groupby(sorted(plan.changes, key=_stage), _stage):
        if not (outcome.failed or outcome.interrupted):
            _stage_run(list(changes), run, outcome)
    return outcome


_ORDER = (
    "revoke",
    "delete provider",
    "delete pool",
    "delete account",
    "make pool",
    "make provider",
    "make account",
    "grant",
)


def _stage(change: Change) -> int:
    if isinstance(change, PolicyChange):
        return _ORDER.index("grant" if change.grant else "revoke")
    return _ORDER.index(f"{'delete' if change.action == 'delete' else 'make'} {change.kind}")


def _stage_run(changes: list[Change], run: "_Run", outcome: Outcome) -> None:
    futures: list[Future[None]] = []
    with ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="gcp-wif-write") as executor:
        try:
            futures.extend(executor.submit(run.make, change, outcome) for change in changes)
            wait(futures)
        except KeyboardInterrupt:  # may come while a thread is being started, too
            outcome.interrupted = True
            run.stopped = True  # what has not begun does not begin; what is under way ends before the pool closes
    for future in futures:
        future.result()  # a defect of ours, if anything


class _Stopped(Exception):  # noqa: N818 - somebody's wish, not an error
    pass


class _Run:
    """One run: its plan, and what it made itself, which Google's servers may take a while to see."""

    def __init__(
        self, plan: Plan, desired: Desired, observed: Observed, clients: AdminApi, retry_policy: RetryPolicy, say: Say
    ) -> None:
        self._desired = desired
        self._observed = observed
        self._clients = clients
        self._retry_policy = retry_policy
        self._say = say
        self.stopped = False
        self._made = {
            change.name
            for change in plan.changes
            if isinstance(change, ResourceChange) and change.action in ("create", "undelete")
        }

    def make(self, change: Change, outcome: Outcome) -> None:
        """Make one change and note in ``outcome`` what became of it."""
        try:
            self._check_stopped()
            self._say("start", change)
            self._make(change)
        except _Stopped:
            pass  # it stays open
        except GcpWifError as error:
            self._note_failure(change, error, outcome)
        except Exception as error:
            doing, permission, project = self._words(change)
            known = explained(error, doing, permission=permission, project=project)
            self._note_failure(change, known, outcome)
        else:
            outcome.done.append(change)
            self._say("done", change)

    def _note_failure(self, change: Change, error: GcpWifError, outcome: Outcome) -> None:
        outcome.failed.append((change, error))
        self._say("failed", change)

    def _make(self, change: Change) -> None:
        if isinstance(change, PolicyChange):
            self._policy(change)
        elif change.action == "delete":
            self._delete(change)
        elif change.kind == "account":
            self._account(change)
        else:
            self._resource(change)

    # Pools and providers

    def _resource(self, change: ResourceChange) -> None:
        kind: Literal["pool", "provider"] = "pool" if change.kind == "pool" else "provider"
        pool = kind == "pool"
        wanted = self._desired.pool_fields if pool else self._desired.provider_fields
        first: list[Any] = [self._observed.pool if pool else self._observed.provider]

        def converge() -> None:
            present = first.pop() if first else self._get(change.name)
            need = resource_change(kind, change.name, wanted, present)
            while need is not None:
                self._wait_for(self._start(need), change)
                # An undeleted resource comes back as it was, so its fields are compared again.
                present = self._get(change.name) if need.action == "undelete" else None
                need = resource_change(kind, change.name, wanted, present) if present is not None else None

        def transient(error: Exception) -> bool:
            fresh = not pool and str(self._desired.pool) in self._made and isinstance(error, exceptions.NotFound)
            return is_transient(error) or isinstance(error, exceptions.Conflict) or fresh

        self._retry(converge, transient, change)

    def _start(self, need: ResourceChange) -> dict[str, Any]:
        body = request_body((each.field, each.after) for each in need.fields)
        if need.action == "undelete":
            return self._clients.undelete(need.name)
        if need.action == "update":
            return self._clients.patch(need.name, body, tuple(each.field for each in need.fields))
        if need.kind == "pool":
            return self._clients.create_pool(self._desired.pool, body)
        return self._clients.create_provider(self._desired.provider, body)

    def _delete(self, change: ResourceChange) -> None:
        def converge() -> None:
            if change.kind == "account":
                with contextlib.suppress(exceptions.NotFound):
                    self._clients.delete_account(self._account_of(change.name).resource)
                return
            present = self._get(change.name)
            if present is not None and present.get("state") != "DELETED":
                self._wait_for(self._clients.delete(change.name), change)

        self._retry(converge, is_transient, change)

    def _get(self, name: str) -> dict[str, Any] | None:
        try:
            return self._clients.get(name)
        except exceptions.NotFound:
            return None

    def _wait_for(self, operation: dict[str, Any], change: Change) -> None:
        """Poll until it is done.

        Raises:
            GoogleAPICallError: it ended in an error.
            UnavailableError: WIF830, it does not end.
        """
        deadline = self._retry_policy.deadline(self._retry_policy.operation)
        while not operation.get("done"):
            if not self._retry_policy.pause(deadline):
                raise UnavailableError(
                    f"The operation {operation['name']} did not end within {self._retry_policy.operation:g} seconds.",
                    hint="Run the same command again later: it reads what is there and goes on from it.",
                    code="WIF830",
                )
            operation = self._retry(partial(self._clients.get, operation["name"]), is_transient, change)
        error = operation.get("error")
        if error:
            raise exceptions.from_grpc_status(
                int(error.get("code", 2)), str(error.get("message") or "no reason was given")
            )

    # Accounts

    def _account(self, change: ResourceChange) -> None:
        wanted = self._account_of(change.name)
        first = [self._observed.accounts.get(wanted.email)]

        def converge() -> None:
            need = account_change(wanted, first.pop() if first else self._account_state(wanted))
            if need is not None and need.action == "create":
                # One that exists is an earlier try's, whose answer got lost, or somebody else's.
                with contextlib.suppress(exceptions.AlreadyExists):
                    self._create_account(wanted)
                need = account_change(wanted, self._visible_account(wanted, change))
            if need is not None:
                self._clients.patch_account(wanted.resource, {each.field: each.after for each in need.fields})

        self._retry(converge, is_transient, change)

    def _account_of(self, email: str) -> DesiredAccount:
        return next(each for each in self._desired.accounts if each.email == email)

    def _create_account(self, wanted: DesiredAccount) -> None:
        fields = wanted.fields
        self._clients.create_account(
            str(wanted.project_id),
            wanted.email.account_id,
            fields.get("display_name", ""),
            fields.get("description", ""),
        )

    def _account_state(self, wanted: DesiredAccount) -> AccountState | None:
        try:
            return _state_of(self._clients.get_account(wanted.resource))
        except exceptions.NotFound:
            return None

    def _visible_account(self, wanted: DesiredAccount, change: Change) -> AccountState:
        """The account, once three reads in a row have seen it."""

        def read() -> AccountState:
            return [_state_of(self._clients.get_account(wanted.resource)) for _ in range(_READS_IN_A_ROW)][-1]

        def transient(error: Exception) -> bool:
            return is_transient(error) or _is_unseen(error)

        return self._retry(read, transient, change, bound=self._retry_policy.visible)

    # Policies

    def _policy(self, change: PolicyChange) -> None:
        first = [self._observed.policies.get(change.resource)]
        fresh = bool(self._made)

        def write() -> None:
            present = first.pop() if first else None
            wanted = changed_policy(present or self._clients.get_policy(change.resource), change)
            if wanted is not None:
                self._clients.set_policy(change.resource, wanted)

        def transient(error: Exception) -> bool:
            return is_transient(error) or is_concurrent_change(error) or (fresh and _is_unseen(error))

        self._retry(write, transient, change)

    # In common

    def _retry(
        self,
        action: Callable[[], T],
        transient: Callable[[Exception], bool],
        change: Change,
        *,
        bound: float | None = None,
    ) -> T:
        def attempt() -> T:
            self._check_stopped()
            return action()

        return self._retry_policy.retry(attempt, transient, bound=bound, on_retry=lambda _: self._say("waits", change))

    def _check_stopped(self) -> None:
        if self.stopped:
            raise _Stopped

    def _words(self, change: Change) -> tuple[str, str, str]:
        """What is done, the permission that it needs, and the project where."""
        if isinstance(change, PolicyChange):
            project, _, email = change.resource.removeprefix("projects/").partition("/serviceAccounts/")
            if email:
                return f"writing the policy of {email}", "iam.serviceAccounts.setIamPolicy", project
            project_id = change.resource.removeprefix("projects/")
            return f"writing the policy of {change.resource}", "resourcemanager.projects.setIamPolicy", project_id
        verbs = {"create": "creating", "undelete": "undeleting", "update": "updating", "delete": "deleting"}
        permission = {
            "pool": "iam.workloadIdentityPools",
            "provider": "iam.workloadIdentityPoolProviders",
            "account": "iam.serviceAccounts",
        }[change.kind]
        owner = next((each.project_id for each in self._desired.accounts if each.email == change.name), None)
        return (
            f"{verbs[change.action]} the {change.kind} {change.name}",
            f"{permission}.{change.action}",
            str(owner or self._desired.pool_project),
        )


def wait_until_visible(plan: Plan, clients: AdminApi, retry_policy: RetryPolicy) -> None:
    """Wait until three reads in a row show every grant of ``plan``.

    Raises:
        UnavailableError: WIF828, they do not within the bound.
    """
    deadline = retry_policy.deadline(retry_policy.bound)
    for change in plan.changes:
        seen = 0
        while isinstance(change, PolicyChange) and seen < _READS_IN_A_ROW:
            policy = retry_policy.retry(partial(clients.get_policy, change.resource))
            if changed_policy(policy, change) is None:
                seen += 1
            elif retry_policy.pause(deadline):
                seen = 0
            else:
                raise UnavailableError(
                    f"{change.resource} does not show what was written.",
                    hint="Somebody else may have changed it meanwhile: `gcp-wif plan` shows what it lacks.",
                    code="WIF828",
                )


def _state_of(account: AccountDocument) -> AccountState:
    return AccountState(account.disabled, {"display_name": account.display_name, "description": account.description})


def _is_unseen(error: Exception) -> bool:
    """Whether something that was just made is not known everywhere yet: 403, 404, or a policy's unknown member."""
    if isinstance(error, exceptions.Forbidden | exceptions.NotFound):
        return True
    return isinstance(error, exceptions.BadRequest) and "does not exist" in str(error)
