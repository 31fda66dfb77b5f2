"""The flags of `print-access-token`, as gcloud reads them."""

import pytest

from gcp_wif.errors import InputError
from gcp_wif.job.access import Chain, exported_config, parse_chain, parse_lifetime, parse_scopes

A, B, C = (f"account-{name}@acme-prod.iam.gserviceaccount.com" for name in "abc")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1800", 1800),
        ("1800s", 1800),
        ("30m", 1800),
        ("1h", 3600),
        ("1h30m", 5400),
        ("12h", 43_200),
        ("1H", 3600),
        ("1m30", 90),
    ],
)
def test_lifetimes(text: str, seconds: int) -> None:
    assert parse_lifetime(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "43201", "13h", "1d", "soon", "1e3", "1.5h", "١", "1 h", "9" * 50])
def test_no_lifetimes(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_lifetime(text)
    assert caught.value.code == "WIF143"


def test_scopes_get_those_of_an_email() -> None:
    email = ("openid", "https://www.googleapis.com/auth/userinfo.email")
    assert parse_scopes("a, b,a") == ("a", "b", *email)
    assert parse_scopes("openid") == email
    assert parse_scopes(None) is None


@pytest.mark.parametrize("text", ["", "a,", "a b", 'a"b', "é", "a\nb", "a\\b", "x" * 501])
def test_no_scopes(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_scopes(text)
    assert caught.value.code == "WIF142"


def test_the_last_account_is_the_target() -> None:
    assert parse_chain(A) == Chain(A)
    assert parse_chain(f"{A}, {B},{C}") == Chain(C, (A, B))
    for text in ("", f"{A},", "somebody@example.com", f"{A}/../x"):
        with pytest.raises(InputError) as caught:
            parse_chain(text)
        assert caught.value.code == "WIF107"


def test_the_config_is_the_exported_one(run_context, tmp_path) -> None:
    exported = {"GOOGLE_APPLICATION_CREDENTIALS": "/somewhere/config.json"}
    assert str(exported_config("here.json", run_context(exported))) == f"{tmp_path}/here.json"
    assert str(exported_config(None, run_context(exported))) == "/somewhere/config.json"
    assert str(exported_config(None, run_context())) == f"{tmp_path}/home/gcp_cred_config.json"
