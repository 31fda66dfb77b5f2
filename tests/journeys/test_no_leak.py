"""The token is in its file and nowhere else: every command, at the highest verbosity, in success and in failure."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECRET_LENGTH = 16


def secrets(job: dict[str, str], google) -> list[str]:
    """What must not be seen: each part of the subject token, and every token that Google issued."""
    header, payload, signature = job["CIRCLE_OIDC_TOKEN"].split(".")
    issued = list(google.emulator.state._grants)
    return [header, payload[:SECRET_LENGTH], signature[:SECRET_LENGTH], signature[-SECRET_LENGTH:], *issued]


def shows(text: str, job: dict[str, str], google) -> list[str]:
    return [secret for secret in secrets(job, google) if secret in text]


COMMANDS = {
    "login": ["login", "-vv"],
    "login json": ["login", "-vv", "--json"],
    "login json format": ["login", "-vv", "--credential-source-type=json"],
    "login direct": ["login", "-vv", "--direct"],
    "login forced": ["login", "-vv", "--force"],
    "generate": ["generate", "-vv"],
    "generate config only": ["generate", "-vv", "--config-only"],
    "export": ["export", "-vv"],
    "export stdout": ["export", "-vv", "--to", "stdout"],
    "verify": ["verify", "-vv"],
    "verify json": ["verify", "-vv", "--json"],
    "logout": ["logout", "-vv"],
    "as a scope": ["print-access-token", "-vv", "--scopes", "TOKEN"],
    "as a lifetime": ["print-access-token", "-vv", "--lifetime", "TOKEN"],
    "as another account": ["print-identity-token", "-vv", "--audiences", "x", "--impersonate-service-account", "TOKEN"],
    "as another config": ["print-identity-token", "-vv", "--audiences", "x", "--output-file", "TOKEN"],
    "as a registry": ["configure-docker", "-vv", "TOKEN"],
    "usage": ["login", "-vv", "--nonsense", "TOKEN"],
    "usage option": ["login", "-vv", "--nonsense=TOKEN"],
    "positional": ["login", "-vv", "TOKEN"],
    "extra positional": ["login", "-vv", "a", "TOKEN"],
    "as a pool": ["login", "-vv", "--pool-id", "TOKEN"],
    "as an account": ["login", "-vv", "--service-account", "TOKEN"],
    "as a number": ["login", "-vv", "--service-account-token-lifetime-seconds", "TOKEN"],
    "as a variable": ["login", "-vv", "--token-env", "TOKEN"],
    "as a path": ["login", "-vv", "--output-file", "HOME/TOKEN"],
    "as a response": ["login", "-vv", "--token-response", "TOKEN"],
    "as a url": ["generate", "-vv", "--credential-source-url", "TOKEN"],
    "as a header": ["generate", "-vv", "--credential-source-url", "https://x", "--credential-source-headers", "TOKEN"],
    "as an audience": ["login", "-vv", "--audience", "TOKEN"],
    "as a command": ["TOKEN"],
    "as a config": ["verify", "-vv", "--output-file", "TOKEN"],
    "doctor": ["doctor", "-vv"],
    "doctor live": ["doctor", "-vv", "--live", "--json"],
    "doctor with an error": ["doctor", "-vv", "--error", "TOKEN"],
    "doctor with claims": ["doctor", "-vv", "--claims", "TOKEN"],
    "doctor with a provider": ["doctor", "-vv", "TOKEN"],
    "doctor with a code": ["doctor", "-vv", "--explain", "TOKEN"],
    "check": ["check", "-vv", "TOKEN"],
    "init": ["init", "-vv", "--project-id", "TOKEN", "--manifest", "HOME/TOKEN"],
    "init from a config": ["init", "-vv", "--from-circleci", "TOKEN", "--manifest", "HOME/TOKEN"],
    "init from Google": ["init", "-vv", "--from-gcp", "--manifest", "HOME/TOKEN"],
    "plan": ["plan", "-vv", "--manifest", "TOKEN"],
    "apply": ["apply", "-vv", "--yes", "--impersonate-service-account", "TOKEN"],
    "render": ["render", "-vv", "TOKEN"],
    "emulator": ["emulator", "-vv", "--project", "TOKEN"],
}


# Retries take seconds, so only the two commands that differ there meet a Google that does not answer.
MOODS = [(name, mood) for name in COMMANDS for mood in ("works", "refused")]
MOODS += [("login", "unreachable"), ("verify", "unreachable")]


@pytest.mark.parametrize(("name", "mood"), MOODS)
def test_no_output_shows_a_token(cli, google, name: str, mood: str) -> None:
    job = google.job()
    assert cli("login", "--no-verify", **job).returncode == 0
    if mood == "refused":
        google.provision(condition="false")
    if mood == "unreachable":
        job["GCP_WIF_EMULATOR_HOST"] = "127.0.0.1:9"
    words = {"TOKEN": job["CIRCLE_OIDC_TOKEN"], "HOME/TOKEN": f"{cli.home}/{job['CIRCLE_OIDC_TOKEN']}"}
    words["--nonsense=TOKEN"] = f"--nonsense={words['TOKEN']}"
    arguments = [words.get(part, part) for part in COMMANDS[name]]
    done = cli(*arguments, **job)
    assert done.returncode in {0, 1, 2, 3}
    assert "Traceback" not in done.stderr
    assert shows(done.stdout + done.stderr, job, google) == []


@pytest.mark.parametrize("change", ["truncated", "with a line break", "twice", "quoted", "expired"])
def test_a_broken_token_is_not_shown_either(cli, google, make_jwt, change: str) -> None:
    job = google.job()
    token = job["CIRCLE_OIDC_TOKEN"]
    job["CIRCLE_OIDC_TOKEN"] = {
        "truncated": token[:-40].rpartition(".")[0],
        "with a line break": token[:80] + "\n" + token[80:],
        "twice": token + "\n" + token,
        "quoted": f'"{token}"',
        "expired": make_jwt(exp=1),
    }[change]
    done = cli("login", "-vv", **job)
    assert done.returncode == 2
    for part in job["CIRCLE_OIDC_TOKEN"].replace("\n", ".").split("."):
        assert part[:SECRET_LENGTH] not in done.stdout + done.stderr


def test_the_exports_hold_no_token(cli, google) -> None:
    job = google.job()
    assert cli("login", **job).returncode == 0
    written = {path: path.read_text() for path in [*cli.home.iterdir(), Path(cli.env["BASH_ENV"])]}
    assert [path.name for path, text in written.items() if shows(text, job, google)] == ["oidc_token"]


def test_the_process_list_shows_no_token(cli, google) -> None:
    """While login runs, against a Google that takes its time, no process has the token among its arguments."""
    job = google.job()
    google.emulator.stop()  # its retries keep login busy for a while
    process = subprocess.Popen(
        [sys.executable, "-m", "gcp_wif", "login"],
        env=cli.env | job,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seen = 0
    try:
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
            seen += "gcp_wif login" in listing
            assert shows(listing, job, google) == []
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait(10)
    assert seen > 0


def test_a_crash_shows_no_token(cli, google, tmp_path: Path) -> None:
    """An unexpected error inside a command is a bug, and even then no traceback and no token is printed."""
    job = google.job()
    saboteur = tmp_path / "sitecustomize.py"
    saboteur.write_text(
        "import gcp_wif.job.tokens as tokens\n"
        "def boom(*a, **k): raise RuntimeError('it was ' + __import__('os').environ['CIRCLE_OIDC_TOKEN'])\n"
        "tokens.obtain_token = boom\n"
    )
    done = cli("login", "-vv", PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]), **job)
    assert done.returncode == 2
    assert "WIF001" in done.stderr
    assert "Traceback" not in done.stderr
    assert shows(done.stdout + done.stderr, job, google) == []


def test_json_errors_hide_tokens_too(cli, google) -> None:
    job = google.job()
    done = cli("login", "--json", "--pool-id", job["CIRCLE_OIDC_TOKEN"], **job)
    assert json.loads(done.stdout)["error"]["code"] == "WIF105"
    assert shows(done.stdout, job, google) == []
