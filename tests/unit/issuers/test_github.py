"""GitHub's profile: its issuers, the two forms of `sub`, what fits into google.subject, and what a manifest may say."""

import pytest
from kinds.github import HOST, MANIFEST, OWNER

from gcp_wif.ci import system
from gcp_wif.ci.asking_server import check_address
from gcp_wif.ci.github import _hosts
from gcp_wif.errors import InputError
from gcp_wif.federation import compile_manifest, evaluate
from gcp_wif.issuers import profile, profile_of, profile_of_url, shared_tenant_claims
from gcp_wif.manifest import Manifest, ManifestError

GITHUB = profile("github")
KEYS = {"owner_id": OWNER}


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        (None, HOST),
        (f"{HOST}/", HOST),
        (f"{HOST}/octo-enterprise", f"{HOST}/octo-enterprise"),
        ("https://ghes.example", "https://ghes.example/_services/token"),
        ("https://ghes.example:8443/", "https://ghes.example:8443/_services/token"),
        ("https://ghes.example/_services/token", "https://ghes.example/_services/token"),
        ("https://octocorp.ghe.com", "https://token.actions.octocorp.ghe.com"),
        ("https://token.actions.octocorp.ghe.com/octocorp", "https://token.actions.octocorp.ghe.com/octocorp"),
    ],
)
def test_an_issuer_is_known_by_its_url(url: str | None, issuer: str) -> None:
    made = GITHUB.issuer(KEYS, url, None)
    assert (made.url, made.audiences, made.tenant) == (issuer, (), (("repository_owner_id", OWNER),))
    assert profile_of_url(issuer) is GITHUB
    assert GITHUB.keys_of_url(issuer) == ({} if issuer == HOST else {"url": issuer})


@pytest.mark.parametrize("url", ["https://evil.example", f"{HOST}.evil.example", "https://x/_services/token/x"])
def test_other_urls_are_not(url: str) -> None:
    assert profile_of_url(url) is not GITHUB


def test_strangers_have_the_same_issuer() -> None:
    pins = ("repository_owner_id", "repository_id", "enterprise_id")
    assert shared_tenant_claims(HOST) == shared_tenant_claims(f"{HOST}/slug") == pins


def test_a_token_is_known_by_what_it_says_whatever_its_issuer() -> None:
    assert profile_of(GITHUB.sample({"iss": "https://elsewhere.example"}, 0)) is GITHUB


@pytest.mark.parametrize(
    ("claims", "options", "subject"),
    [
        ({}, {}, "repo:octo-org/octo-repo:ref:refs/heads/main"),
        ({}, {"subject": "ids"}, "repo:octo-org@9919/octo-repo@559365297:ref:refs/heads/main"),
        ({"environment": "Production:V1"}, {}, "repo:octo-org/octo-repo:environment:Production%3AV1"),
        ({"event_name": "pull_request"}, {"subject": "ids"}, "repo:octo-org@9919/octo-repo@559365297:pull_request"),
        ({"ref": "refs/tags/demo"}, {}, "repo:octo-org/octo-repo:ref:refs/tags/demo"),
        ({"sub": "repository_id:1"}, {}, "repository_id:1"),
    ],
    ids=str,
)
def test_a_sample_has_githubs_subject(claims: dict[str, str], options: dict[str, str], subject: str) -> None:
    assert GITHUB.sample(claims, 0, **options)["sub"] == subject


@pytest.mark.parametrize("form", ["names", "ids"])
def test_the_longest_names_fit(form: str) -> None:
    """An owner has at most 39 characters, a repository 100, a ref and an environment 255; IDs are 64 bits."""
    longest = {
        "repository": f"{'o' * 39}/{'r' * 100}", "ref": "refs/heads/" + "\u00e9" * 120, "environment": "e" * 255,
        "repository_id": str(2**64 - 1), "repository_owner_id": OWNER, "actor_id": str(2**64 - 1), "actor": "a" * 39,
    }  # fmt: skip
    compiled = compile_manifest(Manifest.parse(MANIFEST, origin="m"))
    claims = GITHUB.sample(longest, 0, subject=form)
    assert len(claims["sub"].encode()) > 127
    subject = evaluate(claims, compiled.rules).subject
    assert subject is not None
    assert len(subject.encode()) <= 127


