"""Who gets in with a token of Bitbucket's, and who does not: tokens that a person would think of."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from grants import world
from rules import manifest

from gcp_wif.federation import compile_manifest, evaluate
from gcp_wif.issuers import profile
from gcp_wif.issuers.bitbucket import audience_of
from gcp_wif.manifest import ManifestError

WORKSPACE = "{6f1d2c3b-0a9b-4c8d-8e7f-1a2b3c4d5e6f}"
REPOSITORY = "{b1c2d3e4-1111-4222-8333-444455556666}"
PRODUCTION = "{c0c1c2c3-1111-4222-8333-444455556666}"
STAGING = "{d0d1d2d3-1111-4222-8333-444455556666}"
STRANGER = "{11111111-2222-4333-8444-555555555555}"
ISSUER = {"kind": "bitbucket", "workspace": "acme", "workspace_uuid": WORKSPACE}
IDENTITIES = {
    "deploy": {"allow": [{"repository_uuid": REPOSITORY, "branch": "main"}]},
    "production": {"allow": [{"repository_uuid": REPOSITORY, "deployment_environment_uuid": PRODUCTION}]},
    "both": {"allow": [{"repository_uuid": REPOSITORY, "branch": "main", "deployment_environment_uuid": PRODUCTION}]},
}
THEIRS = "https://api.bitbucket.org/2.0/workspaces/evil/pipelines-config/identity/oidc"


Granted = Callable[[Mapping[str, Any]], set[str]]


@pytest.fixture(scope="module")
def granted() -> Iterator[Granted]:
    with world(IDENTITIES, ISSUER) as asked:
        yield asked


@pytest.mark.parametrize(
    ("change", "who"),
    [
        pytest.param({}, {"deploy"}, id="the branch"),
        pytest.param({"deploymentEnvironmentUuid": PRODUCTION}, {"deploy", "production", "both"}, id="the deployment"),
        pytest.param({"deploymentEnvironmentUuid": STAGING}, {"deploy"}, id="another environment"),
        pytest.param(
            {"branchName": "dev", "deploymentEnvironmentUuid": PRODUCTION}, {"production"}, id="from another branch"
        ),
        pytest.param({"branchName": "dev"}, set(), id="another branch"),
        pytest.param({"branchName": None}, set(), id="a tag's pipeline: no branch is built"),
        pytest.param({"branchName": "refs/heads/main"}, set(), id="a branch named like the ref"),
        pytest.param({"branchName": "Main"}, set(), id="a branch in other letters"),
        pytest.param({"repositoryUuid": STRANGER}, set(), id="another repository"),
        pytest.param({"repositoryUuid": REPOSITORY.strip("{}")}, set(), id="the repository without braces"),
        pytest.param(
            {"workspace": "evil", "workspaceUuid": STRANGER}, set(), id="another workspace, a repository of that name"
        ),
        pytest.param({"workspaceUuid": STRANGER}, set(), id="somebody else has taken the workspace's name"),
        pytest.param({"workspace": "renamed"}, set(), id="the workspace was renamed: its issuer is another"),
        pytest.param(
            {"workspace": "forker", "workspaceUuid": STRANGER, "repositoryUuid": STRANGER},
            set(),
            id="a fork's pipeline",
        ),
        pytest.param({"iss": THEIRS, "aud": audience_of(WORKSPACE)}, set(), id="another workspace, our audience"),
        pytest.param({"aud": "sts.amazonaws.com"}, set(), id="a token for somebody else"),
        pytest.param({"aud": ["sts.amazonaws.com", audience_of(WORKSPACE)]}, {"deploy"}, id="several audiences"),
        pytest.param({"stepUuid": STRANGER, "pipelineUuid": STRANGER}, {"deploy"}, id="the next run"),
        pytest.param({"branchName": f"main/{PRODUCTION}"}, set(), id="a branch that holds the environment"),
    ],
)
def test_who_gets_in(change: dict[str, Any], who: set[str], granted: Granted) -> None:
    assert granted(profile("bitbucket").sample(change, 1_800_000_000)) == who


def test_the_subject_always_fits() -> None:
    rules = compile_manifest(manifest(IDENTITIES, ISSUER)).rules
    found = evaluate(profile("bitbucket").sample({"deploymentEnvironmentUuid": PRODUCTION}, 1_800_000_000), rules)
    assert found.subject is not None
    assert len(found.subject.encode()) == 116


def test_its_audience_is_the_workspace() -> None:
    rules = compile_manifest(manifest(IDENTITIES, ISSUER)).rules
    assert rules.allowed_audiences == ("ari:cloud:bitbucket::workspace/6f1d2c3b-0a9b-4c8d-8e7f-1a2b3c4d5e6f",)


@pytest.mark.parametrize(
    ("issuer", "identities", "words"),
    [
        ({"kind": "bitbucket", "workspace": "acme"}, IDENTITIES, "issuer.workspace_uuid is needed"),
        ({**ISSUER, "workspace_uuid": WORKSPACE.strip("{}")}, IDENTITIES, "in braces"),
        (ISSUER, {"deploy": {"allow": [{"repository_uuid": REPOSITORY.strip("{}")}]}}, "in braces"),
        (ISSUER, {"deploy": {"allow": [{"branch": "main"}]}}, "must name at least one repository_uuid"),
    ],
)
def test_what_is_refused(issuer: dict[str, Any], identities: dict[str, Any], words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest(identities, issuer)
    assert any(words in f"{each.key} {each.message}" for each in caught.value.problems), caught.value.problems


def test_a_token_of_another_workspace_is_explained() -> None:
    known = profile("bitbucket")
    wanted = compile_manifest(manifest(IDENTITIES, ISSUER)).rules.issuer
    found = known.explain_issuer(THEIRS, wanted)
    assert found is not None
    assert found.other_tenant
    assert "evil" in found.why
    assert "renamed" in found.why
    assert known.explain_issuer(wanted, wanted) is None
