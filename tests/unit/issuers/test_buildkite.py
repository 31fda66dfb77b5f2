"""Manifests of Buildkite's kind: what is refused and warned about, the subject. Who gets in: tests/support/kinds."""

from typing import Any

import pytest
from rules import manifest

from gcp_wif.federation import compile_manifest, evaluate
from gcp_wif.issuers import profile
from gcp_wif.manifest import ManifestError

ORGANIZATION = "f892efa9-103e-4d28-97a1-3b8616a0994d"
PIPELINE = "0184990a-4782-42b5-afc1-16715b10b1f0"
CLUSTER = "0191f956-042f-7ec4-aa62-8e5eeae396d0"
QUEUE = "0191f956-62da-7515-b79b-bdecb519aa32"
STRANGER = "11111111-2222-4333-8444-555555555555"
ISSUER = {"kind": "buildkite", "organization_id": ORGANIZATION}
AUDIENCE = (
    "https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/"
    "circleci-acme"
)
IDENTITIES = {
    "deploy": {"allow": [{"pipeline_id": PIPELINE, "branch": "main", "step_key": "deploy"}]},
    "release": {"allow": [{"pipeline_id": PIPELINE, "tag": "v1.0.0"}]},
    "queue": {"allow": [{"pipeline_id": PIPELINE, "cluster_id": CLUSTER, "queue_id": QUEUE}]},
    "slug": {"allow": [{"pipeline": "super-duper-app", "branch": "main"}]},
}
OURS: dict[str, Any] = {"aud": AUDIENCE, "step_key": "deploy"}


def test_the_subject_fits_for_the_longest_names() -> None:
    rules = compile_manifest(manifest(IDENTITIES, ISSUER)).rules
    long = {"organization_slug": "o" * 100, "pipeline_slug": "p" * 100, "build_branch": "main", "step_key": "deploy"}
    found = evaluate(profile("buildkite").sample(OURS | long, 1_800_000_000), rules)
    assert len(found.principals) > 1
    assert found.subject is not None
    assert len(found.subject.encode()) == 36


def test_a_slug_as_the_tenant_is_warned_about() -> None:
    warnings = compile_manifest(manifest(IDENTITIES, {"kind": "buildkite", "organization_slug": "acme-inc"})).warnings
    assert any("organization_slug is a name" in each for each in warnings)
    assert not any("organization_slug" in each for each in compile_manifest(manifest(IDENTITIES, ISSUER)).warnings)


def test_forks_are_spoken_of_since_no_claim_tells_them() -> None:
    warnings = compile_manifest(manifest(IDENTITIES, ISSUER)).warnings
    assert sum("fork" in each for each in warnings) == 1


@pytest.mark.parametrize(
    ("issuer", "identities", "words"),
    [
        ({"kind": "buildkite"}, IDENTITIES, "issuer.organization_id is needed, or organization_slug"),
        (ISSUER, {"deploy": {"allow": [{"branch": "main"}]}}, "must name at least one pipeline_id, pipeline"),
        (ISSUER, {"deploy": {"allow": [{"pipeline_id": PIPELINE, "branch": "main", "tag": "v1"}]}}, "exclusive"),
        (ISSUER, {"deploy": {"allow": [{"pipeline_id": "super-duper-app"}]}}, "a UUID in lower case"),
    ],
)
def test_what_is_refused(issuer: dict[str, Any], identities: dict[str, Any], words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest(identities, issuer)
    assert any(words in f"{each.key} {each.message}" for each in caught.value.problems), caught.value.problems
