"""`gcp-wif emulator` as a process: ready line, ports, Ctrl-C."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

README = (Path(__file__).parents[2] / "README.md").read_text()


@contextmanager
def running(cli: Any, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gcp_wif", "emulator", *arguments],
        env=cli.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_when_ready_and_a_clean_end(number: signal.Signals, cli: Any) -> None:
    with running(cli, "--project", "acme-prod=123") as (process, ready):
        assert set(ready) == {"http", "grpc"}
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", ready["http"])
        assert re.fullmatch(r"127\.0\.0\.1:[0-9]+", ready["grpc"])
        assert requests.get(f"{ready['http']}/v1/projects/acme-prod", timeout=10).json()["projectNumber"] == "123"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")


def test_it_listens_on_loopback_alone(cli: Any) -> None:
    with running(cli) as (process, ready):
        ports = {int(ready[side].rpartition(":")[2]) for side in ready}
        table = Path(f"/proc/{process.pid}/net/tcp").read_text() if Path("/proc/net/tcp").exists() else ""
        listening = {
            (line.split()[1].split(":")[0], int(line.split()[1].split(":")[1], 16))
            for line in table.splitlines()[1:]
            if line.split()[3] == "0A"
        }
        assert {address for address, port in listening if port in ports} == {"0100007F"}


@pytest.mark.parametrize("flag", ["--port", "--grpc-port"])
def test_a_port_that_is_taken(flag: str, cli: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli("emulator", flag, str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "WIF119" in done.stderr


def test_it_starts_as_a_manifest_says(cli: Any, tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    (tmp_path / "gcp-wif.toml").write_text(block[1])
    with running(cli, "--manifest", str(tmp_path / "gcp-wif.toml")) as (_, ready):
        env = {
            "GCP_WIF_EMULATOR_HOST": ready["http"].removeprefix("http://"),
            "GCP_WIF_EMULATOR_GRPC_HOST": ready["grpc"],
        }
        assert cli("plan", "--manifest", str(tmp_path / "gcp-wif.toml"), **env).returncode == 0
        answer = requests.post(f"{ready['http']}/emulator/tokens", json={"claims": {}}, timeout=10)
        flags = ["--manifest", str(tmp_path / "gcp-wif.toml"), "--identity", "deploy"]
        done = cli("login", *flags, CIRCLE_OIDC_TOKEN=answer.json()["token"], **env)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("project", ["acme-prod", "acme-prod=x", "=1", "UPPER=1"])
def test_a_malformed_project(project: str, cli: Any) -> None:
    assert cli("emulator", "--project", project).returncode == 2
