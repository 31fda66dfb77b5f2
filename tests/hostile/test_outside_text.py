"""Words from outside that mean harm (row W19 of the review).

What a server, a claim, a file name or a flag says reaches a terminal and the CI system's log, and both obey some of it.
It is shown on one line, with its control characters visible and the commands of CI systems taken apart.
"""

import json
import re
from pathlib import Path

import pytest
from hostile_server import answer, says, serving
from measured import measured

from gcp_wif.errors import InputError

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"

NASTY = (
    "start\x1b]0;title\x07 \x1b]8;;http://evil.example\x07click\x1b]8;;\x07 \x1b[8mconcealed\x1b[2J \x00 \x9b31m \r"
    "error: done\r\n::error file=a::ours\n  ::set-env name=A::b\n\u2028::warning::x\n##[error]red\n"
    "text ##vso[task.setvariable variable=A]b ##teamcity[buildStop] \u202egnp.exe\u202c \u200b \ufeff \x7f end"
)


def obeys_nothing(text: str) -> None:
    """A terminal, GitHub's runner, Azure's and TeamCity's find nothing to obey."""
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202e\ufeff]", text) == []
    assert [line for line in text.splitlines() if line.lstrip().startswith("::")] == []
    assert re.findall(r"##[a-z]*\[", text) == []


class TestWordsOfAServer:
    @pytest.mark.parametrize("flags", [[], ["--json"], ["-vv"]])
    @pytest.mark.parametrize("shape", ["sts", "impersonation", "text", "known"])
    def test_they_reach_no_terminal_and_no_ci_system(self, job, shape: str, flags: list[str]) -> None:
        """W19: OSC escapes, NUL, CR and `::error::` lines came through."""
        body = {
            "sts": json.dumps({"error": NASTY, "error_description": NASTY}),
            "impersonation": json.dumps({"error": {"status": NASTY, "message": NASTY}}),
            "text": NASTY,
            "known": json.dumps(
                {
                    "error": "invalid_grant",
                    "error_description": f"The audience in ID Token [{NASTY}] does not match the expected audience.",
                }
            ),
        }[shape]
        with serving(says(answer(body, "400 Bad Request"))) as server:
            done = measured(job(server.host), "verify", *flags)
        assert done.returncode == 1, done.stderr
        obeys_nothing(done.stderr)
        obeys_nothing(done.stdout)
        assert "click" in done.stderr  # it is shown, made harmless
        if flags == ["--json"]:
            error = json.loads(done.stdout)["error"]
            assert "\n" not in error["message"]
            obeys_nothing(error["message"])
            for line in (error["hint"] or "").splitlines():
                obeys_nothing(line)

    def test_nor_do_those_of_other_input(self, cli, make_jwt, tmp_path: Path) -> None:
        """W19: claims, file names, flags and fields of a response."""
        evil = tmp_path / "\n::error::x\x1b[2J"
        response = tmp_path / "response.json"
        response.write_text(json.dumps({NASTY: 1}))
        claims = tmp_path / "claims.json"
        claims.write_text(json.dumps({"iss": NASTY, "sub": NASTY, "aud": [NASTY], NASTY: NASTY}))
        job = {"CIRCLE_OIDC_TOKEN": make_jwt(sub=NASTY, aud=NASTY)}
        for arguments in (
            ["login", PROVIDER, "--direct", "--no-verify", f"--output-file={evil}/x", "--json"],
            ["login", PROVIDER, "--direct", "--no-verify", f"--output-file={evil}/x"],
            ["export", f"--output-file={evil}/nothing"],
            ["login", "\n::error::x"],
            ["login", "--no-such-flag\n::error::x##vso[a]"],
            ["login", PROVIDER, "--direct", "--token-response", str(response)],
            ["doctor", PROVIDER, "--claims", str(claims)],
            ["doctor", PROVIDER],
            ["doctor", "--error", NASTY],
            ["render", NASTY],
            [NASTY.replace("\0", "")],
        ):
            done = cli(*(each.replace("\0", "") for each in arguments), **job)
            assert done.returncode in {0, 1, 2}, done.stderr
            assert done.stderr or done.stdout
            obeys_nothing(done.stdout)
            obeys_nothing(done.stderr)

    def test_the_tests_own_measure_can_fail(self) -> None:
        for text in ("\x1b[31m", "a\n \t::error::x", "a ##vso[x]", "\r", "\x9b"):
            with pytest.raises(AssertionError):
                obeys_nothing(text)


def test_an_input_error_keeps_no_control_character_and_no_second_line() -> None:
    """W19: the place where all that came from outside meets."""
    error = InputError("a\nb\x1b[31m\r::error::c" + "x" * 20_000, hint="first\n::error::second\x00", code="WIF000")
    assert "\n" not in error.message
    assert "\x1b" not in str(error) + error.args[0]
    assert len(error.message) < 8_100
    assert error.hint == "first\n: :error::second\\x00"
