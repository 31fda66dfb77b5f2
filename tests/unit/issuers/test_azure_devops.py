"""Who gets in with a token of Azure DevOps's, and who does not: tokens that a person would think of."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from grants import world
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


Granted = Callable[[Mapping[str, Any]], set[str]]


@pytest.fixture(scope="module")
def granted() -> Iterator[Granted]:
    with world(IDENTITIES, ISSUER) as asked:
        yield asked


@pytest.fixture(scope="module")
def connected() -> Iterator[Granted]:
    with world(CONNECTED, ENTRA) as asked:
        yield asked


@pytest.mark.parametrize(
    ("change", "who"),
    [
        pytest.param({}, ALL, id="the job that was meant"),
        pytest.param({"organization": STRANGER}, set(), id="another organisation, the same names"),
        pytest.param({"org_id": STRANGER}, set(), id="another organisation in the claim alone"),
        pytest.param({"sub": "p://renamed/renamed/renamed"}, ALL, id="everything was renamed"),
        pytest.param({"prj_id": STRANGER}, set(), id="another project, its pipeline has the same number"),
        pytest.param({"def_id": "2"}, {"repository", "checks"}, id="another pipeline"),
        pytest.param({"def_id": "11"}, {"repository", "checks"}, id="a pipeline whose number begins the same"),
        pytest.param({"rpo_ref": "refs/heads/dev"}, {"repository", "checks"}, id="another branch"),
        pytest.param({"rpo_ref": "refs/tags/main"}, {"repository", "checks"}, id="a tag named like the branch"),
        pytest.param({"rpo_ref": "refs/tags/v1"}, {"release", "repository", "checks"}, id="the tag"),
        pytest.param({"rpo_ref": "refs/pull/7/merge"}, {"checks"}, id="a pull request, maybe of a fork"),
        pytest.param({"rpo_ref": None}, {"repository", "checks"}, id="a classic release, which builds no ref"),
        pytest.param({"rpo_uri": "https://github.com/evil/app.git"}, {"deploy", "checks"}, id="another repository"),
        pytest.param({"aud": "api://AzureADTokenExchangeUSGov"}, set(), id="another cloud"),
        pytest.param({"iss": f"https://vstoken.dev.azure.com/{STRANGER}"}, set(), id="another issuer, our claims"),
        pytest.param(
            {"sub": "sc://acme/app/google", "prj_id": None, "def_id": None, "org_id": None, "rpo_ref": None}, set(),
            id="a service connection's token of the old issuer",
        ),
        pytest.param({"def_id": 1}, {"repository", "checks"}, id="a number instead of text"),
    ],
)  # fmt: skip
def test_who_gets_in(change: dict[str, Any], who: set[str], granted: Granted) -> None:
    assert granted(profile("azure-devops").sample(change, 1_800_000_000)) == who


def sub(tenant: str = "MiSI_7AJe0O9IsoTwAN97Q", app: str = "rISbSSETf0KqFyZ8ppdXmA", rest: str = "") -> str:
    return f"/eid1/c/pub/t/{tenant}/a/{app}/sc/{rest or f'{ORGANIZATION}/{CONNECTION}'}"


@pytest.mark.parametrize(
    ("change", "who"),
    [
        pytest.param({}, {"deploy"}, id="the connection"),
        pytest.param({"sub": sub()}, {"deploy"}, id="the connection, as a published token has it"),
        pytest.param({"connection": STRANGER}, set(), id="another connection of the organisation"),
        pytest.param({"organization": STRANGER}, set(), id="another organisation of the tenant, the same ID"),
        pytest.param({"tenant": STRANGER}, set(), id="another tenant"),
        pytest.param({"tid": STRANGER}, set(), id="another tenant in the claim alone"),
        pytest.param({"sub": sub(app="A" * 22)}, set(), id="another application of the tenant"),
        pytest.param({"sub": sub(tenant="A" * 22)}, set(), id="a subject of another tenant"),
        pytest.param({"sub": "9246576b-c9b6-441d-a0ca-796721fd971e"}, set(), id="a managed identity of the tenant"),
        pytest.param({"sub": f"{sub()}/x"}, set(), id="a longer subject"),
        pytest.param({"sub": sub(rest=f"{ORGANIZATION}/x/{CONNECTION}")}, set(), id="one more part before it"),
        pytest.param({"aud": "api://AzureADTokenExchange"}, set(), id="the audience's other spelling"),
        pytest.param({"aud": "00000003-0000-0000-c000-000000000000"}, set(), id="a token for Microsoft Graph"),
        pytest.param({"prj_id": PROJECT, "def_id": "1"}, {"deploy"}, id="claims that nobody reads"),
    ],
)
def test_who_gets_in_with_a_service_connection(change: dict[str, Any], who: set[str], connected: Granted) -> None:
    assert connected(profile("azure-devops").sample(change, 1_800_000_000, issuer="entra")) == who


def test_the_two_issuers_do_not_take_each_others_tokens(granted: Granted, connected: Granted) -> None:
    sample = profile("azure-devops").sample
    assert connected(sample({}, 1_800_000_000)) == set()
    assert granted(sample({}, 1_800_000_000, issuer="entra")) == set()


def test_the_subject_fits_for_the_longest_names() -> None:
    sample = profile("azure-devops").sample
    pipeline = compile_manifest(manifest(IDENTITIES, ISSUER)).rules
    names = f"p://{'o' * 50}/{'p' * 64}/{'d' * 260}"
    found = evaluate(sample({"sub": names, "def_id": "2147483647"}, 1_800_000_000), pipeline)
    assert found.subject == f"{PROJECT}/2147483647"
    connection = evaluate(sample({}, 1_800_000_000, issuer="entra"), compile_manifest(manifest(CONNECTED, ENTRA)).rules)
    assert connection.subject == f"{ORGANIZATION}/{CONNECTION}"
    assert len(sub().encode()) == 138


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
