"""README's claims, executed: its commands, flags, variables, exit codes and JSON keys are those of the program."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = ("login", "generate", "export", "verify", "logout", "token", "emulator", "demo")


def flags_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def test_every_flag_of_readme_exists(cli) -> None:
    known = {flag for command in COMMANDS for flag in flags_of(cli(command, "--help").stdout)}
    foreign = {"--version"}  # gcloud's and pip's would be listed here
    assert flags_of(README) - known - foreign == set()


def test_every_flag_of_a_job_is_in_readme(cli) -> None:
    known = {
        flag
        for command in ("login", "generate", "export", "verify", "logout", "token")
        for flag in flags_of(cli(command, "--help").stdout)
    }
    assert known - flags_of(README) - {"--help", "--verbose", "--verify"} == set()


def test_every_command_is_in_readme_and_in_the_help(cli) -> None:
    told = cli("--help").stdout
    for command in COMMANDS:
        assert f"`gcp-wif {command}`" in README
        assert re.search(rf"^  {command} ", told, re.MULTILINE)


def test_every_command_named_in_readme_exists(cli) -> None:
    named = set(re.findall(r"(?:`|^|run: |\()gcp-wif ([a-z]+)", README, re.MULTILINE))
    assert {"login", "generate", "export", "logout"} <= named
    assert named - set(COMMANDS) == set()


def test_the_snippet_of_readme_logs_in(cli, google) -> None:
    """The steps of the YAML, run as CircleCI runs them: each its own bash, BASH_ENV sourced, our four variables set."""
    steps = re.findall(r"^ +- run: (.+?)(?: +#.*)?$", README, re.MULTILINE)
    assert steps == ["pip install gcp-wif", "gcp-wif login", "python deploy.py"]
    variables = re.search(r"context: gcp +# (.*)", README)
    assert variables is not None
    job = google.job()
    seed = ("GCP_PROJECT_ID", "GCP_WIP_ID", "GCP_WIP_PROVIDER_ID", "GCP_SERVICE_ACCOUNT_EMAIL")
    ours = dict(zip(variables[1].split(", "), [job.pop(name) for name in seed], strict=True))
    done = cli(*steps[1].split()[1:], **(job | ours))
    assert done.returncode == 0, done.stderr


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
    done = subprocess.run(["bash", "-c", program + script], env=cli.env, capture_output=True, text=True, check=True)
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
