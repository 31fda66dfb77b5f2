"""A job of a CI system, in turn: its steps are processes of their own, with the core install alone."""

import os
import subprocess
import sys
from pathlib import Path

from gcp_wif.emulator import Emulator
from gcp_wif.manifest import Manifest

CORE_ONLY = Path(__file__).parent / "core_only"
_GOOGLE_AUTH = """
import google.auth, google.auth.transport.requests
credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.token)
"""


class Job:
    """A job: its folder, its environment, and a Google that is provisioned as the manifest says.

    Attributes:
        folder: the working folder, with ``gcp-wif.toml``.
        env: what each step has; the test adds what the system sets.
    """

    def __init__(self, emulator: Emulator, folder: Path, manifest: str) -> None:
        self.emulator, self.folder = emulator, folder / "workspace"
        self.folder.mkdir()
        (folder / "home").mkdir()
        (self.folder / "gcp-wif.toml").write_text(manifest)
        self.manifest = Manifest.parse(manifest, origin="gcp-wif.toml")
        emulator.provision_as(self.manifest)
        self.env = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], **emulator.environ()}
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    @property
    def audience(self) -> str:
        """What a token for the manifest's provider says."""
        return self.manifest.provider_name.default_audiences[1]

    def __call__(self, *arguments: str, core: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        """Run gcp-wif; ``core`` for what a job has, without the extras."""
        path = {"PYTHONPATH": str(CORE_ONLY)} if core else {}
        return self._run([sys.executable, "-m", "gcp_wif", *arguments], self.env | path | env)

    def client(self, **env: str) -> str:
        """Who google-auth's default credentials are in a step that has ``env``: the access token's account."""
        done = self._run([sys.executable, "-c", _GOOGLE_AUTH], self.env | env)
        assert done.returncode == 0, done.stderr
        grant = self.emulator.state.grant(done.stdout.strip())
        assert grant is not None
        return grant.principals[0]

    def shell(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a step's script with bash; ``gcp-wif`` is on the PATH."""
        path = f"{Path(sys.executable).parent}:{self.env['PATH']}"
        core = {"PYTHONPATH": str(CORE_ONLY), "PATH": path}
        return self._run(["bash", "-euo", "pipefail", "-c", script], self.env | core | env)

    def _run(self, command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
