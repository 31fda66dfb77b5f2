"""A job of GitLab, end to end on loopback, with the core install alone: its token is in a variable, as
``id_tokens: GITLAB_OIDC_TOKEN`` puts it there (GitLab, "OpenID Connect (OIDC) Authentication Using ID Tokens")."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import kinds
import pytest
import yaml
from ci_job import Job
from kinds.gitlab import HOST, PROJECT

from gcp_wif.emulator import Emulator
from gcp_wif.install import install_command
from gcp_wif.manifest import Manifest
from gcp_wif.rendering.ci_config import render_ci_config

NAME = "GOOGLE_APPLICATION_CREDENTIALS"
FLAGS = "--manifest gcp-wif.toml --identity reader"
LOGIN = ("login", *FLAGS.split())


class GitLab(Job):
    """A job of the project: one shell, whose variables GitLab sets."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        super().__init__(emulator, folder, kinds.kind("gitlab").table.manifest)
        self.temp = Path(f"{self.folder}.tmp")
        self.env |= {
            "GITLAB_CI": "true", "CI": "true", "CI_PROJECT_DIR": str(self.folder), "CI_PROJECT_ID": PROJECT,
            "CI_SERVER_URL": HOST, "GITLAB_OIDC_TOKEN": self.token(),
        }  # fmt: skip

    def token(self, **claims: Any) -> str:
        return self.emulator.token(kind="gitlab", **{"aud": self.audience, **claims})


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path) -> GitLab:
    return GitLab(emulator, tmp_path)


def test_login_prints_the_exports_for_the_script_and_its_commands_are_logged_in(job: GitLab) -> None:
    before = sorted(job.folder.iterdir())
    done = job.shell(f'exports="$(gcp-wif login {FLAGS})"; eval "$exports"; printenv {NAME} GOOGLE_CLOUD_PROJECT')
    assert done.returncode == 0, done.stderr
    config = job.temp / "gcp_cred_config.json"
    assert done.stdout.split() == [str(config), "acme-prod"]
    files = [config, job.temp / "oidc_token"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (*files, job.temp)] == [0o600, 0o600, 0o700]
    assert sorted(job.folder.iterdir()) == before  # the project's folder ends up in artifacts and caches
    assert job.env["GITLAB_OIDC_TOKEN"] not in done.stdout + done.stderr
    assert 'exports="$(gcp-wif login …)"; eval "$exports"' in done.stderr
    exported = {NAME: str(config), "GOOGLE_CLOUD_PROJECT": "acme-prod"}
    assert job.client(**exported) == "serviceAccount:reader@acme-prod.iam.gserviceaccount.com"


def test_the_way_that_is_told_stops_the_script_where_login_is_refused(job: GitLab) -> None:
    job.env["GITLAB_OIDC_TOKEN"] = job.token(ref="dev")
    done = job.shell(f'exports="$(gcp-wif login {FLAGS})"; eval "$exports"; echo went on')
    assert (done.returncode, done.stdout) == (1, "")


def test_the_script_after_it_logs_out(job: GitLab) -> None:
    assert job(*LOGIN).returncode == 0
    done = job("logout")
    assert done.returncode == 0
    assert done.stdout.startswith("unset GOOGLE_APPLICATION_CREDENTIALS ")
    assert list(job.temp.iterdir()) == []


def test_the_runners_own_name_for_the_folder_comes_first(job: GitLab, tmp_path: Path) -> None:
    assert job(*LOGIN, RUNNER_TEMP_PROJECT_DIR=str(tmp_path / "own")).returncode == 0
    assert (tmp_path / "own" / "oidc_token").is_file()
    assert not job.temp.exists()


def test_what_is_not_switched_on_is_told_in_gitlabs_words(job: GitLab) -> None:
    del job.env["GITLAB_OIDC_TOKEN"]
    done = job(*LOGIN)
    assert (done.returncode, "WIF201" in done.stderr) == (2, True)
    assert "    GITLAB_OIDC_TOKEN:\n" in done.stderr
    assert "id_tokens:\n" in done.stderr


def test_there_is_no_second_token(job: GitLab) -> None:
    done = job(*LOGIN, "--audience", "other")
    assert (done.returncode, "WIF211" in done.stderr, "`timeout:`" in done.stderr) == (2, True, True)


def test_a_refused_login_speaks_of_gitlabs_claims(job: GitLab) -> None:
    dev = {"ref": "dev", "ref_protected": "false", "user_id": "2"}
    fork = {"pipeline_source": "merge_request_event", "project_id": "666", "job_project_id": PROJECT}
    for claims, words in ((dev, "20/refs/heads/dev"), (fork, "merge requests from forks")):
        job.env["GITLAB_OIDC_TOKEN"] = job.token(**claims)
        done = job(*LOGIN)
        assert done.returncode == 1, done.stderr
        seen = job("doctor", "--manifest", "gcp-wif.toml", "--identity", "reader", core=False)
        assert seen.returncode == 1
        assert words in seen.stdout + seen.stderr
        for text in (done.stderr, seen.stdout + seen.stderr):
            assert "ircle" not in text


