"""Reading Google: what may not be read is unseen, where nothing answers nothing is said."""

from types import SimpleNamespace
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google_setup import ACCOUNT, PROVIDER
from provisioned import QUICK

from gcp_wif.doctor import Evidence, diagnose
from gcp_wif.doctor.evidence import MISSING
from gcp_wif.doctor.sources import from_google
from gcp_wif.errors import InputError, UnavailableError
from gcp_wif.names import ServiceAccountEmail

CASE = Evidence(1_800_000_000.0, provider=PROVIDER, account=ServiceAccountEmail(ACCOUNT))


def failing(error: Exception) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    names = (
        "get",
        "list_providers",
        "get_account",
        "get_policy",
        "get_node_policy",
        "ancestors",
        "services",
        "list_pools",
        "list_accounts",
    )
    return SimpleNamespace(**dict.fromkeys(names, fail))


def test_what_may_not_be_read_is_unknown() -> None:
    evidence = from_google(CASE, failing(exceptions.Forbidden("no")), QUICK)
    assert evidence.pool_state is evidence.provider_state is evidence.account_state is evidence.policy is None
    report = diagnose(evidence)
    assert report.broken is None
    assert {"WIF992", "WIF993", "WIF994"} <= {each.code for each in report.findings}


def test_what_is_not_there_is_missing() -> None:
    evidence = from_google(CASE, failing(exceptions.NotFound("no")), QUICK)
    assert evidence.pool_state is evidence.provider_state is evidence.account_state is MISSING
    broken = diagnose(evidence).broken
    assert broken is not None
    assert broken.code == "WIF901"


@pytest.mark.parametrize("error", [requests.ConnectionError("x"), exceptions.ServiceUnavailable("x")])
def test_no_answer(error: Exception) -> None:
    with pytest.raises(UnavailableError) as raised:
        from_google(CASE, failing(error), QUICK)
    assert raised.value.exit_code == 3


def test_nobody_is_logged_in() -> None:
    with pytest.raises(InputError) as raised:
        from_google(CASE, failing(auth_exceptions.RefreshError("x")), QUICK)
    assert raised.value.code == "WIF812"
