"""Node's google-auth-library drives the emulator."""

import http.server
import json
import os
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google_setup import ACCOUNT, Google

pytestmark = [pytest.mark.client, pytest.mark.slow]

PACKAGE = "google-auth-library@10.9.1"
PROGRAM = """
const {GoogleAuth} = require('google-auth-library');
const auth = new GoogleAuth({keyFile: process.argv[2], scopes: 'https://www.googleapis.com/auth/cloud-platform'});
auth.getClient().then(c => c.getAccessToken()).then(
  t => console.log(t.token), e => { console.log('REFUSED', e.message, JSON.stringify(e.response?.data ?? {})); });
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory, require_client: Callable[..., str]) -> Path:
    require_client("npm", proves="that Node's google-auth-library takes the emulator for Google")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text("{}")
    subprocess.run(
        [
            "npm",
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--cache",
            folder / "cache",
            PACKAGE,
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=240,
    )
    (folder / "login.js").write_text(PROGRAM)
    return folder


@pytest.fixture
def node(modules: Path, require_client: Callable[..., str], tmp_path: Path, google: Google) -> Callable[..., str]:
    program = require_client("node", proves="that Node's google-auth-library takes the emulator for Google")

    def run(source: dict[str, Any], **changes: Any) -> str:
        http = google.emulator.http
        config = {
            "universe_domain": "googleapis.com",
            "type": "external_account",
            "audience": google.provider.audience,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{http}/v1/token",
            "credential_source": source,
            "service_account_impersonation_url": f"{http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
        } | changes
        (tmp_path / "config.json").write_text(json.dumps(config))
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
        }
        done = subprocess.run(
            [program, str(modules / "login.js"), str(tmp_path / "config.json")],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    return run


def test_file_text(node: Callable[..., str], google: Google, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(google.emulator.token())
    assert node({"file": str(tmp_path / "token")}).startswith("ya29.")


def test_file_json(node: Callable[..., str], google: Google, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(json.dumps({"id_token": google.emulator.token()}))
    source = {
        "file": str(tmp_path / "token"),
        "format": {"type": "json", "subject_token_field_name": "id_token"},
    }
    assert node(source).startswith("ya29.")


def test_url(node: Callable[..., str], google: Google) -> None:
    token = google.emulator.token()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"id_token": token}).encode()
            self.send_response(200 if self.headers["X-Job"] == "1" else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            as_json = {"type": "json", "subject_token_field_name": "id_token"}
            assert node({"url": url, "headers": {"X-Job": "1"}, "format": as_json}).startswith("ya29.")
            assert node({"url": url, "headers": {"X-Job": "2"}, "format": as_json}).startswith("REFUSED")
        finally:
            server.shutdown()
            thread.join()


def test_executable(node: Callable[..., str], google: Google, tmp_path: Path) -> None:
    program = tmp_path / "print-token"
    answer = {
        "version": 1,
        "success": True,
        "token_type": "urn:ietf:params:oauth:token-type:jwt",
        "id_token": google.emulator.token(),
        "expiration_time": 4_000_000_000,
    }
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert node({"executable": {"command": str(program), "timeout_millis": 30000}}).startswith("ya29.")


def test_a_refusal_comes_in_googles_words(node: Callable[..., str], google: Google, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(google.emulator.token(aud="someone-else"))
    said = node({"file": str(tmp_path / "token")})
    assert said.startswith("REFUSED")
    assert "does not match the expected audience" in said
