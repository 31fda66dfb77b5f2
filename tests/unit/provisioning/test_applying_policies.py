"""Applying: accounts that are not visible yet, policies that others write too, and the words for a failure."""

import pytest
import requests
from admin_world import LEGACY, POOL, PROVIDER, USER, World, complete_world
from google.api_core import exceptions
from google.iam.v1 import policy_pb2

from gcp_wif.desired import Grant
from gcp_wif.errors import UnavailableError
from gcp_wif.provisioning import Observed, Plan, PolicyChange, ResourceChange, plan, wait_until_visible

BROKEN = requests.ConnectionError("connection reset")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def complete() -> World:
    return complete_world()


# Accounts that are not visible yet, policies that others write


def test_a_new_account_is_waited_for_until_three_reads_in_a_row_see_it(world: World) -> None:
    absent, hidden = exceptions.NotFound("Unknown service account"), exceptions.Forbidden("denied")
    world.google.unseen.extend([absent, hidden, absent])
    world.settled()
    assert len(world.google.made("get_account")) == 6
    again = World()
    again.google.plan("get_account", None, None, absent, None, BROKEN)
    again.settled()
    assert len(again.google.made("get_account")) == 8


def test_a_new_account_that_stays_invisible_is_a_failure_after_its_own_bound(world: World) -> None:
    world.retry_policy = world.clock.policy(visible=40.0)
    world.google.unseen.extend([exceptions.Forbidden("denied")] * 1000)
    assert world.failure().code == "WIF801"
    assert 20.0 < world.clock.time - 1002.0 <= 40.0  # after one poll each of pool and provider
    assert world.google.made("set_policy") == []


def test_another_failure_of_that_reading_stands(world: World) -> None:
    world.google.plan("get_account", exceptions.BadRequest("no"))
    assert world.failure().code == "WIF800"
    assert world.google.made("get_account") == ["deploy@acme-prod.iam.gserviceaccount.com"]


CONCURRENT = [exceptions.Aborted("There were concurrent policy changes."), exceptions.Conflict("etag mismatch")]


@pytest.mark.parametrize("error", CONCURRENT, ids=lambda error: type(error).__name__)
def test_a_policy_that_somebody_else_writes_is_read_again(complete: World, error: Exception) -> None:
    del complete.google.policies[LEGACY].bindings[:]
    complete.google.plan("set_policy", error)
    complete.settled()
    assert complete.google.made("get_policy") == ["legacy@acme-prod.iam.gserviceaccount.com"]
    assert complete.told("waits") == [LEGACY]


def test_what_somebody_else_granted_meanwhile_stays(complete: World) -> None:
    del complete.google.policies[LEGACY].bindings[:]
    observed = complete.observed()

    def other() -> None:
        theirs = policy_pb2.Policy(etag=complete.google.policies[LEGACY].etag)
        theirs.bindings.add(role="roles/x", members=["user:a@example.com"])
        complete.google.policies[LEGACY] = theirs
        complete.google.touch(LEGACY)

    complete.google.plan("set_policy", other)
    assert complete.apply(observed=observed).failed == []
    assert complete.google.members(LEGACY, "roles/x") == {"user:a@example.com"}
    assert len(complete.google.members(LEGACY, USER)) == 1


def test_a_grant_that_somebody_else_made_meanwhile_is_not_written_again(complete: World) -> None:
    wanted = policy_pb2.Policy()
    wanted.CopyFrom(complete.google.policies[LEGACY])
    del complete.google.policies[LEGACY].bindings[:]
    found = plan(complete.desired, complete.observed())
    complete.google.policies[LEGACY] = wanted
    without = Observed(policies={})
    assert complete.apply(found, without).failed == []
    assert complete.google.made("set_policy") == []
    assert complete.google.made("get_policy") == ["legacy@acme-prod.iam.gserviceaccount.com"]


UNSEEN = [
    exceptions.BadRequest("Service account deploy@acme-prod.iam.gserviceaccount.com does not exist."),
    exceptions.NotFound("Unknown service account"),
    exceptions.Forbidden("Permission iam.serviceAccounts.setIamPolicy denied"),
]


@pytest.mark.parametrize("error", UNSEEN, ids=lambda error: type(error).__name__)
def test_a_policy_may_not_know_yet_what_this_run_made(world: World, error: Exception) -> None:
    world.google.plan("set_policy", error)
    world.settled()
    assert len(world.told("waits")) == 1


@pytest.mark.parametrize("error", UNSEEN, ids=lambda error: type(error).__name__)
def test_where_this_run_made_nothing_the_same_is_a_failure_at_once(complete: World, error: Exception) -> None:
    del complete.google.policies[LEGACY].bindings[:]
    complete.google.plan("set_policy", error)
    assert complete.failure().exit_code == 1
    assert complete.clock.slept == []


