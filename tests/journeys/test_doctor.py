"""`gcp-wif doctor` as people call it: from a job, a manifest, saved answers, an error; as tree, JSON and page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from doctor_corpus import MEMBER, NO_SSH, OTHER, Q, healthy
from google_setup import ACCOUNT, Google
from provisioned import MANIFEST
from rules import circleci_claims

from gcp_wif.cli.explanation import explain
from gcp_wif.cli.output import Terminal
from gcp_wif.codes import Code, all_codes
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.manifest import Manifest

SENTENCE = "The given credential is rejected by the attribute condition."
PRINTED = {
    "gcloud": "ERROR: (gcloud.auth.print-access-token) There was a problem refreshing your auth tokens: ('Error "
    f'code unauthorized_client: {SENTENCE}\', \'{{"error":"unauthorized_client"}}\')',
    "google-auth": f"google.auth.exceptions.OAuthError: ('Error code unauthorized_client: {SENTENCE}', '{{}}')",
    "Node": f"Error: Error code unauthorized_client: {SENTENCE}\n    at StsCredentials.exchangeToken",
    "Terraform": f'Error: oauth2/google: status code 400: {{"error":"x","error_description":"{SENTENCE}"}}',
}


@pytest.fixture
def job(google: Google) -> dict[str, str]:
    healthy(google)
    return google.job()


def document(cli: Any, *arguments: str, **env: str) -> dict[str, Any]:
    done = cli("doctor", *arguments, "--json", **env)
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if found["broken"] else 0), done.stderr
    return found


def test_a_job_that_works(cli: Any, job: dict[str, str]) -> None:
    assert cli("login", **job).returncode == 0
    found = document(cli, "--live", **job)
    assert found["findings"] == []
    assert {link["state"] for link in found["links"]} == {"fine"}
    assert found["attributes"][1]["value"] == PROJECT_ID
    assert any(principal.endswith(f"attribute.project/{PROJECT_ID}") for principal in found["principals"])


def test_in_the_job_googles_yes_shows_what_the_job_may_not_read(cli: Any, job: dict[str, str]) -> None:
    assert cli("login", **job).returncode == 0
    found = document(cli, **job)
    assert {link["state"] for link in found["links"]} == {"fine"}
    assert found["findings"] == []
    assert cli("doctor", **job).stdout.rstrip().endswith("Every link holds.")


ADMIN = [
    "gcloud iam workload-identity-pools providers describe projects/123456789012/locations/global/"
    "workloadIdentityPools/circleci/providers/circleci-acme --format=json > provider.json",
    f"gcloud iam service-accounts get-iam-policy {ACCOUNT} --project=acme-prod --format=json > policy.json",
]

REFUSED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "condition": ({"condition": f"{NO_SSH} && attribute.project == 'x'"}, "WIF508", "condition", "subject"),
    "binding": ({"accounts": {ACCOUNT: [MEMBER.replace(PROJECT_ID, OTHER)]}}, "WIF520", "binding", "principal"),
    "audience": ({"allowed_audiences": ["another"]}, "WIF503", "audience", "provider"),
    "subject": ({"mapping": {"google.subject": "assertion.sub.extract('no/{x}/')"}, "condition": NO_SSH}, "WIF509",
                "mapping", "provider"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_in_the_job_googles_no_stands_in_the_chain(name: str, cli: Any, google: Google, job: dict[str, str]) -> None:
    """D49: what Google decides before is fine, what it decides after is not known."""
    changes, code, link, last_fine = REFUSED[name]
    healthy(google, **changes)
    assert cli("login", **job).returncode == 1
    before = len(google.emulator.requests())
    found = document(cli, **job)
    paths = [each["path"] for each in google.emulator.requests()[before:]]
    assert 1 <= len(paths) <= 2, paths  # the exchange, and the impersonation where it came to that
    assert found["broken"] == code
    states = {each["name"]: each["state"] for each in found["links"]}
    assert (states[link], states[last_fine]) == ("broken", "fine")
    later = {name: state for name, state in list(states.items())[list(states).index(link) + 1 :] if name != last_fine}
    assert set(later.values()) == {"skipped"}
    first = found["findings"][0]
    assert [line for line in first["fix"] if line in ADMIN] == ADMIN
    assert not re.search(r"\b(NUMBER|POOL|PROVIDER|ACCOUNT|PROJECT_ID)\b", " ".join(first["fix"])), first["fix"]
    screen = cli("doctor", **job).stdout
    assert f"{code} {link}: " in screen.rpartition("\n\n")[2]
    assert job["CIRCLE_OIDC_TOKEN"] not in screen + json.dumps(found)


REF = "oidc.circleci.com/vcs-ref"
MAIN = "`deploy` admits branch main of project 1b7e2f90…"

IN_WORDS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "another branch": (
        {REF: "refs/heads/dev"},
        f"{MAIN}, or context c0ffee00… of project 1b7e2f90…; this job has branch dev.",
        ["Run this job where `deploy` admits it: branch main.", "Only if this job should be admitted, too:"],
    ),
    "a tag": (
        {REF: "refs/tags/v1"},
        f"{MAIN}, or context c0ffee00… of project 1b7e2f90…; this job has tag v1.",
        ["Run this job where `deploy` admits it: branch main.", "Only if this job should be admitted, too:"],
    ),
    "another project, of another identity": (
        {"oidc.circleci.com/project-id": "55aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"},
        "`deploy` admits project 1b7e2f90… of branch main, or context c0ffee00… of project 1b7e2f90…; this job has "
        "project 55aa2f90….",
        ["This job is the identity legacy: gcp-wif login --identity legacy",
         "Run this job where `deploy` admits it: project 1b7e2f90….", "Only if this job should be admitted, too:"],
    ),
    "a job that somebody is in": (
        {"oidc.circleci.com/ssh-rerun": True},
        "`deploy` keeps jobs that somebody re-ran with SSH out: a person is inside them, with the job's credentials in "
        "hand.",
        ["Run the job again as an ordinary one.", "Only if this job should be admitted, too:"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_WORDS)
def test_a_refusal_is_said_in_the_manifests_words(name: str, cli: Any, tmp_path: Path) -> None:
    """D53: what widens nobody's access stands before what does; the finding ends the screen, and begins the JSON."""
    import time

    claims, message, fixes = IN_WORDS[name]
    (tmp_path / "gcp-wif.toml").write_text(MANIFEST)
    (tmp_path / "claims.json").write_text(json.dumps(circleci_claims({}, time.time()) | claims))
    flags = ["--manifest", str(tmp_path / "gcp-wif.toml"), "--identity", "deploy"]
    flags += ["--claims", str(tmp_path / "claims.json")]
    first = document(cli, *flags)["findings"][0]
    assert first["message"] == message
    assert first["fix"][: len(fixes)] == fixes
    assert len(first["fix"]) > len(fixes)
    assert message in cli("doctor", *flags).stdout.rpartition("\n\n")[2]


