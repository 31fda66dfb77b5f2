"""`docker-credential-gcp-wif` as Docker starts it, and `configure-docker` when things go badly."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from google_setup import ACCOUNT
from unproven import unproven

NOT_FOUND = "credentials not found in native keychain\n"
PARALLEL = 24
KILLS = 40


@pytest.fixture
def helper(cli: Any):
    """Runs the helper as Docker does: one word, the server on standard input."""

    def run(*arguments: str, server: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gcp_wif.cli.docker_helper", *arguments],
            env=cli.env | env,
            input=server,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def job(cli: Any, google: Any) -> dict[str, str]:
    found = google.job()
    assert cli("login", **found).returncode == 0
    google.emulator.gateway.clear_log()
    return found


class TestProtocol:
    @pytest.mark.parametrize("server", ["gcr.io", "https://gcr.io", "us-docker.pkg.dev\n", "https://eu.gcr.io/v2/"])
    def test_get(self, helper, google, job, server: str) -> None:
        done = helper("get", server=server, **job)
        assert done.returncode == 0, done.stdout
        answer = json.loads(done.stdout)
        assert list(answer) == ["ServerURL", "Username", "Secret"]
        assert (answer["ServerURL"], answer["Username"]) == (server.strip(), "oauth2accesstoken")
        assert google.emulator.state.grant(answer["Secret"]).principals == (f"serviceAccount:{ACCOUNT}",)
        assert answer["Secret"] not in done.stderr

    @pytest.mark.parametrize(
        "server", ["docker.io", "https://index.docker.io/v1/", "gcr.io.evil.example", "http://gcr.io", "\xff"]
    )
    def test_nobody_else_gets_a_token(self, helper, google, job, server: str) -> None:
        done = helper("get", server=server, **job)
        assert (done.returncode, done.stdout) == (1, NOT_FOUND)
        assert google.emulator.requests() == []

    def test_without_a_server(self, helper, job) -> None:
        done = helper("get", server=" \n", **job)
        assert (done.returncode, done.stdout) == (1, "no credentials server URL\n")

    def test_without_a_login_docker_goes_on_anonymously(self, helper, google) -> None:
        done = helper("get", server="gcr.io", **google.job())
        assert (done.returncode, done.stdout) == (1, NOT_FOUND)
        assert "gcp-wif login" in done.stderr

    def test_after_logout_docker_goes_on_anonymously(self, helper, cli, job) -> None:
        config = str(cli.home / "gcp_cred_config.json")
        assert cli("logout", **job).returncode == 0
        done = helper("get", server="gcr.io", **job, GOOGLE_APPLICATION_CREDENTIALS=config)
        assert (done.returncode, done.stdout) == (1, NOT_FOUND)

    def test_list(self, helper) -> None:
        done = helper("list", server="unused")
        assert done.returncode == 0
        assert json.loads(done.stdout)["https://gcr.io"] == "oauth2accesstoken"

    @pytest.mark.parametrize("action", ["store", "erase"])
    def test_nothing_is_stored(self, helper, cli, action: str) -> None:
        given = json.dumps({"ServerURL": "gcr.io", "Username": "me", "Secret": "geheimes-wort"})
        done = helper(action, server=given)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert list(cli.home.iterdir()) == []

    def test_version_and_usage(self, helper) -> None:
        assert helper("version").stdout.startswith("docker-credential-gcp-wif (gcp-wif) ")
        for arguments, code in (([], 1), (["get", "get"], 1), (["--help"], 0)):
            done = helper(*arguments)
            assert (done.returncode, done.stdout.startswith("Usage: docker-credential-gcp-wif <store|get|")) == (
                code,
                True,
            )
        done = helper("eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl")
        assert done.returncode == 1
        assert "eyJ" not in done.stdout

    def test_stdout_that_is_closed(self, cli, job) -> None:
        command = f"exec {sys.executable} -m gcp_wif.cli.docker_helper get >&-"
        done = subprocess.run(
            ["sh", "-c", command], env=cli.env | job, input=b"gcr.io", capture_output=True, timeout=60, check=False
        )
        assert b"Traceback" not in done.stderr

    def test_a_refusal_is_words_on_stdout(self, helper, google, job) -> None:
        google.provision(condition="false")
        done = helper("get", server="gcr.io", **job)
        assert done.returncode == 1
        assert done.stdout.startswith("error WIF508: ")
        assert "ya29" not in done.stdout + done.stderr

    def test_a_server_that_is_away(self, helper, google, job) -> None:
        google.emulator.stop()
        done = helper("get", server="gcr.io", **job)
        assert (done.returncode, done.stdout.split(":")[0]) == (1, "error WIF601")

    def test_a_config_that_is_not_trusted(self, helper, google, cli, job) -> None:
        config = cli.home / "gcp_cred_config.json"
        document = json.loads(config.read_text())
        for change, code in (
            ({"token_url": "https://sts.evil.example/v1/token"}, "WIF405"),
            ({"credential_source": {"executable": {"command": "/bin/cat token", "timeout_millis": 5000}}}, "WIF406"),
            ({"TOKEN_URL": "x"}, "WIF407"),
        ):
            config.write_text(json.dumps(document | change))
            done = helper("get", server="gcr.io", **job, GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES="1")
            assert (done.returncode, done.stdout.split(":")[0]) == (1, f"error {code}")
        assert google.emulator.requests() == []

    def test_a_config_that_runs_gcp_wif_itself(self, google, cli, make_jwt) -> None:
        """Installed side by side, as pip does it."""
        folder = Path(sys.executable).parent
        if not (folder / "docker-credential-gcp-wif").exists():
            unproven("the console scripts are not installed", proves="that the helper runs them")
        job = google.job()
        command = f"{folder}/gcp-wif token --executable-response"
        assert cli("login", "--executable-command", command, **job).returncode == 0
        program = [str(folder / "docker-credential-gcp-wif"), "get"]
        done = subprocess.run(
            program, env=cli.env | job, input="gcr.io", capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout
        assert json.loads(done.stdout)["Secret"].startswith("ya29.")


class TestConfigUnderFire:
    @pytest.mark.slow
    def test_parallel_runs_lose_nothing(self, cli: Any) -> None:
        folder = cli.home / ".docker"
        folder.mkdir()
        config = folder / "config.json"
        config.write_text('{\n\t"auths": {"x.example": {"auth": "eDp5"}},\n\t"n": 1.0\n}')
        hosts = [f"region{number}-docker.pkg.dev" for number in range(PARALLEL)]
        command = [sys.executable, "-m", "gcp_wif", "configure-docker"]
        running = [
            subprocess.Popen([*command, host], env=cli.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for host in hosts
        ]
        for each in running:
            _, errors = each.communicate(timeout=120)
            assert each.returncode == 0, errors
        document = json.loads(config.read_text(), parse_float=str)
        assert sorted(document.pop("credHelpers")) == sorted(hosts)
        assert document == {"auths": {"x.example": {"auth": "eDp5"}}, "n": "1.0"}
        assert [each.name for each in folder.iterdir()] == ["config.json"]

    @pytest.mark.slow
    def test_killed_at_any_moment_nothing_is_lost(self, cli: Any, tmp_path: Path) -> None:
        folder = cli.home / ".docker"
        folder.mkdir()
        config = folder / "config.json"
        before = json.dumps({"auths": {f"{number}.example": {"auth": "eDp5"} for number in range(2000)}}, indent="\t")
        loop = """
