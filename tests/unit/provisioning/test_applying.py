"""Carrying out a plan, against Google in memory: what is done in which order, and what each failure leads to."""

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from admin_world import DEPLOY, LEGACY, POOL, PROJECTS, PROVIDER, USER, World, complete_world, name_of
from fake_google import Account, Lost
from google.api_core import exceptions
from google.iam.v1 import policy_pb2

from gcp_wif.desired import Grant
from gcp_wif.provisioning import Change, Plan, PolicyChange, ResourceChange, RetryPolicy, plan, plan_destroy


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def complete() -> World:
    return complete_world()


# What is done, and in which order


def test_everything_is_made_and_each_change_is_told_once(world: World) -> None:
    found = plan(world.desired, world.observed())
    outcome = world.settled()
    assert sorted(map(name_of, outcome.done)) == sorted(map(name_of, found.changes))
    assert outcome.open(found) == []
    assert not outcome.interrupted
    assert sorted(world.told("start")) == sorted(world.told("done")) == sorted(map(name_of, found.changes))
    assert {event for event, _ in world.events} == {"start", "done"}
    assert world.google.accounts[DEPLOY] == Account("Deploy", "")
    assert world.google.made("patch_account") == []
    assert world.google.made("create_account") == ["deploy@acme-prod.iam.gserviceaccount.com"]
    assert world.google.members("projects/acme-prod", "roles/run.viewer") == {
        "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"
    }
    assert len(world.google.members(DEPLOY, USER)) == 2


def test_pool_then_provider_then_account_then_policies(world: World) -> None:
    """A policy names principals and accounts, which Google refuses where they are unknown."""
    world.settled()
    order = [name_of(change) for event, change in world.events if event == "done"]
    assert order[:3] == [POOL, PROVIDER, "deploy@acme-prod.iam.gserviceaccount.com"]
    assert set(order[3:]) == {DEPLOY, LEGACY, *PROJECTS}


def test_destroying_revokes_first_and_deletes_from_the_inside_out(complete: World) -> None:
    found = plan_destroy(complete.desired, complete.observed(), accounts=True)
    outcome = complete.apply(found)
    order = [name_of(change) for change in outcome.done]
    assert set(order[:4]) == {DEPLOY, LEGACY, *PROJECTS}
    assert order[4:] == [PROVIDER, POOL, "deploy@acme-prod.iam.gserviceaccount.com"]
    assert [complete.google.resources[name]["state"] for name in (PROVIDER, POOL)] == ["DELETED", "DELETED"]
    assert set(complete.google.accounts) == {LEGACY}
    assert complete.google.made("get") == ["circleci-acme", "circleci"]  # an account is deleted without being read


def test_a_policy_that_grants_and_revokes_waits_for_what_it_names(world: World) -> None:
    """Only a policy that revokes alone comes before the pool: a grant needs its principals."""
    world.google.policies["projects/acme-prod"].bindings.add(role="roles/x", members=["user:a@example.com"])
    added, removed = Grant("roles/y", "user:b@example.com"), Grant("roles/x", "user:a@example.com")
    both = PolicyChange("projects/acme-prod", (added,), (removed,))
    revoking = PolicyChange("projects/acme-staging", revoke=(removed,))
    pool = ResourceChange("pool", POOL, "create")
    outcome = world.apply(Plan((both, pool, revoking)))
    assert [name_of(change) for change in outcome.done] == ["projects/acme-staging", POOL, "projects/acme-prod"]


def test_changes_of_one_stage_run_side_by_side_eight_at_a_time(world: World) -> None:
    names = [f"projects/p{number}" for number in range(12)]
    world.google.policies |= {name: policy_pb2.Policy(etag=b"0") for name in names}
    eight, lock, running, peak = threading.Barrier(8, timeout=5), threading.Lock(), set[int](), 0

    def step() -> None:
        nonlocal peak
        with lock:
            running.add(threading.get_ident())
            peak = max(peak, len(running))
        time.sleep(0.02)  # whoever else may run has time to begin

    first: list[Any] = [lambda: (step(), eight.wait())] * 8
    world.google.plan("set_policy", *first, *[step] * 4)
    outcome = world.apply(Plan(tuple(PolicyChange(name, (Grant("roles/x", "user:a@b.c"),)) for name in names)))
    assert len(outcome.done) == 12
    assert peak == 8


