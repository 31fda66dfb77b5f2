"""Manifests that somebody wrote in good faith: none may admit more than its rules read, and none silently."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from rules import admitted

from gcp_wif.ci import system
from gcp_wif.ci.model import TokenRequest
from gcp_wif.errors import InputError
from gcp_wif.federation import CompiledFederation, compile_manifest
from gcp_wif.issuers import profile
from gcp_wif.manifest import Manifest, ManifestError

NOW = 1_790_000_000
ORGANIZATION, TENANT = "0ca3ddd9-f0b0-4635-a98c-5866526961b6", "ff882432-09b0-437b-bd22-ca13c0037ded"
CONNECTION = "64171687-7a59-4fce-b2c8-823278dcf176"


def compiled(issuer: str, identity: str, provider: str = "") -> CompiledFederation:
    text = f"""version = 1
[issuer]
{issuer}
[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "main-pool"
[provider]
id = "main-provider"
{provider}
[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
{identity}
"""
    return compile_manifest(Manifest.parse(text, origin="gcp-wif.toml"))


def codes(issuer: str, identity: str, provider: str = "") -> set[str]:
    try:
        compiled(issuer, identity, provider)
    except ManifestError as error:
        return {problem.code for problem in error.problems}
    return set()


@pytest.mark.parametrize("claims", [{"ref": "main"}, {"ref": "main", "namespace_id": "72"}], ids=str)
@pytest.mark.parametrize(
    ("source", "comes"), [("push", True), ("merge_request_event", False), ("parent_pipeline", False)]
)
def test_a_child_of_a_forks_merge_request_stays_out_where_no_claim_tells(
    claims: Mapping[str, Any], source: str, comes: bool
) -> None:
    """A server without `job_project_id` gives a fork's branch as the project's own, to child pipelines as well."""
    rules = compiled(
        'kind = "gitlab"\nurl = "https://git.acme.example"', 'allow = [{ project_id = "20", branch = "main" }]'
    )
    token = {"iss": "https://git.acme.example", "project_id": "20", "job_project_id": None, "pipeline_source": source}
    assert admitted(rules, profile("gitlab").sample({**token, **claims}, NOW)) == ({"deploy"} if comes else set())


def test_a_child_pipeline_comes_where_the_claims_tell() -> None:
    rules = compiled('kind = "gitlab"', 'allow = [{ project_id = "20", branch = "main" }]')
    token = profile("gitlab").sample({"project_id": "20", "pipeline_source": "parent_pipeline"}, NOW)
    assert admitted(rules, token) == {"deploy"}


STRANGER = profile("github").sample({"repository_owner_id": "666", "environment": "prod"}, NOW)


@pytest.mark.parametrize(
    ("condition", "refused"),
    [
        ("assertion.repository_owner_id == '9919'", False),
        ("'9919' == assertion.repository_owner_id", False),
        ('assertion["repository_owner_id"] in ["9919"]', False),
        ("assertion.environment == 'prod' // assertion.repository_owner_id == '9919'", True),
        ("// assertion.repository_owner_id == '9919'\nassertion.environment == 'prod'", True),
        ("assertion.environment != 'assertion.repository_owner_id'", True),
        ("assertion.repository_owner_id != ''", True),
        ("'' != assertion.repository_owner_id", True),
        ("has(assertion.repository_owner_id)", True),
    ],
)
def test_principals_are_pinned_by_code_and_not_by_words(condition: str, refused: bool) -> None:
    provider = f"""attribute_condition = {json.dumps(condition)}
attribute_mapping = {{ "google.subject" = "assertion.jti", "attribute.env" = "assertion.environment" }}"""
    github, identity = 'kind = "github"\nowner_id = "9919"', 'principals = ["attribute.env/prod"]'
    assert codes(github, identity, provider) == ({"WIF707"} if refused else set())
    if not refused:
        assert admitted(compiled(github, identity, provider), STRANGER) == set()


def test_the_program_that_somebody_signed_in_with_pins_nobody() -> None:
    """gcloud's own client ID stands in `azp` and `aud` of everybody who uses gcloud."""
    gcloud = "32555940559.apps.googleusercontent.com"
    google = f'kind = "oidc"\nurl = "https://accounts.google.com"\naudience = "{gcloud}"'
    assert codes(google, f'allow = [{{ azp = "{gcloud}" }}]') == {"WIF707"}
    assert codes(google, 'allow = [{ sub = "113774264463038321964" }]') == set()


@pytest.mark.parametrize(
    ("rule", "wide"),
    [
        ('{ iss = "https://idp.acme.example" }', True),
        ('{ aud = "gcp" }', True),
        ('{ iss = "https://idp.acme.example", aud = "gcp" }', True),
        ('{ aud = "gcp", sub = "deployer" }', False),
    ],
)
def test_what_all_tokens_of_an_issuer_say_admits_everybody(rule: str, wide: bool) -> None:
    own = 'kind = "oidc"\nurl = "https://idp.acme.example"\naudience = "gcp"'
    assert codes(own, f"allow = [{rule}]") == ({"WIF706"} if wide else set())
    assert codes(f'{own}\ntenant_claims = ["aud"]', 'allow = [{ aud = "gcp" }]') == set()


@pytest.mark.parametrize(
    "url",
    [
        "https://token.actions.githubusercontent%2ecom",
        "https://token.actions.githubusercontent\u3002com",
        "https://\uff54oken.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com?",
        "https://token.actions.githubusercontent.com#",
        "https://@token.actions.githubusercontent.com",
    ],
)
def test_an_issuers_host_is_spelled_as_tokens_spell_it(url: str) -> None:
    """Another spelling would hide that the issuer signs for others."""
    assert "WIF704" in codes(f'kind = "oidc"\nurl = {json.dumps(url)}\naudience = "gcp"', 'allow = [{ ref = "main" }]')


ENTRA = f'kind = "azure-devops"\norganization_id = "{ORGANIZATION}"\ntenant_id = "{TENANT}"'


@pytest.mark.parametrize(
    ("issuer", "rule", "word"),
    [
        (ENTRA, f'{{ service_connection_id = "{CONNECTION}" }}', "allow_pull_requests"),
        (
            'kind = "oidc"\nurl = "https://gitlab.com"\naudience = "gcp"', '{ project_id = "20", ref = "main" }',
            'kind = "gitlab"',
        ),
        (
            'kind = "oidc"\nurl = "https://token.actions.githubusercontent.com"\naudience = "gcp"',
            '{ repository_id = "5", ref = "refs/heads/main" }', 'kind = "github"',
        ),
        (
            f'kind = "circleci"\norganization_id = "{ORGANIZATION}"', f'{{ project = "{CONNECTION}" }}', "forks",
        ),
    ],
)  # fmt: skip
def test_jobs_of_strangers_that_no_guard_keeps_out_are_named(issuer: str, rule: str, word: str) -> None:
    assert any(word in warning for warning in compiled(issuer, f"allow = [{rule}]").warnings)


@pytest.mark.parametrize("server", ["github.com", "https://", "/", "octo"])
def test_a_server_without_a_host_is_not_everybodys(server: str) -> None:
    environ = {
        "GITHUB_SERVER_URL": server,
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://evil.example./token?x",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "a-secret-of-the-job",
    }
    with pytest.raises(InputError) as caught:
        system("github").ask(TokenRequest("gcp"), environ, None)
    assert caught.value.code == "WIF214"
