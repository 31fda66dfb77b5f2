"""`gcp_wif.names`: what is accepted, what is refused, and what the refusal says."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.errors import InputError
from gcp_wif.names import (
    PoolId,
    PoolName,
    Principal,
    ProjectId,
    ProjectNumber,
    ProviderId,
    ProviderName,
    ServiceAccountEmail,
)

NAME = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
ids = st.text(string.ascii_lowercase + string.digits + "-", min_size=4, max_size=32).filter(
    lambda text: not text.startswith(("-", "gcp-"))
)


def refusal(parse, text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text, origin="POOL_ID")
    assert "POOL_ID" in caught.value.message
    return caught.value


@given(st.integers(1, 10**19 - 1))
def test_project_numbers(number: int) -> None:
    assert ProjectNumber.parse(str(number), origin="x") == str(number)


@pytest.mark.parametrize("text", ["", "0", "012", "1.2e11", "123456789012 ", "١٢٣", "-1", "12_3"])
def test_no_project_numbers(text: str) -> None:
    assert refusal(ProjectNumber.parse, text).code == "WIF104"


@pytest.mark.parametrize("text", ["acme-prod", "example.com:acme-prod"])
def test_a_project_id_in_place_of_the_number_is_named(text: str) -> None:
    error = refusal(ProjectNumber.parse, text)
    assert "project ID" in error.hint
    assert f"gcloud projects describe {text}" in error.hint


def test_a_project_number_in_place_of_the_id_is_named() -> None:
    assert "project number" in refusal(ProjectId.parse, "123456789012").hint


@given(ids)
def test_pool_and_provider_ids(text: str) -> None:
    assert PoolId.parse(text, origin="x") == ProviderId.parse(text, origin="x") == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "unset"),
        ("abc", "4 to 32"),
        ("a" * 33, "4 to 32"),
        ("gcp-pool", "reserved"),
        ("--quiet", "letter or a digit"),  # W5: it became an option of the commands that are printed
        ("-pool", "letter or a digit"),
        ("CircleCI", "lower case"),
        ("circle_ci", "4 to 32"),
        ("pools/circleci", "last part"),
        ("circleci\n", "4 to 32"),
    ],
)
def test_no_pool_ids(text: str, hint: str) -> None:
    error = refusal(PoolId.parse, text)
    assert (error.code, hint in error.hint) == ("WIF105", True)
    assert refusal(ProviderId.parse, text).code == "WIF106"


@pytest.mark.parametrize("prefix", ["", "//iam.googleapis.com/", "https://iam.googleapis.com/"])
def test_provider_names(prefix: str) -> None:
    name = ProviderName.parse(prefix + NAME, origin="x")
    assert str(name) == NAME
    assert name.audience == f"//iam.googleapis.com/{NAME}"
    assert name.default_audiences == (f"//iam.googleapis.com/{NAME}", f"https://iam.googleapis.com/{NAME}")
    assert name.pool == PoolName(ProjectNumber("123456789012"), PoolId("circleci"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "WIF108"),
        (NAME + "/", "WIF108"),
        (NAME.replace("global", "eu"), "WIF108"),
        ("https://evil.example/" + NAME, "WIF108"),
        (NAME.replace("123456789012", "acme-prod"), "WIF104"),
        (NAME.replace("123456789012", ""), "WIF104"),
        (NAME.replace("/circleci/", "//"), "WIF105"),
        (NAME.replace("circleci-acme", "X"), "WIF106"),
    ],
)
def test_no_provider_names(text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        ProviderName.parse(text, origin="x")
    assert caught.value.code == code


@given(st.text(max_size=40))
def test_arbitrary_text_is_parsed_or_refused(text: str) -> None:
    for kind in (ProjectNumber, ProjectId, PoolId, ProviderId, ProviderName, ServiceAccountEmail):
        try:
            assert str(kind.parse(text, origin="x")) == text
        except InputError as error:
            assert error.code.startswith("WIF1")


@pytest.mark.parametrize(
    ("email", "project"),
    [
        ("deploy@acme-prod.iam.gserviceaccount.com", "acme-prod"),
        ("deploy@acme-prod.example.com.iam.gserviceaccount.com", "example.com:acme-prod"),
        ("123456789012-compute@developer.gserviceaccount.com", None),
        ("acme-prod@appspot.gserviceaccount.com", None),
        ("service-123456789012@gcp-sa-cloudbuild.iam.gserviceaccount.com", None),
        ("service-123456789012@compute-system.iam.gserviceaccount.com", None),
        ("123456789012@cloudbuild.gserviceaccount.com", None),
    ],
)
def test_accounts_and_the_project_that_their_email_tells(email: str, project: str | None) -> None:
    assert ServiceAccountEmail.parse(email, origin="x").project_id == project


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "unset"),
        ("deploy", "whole email"),
        ("someone@example.com", "ends in"),
        ("Deploy@acme-prod.iam.gserviceaccount.com", "lower case"),
        (" deploy@acme-prod.iam.gserviceaccount.com", "white space"),
        ("ab@acme-prod.iam.gserviceaccount.com", "6 to 30"),
        ("deploy@acme-prod.iam.gserviceaccount.com.evil.example", "ends in"),
        ("deploy@acme..prod.iam.gserviceaccount.com", "ends in"),
        ("deploy@x.gserviceaccount.com:generate#", "reads"),
    ],
)
def test_no_accounts(text: str, hint: str) -> None:
    error = refusal(ServiceAccountEmail.parse, text)
    assert (error.code, hint in error.hint) == ("WIF107", True)


def test_a_token_in_the_wrong_variable_is_not_shown(make_jwt) -> None:
    token = make_jwt()
    for kind in (ProjectNumber, PoolId, ProviderName, ServiceAccountEmail, ProjectId):
        error = refusal(kind.parse, token)
        assert token[:20] not in error.message + (error.hint or "")


def test_principals() -> None:
    pool = ProviderName.parse(NAME, origin="x").pool
    base = "iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci"
    assert Principal.subject(pool, "org/1") == f"principal://{base}/subject/org/1"
    assert Principal.group(pool, "p:c") == f"principalSet://{base}/group/p:c"
    assert Principal.attribute(pool, "project", "1") == f"principalSet://{base}/attribute.project/1"
    assert Principal.whole_pool(pool) == f"principalSet://{base}/*"
