"""The doctor on a terminal: colour where there is one, nothing that moves its cursor, nothing unseen called fine."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from provisioned import MANIFEST
from rules import circleci_claims


@pytest.fixture
def dry_run(tmp_path: Path) -> Any:
    """Flags of a dry run with these claims."""
    (tmp_path / "gcp-wif.toml").write_text(MANIFEST)

    def make(**claims: Any) -> list[str]:
        path = tmp_path / "claims.json"
        path.write_text(json.dumps(circleci_claims({}, time.time()) | claims))
        return ["--manifest", str(tmp_path / "gcp-wif.toml"), "--identity", "deploy", "--claims", str(path)]

    return make


def on_a_terminal(cli: Any, *arguments: str, **env: str) -> str:
    """What a person sees: stdout is a pseudo-terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gcp_wif", "doctor", *arguments]
    with subprocess.Popen(command, env=cli.env | env, stdout=theirs, stderr=subprocess.DEVNULL) as running:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says EIO where the other side is closed
                break
            if not part:
                break
            found += part
        running.wait(timeout=60)
    os.close(ours)
    return found.decode()


def test_colour_on_a_terminal_alone(cli: Any, dry_run: Any) -> None:
    assert "\x1b[32m" in on_a_terminal(cli, *dry_run(), TERM="xterm")
    assert "\x1b" not in on_a_terminal(cli, *dry_run(), TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(cli, *dry_run(), TERM="dumb")
    assert "\x1b" not in on_a_terminal(cli, "--no-color", *dry_run(), TERM="xterm")
    assert "\x1b" not in cli("doctor", *dry_run()).stdout


def test_claims_do_not_move_the_cursor(cli: Any, dry_run: Any) -> None:
    shown = on_a_terminal(
        cli,
        *dry_run(**{"oidc.circleci.com/vcs-ref": "refs/heads/\x1b[2J\r\nfake", "iss": "https://\x1b]0;x\x07"}),
        NO_COLOR="1",
    )
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\\x1b]0;x\\x07" in shown
    assert not any(line.strip() == "fake" for line in shown.splitlines())


def test_the_end_says_what_was_not_seen(cli: Any, dry_run: Any) -> None:
    done = cli("doctor", *dry_run())
    assert done.returncode == 0
    assert done.stdout.rstrip().endswith("No broken link was found; not seen: lifetime, api.")
    assert "attribute.project_ref/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/main" in done.stdout


def test_an_error_that_nobody_knows_is_nothing_to_look_at(cli: Any) -> None:
    done = cli("doctor", "--error", "segmentation fault")
    assert done.returncode == 2
    assert "WIF918" in done.stderr


def test_an_unknown_error_is_taken_apart(cli: Any) -> None:
    text = '{"error":{"code":400,"message":"Build step 3 has no image.","status":"INVALID_ARGUMENT","details":[' \
        '{"reason":"BUILD_STEP_INVALID","metadata":{"service":"cloudbuild.googleapis.com"}}]}}'  # fmt: skip
    done = cli("doctor", "--error", text)
    assert done.returncode == 0, done.stderr
    assert "WIF990 api: The error is not one that gcp-wif knows." in done.stdout
    for part in ("API cloudbuild.googleapis.com", "HTTP status 400", "status INVALID_ARGUMENT", "BUILD_STEP_INVALID"):
        assert part in done.stdout
    found = json.loads(cli("doctor", "--error", text, "--json").stdout)
    assert (found["broken"], found["findings"][0]["code"], found["findings"][0]["level"]) == (None, "WIF990", "unknown")
