"""google-cloud-iam, google-cloud-resource-manager and google-auth drive the emulator."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.auth import identity_pool, pluggable
from google.auth.transport.requests import Request
from google.cloud import iam_admin_v1, iam_credentials_v1, resourcemanager_v3
from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport
from google.cloud.resourcemanager_v3.services.projects.transports import ProjectsGrpcTransport
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.oauth2.credentials import Credentials as BearerCredentials
from google_setup import ACCOUNT, Google

from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.names import Principal

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


@pytest.fixture
def iam(emulator: Emulator) -> Iterator[iam_admin_v1.IAMClient]:
    with grpc.insecure_channel(emulator.grpc) as channel:
        yield iam_admin_v1.IAMClient(transport=IAMGrpcTransport(channel=channel))


@pytest.fixture
def projects(emulator: Emulator) -> Iterator[resourcemanager_v3.ProjectsClient]:
    with grpc.insecure_channel(emulator.grpc) as channel:
        yield resourcemanager_v3.ProjectsClient(transport=ProjectsGrpcTransport(channel=channel))


def test_the_life_of_an_account(iam: iam_admin_v1.IAMClient) -> None:
    account = {"display_name": "Deploy", "description": "of the tests"}
    request = {"name": "projects/acme-prod", "account_id": "deploy-it", "service_account": account}
    made = iam.create_service_account(request=request)
    assert made.email == "deploy-it@acme-prod.iam.gserviceaccount.com"
    with pytest.raises(exceptions.AlreadyExists):
        iam.create_service_account(request=request)
    name = {"name": f"projects/-/serviceAccounts/{made.email}"}
    assert iam.get_service_account(request=name).display_name == "Deploy"
    iam.patch_service_account(
        request={"service_account": {**name, "display_name": "New"}, "update_mask": {"paths": ["display_name"]}}
    )
    iam.disable_service_account(request=name)
    found = iam.get_service_account(request=name)
    assert (found.display_name, found.description, found.disabled) == ("New", "of the tests", True)
    iam.enable_service_account(request=name)
    assert [each.email for each in iam.list_service_accounts(request={"name": "projects/acme-prod"})] == [made.email]
    iam.delete_service_account(request=name)
    with pytest.raises(exceptions.NotFound):
        iam.get_service_account(request=name)
    restored = iam.undelete_service_account(request={"name": f"projects/-/serviceAccounts/{made.unique_id}"})
    assert restored.restored_account.email == made.email


def test_lists_come_in_pages(iam: iam_admin_v1.IAMClient) -> None:
    for number in range(7):
        iam.create_service_account(request={"name": "projects/acme-prod", "account_id": f"deploy-{number}"})
    pager = iam.list_service_accounts(request={"name": "projects/acme-prod", "page_size": 3})
    assert [len(page.accounts) for page in pager.pages] == [3, 3, 1]


@pytest.mark.parametrize("account_id", ["short", "Upper-case", "x" * 31, "-dash-first", "1-digit-first"])
def test_account_ids_that_google_does_not_take(account_id: str, iam: iam_admin_v1.IAMClient) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        iam.create_service_account(request={"name": "projects/acme-prod", "account_id": account_id})


def test_policies_and_their_etags(iam: iam_admin_v1.IAMClient, google: Google) -> None:
    resource = f"projects/-/serviceAccounts/{ACCOUNT}"
    get = iam_policy_pb2.GetIamPolicyRequest(resource=resource)
    policy = iam.get_iam_policy(request=get)
    stale = policy_pb2.Policy()
    stale.CopyFrom(policy)
    member = str(Principal.subject(google.provider.pool, "x"))
    policy.bindings.add(role="roles/iam.serviceAccountTokenCreator", members=[member])
    written = iam.set_iam_policy(request=iam_policy_pb2.SetIamPolicyRequest(resource=resource, policy=policy))
    assert written.etag != stale.etag
    with pytest.raises(exceptions.Aborted, match="concurrent policy changes"):
        iam.set_iam_policy(request=iam_policy_pb2.SetIamPolicyRequest(resource=resource, policy=stale))
    tested = iam.test_iam_permissions(
        request=iam_policy_pb2.TestIamPermissionsRequest(resource=resource, permissions=["iam.serviceAccounts.get"])
    )
    assert list(tested.permissions) == ["iam.serviceAccounts.get"]


def test_conditions_are_shown_in_version_3_alone(iam: iam_admin_v1.IAMClient, google: Google) -> None:
    resource = f"projects/-/serviceAccounts/{ACCOUNT}"
    policy = policy_pb2.Policy(version=3)
    binding = policy.bindings.add(role="roles/iam.serviceAccountUser", members=["user:a@example.com"])
    binding.condition.expression = "request.time < timestamp('2030-01-01T00:00:00Z')"
    iam.set_iam_policy(request=iam_policy_pb2.SetIamPolicyRequest(resource=resource, policy=policy))
    old = iam.get_iam_policy(request=iam_policy_pb2.GetIamPolicyRequest(resource=resource))
    assert "_withcond_" in old.bindings[0].role
    with pytest.raises(exceptions.InvalidArgument):  # so that it cannot be written back without its condition
        iam.set_iam_policy(request=iam_policy_pb2.SetIamPolicyRequest(resource=resource, policy=old))
    request = iam_policy_pb2.GetIamPolicyRequest(resource=resource)
    request.options.requested_policy_version = 3
    assert iam.get_iam_policy(request=request).bindings[0].condition.expression == binding.condition.expression


def test_members_that_do_not_exist_are_refused(iam: iam_admin_v1.IAMClient, google: Google) -> None:
    for member in (
        "serviceAccount:nobody@acme-prod.iam.gserviceaccount.com",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/none/*",
        "somebody@example.com",
    ):
        policy = policy_pb2.Policy()
        policy.bindings.add(role="roles/iam.workloadIdentityUser", members=[member])
        with pytest.raises(exceptions.InvalidArgument):
            iam.set_iam_policy(
                request=iam_policy_pb2.SetIamPolicyRequest(
                    resource=f"projects/-/serviceAccounts/{ACCOUNT}", policy=policy
                )
            )


def test_projects(projects: resourcemanager_v3.ProjectsClient) -> None:
    found = projects.get_project(name="projects/acme-prod")
    assert projects.get_project(name=found.name).project_id == "acme-prod"
    assert [each.project_id for each in projects.search_projects(query="id:acme-prod")] == ["acme-prod"]
    policy = projects.get_iam_policy(request=iam_policy_pb2.GetIamPolicyRequest(resource="projects/acme-prod"))
    policy.bindings.add(role="roles/viewer", members=["user:a@example.com"])
    request = iam_policy_pb2.SetIamPolicyRequest(resource="projects/acme-prod", policy=policy)
    assert projects.set_iam_policy(request=request).bindings == policy.bindings


def test_rest_and_grpc_are_one_state_and_refuse_alike(iam: iam_admin_v1.IAMClient, emulator: Emulator) -> None:
    import requests

    iam.create_service_account(request={"name": "projects/acme-prod", "account_id": "deploy-it"})
    email = "deploy-it@acme-prod.iam.gserviceaccount.com"
    assert requests.get(f"{emulator.http}/v1/projects/-/serviceAccounts/{email}", timeout=10).ok
    emulator.faults(disabled_services=["iam.googleapis.com"])
    with pytest.raises(exceptions.Forbidden) as caught:
        iam.get_service_account(request={"name": f"projects/-/serviceAccounts/{email}"})
    assert caught.value.reason == "SERVICE_DISABLED"
    refused = requests.get(f"{emulator.http}/v1/projects/-/serviceAccounts/{email}", timeout=10).json()["error"]
    assert refused["details"][0]["reason"] == "SERVICE_DISABLED"
    assert refused["message"] == caught.value.message


def _config(google: Google, source: dict[str, Any]) -> dict[str, Any]:
    http = google.emulator.http
    return {
        "type": "external_account",
        "audience": google.provider.audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{http}/v1/token",
        "credential_source": source,
        "service_account_impersonation_url": f"{http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
    }


@pytest.mark.parametrize("kind", ["text", "json", "url"])
def test_google_auth_with_each_source(kind: str, google: Google, tmp_path: Path) -> None:
    token = google.emulator.token()
    path = tmp_path / "token"
    path.write_text(json.dumps({"id_token": token}) if kind == "json" else token)
    as_json = {"type": "json", "subject_token_field_name": "id_token"}
    source: dict[str, Any] = {"file": str(path)} | ({"format": as_json} if kind == "json" else {})
    if kind == "url":  # the emulator's own token endpoint answers POST alone, so a server of two lines serves it
        import http.server
        import threading

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.headers["X-Job"] == "1"
                body = json.dumps({"id_token": token}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            source = {
                "url": f"http://127.0.0.1:{server.server_port}/",
                "headers": {"X-Job": "1"},
                "format": as_json,
            }
            credentials = identity_pool.Credentials.from_info(_config(google, source), scopes=SCOPES)
            credentials.refresh(Request())
            server.shutdown()
            thread.join()
    else:
        credentials = identity_pool.Credentials.from_info(_config(google, source), scopes=SCOPES)
        credentials.refresh(Request())
    assert credentials.token.startswith("ya29.")


def test_google_auth_with_an_executable(google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "print-token"
    answer = {
        "version": 1,
        "success": True,
        "token_type": "urn:ietf:params:oauth:token-type:jwt",
        "id_token": google.emulator.token(),
        "expiration_time": 4_000_000_000,
    }
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    source = {"executable": {"command": str(program), "timeout_millis": 30000}}
    credentials = pluggable.Credentials.from_info(_config(google, source), scopes=SCOPES)
    credentials.refresh(Request())
    assert credentials.token.startswith("ya29.")


def test_google_auth_default(google: Google, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(google.emulator.token())
    (tmp_path / "config.json").write_text(json.dumps(_config(google, {"file": str(tmp_path / "token")})))
    code = (
        "import google.auth, google.auth.transport.requests as t\n"
        "credentials, project = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])\n"
        "credentials.refresh(t.Request())\n"
        "assert project == 'acme-prod' and credentials.token.startswith('ya29.')\n"
    )
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "config.json"),
        "GOOGLE_CLOUD_PROJECT": "acme-prod",
    }
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=60)


def test_iam_credentials_over_rest_and_grpc(google: Google) -> None:
    federated = identity_pool.Credentials.from_info(
        {
            key: value
            for key, value in _config(google, {"file": "unused"}).items()
            if key not in ("service_account_impersonation_url", "credential_source")
        }
        | {"subject_token_supplier": _Supplier(google.emulator.token())},
        scopes=SCOPES,
    )
    federated.refresh(Request())
    name = f"projects/-/serviceAccounts/{ACCOUNT}"
    from google.cloud.iam_credentials_v1.services.iam_credentials.transports import (
        IAMCredentialsGrpcTransport,
        IAMCredentialsRestTransport,
    )

    rest = iam_credentials_v1.IAMCredentialsClient(
        transport=IAMCredentialsRestTransport(
            host=google.emulator.host, url_scheme="http", credentials=BearerCredentials(federated.token)
        )
    )
    assert rest.generate_access_token(name=name, scope=SCOPES).access_token.startswith("ya29.")
    answer = rest.generate_id_token(name=name, audience="https://service.example", include_email=True)
    assert answer.token.count(".") == 2
    with grpc.insecure_channel(google.emulator.grpc) as channel:
        client = iam_credentials_v1.IAMCredentialsClient(transport=IAMCredentialsGrpcTransport(channel=channel))
        metadata = [("authorization", f"Bearer {federated.token}")]
        answer = client.generate_access_token(name=name, scope=SCOPES, metadata=metadata)
        assert answer.access_token.startswith("ya29.")
        with pytest.raises(exceptions.Unauthenticated):
            client.generate_access_token(name=name, scope=SCOPES)


class _Supplier(identity_pool.SubjectTokenSupplier):
    def __init__(self, token: str) -> None:
        self.token = token

    def get_subject_token(self, context: Any, request: Any) -> str:
        return self.token


def test_an_impersonated_account_administers_what_its_roles_allow(google: Google) -> None:
    google.provision(
        accounts={ACCOUNT: [str(Principal.attribute(google.provider.pool, "project", PROJECT_ID))]},
        roles={"acme-prod": {"roles/iam.serviceAccountCreator": [f"serviceAccount:{ACCOUNT}"]}},
    )
    info = _config(google, {"file": "unused"})
    del info["credential_source"]
    credentials = identity_pool.Credentials.from_info(
        info | {"subject_token_supplier": _Supplier(google.emulator.token())}, scopes=SCOPES
    )
    credentials.refresh(Request())
    metadata = [("authorization", f"Bearer {credentials.token}")]
    with grpc.insecure_channel(google.emulator.grpc) as channel:
        client = iam_admin_v1.IAMClient(transport=IAMGrpcTransport(channel=channel))
        request = {"name": "projects/acme-prod", "account_id": "deploy-two"}
        made = client.create_service_account(request=request, metadata=metadata)
        with pytest.raises(exceptions.PermissionDenied, match=r"iam\.serviceAccounts\.delete"):
            client.delete_service_account(request={"name": made.name}, metadata=metadata)
