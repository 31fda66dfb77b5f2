"""Files when things go badly: kills, a full disk, a read-only mount, many runs at once. Real processes throughout."""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 200
PARALLEL = 64

WRITTEN = [".gcp-wif-receipt.json", "gcp_cred_config.json", "gcp_cred_config.json.boto", "oidc_token"]

GENERATE = (
    "generate",
    "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme",
    "--service-account=deploy@acme-prod.iam.gserviceaccount.com",
)


def gcp_wif(*arguments: str, env: dict[str, str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gcp_wif", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


@pytest.fixture
def job_env(tmp_path: Path, make_jwt) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "BASH_ENV": str(tmp_path / "bash_env"),
        "CIRCLE_OIDC_TOKEN": make_jwt(),
    }


@pytest.mark.slow
def test_sigkill_at_any_moment_leaves_whole_files_and_no_litter(tmp_path: Path, job_env, make_jwt) -> None:
    """200 kills, spread over the part of a run in which files are written.

    The writer is a process of the library's own `generate` in a loop, so that nearly every kill falls into it rather
    than into the interpreter's start. After each kill both files are the earlier or the new ones.
    """
    home = Path(job_env["HOME"])
    tokens = [make_jwt(**{"oidc.circleci.com/job-id": str(number)}) for number in range(8)]
    loop = f"""
import itertools, sys
from pathlib import Path
from gcp_wif.files import Roots, write_private
home = Path({str(home)!r})
tokens = {tokens!r}
print("ready", flush=True)
config = home / "gcp_cred_config.json"
for token in itertools.cycle(tokens):
    files = {{home / "oidc_token": token.encode(), config: (token[::-1] * 50).encode()}}
    write_private(files, Roots(str(home), str(home)), receipt_for=config)
"""
    whole_configs = {token[::-1] * 50 for token in tokens}
    chance = random.Random(528)
    for kill in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE)
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.02))
        finally:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait(30)
            writer.stdout.close()
        for name, whole in (("oidc_token", set(tokens)), ("gcp_cred_config.json", whole_configs)):
            path = home / name
            if path.exists():
                assert path.read_text() in whole, f"kill {kill}: {name} is torn"
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert gcp_wif(*GENERATE, env=job_env).returncode == 0
    assert sorted(entry.name for entry in home.iterdir()) == WRITTEN
    assert (home / "oidc_token").read_text() == job_env["CIRCLE_OIDC_TOKEN"]


@pytest.mark.slow
def test_64_parallel_logins_lose_no_line_and_tear_none(tmp_path: Path, job_env) -> None:
    """64 processes at once: a third each exports the same config, a config of its own, and a foreign line."""
    shell = Path(job_env["BASH_ENV"])
    shell.write_bytes(b"export THEIRS=1\n")
    home = Path(job_env["HOME"])
    assert gcp_wif(*GENERATE, env=job_env).returncode == 0
    processes = []
    for number in range(PARALLEL):
        if number % 3 == 2:
            command = ["bash", "-c", 'echo "export FOREIGN_$0=$0" >> "$BASH_ENV"', str(number)]
        else:
            arguments = [*GENERATE] if number % 3 else ["export"]
            output = [] if number % 3 == 0 else [f"--output-file={home}/config{number}.json"]
            command = [sys.executable, "-m", "gcp_wif", *arguments, *output]
            if number % 3:
                command[3] = "login"
                command += ["--no-verify", f"--credential-source-file={home}/token{number}"]
        processes.append(subprocess.Popen(command, env=job_env, stderr=subprocess.PIPE))
    for process in processes:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr.decode()
    content = shell.read_text()
    lines = content.split("\n")
    assert lines[0] == "export THEIRS=1"
    for number in range(2, PARALLEL, 3):
        assert f"export FOREIGN_{number}={number}" in lines
    known = (
        "export THEIRS=",
        "export FOREIGN_",
        "export GOOGLE_",
        "export CLOUDSDK_",
        "export GCLOUD_PROJECT=",
        "export BOTO_PATH=",
    )
    assert all(line.startswith(known) for line in lines if line)
    for number in range(1, PARALLEL, 3):
        line = f"export GOOGLE_APPLICATION_CREDENTIALS={home}/config{number}.json  # gcp-wif"
        assert lines.count(line) == 1
        assert (home / f"token{number}").read_text() == job_env["CIRCLE_OIDC_TOKEN"]
    receipt = json.loads((home / WRITTEN[0]).read_text())["files"]
    entered = {Path(entry["path"]).name for entry in receipt}
    logins = [number for number in range(PARALLEL) if number % 3 == 1]
    assert entered >= {f"config{number}.json" for number in logins} | {f"token{number}" for number in logins}
    sourced = subprocess.run(["bash", "-c", "echo ok"], env=job_env, capture_output=True, text=True, check=True)
    assert (sourced.stdout, sourced.stderr) == ("ok\n", "")


def test_parallel_writers_of_one_pair_of_files_leave_one_whole_pair(tmp_path: Path, job_env, make_jwt) -> None:
    tokens = [make_jwt(**{"oidc.circleci.com/job-id": str(number)}) for number in range(8)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "gcp_wif", *GENERATE],
            env=job_env | {"CIRCLE_OIDC_TOKEN": token},
            stderr=subprocess.DEVNULL,
        )
        for token in tokens
    ]
    assert [process.wait(60) for process in processes] == [0] * len(tokens)
    home = Path(job_env["HOME"])
    assert (home / "oidc_token").read_text() in tokens
    assert sorted(entry.name for entry in home.iterdir()) == WRITTEN


def unshared(script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script as root of its own user and mount namespace, where it may mount a small file system."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-euc", script],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def needs_namespaces(require_client) -> None:
    require_client("unshare", proves="a really full disk and a read-only mount")


def test_a_full_disk_keeps_the_earlier_files(tmp_path: Path, job_env, needs_namespaces) -> None:
    script = f"""
mount -t tmpfs -o size=16k none "$HOME"
"{sys.executable}" -m gcp_wif {" ".join(GENERATE)}
before=$(cat "$HOME"/oidc_token "$HOME"/gcp_cred_config.json | sha256sum)
dd if=/dev/zero of="$HOME"/fill bs=1k 2>/dev/null || true
code=0
"{sys.executable}" -m gcp_wif {" ".join(GENERATE)} || code=$?
echo "code $code"
[ "$before" = "$(cat "$HOME"/oidc_token "$HOME"/gcp_cred_config.json | sha256sum)" ] && echo same
ls -A "$HOME"
"""
    done = unshared(script, job_env)
    assert done.stdout.split() == ["code", "2", "same", WRITTEN[0], "fill", *WRITTEN[1:]], done.stderr
    assert "WIF304" in done.stderr


def test_a_read_only_mount_is_refused(tmp_path: Path, job_env, needs_namespaces) -> None:
    script = f"""
mount -t tmpfs -o ro none "$HOME"
code=0
"{sys.executable}" -m gcp_wif {" ".join(GENERATE)} || code=$?
echo "code $code"
"""
    done = unshared(script, job_env)
    assert done.stdout.split() == ["code", "2"], done.stderr
    assert "WIF303" in done.stderr
