"""Trouble on purpose, and time: what a test can plan."""

import socket
import time
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.cloud import iam_admin_v1
from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport
from google_setup import ACCOUNT, PROVIDER, Google

from gcp_wif.emulator import Emulator
from gcp_wif.emulator.model.errors import ApiError

POOL = "/v1/projects/acme-identity/locations/global/workloadIdentityPools"


def call(emulator: Emulator, verb: str, path: str, body: object = None) -> requests.Response:
    return requests.request(verb, emulator.http + path, json=body, timeout=10)


def statuses(emulator: Emulator, count: int) -> list[int]:
    return [call(emulator, "GET", "/v1/projects/acme-prod").status_code for _ in range(count)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"nth": 2, "action": {"status": 503}}, [200, 503, 200, 200]),
        ({"nth": 2, "times": 2, "action": {"status": 429}}, [200, 429, 429, 200]),
        ({"nth": "every", "action": {"status": 500}}, [500, 500, 500, 500]),
        ({"nth": "every", "times": 1, "action": {"status": 500}}, [500, 200, 200, 200]),
        ({"match": {"call": "cloudresourcemanager.projects.get"}, "action": {"status": 404}}, [404, 200, 200, 200]),
        ({"match": {"call": "projects.get"}, "action": {"status": 404}}, [404, 200, 200, 200]),
        ({"match": {"method": "POST"}, "action": {"status": 500}}, [200, 200, 200, 200]),
        ({"match": {"path_regex": "acme-prod$"}, "action": {"status": 500}}, [500, 200, 200, 200]),
        ({"match": {"call": "sts.token"}, "action": {"status": 500}}, [200, 200, 200, 200]),
    ],
)
def test_a_fault_hits_the_calls_that_it_names(fault: dict[str, Any], expected: list[int], emulator: Emulator) -> None:
    emulator.faults(fault)
    assert statuses(emulator, 4) == expected


def test_the_plan_is_over_http_too_and_counts(emulator: Emulator) -> None:
    body = {"faults": [{"nth": 3, "action": {"status": 503}}], "propagation_seconds": 7}
    assert call(emulator, "POST", "/emulator/faults", body).ok
    statuses(emulator, 4)
    shown = call(emulator, "GET", "/emulator/faults").json()
    assert shown["faults"] == [{"seen": 4, "fired": 1}]
    assert shown["propagation_seconds"] == 7
    assert call(emulator, "DELETE", "/emulator/faults").json()["propagation_seconds"] == 0


@pytest.mark.parametrize(
    "faults",
    [
        "x",
        [{"action": {}}],
        [{"action": {"status": 99}}],
        [{"action": {"status": True}}],
        [{"action": {"colour": 1}}],
        [{"nth": 0, "action": {"status": 500}}],
        [{"nth": "some", "action": {"status": 500}}],
        [{"match": {"path_regex": "("}, "action": {"status": 500}}],
        [{"match": {"x": "y"}, "action": {"status": 500}}],
        [{"action": {"status": 500}, "colour": 1}],
    ],
    ids=str,
)
def test_a_malformed_plan_is_refused_and_the_old_one_stays(faults: Any, emulator: Emulator) -> None:
    emulator.faults({"nth": "every", "action": {"status": 500}})
    assert call(emulator, "POST", "/emulator/faults", {"faults": faults}).status_code == 400
    assert statuses(emulator, 1) == [500]


def test_latency(emulator: Emulator) -> None:
    emulator.faults({"action": {"latency_ms": 200}})
    started = time.monotonic()
    assert statuses(emulator, 1) == [200]
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("kind", ["drop", "reset"])
def test_a_lost_connection(kind: str, emulator: Emulator) -> None:
    emulator.faults({"action": {kind: True}})
    with socket.create_connection(("127.0.0.1", int(emulator.host.partition(":")[2])), timeout=5) as raw:
        raw.sendall(b"GET /v1/projects/acme-prod HTTP/1.1\r\nHost: x\r\n\r\n")
        if kind == "reset":
            with pytest.raises(ConnectionResetError):
                raw.recv(1000)
        else:
            assert raw.recv(1000) == b""
    assert statuses(emulator, 1) == [200]


def test_an_answer_that_is_lost_after_its_effect(emulator: Emulator) -> None:
    emulator.faults({"match": {"call": "workloadIdentityPools.create"}, "action": {"drop": True, "after": True}})
    with pytest.raises(requests.ConnectionError):
        call(emulator, "POST", f"{POOL}?workloadIdentityPoolId=one-pool", {})
    assert call(emulator, "GET", f"{POOL}/one-pool").ok


