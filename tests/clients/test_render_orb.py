"""The commands of `render orb` in place of the seed's, in the seed's own example, run as CircleCI runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from circleci_steps import Job, expanded
from google_setup import ACCOUNT, Google

from gcp_wif.rendering.ci_config import render_snippet

SEED = """\
version: 2.1

orbs:
  gcp-cli: circleci/gcp-cli@2.4.1

commands:
  gcp-oidc-generate-cred-config-file:
    description: "Authenticate with GCP using a CircleCI OIDC token."
    parameters:
      project_id:
        type: env_var_name
        default: GCP_PROJECT_ID
      workload_identity_pool_id:
        type: env_var_name
        default: GCP_WIP_ID
      workload_identity_pool_provider_id:
        type: env_var_name
        default: GCP_WIP_PROVIDER_ID
      service_account_email:
        type: env_var_name
        default: GCP_SERVICE_ACCOUNT_EMAIL
      gcp_cred_config_file_path:
        type: string
        default: /home/circleci/gcp_cred_config.json
      oidc_token_file_path:
        type: string
        default: /home/circleci/oidc_token.json
    steps:
      - run:
          command: |
            # Store OIDC token in temp file
            echo $CIRCLE_OIDC_TOKEN > << parameters.oidc_token_file_path >>
            # Create a credential configuration for the generated OIDC ID Token
            gcloud iam workload-identity-pools create-cred-config \\
                "projects/${<< parameters.project_id >>}/locations/global/workloadIdentityPools/${<< parameters.workload_identity_pool_id >>}/providers/${<< parameters.workload_identity_pool_provider_id >>}"\\
                --output-file="<< parameters.gcp_cred_config_file_path >>" \\
                --service-account="${<< parameters.service_account_email >>}" \\
                --credential-source-file=<< parameters.oidc_token_file_path >>
  gcp-oidc-authenticate:
    description: "Authenticate with GCP using a GCP credentials file."
    parameters:
      gcp_cred_config_file_path:
        type: string
        default: /home/circleci/gcp_cred_config.json
    steps:
      - run:
          command: |
            # Configure gcloud to leverage the generated credential configuration
            gcloud auth login --brief --cred-file "<< parameters.gcp_cred_config_file_path >>"
            # Configure ADC
            echo "export GOOGLE_APPLICATION_CREDENTIALS='<< parameters.gcp_cred_config_file_path >>'" | tee -a "$BASH_ENV"

jobs:
  gcp-oidc-defaults:
    executor: gcp-cli/default
    steps:
      - gcp-cli/install
      - gcp-oidc-generate-cred-config-file
      - gcp-oidc-authenticate
      - run:
          name: Verify that gcloud is authenticated
          command: gcloud iam service-accounts get-iam-policy "${GCP_SERVICE_ACCOUNT_EMAIL}"

workflows:
  main:
    jobs:
      - gcp-oidc-defaults:
          name: Generate Creds File and Authenticate
          context:
            - gcp-oidc-dev
"""  # noqa: E501 - CircleCI's page, with the lines that its copies lose
"""CircleCI's page "Using OpenID Connect tokens in jobs", its full example."""


def swapped() -> dict[str, Any]:
    config = yaml.safe_load(SEED)
    config["commands"] = yaml.safe_load(render_snippet("orb"))["commands"]
    return config


@pytest.fixture
def job(tmp_path: Path, google: Google) -> Job:
    return Job(tmp_path, google)


def test_names_parameters_types_and_defaults_are_the_seeds() -> None:
    def interface(config: dict[str, Any]) -> dict[str, Any]:
        return {name: (each["description"], each["parameters"]) for name, each in config["commands"].items()}

    assert interface(swapped()) == interface(yaml.safe_load(SEED))


@pytest.mark.client
@pytest.mark.slow
def test_the_seeds_example_runs_with_nothing_else_changed(
    require_client: Callable[..., str], job: Job, google: Google
) -> None:
    require_client("gcloud", proves="the verification step of CircleCI's page, after our commands")
    google.provision(roles={"acme-prod": {"roles/iam.serviceAccountViewer": [f"serviceAccount:{ACCOUNT}"]}})
    config = swapped()
    steps = [
        text for step in config["jobs"]["gcp-oidc-defaults"]["steps"] for text in expanded(step, config["commands"])
    ]
    assert len(steps) == 3
    outputs = []
    for step in steps:
        done = job.run(step)
        assert done.returncode == 0, done.stderr
        assert job.env["CIRCLE_OIDC_TOKEN"] not in done.stdout + done.stderr
        outputs.append(done.stdout)
    assert "roles/iam.workloadIdentityUser" in outputs[-1]
    assert (job.home / "oidc_token.json").read_text() == job.env["CIRCLE_OIDC_TOKEN"]
    calls = {request["call"] for request in google.emulator.requests()}
    assert any("generateAccessToken" in call for call in calls)


def test_paths_and_variables_of_ones_own(job: Job, google: Google) -> None:
    given = {
        "project_id": "MY_NUMBER",
        "service_account_email": "MY_ACCOUNT",
        "gcp_cred_config_file_path": "/home/circleci/my config.json",
        "oidc_token_file_path": "/home/circleci/my token",
    }
    job.env |= {"MY_NUMBER": job.env.pop("GCP_PROJECT_ID"), "MY_ACCOUNT": job.env.pop("GCP_SERVICE_ACCOUNT_EMAIL")}
    commands = swapped()["commands"]
    (generate,) = expanded({"gcp-oidc-generate-cred-config-file": given}, commands)
    path = {"gcp_cred_config_file_path": given["gcp_cred_config_file_path"]}
    (authenticate,) = expanded({"gcp-oidc-authenticate": path}, commands)
    for step in (generate, authenticate, 'gcp-wif verify --output-file "$GOOGLE_APPLICATION_CREDENTIALS"'):
        done = job.run(step)
        assert done.returncode == 0, done.stderr
    config = json.loads((job.home / "my config.json").read_text())
    assert config["audience"] == google.provider.audience
    assert config["credential_source"]["file"] == str(job.home / "my token")


@pytest.mark.parametrize(
    "name", ["GCP_PROJECT_ID", "GCP_WIP_ID", "GCP_WIP_PROVIDER_ID", "GCP_SERVICE_ACCOUNT_EMAIL", "CIRCLE_OIDC_TOKEN"]
)
@pytest.mark.parametrize("empty", [False, True])
def test_a_variable_that_is_not_set_is_named_and_nothing_is_written(job: Job, name: str, empty: bool) -> None:
    job.env.pop(name)
    job.env |= {name: ""} if empty else {}
    (generate,) = expanded("gcp-oidc-generate-cred-config-file", swapped()["commands"])
    done = job.run(generate)
    assert done.returncode != 0
    assert name in done.stderr
    assert list(job.home.iterdir()) == []
