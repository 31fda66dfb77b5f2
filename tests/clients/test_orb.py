"""The source of the CircleCI orb: it is what `render orb` makes, its linters find nothing, and its commands log in.

CircleCI's own program cannot be had here: `orb_source.packed` packs as that is documented to, and what it makes is held
against the schema of CircleCI's configs. `review.bats` of circleci/orb-tools wants programs that are not here either:
its rules stand below by their numbers. RC006 and RC007 ask the addresses, RC011 the tag of a release.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import circleci_program
import pytest
import yaml
from circleci_steps import Job, expanded
from dev_programs import program, run
from google_setup import Google
from orb_source import SOURCE, made, packed

from gcp_wif.rendering.ci_config import render_snippet

YAMLLINT = "{extends: relaxed, rules: {line-length: {max: 200, allow-non-breakable-inline-mappings: true}}}"
"""The `.yamllint` of CircleCI's orb template."""

GENERATE, AUTHENTICATE = "gcp_oidc_generate_cred_config_file", "gcp_oidc_authenticate"


@pytest.fixture(scope="module")
def orb() -> dict[str, Any]:
    return packed()


def test_the_committed_source_is_what_the_template_makes() -> None:
    by_hand = {"@orb.yml", "examples/log_in_and_deploy.yml"}
    committed = {str(path.relative_to(SOURCE)): path.read_text() for path in SOURCE.rglob("*") if path.is_file()}
    assert {name: text for name, text in committed.items() if name not in by_hand} == made()
    assert by_hand < committed.keys()


def test_its_commands_have_the_interface_of_render_orb(orb: dict[str, Any]) -> None:
    rendered = yaml.safe_load(render_snippet("orb"))["commands"]
    assert orb["commands"].keys() == {name.replace("-", "_") for name in rendered}
    for name, command in rendered.items():
        ours = orb["commands"][name.replace("-", "_")]
        assert (ours["description"], ours["parameters"]) == (command["description"], command["parameters"])


def test_no_parameter_is_in_a_script(orb: dict[str, Any]) -> None:
    """There it would be text: packing escapes it."""
    for command in orb["commands"].values():
        assert "<<" not in command["steps"][0]["run"]["command"]


@pytest.mark.client
def test_packed_it_is_valid_to_circlecis_schema(
    orb: dict[str, Any], require_client: Callable[..., str], tmp_path: Path
) -> None:
    check = program("check-jsonschema", require_client, "that the packed orb is valid")
    file = tmp_path / "orb.yml"
    text = yaml.safe_dump(orb, sort_keys=False)
    (shown,) = orb["examples"].values()
    for content, wanted in (
        (text, 0),
        (text.replace("env_var_name", "variable"), 1),
        (yaml.safe_dump(shown["usage"]), 0),  # its own orb is not looked up
    ):
        file.write_text(content)
        done = run(check, "--builtin-schema", "vendor.circle-ci", str(file))
        assert done.returncode == wanted, done.stdout + done.stderr


@pytest.mark.client
def test_it_is_clean_to_yamllint_and_shellcheck(require_client: Callable[..., str], tmp_path: Path) -> None:
    yamllint = program("yamllint", require_client, "that the orb's YAML is clean")
    done = run(yamllint, "--strict", "--config-data", YAMLLINT, str(SOURCE))
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "broken.yml").write_text("a: 1\na: 2\n")
    assert run(yamllint, "--strict", "--config-data", YAMLLINT, str(tmp_path)).returncode == 1  # it does look
    shellcheck = program("shellcheck", require_client, "that the orb's scripts are clean")
    scripts = [str(path) for path in (SOURCE / "scripts").iterdir()]
    done = run(shellcheck, *scripts)
    assert (len(scripts), done.stdout) == (2, "")


