"""A job of Azure DevOps, end to end on loopback, with the core install alone.

The server of tokens is made from Microsoft's REST reference "Oidctoken - Create" and azure-identity's
``azure_pipelines.py``: POST with api-version, a bearer token of the job, and ``{"oidcToken": TOKEN}``.
"""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kinds
import pytest
import yaml
from azure_agent import Heard, agent
from ci_job import Job
from kinds.azure_devops import ORGANIZATION, OTHER, PROJECT
from kinds.azure_devops_entra import CONNECTION, TENANT
from token_server import Asked, TokenServer, serving

from gcp_wif.ci.vso_format import VSO
from gcp_wif.emulator import Emulator
from gcp_wif.install import install_command
from gcp_wif.job.export import exports
from gcp_wif.manifest import Manifest

README = Path(__file__).parents[2] / "README.md"
NAME = "GOOGLE_APPLICATION_CREDENTIALS"
SECRET = "access-token-of-the-job-0123456789"
PATH = "/acme/app/_apis/distributedtask/hubs/build/plans/1/jobs/2/oidctoken"


class Azure(Job):
    """A job of the pipeline: each step has what the agent has heard from the earlier ones."""

    def __init__(self, emulator: Emulator, folder: Path, kind: str = "azure-devops") -> None:
        super().__init__(emulator, folder, kinds.kind(kind).table.manifest)
        self.temp, self.claims = folder / "temp", dict[str, Any]()
        self.temp.mkdir()
        self.env |= {
            "TF_BUILD": "True", "AGENT_TEMPDIRECTORY": str(self.temp), "SYSTEM_COLLECTIONID": ORGANIZATION,
            "SYSTEM_TEAMPROJECTID": PROJECT, "SYSTEM_DEFINITIONID": "1", "SYSTEM_ACCESSTOKEN": SECRET,
        }  # fmt: skip

    def step(self, *arguments: str, **env: str) -> tuple[int, Heard, str]:
        """Run gcp-wif as a step: its exit code, what the agent has heard, and all that it printed."""
        done = self(*arguments, **env)
        heard = agent(done.stdout, done.stderr)
        self.env |= heard.variables
        return done.returncode, heard, done.stdout + done.stderr

    def answer(self, asked: Asked) -> tuple[int, object]:
        """Azure DevOps's server."""
        if asked.query.get("api-version") != ["7.1"]:
            return 400, {"message": "No api-version was supplied for the request."}
        if asked.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, {"message": "TF400813: The user is not authorized to access this resource."}
        connection = asked.query.get("serviceConnectionId")
        if connection is None:
            return 200, {"oidcToken": self.emulator.token(kind="azure-devops", **self.claims)}
        if connection != [CONNECTION]:
            return 404, {"message": "There is no explicit reference to service connection from current stage."}
        return 200, {"oidcToken": self.emulator.token(kind="azure-devops", issuer="entra", **self.claims)}


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> Azure:
    return Azure(emulator, tmp_path)


@pytest.fixture
def server(job: Azure) -> Iterator[TokenServer]:
    with serving(job.answer) as found:
        job.env["SYSTEM_OIDCREQUESTURI"] = f"{found.url}{PATH}"
        yield found


LOGIN = ("login", "--manifest", "gcp-wif.toml", "--identity", "deploy")


def test_login_asks_exports_and_the_next_steps_are_logged_in(job: Azure, server: TokenServer) -> None:
    before = sorted(job.folder.iterdir())
    code, heard, printed = job.step(*LOGIN)
    assert code == 0, printed
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.query, asked.body) == ("POST", PATH, {"api-version": ["7.1"]}, b"")
    assert (asked.headers["Content-Type"], asked.headers["X-TFS-FedAuthRedirect"]) == ("application/json", "Suppress")
    token, config = job.temp / "oidc_token", job.temp / "gcp_cred_config.json"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (token, config)] == [0o600, 0o600]
    assert sorted(job.folder.iterdir()) == before
    assert heard.secrets == [token.read_text()]
    assert printed.count(token.read_text()) == 1
    assert SECRET not in printed
    assert (heard.variables[NAME], heard.variables["GOOGLE_CLOUD_PROJECT"]) == (str(config), "acme-prod")
    assert heard.others == []
    assert job.client() == "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"


def test_logout_removes_the_files_and_ends_what_earlier_steps_have_set(job: Azure, server: TokenServer) -> None:
    assert job.step(*LOGIN)[0] == 0
    code, heard, printed = job.step("logout")
    assert code == 0, printed
    assert list(job.temp.iterdir()) == []
    assert (heard.variables[NAME], heard.variables["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"]) == ("", "")
    assert "gcp_cred" not in heard.variables["BOTO_PATH"]
    assert "GOOGLE_CLOUD_PROJECT" not in heard.variables  # no credential, and maybe the pipeline's own


