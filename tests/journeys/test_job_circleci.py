"""A job of CircleCI that has no token in a variable, end to end on loopback, with the core install alone.

It has none where the steps run in a shell that lost its environment, and later in the job, when the first one is over.
"""

from pathlib import Path

import pytest
from ci_job import Job
from circleci_program import Program, install
from provisioned import MANIFEST

from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION

LOGIN = ("login", "--manifest", "gcp-wif.toml", "--identity", "deploy")
ACCOUNT = "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"
NAME = "GOOGLE_APPLICATION_CREDENTIALS"


class CircleCi(Job):
    """A job whose executor has CircleCI's program, with the variables that CircleCI's page lists but for the token."""

    def __init__(self, emulator: Emulator, folder: Path, manifest: str = MANIFEST) -> None:
        super().__init__(emulator, folder, manifest)
        self.program: Program = install(folder / "bin", emulator.http, {})
        self.config = folder / "home" / "gcp_cred_config.json"
        (folder / "bash_env").touch()
        self.env |= {
            "PATH": f"{folder / 'bin'}:{self.env['PATH']}", "BASH_ENV": str(folder / "bash_env"), "CIRCLECI": "true",
            "CIRCLE_ORGANIZATION_ID": ORGANIZATION,
        }  # fmt: skip


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> CircleCi:
    return CircleCi(emulator, tmp_path)


def test_login_asks_for_a_token_and_the_next_step_is_logged_in(job: CircleCi) -> None:
    done = job(*LOGIN)
    assert done.returncode == 0, done.stderr
    assert job.program.asked == [["run", "oidc", "get", "--claims", f'{{"aud": "{ORGANIZATION}"}}']]
    token = (job.config.parent / "oidc_token").read_text()
    assert token not in done.stdout + done.stderr
    assert job.client(**{NAME: str(job.config), "GOOGLE_CLOUD_PROJECT": "acme-prod"}) == ACCOUNT


def test_it_asks_for_what_the_provider_admits(emulator: Emulator, tmp_path: Path) -> None:
    """The manifest's audience, else the organisation's ID, where the environment lost that too."""
    own = MANIFEST.replace("organization_id =", 'audience = "own"\norganization_id =', 1)
    job = CircleCi(emulator, tmp_path, own)
    assert job(*LOGIN).returncode == 0
    del job.env["CIRCLE_ORGANIZATION_ID"]
    (job.folder / "gcp-wif.toml").write_text(MANIFEST)
    emulator.provision_as(job.manifest)  # which admits "own" alone
    refused = job(*LOGIN)
    assert (refused.returncode, "aud" in refused.stderr) == (1, True)
    assert job(*LOGIN, "--audience", "own").returncode == 0
    assert job.program.audiences == ["own", ORGANIZATION, "own"]


def test_without_a_manifest_it_asks_for_the_jobs_organisation(job: CircleCi) -> None:
    """As CircleCI's own tokens say by default, and as a provider made after CircleCI's page admits."""
    target = {"PROJECT_NUMBER": "123456789012", "POOL_ID": "circleci", "PROVIDER_ID": "circleci-acme"}
    done = job("login", SERVICE_ACCOUNT_EMAIL=ACCOUNT.removeprefix("serviceAccount:"), **target)
    assert done.returncode == 0, done.stderr
    assert job.program.audiences == [ORGANIZATION]


def test_a_job_that_gets_no_token_is_told_why(job: CircleCi) -> None:
    job.program.says(None)
    done = job(*LOGIN)
    assert (done.returncode, "error WIF603: `circleci run oidc get` failed with exit code 1" in done.stderr) == (
        3,
        True,
    )
    assert "forked pull request" in done.stderr
    assert not job.config.exists()


def test_where_the_program_is_missing_too_both_are_named(job: CircleCi) -> None:
    (job.program.folder / "circleci").unlink()
    done = job(*LOGIN)
    assert (done.returncode, "error WIF201" in done.stderr) == (2, True)
    assert "CIRCLE_OIDC_TOKEN is not set" in done.stderr
    assert "no program `circleci` on the PATH" in done.stderr
    asked = job(*LOGIN, "--audience", "own")
    assert (asked.returncode, "error WIF208" in asked.stderr) == (2, True)
    assert not job.config.exists()


def test_the_variable_counts_where_it_is_there(job: CircleCi) -> None:
    assert job(*LOGIN, CIRCLE_OIDC_TOKEN=job.emulator.token()).returncode == 0
    assert job.program.asked == []
