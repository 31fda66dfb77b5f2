"""The form that STS is sent: which error code each field gives, and how long a token may be."""

import base64
from typing import Any

import pytest
import requests
from google_setup import Google

from gcp_wif.emulator.model.errors import StsError
from gcp_wif.emulator.services.sts import _parse
from gcp_wif.limits import MAX_TOKEN_BYTES


def answer(google: Google, path: str = "token", **changes: str | None) -> requests.Response:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "audience": google.provider.audience,
        "subject_token": google.emulator.token(),
    } | changes
    given = {name: value for name, value in form.items() if value is not None}
    return requests.post(f"{google.emulator.http}/v1/{path}", data=given, timeout=10)


def test_the_whole_form_is_taken(google: Google) -> None:
    assert answer(google).json()["token_type"] == "Bearer"
    assert answer(google, options="%7B%22userProject%22%3A%22x%22%7D").status_code == 200
    assert answer(google, options='{"userProject": "x"}').status_code == 200


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_token_may_end_as_a_line_of_a_file_does(google: Google, end: str) -> None:
    assert answer(google, subject_token=google.emulator.token() + end).status_code == 200
    assert answer(google, subject_token=google.emulator.token() + f"{end}x").status_code == 400


# RFC 6749, section 5.2, names these codes; RFC 8693, section 2.2.2, takes them over.
@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type", "grant_type"),
        ({"grant_type": None}, "unsupported_grant_type", "grant_type"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request", "requested_token_type"),
        ({"requested_token_type": None}, "invalid_request", "requested_token_type"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:x"}, "invalid_request", "subject_token_type"),
        ({"scope": None}, "invalid_scope", "scope"),
        ({"scope": "  "}, "invalid_scope", "scope"),
        ({"options": "[]"}, "invalid_request", "options"),
        ({"options": "{"}, "invalid_request", "options"),
        ({"options": "[" * 100_000}, "invalid_request", "options"),
        ({"subject_token": None}, "invalid_grant", "ID Token"),
        ({"subject_token": "x"}, "invalid_grant", "ID Token"),
        ({"path": "introspect"}, "invalid_request", "token"),
    ],
    ids=str,
)
def test_each_field_has_its_error(google: Google, changes: dict[str, Any], error: str, field: str) -> None:
    found = answer(google, **changes)
    assert found.status_code == 400
    assert found.json()["error"] == error
    assert field in found.json()["error_description"]


def token_of(size: int) -> str:
    """A token of exactly so many characters, signed by nobody."""
    header, claims = b'{"alg":"RS256","kid":"k"}', b'{"sub":"%s"}'
    for signature in (b"s", b"ss", b"sss"):  # Base64 has no text of 1 modulo 4 characters
        for padding in range(size * 3 // 4 - 120, size * 3 // 4):
            parts = (header, claims % (b"x" * padding), signature)
            found = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
            if len(found) == size:
                return found
    raise AssertionError("no padding gives this size")


def test_a_token_may_have_32_kib_and_not_one_character_more() -> None:
    assert MAX_TOKEN_BYTES == 32 * 1024
    header, claims = _parse(token_of(MAX_TOKEN_BYTES))
    assert header["kid"] == "k"
    assert len(claims["sub"]) > 24_000
    with pytest.raises(StsError) as caught:
        _parse(token_of(MAX_TOKEN_BYTES + 1))
    assert caught.value.body == {"error": "invalid_grant", "error_description": "Unable to parse the ID Token."}
