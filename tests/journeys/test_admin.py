"""plan, apply and destroy as an admin runs them, on the emulator."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from provisioned import FOREIGN, LEGACY, MANIFEST, before, snapshot

from gcp_wif.emulator import Emulator

DEPLOY = "deploy@acme-prod.iam.gserviceaccount.com"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/circleci"


class Run:
    def __init__(self, cli: Any, emulator: Emulator, folder: Path) -> None:
        self.cli, self.emulator, self.path = cli, emulator, folder / "gcp-wif.toml"
        self.path.write_text(MANIFEST)

    def __call__(self, command: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        done = self.cli(command, "--manifest", str(self.path), *arguments, **(self.emulator.environ() | env))
        assert "Traceback" not in done.stderr
        return done

    def plan(self, *arguments: str) -> dict[str, Any]:
        done = self("plan", "--json", *arguments)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (1 if found["changes"] else 0)
        return found

    def edit(self, old: str, new: str) -> None:
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))


@pytest.fixture
def run(cli: Any, emulator: Emulator, tmp_path: Path) -> Run:
    before(emulator)
    return Run(cli, emulator, tmp_path)


@pytest.fixture
def applied(run: Run) -> Run:
    done = run("apply", "--yes")
    assert done.returncode == 0, done.stderr
    return run


def test_plan_shows_and_changes_nothing(run: Run) -> None:
    start = snapshot(run.emulator)
    found = run.plan()
    assert [(each["action"], each["kind"]) for each in found["changes"]] == [
        ("create", "pool"),
        ("create", "provider"),
        ("create", "account"),
        *[("policy", "policy")] * 4,
    ]
    assert snapshot(run.emulator) == start
    assert {call["method"] for call in run.emulator.requests()} <= {"GET", "GRPC"}
    told = run("plan").stdout
    assert told.splitlines()[-1] == "3 to create, 4 to change, 0 to destroy."
    assert f"+ create pool {POOL}" in told
    assert "+ grant  roles/run.developer to serviceAccount:deploy@acme-prod" in told


def test_without_a_manifest_init_is_named(cli: Any, emulator: Emulator) -> None:
    done = cli("plan", "--manifest", "/nowhere/gcp-wif.toml", **emulator.environ())
    assert done.returncode == 2
    assert "gcp-wif init" in done.stderr


def test_apply_and_then_nothing(applied: Run) -> None:
    found = applied.plan()
    assert found["changes"] == []
    assert found["stale_grants"] == []
    assert len(found["unchanged"]) == 8
    applied.emulator.gateway.clear_log()
    done = applied("apply", "--yes", "--json")
    assert json.loads(done.stdout)["done"] == []
    writes = ("create", "patch", "setIamPolicy", "undelete", "delete")
    assert not [call for call in applied.emulator.requests() if call["call"].endswith(writes)]


def test_the_calls_of_a_plan_that_finds_nothing(applied: Run) -> None:
    applied.emulator.gateway.clear_log()
    assert applied.plan()["changes"] == []
    accounts, projects = 2, 2
    assert len(applied.emulator.requests()) <= 2 + 2 * accounts + projects


def test_without_terminal_and_yes_nothing_is_done(run: Run) -> None:
    start = snapshot(run.emulator)
    done = run("apply")
    assert done.returncode == 2
    assert "WIF824" in done.stderr
    assert snapshot(run.emulator) == start


def answered(run: Run, command: str, answer: bytes) -> tuple[int, str]:
    """The exit code, and what is said, where somebody answers the prompt on a terminal."""
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "gcp_wif", command, "--manifest", str(run.path)]
    process = subprocess.Popen(
        arguments, env=run.cli.env | run.emulator.environ(), stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    told = b""
    try:
        while not told.endswith((b"[y/N]: ", b"to do it: ")):
            told += os.read(ours, 4096)
        os.write(ours, answer)
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:
                break
            told += chunk
            if not chunk:
                break
        return process.wait(60), told.decode()
    finally:
        process.kill()
        process.wait(10)
        os.close(ours)


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0), (b"YES\n", 0), (b"\x04", 1)])
def test_a_terminal_is_asked(answer: bytes, code: int, run: Run) -> None:
    found, told = answered(run, "apply", answer)
    assert found == code, told
    assert "Make 7 changes? [y/N]: " in told
    assert bool(run.emulator.state.pools.of_project("123456789012")) == (code == 0)


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 1), (b"yes\n", 1), (b"\n", 1), (b"destroy\n", 0)])
def test_destroy_asks_for_its_own_name(answer: bytes, code: int, applied: Run) -> None:
    """F: it asked "Make these 5 changes?", as for anything harmless."""
    found, told = answered(applied, "destroy", answer)
    assert found == code, told
    assert "This destroys 2 resources and revokes 6 grants. Type destroy to do it: " in told
    state = applied.emulator.state.pools.of_project("123456789012")["circleci"]
    assert (state.deleted_at is not None) == (code == 0)


def test_changes_are_shown_field_by_field(applied: Run) -> None:
    applied.edit('display_name = "CircleCI"', 'display_name = "Other"\ndescription = "of the tests"')
    applied.edit('branch = "main"', 'branch = "trunk"')
    applied.edit('"roles/run.viewer"]', '"roles/run.invoker"]')
    changes = {each["name"]: each for each in applied.plan()["changes"]}
    assert {each["field"]: (each["before"], each["after"]) for each in changes[POOL]["fields"]} == {
        "displayName": ("CircleCI", "Other"),
        "description": ("", "of the tests"),
    }
    assert [each["field"] for each in changes[f"{POOL}/providers/circleci-acme"]["fields"]] == ["attributeCondition"]
    grants = changes["projects/acme-prod"]["grant"]
    assert grants == [{"role": "roles/run.invoker", "member": f"serviceAccount:{DEPLOY}"}]
    assert applied("apply", "--yes").returncode == 0
    left = applied.plan()
    assert left["changes"] == []
    revoked = [(each["role"], each["member"]) for change in left["stale_grants"] for each in change["revoke"]]
    assert len(revoked) == 2  # the old branch's principal set, and roles/run.viewer


def test_what_is_no_longer_named_is_reported_and_pruned_with_prune_alone(applied: Run) -> None:
    applied.edit(', "roles/run.viewer"', "")
    text = applied.path.read_text()
    applied.path.write_text(
        text.replace(text[text.index("[identities.legacy]") : text.index("[identities.reader]")], "")
    )
    told = applied("plan")
    assert told.returncode == 1  # the condition is narrower now
    assert "--prune revokes them" in told.stdout
    assert applied("apply", "--yes").returncode == 0
    policy = applied.emulator.state.accounts.get(LEGACY).policy
    assert "attribute.project/55aa" in str(policy.bindings)
    pruned = applied.plan("--prune")["changes"]
    assert {each["name"] for each in pruned} == {
        f"projects/acme-prod/serviceAccounts/{LEGACY}",
        "projects/acme-prod",
    }
    assert applied("apply", "--prune", "--yes").returncode == 0
    assert "attribute.project/55aa" not in str(policy.bindings)
    assert "roles/run.viewer" not in str(applied.emulator.state.project_policy("acme-prod").bindings)
    _assert_foreign(applied.emulator)
    assert applied.plan("--prune")["changes"] == []


def _assert_foreign(emulator: Emulator) -> None:
    state = emulator.state
    for policy in (
        state.project_policy("acme-prod"),
        state.project_policy("acme-staging"),
        state.accounts.get(LEGACY).policy,
    ):
        text = json.dumps(policy.bindings)
        for binding in FOREIGN:
            assert all(member in text for member in binding["members"])
        assert "this year" in text


def test_a_disabled_or_deleted_pool_and_provider_come_back(applied: Run) -> None:
    state = snapshot(applied.emulator)
    assert applied("destroy", "--yes").returncode == 0
    assert snapshot(applied.emulator)["pools"][POOL]["state"] == "DELETED"
    _assert_foreign(applied.emulator)
    found = applied.plan()["changes"]
    assert [each["action"] for each in found[:2]] == ["undelete", "undelete"]
    applied.edit('display_name = "CircleCI"', 'display_name = "Back"')
    assert applied("apply", "--yes").returncode == 0
    applied.edit('display_name = "Back"', 'display_name = "CircleCI"')
    assert applied("apply", "--yes").returncode == 0
    assert snapshot(applied.emulator) == state
    for pool in applied.emulator.state.pools.of_project("123456789012").values():
        pool.content["disabled"] = True
        pool.providers["circleci-acme"].content["disabled"] = True
    assert len(applied.plan()["changes"]) == 2
    assert applied("apply", "--yes").returncode == 0
    assert snapshot(applied.emulator) == state


def test_destroy_takes_what_the_manifest_owns_and_nothing_else(applied: Run) -> None:
    told = applied("destroy")
    assert told.returncode == 2  # shown, and not done without --yes
    assert f"- delete pool {POOL}" in told.stderr
    assert applied("destroy", "--yes", "--accounts").returncode == 0
    emails = [each.email for each in applied.emulator.state.accounts.all()]
    assert emails == [LEGACY]
    text = json.dumps([each.bindings for each in applied.emulator.state._policies()])
    assert "workloadIdentityPools" not in text
    assert DEPLOY not in text.replace(f"deleted:serviceAccount:{DEPLOY}", "")
    _assert_foreign(applied.emulator)
    again = applied("destroy", "--json")  # there is nothing to ask about, either
    assert (again.returncode, json.loads(again.stdout)["done"]) == (0, [])
    assert "Nothing to destroy." in again.stderr


def test_a_pool_with_another_provider_stays(applied: Run) -> None:
    pool = applied.emulator.state.pools.of_project("123456789012")["circleci"]
    other = {"oidc": {"issuerUri": "https://x.example"}, "attributeMapping": {"google.subject": "assertion.sub"}}
    applied.emulator.state.pools.add("123456789012", "circleci", "other", other)
    assert "other" in applied("plan").stderr
    assert applied("destroy", "--yes").returncode == 0
    assert pool.deleted_at is None
    assert pool.providers["circleci-acme"].deleted_at is not None
    assert pool.providers["other"].deleted_at is None


def test_keys_that_somebody_uploaded_are_taken_away(applied: Run) -> None:
    provider = applied.emulator.state.pools.of_project("123456789012")["circleci"].providers["circleci-acme"]
    provider.content["oidc"]["jwksJson"] = '{"keys": []}'
    changes = applied.plan()["changes"]
    assert [each["field"] for each in changes[0]["fields"]] == ["oidc.jwksJson"]
    assert applied("apply", "--yes").returncode == 0
    assert "jwksJson" not in provider.content["oidc"]


def test_an_account_that_is_missing_and_not_to_be_created(run: Run) -> None:
    run.emulator.state.accounts.remove(run.emulator.state.accounts.get(LEGACY))
    done = run("plan")
    assert done.returncode == 1
    assert LEGACY in done.stderr
    assert "create = true" in done.stderr


def test_a_wrong_project_number(run: Run) -> None:
    run.edit("123456789012", "123456789013")
    done = run("plan")
    assert done.returncode == 1
    assert 'project_number = "123456789012"' in done.stderr


def test_a_broken_manifest_names_every_problem(run: Run) -> None:
    run.path.write_text(MANIFEST.replace('id = "circleci"', 'id = "UPPER"\nidd = 1').replace("branch", "brunch"))
    done = run("plan")
    assert done.returncode == 2
    for words in ("pool.id", "pool.idd", "did you mean id", "allow[0].brunch", "did you mean branch"):
        assert words in done.stderr


@pytest.mark.parametrize(
    ("fault", "words", "code"),
    [
        ({"disabled_services": ["iam.googleapis.com"]}, "gcloud services enable iam.googleapis.com --project=", 1),
        (
            {"disabled_services": ["cloudresourcemanager.googleapis.com"]},
            "gcloud services enable cloudresourcemanager.googleapis.com --project=",
            1,
        ),
        ({"issuer_allow_list": []}, "constraints/iam.workloadIdentityPoolProviders", 1),
        ({"missing_projects": ["acme-staging"]}, "resourcemanager.projects.getIamPolicy", 1),
    ],
    ids=str,
)
def test_what_is_in_the_way_is_named_with_its_fix(fault: dict[str, Any], words: str, code: int, run: Run) -> None:
    run.emulator.faults(**fault)
    done = run("apply", "--yes")
    assert done.returncode == code
    assert words in done.stderr
    run.emulator.faults(disabled_services=[], issuer_allow_list=None, missing_projects=[])
    assert run("apply", "--yes").returncode == 0


def _impersonating(run: Run, roles: dict[str, list[str]], tmp_path: Path) -> list[str]:
    """An admin account with these roles, which the caller may impersonate by application default credentials."""
    admin = "administrator@acme-admin.iam.gserviceaccount.com"
    caller = "caller@acme-admin.iam.gserviceaccount.com"
    state = run.emulator.state
    for email in (admin, caller):
        state.accounts.put(email, state.project_id)
    token = {"roles/iam.serviceAccountTokenCreator": [f"serviceAccount:{caller}"]}
    state.grant_roles(state.accounts.get(admin).policy, token)
    for project in ("acme-prod", "acme-staging", "acme-identity"):
        state.grant_roles(
            state.project_policy(project), {role: [f"serviceAccount:{admin}"] for role in roles.get(project, [])}
        )
    from google_setup import Google

    from gcp_wif.names import Principal

    google = Google(run.emulator, account=caller)  # type: ignore[arg-type]
    google.provider = google.provider._replace(pool_id="admins")  # type: ignore[arg-type]
    google.provision(accounts={caller: [str(Principal.whole_pool(google.provider.pool))]})
    (tmp_path / "admin_token").write_text(run.emulator.token())
    http = run.emulator.http
    config = {
        "type": "external_account",
        "audience": google.provider.audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{http}/v1/token",
        "credential_source": {"file": str(tmp_path / "admin_token")},
        "service_account_impersonation_url": f"{http}/v1/projects/-/serviceAccounts/{caller}:generateAccessToken",
    }
    (tmp_path / "admin.json").write_text(json.dumps(config))
    return ["--impersonate-service-account", admin]


READER = {
    "acme-identity": ["roles/iam.workloadIdentityPoolViewer", "roles/browser"],
    "acme-prod": ["roles/iam.serviceAccountViewer", "roles/iam.securityReviewer"],
    "acme-staging": ["roles/iam.securityReviewer"],
}
WRITER = {
    "acme-identity": ["roles/iam.workloadIdentityPoolAdmin", "roles/browser"],
    "acme-prod": ["roles/iam.serviceAccountAdmin", "roles/resourcemanager.projectIamAdmin"],
    "acme-staging": ["roles/resourcemanager.projectIamAdmin"],
}


def test_plan_needs_to_read_alone_and_apply_says_what_it_lacks(run: Run, tmp_path: Path) -> None:
    flags = _impersonating(run, READER, tmp_path)
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "admin.json"), "GOOGLE_CLOUD_PROJECT": "acme-prod"}
    done = run("plan", *flags, **env)
    assert done.returncode == 1, done.stderr
    assert done.stdout.endswith("3 to create, 4 to change, 0 to destroy.\n")
    refused = run("apply", "--yes", *flags, **env)
    assert refused.returncode == 1
    assert "iam.workloadIdentityPools.create" in refused.stderr
    assert "gcloud projects add-iam-policy-binding acme-identity" in refused.stderr
    assert "roles/iam.workloadIdentityPoolAdmin" in refused.stderr


def test_an_admin_with_the_roles_that_are_named_applies(run: Run, tmp_path: Path) -> None:
    flags = _impersonating(run, WRITER, tmp_path)
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "admin.json"), "GOOGLE_CLOUD_PROJECT": "acme-prod"}
    done = run("apply", "--yes", *flags, **env)
    assert done.returncode == 0, done.stderr
    assert run("plan", *flags, **env).returncode == 0
    callers = {call["caller"] for call in run.emulator.requests() if call["call"].startswith("iam.")}
    assert callers == {"service account"}
    assert "ya29." not in done.stderr + done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_what_was_done_and_the_next_run_goes_on(number: signal.Signals, run: Run) -> None:
    run.emulator.faults({"match": {"call": "providers.create"}, "action": {"latency_ms": 3000}})
    # A test run in the background of a shell inherits an ignored SIGINT.
    program = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('gcp_wif', run_name='__main__')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "apply", "--yes", "--manifest", str(run.path)],
        env=run.cli.env | run.emulator.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not run.emulator.state.pools.of_project("123456789012") and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait(10)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert f"made: create pool {POOL}" in told
    assert "not made: create account" in told
    assert run("apply", "--yes").returncode == 0
    assert run.plan()["changes"] == []


def test_wait_until_a_real_exchange_gets_through(run: Run) -> None:
    token = run.emulator.token()
    done = run("apply", "--yes", "--wait", "--json", "--token-env", "JOB_TOKEN", JOB_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["propagation"] == {"shown": True, "exchanged": ["deploy"]}
    run.edit(', "roles/run.viewer"', "")
    stranger = run.emulator.token(project="99aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b")
    refused = run("apply", "--yes", "--wait", "--token-env", "JOB_TOKEN", JOB_TOKEN=stranger)
    assert refused.returncode == 1
    assert "WIF827" in refused.stderr
    assert token not in done.stdout + done.stderr


def test_a_job_of_each_identity_gets_exactly_its_own(applied: Run) -> None:
    def login(identity: str, **claims: Any) -> int:
        env = {"CIRCLE_OIDC_TOKEN": applied.emulator.token(**claims)}
        return applied("login", "--identity", identity, **env).returncode

    main = {"oidc.circleci.com/vcs-ref": "refs/heads/main"}
    other = {"oidc.circleci.com/vcs-ref": "refs/heads/other"}
    context = {"oidc.circleci.com/context-ids": ["c0ffee00-1234-4abc-9def-0123456789aa"]}
    assert login("deploy", **main) == 0
    assert login("deploy", **other) == 1
    assert login("deploy", **other, **context) == 0
    assert login("deploy", **main, **{"oidc.circleci.com/ssh-rerun": True}) == 1
    assert login("legacy", **main) == 1
    assert login("legacy", project="55aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b") == 0
    assert login("reader", project="77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b") == 0
    assert login("deploy", project="77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b") == 1


@pytest.fixture
def gcloud(require_client: Callable[..., str], run: Run, tmp_path: Path) -> Callable[..., Any]:
    program = require_client("gcloud", proves="that gcloud and apply make the same")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_PROJECT": "acme-identity",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{run.emulator.http}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": f"{run.emulator.http}/",
    }

    def call(*arguments: str) -> Any:
        command = [program, *arguments, "--format=json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (
            done.stderr,
            [(c["call"], c["path"], c["status"]) for c in run.emulator.requests()],
        )
        return json.loads(done.stdout) if done.stdout.strip() else None

    return call


@pytest.mark.client
def test_made_by_gcloud_nothing_is_to_be_done(run: Run, gcloud: Callable[..., Any]) -> None:
    plan = run.plan()
    provider = next(each for each in plan["changes"] if each["kind"] == "provider")
    fields = {each["field"]: each["after"] for each in provider["fields"]}
    pools = ("iam", "workload-identity-pools")
    gcloud(*pools, "create", "circleci", "--location=global", "--display-name=CircleCI")
    mapping = "^~^" + "~".join(f"{key}={value}" for key, value in fields["attributeMapping"].items())
    gcloud(
        *pools, "providers", "create-oidc", "circleci-acme", "--location=global", "--workload-identity-pool=circleci",
        f"--issuer-uri={fields['oidc.issuerUri']}", f"--allowed-audiences={fields['oidc.allowedAudiences'][0]}",
        f"--attribute-mapping={mapping}", f"--attribute-condition={fields['attributeCondition']}",
    )  # fmt: skip
    accounts = ("iam", "service-accounts")
    gcloud(*accounts, "create", "deploy", "--project=acme-prod", "--display-name=Deploy")
    for change in plan["changes"]:
        for grant in change.get("grant", []):
            flags = (f"--role={grant['role']}", f"--member={grant['member']}", "--condition=None")
            name = change["name"].rpartition("/")[2]
            if "serviceAccounts" in change["name"]:
                gcloud(*accounts, "add-iam-policy-binding", name, *flags)
            else:
                gcloud("projects", "add-iam-policy-binding", name, *flags)
    assert run.plan()["changes"] == []


@pytest.mark.client
def test_made_by_apply_gcloud_reads_the_same(applied: Run, gcloud: Callable[..., Any]) -> None:
    provider = gcloud(
        "iam", "workload-identity-pools", "providers", "describe", "circleci-acme", "--location=global",
        "--workload-identity-pool=circleci",
    )  # fmt: skip
    assert provider["state"] == "ACTIVE"
    assert "attribute.project_ref in" in provider["attributeCondition"]
    policy = gcloud("iam", "service-accounts", "get-iam-policy", DEPLOY)
    members = {each["role"]: each["members"] for each in policy["bindings"]}["roles/iam.workloadIdentityUser"]
    assert all(re.match(rf"principalSet://iam\.googleapis\.com/{POOL}/", member) for member in members)
    assert gcloud("iam", "service-accounts", "describe", DEPLOY)["displayName"] == "Deploy"