def test_in_the_job_the_manifest_at_hand_says_whom_it_admits(cli: Any, google: Google, tmp_path: Path) -> None:
    """Without any rights: Google says that the condition is false, the manifest beside the job says why."""
    google.emulator.provision_as(Manifest.parse(MANIFEST, origin="test"))
    (tmp_path / "gcp-wif.toml").write_text(MANIFEST)
    job = google.job() | {"CIRCLE_OIDC_TOKEN": google.emulator.token(**{REF: "refs/heads/dev"})}
    assert cli("login", "--manifest", str(tmp_path / "gcp-wif.toml"), "--identity", "deploy", **job).returncode == 1
    cli.cwd = tmp_path
    found = json.loads(cli("doctor", "--json", **job).stdout)
    assert found["broken"] == "WIF508"
    assert found["findings"][0]["message"].endswith("this job has branch dev.")
    assert ADMIN[0] in found["findings"][0]["fix"]


def test_a_service_that_is_down_is_no_fault_of_the_setup(cli: Any, google: Google, job: dict[str, str]) -> None:
    assert cli("login", **job).returncode == 0
    google.emulator.faults({"match": {"path_regex": "/v1/token"}, "nth": "every", "action": {"status": 503}})
    done = cli("doctor", "--json", **job)
    found = json.loads(done.stdout)
    assert done.returncode == 3
    assert found["broken"] is None
    assert any(each["code"] == "WIF998" and "503" in each["message"] for each in found["findings"])


