"""`init`: a manifest from flags, from a job's environment, and from what somebody made by hand."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from google_setup import ACCOUNT, Google
from provisioned import Admin

from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.manifest import Manifest
from gcp_wif.manifest.writing import Draft, DraftIdentity, toml_text
from gcp_wif.names import Principal

FLAGS = ["--project-id", "acme-identity", "--project-number", "123456789012"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gcp-wif.toml"


def test_from_flags_and_then_a_plan(cli: Any, emulator: Emulator, path: Path) -> None:
    done = cli(
        "init", *FLAGS, "--manifest", str(path), "--service-account", ACCOUNT, "--organization-id", ORGANIZATION_ID,
        "--circleci-project", PROJECT_ID, "--branch", "main",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "#" in path.read_text()
    assert cli("apply", "--yes", "--manifest", str(path), **emulator.environ()).returncode == 0
    login = ["login", "--manifest", str(path)]
    env = emulator.environ() | {"CIRCLE_OIDC_TOKEN": emulator.token()}
    assert cli(*login, **env).returncode == 0
    other = emulator.token(**{"oidc.circleci.com/vcs-ref": "refs/heads/x"})
    assert cli(*login, **(env | {"CIRCLE_OIDC_TOKEN": other})).returncode == 1


def test_from_a_jobs_environment(cli: Any, google: Google, path: Path) -> None:
    job = google.job()
    done = cli("init", "--project-id", "acme-identity", "--manifest", str(path), "--json", **job)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["identities"] == ["deploy"]
    made = tomllib.loads(path.read_text())
    assert made["issuer"]["organization_id"] == ORGANIZATION_ID
    assert made["identities"]["deploy"]["allow"] == [{"project": PROJECT_ID}]
    assert made["pool"]["id"] == "circleci"
    assert job["CIRCLE_OIDC_TOKEN"] not in path.read_text() + done.stderr


def test_what_is_missing_is_named_at_once(cli: Any, path: Path) -> None:
    done = cli("init", "--project-number", "123456789012", "--manifest", str(path))
    assert done.returncode == 2
    for flag in ("--project-id", "--organization-id", "--circleci-project", "--service-account"):
        assert flag in done.stderr
    assert not path.exists()


def test_a_ci_system_that_there_is_not_is_told_first(cli: Any, path: Path) -> None:
    for flags in ([], ["--project-number", "123456789012"]):
        done = cli("init", "--ci", "jenkinz", *flags, "--manifest", str(path))
        assert (done.returncode, "error WIF210" in done.stderr) == (2, True), done.stderr


def test_a_manifest_that_exists_stays(cli: Any, path: Path) -> None:
    path.write_text("mine")
    flags = [
        "--direct",
        "--organization-id",
        ORGANIZATION_ID,
        "--circleci-project",
        PROJECT_ID,
        "--manifest",
        str(path),
    ]
    done = cli("init", *FLAGS, *flags)
    assert done.returncode == 2
    assert path.read_text() == "mine"
    assert cli("init", *FLAGS, *flags, "--force").returncode == 0
    assert tomllib.loads(path.read_text())["identities"]["direct"]["direct"] is True
    assert [each.name for each in path.parent.iterdir() if "gcp-wif" in each.name] == ["gcp-wif.toml"]


def test_wrong_values_write_nothing(cli: Any, path: Path) -> None:
    flags = ["--direct", "--organization-id", "not-a-uuid", "--circleci-project", PROJECT_ID, "--manifest", str(path)]
    done = cli("init", *FLAGS, *flags)
    assert done.returncode == 2
    assert "issuer.organization_id" in done.stderr
    assert not path.exists()


def by_hand(google: Google, **changes: Any) -> None:
    """What CircleCI's page has people click together, with more accounts and a direct grant."""
    pool = google.provider.pool
    google.provision(
        mapping={
            "google.subject": "assertion.sub",
            "attribute.org_id": "assertion.aud",
            "attribute.project": "assertion['oidc.circleci.com/project-id']",
        },
        accounts={
            ACCOUNT: [Principal.attribute(pool, "project", PROJECT_ID), Principal.subject(pool, "org/x/user/y")],
            "builder@acme-prod.iam.gserviceaccount.com": [Principal.attribute(pool, "org_id", ORGANIZATION_ID)],
            "unused@acme-prod.iam.gserviceaccount.com": [],
        },
        roles={
            "acme-prod": {
                "roles/run.developer": [f"serviceAccount:{ACCOUNT}", "user:a@example.com"],
                "roles/storage.objectViewer": [Principal.attribute(pool, "project", PROJECT_ID)],
                "roles/run.viewer": [Principal.attribute(pool, "project", PROJECT_ID)],
            }
        },
        **changes,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"condition": "attribute.project != '' && \"x\" != 'y\\n'"},
        {"allowed_audiences": []},
        {"issuer": "https://token.example/tenant", "allowed_audiences": ["one", "two"]},
        {"issuer": f"https://ci.acme.example/org/{ORGANIZATION_ID}"},
    ],
    ids=str,
)
def test_from_google_a_plan_right_after_finds_nothing(
    changes: dict[str, Any], cli: Any, google: Google, path: Path
) -> None:
    by_hand(google, **changes)
    flags = [str(google.provider), "--from-gcp", "--project-id", "acme-prod", "--manifest", str(path)]
    done = cli("init", *flags, **google.emulator.environ())
    assert done.returncode == 0, done.stderr
    plan = cli("plan", "--json", "--manifest", str(path), **google.emulator.environ())
    assert plan.returncode == 0, plan.stderr
    found = json.loads(plan.stdout)
    assert found["changes"] == []
    assert found["stale_grants"] == []
    made = tomllib.loads(path.read_text())
    assert set(made["identities"]) == {"deploy", "builder", "direct-acme-prod"}
    assert made["identities"]["deploy"]["roles"] == ["roles/run.developer"]
    assert cli("plan", "--prune", "--manifest", str(path), **google.emulator.environ()).returncode == 0


