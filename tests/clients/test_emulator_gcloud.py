"""gcloud itself drives the emulator: provisioning commands, login, and the verification step of CircleCI's page."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google_setup import ACCOUNT, Google

from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID

pytestmark = [pytest.mark.client, pytest.mark.slow]


class Gcloud:
    def __init__(self, program: str, folder: Path, google: Google, **environ: str) -> None:
        self.program = program
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_PROJECT": "acme-identity",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{google.emulator.http}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": f"{google.emulator.http}/",
        } | environ

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], env=self.env, capture_output=True, text=True, timeout=120, check=False
        )

    def __call__(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--format=json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def gcloud(require_client: Callable[..., str], tmp_path: Path, google: Google) -> Callable[..., Gcloud]:
    program = require_client("gcloud", proves="that gcloud takes the emulator for Google")
    return lambda **environ: Gcloud(program, tmp_path, google, **environ)


def test_pools_and_providers(gcloud: Callable[..., Gcloud]) -> None:
    run = gcloud(CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true")
    pools = ["iam", "workload-identity-pools"]
    one = ["ci-pool", "--location=global"]
    provider = ["circleci", "--location=global", "--workload-identity-pool=ci-pool"]
    run(*pools, "create", *one, "--display-name=CI", "--description=of the tests")
    # gcloud does not poll, so the provider is created at once.
    run(
        *pools, "providers", "create-oidc", *provider,
        f"--issuer-uri=https://oidc.circleci.com/org/{ORGANIZATION_ID}", f"--allowed-audiences={ORGANIZATION_ID}",
        "--attribute-mapping=google.subject=assertion.sub",
    )  # fmt: skip
    run(*pools, "providers", "update-oidc", *provider, "--allowed-audiences=one,two", "--attribute-condition=true")
    found = run(*pools, "providers", "describe", *provider)
    assert found["oidc"]["allowedAudiences"] == ["one", "two"]
    assert found["attributeCondition"] == "true"
    assert found["state"] == "ACTIVE"
    again = run.run(*pools, "create", *one)
    assert again.returncode != 0
    assert "already exists" in again.stderr
    run(*pools, "delete", *one)
    assert run(*pools, "describe", *one)["state"] == "DELETED"
    assert all("ci-pool" not in pool["name"] for pool in run(*pools, "list", "--location=global") or [])
    shown = run(*pools, "list", "--location=global", "--show-deleted")
    assert any(pool["name"].endswith("/ci-pool") and pool["expireTime"] for pool in shown)
    run(*pools, "undelete", *one)
    assert run(*pools, "describe", *one)["displayName"] == "CI"


def test_service_accounts_and_policies(gcloud: Callable[..., Gcloud], google: Google) -> None:
    run = gcloud(CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true")
    accounts = ["iam", "service-accounts"]
    email = "ci-runner@acme-identity.iam.gserviceaccount.com"
    run(*accounts, "create", "ci-runner", "--display-name=Runner")
    assert run(*accounts, "describe", email)["displayName"] == "Runner"
    assert [each["email"] for each in run(*accounts, "list")] == [email]
    member = f"principalSet://iam.googleapis.com/{google.provider.pool}/attribute.project/{PROJECT_ID}"
    role = "--role=roles/iam.workloadIdentityUser"
    run(*accounts, "add-iam-policy-binding", email, role, f"--member={member}")
    policy = run(*accounts, "get-iam-policy", email)
    assert policy["bindings"] == [{"role": "roles/iam.workloadIdentityUser", "members": [member]}]
    run(*accounts, "remove-iam-policy-binding", email, role, f"--member={member}")
    run(*accounts, "disable", email)
    assert run(*accounts, "describe", email)["disabled"] is True
    run(*accounts, "delete", email)
    assert run.run(*accounts, "describe", email).returncode != 0


def test_a_job_logs_in_and_verifies_as_circlecis_page_does(
    gcloud: Callable[..., Gcloud], google: Google, tmp_path: Path
) -> None:
    google.provision(roles={"acme-prod": {"roles/iam.serviceAccountViewer": [f"serviceAccount:{ACCOUNT}"]}})
    token, config = tmp_path / "token", tmp_path / "config.json"
    token.write_text(google.emulator.token())
    http = google.emulator.http
    document = {
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": google.provider.audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{http}/v1/token",
        "credential_source": {"file": str(token)},
        "service_account_impersonation_url": f"{http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
    }
    config.write_text(json.dumps(document))
    run = gcloud()
    done = run.run("auth", "login", "--brief", "--cred-file", str(config))
    assert done.returncode == 0, done.stderr
    assert run.run("auth", "print-access-token").stdout.startswith("ya29.")
    policy = run("iam", "service-accounts", "get-iam-policy", ACCOUNT)
    assert policy["bindings"][0]["role"] == "roles/iam.workloadIdentityUser"
    callers = {request["caller"] for request in google.emulator.requests() if request["call"].endswith("getIamPolicy")}
    assert callers == {"service account"}
    # Without the permission the step fails, as it does at Google.
    google.provision(roles={"acme-prod": {"roles/iam.serviceAccountViewer": []}})
    denied = run.run("iam", "service-accounts", "get-iam-policy", ACCOUNT)
    assert denied.returncode != 0
    assert "iam.serviceAccounts.getIamPolicy" in denied.stderr