@pytest.mark.parametrize(
    "name",
    ["a%0Ab", "100%", "a\nb", "a\r\nb", "a]b;c=d", "##vso[task.complete result=Failed;]x", "%AZP25", "令牌", " x "],
    ids=repr,
)
def test_any_value_arrives_and_says_nothing_else(name: str) -> None:
    wanted = exports(Path("/tmp") / name, None)
    heard = agent(VSO.printed(wanted, {}).decode())
    assert heard.variables == {each.name: each.value for each in wanted}
    assert (heard.others, heard.log) == ([], "")


def test_a_refused_login_exports_nothing_and_speaks_of_azures_claims(job: Azure, server: TokenServer) -> None:
    job.claims = {"prj_id": OTHER, "rpo_ref": "refs/heads/dev"}
    code, heard, printed = job.step(*LOGIN)
    assert (code, heard.variables) == (1, {})
    assert f"prj_id is {OTHER}; def_id is 1" in printed
    assert "rpo_ref is refs/heads/dev" in printed
    seen = job("doctor", "--manifest", "gcp-wif.toml", "--identity", "deploy", core=False)
    assert seen.returncode == 1
    told = f'{{ project_id = "{OTHER}", definition_id = "1", ref = "refs/heads/dev" }}'
    assert told in seen.stdout + seen.stderr
    assert "ircle" not in printed + seen.stdout + seen.stderr


def test_a_pull_request_is_told_to_be_kept_out(job: Azure, server: TokenServer) -> None:
    manifest = (job.folder / "gcp-wif.toml").read_text().replace("allow_pull_requests = true", "")
    (job.folder / "gcp-wif.toml").write_text(manifest)
    job.emulator.provision_as(Manifest.parse(manifest, origin="gcp-wif.toml"))
    job.claims = {"rpo_ref": "refs/pull/7/merge"}
    assert job.step(*LOGIN)[0] == 1
    seen = job("doctor", "--manifest", "gcp-wif.toml", "--identity", "deploy", core=False)
    assert "allow_pull_requests = true" in seen.stdout + seen.stderr


def test_failures_that_pass_are_tried_again_and_others_are_told(job: Azure, server: TokenServer) -> None:
    server.failures = [503, 429]
    assert job.step(*LOGIN, "--no-verify")[0] == 0
    assert len(server.asked) == 3
    code, _, printed = job.step(*LOGIN, SYSTEM_ACCESSTOKEN="of another job")
    assert (code, "WIF608" in printed, "TF400813" in printed) == (1, True, True)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?x=dev.azure.com",
        "https://dev.azure.com.evil.example/",
        "https://evildev.azure.com/",
        "https://dev.azure.com@evil.example/",
        "http://dev.azure.com/",
        "https://a.b.visualstudio.com/",
        "https://pipelines.actions.githubusercontent.com/",
        "nonsense",
    ],
)
def test_the_jobs_access_token_goes_to_no_other_server(job: Azure, server: TokenServer, url: str) -> None:
    code, _, printed = job.step(*LOGIN, SYSTEM_OIDCREQUESTURI=url)
    assert (code, "WIF214" in printed, SECRET in printed) == (2, True, False)
    assert server.asked == []


@pytest.mark.parametrize("value", ["", "$(System.AccessToken)"])
def test_what_is_not_mapped_is_told_in_azures_words(job: Azure, server: TokenServer, value: str) -> None:
    code, _, printed = job.step(*LOGIN, SYSTEM_ACCESSTOKEN=value)
    assert (code, "WIF201" in printed, "SYSTEM_ACCESSTOKEN: $(System.AccessToken)" in printed) == (2, True, True)
    assert "pull requests of forks" in printed
    assert server.asked == []


def test_outside_of_azure_devops_services_it_is_told(job: Azure) -> None:
    code, _, printed = job.step(*LOGIN)
    assert (code, "SYSTEM_OIDCREQUESTURI is not set" in printed, "Azure DevOps Server" in printed) == (2, True, True)


def test_an_audience_that_nobody_can_have_is_told(job: Azure, server: TokenServer) -> None:
    code, _, printed = job.step(*LOGIN, "--audience", job.audience)
    assert (code, "WIF211" in printed, "always say api://AzureADTokenExchange" in printed) == (2, True, True)
    assert server.asked == []


def test_without_a_manifest_its_own_audience_is_asked_for(job: Azure, server: TokenServer) -> None:
    target = {
        "PROJECT_NUMBER": "123456789012", "POOL_ID": "azure", "PROVIDER_ID": "azure",
        "SERVICE_ACCOUNT_EMAIL": "deploy@acme-prod.iam.gserviceaccount.com",
    }  # fmt: skip
    assert job.step("login", **target)[0] == 0


