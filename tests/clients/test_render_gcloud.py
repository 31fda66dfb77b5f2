"""The script of `render gcloud`, run with real gcloud: afterwards nothing is left to do."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from provisioned import MANIFEST, before, snapshot

from gcp_wif.desired import from_manifest
from gcp_wif.emulator import Emulator
from gcp_wif.manifest import Manifest
from gcp_wif.rendering.gcloud import render_gcloud

pytestmark = [pytest.mark.client, pytest.mark.slow]

AWKWARD = "a \"name\" 'of' $(id) `id` ${HOME} ^|^ , \\ é\nand a second line"
CONDITION = "assertion.sub != 'a,b|c=d^\"'"


@pytest.fixture
def script(
    require_client: Callable[..., str], tmp_path: Path, emulator: Emulator
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script as an admin does whose gcloud talks to the emulator."""
    require_client("gcloud", proves="that the rendered script makes what apply makes")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{emulator.http}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": f"{emulator.http}/",
    }

    def run(text: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "setup.sh"
        path.write_text(text)
        return subprocess.run(["bash", path], env=env, capture_output=True, text=True, timeout=280, check=False)

    return run


DEFAULT = "123456789012-compute@developer.gserviceaccount.com"
"""One of Google's default accounts, whose email does not tell its project."""


def toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def rendered(text: str) -> str:
    return render_gcloud(from_manifest(Manifest.parse(text, origin="gcp-wif.toml")), "gcp-wif.toml")


def plan(cli: Any, emulator: Emulator, folder: Path, text: str) -> tuple[int, str]:
    (folder / "gcp-wif.toml").write_text(text)
    done = cli("plan", "--manifest", str(folder / "gcp-wif.toml"), **emulator.environ())
    return done.returncode, done.stderr


def test_afterwards_nothing_is_left_to_do_and_again(script: Any, cli: Any, emulator: Emulator, tmp_path: Path) -> None:
    before(emulator)
    done = script(rendered(MANIFEST))
    assert done.returncode == 0, done.stderr
    code, told = plan(cli, emulator, tmp_path, MANIFEST)
    assert code == 0, told
    first = snapshot(emulator)
    again = script(rendered(MANIFEST))
    assert again.returncode == 0, again.stderr
    assert snapshot(emulator) == first


def test_what_is_deleted_or_different_is_mended(script: Any, cli: Any, emulator: Emulator, tmp_path: Path) -> None:
    """Undeleted, with other rules and names, without uploaded keys; texts full of shell come out as they are."""
    before(emulator)
    emulator.provision_as(Manifest.parse(MANIFEST, origin="gcp-wif.toml"))
    (pool,) = emulator.state.pools.of_project("123456789012").values()
    provider = pool.providers["circleci-acme"]
    provider.content["oidc"]["jwksJson"] = '{"keys": []}'
    pool.deleted_at = provider.deleted_at = emulator.state.clock.now()
    emulator.state.accounts.put(DEFAULT, emulator.state.project_id)
    text = (
        MANIFEST.replace('display_name = "CircleCI"', f"disabled = true\ndescription = {toml(AWKWARD)}")
        .replace('display_name = "Deploy"', f"description = {toml(AWKWARD)}")
        .replace(
            'id = "circleci-acme"',
            f"""id = "circleci-acme"\nattribute_condition = {toml(CONDITION)}
[provider.attribute_mapping]
"attribute.odd" = {toml(CONDITION + " ? '|;~' : 'x'")}""",
        )
        .replace("[pool]", "audience = []\n\n[pool]")
        + f"""
[identities.default]
service_account = "{DEFAULT}"
allow = [{{ project = "55aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b" }}]
"""
    )
    done = script(rendered(text))
    assert done.returncode == 0, done.stderr
    code, told = plan(cli, emulator, tmp_path, text)
    assert code == 0, told
    assert emulator.state.accounts.get("deploy@acme-prod.iam.gserviceaccount.com").description == AWKWARD
    assert pool.content["description"] == AWKWARD


def test_another_number_stops_it(script: Any, emulator: Emulator) -> None:
    done = script(rendered(MANIFEST.replace("123456789012", "123456789013")))
    assert done.returncode == 1
    assert "another number" in done.stderr
    assert emulator.state.pools.of_project("123456789012") == {}


@pytest.mark.parametrize("text", [MANIFEST, MANIFEST.replace("create = true", "create = false")])
def test_shellcheck_has_nothing_to_say(require_client: Callable[..., str], text: str) -> None:
    program = require_client("shellcheck", proves="that the rendered script is clean bash")
    odd = text.replace('display_name = "CircleCI"', f"description = {toml(AWKWARD)}")
    done = subprocess.run([program, "-"], input=rendered(odd), capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
