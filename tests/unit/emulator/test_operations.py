"""Long-running operations: when they are done, what they change, and how they go wrong."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from gcp_wif.emulator import Emulator
from gcp_wif.emulator.model.operations import Operations

POOLS = "/v1/projects/123456789012/locations/global/workloadIdentityPools"
PROVIDER = {"attributeMapping": {"google.subject": "assertion.sub"}, "oidc": {"issuerUri": "https://issuer.example"}}


@pytest.fixture
def ask(emulator: Emulator) -> Callable[..., Any]:
    def send(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = requests.request(method, emulator.http + path, json=body, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()

    return send


@pytest.fixture
def create(ask) -> Callable[[], Any]:
    return lambda: ask("POST", f"{POOLS}?workloadIdentityPoolId=circleci", {"displayName": "CI"})


def test_it_is_not_done_at_once_and_done_at_the_second_poll(ask, create) -> None:
    operation = create()
    assert operation["name"].startswith(f"{POOLS.removeprefix('/v1/')}/circleci/operations/")
    assert "done" not in operation
    polled = [ask("GET", f"/v1/{operation['name']}") for _ in range(3)]
    assert [each.get("done", False) for each in polled] == [False, True, True]
    assert list(polled[2]["response"]) == ["@type"]


@pytest.mark.parametrize("polls", [0, 3])
def test_the_number_of_polls_is_a_setting(ask, create, emulator: Emulator, polls: int) -> None:
    emulator.faults(operation_polls=polls)
    name = create()["name"]
    done = [ask("GET", f"/v1/{name}").get("done", False) for _ in range(polls + 1)]
    assert done == [False] * polls + [True]


def test_time_ends_it_too(ask, create, emulator: Emulator) -> None:
    emulator.faults(operation_polls=1000, operation_seconds=60)
    name = create()["name"]
    emulator.advance(50)
    assert "done" not in ask("GET", f"/v1/{name}")
    emulator.advance(10)
    assert ask("GET", f"/v1/{name}")["done"] is True


def test_time_ends_it_to_the_second() -> None:
    now = [0.0]
    operations = Operations(lambda: now[0], threading.RLock())
    operations.polls, operations.seconds = 1000, 5.0
    name = operations.start("projects/1/locations/global/workloadIdentityPools/x", lambda: None, None)["name"]
    now[0] = 4.9
    assert "done" not in operations.get(name)
    now[0] = 5.0
    assert operations.get(name)["done"] is True


def test_the_change_can_be_seen_before_it_is_done(ask, create) -> None:
    create()
    assert ask("GET", f"{POOLS}/circleci")["displayName"] == "CI"


def test_operations_of_providers_lie_under_their_provider(ask, create) -> None:
    pool = create()["name"]
    query = "workloadIdentityPoolProviderId=acme"
    provider = ask("POST", f"{POOLS}/circleci/providers?{query}", PROVIDER)["name"]
    assert provider.startswith(f"{POOLS.removeprefix('/v1/')}/circleci/providers/acme/operations/")
    ask("GET", f"/v1/{provider}")
    assert ask("GET", f"/v1/{provider}")["response"]["@type"].endswith(".WorkloadIdentityPoolProvider")
    # Neither is found under the other's path.
    ask("GET", f"{POOLS}/circleci/operations/{provider.rpartition('/')[2]}", status=404)
    ask("GET", f"{POOLS}/circleci/providers/acme/operations/{pool.rpartition('/')[2]}", status=404)
    ask("GET", f"{POOLS}/circleci/operations/none", status=404)


def test_project_id_and_number_are_the_same_operation(ask) -> None:
    by_id = POOLS.replace("123456789012", "acme-identity")
    name = ask("POST", f"{by_id}?workloadIdentityPoolId=circleci", {})["name"]
    assert name.split("/")[1].isdigit()
    ask("GET", f"/v1/{name}")
    assert ask("GET", f"{by_id}/circleci/operations/{name.rpartition('/')[2]}")["done"] is True


class TestFates:
    def fate(self, emulator: Emulator, fate: str, call: str = "workloadIdentityPools.create") -> None:
        emulator.faults({"match": {"call": call}, "action": {"operation": fate}}, operation_polls=1)

    def test_late(self, ask, create, emulator: Emulator) -> None:
        self.fate(emulator, "late")
        name = create()["name"]
        ask("GET", f"{POOLS}/circleci", status=404)
        assert "done" not in ask("GET", f"/v1/{name}")
        ask("GET", f"{POOLS}/circleci", status=404)
        assert ask("GET", f"/v1/{name}")["done"] is True
        assert ask("GET", f"{POOLS}/circleci")["state"] == "ACTIVE"

    def test_never(self, ask, create, emulator: Emulator) -> None:
        self.fate(emulator, "never")
        name = create()["name"]
        emulator.advance(10**6)
        assert not any("done" in ask("GET", f"/v1/{name}") for _ in range(20))
        ask("GET", f"{POOLS}/circleci", status=404)

    def test_error(self, ask, create, emulator: Emulator) -> None:
        self.fate(emulator, "error")
        name = create()["name"]
        ask("GET", f"/v1/{name}")
        ended = ask("GET", f"/v1/{name}")
        assert (ended["done"], ended["error"]["code"]) == (True, 13)
        assert "response" not in ended
        ask("GET", f"{POOLS}/circleci", status=404)
        create()  # the name is free

    def test_a_late_change_that_no_longer_holds_ends_in_an_error(self, ask, create, emulator: Emulator) -> None:
        self.fate(emulator, "late")
        name = create()["name"]
        create()  # the second one is not late
        ask("GET", f"/v1/{name}")
        assert ask("GET", f"/v1/{name}")["error"] == {"code": 9, "message": "Requested entity already exists"}

    @pytest.mark.parametrize("fate", ["never", "error"])
    def test_deletions_and_patches_that_do_not_happen(self, ask, create, emulator: Emulator, fate: str) -> None:
        create()
        self.fate(emulator, fate, "workloadIdentityPools.delete")
        ask("DELETE", f"{POOLS}/circleci")
        assert ask("GET", f"{POOLS}/circleci")["state"] == "ACTIVE"
        self.fate(emulator, fate, "workloadIdentityPools.patch")
        ask("PATCH", f"{POOLS}/circleci?updateMask=displayName", {"displayName": "New"})
        assert ask("GET", f"{POOLS}/circleci")["displayName"] == "CI"