import itertools
from gcp_wif.cli.process import run_context
from gcp_wif.job.docker import configure
print("ready", flush=True)
for number in itertools.count():
    configure((f"region{number}-docker.pkg.dev",), run_context())
"""
        chance = random.Random(528)
        for kill in range(KILLS):
            config.write_text(before)
            writer = subprocess.Popen([sys.executable, "-c", loop], env=cli.env, stdout=subprocess.PIPE)
            try:
                assert writer.stdout is not None
                assert writer.stdout.readline() == b"ready\n"
                time.sleep(chance.uniform(0, 0.05))
            finally:
                os.kill(writer.pid, signal.SIGKILL)
                writer.wait(30)
                writer.stdout.close()
            document = json.loads(config.read_text())
            assert len(document["auths"]) == 2000, f"kill {kill}"
            hosts = list(document.get("credHelpers", {}))
            assert hosts == [f"region{number}-docker.pkg.dev" for number in range(len(hosts))]

    def test_a_full_disk_leaves_it_whole(self, cli: Any) -> None:
        folder = cli.home / ".docker"
        folder.mkdir()
        (folder / "config.json").write_text('{"auths": {}}' + " " * 3000)
        script = f"ulimit -f 1; exec {sys.executable} -m gcp_wif configure-docker"
        # Without bytecode: the limit would cut short what Python keeps for the next run, too.
        env = cli.env | {"PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, (folder / "config.json").read_text()) == (2, '{"auths": {}}' + " " * 3000)
        assert "WIF304" in done.stderr
        assert [each.name for each in folder.iterdir()] == ["config.json"]

    def test_a_missing_program_is_told(self, cli: Any) -> None:
        done = cli("configure-docker", PATH="/usr/bin:/bin")
        assert done.returncode == 0
        assert "docker-credential-gcp-wif is not on the PATH" in done.stderr