def test_an_undeleted_pool_is_made_by_this_run_too(complete: World) -> None:
    complete.google.resources[POOL]["state"] = "DELETED"
    del complete.google.policies[LEGACY].bindings[:]
    complete.google.plan("set_policy", exceptions.BadRequest("Principal does not exist"))
    complete.settled()


@pytest.mark.parametrize("error", [exceptions.BadRequest("invalid role"), exceptions.AlreadyExists("already exists")])
def test_another_refusal_of_a_policy_stands(world: World, error: Exception) -> None:
    world.google.plan("set_policy", *[error] * 10)
    outcome = world.apply()
    assert [each.code for _, each in outcome.failed] == ["WIF800"] * 4
    assert world.told("waits") == []


# Waiting for what was written


def test_what_was_written_is_seen_three_times_in_a_row(world: World) -> None:
    found = plan(world.desired, world.observed())
    world.settled()
    world.google.calls.clear()
    wait_until_visible(found, world.google, world.retry_policy)
    assert len(world.google.calls) == 3 * 4
    assert {method for method, _ in world.google.calls} == {"get_policy"}


def test_a_server_that_does_not_show_it_starts_the_count_again(complete: World) -> None:
    (binding,) = complete.google.policies[LEGACY].bindings
    granted = PolicyChange(LEGACY, (Grant(USER, binding.members[0]),))
    shown = complete.google.policies[granted.resource]
    stale = policy_pb2.Policy(etag=b"0")

    def show(policy: policy_pb2.Policy) -> None:
        complete.google.policies[granted.resource] = policy

    steps = [None, None, lambda: show(stale), lambda: show(shown), BROKEN, None, None]
    complete.google.plan("get_policy", *steps)
    wait_until_visible(Plan((granted,)), complete.google, complete.retry_policy)
    assert len(complete.google.calls) == 7
    assert complete.clock.slept == [1.0, 1.0]  # for the stale one, and for the answer that broke


def test_what_is_never_shown_is_an_error_after_the_bound(world: World) -> None:
    found = Plan((PolicyChange(LEGACY, (Grant(USER, "user:a@example.com"),)),))
    with pytest.raises(UnavailableError) as caught:
        wait_until_visible(found, world.google, world.clock.policy(bound=10.0))
    assert caught.value.code == "WIF828"
    assert caught.value.message == f"{LEGACY} does not show what was written."
    assert (caught.value.hint or "").startswith("Somebody else may have")
    assert "gcp-wif plan" in (caught.value.hint or "")
    assert world.clock.slept == [1.0] * 10


# The words for a failure

ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("change", "method", "doing", "permission", "project"),
    [
        (ResourceChange("pool", POOL, "create"), "create_pool", f"creating the pool {POOL}",
         "iam.workloadIdentityPools.create", "acme-identity"),
        (ResourceChange("pool", POOL, "undelete"), "undelete", f"undeleting the pool {POOL}",
         "iam.workloadIdentityPools.undelete", "acme-identity"),
        (ResourceChange("provider", PROVIDER, "update"), "patch", f"updating the provider {PROVIDER}",
         "iam.workloadIdentityPoolProviders.update", "acme-identity"),
        (ResourceChange("provider", PROVIDER, "delete"), "delete", f"deleting the provider {PROVIDER}",
         "iam.workloadIdentityPoolProviders.delete", "acme-identity"),
        (ResourceChange("account", ACCOUNT, "create"), "create_account", f"creating the account {ACCOUNT}",
         "iam.serviceAccounts.create", "acme-prod"),
        (ResourceChange("account", ACCOUNT, "delete"), "delete_account", f"deleting the account {ACCOUNT}",
         "iam.serviceAccounts.delete", "acme-prod"),
        (PolicyChange(LEGACY), "get_policy", "writing the policy of legacy@acme-prod.iam.gserviceaccount.com",
         "iam.serviceAccounts.setIamPolicy", "acme-prod"),
        (PolicyChange("projects/acme-staging"), "get_policy", "writing the policy of projects/acme-staging",
         "resourcemanager.projects.setIamPolicy", "acme-staging"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." not in value else "",
)  # fmt: skip
def test_a_denial_names_what_was_done_the_permission_and_the_project(
    complete: World, change: ResourceChange | PolicyChange, method: str, doing: str, permission: str, project: str
) -> None:
    google = complete.google
    if isinstance(change, ResourceChange) and change.action == "create":
        google.resources.clear()
        google.accounts.clear()
    if isinstance(change, ResourceChange) and change.action == "undelete":
        google.resources[POOL]["state"] = "DELETED"
    if isinstance(change, ResourceChange) and change.action == "update":
        google.resources[PROVIDER]["disabled"] = True
    google.plan(method, exceptions.Forbidden("no"))
    observed = Observed() if isinstance(change, PolicyChange) else None
    ((_, error),) = complete.apply(Plan((change,)), observed).failed
    assert error.code == "WIF801"
    assert error.message == f"The permission {permission} is missing on project {project}, while {doing}: no"