def test_the_plans_own_reading_serves_the_first_round(complete: World) -> None:
    """Nothing is read again before it is written: a plan of N changes costs N writes."""
    complete.google.resources[POOL]["disabled"] = True
    complete.google.resources[PROVIDER]["attributeCondition"] = "true"
    complete.google.accounts[DEPLOY].display_name = "other"
    del complete.google.policies[LEGACY].bindings[:]
    complete.settled()
    assert [call for call in complete.google.calls if call[0] != "poll"] == [
        ("patch", "circleci"),
        ("patch", "circleci-acme"),
        ("patch_account", "deploy@acme-prod.iam.gserviceaccount.com"),
        ("set_policy", "legacy@acme-prod.iam.gserviceaccount.com"),
    ]


def test_an_update_names_its_fields_alone(complete: World) -> None:
    complete.google.resources[PROVIDER]["oidc"]["issuerUri"] = "https://other.example"
    complete.google.resources[PROVIDER]["displayName"] = "somebody's"
    complete.settled()
    ((body, mask),) = complete.google.patches
    assert mask == ("oidc.issuerUri",)
    assert body == {"oidc": {"issuerUri": complete.desired.provider_fields["oidc.issuerUri"]}}
    assert complete.google.resources[PROVIDER]["displayName"] == "somebody's"
    complete.google.accounts[DEPLOY] = Account("other", "kept")
    complete.settled()
    assert complete.google.accounts[DEPLOY] == Account("Deploy", "kept")


def test_an_account_gets_the_names_that_the_manifest_gives(world: World) -> None:
    deploy, legacy = world.desired.accounts
    world.desired = replace(world.desired, accounts=(replace(deploy, fields={"description": "what for"}), legacy))
    world.settled()
    assert world.google.accounts[DEPLOY] == Account("", "what for")
    assert world.google.made("patch_account") == []


# Undeleting


@pytest.mark.parametrize("name", [POOL, PROVIDER])
def test_what_is_deleted_is_undeleted_and_then_patched(complete: World, name: str) -> None:
    """It comes back as it was, also with what somebody changed before the deletion."""
    complete.google.resources[name] |= {"state": "DELETED", "disabled": True}
    complete.settled()
    assert complete.google.resources[name]["state"] == "ACTIVE"
    writes = [method for method, _ in complete.google.calls if method not in ("get", "poll")]
    assert writes == ["undelete", "patch"]


def test_what_is_undeleted_as_wanted_is_not_patched(complete: World) -> None:
    complete.google.resources[POOL]["state"] = "DELETED"
    complete.settled()
    assert complete.google.made("patch") == []
    assert complete.google.made("undelete") == ["circleci"]


def test_what_is_purged_during_its_undeletion_is_left_to_the_next_round(complete: World) -> None:
    complete.google.resources[POOL]["state"] = "DELETED"
    complete.google.plan("get", lambda: complete.google.resources.pop(POOL))
    outcome = complete.apply()
    assert outcome.failed == []
    assert plan(complete.desired, complete.observed())


# Answers that got lost, and what somebody else did first

BROKEN = requests.ConnectionError("connection reset")


@pytest.mark.parametrize("error", [BROKEN, exceptions.ServiceUnavailable("try later"), exceptions.TooManyRequests("x")])
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("method", ["create_pool", "create_provider", "create_account", "set_policy", "poll"])
def test_a_failure_that_passes_is_tried_again_from_what_is_there(
    world: World, method: str, lost: bool, error: Exception
) -> None:
    world.google.plan(method, Lost(error) if lost else error)
    world.settled()
    if method != "poll":
        assert len(world.told("waits")) == 1
    assert world.clock.slept.count(1.0) >= 1


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("method", ["patch", "undelete", "patch_account"])
def test_so_is_one_of_an_update(complete: World, method: str, lost: bool) -> None:
    complete.google.resources[POOL]["disabled"] = method == "patch"
    complete.google.resources[POOL]["state"] = "DELETED" if method == "undelete" else "ACTIVE"
    complete.google.accounts[DEPLOY].display_name = "other"
    complete.google.plan(method, Lost(BROKEN) if lost else BROKEN)
    complete.settled()
    assert complete.google.made("create_account") == []  # the account was read again, and found
    assert complete.told("waits") == [POOL if method != "patch_account" else "deploy@acme-prod.iam.gserviceaccount.com"]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("method", ["delete", "delete_account"])