def test_a_config_that_another_program_wrote_is_looked_at(cli: Any, job: dict[str, str]) -> None:
    """google-github-actions/auth and gcloud name theirs in GOOGLE_APPLICATION_CREDENTIALS; a key file is none."""
    assert cli("login", **job).returncode == 0
    ours = Path(cli.env["HOME"], "gcp_cred_config.json")
    other = ours.rename(ours.with_name("gha-creds-1.json"))
    found = document(cli, GOOGLE_APPLICATION_CREDENTIALS=str(other), **job)
    assert {link["state"] for link in found["links"]} == {"fine"}
    other.write_text(json.dumps({"type": "service_account", "private_key": "x"}))
    assert document(cli, GOOGLE_APPLICATION_CREDENTIALS=str(other), **job)["broken"] is None
    assert "fine" not in {
        link["state"] for link in document(cli, GOOGLE_APPLICATION_CREDENTIALS="/none", **job)["links"]
        if link["name"] == "condition"
    }  # fmt: skip


def test_a_config_that_leads_elsewhere_is_not_asked(cli: Any, google: Google, job: dict[str, str]) -> None:
    assert cli("login", **job).returncode == 0
    path = Path(cli.env["HOME"], "gcp_cred_config.json")
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"token_url": "https://sts.example.com/v1/token"}))
    before = len(google.emulator.requests())
    done = cli("doctor", "--json", **{name: value for name, value in job.items() if "EMULATOR" not in name})
    assert any(each["code"] == "WIF998" for each in json.loads(done.stdout)["findings"]), done.stdout
    assert len(google.emulator.requests()) == before


def test_saved_answers_settle_it(cli: Any, google: Google, job: dict[str, str], tmp_path: Path) -> None:
    import requests

    http = google.emulator.http
    files = {"provider": f"{http}{Q}", "policy": f"{http}/v1/projects/-/serviceAccounts/{ACCOUNT}:getIamPolicy"}
    for name, url in files.items():
        verb = "POST" if name == "policy" else "GET"
        (tmp_path / f"{name}.json").write_text(requests.request(verb, url, timeout=10).text)
    flags = ["--provider-file", str(tmp_path / "provider.json"), "--policy-file", str(tmp_path / "policy.json")]
    token = job["CIRCLE_OIDC_TOKEN"]
    found = document(cli, *flags, **job)
    assert found["broken"] is None
    other = google.emulator.token(project=OTHER)
    found = document(cli, *flags, **(job | {"CIRCLE_OIDC_TOKEN": other}))
    assert found["broken"] == "WIF508"
    assert token not in json.dumps(found)


@pytest.mark.parametrize("client", PRINTED)
def test_an_error_of_any_client_is_recognised(client: str, cli: Any) -> None:
    done = cli("doctor", "--error", PRINTED[client])
    assert done.returncode == 1
    assert "WIF508" in done.stdout
    piped = cli("doctor", "--error", "-", stdin=PRINTED[client].encode())
    assert "WIF508" in piped.stdout


def test_an_error_with_a_token_at_hand_says_which_cause_holds(cli: Any, google: Google, job: dict[str, str]) -> None:
    healthy(google, condition=f"{NO_SSH} && attribute.project_id == 'x'")
    found = document(cli, "--live", "--error", PRINTED["gcloud"], **job)
    assert found["broken"] == "WIF911"
    assert "attribute.project" in found["findings"][0]["message"]


def test_an_error_of_gcp_wif_itself_is_no_sentence_of_googles(cli: Any) -> None:
    done = cli("doctor", "--error", "error WIF308: The exports cannot reach the next steps")
    assert "gcp-wif doctor --explain WIF308" in done.stderr


def test_a_dry_run_from_the_manifest_alone(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "gcp-wif.toml").write_text(MANIFEST)
    flags = ["--manifest", str(tmp_path / "gcp-wif.toml"), "--identity", "deploy"]
    path = tmp_path / "claims.json"

    def ask(**changes: Any) -> dict[str, Any]:
        import time

        path.write_text(json.dumps(circleci_claims(changes, time.time())))
        return document(cli, *flags, "--claims", str(path))

    main = ask()
    assert main["broken"] is None
    assert main["accounts"] == {"deploy": ACCOUNT}
    assert main["attributes"][0]["target"] == "google.subject"
    assert main["attributes"][0]["size"] == 127
    for name in ("iss", "aud"):
        without = ask(**{name: None})
        assert without["broken"] in {"WIF504", "WIF503"}
        assert "None" not in json.dumps(without["findings"])
        assert without["findings"][0]["found"] == "none"
        assert without["findings"][0]["fix"][0] == "Use the token that the CI system issues."
        assert "gcloud" not in json.dumps(without["findings"][0]["fix"])
    other = ask(**{"oidc.circleci.com/vcs-ref": "refs/heads/release/1"})
    assert other["broken"] == "WIF508"
    assert other["trace"][0]["value"] == "false"
    assert any(part["text"].startswith("attribute.project_ref in") for part in other["trace"])
    # Admitted, as it is another identity's token, but not for this one.
    legacy = ask(project="55aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b")
    assert legacy["broken"] == "WIF923"
    assert legacy["accounts"] == {"legacy": "legacy@acme-prod.iam.gserviceaccount.com"}


