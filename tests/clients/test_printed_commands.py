"""Every command that a text of ours tells somebody to run: gcloud takes it, and so do we.

Words in capitals stand for the reader's own names; here they are those of an emulator.
"""

import ast
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from admin_shell import Shell
from code_sites import PACKAGE
from google_setup import ACCOUNT, PROVIDER, Google

from gcp_wif.cli.app import app
from gcp_wif.codes import all_codes
from gcp_wif.emulator import Emulator
from gcp_wif.errors import InputError
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION, SAMPLE_PROJECT
from gcp_wif.names import Principal

_MEMBER = str(Principal.attribute(PROVIDER.pool, "project", SAMPLE_PROJECT))
_NAMES = {
    "PRINCIPAL_SET": _MEMBER, "MEMBER": _MEMBER, "ACCOUNT": ACCOUNT,
    "RUNTIME_ACCOUNT": "runner@acme-prod.iam.gserviceaccount.com",
    "RUNTIME_PROJECT": "acme-prod", "RESOURCE_PROJECT": "acme-prod", "PROJECT": "acme-prod", "NUMBER": "123456789012",
    "POOL": "circleci", "PROVIDER": "circleci-acme", "AUDIENCES": SAMPLE_ORGANIZATION, "FILE": "jwks.json",
    "MAPPING": "google.subject=assertion.sub",
    "ISSUER": f"https://oidc.circleci.com/org/{SAMPLE_ORGANIZATION}", "ROLE": "roles/viewer",
}  # fmt: skip
_ABOUT_THIS_MACHINE = ("gcloud auth ", "gcloud topic ")
"""Commands that log in or configure this machine, or print help: they ask no API of the admin's."""


def commands(program: str) -> dict[str, str]:
    """Every command of the registry, with its code. One in a sentence stands in backticks, or ends it."""
    found: dict[str, str] = {}
    for row in all_codes():
        for line in row.fix:
            quoted = re.findall(rf"`({program} [^`]+)`", line)
            bare = re.findall(rf"(?:^|: {{1,2}})({program} [a-z][^`]*)$", re.sub(r"`[^`]*`", "``", line))
            for command in [*quoted, *bare]:
                found.setdefault(_without_the_sentence(command), row.code)
    return found


def _without_the_sentence(command: str) -> str:
    """Up to where the sentence goes on: a comma or a stop, and a blank; or the words behind."""
    return re.split(r"[.,;)]+(?: |$)| prints it| and | = | — | again| in the job", command)[0].rstrip()


def _filled(command: str) -> str:
    names = _NAMES | {"PROJECT_ID": "acme-prod" if "ACCOUNT" in command or "ROLE" in command else "acme-identity"}
    if " roles describe " in command:
        names["ROLE"] = "ciTokens"
    return re.sub(r"\b[A-Z][A-Z_]+\b", lambda match: names.get(match[0], match[0]), command)


GCLOUD = {command: code for command, code in commands("gcloud").items() if not command.startswith(_ABOUT_THIS_MACHINE)}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(projects={"acme-identity": "123456789012"}) as running:
        yield running


