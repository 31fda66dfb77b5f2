"""`check` takes what gcloud itself writes, for every kind of federation that it writes a config for."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.client, pytest.mark.slow]

WORKLOAD = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
WORKFORCE = "locations/global/workforcePools/acme-staff/providers/okta"
ACCOUNT = "--service-account=deploy@acme-prod.iam.gserviceaccount.com"
KINDS = {
    "aws": [WORKLOAD, ACCOUNT, "--aws"],
    "aws with IMDSv2": [WORKLOAD, "--aws", "--enable-imdsv2"],
    "azure": [WORKLOAD, ACCOUNT, "--azure"],
    "azure with an app": [WORKLOAD, "--azure", "--app-id-uri=api://acme"],
    "x509": [
        WORKLOAD,
        ACCOUNT,
        "--credential-cert-path=/etc/c.pem",
        "--credential-cert-private-key-path=/etc/k.pem",
        "--credential-cert-configuration-output-file={folder}/certificate.json",
    ],
    "lifetime": [WORKLOAD, ACCOUNT, "--service-account-token-lifetime-seconds=43200", "--credential-source-file=/t"],
    "workforce": [WORKFORCE, "--credential-source-file=/t", "--workforce-pool-user-project=123456789012"],
    "workforce by SAML": [
        WORKFORCE,
        "--credential-source-file=/t",
        "--subject-token-type=urn:ietf:params:oauth:token-type:saml2",
        "--workforce-pool-user-project=123456789012",
    ],
    "workforce, interactive": [
        WORKFORCE,
        "--executable-command=/bin/x",
        "--executable-interactive-timeout-millis=60000",
        "--executable-output-file=/tmp/x",
        "--workforce-pool-user-project=123456789012",
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_gcloud_writes_passes(kind: str, cli, tmp_path: Path, require_client) -> None:
    """D17."""
    gcloud = require_client("gcloud", proves="that check takes what gcloud writes")
    path = tmp_path / "written.json"
    flags = [flag.format(folder=tmp_path) for flag in KINDS[kind]]
    group = "workforce-pools" if kind.startswith("workforce") else "workload-identity-pools"
    done = subprocess.run(
        [gcloud, "iam", group, "create-cred-config", *flags, f"--output-file={path}"],
        env=cli.env | {"CLOUDSDK_CONFIG": str(tmp_path / "gcloud")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert path.exists(), done.stderr
    checked = cli("check", str(path), "--json", *(["--allow-executable"] if "interactive" in kind else []))
    assert json.loads(checked.stdout)["findings"] == []
    assert checked.returncode == 0
