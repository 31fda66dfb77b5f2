"""`gcp_wif.subject_token`: a token that hides, and claims that are looked at before Google sees them."""

import base64
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.errors import InputError
from gcp_wif.issuers.checks import Tenant, check_claims
from gcp_wif.subject_token import SubjectToken, UnverifiedClaims

NOW = 1_800_000_000.0
ORG = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refusal(text: str, **rest) -> InputError:
    with pytest.raises(InputError) as caught:
        SubjectToken.parse(text, origin="CIRCLE_OIDC_TOKEN", **rest)
    assert "CIRCLE_OIDC_TOKEN" in caught.value.message
    return caught.value


def check(claims: dict, organization: str | None = None) -> tuple[str, ...]:
    tenant = Tenant("circleci", {"organization_id": organization}, "CIRCLE_ORGANIZATION_ID")
    return check_claims(UnverifiedClaims(claims), NOW, tenant, origin="it")


def test_it_hides_itself(make_jwt, caplog: pytest.LogCaptureFixture) -> None:
    text = make_jwt()
    token = SubjectToken.parse(text, origin="x")
    shown = [repr(token), str(token), f"{token}", f"{token!r:>40}", "%s" % token, repr([token]), repr(token.claims)]
    logging.getLogger("x").warning("%s", token)
    assert not any(text[:12] in each for each in [*shown, caplog.text])
    with pytest.raises(TypeError):
        pickle.dumps(token)
    assert token.reveal() == text
    assert token == SubjectToken.parse(f" {text}\n", origin="y")
    assert len({token, SubjectToken.parse(text, origin="z")}) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "WIF202"),
        (" \n", "WIF202"),
        ("x", "WIF203"),
        ("a.b", "WIF203"),
        ("a.b.c.d", "WIF203"),
        ("$CIRCLE_OIDC_TOKEN", "WIF203"),
        ('{"id_token": "x"}', "WIF203"),
        ("ya29.abc", "WIF203"),
        (f"{part([])}.{part({})}.c2ln", "WIF203"),
        (f"{part({'kid': 'x'})}.{part({})}.c2ln", "WIF203"),
        (f"{part({'alg': 'RS256'})}.{part([])}.c2ln", "WIF203"),
        (f"{part({'alg': 'RS256'})}.AAAA.c2ln", "WIF203"),
        ("a" * 40_000, "WIF203"),
    ],
)
def test_what_is_no_token(text: str, code: str) -> None:
    assert refusal(text).code == code


def test_a_token_with_a_line_break_inside_is_refused_without_showing_it(make_jwt) -> None:
    text = make_jwt()
    error = refusal(text[:100] + "\n" + text[100:])
    told = "".join(traceback.format_exception(error)) + (error.hint or "")
    assert text[:30] not in told


@given(st.text(max_size=300))
def test_arbitrary_text_never_breaks_the_parser(text: str) -> None:
    for jwt in (True, False):
        try:
            assert SubjectToken.parse(text, origin="x", jwt=jwt).reveal() == text.strip()
        except InputError as error:
            assert error.code in {"WIF202", "WIF203"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_arbitrary_claims_never_break_the_checks(value) -> None:
    names = ("iss", "aud", "sub", "iat", "exp", "nbf", "oidc.circleci.com/org-id")
    for name in names:
        claims = {"exp": NOW + 10} | {name: value}
        try:
            check(claims, ORG)
        except InputError as error:
            assert error.code in {"WIF204", "WIF205", "WIF206"}


def test_other_token_types_are_not_parsed() -> None:
    token = SubjectToken.parse("PHNhbWw+", origin="x", jwt=False)
    assert (token.reveal(), dict(token.claims)) == ("PHNhbWw+", {})
    assert refusal("two words", jwt=False).code == "WIF203"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW}, "WIF204"),
        ({"exp": NOW - 1}, "WIF204"),
        ({"exp": -1e300}, "WIF205"),
        ({}, "WIF205"),
        ({"exp": "soon"}, "WIF205"),
        ({"exp": True}, "WIF205"),
        ({"exp": NOW + 9000, "iat": NOW + 61}, "WIF205"),
        ({"exp": NOW + 9000, "iat": NOW, "nbf": NOW + 61}, "WIF205"),
    ],
)
def test_times_that_google_refuses(claims: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        check(claims)
    assert caught.value.code == code


def test_times_that_are_fine() -> None:
    assert check({"exp": NOW + 1, "iat": NOW + 60, "nbf": NOW}) == ()


@pytest.mark.parametrize(
    ("claims", "organization"),
    [
        ({"oidc.circleci.com/org-id": "other"}, ORG),
        ({"iss": f"https://oidc.circleci.com/org/{ORG}"}, ORG.replace("8", "9")),
        ({"iss": f"https://oidc.circleci.com/org/{ORG}", "oidc.circleci.com/org-id": ORG[:-1] + "5"}, None),
    ],
)
def test_another_organisation(claims: dict, organization: str | None) -> None:
    with pytest.raises(InputError) as caught:
        check({"exp": NOW + 10} | claims, organization)
    assert caught.value.code == "WIF206"
    assert "organi" in caught.value.message


def test_letter_case_and_the_root_issuer_are_no_other_organisation() -> None:
    root = {"exp": NOW + 10, "iss": "https://oidc.circleci.com", "oidc.circleci.com/org-id": ORG}
    assert check(root, ORG.upper()) == ()


def test_a_subject_is_measured_in_bytes() -> None:
    fits = "ü" * 63 + "x"
    assert check({"exp": NOW + 10, "sub": fits}) == ()
    (warning,) = check({"exp": NOW + 10, "sub": fits + "y"})
    assert "128 bytes" in warning
    assert "google.subject" in warning


def test_a_v1_subject_fits_and_a_v2_subject_does_not(make_jwt) -> None:
    claims = SubjectToken.parse(make_jwt(), origin="x").claims
    assert len(claims["sub"]) == 127
    assert check(dict(claims) | {"exp": NOW + 10, "iat": NOW}) == ()
    longer = claims["sub"] + "/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/main"
    assert check(dict(claims) | {"exp": NOW + 10, "iat": NOW, "sub": longer})
