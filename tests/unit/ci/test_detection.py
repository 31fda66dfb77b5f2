"""Which CI system's job this is, and how each is found."""

import pytest

from gcp_wif import ci, issuers
from gcp_wif.ci.model import CiSystem
from gcp_wif.errors import InputError


class _Other(CiSystem):
    kind = "oidc"
    title = "Other"
    detected_by = ("OTHER_CI",)


def test_a_job_is_detected_by_any_of_its_variables() -> None:
    for name in ("CIRCLECI", "CIRCLE_OIDC_TOKEN", "CIRCLE_OIDC_TOKEN_V2"):
        assert ci.detect({name: "x", "HOME": "/"}).kind == "circleci"


@pytest.mark.parametrize("environ", [{}, {"CI": "true"}, {"CIRCLECI": ""}, {"XCIRCLECI": "true"}], ids=str)
def test_elsewhere_nothing_is_known(environ: dict[str, str]) -> None:
    found = ci.detect(environ)
    assert found is ci.UNKNOWN
    assert found.kind == issuers.FALLBACK
    assert found.token_variables == ()
    assert not found.can_ask(environ)
    assert found.tenant(environ) == issuers.Tenant()
    assert found.export_target(environ) is None


def test_two_at_once_name_both_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci, "kinds", lambda: ("circleci", "oidc"))
    monkeypatch.setattr(ci, "system", {"circleci": ci.system("circleci"), "oidc": _Other()}.__getitem__)
    both = {"CIRCLE_OIDC_TOKEN": "secret", "OTHER_CI": "true"}
    with pytest.raises(InputError) as caught:
        ci.detect(both)
    error = caught.value
    assert error.code == "WIF209"
    assert "CircleCI (CIRCLE_OIDC_TOKEN is set) and Other (OTHER_CI is set)" in error.message
    assert "--ci circleci or --ci oidc" in (error.hint or "")
    assert "secret" not in error.message
    assert ci.choose("circleci", both).kind == "circleci"


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError) as caught:
        ci.choose("cirlceci", {"CIRCLECI": "true"})
    assert caught.value.code == "WIF210"
    assert all(kind in caught.value.message for kind in issuers.kinds())


def test_a_name_overrules_what_is_detected() -> None:
    assert ci.choose("oidc", {"CIRCLECI": "true"}) is ci.UNKNOWN
    assert ci.choose("circleci", {}).kind == "circleci"


def test_a_kind_without_jobs_of_its_own_is_an_unknown_place() -> None:
    assert ci.system("oidc") is ci.UNKNOWN
    with pytest.raises(KeyError):
        ci.system("circleci-config")
