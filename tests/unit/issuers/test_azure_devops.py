"""Manifests of Azure DevOps's two issuers: what is refused and warned about. Who gets in: tests/support/kinds."""

from typing import Any

import pytest
from rules import manifest

from gcp_wif.federation import compile_manifest, evaluate
from gcp_wif.issuers import profile
from gcp_wif.issuers.azure_devops import ENTRA_AUDIENCE
from gcp_wif.manifest import ManifestError

ORGANIZATION = "0ca3ddd9-f0b0-4635-a98c-5866526961b6"
TENANT = "ff882432-09b0-437b-bd22-ca13c0037ded"
PROJECT = "271ef6f7-5998-4b0f-86fb-4b54d9129990"
CONNECTION = "64171687-7a59-4fce-b2c8-823278dcf176"
STRANGER = "11111111-2222-4333-8444-555555555555"
URI = "https://github.com/acme/app.git"
ISSUER = {"kind": "azure-devops", "organization_id": ORGANIZATION}
ENTRA = {**ISSUER, "tenant_id": TENANT}
IDENTITIES = {
    "deploy": {"allow": [{"project_id": PROJECT, "definition_id": "1", "branch": "main"}]},
    "release": {"allow": [{"project_id": PROJECT, "definition_id": "1", "tag": "v1"}]},
    "repository": {"allow": [{"project_id": PROJECT, "repository_uri": URI}]},
    "checks": {"allow": [{"project_id": PROJECT}], "allow_pull_requests": True},
}
CONNECTED = {"deploy": {"allow": [{"service_connection_id": CONNECTION}]}}
ALL = {"deploy", "repository", "checks"}


def test_the_subject_fits_for_the_longest_names() -> None:
    sample = profile("azure-devops").sample
    pipeline = compile_manifest(manifest(IDENTITIES, ISSUER)).rules
    names = f"p://{'o' * 50}/{'p' * 64}/{'d' * 260}"
    found = evaluate(sample({"sub": names, "def_id": "2147483647"}, 1_800_000_000), pipeline)
    assert found.subject == f"{PROJECT}/2147483647"
    connection = evaluate(sample({}, 1_800_000_000, issuer="entra"), compile_manifest(manifest(CONNECTED, ENTRA)).rules)
    assert connection.subject == f"{ORGANIZATION}/{CONNECTION}"


def test_the_old_issuers_end_is_told_with_its_date() -> None:
    assert any("1 July 2027" in each for each in compile_manifest(manifest(IDENTITIES, ISSUER)).warnings)
    assert not any("2027" in each for each in compile_manifest(manifest(CONNECTED, ENTRA)).warnings)


def test_audiences_follow_what_the_tokens_say() -> None:
    assert compile_manifest(manifest(IDENTITIES, ISSUER)).rules.allowed_audiences == ("api://AzureADTokenExchange",)
    assert compile_manifest(manifest(CONNECTED, ENTRA)).rules.allowed_audiences == (ENTRA_AUDIENCE,)
    for audience in ([], ["gcp"]):
        warnings = compile_manifest(manifest(IDENTITIES, {**ISSUER, "audience": audience})).warnings
        assert any("always say api://AzureADTokenExchange" in each for each in warnings)


@pytest.mark.parametrize(
    ("issuer", "rule", "words"),
    [
        (ISSUER, {"definition_id": "1"}, "must name at least one project_id, service_connection_id"),
        (ISSUER, {"project_id": "app"}, "a UUID in lower case"),
        (ISSUER, {"project_id": PROJECT, "definition_id": "deploy"}, "must be a number"),
        (ISSUER, {"service_connection_id": CONNECTION}, "without issuer.tenant_id"),
        (ENTRA, {"project_id": PROJECT}, "does not say project_id"),
        (ENTRA, {"service_connection_id": CONNECTION, "branch": "main"}, "does not say ref"),
    ],
)
def test_what_is_refused(issuer: dict[str, Any], rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest({"deploy": {"allow": [rule]}}, issuer)
    assert any(words in f"{each.key} {each.message}" for each in caught.value.problems), caught.value.problems


def test_a_token_of_the_other_issuer_is_explained() -> None:
    known = profile("azure-devops")
    pipeline = compile_manifest(manifest(IDENTITIES, ISSUER)).rules.issuer
    entra = compile_manifest(manifest(CONNECTED, ENTRA)).rules.issuer
    assert "pipeline itself" in str(known.explain_issuer(pipeline, entra))
    assert "service connection" in str(known.explain_issuer(entra, pipeline))
    other = known.explain_issuer(pipeline.replace(ORGANIZATION, STRANGER), pipeline)
    assert other is not None
    assert other.other_tenant
