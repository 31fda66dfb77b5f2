"""GitLab's profile: its issuers, what fits into google.subject, merge requests of forks, what a manifest may say."""

import pytest
from kinds.gitlab import HOST, MANIFEST, PROJECT

from gcp_wif.federation import compile_manifest, evaluate
from gcp_wif.issuers import profile, profile_of, profile_of_url, shared_tenant_claims
from gcp_wif.manifest import Manifest, ManifestError

GITLAB = profile("gitlab")


def test_an_issuer_is_the_servers_url() -> None:
    assert GITLAB.issuer({}, None, None).url == HOST
    assert GITLAB.issuer({}, None, None).tenant_claims == ("namespace_id", "project_id") == shared_tenant_claims(HOST)
    own = GITLAB.issuer({}, "https://git.acme.example/gitlab/", ("x",))
    assert (own.url, own.audiences, own.tenant_claims) == ("https://git.acme.example/gitlab", ("x",), ())
    assert profile_of_url(HOST) is GITLAB
    assert profile_of_url("https://git.acme.example").kind == "oidc"
    assert profile_of(GITLAB.sample({"iss": "https://git.acme.example"}, 0)) is GITLAB


def test_a_sample_has_gitlabs_subject() -> None:
    assert GITLAB.sample({}, 0)["sub"] == "project_path:my-group/my-project:ref_type:branch:ref:main"
    tag = GITLAB.sample({"project_path": "a/b/c", "ref": "v1", "ref_type": "tag"}, 0)
    assert tag["sub"] == "project_path:a/b/c:ref_type:tag:ref:v1"
    assert (tag["namespace_path"], tag["ref_path"]) == ("a/b", "refs/tags/v1")


def test_the_longest_names_fit() -> None:
    """A path has at most 255 characters a part, and 20 parts; a ref 255; IDs are 64 bits."""
    longest = {
        "project_path": "/".join(["g" * 255] * 20), "ref": "\u00e9" * 120, "project_id": str(2**64 - 1),
        "user_id": str(2**64 - 1), "environment": "e" * 255,
    }  # fmt: skip
    compiled = compile_manifest(Manifest.parse(MANIFEST, origin="m"))
    claims = GITLAB.sample(longest, 0)
    assert len(claims["sub"].encode()) > 127
    subject = evaluate(claims, compiled.rules).subject
    assert subject is not None
    assert len(subject.encode()) <= 127


@pytest.mark.parametrize(
    ("claims", "stopped"),
    [
        ({}, False),
        ({"job_project_id": None}, False),
        ({"pipeline_source": "merge_request_event"}, False),
        ({"pipeline_source": "merge_request_event", "job_project_id": None}, True),
        ({"job_project_id": "900"}, True),
        ({"project_id": "666", "job_project_id": PROJECT}, True),
    ],
    ids=str,
)
def test_merge_requests_of_forks_are_told_by_the_project_that_runs_them(claims: dict, stopped: bool) -> None:
    assert (GITLAB.stopped_by(GITLAB.sample(claims, 0)) is not None) is stopped


def problems(rule: str, issuer: str = "") -> set[str]:
    head = MANIFEST[: MANIFEST.index("[identities.deploy]")].replace('kind = "gitlab"', f'kind = "gitlab"\n{issuer}')
    text = f'{head}[identities.one]\ndirect = true\nproject_id = "acme-prod"\nallow = [{rule}]\n'
    try:
        Manifest.parse(text, origin="m")
    except ManifestError as error:
        return {problem.code for problem in error.problems}
    return set()


@pytest.mark.parametrize(
    ("rule", "cloud", "server"),
    [
        ('{ project_id = "1" }', set(), set()),
        ('{ namespace_id = "1", ref_protected = true }', set(), set()),
        ('{ namespace_id = "1", ref_protected = "false" }', set(), set()),
        ('{ branch = "main" }', {"WIF707"}, {"WIF706"}),
        ('{ user_id = "1" }', {"WIF707"}, {"WIF706"}),
        ("{ }", {"WIF706"}, {"WIF706"}),
        ('{ project_id = "1", ref_protected = "yes" }', {"WIF704"}, {"WIF704"}),
        ('{ project_id = "1", environment = true }', {"WIF704"}, {"WIF704"}),
        ('{ project_id = "group/project" }', {"WIF704"}, {"WIF704"}),
        ('{ project_id = "1", ref = "main" }', {"WIF704"}, {"WIF704"}),
        ('{ project_id = "1", branch = "release-*" }', {"WIF704"}, {"WIF704"}),
        ('{ project_id = "1", branch = "main", tag = "v1" }', {"WIF705"}, {"WIF705"}),
    ],
)
def test_what_rules_may_say(rule: str, cloud: set[str], server: set[str]) -> None:
    assert problems(rule) == cloud
    assert problems(rule, 'url = "https://git.acme.example"') == server
