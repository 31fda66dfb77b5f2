"""What was not seen is unknown, and saved answers are taken for what they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google_setup import ACCOUNT, PROVIDER
from provisioned import MANIFEST
from rules import circleci_claims

from gcp_wif.doctor import Evidence, Report, diagnose
from gcp_wif.doctor.sources import from_files, from_manifest
from gcp_wif.errors import InputError
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.manifest import Manifest
from gcp_wif.names import Principal

NOW = 1_800_000_000.0
HEADER = {"alg": "RS256", "kid": "k"}
PROVIDER_JSON = {
    "name": str(PROVIDER),
    "state": "ACTIVE",
    "attributeMapping": {
        "google.subject": "assertion.sub",
        "attribute.project": "assertion['oidc.circleci.com/project-id']",
    },
    "attributeCondition": f"attribute.project == '{PROJECT_ID}' && assertion['oidc.circleci.com/ssh-rerun'] == false",
    "oidc": {
        "issuerUri": f"https://oidc.circleci.com/org/{ORGANIZATION_ID}",
        "allowedAudiences": [ORGANIZATION_ID],
    },
}
POLICY_JSON = {
    "bindings": [
        {
            "role": "roles/iam.workloadIdentityUser",
            "members": [str(Principal.attribute(PROVIDER.pool, "project", PROJECT_ID))],
        }
    ]
}
Saved = Callable[..., dict[str, Path]]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def make(**documents: Any) -> dict[str, Path]:
        paths = {}
        for name, document in documents.items():
            paths[name] = tmp_path / f"{name}.json"
            paths[name].write_text(json.dumps(document))
        return paths

    return make


def job(**changes: Any) -> Evidence:
    return Evidence(NOW, header=HEADER, claims=circleci_claims(changes, NOW))


def planned(identity: str = "deploy", **changes: Any) -> Evidence:
    return from_manifest(job(**changes), Manifest.parse(MANIFEST, origin="gcp-wif.toml"), identity)


def states(report: Report) -> dict[str, str]:
    return {link.name: link.state for link in report.links}


def test_nothing_seen_is_all_unknown() -> None:
    report = diagnose(Evidence(NOW))
    assert set(states(report).values()) == {"unknown"}
    assert {each.level for each in report.findings} == {"unknown"}


def test_a_saved_provider_names_itself(saved: Saved) -> None:
    report = diagnose(from_files(job(), saved(provider=PROVIDER_JSON, policy=POLICY_JSON)))
    assert states(report)["condition"] == states(report)["binding"] == "fine"
    other = diagnose(from_files(job(project="x"), saved(provider=PROVIDER_JSON)))
    assert other.broken is not None
    assert (other.broken.code, other.broken.link) == ("WIF508", "condition")
    assert "attribute.project is 'x'" in (other.broken.found or "")


def test_a_saved_account_names_itself(saved: Saved) -> None:
    report = diagnose(from_files(job(), saved(account={"email": ACCOUNT, "disabled": True})))
    assert report.broken is not None
    assert report.broken.code == "WIF523"
    assert report.broken.fix == (f"gcloud iam service-accounts enable {ACCOUNT}",)


def test_saved_answers_say_nothing_of_apis(saved: Saved) -> None:
    files = saved(provider=PROVIDER_JSON, policy=POLICY_JSON, account={"email": ACCOUNT})
    api = next(link for link in diagnose(from_files(job(), files)).links if link.name == "api")
    assert api.state == "unknown"
    assert "--live" in api.detail


def test_what_the_manifest_would_make_is_not_taken_for_googles(saved: Saved) -> None:
    before = diagnose(planned())
    assert states(before)["binding"] == "fine"
    after = diagnose(from_files(planned(), saved(provider=PROVIDER_JSON)))
    assert states(after)["binding"] == states(after)["account"] == "unknown"
    assert {"WIF993", "WIF994"} <= {each.code for each in after.findings if each.level == "unknown"}


def test_an_account_that_the_manifest_does_not_make_is_unseen() -> None:
    assert states(diagnose(planned("deploy")))["account"] == "fine"
    legacy = diagnose(planned("legacy", project="55aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"))
    assert states(legacy)["account"] == "unknown"
    assert legacy.broken is None


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("provider", {}),
        ("provider", PROVIDER_JSON | {"oidc": []}),
        ("provider", PROVIDER_JSON | {"oidc": {"issuerUri": None}}),
        ("provider", PROVIDER_JSON | {"oidc": {"issuerUri": "https://x", "allowedAudiences": 5}}),
        ("provider", PROVIDER_JSON | {"oidc": {"issuerUri": "https://x", "allowedAudiences": [5]}}),
        ("provider", PROVIDER_JSON | {"attributeMapping": [1]}),
        ("provider", PROVIDER_JSON | {"attributeMapping": {"google.subject": 1}}),
        ("provider", PROVIDER_JSON | {"attributeCondition": 5}),
        ("provider", {key: value for key, value in PROVIDER_JSON.items() if key != "name"}),
        ("provider", POLICY_JSON),
        ("pool", PROVIDER_JSON),
        ("pool", POLICY_JSON),
        ("account", POLICY_JSON),
        ("policy", {"bindings": {}}),
    ],
)
def test_a_file_of_something_else_is_refused(name: str, document: Any, saved: Saved) -> None:
    with pytest.raises(InputError) as refused:
        from_files(job(), saved(**{name: document}))
    assert refused.value.code == "WIF917"


def test_a_condition_of_the_manifest_is_mended_in_the_manifest() -> None:
    found = diagnose(planned(**{"oidc.circleci.com/vcs-ref": "refs/heads/release/1"})).broken
    assert found is not None
    rule = f'{{ project = "{PROJECT_ID}", branch = "release/1" }}'
    assert f"add to allow of [identities.deploy]: {rule}" in found.fix[-1]
    assert found.fix[0] == "Run this job where `deploy` admits it: branch main."
    tag = diagnose(planned(**{"oidc.circleci.com/vcs-ref": "refs/tags/v1"})).broken
    assert tag is not None
    assert 'tag = "v1"' in tag.fix[-1]
    rerun = diagnose(planned(**{"oidc.circleci.com/ssh-rerun": True})).broken
    assert rerun is not None
    assert "allow_ssh_rerun = true" in rerun.fix[-1]


def test_the_line_that_fixes_does_fix() -> None:
    ref = {"oidc.circleci.com/vcs-ref": "refs/heads/release/1"}
    found = diagnose(planned(**ref)).broken
    assert found is not None
    rule = found.fix[-1].partition("[identities.deploy]: ")[2].partition(";")[0]
    text = MANIFEST.replace("allow = [\n", f"allow = [\n  {rule},\n", 1)
    evidence = from_manifest(job(**ref), Manifest.parse(text, origin="gcp-wif.toml"), "deploy")
    assert diagnose(evidence).broken is None


def test_a_difference_between_google_and_the_manifest(saved: Saved) -> None:
    same = planned()
    google = {"name": str(PROVIDER)} | dict(same.provider_state)  # type: ignore[call-overload]  # a mapping here
    policy = {"bindings": [{"role": each.role, "members": list(each.members)} for each in same.policy or ()]}

    def drifts(provider: Any, policy: Any) -> list[tuple[str, str | None]]:
        report = diagnose(from_files(same, saved(provider=provider, policy=policy)))
        return [(each.link, each.found) for each in report.findings if each.code == "WIF961"]

    assert drifts(google, policy) == []
    assert drifts(google | {"attributeCondition": "true"}, policy) == [("condition", "true")]
    mapping = dict(google["attributeMapping"]) | {"attribute.extra": "'x'"}
    assert drifts(google | {"attributeMapping": mapping}, policy) == [("mapping", "'x'")]
    assert [link for link, _ in drifts(google | {"oidc": {"issuerUri": "https://x"}}, policy)] == ["issuer", "audience"]
    assert [link for link, _ in drifts(google, {"bindings": []})] == ["binding"]
