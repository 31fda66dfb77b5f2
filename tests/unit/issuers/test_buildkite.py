"""Who gets in with a token of Buildkite's, and who does not: tokens that a person would think of."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from grants import world
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
ALL = {"deploy", "slug"}


Granted = Callable[[Mapping[str, Any]], set[str]]


@pytest.fixture(scope="module")
def granted() -> Iterator[Granted]:
    with world(IDENTITIES, ISSUER) as asked:
        yield asked


@pytest.mark.parametrize(
    ("change", "who"),
    [
        pytest.param({}, ALL, id="the job that was meant"),
        pytest.param({"organization_id": STRANGER}, set(), id="another organisation, the same slugs"),
        pytest.param({"organization_id": None}, set(), id="a token that was asked for without the claim"),
        pytest.param({"organization_slug": "renamed-inc"}, ALL, id="the organisation was renamed"),
        pytest.param(
            {"organization_id": STRANGER, "organization_slug": "acme-inc"}, set(), id="its old slug was taken"
        ),
        pytest.param({"pipeline_slug": "renamed"}, {"deploy"}, id="the pipeline was renamed"),
        pytest.param({"pipeline_id": STRANGER}, {"slug"}, id="another pipeline has taken the slug"),
        pytest.param({"pipeline_id": STRANGER, "pipeline_slug": "other"}, set(), id="another pipeline"),
        pytest.param({"build_branch": "dev"}, set(), id="another branch"),
        pytest.param({"build_branch": "main", "build_tag": "main"}, set(), id="a tag named like the branch"),
        pytest.param({"build_branch": "v1.0.0", "build_tag": "v1.0.0"}, {"release"}, id="the tag"),
        pytest.param({"build_branch": "v1.0.0"}, set(), id="a branch named like the tag"),
        pytest.param({"build_branch": "refs/heads/main"}, set(), id="a branch named like the ref"),
        pytest.param({"build_branch": "some-user:main"}, set(), id="a fork's main, with the prefix switched on"),
        pytest.param({"step_key": "test"}, {"slug"}, id="another step of the pipeline"),
        pytest.param({"step_key": None}, {"slug"}, id="a step without a key"),
        pytest.param({"step_key": "deploy/refs/heads/main", "build_branch": "x"}, set(), id="a key that holds a ref"),
        pytest.param({"cluster_id": CLUSTER, "queue_id": QUEUE}, {*ALL, "queue"}, id="the queue of the cluster"),
        pytest.param({"cluster_id": CLUSTER, "queue_id": STRANGER}, ALL, id="another queue"),
        pytest.param({"cluster_id": STRANGER, "queue_id": QUEUE}, ALL, id="another cluster"),
        pytest.param({"sub": PIPELINE}, ALL, id="a subject of the job's own choice"),
        pytest.param({"aud": "https://buildkite.com/acme-inc"}, set(), id="a token for somebody else"),
        pytest.param({"iss": "https://agent.buildkite.com/"}, set(), id="another issuer"),
    ],
)
def test_who_gets_in(change: dict[str, Any], who: set[str], granted: Granted) -> None:
    assert granted(profile("buildkite").sample({**OURS, **change}, 1_800_000_000)) == who


def test_the_subject_fits_for_the_longest_names() -> None:
    rules = compile_manifest(manifest(IDENTITIES, ISSUER)).rules
    long = {"organization_slug": "o" * 100, "pipeline_slug": "p" * 100, "build_branch": "main", "step_key": "deploy"}
    found = evaluate(profile("buildkite").sample(OURS | long, 1_800_000_000), rules)
    assert len(found.principals) > 1
    assert found.subject is not None
    assert len(found.subject.encode()) == 36


def test_a_slug_as_the_tenant_works_and_is_warned_about() -> None:
    issuer, sample = {"kind": "buildkite", "organization_slug": "acme-inc"}, profile("buildkite").sample
    with world(IDENTITIES, issuer) as asked:
        assert asked(sample(OURS, 1_800_000_000)) == ALL
        assert asked(sample({**OURS, "organization_slug": "acme"}, 1_800_000_000)) == set()
    warnings = compile_manifest(manifest(IDENTITIES, issuer)).warnings
    assert any("organization_slug is a name" in each for each in warnings)
    assert not any(
        "organization_slug is a name" in each for each in compile_manifest(manifest(IDENTITIES, ISSUER)).warnings
    )


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