def test_login_ends_a_refusal_with_the_finding(cli: Any, google: Google, job: dict[str, str]) -> None:
    healthy(google, condition=f"{NO_SSH} && attribute.project == 'x'")
    done = cli("login", **job)
    assert done.returncode == 1
    assert SENTENCE in done.stderr
    assert f"oidc.circleci.com/project-id is {PROJECT_ID}" in done.stderr
    assert "gcp-wif doctor" in done.stderr
    assert job["CIRCLE_OIDC_TOKEN"] not in done.stderr


@pytest.mark.parametrize("row", all_codes(), ids=lambda row: row.code)
def test_every_code_is_explained(row: Code, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """D52."""
    explain(row.code, Terminal())
    text = capfdbinary.readouterr().out.decode()
    assert text.splitlines()[0] == f"{row.code}  {row.title}"
    assert row.cause in text
    assert all(f"  - {line}\n" in text for line in row.fix)
    assert f"Exit code: {row.exit_code} (" in text


def test_a_code_is_explained_to_people_and_programs(cli: Any) -> None:
    """D52."""
    text = cli("doctor", "--explain", "520").stdout
    assert text.startswith("WIF520  The principal may not impersonate the service account\n")
    assert "Google says: Permission 'iam.serviceAccounts.getAccessToken' denied on resource" in text
    assert "iamcredentials.googleapis.com, HTTP status 403, PERMISSION_DENIED" in text
    assert "Exit code: 1 (the answer is no)" in text
    found = json.loads(cli("doctor", "--explain", "wif508", "--json").stdout)
    assert (found["code"], found["exit_code"], found["google"]["sentence"]) == ("WIF508", 1, SENTENCE)
    assert all(isinstance(line, str) for line in found["fix"])
    own = json.loads(cli("doctor", "--explain", "wif911", "--json").stdout)
    assert (own["code"], own["google"]) == ("WIF911", None)


def test_a_code_that_there_is_not(cli: Any) -> None:
    done = cli("doctor", "--explain", "WIF000", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "WIF910"
    assert "WIF001  " in done.stderr


def test_nothing_to_look_at(cli: Any) -> None:
    done = cli("doctor")
    assert done.returncode == 2
    assert "WIF918" in done.stderr


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"bindings": 1}', '{"bindings": [1]}', '{"bindings": [{"members": [1]}]}']
)
def test_files_that_are_no_answers(text: str, cli: Any, job: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    done = cli("doctor", "--policy-file", str(tmp_path / "x.json"), **job)
    assert done.returncode == 2
    assert "WIF917" in done.stderr


ADVICE = {
    "WIF951": {"accounts": {ACCOUNT: [MEMBER.rpartition("/attribute.")[0] + "/*"]}},
    "WIF952": {
        "mapping": {"google.subject": "assertion.sub", "attribute.org_id": "assertion.aud"},
        "condition": NO_SSH,
        "accounts": {ACCOUNT: [MEMBER.replace(f"project/{PROJECT_ID}", f"org_id/{ORGANIZATION_ID}")]},
    },
    "WIF954": {"condition": f"{NO_SSH} && assertion['oidc.circleci.com/vcs-origin'].startsWith('github.com/acme')"},
    "WIF955": {
        "mapping": {"google.subject": "assertion.sub", "attribute.repo": "assertion['oidc.circleci.com/vcs-origin']"},
        "condition": NO_SSH,
        "accounts": {ACCOUNT: [MEMBER.replace(f"project/{PROJECT_ID}", "repo/github.com/acme/app")]},
    },
    "WIF956": {"condition": "true || true"},
}


@pytest.mark.parametrize("code", ADVICE)
def test_what_works_and_should_not_be_so(code: str, cli: Any, google: Google, job: dict[str, str]) -> None:
    healthy(google, **ADVICE[code])
    found = document(cli, "--live", **job)
    assert found["broken"] is None, found["findings"]
    assert [each["code"] for each in found["findings"]] == [code]
    assert found["findings"][0]["fix"]


def test_a_shared_issuer_without_a_condition(cli: Any, google: Google, job: dict[str, str]) -> None:
    healthy(google, issuer="https://oidc.circleci.com", condition="")
    token = google.emulator.token(iss="https://oidc.circleci.com")
    codes = [each["code"] for each in document(cli, "--live", **(job | {"CIRCLE_OIDC_TOKEN": token}))["findings"]]
    assert codes == ["WIF953", "WIF956"]


def test_two_providers_and_a_long_lifetime(cli: Any, google: Google, job: dict[str, str]) -> None:
    state = google.emulator.state
    state.pools.add("123456789012", "circleci", "other", {"oidc": {"issuerUri": "https://x"}})
    google.emulator.faults(long_lived_accounts=[ACCOUNT])
    flags = ["--service-account-token-lifetime-seconds", "7200"]
    assert cli("login", *flags, **job).returncode == 0
    codes = [each["code"] for each in document(cli, "--live", **job)["findings"]]
    assert codes == ["WIF957", "WIF958", "WIF522"]  # the last is unknown: the organisation policy cannot be seen


def test_an_api_that_is_off(cli: Any, google: Google, job: dict[str, str]) -> None:
    google.emulator.faults(disabled_services=["iam.googleapis.com"])
    found = document(cli, "--live", **job)
    assert found["broken"] == "WIF530"


def test_direct_federation(cli: Any, google: Google, job: dict[str, str]) -> None:
    healthy(google, roles={"acme-prod": {"roles/storage.objectViewer": [MEMBER]}})
    del job["GCP_SERVICE_ACCOUNT_EMAIL"]
    flags = ["--direct", "--project-id", "acme-prod", "--live"]
    assert document(cli, *flags, **job)["broken"] is None
    healthy(google, roles={"acme-prod": {"roles/storage.objectViewer": []}})
    found = document(cli, *flags, **job)
    assert found["broken"] is None  # roles may be granted on single resources, such as a bucket
    first = found["findings"][0]
    assert (first["code"], first["level"], first["link"]) == ("WIF928", "unknown", "binding")
    assert "add-iam-policy-binding acme-prod" in first["fix"][1]


NASTY = "<script>alert(1)</script>\"'&{{ x }}[= y =]"


def test_the_page_is_self_contained_and_escapes(cli: Any, google: Google, job: dict[str, str], tmp_path: Path) -> None:
    healthy(google, condition=f"{NO_SSH} && attribute.project == 'x'")
    token = google.emulator.token(nasty=NASTY)
    page = tmp_path / "report.html"
    done = cli("doctor", "--live", "--html", str(page), **(job | {"CIRCLE_OIDC_TOKEN": token}))
    assert done.returncode == 1
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?://(?!oidc\.circleci|iam\.googleapis)", text)
    assert token not in text
    assert '<div class="station broken" id="station-condition">' in text
    assert "<h1>Broken at the condition</h1>" in text
    described = re.search(r'<meta name="description" content="([^"]*)"', text)
    assert described is not None
    for fact in (
        "Provider: circleci-acme, pool circleci",
        f"Account: {ACCOUNT}",
        "Token: CIRCLE_OIDC_TOKEN",
        "Google: Read live",
    ):
        assert fact in described[1]


def test_the_page_names_where_the_token_came_from(cli: Any, job: dict[str, str], tmp_path: Path) -> None:
    assert cli("login", **job).returncode == 0
    del job["CIRCLE_OIDC_TOKEN"]
    (tmp_path / "claims.json").write_text(json.dumps(circleci_claims({}, 1)))
    page = tmp_path / "report.html"
    for flags, origin in (((), "/oidc_token"), (("--claims", str(tmp_path / "claims.json")), "/claims.json")):
        cli("doctor", *flags, "--html", str(page), **job)
        described = re.search(r"Token: ([^,]*), a token of CircleCI", page.read_text())
        assert described is not None
        assert described[1].endswith(origin)


def test_a_defect_of_the_doctor_does_not_hide_the_refusal(
    google: Google, job: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gcp_wif.doctor
    from gcp_wif.cli.job_steps import _with_finding
    from gcp_wif.errors import RefusedError

    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(gcp_wif.doctor, "diagnose", broken)
    error = RefusedError(SENTENCE, code="WIF508")
    assert _with_finding(error, tmp_path / "none.json", None, None) is error  # type: ignore[arg-type]