@pytest.fixture(scope="module")
def shell(require_client: Callable[..., str], tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Shell:
    require_client("gcloud", proves="that the commands of the registry run")
    return Shell(tmp_path_factory.mktemp("admin"), emulator)


def ready(emulator: Emulator, command: str) -> Google:
    """A Google in which the command has something to do."""
    emulator.reset()
    google = Google(emulator)
    google.provision()
    state = emulator.state
    state.accounts.put(_NAMES["RUNTIME_ACCOUNT"], state.project_id)
    pool = state.pools.get(PROVIDER.project_number, PROVIDER.pool_id)
    if " undelete " in command:
        resource = pool.providers[PROVIDER.provider_id] if " providers " in command else pool
        resource.deleted_at = state.clock.now()
    state.settings.roles = {"projects/acme-prod/roles/ciTokens": frozenset(["iam.serviceAccounts.getAccessToken"])}
    state.settings.disabled_services = {"sts.googleapis.com"} if " services enable " in command else set()
    return google


@pytest.mark.client
@pytest.mark.slow
@pytest.mark.parametrize("command", GCLOUD)
def test_gcloud_runs_it(command: str, emulator: Emulator, shell: Shell) -> None:
    ready(emulator, command)
    (shell.folder / "jwks.json").write_text(json.dumps(emulator.issuer.jwks()))
    line = _filled(command)
    done = shell(line)
    assert done.returncode == 0, f"{GCLOUD[command]}: {line}\n{done.stderr}"
    assert emulator.crashes == []


def _of_the_source() -> dict[str, str]:
    """Our own commands in any text of the source, in backticks, with the file that has it."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
                for command in re.findall(r"`(gcp-wif [a-z][^`{}]*)`", node.value):
                    found.setdefault(command, str(path.relative_to(PACKAGE)))
    return found


@pytest.mark.parametrize("command", sorted({*commands("gcp-wif"), *_of_the_source()}))
def test_we_have_the_command_and_its_flags(command: str) -> None:
    """What a flag's value must be is told by the command itself; here it must be a flag that there is."""
    root: Any = typer.main.get_command(app)
    name, *rest = shlex.split(command.removeprefix("gcp-wif ").partition(" -- ")[0].rstrip("…"))
    if name == "COMMAND" or re.search(r"\bgcp-wif$", name):
        return
    assert name in root.list_commands(None), command
    found = root.get_command(None, name)
    known = {flag for each in found.params for flag in (*each.opts, *each.secondary_opts)} | {"--help", "-h"}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known


def test_the_texts_have_commands() -> None:
    assert len(GCLOUD) > 25
    assert len(commands("gcp-wif")) > 25


def _job(google: Google, folder: Path) -> dict[str, str]:
    return {**google.job(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}


@pytest.mark.client
@pytest.mark.slow
@pytest.mark.parametrize("case", ["bound on the account", "bound on the project", "a custom role", "direct"])
def test_what_settles_the_unknown_settles_it(
    case: str, emulator: Emulator, shell: Shell, cli: Any, tmp_path: Path
) -> None:
    """From a job without rights: each line under a finding is run as it stands, until only the APIs are unknown."""
    google = ready(emulator, "")
    state, binding = emulator.state, {"role": "roles/iam.workloadIdentityUser", "members": [_MEMBER]}
    account = state.accounts.find(ACCOUNT)
    assert account is not None
    if case == "a custom role":
        binding["role"] = "projects/acme-prod/roles/ciTokens"
        state.settings.roles = {binding["role"]: frozenset(["iam.serviceAccounts.getAccessToken"])}
    if case != "bound on the account":
        account.policy.replace({"bindings": [binding] if case == "a custom role" else []}, 0, 0)
    if case in ("bound on the project", "direct"):
        state.project_policy("acme-prod").replace({"bindings": [binding]}, 0, 0)
    admin = Shell(tmp_path, emulator)
    admin.env |= _job(google, tmp_path)
    flags = "--direct --project-id acme-prod" if case == "direct" else ""
    if case == "direct":
        del admin.env["GCP_SERVICE_ACCOUNT_EMAIL"]
    known: dict[str, str] = {}
    for _ in range(6):
        files = " ".join(f"{flag} {file}" for flag, file in known.items())
        report = _doctor(admin, f"gcp-wif doctor {flags} {files} --json")
        findings = [each for each in report["findings"] if each["level"] == "unknown"]
        if not findings:
            break
        for line in findings[0]["fix"]:
            if line.startswith("gcloud"):
                done = admin(line)
                assert done.returncode == 0, f"{line}\n{done.stderr}"
            elif line.startswith("gcp-wif"):
                done = admin(f"{line} {flags} --json > /dev/null" if "doctor" in line else line)
                assert done.returncode in (0, 1), f"{line}\n{done.stderr}"
                known |= dict(re.findall(r"(--[a-z-]+-file) (\S+)", line))
    states = {link["name"]: link["state"] for link in report["links"]}
    assert {name for name, state_ in states.items() if state_ != "fine"} <= {"api", "lifetime"}, report["findings"]


def _doctor(admin: Shell, line: str) -> dict[str, Any]:
    done = admin(f"{line} || true")
    found: dict[str, Any] = json.loads(done.stdout)
    assert "findings" in found, found
    return found


def _refusals_of_the_admins_commands() -> dict[str, str]:
    """The hints of plan and apply, where Google refuses, by what they are about."""
    from google.api_core import exceptions

    from gcp_wif.names import ProjectNumber
    from gcp_wif.provisioning.failures import explained

    denied = exceptions.Forbidden("Permission 'iam.serviceAccounts.setIamPolicy' denied on resource")
    off = exceptions.Forbidden(
        "Security Token Service API has not been used in project 123456789012 before or it is disabled. Enable it by "
        "visiting https://console.developers.google.com/apis/api/sts.googleapis.com/overview?project=123456789012"
    )
    policy = exceptions.BadRequest("Org Policy violated for value: 'https://ci.example'.")
    hints: dict[str, str] = {}
    for error in (denied, off, policy):
        made = explained(error, "trying", permission="iam.serviceAccounts.setIamPolicy", project="acme-prod")
        hints[made.code] = made.hint or ""
    with pytest.raises(InputError) as raised:
        ProjectNumber.parse("acme-prod", origin="test")
    hints[raised.value.code] = raised.value.hint or ""
    return hints


def _commands_in(text: str) -> list[str]:
    quoted = re.findall(r"`(gcloud [^`]+)`", text)
    return quoted + re.findall(r"^ +(gcloud .*)$", text, re.MULTILINE)


@pytest.mark.client
@pytest.mark.slow
def test_the_hints_of_plan_and_apply_run(emulator: Emulator, shell: Shell) -> None:
    hints = _refusals_of_the_admins_commands()
    assert len(hints) == 4
    for code, hint in hints.items():
        commands_found = _commands_in(hint)
        assert commands_found, code
        for command in commands_found:
            ready(emulator, command)
            emulator.state.settings.ancestors = {"acme-prod": ("organizations/22",)}
            emulator.state.settings.issuer_allow_list = ("https://other.example",)
            done = shell(_filled(command).replace("ORGANIZATION_ID", "22"))
            assert done.returncode == 0, f"{code}: {command}\n{done.stderr}"


@pytest.mark.client
@pytest.mark.slow
def test_a_disabled_account_of_the_manifest_is_enabled_by_the_plans_own_line(
    emulator: Emulator, shell: Shell, cli: Any, tmp_path: Path
) -> None:
    google = ready(emulator, "")
    account = emulator.state.accounts.find(ACCOUNT)
    assert account is not None
    account.disabled = True
    manifest = tmp_path / "gcp-wif.toml"
    manifest.write_text(MANIFEST)
    said = cli("plan", "--manifest", str(manifest), **google.emulator.environ())
    lines = re.findall(r"(gcloud iam service-accounts enable .*)$", said.stdout + said.stderr, re.MULTILINE)
    assert lines, said.stdout + said.stderr
    assert shell(lines[0]).returncode == 0
    assert not account.disabled


MANIFEST = f"""
version = 1

[issuer]
kind = "circleci"
organization_id = "{SAMPLE_ORGANIZATION}"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "circleci"

[provider]
id = "circleci-acme"

[identities.deploy]
service_account = "{ACCOUNT}"
allow = [{{ project = "{SAMPLE_PROJECT}", branch = "main" }}]
"""


@pytest.mark.client
def test_a_config_is_corrected_by_the_doctors_own_line(emulator: Emulator, tmp_path: Path) -> None:
    """D47: a misspelt provider is corrected in the config, and nothing is made in Google."""
    google = ready(emulator, "")
    job = Shell(tmp_path, emulator)
    job.env |= _job(google, tmp_path) | {"BASH_ENV": str(tmp_path / "bash_env")}
    assert job("gcp-wif login").returncode == 0
    config = tmp_path / "gcp_cred_config.json"
    config.write_text(config.read_text().replace("circleci-acme", "circleci-akme"))
    job.env = {name: value for name, value in job.env.items() if not name.startswith("GCP_WIP_")}
    del job.env["BASH_ENV"]
    assert job("gcp-wif verify").returncode == 1
    report = _doctor(job, f"gcp-wif doctor --output-file {config} --live --json")
    first = report["findings"][0]
    assert first["code"] == "WIF904"
    line = next(line for line in first["fix"] if line.startswith("gcp-wif generate"))
    done = job(line)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert job("gcp-wif verify").returncode == 0
