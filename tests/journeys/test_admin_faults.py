"""Every call of a fresh apply fails once in every way that the emulator knows; the next run ends in the same state.

Run with ``-s`` to see the table: calls by faults, and how the first run ended.
"""

import _thread
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from provisioned import FOREIGN, MANIFEST, QUICK, Admin, before, snapshot

from gcp_wif.emulator import Emulator
from gcp_wif.errors import GcpWifError
from gcp_wif.provisioning import RetryPolicy

PATIENT = QUICK
HASTY = RetryPolicy(first=0.001, most=0.002, bound=0.004, request=5.0, operation=0.05, visible=0.004)
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "503": {"status": 503},
    "429": {"status": 429},
    "409": {"status": 409},
    "403": {"status": 403},
    "timeout": {"latency_ms": 400},
    "reset": {"reset": True},
    "drop": {"drop": True},
    "lost answer": {"drop": True, "after": True},
    "500 after": {"status": 500, "after": True},
    "operation error": {"operation": "error"},
    "operation never": {"operation": "never"},
    "operation late": {"operation": "late"},
    "stale etag": {"stale_etag": True},
}


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    with Emulator(projects={"acme-identity": "123456789012"}) as running:
        yield running


@pytest.fixture(scope="module")
def reference(google: Emulator) -> tuple[dict[str, Any], int]:
    """The state after an undisturbed apply, and how many calls it took."""
    google.reset()
    before(google)
    admin = Admin(google)
    outcome = admin.apply()
    assert not outcome.failed
    calls = len(google.requests())
    assert not admin.plan()
    admin.close()
    return snapshot(google), calls


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_each_call_fails_in_turn_and_the_next_run_converges(
    name: str, google: Emulator, reference: tuple[dict[str, Any], int]
) -> None:
    state, calls = reference
    row = ""
    for nth in range(1, calls + 1):
        google.reset()
        before(google)
        # A run with no retry_policy, so that the fault ends it where it can: retries would hide what the next run does.
        request = 0.2 if name == "timeout" else 5.0
        admin = Admin(google, replace(HASTY, request=request))
        google.faults({"nth": nth, "times": 1000 if name == "403" else 1, "action": FAULTS[name]}, operation_polls=0)
        try:
            outcome = admin.apply()
            ended = "x" if outcome.failed else "."
            assert all(isinstance(error, GcpWifError) for _, error in outcome.failed)
        except GcpWifError:
            ended = "r"  # while reading: nothing was changed
        admin.close()
        row += ended
        google.faults(operation_polls=1)
        second = Admin(google)
        outcome = second.apply()
        assert not outcome.failed, (nth, outcome.failed)
        assert snapshot(google) == state, f"call {nth}"
        assert not second.plan()
        second.close()
    print(f"\n{name:>16}  {row}  {calls} calls, all converged")


@pytest.mark.slow
@pytest.mark.parametrize("name", [each for each in FAULTS if each not in ("403", "timeout")])
def test_a_patient_run_gets_over_any_single_fault(
    name: str, google: Emulator, reference: tuple[dict[str, Any], int]
) -> None:
    state, calls = reference
    for nth in range(1, calls + 1):
        google.reset()
        before(google)
        google.faults({"nth": nth, "action": FAULTS[name]})
        admin = Admin(google, PATIENT)
        try:
            outcome = admin.apply()
        except GcpWifError as error:
            # 409 to a read, and an operation that never ends, are no transient faults.
            assert name == "409", (nth, error)
            continue
        finally:
            admin.close()
        if name == "operation never" or (name == "409" and outcome.failed):
            continue
        assert not outcome.failed, (nth, outcome.failed)
        assert snapshot(google) == state, f"call {nth}"


def test_foreign_bindings_are_in_the_state_that_is_compared(reference: tuple[dict[str, Any], int]) -> None:
    text = str(reference[0])
    for binding in FOREIGN:
        for member in binding["members"]:
            assert text.count(member) >= 3
    assert "this year" in text


def test_accounts_that_hide_and_bindings_that_wait(google: Emulator, reference: tuple[dict[str, Any], int]) -> None:
    google.reset()
    before(google)
    google.faults(new_account_reads=[404, 403, 404, 403], propagation_seconds=100)
    admin = Admin(google)
    outcome = admin.apply()
    admin.close()
    assert not outcome.failed
    assert snapshot(google) == reference[0]


@pytest.mark.parametrize(
    "action",
    [{"status": 404}, {"status": 403}, {"status": 400, "message": "Service account deploy@x does not exist."}],
    ids=str,
)
def test_what_was_just_made_may_be_unseen_by_policies(
    action: dict[str, Any], google: Emulator, reference: tuple[dict[str, Any], int]
) -> None:
    google.reset()
    before(google)
    google.faults({"match": {"call": "setIamPolicy"}, "times": 2, "action": action})
    admin = Admin(google)
    assert not admin.apply().failed
    assert snapshot(google) == reference[0]
    # Where nothing is new, the same answer is a refusal, at once.
    google.faults({"match": {"call": "setIamPolicy"}, "action": action})
    outcome = admin.apply(MANIFEST.replace('"roles/run.viewer"', '"roles/run.invoker"'))
    admin.close()
    assert len(outcome.failed) == 1
    assert google.gateway.faults.counts() == [{"seen": 1, "fired": 1}]


def test_a_new_account_is_read_three_times_in_a_row(google: Emulator, reference: tuple[dict[str, Any], int]) -> None:
    google.reset()
    before(google)
    google.faults(new_account_reads=[404])
    admin = Admin(google)
    assert not admin.apply().failed
    admin.close()
    calls = [call["call"].rpartition(".")[2] for call in google.requests() if "serviceAccounts" in call["call"]]
    assert calls[calls.index("create") :][:5] == ["create", "get", "get", "get", "get"]


def test_an_interrupted_run_says_what_is_open(google: Emulator, reference: tuple[dict[str, Any], int]) -> None:
    from gcp_wif.desired import from_manifest
    from gcp_wif.manifest import Manifest
    from gcp_wif.provisioning import apply, observe, plan

    google.reset()
    before(google)
    admin = Admin(google)
    desired = from_manifest(Manifest.parse(MANIFEST, origin="x"))
    observed = observe(desired, admin.clients, admin.retry_policy)
    found = plan(desired, observed)

    def interrupt(event: str, change: Any) -> None:
        if event == "start" and getattr(change, "kind", "") == "provider":
            _thread.interrupt_main()  # as Ctrl-C does
            time.sleep(0.3)

    outcome = apply(found, desired, observed, admin.clients, admin.retry_policy, interrupt)
    assert outcome.interrupted
    assert [change.kind for change in outcome.done] == ["pool"]
    assert len(outcome.open(found)) == len(found.changes) - 1
    assert not admin.apply().failed
    assert snapshot(google) == reference[0]
    admin.close()
