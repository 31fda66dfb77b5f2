"""What the examples hold that no command makes, run as its CI system runs it: configs, and hooks of an agent."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure_agent import agent
from buildkite_agent import install
from ci_job import Job
from kinds.azure_devops import PROJECT
from token_server import serving

from gcp_wif.emulator import Emulator
from gcp_wif.install import install_command

EXAMPLES = Path(__file__).parents[2] / "examples"
NAME = "GOOGLE_APPLICATION_CREDENTIALS"
DEPLOY = "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"


@pytest.fixture
def job_of(emulator: Emulator, tmp_path: Path) -> Callable[[str], Job]:
    def make(name: str) -> Job:
        job = Job(emulator, tmp_path, (EXAMPLES / name / "gcp-wif.toml").read_text())
        (tmp_path / "tmp").mkdir()
        job.env |= {"TMPDIR": str(tmp_path / "tmp")}
        return job

    return make


def left_behind(job: Job) -> list[Path]:
    return [each for each in Path(job.env["TMPDIR"]).rglob("*") if each.is_file()]


def config(name: str, file: str) -> Any:
    text = (EXAMPLES / name / file).read_text()
    assert text.count(install_command()) >= 1
    return yaml.safe_load(text.replace(install_command(), "echo installed"))


def test_bitbuckets_steps_log_in_as_their_deployment_says(job_of: Callable[[str], Job]) -> None:
    job = job_of("bitbucket")
    steps = [each["step"] for each in config("bitbucket", "bitbucket-pipelines.yml")["pipelines"]["branches"]["main"]]
    assert all(each["oidc"] is True for each in steps)
    claims = {"Test": {}, "Deploy": {"deploymentEnvironmentUuid": "{c0c1c2c3-1111-4222-8333-444455556666}"}}
    job.env |= {"BITBUCKET_BUILD_NUMBER": "7", "BITBUCKET_STEP_UUID": "{0a1b2c3d-0000-4000-8000-000000000002}"}
    for step in steps:
        token = job.emulator.token(kind="bitbucket", **claims[step["name"]])
        env = {"BITBUCKET_STEP_OIDC_TOKEN": token}
        show = f'\nprintf "%s\\n" "${{{NAME}}}"'
        done = job.shell("\n".join(step["script"]) + show, **env)
        assert done.returncode == 0, done.stderr
        assert job.client(**{NAME: done.stdout.splitlines()[-1], "GOOGLE_CLOUD_PROJECT": "acme-prod"}) == (
            DEPLOY if step["name"] == "Deploy" else DEPLOY.replace("deploy", "reader")
        )
        assert job.shell("\n".join(step["after-script"]), **env).returncode == 0
        assert left_behind(job) == []
    refused = job.shell("\n".join(steps[1]["script"]), BITBUCKET_STEP_OIDC_TOKEN=job.emulator.token(kind="bitbucket"))
    assert refused.returncode == 1


def test_azures_steps_hand_the_variables_on(job_of: Callable[[str], Job]) -> None:
    job = job_of("azure-devops")
    job.env |= {"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": job.env["TMPDIR"]}
    steps = [each for each in config("azure-devops", "azure-pipelines.yml")["jobs"][0]["steps"] if "bash" in each]
    claims: dict[str, Any] = {"prj_id": PROJECT}
    asked = []

    def answer(request: Any) -> tuple[int, object]:
        asked.append(request.headers["Authorization"])
        return 200, {"oidcToken": job.emulator.token(kind="azure-devops", **claims)}

    with serving(answer) as server:
        job.env["SYSTEM_OIDCREQUESTURI"] = f"{server.url}/oidctoken"
        for step in steps:
            mapped = {
                name: value.replace("$(System.AccessToken)", "secret-of-the-job")
                for name, value in step.get("env", {}).items()
            }
            done = job.shell(step["bash"], **mapped)
            assert done.returncode == 0, done.stderr
            job.env |= agent(done.stdout, done.stderr).variables
            if "login" in step["bash"]:
                assert job.client() == DEPLOY
        assert asked == ["Bearer secret-of-the-job"]
        assert (job.env[NAME], left_behind(job)) == ("", [])
        claims["rpo_ref"] = "refs/pull/7/merge"
        refused = job.shell(steps[1]["bash"], SYSTEM_ACCESSTOKEN="secret-of-the-job")
        assert (refused.returncode, refused.stdout) == (1, "")


def test_buildkites_hooks_log_in_for_the_later_phases_and_log_out(
    job_of: Callable[[str], Job], emulator: Emulator, tmp_path: Path
) -> None:
    """The agent's script wrapper sources a hook, and hands what it has exported to the later phases."""
    job = job_of("buildkite")
    step = yaml.safe_load((EXAMPLES / "buildkite" / ".buildkite" / "pipeline.yml").read_text())["steps"][0]
    fake = install(tmp_path / "bin", emulator.http, {"step_key": "deploy"})
    fake.says(emulator_claims())
    job.env |= {
        "PATH": f"{tmp_path / 'bin'}:{job.env['PATH']}", "BUILDKITE": "true", "BUILDKITE_JOB_ID": "0184990a-1",
        "BUILDKITE_AGENT_ACCESS_TOKEN": "x" * 20, **step["env"],
    }  # fmt: skip
    hooks = EXAMPLES / "buildkite" / "hooks"
    done = job.shell(f". {shlex.quote(str(hooks / 'environment'))} && env -0")
    assert done.returncode == 0, done.stderr
    job.env[NAME] = next(each for each in done.stdout.split("\0") if each.startswith(NAME)).partition("=")[2]
    assert job.client(GOOGLE_CLOUD_PROJECT="acme-prod") == DEPLOY
    assert job.shell(f". {shlex.quote(str(hooks / 'pre-exit'))}").returncode == 0
    assert left_behind(job) == []
    fake.says(emulator_claims() | {"build_branch": "dev"})
    assert job.shell(f". {shlex.quote(str(hooks / 'environment'))}").returncode == 1
    other = dict.fromkeys(step["env"], "")
    assert job.shell(f". {shlex.quote(str(hooks / 'environment'))}; echo on", **other).stdout == "on\n"


def emulator_claims() -> dict[str, Any]:
    """Those of the example's step."""
    return {
        "organization_id": "f892efa9-103e-4d28-97a1-3b8616a0994d",
        "pipeline_id": "0184990a-4782-42b5-afc1-16715b10b1f0",
        "step_key": "deploy",
    }