class TestServiceConnection:
    """A token that Microsoft Entra signs, for the manifest whose issuer is Entra's."""

    @pytest.fixture
    def job(self, emulator: Emulator, tmp_path: Path) -> Azure:
        return Azure(emulator, tmp_path, "azure-devops-entra")

    def test_the_connection_of_the_task_is_asked_for(self, job: Azure, server: TokenServer) -> None:
        code, _, printed = job.step(*LOGIN, AZURESUBSCRIPTION_SERVICE_CONNECTION_ID=CONNECTION)
        assert code == 0, printed
        assert server.asked[0].query["serviceConnectionId"] == [CONNECTION]
        assert "google.subject" not in printed  # its sub has 138 bytes, and the manifest's mapping does not take it
        assert job.client() == "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"

    def test_what_is_missing_is_told(self, job: Azure, server: TokenServer) -> None:
        code, _, printed = job.step(*LOGIN)
        assert (code, "WIF208" in printed, "AzureCLI@2" in printed) == (2, True, True)
        code, _, printed = job.step(*LOGIN, AZURESUBSCRIPTION_SERVICE_CONNECTION_ID=OTHER)
        assert (code, "no explicit reference" in printed, "AzureCLI@2" in printed) == (1, True, True)

    def test_init_takes_both_ids(self, job: Azure) -> None:
        known = ("--project-id", "acme-prod", "--project-number", "1", "--direct", "--tenant-id", TENANT)
        rule = ("--rule", f"service_connection_id={CONNECTION}")
        done = job("init", "--manifest", "new.toml", *known, *rule, core=False)
        assert done.returncode == 0, done.stderr
        text = (job.folder / "new.toml").read_text()
        assert f'tenant_id = "{TENANT}"' in text
        assert f'{{ service_connection_id = "{CONNECTION}" }},' in text


def test_another_organisation_is_refused_before_google_is_asked(job: Azure, server: TokenServer) -> None:
    job.claims = {"organization": OTHER}
    code, _, printed = job.step(*LOGIN)
    assert (code, "WIF206" in printed, f"organization_id is {OTHER}" in printed) == (2, True, True)


def test_beside_another_system_it_must_be_named(job: Azure, server: TokenServer) -> None:
    assert job.step(*LOGIN, CIRCLECI="true")[0] == 2
    assert job.step(*LOGIN, "--ci", "azure-devops", CIRCLECI="true")[0] == 0


def test_a_client_gets_a_fresh_token_from_the_program_of_a_config(job: Azure, server: TokenServer) -> None:
    done = job("token", "--executable-response", GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=job.audience.removeprefix("https:"))
    assert json.loads(done.stdout)["success"] is True


def test_init_in_a_job_needs_a_project_and_an_account_alone(job: Azure) -> None:
    known = ("--project-id", "acme-prod", "--project-number", "1", "--direct")
    done = job("init", "--manifest", "new.toml", *known, core=False)
    assert done.returncode == 0, done.stderr
    text = (job.folder / "new.toml").read_text()
    for line in ('kind = "azure-devops"', f'organization_id = "{ORGANIZATION}"', f'project_id = "{PROJECT}"'):
        assert line in text


def test_init_on_a_laptop_says_where_each_id_is(cli) -> None:
    done = cli("init", "--ci", "azure-devops", "--project-number", "1")
    assert done.returncode == 2
    assert (
        "--organization-id (Azure DevOps: curl https://dev.azure.com/ORGANIZATION/_apis/connectionData" in done.stderr
    )
    assert "--azure-project (az devops project show --project NAME --query id" in done.stderr


def test_an_agent_keeps_a_long_job_logged_in(job: Azure, server: TokenServer) -> None:
    code, _, printed = job.step(*LOGIN, "--keep-fresh")
    assert code == 0, printed
    try:
        assert "127.0.0.1" in Path(job.env[NAME]).read_text()
        assert job.client() == "serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"
        assert {each.method for each in server.asked} == {"POST"}
    finally:
        code, _, printed = job.step("logout")
    assert code == 0, printed
    assert job.env[NAME] == ""


def test_the_steps_in_readme_log_in(job: Azure, server: TokenServer) -> None:
    (block,) = re.findall(r"```yaml\n(steps: +# Azure DevOps\n[^`]*)```", README.read_text())
    install, login = yaml.safe_load(block)["steps"]
    assert (install["bash"], login["env"]) == (install_command(), {"SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"})
    done = job.shell(login["bash"])
    assert agent(done.stdout, done.stderr).variables[NAME] == str(job.temp / "gcp_cred_config.json")