def findings(source: Path) -> Iterator[str]:
    """What `review.bats` would find, by its codes."""
    root = yaml.safe_load((source / "@orb.yml").read_text())
    if not root.get("display", {}).get("source_url"):
        yield "RC001"
    if len(root.get("description", "")) < 64:
        yield "RC005"
    examples = list((source / "examples").glob("*.yml"))
    if not examples:
        yield "RC003"
    if any("example" in path.name for path in examples):
        yield "RC004"
    for path in (
        each for folder in ("jobs", "commands", "executors", "examples") for each in source.glob(f"{folder}/*")
    ):
        document = yaml.safe_load(path.read_text())
        if not document.get("description"):
            yield "RC002"
        if path.parent.name == "examples":
            continue
        parameters = document.get("parameters", {})
        if "-" in path.name or any("-" in name for name in parameters):
            yield "RC010"
        if any("$" in str(each.get("default", "")) for each in parameters.values()):
            yield "RC012"
        for step in document.get("steps", ()):
            named = step["run"] if isinstance(step["run"], dict) else {"command": step["run"]}
            if not named.get("name"):
                yield "RC008"
            if len(named["command"]) > 64 and "<<include(" not in named["command"]:
                yield "RC009"


def test_the_rules_of_a_registrys_orb_hold(tmp_path: Path) -> None:
    assert list(findings(SOURCE)) == []
    (tmp_path / "commands").mkdir()
    (tmp_path / "@orb.yml").write_text("description: short\n")
    (tmp_path / "commands" / "a-b.yml").write_text(
        json.dumps({"parameters": {"x": {"default": "$X"}}, "steps": [{"run": "true " * 20}]})
    )
    assert sorted(findings(tmp_path)) == [f"RC0{number}" for number in ("01", "02", "03", "05", "08", "09", "10", "12")]


@pytest.fixture
def job(tmp_path: Path, google: Google) -> Job:
    """A job whose executor has CircleCI's program, for `circleci env subst`."""
    found = Job(tmp_path, google)
    circleci_program.install(tmp_path / "bin", google.emulator.http, {})
    found.env["PATH"] = f"{tmp_path / 'bin'}:{found.env['PATH']}"
    return found


def test_the_example_of_the_orb_logs_in(orb: dict[str, Any], job: Job, google: Google) -> None:
    (shown,) = orb["examples"].values()
    commands = {f"gcp-wif/{name}": command for name, command in orb["commands"].items()}
    steps = [step for step in shown["usage"]["jobs"]["deploy"]["steps"] if step != "checkout"]
    *logins, deploy = [text for step in steps for text in expanded(step, commands)]
    assert (len(logins), deploy) == (2, "python deploy.py")
    for step in (*logins, 'gcp-wif verify --output-file "$GOOGLE_APPLICATION_CREDENTIALS"'):
        done = job.run(step)
        assert done.returncode == 0, done.stderr
        assert job.env["CIRCLE_OIDC_TOKEN"] not in done.stdout + done.stderr
    assert (job.home / "oidc_token.json").read_text() == job.env["CIRCLE_OIDC_TOKEN"]


@pytest.mark.parametrize("which", ["orb", "render orb"])
def test_paths_with_variables_as_the_inline_commands_take_them(
    which: str, orb: dict[str, Any], job: Job, google: Google
) -> None:
    commands = orb["commands"] if which == "orb" else yaml.safe_load(render_snippet("orb"))["commands"]
    given = {"gcp_cred_config_file_path": "$HOME/my config.json", "oidc_token_file_path": "${HOME}/my token"}
    name = GENERATE if which == "orb" else GENERATE.replace("_", "-")
    (step,) = expanded({name: given}, commands)
    done = job.run(step)
    assert done.returncode == 0, done.stderr
    config = json.loads((job.home / "my config.json").read_text())
    assert (config["audience"], config["credential_source"]["file"]) == (
        google.provider.audience,
        str(job.home / "my token"),
    )


@pytest.mark.parametrize("name", ["GCP_PROJECT_ID", "GCP_WIP_ID", "GCP_WIP_PROVIDER_ID", "GCP_SERVICE_ACCOUNT_EMAIL"])
def test_a_variable_that_is_not_set_is_named_and_nothing_is_written(orb: dict[str, Any], job: Job, name: str) -> None:
    del job.env[name]
    (step,) = expanded(GENERATE, orb["commands"])
    done = job.run(step)
    assert done.returncode != 0
    assert re.search(rf"{name} is not set: does this job use the context\?", done.stderr)
    assert list(job.home.iterdir()) == []
