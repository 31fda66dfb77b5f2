"""README's claims, executed: its commands, flags, variables, exit codes and JSON keys are those of the program."""

import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gcp_wif.install import install_command
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.manifest import Manifest
from gcp_wif.names import Principal

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = (
    "login",
    "generate",
    "export",
    "verify",
    "logout",
    "run",
    "token",
    "print-access-token",
    "print-identity-token",
    "configure-docker",
    "check",
    "init",
    "plan",
    "apply",
    "destroy",
    "render",
    "doctor",
    "emulator",
    "demo",
)


PRINTING = ("print-access-token", "print-identity-token", "configure-docker")


def flags_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def test_every_flag_of_readme_exists(cli) -> None:
    known = {flag for command in COMMANDS for flag in flags_of(cli(command, "--help").stdout)}
    foreign = {"--version", "--env-file", "--user"}  # the last two are docker's
    assert flags_of(README) - known - foreign == set()


def test_every_flag_of_a_job_is_in_readme(cli) -> None:
    known = {
        flag
        for command in ("login", "generate", "export", "verify", "logout", "run", "token", *PRINTING)
        for flag in flags_of(cli(command, "--help").stdout)
    }
    assert known - flags_of(README) - {"--help", "--verbose", "--verify"} == set()


def test_every_command_is_in_readme_and_in_the_help(cli) -> None:
    told = cli("--help").stdout
    for command in COMMANDS:
        assert f"`gcp-wif {command}`" in README
        assert re.search(rf"^  {command} ", told, re.MULTILINE)


def test_every_command_named_in_readme_exists(cli) -> None:
    named = set(re.findall(r"(?:`|^|run: |\()gcp-wif ([a-z]+(?:-[a-z]+)*)", README, re.MULTILINE))
    assert {"login", "generate", "export", "logout"} <= named
    assert named - set(COMMANDS) == set()


def test_the_snippet_of_readme_logs_in(cli, google) -> None:
    """The steps of the YAML, run as CircleCI runs them: each its own bash, BASH_ENV sourced, our four variables set."""
    steps = re.findall(r"^ +- run: (.+?)(?: +#.*)?$", README, re.MULTILINE)
    assert steps == [install_command(), "gcp-wif login", "python deploy.py"]
    variables = re.search(r"context: gcp +# (.*)", README)
    assert variables is not None
    job = google.job()
    seed = ("GCP_PROJECT_ID", "GCP_WIP_ID", "GCP_WIP_PROVIDER_ID", "GCP_SERVICE_ACCOUNT_EMAIL")
    ours = dict(zip(variables[1].split(", "), [job.pop(name) for name in seed], strict=True))
    done = cli(*steps[1].split()[1:], **(job | ours))
    assert done.returncode == 0, done.stderr


def test_the_init_line_of_readme(cli) -> None:
    line = re.search(r"^gcp-wif (init (?:.*\\\n)*.*)$", README, re.MULTILINE)
    assert line is not None
    path = cli.home / "gcp-wif.toml"
    done = cli(*line[1].replace("\\\n", " ").split(), "--manifest", str(path))
    assert done.returncode == 0, done.stderr
    made, shown = (Manifest.parse(text, origin="test") for text in (path.read_text(), _block("toml")))
    assert made.issuer == shown.issuer
    assert made.identities["deploy"].allow[0].terms == shown.identities["deploy"].allow[0].terms


def test_the_modules_that_readme_names_exist() -> None:
    named = set(re.findall(r"`(gcp_wif(?:\.[a-z_]+)+)`", README))
    assert "gcp_wif.emulator.transport.controls" in named
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert importlib.util.find_spec(name) or hasattr(importlib.import_module(module), attribute), name


