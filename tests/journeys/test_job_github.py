"""A job of GitHub, end to end on loopback, with the core install alone.

The server of tokens is made from GitHub's page "OpenID Connect reference" and the toolkit's ``core.getIDToken``: GET
with the audience behind the address, a bearer token of the job, and ``{"value": TOKEN}``.
"""

import json
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kinds
import pytest
import yaml
from ci_job import Job
from github_runner import runner
from kinds.github import OWNER, REPOSITORY
from token_server import Asked, TokenServer, serving

from gcp_wif.emulator import Emulator
from gcp_wif.install import VERSION
from gcp_wif.manifest import Manifest
from gcp_wif.rendering.ci_config import render_ci_config

SECRET = "request-secret-0123456789abcdef"
PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/github/providers/github"
NAME = "GOOGLE_APPLICATION_CREDENTIALS"


class GitHub(Job):
    """A job of the repository: each step gets a file of its own for variables, and what earlier steps have set."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        super().__init__(emulator, folder, kinds.kind("github").table.manifest)
        self.temp, self.claims, self.steps = folder / "temp", dict[str, Any](), 0
        self.temp.mkdir()
        self.env |= {
            "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(self.folder), "RUNNER_TEMP": str(self.temp),
            "GITHUB_REPOSITORY_OWNER_ID": OWNER, "GITHUB_REPOSITORY_ID": REPOSITORY,
            "GITHUB_SERVER_URL": "https://github.com", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": SECRET,
        }  # fmt: skip
        self.step()

    def step(self) -> None:
        """The next step begins."""
        file = self.temp.parent / f"set_env_{self.steps}"
        if self.steps:
            self.env |= runner(file.read_bytes())
        self.steps += 1
        self.file = self.temp.parent / f"set_env_{self.steps}"
        self.file.touch()
        self.env["GITHUB_ENV"] = str(self.file)

    def answer(self, asked: Asked) -> tuple[int, object]:
        """GitHub's server."""
        if asked.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, {"message": "Unauthorized"}
        audience = asked.query["audience"][0]
        return 200, {"count": 1, "value": self.emulator.token(kind="github", aud=audience, **self.claims)}


@pytest.fixture
def server(job: GitHub) -> Iterator[TokenServer]:
    with serving(job.answer) as found:
        job.env["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"{found.url}/idtoken/plan/job?api-version=2.0"
        yield found


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> GitHub:
    return GitHub(emulator, tmp_path)


LOGIN = ("login", "--manifest", "gcp-wif.toml", "--identity", "reader")


def test_login_asks_exports_and_the_next_steps_are_logged_in(job: GitHub, server: TokenServer) -> None:
    before = sorted(job.folder.iterdir())
    done = job(*LOGIN)
    assert done.returncode == 0, done.stderr
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/idtoken/plan/job")
    assert asked.query == {"api-version": ["2.0"], "audience": [job.audience]}
    token, config = job.temp / "oidc_token", job.temp / "gcp_cred_config.json"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (token, config)] == [0o600, 0o600]
    assert sorted(job.folder.iterdir()) == before  # the workspace ends up in images and artifacts
    assert done.stderr.splitlines().count(f"::add-mask::{token.read_text()}") == 1
    assert (done.stdout + done.stderr).count(token.read_text()) == 1
    assert SECRET not in done.stdout + done.stderr
    job.step()
    assert job.env[NAME] == job.env["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"] == str(config)
    assert job.env["GOOGLE_CLOUD_PROJECT"] == "acme-prod"
    assert job.client() == "serviceAccount:reader@acme-prod.iam.gserviceaccount.com"
    again = job("export")
    assert (again.returncode, job.file.read_bytes()) == (0, b"")  # an earlier step has set it all


def test_logout_removes_the_files_and_ends_what_earlier_steps_have_set(job: GitHub, server: TokenServer) -> None:
    assert job(*LOGIN).returncode == 0
    job.step()
    job.file.write_text("THEIRS=1\n")
    assert job("logout").returncode == 0
    assert list(job.temp.iterdir()) == []
    job.step()
    assert (job.env["THEIRS"], job.env[NAME], job.env["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"]) == ("1", "", "")
    assert "gcp_cred" not in job.env["BOTO_PATH"]
    assert job.env["BOTO_PATH"]
    assert job.env["GOOGLE_CLOUD_PROJECT"] == "acme-prod"  # no credential, and maybe the workflow's own


def test_logout_leaves_what_somebody_else_has_set(job: GitHub, server: TokenServer) -> None:
    assert job(*LOGIN).returncode == 0
    job.step()
    theirs = {NAME: "/theirs.json", "BOTO_PATH": "/theirs.boto"}
    job.env |= theirs
    assert job("logout").returncode == 0
    assert list(runner(job.file.read_bytes())) == ["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"]


