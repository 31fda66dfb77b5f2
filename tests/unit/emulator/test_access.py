"""Who gets an account's tokens on the emulator: inherited policies, conditions at its clock, custom roles, scopes."""

from typing import Any

import pytest
import requests
from google.auth import exceptions
from google_setup import ACCOUNT, Google
from real_client import SCOPES, login

from gcp_wif.issuers.circleci import SAMPLE_PROJECT
from gcp_wif.names import Principal

USER = "roles/iam.workloadIdentityUser"


@pytest.fixture
def unbound(google: Google) -> Google:
    google.provision(accounts={ACCOUNT: []})
    google.emulator.state.settings.ancestors = {"acme-prod": ("folders/1", "organizations/2")}
    return google


def policy(google: Google, where: str) -> Any:
    state = google.emulator.state
    account = state.accounts.find(ACCOUNT)
    assert account is not None
    if where == "account":
        return account.policy
    return state.project_policy(where) if where.startswith("acme") else state.node_policy(where)


def grant(google: Google, where: str, condition: str = "", role: str = USER) -> None:
    member = str(Principal.attribute(google.provider.pool, "project", SAMPLE_PROJECT))
    binding: dict[str, Any] = {"role": role, "members": [member]}
    if condition:
        binding["condition"] = {"title": "t", "expression": condition}
    policy(google, where).replace({"bindings": [binding]}, 0, 0)


def admits(google: Google) -> bool:
    try:
        login(google)
    except exceptions.GoogleAuthError:
        return False
    return True


@pytest.mark.parametrize("where", ["account", "acme-prod", "folders/1", "organizations/2"])
def test_a_binding_is_inherited(where: str, unbound: Google) -> None:
    assert not admits(unbound)
    grant(unbound, where)
    assert admits(unbound)


@pytest.mark.parametrize("where", ["acme-identity", "folders/3"])
def test_a_binding_elsewhere_is_not(where: str, unbound: Google) -> None:
    grant(unbound, where)
    assert not admits(unbound)


def test_a_condition_is_evaluated_at_the_emulators_time(unbound: Google) -> None:
    now = unbound.emulator.state.clock.now()
    grant(unbound, "acme-prod", f"request.time < timestamp('1970-01-01T00:00:00Z') + duration('{int(now) + 100}s')")
    assert admits(unbound)
    unbound.emulator.advance(101)
    assert not admits(unbound)


@pytest.mark.parametrize(
    "condition",
    [
        "false", "request.host == 'x'", "resource.matchTag('1/a', 'b')",
        "resource.name.endsWith('/serviceAccounts/other@acme-prod.iam.gserviceaccount.com')",
    ],
)  # fmt: skip
def test_a_condition_that_is_false_or_unknown_grants_nothing(condition: str, unbound: Google) -> None:
    grant(unbound, "account", condition)
    assert not admits(unbound)


def test_a_custom_role_is_what_it_carries(unbound: Google) -> None:
    role = "projects/acme-prod/roles/ci"
    grant(unbound, "account", role=role)
    assert not admits(unbound)
    unbound.emulator.state.settings.roles = {role: frozenset(["iam.serviceAccounts.getAccessToken"])}
    assert admits(unbound)


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("https://www.googleapis.com/auth/cloud-platform", 200),
        ("https://www.googleapis.com/auth/iam", 200),
        ("https://www.googleapis.com/auth/devstorage.read_only", 403),
    ],
)
def test_a_token_of_a_narrower_scope_does_not_impersonate(scope: str, status: int, google: Google) -> None:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": google.provider.audience,
        "scope": scope, "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "subject_token": google.emulator.token(),
    }  # fmt: skip
    token = requests.post(f"{google.emulator.http}/v1/token", data=form, timeout=10).json()["access_token"]
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(url, json={"scope": SCOPES}, headers=headers, timeout=10)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["message"] == "Request had insufficient authentication scopes."


@pytest.mark.parametrize("scope", ["foo", "", "https://www.googleapis.com/auth/cloud-platform foo"])
def test_a_scope_that_is_none(scope: str, google: Google) -> None:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": google.provider.audience,
        "scope": scope, "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "subject_token": google.emulator.token(),
    }  # fmt: skip
    assert requests.post(f"{google.emulator.http}/v1/token", data=form, timeout=10).json()["error"] == "invalid_scope"


@pytest.mark.parametrize("expression", ["request.time <", "", "a ==== b"])
def test_a_condition_that_is_no_cel_is_not_written(expression: str, google: Google) -> None:
    member = str(Principal.attribute(google.provider.pool, "project", SAMPLE_PROJECT))
    binding = {"role": USER, "members": [member], "condition": {"title": "t", "expression": expression}}
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}:setIamPolicy"
    body = {"policy": {"version": 3, "bindings": [binding]}}
    assert requests.post(url, json=body, timeout=10).status_code == 400