def test_so_is_one_of_a_deletion(complete: World, method: str, lost: bool) -> None:
    complete.google.plan(method, Lost(BROKEN) if lost else BROKEN)
    outcome = complete.apply(plan_destroy(complete.desired, complete.observed(), accounts=True))
    assert outcome.failed == []
    assert len(complete.told("waits")) == 1
    assert set(complete.google.accounts) == {LEGACY}
    assert complete.google.resources[PROVIDER]["state"] == complete.google.resources[POOL]["state"] == "DELETED"


@pytest.mark.parametrize("kind", ["pool", "provider"])
def test_what_somebody_else_made_first_is_brought_to_what_is_wanted(world: World, kind: str) -> None:
    name = POOL if kind == "pool" else PROVIDER

    def first() -> None:
        world.google.resources[name] = {"name": name, "state": "ACTIVE", "disabled": True, "description": "theirs"}

    world.google.plan(f"create_{kind}", first)
    world.settled()
    assert world.google.resources[name]["disabled"] is False
    assert world.google.resources[name]["description"] == "theirs"
    assert world.told("waits") == [name]


def test_what_somebody_else_deleted_first_is_deleted(complete: World) -> None:
    found = plan_destroy(complete.desired, complete.observed(), accounts=True)
    complete.google.resources[PROVIDER]["state"] = "DELETED"
    del complete.google.resources[POOL], complete.google.accounts[DEPLOY]
    assert complete.apply(found).failed == []
    assert complete.google.made("delete") == []


def test_an_account_that_somebody_else_made_first_is_brought_to_what_is_wanted(world: World) -> None:
    world.google.plan("create_account", lambda: world.google.accounts.update({DEPLOY: Account("theirs", "kept")}))
    world.google.policies[DEPLOY] = policy_pb2.Policy(etag=b"0")
    world.settled()
    assert world.google.made("get_account") == ["deploy@acme-prod.iam.gserviceaccount.com"] * 3
    assert world.google.accounts[DEPLOY] == Account("Deploy", "kept")


def test_a_provider_may_be_unknown_to_a_pool_that_this_run_made(world: World) -> None:
    world.google.plan("create_provider", exceptions.NotFound("no such pool"))
    world.settled()
    assert world.told("waits") == [PROVIDER]


def test_a_pool_that_was_there_and_is_gone_is_a_failure(complete: World) -> None:
    """Waiting would not bring it back: only what this run made may be unseen."""
    del complete.google.resources[PROVIDER]
    complete.google.plan("create_provider", exceptions.NotFound("no such pool"))
    assert complete.failure().code == "WIF800"
    assert complete.clock.slept == []


def test_a_pool_itself_that_is_not_found_is_a_failure(world: World) -> None:
    world.google.plan("create_pool", exceptions.NotFound("no such project"))
    assert world.failure().code == "WIF800"
    assert world.clock.slept == []


# Operations


@pytest.mark.parametrize("polls", [0, 1, 5])
def test_an_operation_is_polled_until_it_ends(world: World, polls: int) -> None:
    world.google.polls = polls
    world.settled()
    assert len(world.google.made("poll")) == 2 * polls
    assert world.clock.slept == [1.0] * 2 * polls


def test_an_operation_that_does_not_end_is_named(world: World) -> None:
    world.google.polls = 10**6
    error = world.failure()
    assert (error.code, error.exit_code) == ("WIF830", 3)
    assert error.message == "The operation operations/0 did not end within 300 seconds."
    assert (error.hint or "").startswith("Run the same command again later: ")
    assert world.clock.time == 1300.0


def test_an_operation_that_ends_in_a_failure_that_passes_is_started_again(world: World) -> None:
    world.google.operation_errors.append({"code": 14, "message": "try later"})
    world.settled()
    assert world.google.made("create_pool") == ["circleci", "circleci"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 7, "message": "Permission 'iam.workloadIdentityPools.create' denied"}, "WIF801"),
        ({"code": 9, "message": "not so"}, "WIF800"),
        ({"message": "no code"}, "WIF602"),
    ],
)
def test_an_operation_that_ends_in_a_refusal_fails(world: World, error: dict[str, Any], code: str) -> None:
    world.google.operation_errors.extend([error] * 1000)
    failure = world.failure()
    assert failure.code == code
    assert error["message"] in failure.message
    assert world.google.resources == {}