def test_what_a_manifest_cannot_say_is_said(cli: Any, google: Google, path: Path) -> None:
    by_hand(google)
    wide = [str(Principal.whole_pool(google.provider.pool))]
    google.emulator.state.grant_roles(
        google.emulator.state.accounts.get("unused@acme-prod.iam.gserviceaccount.com").policy,
        {"roles/iam.workloadIdentityUser": wide, "roles/iam.serviceAccountTokenCreator": wide},
    )
    flags = [str(google.provider), "--from-gcp", "--project-id", "acme-prod", "--manifest", str(path)]
    done = cli("init", *flags, **google.emulator.environ())
    assert done.returncode == 0
    assert done.stderr.count("Not taken over") == 2
    assert path.read_text().count("# Not taken over") == 2
    plan = json.loads(cli("plan", "--json", "--prune", "--manifest", str(path), **google.emulator.environ()).stdout)
    assert len(plan["changes"]) == 1  # the grant to the whole pool, which --prune would take away


def test_from_google_without_such_a_pool(cli: Any, google: Google, path: Path) -> None:
    name = str(google.provider).replace("/circleci/", "/nothing/")
    done = cli("init", name, "--from-gcp", "--manifest", str(path), **google.emulator.environ())
    assert done.returncode == 1
    assert "WIF829" in done.stderr
    assert not path.exists()


def test_any_text_survives_the_writing() -> None:
    nasty = "a\"b'c\\d\n\t\x7f${x}<<y>>{{z}} é \u2028"
    draft = Draft(
        "test",
        {"kind": "circleci", "organization_id": ORGANIZATION_ID},
        {"project_id": "acme-identity", "project_number": "1", "id": "circleci", "description": nasty},
        {"id": "circleci", "attribute_condition": nasty},
        (DraftIdentity("a", None, "acme-prod", principals=("subject/x",)),),
        {"google.subject": f"'{nasty}'"},
    )
    made = tomllib.loads(toml_text(draft))
    assert made["pool"]["description"] == nasty
    assert made["provider"]["attribute_condition"] == nasty
    assert made["provider"]["attribute_mapping"] == {"google.subject": f"'{nasty}'"}
    assert Manifest.parse(toml_text(draft), origin="x")


def test_adopting_makes_reads_alone(google: Google, cli: Any, path: Path) -> None:
    by_hand(google)
    google.emulator.gateway.clear_log()
    flags = [str(google.provider), "--from-gcp", "--project-id", "acme-prod", "--manifest", str(path)]
    assert cli("init", *flags, **google.emulator.environ()).returncode == 0
    calls = {call["call"].rpartition(".")[2] for call in google.emulator.requests()}
    assert calls <= {"get", "list", "getIamPolicy"}
    admin = Admin(google.emulator)
    assert not admin.plan(path.read_text())
    admin.close()