def test_operations_end_as_planned(emulator: Emulator) -> None:
    fates = ("late", "error", "never")
    create = {"call": "create"}
    emulator.faults(
        *({"match": create, "nth": nth, "action": {"operation": fate}} for nth, fate in enumerate(fates, start=1))
    )
    polled = {}
    for fate in fates:
        operation = call(emulator, "POST", f"{POOL}?workloadIdentityPoolId={fate}-one", {}).json()
        assert "done" not in operation
        seen_before = call(emulator, "GET", f"{POOL}/{fate}-one").status_code
        assert seen_before == 404
        for _ in range(4):
            polled[fate] = call(emulator, "GET", f"/v1/{operation['name']}").json()
        emulator.advance(60)
        polled[fate] = call(emulator, "GET", f"/v1/{operation['name']}").json()
    assert polled["late"]["done"]
    assert "error" not in polled["late"]
    assert call(emulator, "GET", f"{POOL}/late-one").ok
    assert polled["error"]["error"]["code"] == 13
    assert "done" not in polled["never"]
    for fate in ("error", "never"):
        assert call(emulator, "GET", f"{POOL}/{fate}-one").status_code == 404


def test_an_operation_is_not_done_at_once_and_answers_under_its_own_path_alone(emulator: Emulator) -> None:
    operation = call(emulator, "POST", f"{POOL}?workloadIdentityPoolId=one-pool", {}).json()
    assert "done" not in operation
    name = operation["name"]
    assert "done" not in call(emulator, "GET", f"/v1/{name}").json()
    assert call(emulator, "GET", f"/v1/{name}").json()["done"] is True
    other = name.replace("/one-pool/", "/two-pool/")
    assert call(emulator, "GET", f"/v1/{other}").status_code == 404


def test_a_stale_etag_on_reading_or_writing(google: Google) -> None:
    account = f"/v1/projects/-/serviceAccounts/{ACCOUNT}"
    emulator = google.emulator
    for verb in ("getIamPolicy", "setIamPolicy"):
        emulator.faults({"match": {"call": verb}, "action": {"stale_etag": True}})
        policy = call(emulator, "POST", f"{account}:getIamPolicy").json()
        assert call(emulator, "POST", f"{account}:setIamPolicy", {"policy": policy}).status_code == 409
        policy = call(emulator, "POST", f"{account}:getIamPolicy").json()
        assert call(emulator, "POST", f"{account}:setIamPolicy", {"policy": policy}).ok


def test_new_accounts_hide_for_their_first_reads(emulator: Emulator) -> None:
    emulator.faults(new_account_reads=[404, 403])
    with grpc.insecure_channel(emulator.grpc) as channel:
        client = iam_admin_v1.IAMClient(transport=IAMGrpcTransport(channel=channel))
        client.create_service_account(request={"name": "projects/acme-prod", "account_id": "runner"})
        name = {"name": "projects/-/serviceAccounts/runner@acme-prod.iam.gserviceaccount.com"}
        with pytest.raises(exceptions.NotFound):
            client.get_service_account(request=name)
        with pytest.raises(exceptions.Forbidden):
            client.get_service_account(request=name)
        assert client.get_service_account(request=name)


def test_grpc_calls_count_and_fail_too(emulator: Emulator) -> None:
    emulator.faults(
        {"match": {"method": "GRPC"}, "nth": 1, "action": {"status": 503}},
        {"match": {"method": "GRPC"}, "nth": 2, "action": {"reset": True}},
        {"match": {"method": "GRPC"}, "nth": 3, "action": {"status": 429}},
    )
    with grpc.insecure_channel(emulator.grpc) as channel:
        client = iam_admin_v1.IAMClient(transport=IAMGrpcTransport(channel=channel))
        request = {"name": "projects/acme-prod"}
        for expected in (exceptions.ServiceUnavailable, exceptions.ServiceUnavailable, exceptions.ResourceExhausted):
            with pytest.raises(expected):
                client.list_service_accounts(request=request, retry=None)
        assert list(client.list_service_accounts(request=request, retry=None)) == []


def _exchange(google: Google) -> str:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": google.provider.audience,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": google.emulator.token(),
    }
    answer = requests.post(f"{google.emulator.http}/v1/token", data=form, timeout=10)
    return str(answer.json().get("access_token", answer.text))


