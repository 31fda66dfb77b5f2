"""`gcp-wif demo`: the whole story, and nothing left behind."""

import json
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def temporary(cli, tmp_path: Path) -> Path:
    """The folder for temporary files, of this test alone."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    cli.env["TMPDIR"] = str(folder)
    return folder


def test_demo_shows_each_step_and_leaves_nothing(cli, temporary: Path) -> None:
    done = cli("demo", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True
    for step in range(1, 7):
        assert f"\n{step}. " in "\n" + done.stderr
    assert "google.auth.identity_pool: access token" in done.stderr
    assert list(temporary.iterdir()) == []
    assert list(cli.home.iterdir()) == []


def test_demo_fails_if_a_step_fails(cli, temporary: Path, tmp_path: Path) -> None:
    """A `bash` that is not one breaks step 4."""
    broken = tmp_path / "bin" / "bash"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o755)
    done = cli("demo", PATH=f"{broken.parent}:{cli.env['PATH']}")
    assert done.returncode == 1
    assert "failed with exit code 7" in done.stderr
    assert list(temporary.iterdir()) == []


def test_demo_shows_no_token(cli) -> None:
    assert "eyJ" not in cli("demo").stderr


def test_emulator_says_where_it_is_and_ends_on_a_signal(cli) -> None:
    import signal
    import sys

    process = subprocess.Popen(
        [sys.executable, "-m", "gcp_wif", "emulator"], env=cli.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert where["http"].startswith("http://127.0.0.1:")
        job = {"GCP_WIF_EMULATOR_HOST": where["http"].removeprefix("http://")}
        assert cli("verify", **job).returncode == 2
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (0, b"")
