"""A job of Buildkite, end to end on loopback, with the core install alone."""

import json
import re
import stat
from pathlib import Path

import kinds
import pytest
import yaml
from buildkite_agent import Agent, install
from ci_job import Job
from kinds.buildkite import CLUSTER, ORGANIZATION, PIPELINE, QUEUE

from gcp_wif.emulator import Emulator
from gcp_wif.install import install_command

README = Path(__file__).parents[2] / "README.md"
NAME = "GOOGLE_APPLICATION_CREDENTIALS"
JOB_ID = "0184990a-477b-4fa8-9968-496074483cee"
CLAIMS = {
    "organization_id": ORGANIZATION, "pipeline_id": PIPELINE, "cluster_id": CLUSTER, "queue_id": QUEUE,
    "step_key": "deploy",
}  # fmt: skip


class Buildkite(Job):
    """A job of the pipeline, with the variables that Buildkite's page lists."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        super().__init__(emulator, folder, kinds.kind("buildkite").table.manifest)
        self.agent: Agent = install(folder / "bin", emulator.http, CLAIMS)
        self.temp = folder / "tmp"
        self.temp.mkdir()
        self.private = self.temp / f"gcp-wif-{JOB_ID}"
        self.env |= {
            "PATH": f"{folder / 'bin'}:{self.env['PATH']}", "TMPDIR": str(self.temp), "BUILDKITE": "true",
            "BUILDKITE_JOB_ID": JOB_ID, "BUILDKITE_ORGANIZATION_ID": ORGANIZATION,
            "BUILDKITE_ORGANIZATION_SLUG": "acme-inc", "BUILDKITE_PIPELINE_ID": PIPELINE,
            "BUILDKITE_AGENT_ACCESS_TOKEN": "agent-session-0123456789",
        }  # fmt: skip


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> Buildkite:
    return Buildkite(emulator, tmp_path)


WITHOUT_GCLOUD = "command() { return 1; }\n"
LOGIN = ("login", "--manifest", "gcp-wif.toml", "--identity", "deploy")


def test_login_asks_for_the_claims_that_the_manifest_needs_and_no_other(job: Buildkite) -> None:
    done = job(*LOGIN)
    assert done.returncode == 0, done.stderr
    asked = job.agent.asked[0]
    assert asked[:4] == ["oidc", "request-token", "--audience", job.audience]
    assert sorted(zip(asked[4::2], asked[5::2], strict=True)) == [
        ("--claim", "organization_id"),
        ("--claim", "pipeline_id"),
    ]
    assert job(*LOGIN[:-1], "runners").returncode == 0
    assert {"cluster_id", "queue_id"} < set(job.agent.asked[2])


def test_files_are_the_jobs_own_and_the_token_is_redacted(job: Buildkite) -> None:
    done = job(*LOGIN)
    files = [job.private / "oidc_token", job.private / "gcp_cred_config.json"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (job.private, *files)] == [0o700, 0o600, 0o600]
    token = files[0].read_text()
    assert job.agent.redacted == [token]
    assert ["redactor", "add"] in job.agent.asked  # by standard input: the process list is everybody's
    assert token not in done.stdout + done.stderr
    assert sorted(each.name for each in job.folder.iterdir()) == ["gcp-wif.toml"]  # artifacts come from here


def test_the_step_evaluates_the_exports_and_is_logged_in(job: Buildkite) -> None:
    script = f"""
        exports="$(gcp-wif {" ".join(LOGIN)})"
        eval "${{exports}}"
        printf '%s\\n' "${{{NAME}}}" "${{GOOGLE_CLOUD_PROJECT}}"
    """
    done = job.shell(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(job.private / "gcp_cred_config.json"), "acme-prod"]
    env = {NAME: str(job.private / "gcp_cred_config.json"), "GOOGLE_CLOUD_PROJECT": "acme-prod"}
    assert job.client(**env) == "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"


def test_a_hook_exports_for_the_later_phases_and_the_last_one_logs_out(job: Buildkite, tmp_path: Path) -> None:
    """As the agent's script wrapper does: a hook is sourced, and what it has exported is there for the next one."""
    (tmp_path / "environment").write_text(
        f'set -eu\ngcp_wif_exports="$(gcp-wif {" ".join(LOGIN)})"\neval "${{gcp_wif_exports}}"\n'
    )
    wrapper = f". {tmp_path}/environment && env -0"
    done = job.shell(wrapper)
    assert done.returncode == 0, done.stderr
    job.env |= dict(each.split("=", 1) for each in done.stdout.split("\0") if "gcp" in each or "acme-prod" in each)
    assert job.client() == "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"
    out = job.shell(f'eval "$(gcp-wif logout)"; echo "${{{NAME}:-gone}}"')
    assert (out.returncode, out.stdout) == (0, "gone\n"), out.stderr
    assert list(job.temp.iterdir()) == []