def test_logout_in_the_step_of_the_login_leaves_the_runners_file_as_it_was(job: GitHub, server: TokenServer) -> None:
    job.file.write_text("THEIRS<<x\n1\nx\n")
    assert job(*LOGIN).returncode == 0
    assert NAME in job.file.read_text()
    assert job("logout").returncode == 0
    assert job.file.read_text() == "THEIRS<<x\n1\nx\n"


def test_a_refused_login_takes_its_exports_back_and_speaks_of_githubs_claims(job: GitHub, server: TokenServer) -> None:
    job.claims = {"ref": "refs/heads/dev"}
    done = job(*LOGIN)
    assert done.returncode == 1, done.stderr
    assert job.file.read_bytes() == b""
    seen = job("doctor", "--manifest", "gcp-wif.toml", "--identity", "reader", core=False)
    assert seen.returncode == 1
    for text in (done.stderr, seen.stdout + seen.stderr):
        assert "refs/heads/dev" in text
        assert "ircle" not in text


def test_failures_that_pass_are_tried_again_and_others_are_told(job: GitHub, server: TokenServer) -> None:
    server.failures = [503, 429]
    assert job(*LOGIN, "--no-verify").returncode == 0
    assert len(server.asked) == 3
    server.failures = [503] * 20
    done = job(*LOGIN)
    assert (done.returncode, "WIF603" in done.stderr, "HTTP status 503" in done.stderr) == (3, True, True)
    assert len(server.failures) == 16  # once, and three times again
    server.failures = []
    done = job(*LOGIN, ACTIONS_ID_TOKEN_REQUEST_TOKEN="of another job")
    assert (done.returncode, "WIF608" in done.stderr, "Unauthorized" in done.stderr) == (1, True, True)
    assert "id-token: write" in done.stderr


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b"{}", b'{"value": ""}', b'{"value": 1}', b"{" * 100_000], ids=str
)
def test_an_answer_without_a_token_is_told(job: GitHub, server: TokenServer, answer: bytes) -> None:
    server.answer = lambda asked: (200, answer)
    done = job(*LOGIN)
    assert (done.returncode, "WIF603" in done.stderr, "Traceback" in done.stderr) == (3, True, False)
    assert list(job.temp.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?x=.actions.githubusercontent.com",
        "https://actions.githubusercontent.com.evil.example/",
        "https://evilactions.githubusercontent.com/",
        "https://pipelines.actions.githubusercontent.com@evil.example/",
        "https://evil.example\\@pipelines.actions.githubusercontent.com/",
        "http://pipelines.actions.githubusercontent.com/",
        "https://pipelines.actions.githubusercontent.com:0/",
        "ftp://127.0.0.1/",
        "https://dev.azure.com/",
        "nonsense",
    ],
)
def test_the_jobs_secret_goes_to_no_other_server(job: GitHub, server: TokenServer, url: str) -> None:
    done = job(*LOGIN, ACTIONS_ID_TOKEN_REQUEST_URL=url)
    assert (done.returncode, "WIF214" in done.stderr, SECRET in done.stderr) == (2, True, False)
    assert server.asked == []


def test_what_is_not_switched_on_is_told_in_githubs_words(job: GitHub) -> None:
    done = job(*LOGIN, ACTIONS_ID_TOKEN_REQUEST_TOKEN="")
    assert (done.returncode, "WIF201" in done.stderr, "id-token: write" in done.stderr) == (2, True, True)
    for of_fork in ({"GITHUB_HEAD_REF": "feature"}, {"GITHUB_ACTOR": "dependabot[bot]"}):
        told = job(*LOGIN, **of_fork).stderr
        assert 0 < told.index("pull request of a fork") < told.index("id-token: write\n")


def test_beside_another_system_it_must_be_named(job: GitHub, server: TokenServer) -> None:
    both = {"CIRCLECI": "true"}
    done = job(*LOGIN, **both)
    assert (done.returncode, "WIF209" in done.stderr) == (2, True)
    assert "--ci circleci or --ci github" in done.stderr
    assert job(*LOGIN, "--ci", "github", **both).returncode == 0


def test_a_token_of_another_owner_is_refused_before_google_is_asked(job: GitHub, server: TokenServer) -> None:
    job.claims = {"repository_owner_id": "666"}
    done = job(*LOGIN)
    assert (done.returncode, "WIF206" in done.stderr, "owner_id is 666" in done.stderr) == (2, True, True)


