"""What `render` makes for a CI system is valid to the schema of that system, and clean to the linters of others.

The schemas are those that check-jsonschema brings along: SchemaStore's and the vendors' own.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kinds
import pytest
import yaml
from dev_programs import program

from gcp_wif.install import install_command
from gcp_wif.manifest import Manifest
from gcp_wif.rendering.ci_config import render_ci_config

pytestmark = pytest.mark.client

SCHEMAS = {
    "buildkite": ("vendor.buildkite",),
    "github": ("vendor.github-workflows",),
    "gitlab": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
"""The schema of each kind that has a config, and what check-jsonschema must know besides."""

NASTY = ["${{github.token}}", "a'b\"c", "$HOME", "$$x", "`id`", "+x!", "#", "-x", "{a}", "it's", "<<x>>", "\u4ee4"]


def rendered(kind: str, text: str | None = None) -> str:
    manifest = Manifest.parse(text or kinds.kind(kind).table.manifest, origin="gcp-wif.toml")
    return render_ci_config(kind, manifest, "gcp-wif.toml")


def manifests(kind: str) -> Iterator[str]:
    """That of the table, and one with names that a CI system could take for something else."""
    text = kinds.kind(kind).table.manifest
    yield text
    for name in NASTY:
        quoted = json.dumps(name)
        yield text.replace('"main"', quoted).replace('"v1.0"', quoted).replace('"production"', quoted)


def strings(document: Any) -> Iterator[tuple[str, str]]:
    """Every text of a config, with the key that it stands under."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from [(str(key), value)] if isinstance(value, str) else strings(value)
    elif isinstance(document, list):
        for each in document:
            yield from [("", each)] if isinstance(each, str) else strings(each)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_it_is_valid_to_the_systems_schema(kind: str, require_client: Callable[..., str], tmp_path: Path) -> None:
    check = program("check-jsonschema", require_client, f"that what `render {kind}` makes is valid")
    files = []
    for number, text in enumerate(manifests(kind)):
        file = tmp_path / f"{number}.yml"
        file.write_text(rendered(kind, text))
        files.append(str(file))
    schema, *more = SCHEMAS[kind]
    done = subprocess.run(
        [check, "--builtin-schema", schema, *more, *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "broken.yml").write_text(rendered(kind).replace("timeout", "tiemout"))
    broken = subprocess.run(
        [check, "--builtin-schema", schema, *more, str(tmp_path / "broken.yml")],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert broken.returncode == 1  # it does look


def test_the_action_is_valid_and_clean(require_client: Callable[..., str]) -> None:
    action = Path(__file__).parents[2] / "action.yml"
    check = program("check-jsonschema", require_client, "that action.yml is valid")
    zizmor = program("zizmor", require_client, "that action.yml is clean")
    shellcheck = program("shellcheck", require_client, "that the scripts of action.yml are clean")
    for command in (
        [check, "--builtin-schema", "vendor.github-actions", str(action)],
        [zizmor, "--offline", "--no-config", "--persona=auditor", "--format=plain", str(action)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for step in yaml.safe_load(action.read_text())["runs"]["steps"]:
        done = subprocess.run(
            [shellcheck, "--shell=bash", "-"], input=step["run"], capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.stdout == ""


def test_githubs_is_clean_to_zizmor(require_client: Callable[..., str], tmp_path: Path) -> None:
    """Pinned by commit, least permissions, no credentials kept, no expression in a script; as strict as it can be."""
    zizmor = program("zizmor", require_client, "that what `render github` makes is clean")
    for number, text in enumerate([kinds.kind("github").table.manifest, None]):
        file = tmp_path / f"{number}.yml"
        made = rendered("github", text)
        file.write_text(made if text else made.replace("permissions: {}", "permissions: write-all"))
        done = subprocess.run(
            [zizmor, "--offline", "--no-config", "--persona=auditor", "--format=plain", str(file)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is (text is not None), done.stdout + done.stderr


@pytest.mark.parametrize("kind", SCHEMAS)
def test_its_scripts_are_clean_to_shellcheck(kind: str, require_client: Callable[..., str]) -> None:
    shellcheck = program("shellcheck", require_client, "that the scripts in what `render` makes are clean")
    document = yaml.safe_load(rendered(kind))
    scripts = [text for key, text in strings(document) if key == "run"]
    for job in document.values():
        if isinstance(job, dict) and "script" in job:
            scripts += ["\n".join(job["script"]), "\n".join(job["after_script"])]
    # Its upload makes one dollar sign out of two.
    scripts += ["\n".join(step["commands"]).replace("$$", "$") for step in document.get("steps", [])]
    assert len(scripts) >= 4
    assert install_command() in "\n".join(scripts)
    for script in scripts:
        done = subprocess.run(
            [shellcheck, "--shell=bash", "-"], input=script, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout == ""


EXAMPLES = Path(__file__).parents[2] / "examples"
BY_HAND = {
    "bitbucket/bitbucket-pipelines.yml": ("vendor.bitbucket-pipelines",),
    "azure-devops/azure-pipelines.yml": (
        *("vendor.azure-pipelines", "--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
    ),
    "buildkite/.buildkite/pipeline.yml": ("vendor.buildkite",),
}
"""Configs of examples, with the schema of each and what check-jsonschema must know besides."""


@pytest.mark.parametrize("file", BY_HAND)
def test_an_example_is_valid_to_the_systems_schema(
    file: str, require_client: Callable[..., str], tmp_path: Path
) -> None:
    check = program("check-jsonschema", require_client, f"that examples/{file} is valid")
    schema, *more = BY_HAND[file]
    broken = tmp_path / "broken.yml"
    text = (EXAMPLES / file).read_text().replace("max-time: 10", "max-time: soon")
    broken.write_text(re.sub(r"^( *)(?:- )?(script|steps|commands):", r"\1stpes:", text, flags=re.MULTILINE))
    for path, wanted in ((EXAMPLES / file, 0), (broken, 1)):
        done = subprocess.run(
            [check, "--builtin-schema", schema, *more, str(path)], capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == wanted, done.stdout + done.stderr


def test_the_scripts_of_examples_are_clean_to_shellcheck(require_client: Callable[..., str]) -> None:
    shellcheck = program("shellcheck", require_client, "that the scripts in examples are clean")
    scripts = [path.read_text() for path in sorted((EXAMPLES / "buildkite" / "hooks").iterdir())]
    for file in ("bitbucket/bitbucket-pipelines.yml", "azure-devops/azure-pipelines.yml"):
        scripts += list(scripts_of(yaml.safe_load((EXAMPLES / file).read_text())))
    assert len(scripts) == 2 + 4 + 4
    for script in scripts:
        done = subprocess.run(
            [shellcheck, "--shell=bash", "-"], input=script, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout == ""


def scripts_of(document: Any) -> Iterator[str]:
    """What a config has run in one shell each."""
    for each in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from scripts_of(each)
    if isinstance(document, dict):
        yield from ("\n".join(document[key]) for key in ("script", "after-script") if key in document)
        yield from [document["bash"]] if "bash" in document else []
