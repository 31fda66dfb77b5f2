"""How long to keep trying, and after what: on a clock that nobody waits for."""

import random
import time
from dataclasses import FrozenInstanceError

import pytest
import requests
from fake_google import FakeClock
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from gcp_wif.provisioning import RetryPolicy
from gcp_wif.provisioning.retry import is_concurrent_change, is_transient

LATER = exceptions.ServiceUnavailable("try later")


class Failing:
    """Fails so many times, then answers 7."""

    def __init__(self, times: int, error: Exception = LATER) -> None:
        self.times, self.error, self.calls = times, error, 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return 7


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_the_defaults_are_the_process_own() -> None:
    policy = RetryPolicy()
    assert (policy.clock, policy.sleep, policy.draw) == (time.monotonic, time.sleep, random.uniform)
    bounds = (policy.first, policy.most, policy.bound, policy.request, policy.operation, policy.visible)
    assert bounds == (1.0, 20.0, 180.0, 60.0, 300.0, 180.0)


def test_bounds_cannot_be_changed_under_a_run() -> None:
    with pytest.raises(FrozenInstanceError):
        RetryPolicy().bound = 1.0


def test_pauses_double_up_to_the_longest(clock: FakeClock) -> None:
    told: list[Exception] = []
    assert clock.policy().retry(Failing(7), on_retry=told.append) == 7
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    assert told == [LATER] * 7


def test_each_pause_is_drawn_from_nothing_to_the_longest(clock: FakeClock) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(least: float, most: float) -> float:
        drawn.append((least, most))
        return most / 4

    RetryPolicy(clock=clock.now, sleep=clock.sleep, draw=draw).retry(Failing(3))
    assert drawn == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]
    assert clock.slept == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(("bound", "calls"), [(3.0, 3), (2.9, 2), (0.0, 1)])
def test_no_pause_ends_after_the_bound_and_then_the_failure_stands(clock: FakeClock, bound: float, calls: int) -> None:
    for policy, given in ((clock.policy(bound=bound), None), (clock.policy(), bound)):
        action, told = Failing(10**6), list[Exception]()
        with pytest.raises(exceptions.ServiceUnavailable, match="try later"):
            policy.retry(action, bound=given, on_retry=told.append)
        assert action.calls == calls
        assert len(told) == calls - 1  # nobody is told of a retry that does not come


def test_what_does_not_pass_is_raised_at_once(clock: FakeClock) -> None:
    action = Failing(1, exceptions.NotFound("no"))
    with pytest.raises(exceptions.NotFound):
        clock.policy().retry(action)
    assert clock.slept == []
    assert clock.policy().retry(Failing(1, exceptions.NotFound("no")), lambda _: True) == 7


def test_an_interrupt_is_not_a_failure(clock: FakeClock) -> None:
    def action() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clock.policy().retry(action, lambda _: True)


def test_a_pause_between_polls_ends_with_the_deadline(clock: FakeClock) -> None:
    policy = clock.policy(first=4.0)
    deadline = policy.deadline(10.0)
    assert deadline == 1010.0
    assert [policy.pause(deadline) for _ in range(4)] == [True, True, True, False]
    assert policy.pause(deadline + 0.5)
    assert clock.slept == [4.0, 4.0, 2.0, 0.5]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (exceptions.TooManyRequests("x"), True),
        (exceptions.ResourceExhausted("x"), True),
        (exceptions.InternalServerError("x"), True),
        (exceptions.BadGateway("x"), True),
        (exceptions.ServiceUnavailable("x"), True),
        (exceptions.GatewayTimeout("x"), True),
        (exceptions.DeadlineExceeded("x"), True),
        (exceptions.Unknown("x"), True),
        (requests.ConnectionError(), True),
        (requests.Timeout(), True),
        (auth_exceptions.TransportError("x"), True),
        (auth_exceptions.RefreshError("x"), False),
        (requests.HTTPError(), False),
        (exceptions.Forbidden("x"), False),
        (exceptions.NotFound("x"), False),
        (exceptions.Conflict("x"), False),
        (exceptions.BadRequest("x"), False),
        (ValueError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_passes(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


@pytest.mark.parametrize(
    ("error", "concurrent"),
    [
        (exceptions.Aborted("There were concurrent policy changes."), True),
        (exceptions.Conflict("etag mismatch"), True),
        (exceptions.Conflict("Entity Already Exists"), False),
        (exceptions.AlreadyExists("taken"), False),
        (exceptions.ServiceUnavailable("x"), False),
        (exceptions.BadRequest("There were concurrent policy changes."), False),
    ],
    ids=str,
)
def test_what_is_a_policy_that_somebody_else_wrote(error: Exception, concurrent: bool) -> None:
    assert is_concurrent_change(error) is concurrent