def test_a_server_of_ones_own_is_known_by_what_its_token_says(job: GitLab) -> None:
    """No kind knows its URL; a subject that is too long gets GitLab's advice all the same."""
    path = f"group/{'x' * 130}"
    job.env["GITLAB_OIDC_TOKEN"] = job.token(iss="https://git.acme.example", project_path=path)
    done = job("generate", "--project-number", "1", "--pool-id", "gitlab", "--provider-id", "gitlab", "--direct")
    assert done.returncode == 0, done.stderr
    assert "ci_id_token_sub_claim_components" in done.stderr


def test_init_in_a_job_knows_the_project_and_a_server_of_ones_own(job: GitLab) -> None:
    account = "deploy@acme-prod.iam.gserviceaccount.com"
    known = ("--project-id", "acme-prod", "--project-number", "1", "--service-account", account)
    done = job("init", "--manifest", "new.toml", *known, core=False, CI_SERVER_URL="https://git.acme.example")
    assert done.returncode == 0, done.stderr
    text = (job.folder / "new.toml").read_text()
    assert 'kind = "gitlab"\nurl = "https://git.acme.example"\n' in text
    assert f'project_id = "{PROJECT}"' in text
    assert job("init", "--manifest", "cloud.toml", *known, core=False).returncode == 0
    assert "git.acme" not in (job.folder / "cloud.toml").read_text()


def test_init_on_a_laptop_says_which_command_gives_each_id(cli) -> None:
    done = cli("init", "--ci", "gitlab", "--project-number", "1")
    assert done.returncode == 2
    assert "--gitlab-project-id (glab api projects/GROUP%2FPROJECT gives `id`" in done.stderr


def test_what_render_makes_gets_through(job: GitLab) -> None:
    made = job("render", "gitlab", "--identity", "deploy", "--install", "true")
    assert made.returncode == 0, made.stderr
    (found,) = yaml.safe_load(made.stdout).values()
    assert found["rules"] == [{"if": '$CI_PROJECT_ID == "20" && $CI_COMMIT_BRANCH == "main"'}]
    assert found["id_tokens"] == {"GITLAB_OIDC_TOKEN": {"aud": job.audience}}
    job.env |= found["variables"]
    job.env["GITLAB_OIDC_TOKEN"] = job.token(environment=found["environment"])
    script = "\n".join(found["script"]).replace("command -v gcloud", "false")
    done = job.shell(f"{script}\nprintenv {NAME}")
    assert done.returncode == 0, done.stderr
    assert "generateAccessToken" in str([each["path"] for each in job.emulator.requests()])
    assert job.shell("\n".join(found["after_script"])).returncode == 0
    assert list(job.temp.iterdir()) == []
    job.env["GITLAB_OIDC_TOKEN"] = job.token(environment=found["environment"], ref="dev")
    refused = job.shell(f"{script}\necho went on")
    assert refused.returncode == 1
    assert "went on" not in refused.stdout


@pytest.mark.parametrize(("branch", "condition"), [("a'b", '"a\'b"'), ('a"b', "'a\"b'"), ("$x", '"$x"')], ids=str)
def test_a_branch_stands_in_a_condition_as_it_is(branch: str, condition: str) -> None:
    text = kinds.kind("gitlab").table.manifest.replace('"main"', json.dumps(branch))
    found = yaml.safe_load(render_ci_config("gitlab", Manifest.parse(text, origin="m"), "m", "deploy"))
    assert found["google-cloud-deploy"]["rules"][0]["if"].endswith(f"$CI_COMMIT_BRANCH == {condition}")


def test_one_that_no_condition_can_hold_is_left_to_google() -> None:
    text = kinds.kind("gitlab").table.manifest.replace('"main"', json.dumps("a'b\"c"))
    found = yaml.safe_load(render_ci_config("gitlab", Manifest.parse(text, origin="m"), "m", "deploy"))
    assert found["google-cloud-deploy"]["rules"] == [{"if": '$CI_PROJECT_ID == "20"'}]


def test_no_agent_can_keep_a_token_fresh_that_is_issued_once(job: GitLab) -> None:
    done = job(*LOGIN, "--keep-fresh")
    assert (done.returncode, "`timeout:`" in done.stderr) == (2, True)
    assert not job.temp.exists()


def test_the_job_in_readme_logs_in(job: GitLab) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n(deploy:\n[^`]*id_tokens:[^`]*)```", readme)
    (found,) = yaml.safe_load(block).values()
    assert found["id_tokens"] == {"GITLAB_OIDC_TOKEN": {"aud": job.audience}}
    assert found["script"][0] == install_command()
    job.env["GITLAB_OIDC_TOKEN"] = job.token(environment="production")
    done = job.shell("\n".join([*found["script"][1:], f"printenv {NAME}"]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(job.temp / "gcp_cred_config.json")
