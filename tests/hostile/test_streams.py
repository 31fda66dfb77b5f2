"""Standard streams that are closed, full or not there, and a working folder that is gone (row D22 of the review).

Every command must end with an exit code and words of its own, never with a traceback or "this is a bug of gcp-wif";
and no file that it opens may take the number of a closed stream, or what a library writes to stderr would land in it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = "/dev/full"


def run_in_bash(cli, command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``gcp-wif COMMAND``, redirections included."""
    return subprocess.run(
        ["bash", "-c", f'"$0" -m gcp_wif {command}', sys.executable],
        env=cli.env | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CLOSED = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]


@pytest.mark.parametrize("closed", CLOSED)
def test_login_works_with_closed_streams(cli, google, closed: str) -> None:
    """D22: login has nothing to say on stdout, so it must work whatever is closed, and both files be whole."""
    job = google.job()
    done = run_in_bash(cli, f"login {closed}", **job)
    assert done.returncode == 0, done.stderr
    assert (cli.home / "oidc_token").read_text() == job["CIRCLE_OIDC_TOKEN"]
    assert json.loads((cli.home / "gcp_cred_config.json").read_text())["type"] == "external_account"
    assert "WIF001" not in done.stderr


@pytest.mark.parametrize("closed", CLOSED)
def test_no_file_of_ours_takes_the_number_of_a_closed_stream(cli, make_jwt, closed: str) -> None:
    """D22: the token file is not number 0, 1 or 2, so a library that writes to stderr cannot write into it."""
    (cli.home / "sitecustomize.py").write_text(
        "import os\n"
        "real = os.open\n"
        "def spy(path, flags, *args, **kwargs):\n"
        "    number = real(path, flags, *args, **kwargs)\n"
        "    if flags & os.O_CREAT:\n"
        f"        with open({str(cli.home / 'numbers')!r}, 'a') as log:\n"
        "            log.write(f'{number}\\n')\n"
        "    return number\n"
        "os.open = spy\n"
    )
    env = {"PYTHONPATH": str(cli.home), "CIRCLE_OIDC_TOKEN": make_jwt()}
    account = "--service-account=deploy@acme-prod.iam.gserviceaccount.com"
    provider = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
    done = run_in_bash(cli, f"generate {provider} {account} {closed}", **env)
    assert done.returncode == 0, done.stderr
    numbers = [int(line) for line in (cli.home / "numbers").read_text().split()]
    assert len(numbers) >= 2
    assert min(numbers) > 2


@pytest.mark.parametrize("where", [f">{FULL}", ">&-"])
@pytest.mark.parametrize("command", ["render orb", "token", "login --json", "export --to stdout"])
def test_a_result_that_cannot_be_written_is_an_error(cli, google, command: str, where: str) -> None:
    """D22: on a full device, or a closed stdout, the result is lost, and that is said."""
    if where.endswith(FULL) and not Path(FULL).exists():
        pytest.skip("there is no /dev/full here, so a full stdout is NOT proven")
    job = google.job()
    assert cli("login", **job).returncode == 0
    done = run_in_bash(cli, f"{command} {where}", **job)
    assert done.returncode == 2
    assert "error WIF012" in done.stderr
    assert "stdout" in done.stderr
    assert not any(
        word in done.stderr for word in ("WIF001", "Traceback", "Exception ignored", job["CIRCLE_OIDC_TOKEN"])
    )


@pytest.mark.parametrize("command", ["--version", "--help", "login --help"])
def test_words_about_the_program_itself_may_be_lost_too(cli, command: str) -> None:
    """D22: these are written before any command begins."""
    if not Path(FULL).exists():
        pytest.skip("there is no /dev/full here, so a full stdout is NOT proven")
    done = run_in_bash(cli, f"{command} >{FULL}")
    assert (done.returncode, "error WIF012" in done.stderr, "WIF001" in done.stderr) == (2, True, False), done.stderr
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gcp_wif", *command.split()],
            env=cli.env, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, "")  # the reader has seen enough


@pytest.mark.parametrize("where", [f">{FULL}", ">&-"])
def test_an_error_keeps_its_own_code_where_its_json_cannot_be_written(cli, where: str) -> None:
    """D22: the first error is the one that is told."""
    done = run_in_bash(cli, f"plan --manifest nothing.toml --json {where}")
    assert (done.returncode, "error WIF306" in done.stderr, "WIF001" in done.stderr) == (2, True, False), done.stderr


def test_a_full_stderr_changes_nothing(cli, google) -> None:
    """D22: words that nobody can hear must not stop a login."""
    if not Path(FULL).exists():
        pytest.skip("there is no /dev/full here, so a full stderr is NOT proven")
    done = run_in_bash(cli, f"login --json 2>{FULL}", **google.job())
    assert (done.returncode, json.loads(done.stdout)["already_authenticated"]) == (0, False)


def test_a_token_from_a_closed_stdin_is_missing(cli, google) -> None:
    """D22: --token-stdin with nothing to read is an error about the token."""
    job = google.job()
    del job["CIRCLE_OIDC_TOKEN"]
    for closed in ("<&-", f"0>{cli.home}/out"):
        done = run_in_bash(cli, f"login --token-stdin {closed}", **job)
        assert (done.returncode, "error WIF20" in done.stderr) == (2, True), done.stderr
    assert not (cli.home / "oidc_token").exists()


@pytest.mark.parametrize("arguments", [["login"], ["export", "--to", "env"], ["check", "x.json"], ["logout"]])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_working_folder_that_is_gone(cli, google, tmp_path: Path, arguments: list[str], as_json: bool) -> None:
    """D22: a removed working folder is named, in JSON too."""
    gone = tmp_path / "gone"
    gone.mkdir()
    words = [*arguments, *(["--json"] if as_json else [])]
    script = 'cd "$1" && rmdir "$1" && shift && exec "$0" -P -m gcp_wif "$@"'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable, str(gone), *words],
        env=cli.env | google.job(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "error WIF013" in done.stderr) == (2, True), done.stderr
    if as_json:
        assert json.loads(done.stdout)["error"]["code"] == "WIF013"
    assert list(cli.home.iterdir()) == []


@pytest.mark.parametrize("path", ["/tmp/a\0b", "/tmp/\ud800"])
@pytest.mark.parametrize("command", ["verify", "doctor", "logout"])
def test_a_token_path_that_no_file_can_have(cli, google, path: str, command: str) -> None:
    """D22: a config whose token path holds a NUL, or half of a character, is an error about that path."""
    job = google.job()
    assert cli("generate", **job).returncode == 0
    config = cli.home / "gcp_cred_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"credential_source": {"file": path}}))
    done = cli(command, **{name: value for name, value in job.items() if name != "CIRCLE_OIDC_TOKEN"})
    assert "WIF001" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    if command == "verify":
        code = "WIF316" if "\0" in path else "WIF402"  # the config is read before the path is opened
        assert (done.returncode, f"error {code}" in done.stderr) == (2, True), done.stderr
    assert os.path.lexists(config)
