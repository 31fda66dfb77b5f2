"""Buildkite's own plugin for Google, unmodified, against a provider that `apply` made.

Its code is Buildkite's and is not kept here: ``GCP_WIF_BUILDKITE_PLUGIN`` names a checkout of
gcp-workload-identity-federation-buildkite-plugin. The plugin's hooks and config are production ones, so the emulator
is Google by name, through its proxy.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buildkite_agent import Agent, install
from kinds.buildkite import ORGANIZATION, PIPELINE
from unproven import unproven

from gcp_wif.emulator import Emulator

pytestmark = pytest.mark.client
EXAMPLE = Path(__file__).parents[2] / "examples" / "buildkite"
VARIABLE = "GCP_WIF_BUILDKITE_PLUGIN"
PREFIX = "BUILDKITE_PLUGIN_GCP_WORKLOAD_IDENTITY_FEDERATION_"
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
CLAIMS = {"organization_id": ORGANIZATION, "pipeline_id": PIPELINE, "step_key": "deploy"}
CLIENT = """
import google.auth, google.auth.transport.requests
credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.token)
"""


@pytest.fixture
def plugin() -> Path:
    folder = os.environ.get(VARIABLE, "")
    if not Path(folder, "hooks", "environment").is_file():
        unproven(
            f"{VARIABLE} names no checkout of gcp-workload-identity-federation-buildkite-plugin",
            proves="that Buildkite's own plugin logs in to a provider that `apply` made",
            obtainable=False,
        )
    return Path(folder)


@pytest.fixture
def google() -> Iterator[Emulator]:
    with Emulator(proxy_port=0, projects={"acme-identity": "123456789012"}) as running:
        yield running


class Step:
    """A step that has the plugin, in a Buildkite whose agent runs its hooks."""

    def __init__(self, plugin: Path, google: Emulator, folder: Path) -> None:
        self.plugin, self.google, self.folder = plugin, google, folder
        self.agent: Agent = install(folder / "bin", google.http, CLAIMS)
        (folder / "tmp").mkdir()
        self.env = {
            "HOME": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(folder / "tmp"),
            "BUILDKITE": "true", "BUILDKITE_JOB_ID": "0184990a-1", "BUILDKITE_AGENT_ACCESS_TOKEN": "x" * 20,
            f"{PREFIX}SERVICE_ACCOUNT": ACCOUNT, f"{PREFIX}CLAIMS_0": "organization_id",
            f"{PREFIX}CLAIMS_1": "pipeline_id",
            f"{PREFIX}AUDIENCE": "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/"
            "buildkite/providers/buildkite-acme",
        }  # fmt: skip

    def hook(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Source a hook, as the agent's script wrapper does; what it exports is there afterwards."""
        script = f'set +eu; source "$0/hooks/{name}" >&2 || exit; env -0'
        done = subprocess.run(
            ["bash", "-c", script, str(self.plugin)], env=self.env | env, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        pairs = (each.partition("=") for each in done.stdout.split("\0") if each)
        self.env |= {
            name: value for name, _, value in pairs if name.startswith(("BUILDKITE_OIDC", "GOOGLE", "CLOUDSDK"))
        }
        return done

    def client(self) -> Any:
        """Whom google-auth's default credentials become; its error where they become nobody."""
        done = subprocess.run(
            [sys.executable, "-c", CLIENT],
            env=self.env | {"GOOGLE_CLOUD_PROJECT": "acme-prod"} | self.google.environ(real_hosts=True),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        grant = self.google.state.grant(done.stdout.strip())
        return grant.principals[0] if grant else done.stderr


@pytest.fixture
def step(plugin: Path, google: Emulator, tmp_path: Path, cli) -> Step:
    (tmp_path / "gcp-wif.toml").write_text((EXAMPLE / "gcp-wif.toml").read_text())
    cli.cwd = tmp_path
    done = cli("apply", "--yes", **google.environ())
    assert done.returncode == 0, done.stderr
    return Step(plugin, google, tmp_path)


def test_its_hooks_log_in_and_take_away_what_they_wrote(step: Step) -> None:
    done = step.hook("environment")
    assert done.returncode == 0, done.stderr
    config = json.loads(Path(step.env["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
    assert config["token_url"] == "https://sts.googleapis.com/v1/token"
    assert step.client() == f"serviceAccount:{ACCOUNT}"
    assert step.hook("pre-exit").returncode == 0
    assert list((step.folder / "tmp").iterdir()) == []


def test_without_the_claims_of_the_rules_it_is_refused(step: Step) -> None:
    """What its README leaves to the reader: the organisation's ID is in a token only where it is asked for."""
    assert step.hook("environment", **{f"{PREFIX}CLAIMS_0": ""}).returncode == 0
    assert "unauthorized_client" in step.client()


def test_of_another_branch_it_is_refused(step: Step) -> None:
    step.agent.says(CLAIMS | {"build_branch": "dev"})
    assert step.hook("environment").returncode == 0
    assert "unauthorized_client" in step.client()
