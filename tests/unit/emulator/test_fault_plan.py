"""The fault plan itself, and the shapes of planned answers; `test_faults` has what a client meets."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import requests

from gcp_wif.emulator import Emulator
from gcp_wif.emulator.model.errors import ApiError
from gcp_wif.emulator.model.faults import Action, Faults, status_name

PROJECT = "/v1/projects/acme-prod"
ACCOUNTS = f"{PROJECT}/serviceAccounts"
GET = "cloudresourcemanager.projects.get"


@pytest.fixture
def ask(emulator: Emulator) -> Callable[..., requests.Response]:
    def send(method: str, path: str, body: Any = None, **rest: Any) -> requests.Response:
        return requests.request(method, emulator.http + path, json=body, timeout=10, **rest)

    return send


def pattern(faults: Faults, calls: int = 8, call: str = GET) -> str:
    """``x`` for each call at which something fires, ``.`` for the others."""
    return "".join("x" if faults.take(call, "GET", PROJECT) != Action() else "." for _ in range(calls))


class TestCounting:
    @pytest.mark.parametrize(
        ("when", "expected"),
        [
            ({}, "x......."),
            ({"nth": 3}, "..x....."),
            ({"nth": 3, "times": 2}, "..xx...."),
            ({"nth": "every"}, "xxxxxxxx"),
            ({"nth": "every", "times": 3}, "xxx....."),
        ],
        ids=str,
    )
    def test_nth_times_and_every(self, when: dict[str, Any], expected: str) -> None:
        faults = Faults()
        faults.replace([{"action": {"status": 503}, **when}])
        assert pattern(faults) == expected
        assert faults.counts() == [{"seen": 8, "fired": expected.count("x")}]

    def test_each_call_of_a_run_can_fail_in_turn(self) -> None:
        faults = Faults()
        for nth in range(1, 5):
            faults.replace([{"nth": nth, "action": {"drop": True}}])  # a new plan counts anew
            assert pattern(faults, 4) == "." * (nth - 1) + "x" + "." * (4 - nth)
        faults.replace([])
        assert pattern(faults, 3) == "..."

    @pytest.mark.parametrize(
        ("match", "hit"),
        [
            ({}, True),
            ({"call": GET}, True),
            ({"call": "get"}, True),
            ({"call": "et"}, False),
            ({"call": "cloudresourcemanager.*"}, True),
            ({"call": "iam.*"}, False),
            ({"path_regex": "acme-stage"}, False),
            ({"call": "get", "method": "GET", "path_regex": "^/v1/"}, True),
            ({"call": "get", "method": "POST"}, False),
        ],
        ids=str,
    )
    def test_what_a_fault_matches(self, match: dict[str, str], hit: bool) -> None:
        faults = Faults()
        faults.replace([{"match": match, "action": {"status": 503}}])
        assert pattern(faults, 1) == ("x" if hit else ".")
        assert faults.counts()[0]["seen"] == int(hit)

    def test_calls_that_do_not_match_are_not_counted(self) -> None:
        faults = Faults()
        faults.replace([{"match": {"call": "list"}, "nth": 2, "action": {"status": 503}}])
        assert pattern(faults, 5) == "....."
        assert pattern(faults, 3, "cloudresourcemanager.projects.list") == ".x."

    def test_faults_count_on_their_own_and_the_first_that_fires_decides(self) -> None:
        faults = Faults()
        faults.replace(
            [
                {"nth": "every", "action": {"latency_ms": 5}},
                {"nth": 2, "action": {"status": 500, "latency_ms": 7}},
                {"nth": 2, "action": {"status": 429}},
            ]
        )
        assert faults.take(GET, "GET", "/") == Action(latency_ms=5)
        assert faults.take(GET, "GET", "/") == Action(status=500, latency_ms=12)
        assert [each["fired"] for each in faults.counts()] == [2, 1, 1]


@pytest.mark.parametrize(
    "fault",
    [
        None,
        {},
        {"action": {"status": 503.5}},
        {"action": {"drop": "yes"}},
        {"action": {"latency_ms": -1}},
        {"action": {"latency_ms": 60_001}},
        {"action": {"operation": "sometimes"}},
        {"action": {"status": 503}, "nth": True},
        {"action": {"status": 503}, "times": 0},
        {"action": {"status": 503}, "match": {"call": 1}},
    ],
    ids=str,
)
def test_a_malformed_fault(fault: Any) -> None:
    with pytest.raises(ApiError, match="INVALID_ARGUMENT"):
        Faults().replace([fault])


def test_a_wrong_setting_leaves_all_of_it_undone(emulator: Emulator) -> None:
    wrong: list[dict[str, Any]] = [
        {"propagation_seconds": "long"},
        {"new_account_reads": [500]},
        {"unreachable_issuers": "https://x"},
        {"issuer_allow_list": [1]},
        {"sts_per_minute": -1},
        {"roles": ["roles/x"]},
    ]
    for each in wrong:
        with pytest.raises(ApiError):
            emulator.faults({"action": {"status": 503}}, operation_polls=7, **each)
    assert emulator.gateway.faults.counts() == []
    assert emulator.state.operations.polls == 1


class TestAnswers:
    @pytest.mark.parametrize(
        ("action", "status", "name", "message"),
        [
            ({"status": 503}, 503, "UNAVAILABLE", "The service is currently unavailable."),
            ({"status": 429, "message": "Slow down."}, 429, "RESOURCE_EXHAUSTED", "Slow down."),
            ({"status": 409}, 409, "ABORTED", None),
            ({"status": 409, "error": "ALREADY_EXISTS"}, 409, "ALREADY_EXISTS", None),
            ({"status": 500}, 500, "INTERNAL", None),
            ({"status": 502}, 502, "UNAVAILABLE", None),
        ],
        ids=str,
    )
    def test_a_status_comes_in_googles_shape(self, ask, emulator, action, status, name, message) -> None:
        emulator.faults({"action": action})
        answer = ask("GET", PROJECT)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["status"]) == (status, status, name)
        assert message in (None, error["message"])
        assert ask("GET", PROJECT).ok
        assert [each["status"] for each in emulator.requests()] == [status, 200]

    def test_sts_fails_in_the_shape_of_oauth(self, emulator: Emulator) -> None:
        emulator.faults({"match": {"call": "sts.token"}, "action": {"status": 500, "error": "server_error"}})
        answer = requests.post(f"{emulator.http}/v1/token", data={}, timeout=10)
        assert answer.status_code == 500
        assert answer.json() == {"error": "server_error", "error_description": "The service is currently unavailable."}

    def test_any_body(self, ask, emulator: Emulator) -> None:
        emulator.faults(
            {"nth": 1, "action": {"status": 502, "body": "<html>Bad gateway"}}, {"nth": 2, "action": {"body": {"a": 1}}}
        )
        assert [(answer.status_code, answer.text) for answer in (ask("GET", PROJECT), ask("GET", PROJECT))] == [
            (502, "<html>Bad gateway"),
            (200, '{"a": 1}'),
        ]

    @pytest.mark.parametrize("action", [{"status": 503}, {"drop": True}, {"reset": True}], ids=str)
    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_before_or_after_the_effect(self, ask, emulator: Emulator, action: dict[str, Any], after: bool) -> None:
        emulator.faults({"match": {"call": "create"}, "action": action | {"after": after}})
        with contextlib.suppress(requests.ConnectionError):
            assert ask("POST", ACCOUNTS, {"accountId": "deploy-it"}).status_code == 503
        again = ask("POST", ACCOUNTS, {"accountId": "deploy-it"})
        assert again.status_code == (409 if after else 200)
        assert emulator.crashes == []

    @pytest.mark.parametrize(
        ("status", "name"), [(400, "INVALID_ARGUMENT"), (404, "NOT_FOUND"), (409, "ABORTED"), (599, "UNAVAILABLE")]
    )
    def test_names_of_statuses(self, status: int, name: str) -> None:
        assert status_name(status) == name


def test_somebody_elses_write_does_not_matter_without_an_etag(ask, emulator: Emulator) -> None:
    emulator.faults({"match": {"call": "setIamPolicy"}, "action": {"stale_etag": True}})
    assert ask("POST", f"{PROJECT}:setIamPolicy", {"policy": {"bindings": []}}).ok


def test_the_emulators_own_calls_neither_fail_nor_count(ask, emulator: Emulator) -> None:
    emulator.faults({"nth": "every", "action": {"status": 503}})
    own = [("POST", "tokens"), ("GET", "requests"), ("GET", "faults"), ("DELETE", "requests")]
    assert all(ask(method, f"/emulator/{path}").ok for method, path in own)
    assert ask("POST", "/emulator/clock", {"advance": 1}).ok
    assert emulator.gateway.faults.counts() == [{"seen": 0, "fired": 0}]
    assert emulator.requests() == []


class TestLog:
    def test_an_entry(self, ask, emulator: Emulator) -> None:
        query = {"workloadIdentityPoolId": "circleci", "access_token": "ya29.secret", "key": "secret"}
        path = "/v1/projects/acme-identity/locations/global/workloadIdentityPools"
        assert ask("POST", path, {"displayName": "secret"}, params=query).ok
        assert ask("GET", "/emulator/requests").json()["requests"] == [
            {
                "method": "POST",
                "path": path,
                "status": 200,
                "call": "iam.projects.locations.workloadIdentityPools.create",
                "caller": "none",
                "principal": None,
                "query": {"workloadIdentityPoolId": "circleci"},
                "fields": ["displayName"],
            }
        ]
        assert ask("DELETE", "/emulator/requests").json() == {}
        assert emulator.requests() == []

    def test_secrets_in_odd_places(self, ask, emulator: Emulator) -> None:
        token = emulator.token()
        ask("GET", f"/v1/projects/-/serviceAccounts/{token}")
        ask("GET", f"/nowhere/{token}")
        ask("GET", f"{PROJECT}?updateMask={token}")
        ask("POST", ACCOUNTS, {token: token, "ya29.abcdefghijk": "x"})
        ask("GET", PROJECT, headers={"Authorization": f"Bearer {token}"})
        log = ask("GET", "/emulator/requests").text
        assert len(emulator.requests()) == 5
        assert "eyJ" not in log
        assert "ya29." not in log
        for part in token.split("."):
            assert part[:40] not in log
