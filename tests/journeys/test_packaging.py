"""What is published works: a wheel, installed alone, has what a job needs and no more."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from gcp_wif.install import install_command

ROOT = Path(__file__).parents[2]


def run(*command: object, seconds: float = 280, **options) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=seconds, check=False, **options
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def job_install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the core alone, from sdist to wheel; returns its folder of programs."""
    folder = tmp_path_factory.mktemp("install")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("gcp_wif-*.whl")
    venv.create(folder / "venv", with_pip=True)
    run(folder / "venv" / "bin" / "pip", "install", "--quiet", wheel)
    return folder / "venv" / "bin"


@pytest.mark.slow
def test_the_core_alone(job_install: Path, tmp_path: Path, google) -> None:
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "BASH_ENV": str(tmp_path / "env")} | google.job()
    run(job_install / "gcp-wif", "login", env=env, cwd="/")
    assert "gcp-oidc-authenticate" in run(job_install / "gcp-wif", "render", "orb", env=env, cwd="/")
    assert "condition" in run(job_install / "gcp-wif", "doctor", "--explain", "WIF508", env=env, cwd="/")
    installed = json.loads(run(job_install / "pip", "list", "--format=json"))
    names = {package["name"].lower() for package in installed}
    assert not names & {"grpcio", "google-cloud-iam", "cel-expr-python", "werkzeug", "pydantic"}


@pytest.mark.slow
@pytest.mark.parametrize("refused", ["condition", "binding"])
def test_the_doctor_in_a_job_with_the_core_alone(job_install: Path, tmp_path: Path, google, refused: str) -> None:
    """D49: without rights and the extra, Google's answer stands in the chain, and an admin's commands are whole."""
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "BASH_ENV": str(tmp_path / "env")} | google.job()
    google.provision(
        **{"condition": "attribute.project == 'x'"} if refused == "condition" else {"accounts": {google.account: []}}
    )
    command = [str(job_install / "gcp-wif")]
    assert subprocess.run([*command, "login"], env=env, cwd="/", capture_output=True, check=False).returncode == 1
    done = subprocess.run([*command, "doctor", "--json"], env=env, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["broken"], found["findings"][0]["link"]) == (
        ("WIF508", "condition") if refused == "condition" else ("WIF520", "binding")
    )
    states = {each["name"]: each["state"] for each in found["links"]}
    assert states["issuer"] == states["audience"] == states["mapping"] == "fine"
    fixes = found["findings"][0]["fix"]
    assert any(f"providers describe {google.provider} " in line for line in fixes)
    assert any(f"get-iam-policy {google.account} --project=acme-prod " in line for line in fixes)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["emulator", "demo"])
def test_a_missing_extra_is_one_line_with_the_command_to_run(job_install: Path, tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        [job_install / "gcp-wif", command], env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert install_command("emulator") in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_unit_tests_pass_without_a_network(require_client, tmp_path: Path) -> None:
    """In a network namespace that has nothing but loopback."""
    require_client("unshare", proves="that the unit tests need no network")
    script = 'ip link set lo up; exec "$0" -m pytest -q -p no:cacheprovider -n 2 tests/unit -k "not fuzz"'
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST_"))}
    run(
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "bash",
        "-euc",
        script,
        sys.executable,
        cwd=ROOT,
        env=env,
        seconds=880,
    )