def _impersonate(google: Google, token: str) -> int:
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    headers = {"Authorization": f"Bearer {token}"}
    body = {"scope": ["https://www.googleapis.com/auth/cloud-platform"]}
    return requests.post(url, json=body, headers=headers, timeout=10).status_code


def test_bindings_take_a_while_in_both_directions(google: Google) -> None:
    emulator = google.emulator
    account = f"/v1/projects/-/serviceAccounts/{ACCOUNT}"
    emulator.faults(propagation_seconds=120)
    emulator.advance(1000)
    token = _exchange(google)
    policy = call(emulator, "POST", f"{account}:getIamPolicy").json()
    assert call(emulator, "POST", f"{account}:setIamPolicy", {"policy": policy | {"bindings": []}}).ok
    assert _impersonate(google, token) == 200
    emulator.advance(121)
    assert _impersonate(google, token) == 403
    policy["etag"] = ""
    assert call(emulator, "POST", f"{account}:setIamPolicy", {"policy": policy}).ok
    assert _impersonate(google, token) == 403
    emulator.advance(121)
    assert _impersonate(google, token) == 200


def test_tokens_end_with_the_clock(google: Google) -> None:
    token = _exchange(google)
    assert _impersonate(google, token) == 200
    assert call(google.emulator, "POST", "/emulator/clock", {"advance": 3700}).ok
    assert _impersonate(google, token) == 401
    assert "stale" in _exchange_old(google)


def _exchange_old(google: Google) -> str:
    moved = google.emulator.state.clock.now()
    call(google.emulator, "POST", "/emulator/clock", {"now": moved})
    made = google.emulator.token()
    google.emulator.advance(4000)
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": google.provider.audience,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": made,
    }
    return requests.post(f"{google.emulator.http}/v1/token", data=form, timeout=10).text


def test_the_id_of_a_deleted_pool_is_free_after_30_days(emulator: Emulator) -> None:
    create = f"{POOL}?workloadIdentityPoolId=one-pool"
    assert call(emulator, "POST", create, {}).ok
    assert call(emulator, "DELETE", f"{POOL}/one-pool").ok
    emulator.advance(29 * 86400)
    assert call(emulator, "POST", create, {}).status_code == 409
    emulator.advance(2 * 86400)
    assert call(emulator, "GET", f"{POOL}/one-pool").status_code == 404
    assert call(emulator, "POST", create, {}).ok


@pytest.mark.parametrize("body", [{}, {"advance": "1"}, {"advance": 1, "now": 1}, {"now": -1}, {"advance": 1e300}])
def test_the_clock_takes_sane_times_alone(body: dict[str, Any], emulator: Emulator) -> None:
    assert call(emulator, "POST", "/emulator/clock", body).status_code == 400


def test_unreachable_issuers(google: Google) -> None:
    google.emulator.faults(unreachable_issuers=["oidc.circleci.com"])
    assert "Error connecting to the given credential's issuer." in _exchange(google)


def test_settings_are_checked(emulator: Emulator) -> None:
    with pytest.raises(ApiError):
        emulator.faults(no_such_setting=1)
    with pytest.raises(ApiError):
        emulator.faults(propagation_seconds=-1)


def test_a_token_of_a_disabled_pool_or_account_stops_working(google: Google) -> None:
    token = _exchange(google)
    assert call(google.emulator, "PATCH", f"{POOL}/circleci?updateMask=disabled", {"disabled": True}).ok
    assert _impersonate(google, token) == 403
    assert call(google.emulator, "PATCH", f"{POOL}/circleci?updateMask=disabled", {"disabled": False}).ok
    # Disabling the provider alone does not stop tokens that were issued (observed once).
    path = f"{POOL}/circleci/providers/{PROVIDER.provider_id}?updateMask=disabled"
    assert call(google.emulator, "PATCH", path, {"disabled": True}).ok
    assert _impersonate(google, token) == 200


def test_the_request_log_holds_no_secret(google: Google) -> None:
    token = _exchange(google)
    assert _impersonate(google, token) == 200
    log = call(google.emulator, "GET", "/emulator/requests").text
    assert token not in log
    assert "eyJ" not in log
    assert [entry["call"] for entry in google.emulator.requests()][-2:] == [
        "sts.token",
        "iamcredentials.projects.serviceAccounts.generateAccessToken",
    ]
    assert google.emulator.requests()[-1]["caller"] == "federated"
