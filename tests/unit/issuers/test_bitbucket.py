"""Manifests of Bitbucket's kind: what is refused, the subject, the audience. Who gets in: tests/support/kinds."""

from typing import Any

import pytest
from rules import manifest

from gcp_wif.federation import compile_manifest, evaluate
from gcp_wif.issuers import profile
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
