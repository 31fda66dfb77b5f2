"""How a token that was asked for is printed."""

import json

import pytest

from gcp_wif.cli.command import CommonOptions
from gcp_wif.cli.granted import print_granted
from gcp_wif.job.access import Granted

GRANTED = Granted("the-token-itself", None, ("A warning.",))


@pytest.mark.parametrize(
    ("environ", "asked"), [({"GITHUB_ACTIONS": "true"}, True), ({"CIRCLECI": "true"}, False), ({}, False)]
)
def test_the_log_of_a_job_hides_it_where_the_system_can(run_context, capfd, environ, asked: bool) -> None:
    """And nothing but that request is on stderr: elsewhere it would show the token."""
    print_granted(GRANTED, {"audience": "x"}, run_context(environ), CommonOptions())
    told = capfd.readouterr()
    assert told.out == "the-token-itself\n"
    request = "::add-mask::the-token-itself\n" if asked else ""
    assert told.err == f"{request}warning: A warning.\n"


def test_as_json(run_context, capfd) -> None:
    print_granted(GRANTED, {"audience": "x"}, run_context(), CommonOptions(as_json=True))
    assert json.loads(capfd.readouterr().out) == {
        "version": 1, "token": "the-token-itself", "audience": "x", "service_account": None, "warnings": ["A warning."],
    }  # fmt: skip


def test_it_hides_itself() -> None:
    assert "the-token-itself" not in repr(GRANTED)
