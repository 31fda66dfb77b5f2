"""What is rendered runs with a job's token: what it installs, what it runs, and from where.

The name gcp-wif is on no package index. Whoever takes it is handed the tokens of every job that installs it by its
name. And a job's working folder is the repository's: nothing in it may be run in place of a program that is installed.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from measured import measured
from provisioned import MANIFEST

from gcp_wif import install
from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.install import install_command, is_command
from gcp_wif.manifest import Manifest
from gcp_wif.rendering.ci_config import render_ci_config, render_snippet

ROOT = Path(__file__).parents[2]

_BY_NAME = re.compile(r"\b(?:pip[0-9.]*|pipx|uvx?|poetry|conda)\b[^\n#,]*?[\s'\"]gcp[-_]wif(?P<after>[^\n]*)")


def installed_by_name(text: str) -> list[str]:
    """Lines that have an installer take gcp-wif from wherever it looks."""
    found = [match for match in _BY_NAME.finditer(text) if not re.match(r"(\[[a-z,]+\])? @ ", match["after"])]
    return [match[0] for match in found]


@pytest.mark.parametrize(
    "line",
    [
        "pip install gcp-wif", "pip3 install -U 'gcp-wif[admin]'", "python3 -m pip install --quiet gcp-wif",
        'pip install "gcp_wif"', "pipx run gcp-wif login", "uvx gcp-wif", "uv tool install gcp-wif==0.1.0",
        "pip install gcp-wif>=0.1", "run  pip install 'gcp-wif[admin,emulator]'",
    ],
)  # fmt: skip
def test_the_search_finds_every_form(line: str) -> None:
    assert installed_by_name(f"text\n{line}\n")
    assert not installed_by_name(f"text\n{install_command('admin')}\npip install '.[all]'  # gcp-wif itself\n")


def test_no_text_of_the_repository_says_to_install_it_by_its_name() -> None:
    """W24: templates, examples, README, messages, codes. Tests hold the forms that are searched for."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = {
        name: lines
        for name in names
        if not name.startswith("tests/")
        if (lines := installed_by_name((ROOT / name).read_text(errors="replace")))
    }
    assert found == {}
    assert len(names) > 100


def test_nor_does_anything_that_is_rendered_or_said() -> None:
    """W24."""
    manifest = Manifest.parse(MANIFEST, origin="test")
    texts = [render_snippet("orb"), render_ci_config("circleci", manifest, "m")]
    texts += [str(MissingExtraError(extra, command="plan")) for extra in ("admin", "emulator", "junit")]
    for text in texts:
        assert installed_by_name(text) == []
        assert f" @ git+{install.ADDRESS}@v{install.VERSION}" in text


