"""A step of Bitbucket, end to end on loopback, with the core install alone."""

import re
import stat
from pathlib import Path

import kinds
import pytest
import yaml
from ci_job import Job
from kinds.bitbucket import AUDIENCE, OTHER, PRODUCTION, REPOSITORY, URL, WORKSPACE

from gcp_wif.emulator import Emulator
from gcp_wif.install import install_command

README = Path(__file__).parents[2] / "README.md"
NAME = "GOOGLE_APPLICATION_CREDENTIALS"
STEP = "{0a1b2c3d-0000-4000-8000-000000000002}"


class Bitbucket(Job):
    """A step of the repository, with the variables that Atlassian's page lists, and `oidc: true`."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        super().__init__(emulator, folder, kinds.kind("bitbucket").table.manifest)
        self.temp = folder / "tmp"
        self.temp.mkdir()
        self.private = self.temp / f"gcp-wif-{STEP.strip('{}')}"
        self.env |= {
            "TMPDIR": str(self.temp), "BITBUCKET_BUILD_NUMBER": "7", "BITBUCKET_STEP_UUID": STEP,
            "BITBUCKET_WORKSPACE": "acme", "BITBUCKET_REPO_UUID": REPOSITORY,
            "BITBUCKET_STEP_OIDC_TOKEN": self.token(),
        }  # fmt: skip

    def token(self, **claims: object) -> str:
        """What Bitbucket puts into the variable."""
        return self.emulator.token(
            kind="bitbucket", **{"workspaceUuid": WORKSPACE, "repositoryUuid": REPOSITORY} | claims
        )


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> Bitbucket:
    return Bitbucket(emulator, tmp_path)


LOGIN = ("login", "--manifest", "gcp-wif.toml", "--identity", "deploy")


def test_the_script_evaluates_the_exports_and_is_logged_in(job: Bitbucket) -> None:
    script = f"""
        exports="$(gcp-wif {" ".join(LOGIN)})"
        eval "${{exports}}"
        printf '%s\\n' "${{{NAME}}}"
    """
    done = job.shell(script)
    config = job.private / "gcp_cred_config.json"
    assert (done.returncode, done.stdout) == (0, f"{config}\n"), done.stderr
    files = [job.private, config, job.private / "oidc_token"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in files] == [0o700, 0o600, 0o600]
    assert (job.private / "oidc_token").read_text() == job.env["BITBUCKET_STEP_OIDC_TOKEN"]
    assert job.env["BITBUCKET_STEP_OIDC_TOKEN"] not in done.stdout + done.stderr
    assert sorted(each.name for each in job.folder.iterdir()) == ["gcp-wif.toml"]  # artifacts come from here
    env = {NAME: str(config), "GOOGLE_CLOUD_PROJECT": "acme-prod"}
    assert job.client(**env) == "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"
    out = job.shell(f'eval "$(gcp-wif logout)"; echo "${{{NAME}:-gone}}"', **env)
    assert (out.returncode, out.stdout) == (0, "gone\n")
    assert list(job.temp.iterdir()) == []


def test_a_deployment_becomes_what_its_environment_may(job: Bitbucket) -> None:
    deployed = {"BITBUCKET_STEP_OIDC_TOKEN": job.token(deploymentEnvironmentUuid=PRODUCTION)}
    assert job(*LOGIN[:-1], "production", **deployed).returncode == 0
    assert job(*LOGIN[:-1], "production").returncode == 1


def test_several_audiences_are_taken_where_the_provider_allows_one(job: Bitbucket) -> None:
    token = job.token(aud=["sts.amazonaws.com", AUDIENCE])
    assert job(*LOGIN, BITBUCKET_STEP_OIDC_TOKEN=token).returncode == 0
    refused = job(*LOGIN, BITBUCKET_STEP_OIDC_TOKEN=job.token(aud=["sts.amazonaws.com"]))
    assert (refused.returncode, "WIF504" in refused.stderr or "audience" in refused.stderr) == (1, True)


def test_a_refused_login_speaks_of_bitbuckets_claims(job: Bitbucket) -> None:
    env = {"BITBUCKET_STEP_OIDC_TOKEN": job.token(branchName="dev")}
    done = job(*LOGIN, **env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "branchName is dev" in done.stderr
    seen = job("doctor", "--manifest", "gcp-wif.toml", "--identity", "deploy", core=False, **env)
    assert seen.returncode == 1
    told = seen.stdout + seen.stderr
    assert f'{{ repository_uuid = "{REPOSITORY}", branch = "dev" }}' in told
    assert "ircle" not in done.stderr + told


def test_what_is_not_switched_on_is_told_in_bitbuckets_words(job: Bitbucket) -> None:
    del job.env["BITBUCKET_STEP_OIDC_TOKEN"]
    done = job(*LOGIN)
    assert (done.returncode, "WIF201" in done.stderr, "`oidc: true`" in done.stderr) == (2, True, True)
    assert "fork's own workspace" in done.stderr
    asked = job(*LOGIN, "--audience", "gcp")
    assert (asked.returncode, "WIF211" in asked.stderr, "`audiences:`" in asked.stderr) == (2, True, True)


def test_another_workspace_is_refused_before_google_is_asked(job: Bitbucket) -> None:
    theirs = {"iss": URL.replace("/acme/", "/evil/"), "workspaceUuid": OTHER}
    done = job(*LOGIN, BITBUCKET_STEP_OIDC_TOKEN=job.token(**theirs))
    assert (done.returncode, "WIF206" in done.stderr) == (2, True)
    taken = job(*LOGIN, BITBUCKET_STEP_OIDC_TOKEN=job.token(workspaceUuid=OTHER))
    assert (taken.returncode, f"workspace_uuid is {OTHER}" in taken.stderr) == (2, True)


def test_beside_another_system_it_must_be_named(job: Bitbucket) -> None:
    both = {"CIRCLECI": "true"}
    assert job(*LOGIN, **both).returncode == 2
    assert job(*LOGIN, "--ci", "bitbucket", **both).returncode == 0


def test_init_in_a_step_needs_a_project_and_an_account_alone(job: Bitbucket) -> None:
    known = ("--project-id", "acme-prod", "--project-number", "1", "--direct")
    done = job("init", "--manifest", "new.toml", *known, core=False)
    assert done.returncode == 0, done.stderr
    text = (job.folder / "new.toml").read_text()
    for line in (
        'kind = "bitbucket"',
        'workspace = "acme"',
        'workspace_uuid = "{',
        f'repository_uuid = "{REPOSITORY}"',
    ):
        assert line in text


def test_init_on_a_laptop_says_where_each_id_is(cli) -> None:
    done = cli("init", "--ci", "bitbucket", "--project-number", "1")
    assert done.returncode == 2
    assert "--workspace (Bitbucket: the first name in the URL" in done.stderr
    assert "--workspace-uuid (Bitbucket: Repository settings > OpenID Connect" in done.stderr
    assert "--bitbucket-repository (Repository settings > OpenID Connect" in done.stderr


def test_no_agent_can_keep_a_token_fresh_that_is_issued_once(job: Bitbucket) -> None:
    done = job(*LOGIN, "--keep-fresh")
    assert (done.returncode, "no second one" in done.stderr) == (2, True)
    assert not job.private.exists()


def test_the_step_in_readme_logs_in(job: Bitbucket) -> None:
    (block,) = re.findall(r"```yaml\n(pipelines: +# Bitbucket\n[^`]*)```", README.read_text())
    (entry,) = yaml.safe_load(block)["pipelines"]["branches"]["main"]
    assert (entry["step"]["oidc"], entry["step"]["script"][0]) == (True, install_command())
    done = job.shell("\n".join([*entry["step"]["script"][1:], f"printenv {NAME}"]))
    assert (done.returncode, done.stdout) == (0, f"{job.private}/gcp_cred_config.json\n"), done.stderr
