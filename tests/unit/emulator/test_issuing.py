"""Tokens as the emulator issues and takes them: headers, keys, uploaded key sets."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from google_setup import Google
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gcp_wif.emulator.model.token_issuer import TokenIssuer, uploaded_keys

POOL = "/v1/projects/123456789012/locations/global/workloadIdentityPools/circleci"


@pytest.fixture
def exchange(google: Google) -> Callable[[str], dict[str, Any]]:
    def send(token: str) -> dict[str, Any]:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": google.provider.audience,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": token,
        }
        return requests.post(f"{google.emulator.http}/v1/token", data=form, timeout=10).json()

    return send


def header_of(token: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_header_field_that_nobody_knows_is_ignored(algorithm: str, google: Google, exchange) -> None:
    token = google.emulator.token({"alg": algorithm, "acme": "x"})
    assert header_of(token) == {"alg": algorithm, "typ": "JWT", "acme": "x", "kid": f"issuer-{algorithm.lower()}"}
    assert "access_token" in exchange(token)


@pytest.mark.parametrize(
    "body",
    [
        {"header": {"crit": "x"}},
        {"header": {"crit": ["acme"]}},
        {"header": {"kid": 1}},
        {"header": {"alg": []}},
        {"header": ["x"]},
        {"claims": ["x"]},
        {"version": 3},
        {"stranger": "yes"},
        {"colour": 1},
    ],
    ids=str,
)
def test_a_token_that_cannot_be_made_is_the_askers_mistake(body: dict[str, Any], google: Google) -> None:
    answer = requests.post(f"{google.emulator.http}/emulator/tokens", json=body, timeout=10)
    assert answer.status_code == 400
    assert google.emulator.crashes == []


def test_null_takes_out_and_shorthands_shape(google: Google) -> None:
    claims = {"oidc.circleci.com/vcs-ref": None, "org": "o", "project": "p", "user": "u"}
    body = {"claims": claims, "header": {"kid": None, "typ": None}, "version": 2}
    token = requests.post(f"{google.emulator.http}/emulator/tokens", json=body, timeout=10).json()["token"]
    assert header_of(token) == {"alg": "RS256"}
    found = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (found["iss"], found["aud"]) == ("https://oidc.circleci.com/org/o", "o")
    assert found["sub"] == "org/o/project/p/user/u"  # without vcs claims both versions are the same
    assert "oidc.circleci.com/vcs-ref" not in found


def test_an_uploaded_key_set_replaces_the_issuers(google: Google, exchange) -> None:
    other = TokenIssuer()
    google.provision(jwks_json=json.dumps(other.jwks()))
    assert exchange(google.emulator.token())["error_description"] == "Unable to verify the ID Token signature."
    now = google.emulator.state.clock.now()
    assert "access_token" in exchange(other.sign(now=now))
    assert "access_token" in exchange(other.sign(now=now, header={"alg": "ES256"}))


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "null", "{}", '{"keys": 1}', '{"keys": [1]}', '{"keys": [{}]}', '{"keys": [{"kty": "RSA"}]}'],
)
def test_key_sets_that_are_none(text: str, google: Google, exchange) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        uploaded_keys(text)
    if text:  # an empty one means that none was uploaded
        google.provision(jwks_json=text)
        assert exchange(google.emulator.token())["error"] == "invalid_grant"


def _set(*keys: Any) -> str:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]})


RSA = RSAKey.generate_key(2048, {"kid": "a"}, private=True)
SENTENCES = {
    "P-384": "Only RSA, EC key types are supported.",
    "Ed25519": "Input JWK contains corrupted key material.",
}
"""As measured on the real STS; of the second the words around "corrupted key material" are assumed."""
KEYS = {
    "oct": json.dumps({"keys": [OctKey.import_key("x" * 40, {"kid": "a"}).as_dict(private=True)]}),
    "short oct": '{"keys": [{"kty": "oct", "kid": "a", "k": "AQAB"}]}',
    "P-384": _set(ECKey.generate_key("P-384", {"kid": "a"})),
    "Ed25519": _set(OKPKey.generate_key("Ed25519", {"kid": "a"})),
    "without kid": json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False) | {"kid": ""}]}),
    "private": json.dumps({"keys": [RSA.as_dict(private=True)]}),
    "none": '{"keys": []}',
    "nine": json.dumps({"keys": [RSA.as_dict(private=False) | {"kid": str(n)} for n in range(9)]}),
    "of no JSON": "{",
}


@pytest.mark.parametrize("name", KEYS)
def test_key_sets_that_google_does_not_take(name: str, google: Google) -> None:
    wrong = "Input JWK is not in a valid json format."
    assert created(google, KEYS[name]) == SENTENCES.get(name, wrong)
    assert google.emulator.crashes == []


def test_key_sets_that_google_takes(google: Google) -> None:
    eight = {"keys": [RSA.as_dict(private=False) | {"kid": str(n)} for n in range(7)]}
    eight["keys"].append(ECKey.generate_key("P-256", {"kid": "e"}).as_dict(private=False))
    assert created(google, json.dumps(eight)) is None


def created(google: Google, jwks: str) -> str | None:
    """Create a provider; what Google says against it."""
    oidc = {"issuerUri": "https://issuer.example", "jwksJson": jwks}
    body = {"attributeMapping": {"google.subject": "assertion.sub"}, "oidc": oidc}
    url = f"{google.emulator.http}{POOL}/providers?workloadIdentityPoolProviderId=other"
    return requests.post(url, json=body, timeout=10).json().get("error", {}).get("message")


def test_the_issuer_answers_discovery(google: Google) -> None:
    for path in ("", "/org/8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"):
        url = f"{google.emulator.http}{path}/.well-known/openid-configuration"
        document = requests.get(url, timeout=10).json()
        assert document["issuer"] == f"https://oidc.circleci.com{path}"
        keys = requests.get(document["jwks_uri"], timeout=10).json()["keys"]
        assert sorted((key["kid"], key["alg"]) for key in keys) == [
            ("issuer-es256", "ES256"),
            ("issuer-rs256", "RS256"),
        ]
        assert not any("d" in key for key in keys)