def test_a_refused_login_fails_the_step_and_speaks_of_buildkites_claims(job: Buildkite) -> None:
    job.agent.says(CLAIMS | {"build_branch": "dev"})
    script = f'exports="$(gcp-wif {" ".join(LOGIN)})"\neval "${{exports}}"\necho reached'
    done = job.shell(script)
    assert (done.returncode, done.stdout) == (1, "")
    assert "build_branch is dev" in done.stderr
    seen = job("doctor", "--manifest", "gcp-wif.toml", "--identity", "deploy", core=False)
    assert seen.returncode == 1
    told = seen.stdout + seen.stderr
    assert f'add to allow of [identities.deploy]: {{ pipeline_id = "{PIPELINE}", branch = "dev" }}' in told
    assert "ircle" not in done.stderr + told


def test_without_a_manifest_the_environment_says_which_claims(job: Buildkite) -> None:
    target = {
        "PROJECT_NUMBER": "123456789012", "POOL_ID": "buildkite", "PROVIDER_ID": "buildkite",
        "SERVICE_ACCOUNT_EMAIL": "deploy@acme-prod.iam.gserviceaccount.com",
    }  # fmt: skip
    assert job("login", **target).returncode == 0
    assert job.agent.asked[0][4:] == ["--claim", "organization_id", "--claim", "pipeline_id"]
    claims = {"BUILDKITE_OIDC_TOKEN_CLAIMS": "organization_id,pipeline_id,cluster_id"}
    assert job("login", **target, **claims).returncode == 0
    assert job.agent.asked[2][-1] == "cluster_id"


def test_a_program_that_fails_is_told(job: Buildkite) -> None:
    done = job(*LOGIN, BUILDKITE_AGENT_ACCESS_TOKEN="")
    assert (done.returncode, "WIF603" in done.stderr) == (3, True)
    assert "`buildkite-agent oidc request-token` failed" in done.stderr
    job.agent.says({name: value for name, value in CLAIMS.items() if name != "cluster_id"})
    outside = job(*LOGIN[:-1], "runners")
    assert (outside.returncode, "in a cluster alone" in outside.stderr) == (3, True)


def test_what_is_not_there_is_told_in_buildkites_words(job: Buildkite) -> None:
    (job.agent.folder / "buildkite-agent").unlink()
    done = job(*LOGIN)
    assert (done.returncode, "WIF201" in done.stderr, "mount-buildkite-agent" in done.stderr) == (2, True, True)


def test_beside_another_system_it_must_be_named(job: Buildkite) -> None:
    both = {"CIRCLECI": "true"}
    done = job(*LOGIN, **both)
    assert (done.returncode, "WIF209" in done.stderr) == (2, True)
    assert job(*LOGIN, "--ci", "buildkite", **both).returncode == 0


def test_a_token_of_another_organisation_is_refused_before_google_is_asked(job: Buildkite) -> None:
    job.agent.says(CLAIMS | {"organization_id": PIPELINE})
    done = job(*LOGIN)
    assert (done.returncode, "WIF206" in done.stderr, f"organization_id is {PIPELINE}" in done.stderr) == (
        2,
        True,
        True,
    )


def test_a_redactor_that_takes_nothing_is_a_warning(job: Buildkite) -> None:
    program = job.agent.folder / "buildkite-agent"
    program.write_text(program.read_text().replace('nouns.add_parser("redactor")', 'nouns.add_parser("other")'))
    done = job(*LOGIN)
    assert done.returncode == 0
    assert "`buildkite-agent redactor add` did not take the token" in done.stderr