def test_the_eval_lines_of_readme(cli, google) -> None:
    assert cli("login", **google.job()).returncode == 0
    lines = re.findall(r'`(eval "\$\(gcp-wif [a-z]+ --to stdout\)")`', README)
    assert len(lines) == 2
    script = (
        lines[0]
        + '; echo "[$GOOGLE_APPLICATION_CREDENTIALS]"; '
        + lines[1]
        + '; echo "[${GOOGLE_APPLICATION_CREDENTIALS-}]"'
    )
    program = f'gcp-wif() {{ {__import__("sys").executable} -m gcp_wif "$@"; }}\n'
    del cli.env["BASH_ENV"]
    env = cli.env | google.emulator.environ()  # else a config for the emulator is not used
    done = subprocess.run(["bash", "-c", program + script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"[{cli.home}/gcp_cred_config.json]", "[]"]


@pytest.mark.parametrize("target", ["demo", "test"])
def test_readmes_two_commands_are_targets(target: str) -> None:
    assert f"make {target}" in README
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_names_a_registry_or_a_machine() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = re.compile(r"//[a-z.]*(pypi|pythonhosted|npmjs|debian)[.]")
    for name in files:
        text = (ROOT / name).read_text(errors="replace")
        assert not hosts.search(text), name
        assert str(ROOT.parent) + "/" not in text or ROOT.parent == Path("/"), name


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_pytest_example_of_readme(tmp_path: Path) -> None:
    (tmp_path / "gcp-wif.toml").write_text(_block("toml"))
    (tmp_path / "test_example.py").write_text(_block("python"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_manifest_of_readme_is_applied_once_and_then_nothing_is_to_be_done(cli, emulator, tmp_path: Path) -> None:
    manifest = tmp_path / "gcp-wif.toml"
    manifest.write_text(_block("toml"))
    flags = ["--manifest", str(manifest)]
    assert cli("plan", *flags, **emulator.environ()).returncode == 1
    assert cli("apply", *flags, "--yes", **emulator.environ()).returncode == 0
    assert cli("plan", *flags, **emulator.environ()).returncode == 0


def under(heading: str) -> str:
    """The shell lines of the first block below a heading of README."""
    found = re.search(rf"^### {re.escape(heading)}\n.*?```sh\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_several_identities_as_readme_has_them(cli, google) -> None:
    lines = under("Several identities in one job")
    accounts = re.findall(r"--service-account (\S+)", lines)
    everybody = [Principal.attribute(google.provider.pool, "project", PROJECT_ID)]
    google.provision(accounts=dict.fromkeys(accounts, everybody))
    job = google.job()
    del job["GCP_SERVICE_ACCOUNT_EMAIL"]
    program = f'gcp-wif() {{ "{sys.executable}" -m gcp_wif "$@"; }}\n'
    shown = "grep GOOGLE_APPLICATION_CREDENTIALS= $BASH_ENV | tail -1 >&2\n"
    env = {name: value for name, value in (cli.env | job).items() if name != "BASH_ENV"} | {
        "EXPORTS": cli.env["BASH_ENV"]
    }
    script = "set -e; BASH_ENV=$EXPORTS; export BASH_ENV\n" + program + lines.replace("\n", "\n" + shown)
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    counting = re.findall(r"^export GOOGLE_APPLICATION_CREDENTIALS=\S*-([a-z]+)\.json", done.stderr, re.MULTILINE)
    assert counting == ["deploy", "reader", "deploy", "deploy"]
    assert list(cli.home.iterdir()) == []


def test_the_container_of_readme(cli, google) -> None:
    login, docker, logout = under("In a container that the job starts").splitlines()

    def words(line: str) -> list[str]:
        return shlex.split(line.replace("$HOME", str(cli.home)))

    done = cli(*words(login)[1:], **google.job())
    assert done.returncode == 0, done.stderr
    told = re.search(r"in the container   (docker run .* IMAGE)", done.stderr)
    assert shlex.split(told[1]) == words(docker)
    verify = re.search(r"`gcp-wif (verify --output-file [^`]*--path-in-container [^`]*)`", README)
    assert cli(*words(verify[1]), **google.job()).returncode == 0
    assert cli(*words(logout)[1:]).returncode == 0
    assert list((cli.home / "creds").iterdir()) == []