def test_a_client_gets_a_fresh_token_from_the_program_of_a_config(job: GitHub, server: TokenServer) -> None:
    done = job("token", "--executable-response", GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=job.audience.removeprefix("https:"))
    assert json.loads(done.stdout)["success"] is True
    assert server.asked[-1].query["audience"] == [job.audience]


def test_a_token_that_was_asked_for_is_masked_before_it_is_printed(job: GitHub, server: TokenServer) -> None:
    done = job("token", "--audience", "me")
    assert done.returncode == 0, done.stderr
    assert f"::add-mask::{done.stdout.strip()}\n" in done.stderr
    assert "::add-mask::" not in job("token", "--audience", "me", "--executable-response").stderr


def test_outside_a_job_nothing_asks_for_a_mask(job: GitHub) -> None:
    token = job.emulator.token(kind="github", aud=job.audience)
    laptop = {"GITHUB_ACTIONS": "", "MY_TOKEN": token}
    done = job(*LOGIN, "--ci", "github", "--token-env", "MY_TOKEN", **laptop)
    assert done.returncode == 0, done.stderr
    assert token not in done.stderr


def test_init_in_a_job_needs_a_project_and_an_account_alone(job: GitHub) -> None:
    known = (
        "--project-id",
        "acme-prod",
        "--project-number",
        "1",
        "--service-account",
        "deploy@acme-prod.iam.gserviceaccount.com",
    )
    done = job("init", "--manifest", "new.toml", *known, core=False, GITHUB_SERVER_URL="https://octocorp.ghe.com")
    assert done.returncode == 0, done.stderr
    text = (job.folder / "new.toml").read_text()
    assert 'kind = "github"' in text
    assert f'owner_id = "{OWNER}"' in text
    assert 'url = "https://octocorp.ghe.com"' in text
    assert f'repository_id = "{REPOSITORY}"' in text


def test_init_on_a_laptop_says_which_command_gives_each_id(cli) -> None:
    done = cli("init", "--ci", "github", "--project-number", "1")
    assert done.returncode == 2
    assert "--owner-id (GitHub: gh api users/OWNER --jq .id)" in done.stderr
    assert "--github-repository-id (gh api repos/OWNER/REPOSITORY --jq .id)" in done.stderr


def test_what_render_makes_gets_through(job: GitHub, server: TokenServer) -> None:
    made = job("render", "github", "--identity", "deploy", "--install", "true")
    assert made.returncode == 0, made.stderr
    (workflow,) = yaml.safe_load(made.stdout)["jobs"].values()
    assert workflow["environment"] == "production"
    job.claims = {"environment": workflow["environment"]}
    job.env |= workflow["env"]
    scripts = [each["run"] for each in workflow["steps"] if "run" in each]
    assert len(scripts) == 4
    for script in scripts:
        done = job.shell(script.replace("command -v gcloud", "false"))
        assert done.returncode == 0, done.stderr
        job.step()
    assert list(job.temp.iterdir()) == []
    assert "generateAccessToken" in str([each["path"] for each in job.emulator.requests()])


def test_what_render_makes_asks_for_the_audience_that_the_manifest_names(job: GitHub, server: TokenServer) -> None:
    text = kinds.kind("github").table.manifest.replace("[pool]", 'audience = ["one", "two"]\n[pool]')
    (job.folder / "gcp-wif.toml").write_text(text)
    made = job("render", "github", "--identity", "shared", "--install", "true")
    (workflow,) = yaml.safe_load(made.stdout)["jobs"].values()
    login = workflow["steps"][3]["run"]
    assert login == "gcp-wif login --direct --audience one --project-id acme-staging"
    assert job.shell(f"{login} --no-verify", **workflow["env"]).returncode == 0
    assert server.asked[-1].query["audience"] == ["one"]


