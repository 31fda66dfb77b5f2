"""Random rules and random tokens through the whole of Google's side: STS, then impersonation of every account."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from rules import CLAIMS, IDENTITIES, expected, manifest

from gcp_wif.emulator import Emulator
from gcp_wif.errors import InputError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@settings(max_examples=60)
@given(identities=IDENTITIES, tokens=st.lists(CLAIMS, min_size=1, max_size=4))
def test_a_token_gets_exactly_the_accounts_that_the_rules_say(
    google: Emulator, identities: dict[str, Any], tokens: list[dict[str, Any]]
) -> None:
    accounts = {name: f"{name}-account@acme-prod.iam.gserviceaccount.com" for name in identities}
    made = {name: each | {"service_account": accounts[name]} for name, each in identities.items()}
    google.reset()
    try:
        google.provision_as(manifest(made, direct=False))
    except InputError:  # too many combinations with contexts
        reject()
    now = int(google.state.clock.now())
    with requests.Session() as session:
        for claims in tokens:
            granted = _accounts(session, google, claims | {"iat": now, "exp": now + 600}, accounts)
            assert granted == expected(identities, claims)


def _accounts(
    session: requests.Session, google: Emulator, claims: dict[str, Any], accounts: dict[str, str]
) -> set[str]:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/"
        "providers/circleci-acme",
        "scope": SCOPE,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": google.issuer.sign_claims(claims, now=google.state.clock.now()),
    }
    answer = session.post(f"{google.http}/v1/token", data=form, timeout=10)
    if not answer.ok:
        assert answer.json()["error"] == "unauthorized_client"
        return set()
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    granted = set()
    for name, account in accounts.items():
        url = f"{google.http}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        status = session.post(url, json={"scope": [SCOPE]}, headers=bearer, timeout=10).status_code
        assert status in (200, 403)
        if status == 200:
            granted.add(name)
    return granted
