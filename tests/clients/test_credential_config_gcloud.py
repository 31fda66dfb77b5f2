"""gcloud itself writes the goldens that gcp-wif is held to, and does what our documentation says of it."""

import subprocess
from pathlib import Path

import credential_config_goldens as goldens
import pytest

pytestmark = pytest.mark.client


def test_gcloud_writes_the_goldens(require_client) -> None:
    require_client("gcloud", proves="credential configs equal gcloud's byte for byte")
    for name, data in goldens.run_all().items():
        assert data == goldens.golden(name).read_bytes(), name


@pytest.mark.parametrize(
    ("flags", "written"),
    [
        # An unset variable, as in the recipe that gcp-wif replaces.
        (["projects//locations/global/workloadIdentityPools//providers/", "--credential-source-file=/t"], True),
        # The generator's own error: gcloud prints it, writes nothing, and exits 0 all the same.
        ([goldens.PROVIDER, "--credential-source-file=/t", "--credential-source-type=xml"], False),
    ],
)
def test_what_gcloud_lets_pass_is_refused(flags: list[str], written: bool, cli, tmp_path: Path, require_client) -> None:
    gcloud = require_client("gcloud", proves="that gcloud exits 0 where gcp-wif refuses")
    theirs, ours = tmp_path / "theirs.json", tmp_path / "ours.json"
    done = subprocess.run(
        [gcloud, "iam", "workload-identity-pools", "create-cred-config", *flags, f"--output-file={theirs}"],
        env=cli.env | {"CLOUDSDK_CONFIG": str(tmp_path / "gcloud")},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, theirs.exists()) == (0, written)
    refused = cli("generate", "--config-only", "--direct", *flags, f"--output-file={ours}")
    assert (refused.returncode, ours.exists()) == (2, False)