def test_a_rename_and_a_transfer_change_nothing_in_it() -> None:
    by_id = MANIFEST[: MANIFEST.index("[identities.shared]")]  # that one names a workflow, by its repository's name
    compiled = compile_manifest(Manifest.parse(by_id, origin="m"))
    before = evaluate(GITHUB.sample({}, 0), compiled.rules)
    assert before.refusal is None
    for name in ("octo-org/new-name", "new-org/octo-repo"):
        assert evaluate(GITHUB.sample({"repository": name}, 0, subject="ids"), compiled.rules) == before


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        (f"{HOST}/acme", HOST, "include_enterprise_slug"),
        (HOST, f"{HOST}/acme", "include_enterprise_slug"),
        (f"{HOST}/other", f"{HOST}/acme", "another GitHub enterprise"),
        ("https://ghes.example/_services/token", HOST, "another GitHub than"),
        ("https://token.actions.a.ghe.com", "https://token.actions.b.ghe.com", "another GitHub than"),
    ],
)
def test_why_two_issuers_differ(found: str, wanted: str, words: str) -> None:
    why = GITHUB.explain_issuer(found, wanted)
    assert why is not None
    assert words in why.why
    assert why.other_tenant is ("another" in why.why)


def problems(rule: str, *more: str, issuer: str = f'owner_id = "{OWNER}"') -> set[str]:
    head = MANIFEST[: MANIFEST.index("[identities.deploy]")].replace(f'owner_id = "{OWNER}"', issuer)
    text = f'{head}[identities.one]\ndirect = true\nproject_id = "acme-prod"\nallow = [{rule}]\n' + "\n".join(more)
    try:
        Manifest.parse(text, origin="m")
    except ManifestError as error:
        return {problem.code for problem in error.problems}
    return set()


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ('{ repository_id = "1" }', set()),
        ('{ repository = "acme/app", branch = "main" }', set()),
        ('{ branch = "main" }', {"WIF706"}),
        ('{ environment = "production" }', {"WIF706"}),
        ('{ actor_id = "1" }', {"WIF706"}),
        ('{ repository_id = "acme/app" }', {"WIF704"}),
        ("{ repository_id = 1 }", {"WIF704"}),
        ('{ repository = "app" }', {"WIF704"}),
        ('{ repository_id = "1", branch = "refs/heads/main" }', {"WIF704"}),
        ('{ repository_id = "1", ref = "main" }', {"WIF704"}),
        ('{ repository_id = "1", branch = "release/*" }', {"WIF704"}),
        ('{ repository_id = "1", branch = "main", tag = "v1" }', {"WIF705"}),
        ('{ repository_id = "1", event = "pull_request_target" }', {"WIF705"}),
        ('{ project_id = "1" }', {"WIF702", "WIF706"}),
    ],
)
def test_what_rules_may_say(rule: str, codes: set[str]) -> None:
    assert problems(rule) == codes


def test_the_guards_own_jobs_can_be_asked_for_where_it_is_lifted() -> None:
    rule = '{ repository_id = "1", event = "pull_request_target" }'
    assert problems(rule, "allow_pull_request_target = true") == set()


def test_the_owner_is_needed_and_is_an_id() -> None:
    rule = '{ repository_id = "1" }'
    assert problems(rule, issuer="") == {"WIF703"}
    assert problems(rule, issuer='owner_id = "octo-org"') == {"WIF704"}
    assert problems(rule, issuer='organization_id = "x"') == {"WIF703", "WIF705"}


def test_a_rule_on_a_name_is_warned_about() -> None:
    assert "names can be re-used" in (GITHUB.rule_warning(frozenset({"repository", "ref"})) or "")
    assert GITHUB.rule_warning(frozenset({"repository_id", "repository"})) is None


@pytest.mark.parametrize(
    ("server", "url", "good"),
    [
        (None, "https://run-actions-1-azure-eastus.actions.githubusercontent.com/x?a=1", True),
        ("https://github.com", "https://vstoken.actions.githubusercontent.com/x", True),
        ("https://ghes.example", "https://ghes.example/_services/pipelines/x", True),
        ("https://ghes.example", "https://pipelines.ghes.example/x", True),
        ("https://ghes.example", "https://xghes.example/x", False),
        ("https://ghes.example", "https://pipelines.actions.githubusercontent.com/x", False),
        ("https://octocorp.ghe.com", "https://run.actions.octocorp.ghe.com/x", True),
        ("https://octocorp.ghe.com", "https://run.actions.evil.ghe.com/x", False),
        ("nonsense", "https://evil.example/x", False),
    ],
)
def test_a_jobs_secret_goes_to_its_own_github(server: str | None, url: str, good: bool) -> None:
    hosts = _hosts({"GITHUB_SERVER_URL": server} if server else {})
    if good:
        check_address(url, hosts, variable="X", system="GitHub")
        return
    with pytest.raises(InputError) as caught:
        check_address(url, hosts, variable="X", system="GitHub")
    assert caught.value.code == "WIF214"


def test_what_a_job_knows_of_its_tenant() -> None:
    github = system("github")
    job = {"GITHUB_REPOSITORY_OWNER_ID": "1", "GITHUB_SERVER_URL": "https://ghes.example"}
    assert github.tenant(job).keys == {"owner_id": "1", "url": "https://ghes.example"}
    assert github.tenant({"GITHUB_REPOSITORY_OWNER_ID": "1"}).keys == {"owner_id": "1"}
    assert not github.tenant({}).keys
