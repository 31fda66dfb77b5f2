"""gcloud's remaining verbs for pools, providers, accounts and policies; `test_emulator_gcloud` has the main ones."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google_setup import ACCOUNT, Google

pytestmark = [pytest.mark.client, pytest.mark.slow]


@pytest.fixture
def gcloud(require_client: Callable[..., str], tmp_path: Path, google: Google) -> Callable[..., Any]:
    program = require_client("gcloud", proves="that gcloud's update, enable, undelete and policy verbs work")
    google.emulator.state.name_project("acme-identity", google.provider.project_number)  # gcloud takes no number
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_PROJECT": "acme-identity",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{google.emulator.http}/",
    }

    def run(*arguments: str, fails: bool = False) -> Any:
        done = subprocess.run(
            [program, *arguments, "--format=json"], env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else json.loads(done.stdout or "null")

    return run


def test_pools_and_providers(gcloud: Callable[..., Any], google: Google) -> None:
    pools, location = ["iam", "workload-identity-pools"], "--location=global"
    gcloud(*pools, "update", "circleci", location, "--display-name=CI", "--disabled")
    found = gcloud(*pools, "describe", "circleci", location)
    assert (found["displayName"], found["disabled"]) == ("CI", True)
    inside = [location, "--workload-identity-pool=circleci"]
    providers = [*pools, "providers"]
    gcloud(*providers, "delete", "circleci-acme", *inside)
    assert gcloud(*providers, "list", *inside) == []
    shown = gcloud(*providers, "list", *inside, "--show-deleted")
    assert [(each["name"], each["state"]) for each in shown] == [(str(google.provider), "DELETED")]
    again = ["--issuer-uri=https://issuer.example", "--attribute-mapping=google.subject=assertion.sub"]
    assert "already exists" in gcloud(*providers, "create-oidc", "circleci-acme", *inside, *again, fails=True)
    gcloud(*providers, "undelete", "circleci-acme", *inside)
    assert [each["state"] for each in gcloud(*providers, "list", *inside)] == ["ACTIVE"]


def test_accounts_and_a_stale_policy(gcloud: Callable[..., Any], google: Google, tmp_path: Path) -> None:
    accounts = ["iam", "service-accounts"]
    # These put the current project into the path, not the account's own (observed with gcloud 528).
    there = [ACCOUNT, "--project=acme-prod"]
    gcloud(*accounts, "update", *there, "--display-name=Deploy", "--description=of the tests")
    gcloud(*accounts, "disable", *there)
    assert gcloud(*accounts, "describe", ACCOUNT)["disabled"] is True
    gcloud(*accounts, "enable", *there)
    found = gcloud(*accounts, "describe", ACCOUNT)
    assert (found["displayName"], found["description"], found.get("disabled")) == ("Deploy", "of the tests", None)
    policy = gcloud(*accounts, "get-iam-policy", ACCOUNT)
    policy["bindings"].append({"role": "roles/iam.serviceAccountUser", "members": ["user:a@example.com"]})
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(policy))
    written = gcloud(*accounts, "set-iam-policy", ACCOUNT, str(path))
    assert (written["bindings"], written["etag"] != policy["etag"]) == (policy["bindings"], True)
    # The file's etag is stale now.
    assert "concurrent policy changes" in gcloud(*accounts, "set-iam-policy", ACCOUNT, str(path), fails=True)