CIRCLECI_PAGE = """
version: 2.1
orbs:
  gcp-cli: circleci/gcp-cli@2.4.1
commands:
  gcp-oidc-generate-cred-config-file:
    parameters:
      project_id: {type: env_var_name, default: GCP_PROJECT_ID}
      service_account_email: {type: env_var_name, default: GCP_SERVICE_ACCOUNT_EMAIL}
    steps:
      - run:
          command: |
            echo $CIRCLE_OIDC_TOKEN > << parameters.oidc_token_file_path >>
            gcloud iam workload-identity-pools create-cred-config "projects/..." --service-account=x
  gcp-oidc-authenticate:
    steps:
      - run: {command: 'gcloud auth login --brief --cred-file "x"'}
  unrelated:
    steps: [{run: echo}]
jobs:
  deploy:
    docker: [{image: cimg/base:2024.01}]
    steps:
      - checkout
      - gcp-oidc-generate-cred-config-file:
          service_account_email: PROD_ACCOUNT
      - gcp-oidc-authenticate
      - run: gcloud run deploy
  preview:
    steps:
      - gcp-oidc-generate-cred-config-file
      - gcp-oidc-authenticate
  orbed:
    steps:
      - gcp-cli/setup: {use_oidc: true}
  other:
    steps: [checkout, unrelated, {run: make}, {gcp-cli/setup: {}}]
workflows:
  main:
    jobs:
      - other
      - preview: {context: gcp-dev, filters: {branches: {only: [/feature-.*/, dev]}}}
      - orbed: {context: [gcp-orb]}
      - deploy:
          context: gcp-prod
          filters: {branches: {only: main}}
"""
OLD_JOB = {
    "GCP_PROJECT_ID": "123456789012",
    "GCP_WIP_ID": "circleci",
    "GCP_WIP_PROVIDER_ID": "circleci-acme",
    "PROD_ACCOUNT": "deploy@acme-prod.iam.gserviceaccount.com",
    "GCP_SERVICE_ACCOUNT_EMAIL": "preview@acme-dev.iam.gserviceaccount.com",
    "CIRCLE_ORGANIZATION_ID": ORGANIZATION_ID,
    "CIRCLE_PROJECT_ID": PROJECT_ID,
}


def test_moving_in_from_circlecis_page(cli: Any, path: Path) -> None:
    config = path.with_name("config.yml")
    config.write_text(CIRCLECI_PAGE)
    flags = ["--from-circleci", str(config), "--project-id", "acme-identity", "--manifest", str(path)]
    missing = cli("init", *flags, **OLD_JOB)
    assert missing.returncode == 2
    assert "OIDC_SERVICE_ACCOUNT_EMAIL" in missing.stderr
    assert "gcp-orb" in missing.stderr
    config.write_text(CIRCLECI_PAGE.replace("use_oidc: true", "use_oidc: false"))
    done = cli("init", *flags, **OLD_JOB)
    assert done.returncode == 0, done.stderr
    made = tomllib.loads(path.read_text())["identities"]
    assert made["deploy"]["allow"] == [{"project": PROJECT_ID, "branch": "main"}]
    assert made["preview"]["allow"] == [{"project": PROJECT_ID}]
    assert "/feature-.*/" in done.stderr
    assert "gcp-prod" in path.read_text()
    import yaml

    jobs = yaml.safe_load(done.stdout)["jobs"]
    assert set(jobs) == {"deploy", "preview"}
    assert jobs["deploy"]["steps"][1] == {"run": f"gcp-wif login --manifest {path} --identity deploy"}
    assert "gcp-oidc-generate-cred-config-file, gcp-oidc-authenticate" in done.stdout


def test_the_orb_is_found_too(cli: Any, path: Path) -> None:
    config = path.with_name("config.yml")
    config.write_text(CIRCLECI_PAGE)
    env = OLD_JOB | {"OIDC_SERVICE_ACCOUNT_EMAIL": "orb-account@acme-prod.iam.gserviceaccount.com"}
    flags = ["--from-circleci", str(config), "--project-id", "acme-identity", "--manifest", str(path), "--json"]
    done = cli("init", *flags, **env)
    assert json.loads(done.stdout)["identities"] == ["deploy", "preview", "orb-account"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("jobs: [", "WIF123"),
        ("- a", "WIF123"),
        ("jobs: {a: {steps: [checkout]}}", "WIF124"),
        ("jobs: {a: {steps: null}, b: 1, c: {steps: [1, {x: {y: z}, w: 1}]}}", "WIF124"),
        ("a: &a [*a]\njobs: {x: {steps: *a}}", "WIF741"),
        ("!!python/object/apply:os.system ['true']", "WIF123"),
    ],
)
def test_other_files_are_refused(text: str, code: str, cli: Any, path: Path) -> None:
    config = path.with_name("config.yml")
    config.write_text(text)
    done = cli("init", "--from-circleci", str(config), *FLAGS, "--manifest", str(path))
    assert done.returncode == 2
    assert code in done.stderr
    assert "Traceback" not in done.stderr
    assert not path.exists()
