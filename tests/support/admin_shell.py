"""An admin's shell, whose gcloud speaks to the emulator and has no project of its own."""

import os
import subprocess
from pathlib import Path

from gcp_wif.emulator import Emulator

__all__ = ["Shell"]


class Shell:
    """Runs lines as they are printed."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.folder = folder
        host = f"{emulator.http}/"
        apis = ("IAM", "CLOUDRESOURCEMANAGER", "SERVICEUSAGE")
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": host for api in apis},
        }

    def __call__(self, line: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-c", f"set -euo pipefail; {line}"]
        return subprocess.run(
            command, env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
