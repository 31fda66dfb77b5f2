"""The manifest: what it says, every problem at once, and nothing that would admit more than was meant."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.limits import MAX_MANIFEST_BYTES
from gcp_wif.manifest import Manifest, ManifestError, Rule

ORG = "8f3c1d52-1111-4222-8333-444455556666"
PROJECT, OTHER = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b", "77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
CONTEXT = "c0ff2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
ISSUER = f'kind = "circleci"\norganization_id = "{ORG}"'
OIDC = 'kind = "oidc"\nurl = "https://issuer.example"\naudience = "gcp"'
POOL = 'project_id = "acme-identity"\nproject_number = "123456789012"\nid = "circleci"'
PROVIDER = 'id = "circleci-acme"'
DEPLOY = f"""[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{{ project = "{PROJECT}" }}]
"""
CONTRACT = f"""
version = 1

[issuer]
kind = "circleci"
organization_id = "{ORG}"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "circleci"

[provider]
id = "circleci-acme"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
project_id = "acme-prod"
create = true
roles = ["roles/run.developer"]
allow = [
  {{ project = "{PROJECT}", branch = "main" }},
  {{ project = "{PROJECT}", context = "{CONTEXT}" }},
]

[identities.reader]
direct = true
project_id = "acme-staging"
roles = ["roles/storage.objectViewer"]
allow = [{{ project = "{OTHER}" }}]
"""


def text(issuer: str = ISSUER, pool: str = POOL, provider: str = PROVIDER, identities: str = DEPLOY) -> str:
    return f"version = 1\n[issuer]\n{issuer}\n[pool]\n{pool}\n[provider]\n{provider}\n{identities}\n"


def identity(body: str) -> str:
    return f'[identities.deploy]\nservice_account = "deploy@acme-prod.iam.gserviceaccount.com"\n{body}\n'


def parsed(data: str | bytes) -> Manifest:
    return Manifest.parse(data, origin="gcp-wif.toml")


def problems(data: str | bytes) -> dict[str, tuple[str, str]]:
    """Code and message by key."""
    with pytest.raises(ManifestError) as caught:
        parsed(data)
    assert caught.value.code == "WIF700"
    assert caught.value.exit_code == 2
    assert caught.value.problems
    for problem in caught.value.problems:
        assert problem.message in (caught.value.hint or "")
    assert len(set(caught.value.problems)) == len(caught.value.problems)
    return {problem.key: (problem.code, problem.message) for problem in caught.value.problems}


def allowed(rule: str, issuer: str = ISSUER) -> list[dict[str, str]]:
    made = parsed(text(issuer, identities=identity(f"allow = [{rule}]")))
    return [dict(each.terms) for each in made.identities["deploy"].allow]


def test_the_contract_s_example() -> None:
    made = parsed(CONTRACT)
    assert made.issuer.url == f"https://oidc.circleci.com/org/{ORG}"
    assert made.issuer.audiences == (ORG,)
    assert str(made.pool_name) == "projects/123456789012/locations/global/workloadIdentityPools/circleci"
    assert str(made.provider_name) == f"{made.pool_name}/providers/circleci-acme"
    deploy, reader = made.identities["deploy"], made.identities["reader"]
    assert (deploy.service_account, deploy.project_id) == ("deploy@acme-prod.iam.gserviceaccount.com", "acme-prod")
    assert deploy.create
    assert not deploy.direct
    assert not deploy.lifted
    assert deploy.roles == ("roles/run.developer",)
    assert deploy.allow == (
        Rule((("project", PROJECT), ("ref", "refs/heads/main"))),
        Rule((("context", CONTEXT), ("project", PROJECT))),
    )
    assert reader.direct
    assert reader.service_account is None
    assert reader.project_id == "acme-staging"


@pytest.mark.parametrize(
    "change", [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.replace(b"\n", b"\r\n"), bytes.decode]
)
def test_byte_order_mark_line_endings_and_text(change: Any) -> None:
    assert parsed(change(CONTRACT.encode())) == parsed(CONTRACT)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"version = 1\n# \xff", "not UTF-8 (byte 14)"),
        ("version = \n", "line 1"),
        ("version = 1\nversion = 1\n", "overwrite"),
        ("a = " + "[" * 100_000, ""),
        ("#" * (MAX_MANIFEST_BYTES + 1), "larger"),
    ],
)
def test_what_is_no_manifest_at_all(data: str | bytes, said: str) -> None:
    found = problems(data)
    assert list(found) == [""]
    assert found[""][0] == "WIF701"
    assert said in found[""][1]


def test_every_problem_at_once() -> None:
    found = problems(
        """
        verson = 1
        [issuer]
        kind = "circleci"
        organisation_id = "x"
        [pool]
        project_id = "123456789012"
        project_number = 123456789012
        id = "gcp-pool"
        [provider]
        id = "P"
        attribute_condition = 1
        [identities.deploy]
        service_account = "deploy"
        role = ["roles/owner"]
        roles = ["owner"]
        token_lifetime_seconds = 60
        allow = [{ project = "acme" }, { brunch = "main" }]
        [identities.reader]
        direct = true
        """
    )
    assert {key: code for key, (code, _) in found.items()} == {
        "verson": "WIF702",
        "version": "WIF703",
        "issuer.organisation_id": "WIF702",
        "issuer.organization_id": "WIF703",
        "pool.project_id": "WIF704",
        "pool.project_number": "WIF704",
        "pool.id": "WIF704",
        "provider.id": "WIF704",
        "provider.attribute_condition": "WIF704",
        "identities.deploy.service_account": "WIF704",
        "identities.deploy.role": "WIF702",
        "identities.deploy.roles": "WIF704",
        "identities.deploy.project_id": "WIF703",
        "identities.deploy.token_lifetime_seconds": "WIF704",
        "identities.deploy.allow[0].project": "WIF704",
        "identities.deploy.allow[1].brunch": "WIF702",
        "identities.deploy.allow[1]": "WIF706",
        "identities.reader.project_id": "WIF703",
        "identities.reader.allow": "WIF703",
    }
    assert "did you mean version?" in found["verson"][1]
    assert "did you mean branch?" in found["identities.deploy.allow[1].brunch"][1]
    assert "quotes" in found["pool.project_number"][1]


@pytest.mark.parametrize(
    "rule",
    [
        "{}",
        '{ branch = "main" }',
        '{ tag = "v1" }',
        f'{{ user = "{PROJECT}" }}',
        f'{{ user = "{PROJECT}", branch = "main" }}',
    ],
)
def test_a_rule_for_the_whole_organisation_is_refused(rule: str) -> None:
    found = problems(text(identities=identity(f"allow = [{{ project = '{PROJECT}' }}, {rule}]")))
    assert found["identities.deploy.allow[1]"][0] == "WIF706"


@pytest.mark.parametrize("body", ["", "allow = []", "allow = [{}]", "allow = {}", 'allow = "*"', "allow = [1]"])
@pytest.mark.parametrize("issuer", [ISSUER, OIDC])
def test_no_rule_is_never_everybody(body: str, issuer: str) -> None:
    assert all(key.startswith("identities.deploy.allow") for key in problems(text(issuer, identities=identity(body))))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('branch = "release/*"', "pattern"),
        ('branch = "v?"', "pattern"),
        ('branch = "[a]"', "pattern"),
        ('branch = ["main", "rel*"]', "pattern"),
        ('origin = "github.com/acme/*"', "pattern"),
        ('branch = "refs/heads/main"', "bare name"),
        ('ref = "main"', "must be a whole ref"),
        ('branch = ""', "none of them empty"),
        ("branch = []", "must not be empty"),
        ("branch = 1", "string"),
        ('branch = "ma in"', "no blanks"),
        ('branch = "main\\n"', "no blanks"),
        ('branch = "main\\u0000"', "printable"),
        ('branch = "ma\\u200bin"', "printable"),
        ('branch = "ma\\u202ein"', "printable"),
        (f'branch = "{"x" * 1001}"', "1000"),
        ('context = "prod"', "UUID"),
        (f'context = "{CONTEXT.upper()}"', "lower case"),
        ("context = []", "must not be empty"),
        ('user = "me"', "UUID"),
    ],
)
def test_values_that_no_principal_set_can_mean(value: str, said: str) -> None:
    name = value.partition(" ")[0]
    found = problems(text(identities=identity(f'allow = [{{ project = "{PROJECT}", {value} }}]')))
    assert list(found) == [f"identities.deploy.allow[0].{name}"]
    assert said in found[f"identities.deploy.allow[0].{name}"][1]


@pytest.mark.parametrize(("rule", "key"), [("{}", "allow[1]"), ('{ ref = "refs/heads/*" }', "allow[1].ref")])
def test_rules_for_another_issuer_that_are_refused(rule: str, key: str) -> None:
    found = problems(text(OIDC, identities=identity(f'allow = [{{ repo = "x" }}, {rule}]')))
    assert list(found) == [f"identities.deploy.{key}"]


def test_branch_tag_and_ref_exclude_each_other() -> None:
    rule = f'{{ project = "{PROJECT}", branch = "main", tag = "v1" }}'
    assert problems(text(identities=identity(f"allow = [{rule}]")))["identities.deploy.allow[0]"][0] == "WIF705"


def test_a_list_means_any_of_its_values() -> None:
    rule = f'{{ project = ["{PROJECT}", "{OTHER}", "{PROJECT}"], tag = ["v1", "v2"] }}'
    assert allowed(rule) == [
        {"project": project, "ref": f"refs/tags/{tag}"} for project in (PROJECT, OTHER) for tag in ("v1", "v2")
    ]


def test_lists_that_explode_are_refused() -> None:
    refs = ", ".join(f'"b{number}"' for number in range(100))
    origins = ", ".join(f'"o{number}"' for number in range(100))
    rule = f'{{ project = "{PROJECT}", branch = [{refs}], origin = [{origins}] }}'
    assert "2000" in problems(text(identities=identity(f"allow = [{rule}]")))["identities.deploy.allow[0]"][1]


def test_the_same_rule_twice_is_one() -> None:
    rule = f'{{ project = "{PROJECT}" }}'
    assert allowed(f"{rule}, {rule}") == [{"project": PROJECT}]


def test_claims_of_another_issuer() -> None:
    rule = '{ repository_id = "1", "https://x.example/tag" = "a" }'
    assert allowed(rule, OIDC) == [{"repository_id": "1", "https://x.example/tag": "a"}]
    assert allowed('{ actor = "dependabot[bot]" }', OIDC) == [{"actor": "dependabot[bot]"}]


def test_each_claim_has_its_own_value_whatever_its_name() -> None:
    assert allowed('{ ".x" = "1", "x" = "2", "a]b" = "3", "]" = "4" }', OIDC) == [
        {".x": "1", "x": "2", "a]b": "3", "]": "4"}
    ]


@pytest.mark.parametrize("claim", ["a'b", "a\\\\b", "", "a b", "é"])
def test_what_is_no_claim(claim: str) -> None:
    assert f"identities.deploy.allow[0].{claim}".replace("\\\\", "\\") in problems(
        text(OIDC, identities=identity(f'allow = [{{ "{claim}" = "x" }}]'))
    )


@pytest.mark.parametrize(
    ("issuer", "keys"),
    [
        ('kind = "oidc"\naudience = "a"', {"issuer.url"}),
        ('kind = "oidc"\nurl = "https://i.example"', {"issuer.audience"}),
        (OIDC + f'\norganization_id = "{ORG}"', {"issuer.organization_id"}),
        ('kind = "circleci"', {"issuer.organization_id"}),
        (ISSUER + '\nurl = "http://ci.example"', {"issuer.url"}),
        (ISSUER + '\nurl = "https://u:p@ci.example"', {"issuer.url"}),
        (ISSUER + '\nurl = "https://ci.example/?x"', {"issuer.url"}),
        (ISSUER + '\nurl = "https://[::1"', {"issuer.url"}),
        (ISSUER.upper().replace("KIND", "kind").replace("ORGANIZATION_ID", "organization_id"),
         {"issuer.kind", "issuer.organization_id"}),
        (ISSUER + f"\naudience = {[str(n) for n in range(11)]}".replace("'", '"'), {"issuer.audience"}),
        (ISSUER + f'\naudience = "{"a" * 257}"', {"issuer.audience"}),
    ],
)  # fmt: skip
def test_issuers_that_are_refused_bring_no_other_problem(issuer: str, keys: set[str]) -> None:
    rule = '{ repository = "x" }' if "oidc" in issuer else f'{{ project = "{PROJECT}" }}'
    assert set(problems(text(issuer, identities=identity(f"allow = [{rule}]")))) == keys


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://ci.example", f"https://ci.example/org/{ORG}"),
        ("https://ci.example/", f"https://ci.example/org/{ORG}"),
        ("https://ci.example:8443", f"https://ci.example:8443/org/{ORG}"),
        (f"https://ci.example/org/{ORG}", f"https://ci.example/org/{ORG}"),
        ("https://oidc.circleci.com", "https://oidc.circleci.com"),
    ],
)
def test_circleci_server(url: str, whole: str) -> None:
    made = parsed(text(f'{ISSUER}\nurl = "{url}"\naudience = ["a", "b"]'))
    assert made.issuer.url == whole
    assert made.issuer.audiences == ("a", "b")


@pytest.mark.parametrize(
    ("body", "key", "code"),
    [
        ("direct = true", "direct", "WIF705"),
        ('direct = "yes"', "direct", "WIF704"),
        ('project_id = "acme-other"', "project_id", "WIF705"),
        ('roles = ["roles/*"]', "roles", "WIF704"),
        ('roles = "roles/a b"', "roles", "WIF704"),
        ("token_lifetime_seconds = 599", "token_lifetime_seconds", "WIF704"),
        ("token_lifetime_seconds = 43201", "token_lifetime_seconds", "WIF704"),
        ("token_lifetime_seconds = true", "token_lifetime_seconds", "WIF704"),
        (f'display_name = "{"x" * 101}"', "display_name", "WIF704"),
        (f'description = "{"x" * 257}"', "description", "WIF704"),
        ('principals = ["attribute.project/x"]', "allow", "WIF703"),
        ('allow_ssh_rerun = "no"', "allow_ssh_rerun", "WIF704"),
    ],
)
def test_identities_that_are_refused(body: str, key: str, code: str) -> None:
    found = problems(text(identities=identity(f'allow = [{{ project = "{PROJECT}" }}]\n{body}')))
    assert {name: found[name][0] for name in found} == {f"identities.deploy.{key}": code}


def test_what_an_identity_without_account_cannot_have() -> None:
    body = f'[identities.d]\ndirect = true\nproject_id = "acme-prod"\nallow = [{{ project = "{PROJECT}" }}]\n'
    extra = 'create = true\ntoken_lifetime_seconds = 900\ndisplay_name = "x"\ndescription = "y"\n'
    keys = {f"identities.d.{key}" for key in ("create", "token_lifetime_seconds", "display_name", "description")}
    assert set(problems(text(identities=body + extra))) == keys
    neither = f'[identities.d]\nproject_id = "acme-prod"\nallow = [{{ project = "{PROJECT}" }}]\n'
    assert set(problems(text(identities=neither))) == {"identities.d.service_account"}


def test_an_account_stands_once() -> None:
    found = problems(text(identities=DEPLOY + DEPLOY.replace("identities.deploy", "identities.again")))
    assert list(found) == ["identities.again.service_account"]


def test_accounts_that_nobody_can_create() -> None:
    default = '[identities.d]\nservice_account = "123-compute@developer.gserviceaccount.com"\ncreate = true\n'
    found = problems(text(identities=default + f'project_id = "acme-prod"\nallow = [{{ project = "{PROJECT}" }}]'))
    assert list(found) == ["identities.d.create"]


def test_ssh_reruns_are_admitted_only_where_somebody_says_so() -> None:
    rule = f'allow = [{{ project = "{PROJECT}" }}]\n'
    second = f'[identities.two]\nservice_account = "second@acme-prod.iam.gserviceaccount.com"\n{rule}'
    both = DEPLOY + second
    for default, own, expected in [("", "", (False, False)), ("true", "", (True, True)), ("", "true", (False, True)),
                                   ("true", "false", (True, False))]:  # fmt: skip
        made = parsed(
            text(
                provider=PROVIDER + (f"\nallow_ssh_rerun = {default}" if default else ""),
                identities=both + (f"allow_ssh_rerun = {own}\n" if own else ""),
            )
        )
        assert tuple("ssh" in each.lifted for each in made.identities.values()) == expected


def test_ssh_reruns_are_circleci_s_alone() -> None:
    body = 'allow = [{ repo = "x" }]\n'
    assert set(problems(text(OIDC, identities=identity(body + "allow_ssh_rerun = true")))) == {
        "identities.deploy.allow_ssh_rerun"
    }
    assert set(problems(text(OIDC, provider=PROVIDER + "\nallow_ssh_rerun = true", identities=identity(body)))) == {
        "provider.allow_ssh_rerun"
    }


@pytest.mark.parametrize(
    "mapping",
    [
        'attribute_mapping = { "google.subject" = "assertion.sub", "attribute.x" = "assertion.aud" }',
        '[provider.attribute_mapping]\ngoogle.subject = "assertion.sub"\nattribute.x = "assertion.aud"',
        '[provider.attribute_mapping]\n"google.subject" = "assertion.sub"\nattribute.x = "assertion.aud"',
    ],
)
def test_the_mapping_with_and_without_quotes(mapping: str) -> None:
    made = parsed(text(provider=f"{PROVIDER}\n{mapping}"))
    assert made.provider.attribute_mapping == {"google.subject": "assertion.sub", "attribute.x": "assertion.aud"}


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ('"google.subject" = "a"\ngoogle.subject = "b"', "google.subject"),
        ('subject = "assertion.sub"', "subject"),
        ('google = "assertion.sub"', "google"),
        ('other.x = "assertion.sub"', "other"),
        ("attribute.x = 1", "attribute.x"),
        ('attribute.x = ""', "attribute.x"),
        (f'attribute.x = "{"x" * 2049}"', "attribute.x"),
    ],
)
def test_mappings_that_are_refused(mapping: str, key: str) -> None:
    found = problems(text(provider=f"{PROVIDER}\n[provider.attribute_mapping]\n{mapping}"))
    assert list(found) == [f"provider.attribute_mapping.{key}"]


def test_principals_by_hand() -> None:
    provider = PROVIDER + '\nattribute_condition = ""\nattribute_mapping = { "google.subject" = "assertion.sub" }'
    body = identity('principals = ["attribute.project/x/y", "subject/org/1", "group/g"]')
    made = parsed(text(provider=provider, identities=body))
    assert made.identities["deploy"].principals == ("attribute.project/x/y", "subject/org/1", "group/g")
    assert made.identities["deploy"].allow == ()
    assert made.provider.attribute_condition == ""
    assert set(problems(text(identities=body))) == {"provider.attribute_mapping"}
    mixed = body + DEPLOY.replace("deploy", "second")
    assert set(problems(text(provider=provider, identities=mixed))) == {"identities.second.allow"}


@pytest.mark.parametrize(
    "principal",
    ["*", "attribute.project/*", "subject/*", "group/*", "attribute.project/", "attribute.P/x", "group/a b",
     "subject/a\\n", "subject/\\u200b", "user:me@example.com", "principalSet://iam.googleapis.com/x/*"],
)  # fmt: skip
def test_principals_that_are_everybody_or_nobody(principal: str) -> None:
    provider = PROVIDER + '\nattribute_mapping = { "google.subject" = "assertion.sub" }'
    found = problems(text(provider=provider, identities=identity(f'principals = ["subject/a", "{principal}"]')))
    assert set(found) == {"identities.deploy.principals"}


@pytest.mark.parametrize("table", ["issuer", "pool", "provider", "identities"])
def test_a_table_that_is_none_or_missing(table: str) -> None:
    tables = dict.fromkeys(("issuer", "pool", "provider", "identities"), "{}")
    for value in ("3", '"x"', "[]", "[[]]"):
        lines = [f"{name} = {each}" for name, each in (tables | {table: value}).items()]
        assert problems("version = 1\n" + "\n".join(lines))[table][1].startswith("must be a table")
    missing = [f"{name} = {each}" for name, each in tables.items() if name != table]
    assert problems("version = 1\n" + "\n".join(missing))[table][0] == "WIF703"


def test_no_message_shows_what_may_be_a_secret(make_jwt: Any) -> None:
    secret = make_jwt()
    with pytest.raises(ManifestError) as caught:
        parsed(text(identities=identity(f'allow = [{{ project = "{secret}", branch = "{secret} " }}]')))
    assert secret[:20] not in f"{caught.value} {caught.value.hint}"


LEAF = st.one_of(st.booleans(), st.integers(), st.text(max_size=8), st.just("*"), st.just(PROJECT))
WORDS = ["version", "issuer", "pool", "provider", "identities", "kind", "id", "allow", "project", "branch", "x.y", ""]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value if not 0xD800 <= ord(each) < 0xE000) + '"'
    return str(value).lower()


@given(
    st.dictionaries(
        st.sampled_from(WORDS),
        st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner)),
    )
)
def test_whatever_stands_there_is_a_manifest_error(document: dict[str, Any]) -> None:
    with pytest.raises(ManifestError):
        parsed("\n".join(f"{_toml(key)} = {_toml(value)}" for key, value in document.items()))


@given(st.binary(max_size=200))
def test_whatever_bytes_there_are(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parsed(data)


def test_reading_a_manifest_loads_neither_cel_nor_google() -> None:
    program = (
        "import sys; from gcp_wif.manifest import Manifest; before = set(sys.modules)\n"
        "Manifest.parse(sys.stdin.read(), origin='m')\n"
        "heavy = {'cel_expr_python', 'google', 'grpc', 'dataclasses', 'difflib', 'requests', 'typer', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)), 'tomllib' in before)"
    )
    env = {"PATH": os.environ["PATH"]}  # and nothing of coverage's, which loads dataclasses
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=CONTRACT, capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[] False"


GITHUB = 'kind = "oidc"\nurl = "https://token.actions.githubusercontent.com"\naudience = "gcp"'


@pytest.mark.parametrize(
    ("issuer", "rule", "refused"),
    [
        (GITHUB, '{ ref = "refs/heads/main" }', True),
        (GITHUB, '{ repository = "acme/app" }', True),  # a name: somebody else can take it
        (GITHUB, '{ repository_owner_id = "1", ref = "refs/heads/main" }', False),
        (GITHUB, '{ repository_id = "1" }', False),
        (GITHUB.replace("com", "com/acme"), '{ ref = "x" }', True),  # an enterprise's slug
        (GITHUB.replace("token.", "TOKEN."), '{ ref = "x" }', True),
        (GITHUB.replace('com"', 'com:443/"'), '{ ref = "x" }', True),
        (GITHUB.replace('com"', 'com."'), '{ ref = "x" }', True),
        (GITHUB.replace("token.actions.githubusercontent.com", "gitlab.com"), '{ project_path = "a/b" }', True),
        (GITHUB.replace("token.actions.githubusercontent.com", "gitlab.com"), '{ project_id = "5" }', False),
        (GITHUB.replace("token.actions.githubusercontent.com", "agent.buildkite.com"), '{ pipeline_slug = "a" }', True),
        (GITHUB.replace("token.actions.githubusercontent.com", "app.terraform.io"), '{ terraform_organization_name = "a" }', True),
        (GITHUB.replace("token.actions.githubusercontent.com", "oidc.circleci.com"), '{ "oidc.circleci.com/vcs-ref" = "a" }', True),
        (GITHUB.replace("token.actions.githubusercontent.com", "oidc.circleci.com"), '{ "oidc.circleci.com/org-id" = "a" }', False),
        (GITHUB.replace("token.actions.githubusercontent.com", "gitlab.example"), '{ project_path = "a/b" }', False),
        (GITHUB.replace("token.actions.githubusercontent.com", "gitlab.example") + '\ntenant_claims = ["team"]', '{ env = "a" }', True),
        (GITHUB.replace("token.actions.githubusercontent.com", "gitlab.example") + '\ntenant_claims = ["team"]', '{ team = "a" }', False),
        # What the user says cannot replace what is known of a shared issuer.
        (GITHUB + '\ntenant_claims = ["ref"]', '{ ref = "refs/heads/main" }', True),
    ],
)  # fmt: skip
def test_a_rule_pins_a_tenant_of_an_issuer_that_signs_for_others(issuer: str, rule: str, refused: bool) -> None:
    """W1."""
    document = text(issuer, identities=identity(f"allow = [{rule}]"))
    if not refused:
        parsed(document)
        return
    found = problems(document)
    assert {key: code for key, (code, _) in found.items()} == {"identities.deploy.allow[0]": "WIF707"}
    assert "strangers" in found["identities.deploy.allow[0]"][1]


@pytest.mark.parametrize(
    ("mapping", "condition", "refused"),
    [
        ("assertion.repository", "", True),
        ("assertion.repository", "assertion.repository == 'acme/app'", True),
        ("assertion.repository", "assertion.repository_owner_id == '1'", False),
        ("assertion.repository", "assertion[\"repository_owner_id\"] == '1'", False),
        ("assertion.repository", "assertion.repository_owner_id_x == '1'", True),
        ("assertion.repository_id", "", False),
    ],
)
def test_principals_by_hand_pin_a_tenant_too(mapping: str, condition: str, refused: bool) -> None:
    """W1, for a provider that somebody made by hand."""
    provider = (
        f"{PROVIDER}\nattribute_condition = {json.dumps(condition)}\n[provider.attribute_mapping]\n"
        f'"google.subject" = "assertion.sub"\n"attribute.repository" = {json.dumps(mapping)}\n'
    )
    document = text(GITHUB, provider=provider, identities=identity('principals = ["attribute.repository/acme/app"]'))
    if refused:
        assert problems(document)["identities.deploy.principals"][0] == "WIF707"
    else:
        parsed(document)


@pytest.mark.parametrize(("line", "code"), [("", "WIF703"), ("version = 2\n", "WIF704"), ('version = "1"\n', "WIF704")])
def test_the_version_is_missing_or_another(line: str, code: str) -> None:
    found, message = problems(line)["version"]
    assert (found, "version = 1" in message) == (code, True)
