"""stdout carries the result and nothing else; stderr carries the rest; both may be full, closed, or no terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from provisioned import MANIFEST, before

from gcp_wif.cli.app import _COMMANDS
from gcp_wif.emulator import Emulator


@pytest.fixture
def admin(cli: Any, emulator: Emulator, tmp_path: Path) -> Any:
    """An admin's shell: a folder with a manifest, and the emulator for Google."""
    before(emulator)
    cli.env |= emulator.environ()
    cli.cwd = tmp_path / "admin"
    cli.cwd.mkdir()
    (cli.cwd / "gcp-wif.toml").write_text(MANIFEST)
    return cli


def shell(cli: Any, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A script in which `gcp-wif` is ours."""
    program = f'gcp-wif() {{ {sys.executable} -m gcp_wif "$@"; }}\n{script}'
    return subprocess.run(
        ["bash", "-c", program], env=cli.env | env, cwd=cli.cwd, capture_output=True, text=True, timeout=60, check=False
    )


def emulator_warning(text: str) -> bool:
    return all(line.startswith("warning: GCP_WIF_EMULATOR_HOST is set") for line in text.splitlines())


class TestReportsGoToStdout:
    def test_plan(self, admin: Any) -> None:
        done = admin("plan")
        assert "+ create pool" in done.stdout
        first, *rest = done.stderr.splitlines(keepends=True)
        assert emulator_warning(first)
        assert all(line.startswith("warning: identities.") for line in rest)
        assert admin("apply", "--yes").returncode == 0
        unchanged = admin("plan")
        assert unchanged.stdout == "No changes. All 8 resources and policies are as the manifest says.\n"

    def test_check(self, admin: Any) -> None:
        done = admin("check", "gcp-wif.toml")
        assert (done.stdout, done.stderr) == ("1 file, 0 findings\n", "")

    def test_verify(self, cli: Any, google: Any) -> None:
        assert cli("generate", **google.job()).returncode == 0
        done = cli("verify", **google.job())
        assert [line.split("  ")[0] for line in done.stdout.splitlines()] == [
            "principal",
            "service account",
            "access token",
        ]
        assert emulator_warning(done.stderr)

    def test_doctor_ends_with_what_matters(self, cli: Any, google: Any) -> None:
        google.provision(condition="attribute.project == 'other'")
        assert cli("generate", **google.job()).returncode == 0
        done = cli("doctor", "--live", **google.job())
        assert done.returncode == 1
        assert emulator_warning(done.stderr)
        *_, last = done.stdout.split("\n\n")
        assert last.startswith("WIF508 condition: "), last
        assert done.stdout.startswith("✓ token")


@pytest.mark.parametrize("arguments", [["plan"], ["apply"], ["destroy"], ["render", "terraform"]])
def test_the_manifest_is_found_from_a_subfolder(admin: Any, arguments: list[str]) -> None:
    """F: `gcp-wif.toml` was not found from a subfolder."""
    here = admin(*arguments)
    assert "WIF125" not in here.stderr
    admin.cwd = admin.cwd / "a" / "b"
    admin.cwd.mkdir(parents=True)
    below = admin(*arguments)
    assert (below.returncode, below.stdout, below.stderr) == (here.returncode, here.stdout, here.stderr)
    elsewhere = admin(*arguments, "--manifest", "gcp-wif.toml")
    assert (elsewhere.returncode, f"{admin.cwd}/gcp-wif.toml" in elsewhere.stderr) == (2, True)


class TestWhatWasDoneGoesToStderr:
    def test_a_job(self, cli: Any, google: Any) -> None:
        job = google.job()
        for arguments in (["generate"], ["export"], ["login"], ["logout"]):
            done = cli(*arguments, **job)
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
            assert done.stderr

    def test_an_admin(self, admin: Any) -> None:
        for arguments in (["apply"], ["apply", "--yes"], ["apply"], ["destroy"], ["destroy", "--yes"]):
            done = admin(*arguments)
            assert done.stdout == ""
            assert done.stderr
        again = admin("destroy")
        assert (again.returncode, again.stdout) == (0, "")
        assert "Nothing to destroy." in again.stderr

    def test_errors_and_usage(self, cli: Any) -> None:
        for arguments in (["login"], ["login", "--nonsense"], ["nonsense"], []):
            done = cli(*arguments)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr


@pytest.mark.parametrize("command", _COMMANDS)
class TestFlagsOfEveryCommand:
    def test_help_is_short_too(self, cli: Any, command: str) -> None:
        assert (long := cli(command, "--help")).returncode == 0
        assert cli(command, "-h").stdout == long.stdout != ""
        assert all(flag in long.stdout for flag in ("-v, --verbose", "--no-color", "--json", "-h, --help"))

    def test_flags_before_the_command(self, cli: Any, command: str) -> None:
        assert cli("-v", "--no-color", command, "-h").returncode == 0


def test_help_of_the_program_cuts_no_summary(cli: Any) -> None:
    shown = cli("-h").stdout
    assert shown == cli("--help").stdout
    assert "..." not in shown.partition("Commands:")[2]


def test_logging_is_asked_for_before_and_behind(cli: Any, google: Any) -> None:
    assert cli("generate", **google.job()).returncode == 0
    quiet = cli("verify", **google.job()).stderr
    for arguments in (["-v", "verify", "-v"], ["-vv", "verify"], ["verify", "-vv"]):
        loud = cli(*arguments, **google.job()).stderr
        assert "DEBUG gcp_wif.job.wire: POST" in loud
    assert "DEBUG" not in quiet


def on_a_terminal(cli: Any, *arguments: str, stdout: bool, **env: str) -> str:
    """What a person sees of one stream; the other goes nowhere."""
    ours, theirs = pty.openpty()
    streams = {"stdout": theirs if stdout else subprocess.DEVNULL, "stderr": subprocess.DEVNULL if stdout else theirs}
    command = [sys.executable, "-m", "gcp_wif", *arguments]
    with subprocess.Popen(command, env=cli.env | env, cwd=cli.cwd, **streams) as running:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says EIO where the other side is closed
                break
            found += part
            if not part:
                break
        running.wait(timeout=60)
    os.close(ours)
    return found.decode()


def test_a_plan_has_colour_on_a_terminal_alone(admin: Any) -> None:
    assert "\x1b[32m+ create pool" in on_a_terminal(admin, "plan", stdout=True, TERM="xterm")
    assert "\x1b[32m+ create pool" in on_a_terminal(admin, "apply", stdout=False, TERM="xterm")
    assert "\x1b" not in admin("plan", TERM="xterm").stdout
    for plain in (["--no-color", "plan"], ["plan", "--no-color"]):
        assert "\x1b" not in on_a_terminal(admin, *plain, stdout=True, TERM="xterm")
    assert "\x1b" not in on_a_terminal(admin, "plan", stdout=True, TERM="xterm", NO_COLOR="1")


class TestStreamsThatDoNotTake:
    """D22: stdout on a full device was an unexpected error, and Python added an exit code of its own."""

    @pytest.mark.parametrize("arguments", ["plan", "plan --json", "check gcp-wif.toml", "render terraform", "token"])
    @pytest.mark.parametrize("stream", ["/dev/full", "&-"])
    def test_stdout(self, admin: Any, emulator: Emulator, arguments: str, stream: str) -> None:
        done = shell(admin, f"gcp-wif {arguments} >{stream}", CIRCLE_OIDC_TOKEN=emulator.token())
        assert done.returncode == 2
        assert "error WIF012: The result cannot be written to stdout" in done.stderr
        assert "Exception" not in done.stderr
        assert "WIF001" not in done.stderr

    @pytest.mark.parametrize("stream", ["/dev/full", "&-"])
    def test_stderr(self, cli: Any, google: Any, stream: str) -> None:
        done = shell(cli, f"gcp-wif login --json 2>{stream}", **google.job())
        assert done.returncode == 0
        assert '"already_authenticated": false' in done.stdout

    def test_a_reader_that_has_seen_enough(self, admin: Any) -> None:
        done = shell(admin, "set -o pipefail; gcp-wif plan | head -c 1")
        assert done.stdout == "+"
        assert "error" not in done.stderr
        assert "Exception" not in done.stderr
        assert done.returncode == 1  # there are changes, as without `head`

    def test_a_working_folder_that_is_gone(self, cli: Any, tmp_path: Path) -> None:
        """D22: a missing working folder was an unexpected error."""
        script = "mkdir gone; cd gone; rmdir ../gone; gcp-wif generate --json"
        cli.cwd = tmp_path
        done = shell(cli, script, PYTHONSAFEPATH="1")
        assert done.returncode == 2
        assert "error WIF013: The working folder cannot be read" in done.stderr
        assert '"WIF013"' in done.stdout

    def test_a_terminal_that_knows_no_signs(self, admin: Any) -> None:
        done = admin("doctor", "--manifest", "gcp-wif.toml", "--identity", "deploy", PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert "\\u2713 provider" in done.stdout
