"""The emulator as each CI system's issuer: tokens of its shape, and under its real name its discovery and keys."""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any

import kinds
import pytest

from gcp_wif.emulator import Emulator
from gcp_wif.issuers import profile
from gcp_wif.subject_token import SubjectToken


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    with Emulator(proxy_port=0) as running:
        yield running


def post(google: Emulator, document: dict[str, Any]) -> str:
    body = json.dumps(document).encode()
    request = urllib.request.Request(
        f"{google.http}/emulator/tokens", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["token"])


@pytest.mark.parametrize("kind", sorted({kinds.kind(each).name for each in kinds.names()}))
def test_a_token_has_the_shape_of_its_system(google: Emulator, kind: str) -> None:
    found = SubjectToken.parse(post(google, {"kind": kind, "claims": {"aud": "me"}}), origin="x").claims
    wanted = profile(kind).sample({"aud": "me"}, 0)
    assert set(found) == set(wanted)
    same = {name for name in wanted if name not in ("iat", "nbf", "exp", "jti")}
    assert {name: found[name] for name in same} == {name: wanted[name] for name in same}


def test_githubs_subject_has_two_forms(google: Emulator) -> None:
    body = {"kind": "github", "claims": {"repository": "acme/app"}}
    plain = SubjectToken.parse(post(google, body), origin="x").claims
    ids = SubjectToken.parse(post(google, body | {"subject": "ids"}), origin="x").claims
    assert plain["sub"] == "repo:acme/app:ref:refs/heads/main"
    assert ids["sub"].startswith("repo:acme@")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com/octo-enterprise",
        "https://gitlab.com",
    ],
)
def test_under_its_real_name_it_publishes_its_keys(google: Emulator, issuer: str) -> None:
    env = google.environ(real_hosts=True)
    proxy = urllib.request.ProxyHandler({"https": env["HTTPS_PROXY"]})
    secure = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=env["SSL_CERT_FILE"]))
    opener = urllib.request.build_opener(proxy, secure)
    with opener.open(f"{issuer}/.well-known/openid-configuration", timeout=10) as answer:
        document = json.load(answer)
    assert document["issuer"] == issuer
    with opener.open(document["jwks_uri"], timeout=10) as answer:
        assert {key["kid"] for key in json.load(answer)["keys"]} == {"issuer-rs256", "issuer-es256"}
