"""shellcheck has nothing to say about the shell text that gcp-wif writes, or about our own script."""

import subprocess
from pathlib import Path

import pytest

from gcp_wif.ci.shell_format import SHELL
from gcp_wif.job.export import exports
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId

pytestmark = pytest.mark.client
ROOT = Path(__file__).parents[2]


@pytest.fixture
def shellcheck(require_client):
    program = require_client("shellcheck", proves="that the exports are clean shell")

    def check(text: bytes, shell: str = "bash") -> str:
        done = subprocess.run(
            [program, f"--shell={shell}", "--severity=warning", "-"],
            input=text,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.stdout.decode()

    return check


@pytest.mark.parametrize("name", ["config.json", 'it\'s a "config" $HOME `id`', "令牌"])
def test_exports(shellcheck, name: str) -> None:
    wanted = exports(Path("/home/ci") / name, ProjectChoice(ProjectId("acme-prod"), explicit=True))
    assert shellcheck(SHELL.appended(b"", wanted, {})) == ""
    assert shellcheck(SHELL.printed(wanted, {}) + SHELL.unset(()), "sh") == ""


def test_our_own_script(shellcheck) -> None:
    assert shellcheck((ROOT / ".ci" / "run").read_bytes()) == ""


def test_it_would_speak_up(shellcheck) -> None:
    assert "SC2043" in shellcheck(b'for a in b; do echo "$a"; done\n')
