"""CircleCI's jobs: where the token comes from, and what is said where there is none."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google_setup import PROVIDER

from gcp_wif.ci import system
from gcp_wif.errors import InputError, UnavailableError
from gcp_wif.issuers import profile
from gcp_wif.job.flags import TokenFlags
from gcp_wif.job.target import Target
from gcp_wif.job.tokens import obtain_token

ORG = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
TARGET = Target(PROVIDER, None)


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """A job whose executor has the program, and no token variable."""
    program = tmp_path / "circleci"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return {"CIRCLECI": "true", "PATH": str(tmp_path), "CIRCLE_ORGANIZATION_ID": ORG}


class Program:
    """Stands for the process, and remembers what it was asked."""

    def __init__(self, answer: str, code: int = 0) -> None:
        self.answer, self.code, self.asked = answer, code, []

    def __call__(self, command: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
        self.asked.append(json.loads(command[-1])["aud"])
        return subprocess.CompletedProcess(command, self.code, self.answer.encode(), b"")


def test_a_missing_variable_is_made_up_for_by_asking(job: Any, run_context: Any, make_jwt: Any) -> None:
    program = Program(make_jwt(now=1_800_000_000))
    got = obtain_token(TokenFlags(), run_context(job, run=program), TARGET)
    assert got.token.reveal() == program.answer
    assert program.asked == [ORG]  # what a token of CircleCI's says by default


def test_the_variable_comes_first(job: Any, run_context: Any, make_jwt: Any) -> None:
    program, token = Program("never"), make_jwt(now=1_800_000_000)
    got = obtain_token(TokenFlags(), run_context(job | {"CIRCLE_OIDC_TOKEN": token}, run=program), TARGET)
    assert (got.token.reveal(), program.asked) == (token, [])


def test_the_manifests_audience_is_asked_for(job: Any, run_context: Any, make_jwt: Any) -> None:
    issuer = profile("circleci").issuer({"organization_id": ORG}, None, ("mine", "other"))
    program = Program(make_jwt(now=1_800_000_000))
    obtain_token(TokenFlags(), run_context(job, run=program), TARGET._replace(issuer=issuer))
    obtain_token(TokenFlags(audience="flag"), run_context(job, run=program), TARGET._replace(issuer=issuer))
    assert program.asked == ["mine", "flag"]


def test_where_nothing_names_an_audience_it_is_the_providers_name(job: Any, run_context: Any, make_jwt: Any) -> None:
    del job["CIRCLE_ORGANIZATION_ID"]
    program = Program(make_jwt(now=1_800_000_000))
    obtain_token(TokenFlags(), run_context(job, run=program), TARGET)
    client = {"GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": PROVIDER.audience}  # as clients tell the program that they run
    obtain_token(TokenFlags(), run_context(job | client, run=program))
    assert program.asked == [PROVIDER.default_audiences[1]] * 2
    with pytest.raises(InputError) as caught:
        obtain_token(TokenFlags(), run_context(job, run=program))
    assert caught.value.code == "WIF212"


def test_a_program_that_refuses_says_what_to_look_at(job: Any, run_context: Any, make_jwt: Any) -> None:
    answer = make_jwt(now=1_800_000_000)
    with pytest.raises(UnavailableError) as caught:
        obtain_token(TokenFlags(), run_context(job, run=Program(answer, 1)), TARGET)
    assert caught.value.code == "WIF603"
    assert "forked" in (caught.value.hint or "")
    assert answer[:20] not in caught.value.message + (caught.value.hint or "")


def test_without_the_program_it_is_said_why_a_token_can_be_missing(run_context: Any) -> None:
    with pytest.raises(InputError) as caught:
        obtain_token(TokenFlags(), run_context({"CIRCLECI": "true", "PATH": "/nowhere"}), TARGET)
    assert caught.value.code == "WIF201"
    assert "CIRCLE_OIDC_TOKEN is not set" in caught.value.message
    assert "forked pull requests" in (caught.value.hint or "")


def test_outside_any_ci_system_there_is_nobody_to_ask(run_context: Any) -> None:
    for flags, code in ((TokenFlags(), "WIF201"), (TokenFlags(audience="x"), "WIF211")):
        with pytest.raises(InputError) as caught:
            obtain_token(flags, run_context({}), TARGET)
        assert caught.value.code == code
        assert "--ci NAME" in (caught.value.hint or "")
        assert "ircle" not in caught.value.message + (caught.value.hint or "")


def test_what_the_environment_tells() -> None:
    circleci = system("circleci")
    environ = {"CIRCLE_ORGANIZATION_ID": ORG, "CIRCLE_PROJECT_ID": "p", "HOME": "/h", "BASH_ENV": "/e"}
    assert circleci.tenant(environ).keys == {"organization_id": ORG}
    assert circleci.rule(environ) == {"project": "p"}
    assert circleci.folder(environ) == "/h"
    target = circleci.export_target(environ)
    assert target is not None
    assert (str(target.path), target.now) == ("/e", 'source "$BASH_ENV"')
