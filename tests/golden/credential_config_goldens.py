"""Write the goldens anew from gcloud itself: ``python tests/golden/credential_config_goldens.py``.

`tests/clients/test_credential_config_gcloud.py` holds gcloud to them, so that they cannot rot; the unit tests hold
gcp-wif to them where gcloud is missing.
"""

import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).with_name("credential_config")
PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
ACCOUNT = "--service-account=deploy@acme-prod.iam.gserviceaccount.com"


def cases() -> dict[str, list[str]]:
    """Each case's flags, the placeholder ``SA`` filled in."""
    raw = json.loads((FOLDER / "cases.json").read_text())
    return {name: [ACCOUNT if flag == "SA" else flag for flag in flags] for name, flags in raw.items()}


def golden(name: str) -> Path:
    return FOLDER / f"{name}.json"


def run_gcloud(name: str, flags: list[str], folder: str) -> bytes:
    """What gcloud writes for one case.

    Raises:
        RuntimeError: gcloud wrote nothing.
    """
    output = Path(folder) / f"{name}.json"
    command = ["gcloud", "iam", "workload-identity-pools", "create-cred-config", PROVIDER, *flags]
    env = os.environ | {"CLOUDSDK_CONFIG": f"{folder}/config", "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    done = subprocess.run(
        [*command, f"--output-file={output}"], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    if not output.exists():
        raise RuntimeError(f"{name}: gcloud wrote nothing: {done.stderr}")
    return output.read_bytes()


def run_all() -> dict[str, bytes]:
    """What gcloud writes for every case, two at a time."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        answers = {name: pool.submit(run_gcloud, name, flags, folder) for name, flags in cases().items()}
        return {name: answer.result() for name, answer in answers.items()}


if __name__ == "__main__":
    for case, data in run_all().items():
        golden(case).write_bytes(data)