def test_an_operation_error_without_words_fails_too(world: World) -> None:
    world.google.operation_errors.append({"code": 9})
    error = world.failure()
    assert error.code == "WIF800"
    assert error.message == f"Google refused while creating the pool {POOL}: no reason was given"


def test_a_poll_that_fails_is_tried_again_by_itself(world: World) -> None:
    """The operation goes on: starting it again would be refused."""
    world.google.plan("poll", BROKEN, exceptions.ServiceUnavailable("x"))
    world.settled()
    assert world.google.made("create_pool") == ["circleci"]
    assert world.told("waits") == [POOL, POOL]


# Stopping


def test_a_failure_ends_the_run_after_what_is_under_way(world: World) -> None:
    world.google.plan("create_provider", exceptions.BadRequest("no"))
    found = plan(world.desired, world.observed())
    outcome = world.apply(found)
    assert [name_of(change) for change in outcome.done] == [POOL]
    assert [name_of(change) for change, _ in outcome.failed] == [PROVIDER]
    assert {name_of(change) for change in outcome.open(found)} == {
        "deploy@acme-prod.iam.gserviceaccount.com", DEPLOY, LEGACY, *PROJECTS
    }  # fmt: skip
    assert world.told("failed") == [PROVIDER]
    assert world.told("done") == [POOL]
    world.settled()


def test_the_other_changes_of_the_stage_are_made(world: World) -> None:
    world.google.plan("set_policy", exceptions.BadRequest("no"))
    outcome = world.apply()
    assert len(outcome.failed) == 1
    assert len(outcome.done) == 6


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own handler, which a process in the background of a shell does not have."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def interrupt() -> None:
    """Ctrl-C, while the main thread waits and a worker is in the middle of a call."""
    time.sleep(0.05)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(0.05)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_lets_the_call_end_and_starts_nothing_more(world: World) -> None:
    names = [f"projects/p{number}" for number in range(30)]
    world.google.policies |= {name: policy_pb2.Policy(etag=b"0") for name in names}
    pool, *_ = plan(world.desired, world.observed()).changes
    found = Plan((pool, *(PolicyChange(name, revoke=(Grant("roles/x", "user:a@b.c"),)) for name in names)))
    for name in names:
        world.google.policies[name].bindings.add(role="roles/x", members=["user:a@b.c"])
    world.google.plan("set_policy", *[lambda: time.sleep(0.2)] * 7, interrupt)
    outcome = world.apply(found)
    assert outcome.interrupted
    assert outcome.failed == []
    assert len(outcome.done) == len(world.google.made("set_policy")) == 8
    assert len(outcome.open(found)) == 23
    assert len(world.told("start")) == len(world.told("done")) == 8
    assert world.google.made("create_pool") == []  # the next stage


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("method", "step"),
    [("create_pool", None), ("create_pool", BROKEN), ("poll", BROKEN)],
    ids=["poll", "retry", "both"],
)
def test_after_an_interrupt_nobody_goes_on_waiting(world: World, method: str, step: Exception | None) -> None:
    """After a pause the next poll or retry looks whether the run is stopped."""

    def sleep(seconds: float) -> None:
        if not world.clock.slept:
            interrupt()
        world.clock.sleep(seconds)

    world.retry_policy = RetryPolicy(clock=world.clock.now, sleep=sleep, draw=lambda _, longest: longest)
    world.google.plan(method, step)
    world.google.polls = 1000
    outcome = world.apply()
    assert outcome.interrupted
    assert outcome.done == outcome.failed == []
    assert len(world.clock.slept) == 1
    assert world.told("failed") == []
    assert [each for each, _ in world.google.calls] == ["create_pool"]


def test_a_defect_of_ours_is_not_swallowed(world: World) -> None:
    def broken(event: str, change: Change) -> None:
        raise RuntimeError("defect in say")

    world.say = lambda event, change: broken(event, change) if event == "done" else None
    with pytest.raises(RuntimeError, match="defect in say"):
        world.apply()