def test_the_workflow_runs_for_what_the_rules_name() -> None:
    text = kinds.kind("github").table.manifest
    whole = yaml.safe_load(render_ci_config("github", Manifest.parse(text, origin="m"), "m"))
    assert whole["on"] == {"push": None, "pull_request": None}  # the shared workflow's rule names no ref
    only = yaml.safe_load(render_ci_config("github", Manifest.parse(text, origin="m"), "m", "reader"))
    assert only["on"] == {"push": {"branches": ["main"], "tags": ["v1.0"]}}
    (reader,) = only["jobs"].values()
    here = f"github.repository_id == '{REPOSITORY}'"
    assert reader["if"] == f"github.ref == 'refs/heads/main' && {here} || github.ref == 'refs/tags/v1.0' && {here}"
    plan = yaml.safe_load(render_ci_config("github", Manifest.parse(text, origin="m"), "m", "plan"))
    assert plan["on"] == {"pull_request": None}
    odd = text.replace('"main"', '"a\'b+${{x}}"')
    named = yaml.safe_load(render_ci_config("github", Manifest.parse(odd, origin="m"), "m", "reader"))
    assert named["on"]["push"]["branches"] == ["a'b\\+${{ '${{' }}x}}"]
    assert "${{" not in named["jobs"]["google-cloud-reader"]["if"]


ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def action_env(**inputs: str) -> dict[str, str]:
    """What the runner gives the action's second step."""
    values = {name: each["default"] for name, each in ACTION["inputs"].items()} | inputs
    return {
        name: values[re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", text)[1]]
        for name, text in ACTION["runs"]["steps"][1]["env"].items()
    }


@pytest.fixture
def installed(job: GitHub) -> GitHub:
    """A job after the action's first step, which has put this very program there."""
    program = job.temp / "gcp-wif" / "bin" / "gcp-wif"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).with_name("gcp-wif"))
    return job


@pytest.mark.parametrize(
    ("inputs", "who"),
    [
        ({"manifest": "gcp-wif.toml", "identity": "reader"}, "serviceAccount:reader@acme-prod.iam.gserviceaccount.com"),
        (
            {"provider": PROVIDER, "service_account": "reader@acme-prod.iam.gserviceaccount.com"},
            "serviceAccount:reader@acme-prod.iam.gserviceaccount.com",
        ),
        ({"provider": PROVIDER, "project_id": "acme-staging"}, "principal"),
    ],
    ids=["manifest", "account", "direct"],
)
def test_the_action_logs_in(installed: GitHub, server: TokenServer, inputs: dict[str, str], who: str) -> None:
    done = installed.shell(ACTION["runs"]["steps"][1]["run"], **action_env(**inputs))
    assert done.returncode == 0, done.stderr
    installed.step()
    assert installed.client().startswith(who)
    assert done.stderr.count("access token  ") == 1  # it was proved
    again = installed.shell(ACTION["runs"]["steps"][1]["run"], **action_env(**inputs, verify="false"))
    assert (again.returncode, "access token  " in again.stderr) == (0, False)
    text = (ROOT / "action.yml").read_text()
    logout = re.search(r'^#   (".*" logout)$', text, re.MULTILINE)
    assert logout is not None
    assert installed.shell(logout[1]).returncode == 0
    assert [each.name for each in installed.temp.iterdir()] == ["gcp-wif"]


def test_what_an_input_holds_is_no_shell(installed: GitHub, server: TokenServer) -> None:
    odd = "$(touch pwned) `touch pwned`; touch pwned --help"
    done = installed.shell(ACTION["runs"]["steps"][1]["run"], **action_env(provider=odd, service_account=odd))
    assert done.returncode == 2
    assert "WIF" in done.stderr
    assert not (installed.folder / "pwned").exists()


@pytest.mark.slow
def test_the_action_installs_its_own_checkout(job: GitHub) -> None:
    job.env["GITHUB_ACTION_PATH"] = str(ROOT)
    done = job.shell(ACTION["runs"]["steps"][0]["run"])
    assert done.returncode == 0, done.stderr
    shown = job.shell('"$RUNNER_TEMP/gcp-wif/bin/gcp-wif" --version')
    assert VERSION in shown.stdout + shown.stderr


def test_a_long_job_is_served_by_an_agent_that_asks_again(job: GitHub, server: TokenServer) -> None:
    done = job(*LOGIN, "--keep-fresh")
    assert done.returncode == 0, done.stderr
    try:
        asked = len(server.asked)
        job.step()
        assert "127.0.0.1" in Path(job.env[NAME]).read_text()
        assert job.client() == "serviceAccount:reader@acme-prod.iam.gserviceaccount.com"
        assert asked >= 1
        assert {each.query["audience"][0] for each in server.asked} == {job.audience}
    finally:
        ended = job("logout")
    assert ended.returncode == 0, ended.stderr
    job.step()
    assert job.env[NAME] == ""


def test_the_job_in_readme_uses_the_action_as_it_is(installed: GitHub, server: TokenServer) -> None:
    (block,) = re.findall(r"```yaml\n(jobs:\n[^`]*id-token: write[^`]*)```", (ROOT / "README.md").read_text())
    (workflow,) = yaml.safe_load(block)["jobs"].values()
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    (step,) = workflow["steps"]
    installed.claims = {"environment": "production"}
    done = installed.shell(ACTION["runs"]["steps"][1]["run"], **action_env(**step["with"]))
    assert done.returncode == 0, done.stderr
    assert step["with"]["service_account"] in done.stderr
