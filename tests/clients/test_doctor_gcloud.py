"""gcloud runs what the doctor prints for an admin, as it stands, and what that saves settles the case."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doctor_corpus import MEMBER, NO_SSH, OTHER, healthy
from google_setup import ACCOUNT, Google

from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID

pytestmark = [pytest.mark.client, pytest.mark.slow]

SETUPS: dict[str, tuple[dict[str, Any], str, str]] = {
    "condition": ({"condition": f"{NO_SSH} && attribute.project == '{OTHER}'"}, "WIF508", "WIF508"),
    "binding": ({"accounts": {ACCOUNT: [MEMBER.replace(PROJECT_ID, OTHER)]}}, "WIF520", "WIF923"),
}
"""What is wrong, what the doctor finds in the job, and what it finds with what the admin saved."""


@pytest.mark.parametrize("name", SETUPS)
def test_the_commands_for_an_admin_run_as_printed(
    name: str, require_client: Callable[..., str], cli: Any, google: Google, tmp_path: Path
) -> None:
    require_client("gcloud", proves="that what the doctor prints runs")
    changes, in_the_job, with_the_files = SETUPS[name]
    healthy(google, **changes)
    job = google.job()
    assert cli("login", **job).returncode == 1
    found = json.loads(cli("doctor", "--json", **job).stdout)
    assert found["broken"] == in_the_job
    commands = [line for line in found["findings"][0]["fix"] if line.startswith("gcloud ") and " > " in line]
    assert len(commands) == 2
    for command in commands:
        done = _run(command, google, tmp_path)
        assert done.returncode == 0, (command, done.stderr)
    files = [f"--{what}-file={tmp_path / what}.json" for what in ("provider", "policy")]
    settled = json.loads(cli("doctor", *files, "--json", **job).stdout)
    assert settled["broken"] == with_the_files
    assert settled["findings"][0]["level"] == "broken"


def _run(command: str, google: Google, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{google.emulator.http}/",
    }
    return subprocess.run(
        ["bash", "-c", command], env=env, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
