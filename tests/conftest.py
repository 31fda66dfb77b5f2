"""Fixtures for all tests: tokens, run_context, the emulator, other people's programs, and two guards."""

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis_profiles
import pytest
from google_setup import Google
from rules import circleci_claims
from unproven import unproven

from gcp_wif.emulator import Emulator
from gcp_wif.job.context import Context
from gcp_wif.secrets import isolated

NOW = 1_800_000_000.0

hypothesis_profiles.register()

# A shell starts what it runs in the background with these two ignored, and that is inherited: whatever the tests
# interrupt would then not notice.
for interrupt in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(interrupt) is signal.SIG_IGN:
        signal.signal(interrupt, signal.default_int_handler if interrupt is signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def make_jwt() -> Callable[..., str]:
    """Makes a CircleCI-shaped token that nobody signed: good for everything before Google."""

    def make(now: float | None = None, **claims: Any) -> str:
        parts = [{"alg": "RS256", "kid": "none"}, circleci_claims(claims, time.time() if now is None else now)]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
        return ".".join([*encoded, "c2lnbmF0dXJl"])

    return make


@pytest.fixture
def run_context(tmp_path: Path) -> Callable[..., Context]:
    """Makes the world of a job: a HOME of its own, a clock that stands still."""

    def make(environ: dict[str, str] | None = None, stdin: bytes = b"", now: float = NOW, **rest: Any) -> Context:
        home = {"HOME": str(tmp_path / "home")}
        (tmp_path / "home").mkdir(exist_ok=True)
        return Context(home | (environ or {}), str(tmp_path), io.BytesIO(stdin), lambda: now, **rest)

    return make


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A fresh Google on loopback."""
    with Emulator(projects={"acme-identity": "123456789012"}) as running:
        yield running


@pytest.fixture
def google(emulator: Emulator) -> Google:
    """A fresh Google that is set up for one job."""
    found = Google(emulator)
    found.provision()
    return found


@pytest.fixture(scope="session")
def require_client() -> Callable[..., str]:
    """Finds a program that is not ours; skips loudly where it is missing, and fails in CI."""

    def find(name: str, *, proves: str) -> str:
        path = shutil.which(name)
        if path is None:
            unproven(f"{name} is not installed", proves=proves)
        return path

    return find


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test's own process connects beyond loopback."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test wanted to connect to {address[0]}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(autouse=True)
def _secrets_of_its_own() -> Iterator[None]:
    """What one test handled is not hidden in the next one."""
    with isolated():
        yield


@pytest.fixture(autouse=True, scope="session")
def _home_stays_clean() -> Iterator[None]:
    """Tests leave nothing of gcp-wif in the real HOME."""
    home = Path.home()
    written = ("gcp_cred", "oidc_token", "gcp-wif")

    def ours() -> set[str]:
        return {entry.name for entry in home.iterdir() if any(name in entry.name for name in written)}

    before = ours()
    yield
    assert ours() == before


class Cli:
    """Runs gcp-wif as a process of its own, with only the variables that are given."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cwd: Path | None = None
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"], "BASH_ENV": str(home.parent / "bash_env")}
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def __call__(self, *arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "gcp_wif", *arguments],
            env=self.env | env,
            cwd=self.cwd,
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")
        )


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """gcp-wif, with a HOME and a BASH_ENV of its own."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return Cli(home)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the client matrix, whichever worker ran which client."""
    found: dict[str, dict[str, str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == "matrix":
                    found[value[0]] = value[1]
    if found:
        terminalreporter.section("client matrix")
        from matrix import table

        for line in table(found):
            terminalreporter.write_line(line)