def test_the_address_is_to_be_filled_in_and_the_version_is_this_one() -> None:
    """W24: a name under .invalid never resolves (RFC 2606), so that what nobody filled in finds nothing."""
    assert re.fullmatch(r"https://[a-z-]+\.invalid/gcp-wif\.git", install.ADDRESS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == install.VERSION


def read_by_circleci(text: str) -> str:
    r"""A value of its config, in which ``<<`` begins an expression and ``\<<`` does not."""
    assert "<<" not in text.replace("\\<<", ""), text
    return text.replace("\\<<", "<<")


parts = st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(
    ["<<", ">>", " ", "#", "'", '"', "\\", "$", ": ", "-"]
)
printable = st.lists(parts, max_size=20).map("".join)


@given(printable.filter(is_command))
def test_any_install_command_is_in_the_job_as_it_was_given(command: str) -> None:
    """W24: one line, whatever YAML or CircleCI would make of its characters."""
    for each in yaml.safe_load(render_snippet("orb", command))["commands"].values():
        lines = each["steps"][0]["run"]["command"].splitlines()
        start = lines.index("if ! command -v gcp-wif > /dev/null; then")
        assert lines[start + 2] == "fi"
        assert read_by_circleci(lines[start + 1]) == f"  {command}"
    manifest = Manifest.parse(MANIFEST, origin="test")
    for job in yaml.safe_load(render_ci_config("circleci", manifest, "m", install=command))["jobs"].values():
        assert read_by_circleci(job["steps"][1]["run"]["command"]) == command


@pytest.mark.parametrize("command", ["", "  ", "a\nb", "a\r- run: evil", "a\u2028b", "a\x00", "a\x1b[0m", "a" * 1001])
def test_an_install_command_that_is_not_one_line_is_refused(cli: Any, tmp_path: Path, command: str) -> None:
    """W24: it would begin a step of its own."""
    assert not is_command(command)
    if "\x00" not in command:
        done = cli("render", "orb", "--install", command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "WIF742" in done.stderr
    with pytest.raises(InputError) as caught:
        Manifest.parse(f"install = {json.dumps(command)}\n{MANIFEST}", origin="m")
    assert "- install: " in (caught.value.hint or "")


def test_the_flag_comes_before_the_manifest_and_that_before_the_default(cli: Any, tmp_path: Path) -> None:
    """Contract, *Install*."""
    path = tmp_path / "gcp-wif.toml"
    for text, flags, expected in [
        (MANIFEST, [], install_command()),
        ('install = "own-install"\n' + MANIFEST, [], "own-install"),
        ('install = "own-install"\n' + MANIFEST, ["--install", "my install"], "my install"),
    ]:
        path.write_text(text)
        done = cli("render", "circleci", "--manifest", str(path), *flags)
        assert done.returncode == 0, done.stderr
        for job in yaml.safe_load(done.stdout)["jobs"].values():
            assert job["steps"][1]["run"]["command"] == expected
        assert ("--install" in done.stdout.splitlines()[0]) == bool(flags)
    assert cli("render", "gcloud", "--manifest", str(path), "--install", "x").returncode == 2


class Job:
    """The first step of the orb's commands, in a checkout that is not to be trusted."""

    def __init__(self, folder: Path, bash: str) -> None:
        self.home, self.checkout, self.programs = folder / "home", folder / "checkout", folder / "programs"
        for each in (self.home, self.checkout, self.programs):
            each.mkdir()
        for name in ("bash", "true", "mkdir", "cp", "cat"):
            (self.programs / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
        base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
        (self.programs / "python3").write_text(f'#!/bin/sh\nexec {base} "$@"\n')
        (self.programs / "python3").chmod(0o755)
        self.bash = bash
        for name in ("gcp_wif", "pip", "site", "runpy", "typer"):
            package = self.checkout / name
            package.mkdir()
            for file in ("__init__.py", "__main__.py"):
                (package / file).write_text(f"open({str(folder / 'evil')!r}, 'a').write({name!r} + '\\n')\n")
        self.evil = folder / "evil"

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        steps = yaml.safe_load(render_snippet("orb", command))["commands"]["gcp-oidc-authenticate"]["steps"]
        script = steps[0]["run"]["command"].replace("<< parameters.gcp_cred_config_file_path >>", "config.json")
        env = {"HOME": str(self.home), "PATH": str(self.programs)}
        return subprocess.run(
            [self.bash, "-eo", "pipefail", "-c", script.replace("\\<<", "<<")],
            cwd=self.checkout, env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def job(tmp_path: Path, require_client: Callable[..., str]) -> Job:
    return Job(tmp_path, require_client("bash", proves="that the orb's steps run nothing of the checkout"))


def test_nothing_of_the_checkout_is_run_in_the_place_of_gcp_wif(job: Job) -> None:
    """W24: `python3 -m gcp_wif` ran the repository's own folder of that name, with the job's token in its reach."""
    done = job.run("true")
    assert done.returncode != 0
    assert "No module named" in done.stderr
    assert not job.evil.exists(), job.evil.read_text()


def test_nor_in_the_place_of_pip(job: Job) -> None:
    """W24: the default command, which fails here because nobody has filled in the address."""
    done = job.run(install_command() + " --no-index --no-deps --disable-pip-version-check")
    assert done.returncode != 0
    assert not job.evil.exists(), job.evil.read_text()


def test_a_program_that_pip_put_into_the_users_own_folder_is_found(job: Job) -> None:
    """There no shell looks, and `python3 -I` does not look into a user's own packages either."""
    made = 'mkdir -p "$HOME/.local/bin" && cp "$HOME/ready" "$HOME/.local/bin/gcp-wif"'
    (job.home / "ready").write_text('#!/bin/sh\necho "ran: $*"\n')
    (job.home / "ready").chmod(0o755)
    done = job.run(made)
    assert (done.returncode, done.stdout) == (0, "ran: export --output-file=config.json\n"), done.stderr
    assert job.run("false").returncode == 0  # it is not installed again


def test_shellcheck_has_nothing_to_say_of_the_default(require_client: Callable[..., str]) -> None:
    program = require_client("shellcheck", proves="that the default command is clean bash")
    text = f"#!/usr/bin/env bash\n{install_command('all')}\n"
    done = subprocess.run([program, "-"], input=text, capture_output=True, text=True, check=False)
    assert done.stdout == ""


def large(accounts: int) -> str:
    """A manifest of so many accounts, each in a project of its own."""
    head = MANIFEST.partition("[identities.deploy]")[0]
    return head + "".join(
        f"[identities.d{n}]\n"
        f'service_account = "account-{n:05}@project-{n:05}.iam.gserviceaccount.com"\n'
        'create = true\nroles = ["roles/run.developer"]\n'
        'allow = [{ project = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b", branch = "main" }]\n'
        for n in range(accounts)
    )


@pytest.mark.slow
@pytest.mark.parametrize("what", ["terraform", "gcloud", "circleci"])
def test_a_manifest_of_400_kb_is_rendered_soon(what: str, tmp_path: Path) -> None:
    """W21: took 39 seconds for terraform, each project looking at each account. Under 5 seconds and 300 MB."""
    path = tmp_path / "gcp-wif.toml"
    path.write_text(large(2000))
    assert 400_000 < path.stat().st_size < 500_000
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = measured(env, "render", what, "--manifest", str(path), "--output-file", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text().count("d1999") >= 1 or what == "gcloud"
    assert done.seconds < 5
    assert done.megabytes < 300