def test_init_in_a_job_needs_a_project_and_an_account_alone(job: Buildkite) -> None:
    known = ("--project-id", "acme-prod", "--project-number", "1", "--direct")
    done = job("init", "--manifest", "new.toml", *known, core=False)
    assert done.returncode == 0, done.stderr
    text = (job.folder / "new.toml").read_text()
    for line in ('kind = "buildkite"', f'organization_id = "{ORGANIZATION}"', f'pipeline_id = "{PIPELINE}"'):
        assert line in text


def test_init_on_a_laptop_says_where_each_id_is(cli) -> None:
    done = cli("init", "--ci", "buildkite", "--project-number", "1")
    assert done.returncode == 2
    assert "--organization-id (Buildkite: Settings > Organization Settings" in done.stderr
    assert "--buildkite-pipeline (Pipeline Settings > General, Pipeline ID" in done.stderr
    slug = ("--organization-slug", "acme-inc", "--buildkite-pipeline", PIPELINE, "--project-id", "acme-prod")
    made = cli(
        "init", "--ci", "buildkite", "--project-number", "1", "--direct", *slug, "--manifest", f"{cli.home}/x.toml"
    )
    assert made.returncode == 0, made.stderr


def test_the_step_in_readme_logs_in(job: Buildkite) -> None:
    (block,) = re.findall(r"```yaml\n(steps: +# Buildkite\n[^`]*)```", README.read_text())
    (step,) = yaml.safe_load(block.replace("$$", "$"))["steps"]
    assert (step["key"], step["commands"][0]) == ("deploy", install_command())
    done = job.shell("\n".join([*step["commands"][1:], f"printenv {NAME}"]))
    assert (done.returncode, done.stdout) == (0, f"{job.private}/gcp_cred_config.json\n"), done.stderr


def test_an_agent_keeps_a_long_job_logged_in(job: Buildkite) -> None:
    done = job(*LOGIN, "--keep-fresh")
    assert done.returncode == 0, done.stderr
    try:
        env = {NAME: str(job.private / "gcp_cred_config.json"), "GOOGLE_CLOUD_PROJECT": "acme-prod"}
        assert "127.0.0.1" in Path(env[NAME]).read_text()
        assert job.client(**env) == "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"
        assert {tuple(each[4:]) for each in job.agent.asked if each[0] == "oidc"} == {
            ("--claim", "pipeline_id", "--claim", "organization_id")
        }
    finally:
        ended = job("logout")
    assert ended.returncode == 0, ended.stderr


def test_the_rendered_pipeline_runs(job: Buildkite) -> None:
    """Each step's commands in one shell, as the agent runs them once the pipeline was uploaded."""
    done = job("render", "buildkite", "--manifest", "gcp-wif.toml", "--install", "true", core=False)
    assert done.returncode == 0, done.stderr
    steps = {each["key"]: each for each in yaml.safe_load(done.stdout.replace("$$", "$"))["steps"]}
    assert set(steps) == {"deploy", "release", "runners", "slug"}
    assert steps["deploy"]["if"] == '(build.branch == "main" && build.tag == null)'
    assert steps["release"]["if"] == 'build.tag == "v1.0.0"'
    assert "if" not in steps["runners"]
    said = {"release": {"build_tag": "v1.0.0"}}
    for name, step in steps.items():
        job.agent.says(CLAIMS | said.get(name, {}))
        ran = job.shell(WITHOUT_GCLOUD + "\n".join(step["commands"]), **step["env"])
        assert ran.returncode == 0, ran.stderr
        assert list(job.temp.iterdir()) == []  # logged out, however it ends
    asked = [json.dumps(each) for each in job.agent.asked if each[0] == "oidc"]
    assert sum("cluster_id" in each for each in asked) == 1
    job.agent.says(CLAIMS | {"build_branch": "dev"})
    refused = job.shell("\n".join(steps["deploy"]["commands"]), **steps["deploy"]["env"])
    assert refused.returncode == 1
