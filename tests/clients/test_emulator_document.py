"""docs/emulator.md: each command runs as it stands, and says on the emulator what the page says that it does."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from admin_shell import Shell
from google_setup import ACCOUNT, Google

from gcp_wif.names import Principal

pytestmark = [pytest.mark.client, pytest.mark.slow]

PAGE = (Path(__file__).parent.parent.parent / "docs" / "emulator.md").read_text()
SETUP = re.findall(r"```sh setup\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"```sh\n(.*?)```\n\nOn the emulator: `([^`]+)`", PAGE, re.DOTALL)


def test_every_command_of_the_page_is_tried() -> None:
    assert len(SETUP) == 1
    assert len(ROWS) == PAGE.count("```sh\n") == PAGE.count("On the emulator: ") > 8


@pytest.mark.parametrize(("command", "says"), ROWS, ids=[command.split(" -")[0][:60] for command, _ in ROWS])
def test_the_command_says_so(
    command: str, says: str, google: Google, cli: Any, require_client: Callable[..., str], tmp_path: Path
) -> None:
    require_client("gcloud", proves="that the page about the emulator is true")
    subject = google.emulator.issuer.sign({}, now=google.emulator.state.clock.now())
    google.provision(accounts={ACCOUNT: [str(Principal.whole_pool(google.provider.pool))]})
    job = google.job()
    shell = Shell(tmp_path, google.emulator)
    shell.env |= {**job, "CIRCLE_OIDC_TOKEN": subject, "BASH_ENV": str(tmp_path / "bash_env")}
    shell.env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert shell("gcp-wif login").returncode == 0
    if "$MEMBER" in command:  # bound as the page's reader has it: by the job's own principal alone
        member = shell(f"{SETUP[0]}\necho $MEMBER").stdout.strip()
        google.provision(accounts={ACCOUNT: [member]})
    del shell.env["BASH_ENV"]
    done = shell(f"{SETUP[0]}\n{command}")
    assert says in done.stdout + done.stderr
    assert google.emulator.crashes == []
