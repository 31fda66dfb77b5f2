"""Where the subject token comes from."""

import json
import os
import subprocess

import pytest
from google_setup import PROVIDER

from gcp_wif.credential_config import FileSource, TokenFormat
from gcp_wif.errors import InputError, UnavailableError
from gcp_wif.issuers import profile
from gcp_wif.job.flags import TokenFlags
from gcp_wif.job.target import Target
from gcp_wif.job.tokens import obtain_token, read_token_file

ORG = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"


@pytest.fixture
def obtain(run_context, make_jwt):
    def run(environ=None, given=b"", program=None, issuer=None, token_type=None, **flags):
        context = run_context({"CIRCLECI": "true"} | (environ or {}), given, run=program)
        kinds = {} if token_type is None else {"subject_token_type": token_type}
        target = Target(PROVIDER, None, issuer=issuer) if issuer else None
        return obtain_token(TokenFlags(**flags), context, target, **kinds)

    return run


@pytest.fixture
def jwt(make_jwt) -> str:
    return make_jwt(now=1_800_000_000)


def answering(stdout: bytes, code: int = 0):
    def run(command):
        assert command[:4] == ["circleci", "run", "oidc", "get"]
        return subprocess.CompletedProcess(command, code, stdout, b"")

    return run


def test_the_default_variable(obtain, jwt) -> None:
    assert obtain({"CIRCLE_OIDC_TOKEN": jwt + "\n"}).token.reveal() == jwt


def test_a_named_variable(obtain, jwt) -> None:
    assert obtain({"MINE": jwt}, env="MINE").token.reveal() == jwt


def test_standard_input(obtain, jwt) -> None:
    assert obtain(given=jwt.encode(), stdin=True).token.reveal() == jwt


def test_a_response(obtain, jwt, tmp_path) -> None:
    path = tmp_path / "response.json"
    path.write_text(json.dumps({"response": {"id_token": jwt}, "id_token": jwt}))
    assert obtain(response=str(path)).token.reveal() == jwt
    assert obtain(response=str(path), response_field="response.id_token").token.reveal() == jwt


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("{", "a"),
        ("[]", "a"),
        ('{"a": 1}', "a"),
        ('{"b": "x"}', "a"),
        ('{"a": {"b": "x"}}', "a.c"),
        ('{"a": "x"}', "a.b"),
        ("[" * 100_000, "a"),
    ],
)
def test_a_response_without_it(obtain, tmp_path, content: str, field: str) -> None:
    path = tmp_path / "response.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        obtain(response=str(path), response_field=field)
    assert caught.value.code == "WIF207"


def test_the_ci_system_is_asked(obtain, jwt) -> None:
    seen = []

    def run(command):
        seen.append(command)
        return subprocess.CompletedProcess(command, 0, jwt.encode() + b"\n", b"")

    assert obtain(audience='a"b', program=run).token.reveal() == jwt
    assert seen == [["circleci", "run", "oidc", "get", "--claims", '{"aud": "a\\"b"}']]


def test_the_ci_system_fails(obtain, jwt) -> None:
    with pytest.raises(UnavailableError) as caught:
        obtain(audience="x", program=answering(jwt.encode(), 1))
    assert caught.value.code == "WIF603"
    assert jwt[:20] not in caught.value.message + caught.value.hint

    def hang(command):
        raise subprocess.TimeoutExpired(command, 30, output=jwt.encode())

    with pytest.raises(UnavailableError) as caught:
        obtain(audience="x", program=hang)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_there_is_no_program_to_ask(obtain, monkeypatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(InputError) as caught:
        obtain(audience="x")
    assert caught.value.code == "WIF208"


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"env": "A", "stdin": True}, "WIF110"),
        ({"response": "x", "audience": "y"}, "WIF110"),
        ({"response_field": "x"}, "WIF110"),
        ({"env": ""}, "WIF102"),
        ({"audience": ""}, "WIF102"),
        ({"env": "UNSET"}, "WIF201"),
        ({"env": "$CIRCLE_OIDC_TOKEN"}, "WIF201"),
        ({"response": "/proc/self/nothing"}, "WIF306"),
        ({}, "WIF201"),
    ],
)
def test_refusals(obtain, flags: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        obtain(**flags)
    assert caught.value.code == code


def test_a_v2_token_is_suggested_where_only_that_is_there(obtain, jwt) -> None:
    with pytest.raises(InputError) as caught:
        obtain({"CIRCLE_OIDC_TOKEN_V2": jwt})
    assert "--token-env CIRCLE_OIDC_TOKEN_V2" in caught.value.hint


def test_a_token_given_as_a_name_is_not_shown(obtain, jwt) -> None:
    with pytest.raises(InputError) as caught:
        obtain(env=jwt)
    assert jwt[:20] not in caught.value.message


def test_standard_input_that_is_no_text(obtain) -> None:
    with pytest.raises(InputError) as caught:
        obtain(given=b"\xff\xfe", stdin=True)
    assert caught.value.code == "WIF203"


def test_the_jobs_organisation_and_the_manifests(obtain, jwt) -> None:
    assert obtain({"CIRCLE_OIDC_TOKEN": jwt, "CIRCLE_ORGANIZATION_ID": ORG})
    for where in ({"CIRCLE_ORGANIZATION_ID": ORG[:-1] + "5"}, {}):
        with pytest.raises(InputError) as caught:
            obtain(
                {"CIRCLE_OIDC_TOKEN": jwt} | where,
                issuer=None if where else profile("circleci").issuer({"organization_id": ORG[:-1] + "5"}, None, None),
            )
        assert caught.value.code == "WIF206"


def test_other_token_types_are_taken_as_they_are(obtain) -> None:
    saml = "urn:ietf:params:oauth:token-type:saml2"
    assert obtain({"CIRCLE_OIDC_TOKEN": "PHNhbWw+"}, token_type=saml).token.reveal() == "PHNhbWw+"


@pytest.mark.parametrize(
    "token_format", [None, TokenFormat("text"), TokenFormat("json", "id_token"), TokenFormat("json", "a.b")]
)
def test_a_token_file_is_read_as_it_was_written(tmp_path, jwt, token_format) -> None:
    source = FileSource(str(tmp_path / "t"), token_format)
    (tmp_path / "t").write_bytes(source.effective_format.encode(jwt))
    assert read_token_file(source).reveal() == jwt
