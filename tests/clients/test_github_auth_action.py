"""google-github-actions/auth, Google's own action, as it is built, under node: it gets through to a provider that
`apply` made for GitHub's tokens, with the audience that it asks for by itself.

Its code is Google's and not kept here: a checkout is named by ``GCP_WIF_GITHUB_ACTION_AUTH``.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kinds.github import MANIFEST
from token_server import Asked, serving
from unproven import unproven

from gcp_wif.emulator import Emulator
from gcp_wif.manifest import Manifest

pytestmark = [pytest.mark.client, pytest.mark.slow]

VARIABLE = "GCP_WIF_GITHUB_ACTION_AUTH"
ACCOUNT = "reader@acme-prod.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
RUNS = {
    "access_token": {
        "INPUT_SERVICE_ACCOUNT": ACCOUNT, "INPUT_TOKEN_FORMAT": "access_token", "INPUT_ACCESS_TOKEN_SCOPES": SCOPE,
        "INPUT_ACCESS_TOKEN_LIFETIME": "3600s",
    },
    "id_token": {
        "INPUT_SERVICE_ACCOUNT": ACCOUNT, "INPUT_TOKEN_FORMAT": "id_token",
        "INPUT_ID_TOKEN_AUDIENCE": "https://x.example", "INPUT_ID_TOKEN_INCLUDE_EMAIL": "true",
    },
    "direct": {"INPUT_PROJECT_ID": "acme-staging"},
}  # fmt: skip


@pytest.fixture
def action() -> Path:
    """The folder of the action, built."""
    folder = os.environ.get(VARIABLE, "")
    if not Path(folder, "dist/main/index.js").is_file():
        unproven(
            f"{VARIABLE} names no checkout of google-github-actions/auth",
            proves="that it gets through to a provider that `apply` made for GitHub",
            obtainable=False,
        )
    return Path(folder)


@pytest.fixture
def google() -> Iterator[Emulator]:
    with Emulator(proxy_port=0, projects={"acme-identity": "123456789012"}) as running:
        yield running


@pytest.mark.parametrize("what", RUNS)
def test_it_gets_through_to_a_provider_that_apply_made(
    what: str, action: Path, google: Emulator, require_client: Callable[..., str], tmp_path: Path, cli
) -> None:
    node = require_client("node", proves="that google-github-actions/auth gets through")
    (tmp_path / "gcp-wif.toml").write_text(MANIFEST)
    cli.cwd = tmp_path
    for email in ("deploy", "reader", "planner"):
        google.state.accounts.put(f"{email}@acme-prod.iam.gserviceaccount.com", google.state.project_id)
    applied = cli("apply", "--yes", **google.environ())
    assert applied.returncode == 0, applied.stderr
    manifest = Manifest.parse(MANIFEST, origin="gcp-wif.toml")
    audience = manifest.provider_name.default_audiences[1]

    def answer(asked: Asked) -> tuple[int, object]:
        return 200, {"value": google.token(kind="github", aud=asked.query["audience"][0])}

    (tmp_path / "output").touch()
    with serving(answer) as server:
        env = google.environ(real_hosts=True) | RUNS[what]
        env |= {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "GITHUB_WORKSPACE": str(tmp_path),
            "GITHUB_OUTPUT": f"{tmp_path}/output", "INPUT_UNIVERSE": "googleapis.com",
            "INPUT_CREATE_CREDENTIALS_FILE": "false", "INPUT_EXPORT_ENVIRONMENT_VARIABLES": "false",
            "INPUT_WORKLOAD_IDENTITY_PROVIDER": str(manifest.provider_name),
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
        }  # fmt: skip
        run = subprocess.run(
            [node, str(action / "dist/main/index.js")], env=env, capture_output=True, text=True, timeout=60, check=False
        )
    assert run.returncode == 0, run.stdout + run.stderr
    assert [each.query["audience"] for each in server.asked] == [[audience]]
    outputs = dict(re.findall(r"(?m)^(\w+)<<(?:\S+)\n(.*)\n", (tmp_path / "output").read_text()))
    if what == "id_token":
        assert outputs["id_token"].count(".") == 2
        return
    grant = google.state.grant(outputs["access_token" if what == "access_token" else "auth_token"])
    assert grant is not None
    if what == "access_token":
        assert grant.principals == (f"serviceAccount:{ACCOUNT}",)
    else:
        assert grant.kind == "federated"
