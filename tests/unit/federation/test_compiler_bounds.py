"""Where compiled providers could leak: names that clash, limits that are met, claims of odd types, other tenants."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from gcp_wif.errors import InputError
from gcp_wif.federation import CompiledFederation, compile_manifest, compiler, evaluate
from gcp_wif.manifest import Manifest

ORG, OTHER_ORG = "8f3c1d52-0000-4000-8000-000000000001", "8f3c1d52-0000-4000-8000-000000000002"
A, B = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b", "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2c"
X, Y = "c0ffee00-1234-4abc-9def-0123456789aa", A  # a context may have the ID of a project: nothing forbids it
REFS = ["refs/heads/main", "refs/heads/main/x", "refs/heads/mai", "refs/tags/main", f"refs/heads/{A}", "refs/heads/a:b"]
ORIGINS = ["github.com/acme/app", "github.com/acme/app2", "github.com/acme", "19:github.com/acme/app"]
CIRCLECI = {"kind": "circleci", "organization_id": ORG}
OIDC = {"kind": "oidc", "url": "https://issuer.example", "audience": "gcp"}
K = "oidc.circleci.com/"


def compiled(
    identities: Mapping[str, Any], issuer: Mapping[str, Any] = CIRCLECI, **provider: Any
) -> CompiledFederation:
    document = {
        "issuer": issuer,
        "pool": {"project_id": "acme-identity", "project_number": "123456789012", "id": "circleci"},
        "provider": {"id": "circleci-acme"} | provider,
        "identities": {
            name: {"direct": True, "project_id": "acme-prod"} | identity for name, identity in identities.items()
        },
    }
    text = "\n".join(["version = 1", *(f"{key} = {_toml(value)}" for key, value in document.items())])
    return compile_manifest(Manifest.parse(text, origin="gcp-wif.toml"))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def token(project: str = A, *, user: str = X, v2: bool = False, **claims: Any) -> dict[str, Any]:
    found = {
        "sub": f"org/{ORG}/project/{project}/user/{user}",
        K + "project-id": project,
        K + "org-id": ORG,
    } | {K + name.replace("_", "-"): value for name, value in claims.items()}
    if v2:
        found["sub"] += f"/vcs-origin/{claims.get('vcs_origin')}/vcs-ref/{claims.get('vcs_ref')}"
    return {name: value for name, value in found.items() if value is not None}


def identities_of(made: CompiledFederation, claims: Mapping[str, Any]) -> set[str]:
    principals = set(evaluate(claims, made.rules).principals)
    return {name for name, members in made.members.items() if principals & set(members)}


def holds(key: str, value: str, claims: Mapping[str, Any]) -> bool:
    if key == "context":
        return value in claims.get(K + "context-ids", ())
    if key == "user":
        return claims["sub"].split("/")[5] == value
    if key in ("branch", "tag"):
        return claims.get(K + "vcs-ref") == {"branch": "refs/heads/", "tag": "refs/tags/"}[key] + value
    claim = {"project": "project-id", "ref": "vcs-ref", "origin": "vcs-origin"}.get(key, "pipeline-definition-id")
    return claims.get(K + claim) == value


def meant(identities: Mapping[str, Any], claims: Mapping[str, Any]) -> set[str]:
    return {
        name
        for name, identity in identities.items()
        if (identity["allow_ssh_rerun"] or not claims.get(K + "ssh-rerun"))
        and any(all(holds(key, value, claims) for key, value in rule.items()) for rule in identity["allow"])
    }


def fit(rule: Mapping[str, str], ssh: bool) -> dict[str, Any]:
    """A token that the rule means."""
    refs = {"branch": "refs/heads/", "tag": "refs/tags/", "ref": ""}
    return token(
        rule.get("project", B),
        user=rule.get("user", Y),
        context_ids=[rule["context"]] if "context" in rule else None,
        vcs_ref=next((refs[key] + rule[key] for key in refs if key in rule), None),
        vcs_origin=rule.get("origin"),
        pipeline_definition_id=rule.get("pipeline_definition"),
        ssh_rerun=ssh,
    )


NARROW = st.fixed_dictionaries(
    {},
    optional={
        "project": st.sampled_from([A, B]),
        "context": st.sampled_from([X, Y]),
        "origin": st.sampled_from(ORIGINS),
        "pipeline_definition": st.sampled_from([A, B]),
    },
).filter(bool)
RULE = st.builds(
    lambda narrow, more: narrow | more,
    NARROW,
    st.one_of(
        st.just({}),
        st.builds(lambda ref: {"ref": ref}, st.sampled_from(REFS)),
        st.builds(lambda name: {"tag": name}, st.sampled_from(["main", "v1"])),
        st.builds(lambda name: {"branch": name}, st.sampled_from(["main", "main/x", "a:b"])),
        st.builds(lambda user: {"user": user}, st.sampled_from([X, Y])),
    ),
)
IDENTITIES = st.dictionaries(
    st.sampled_from(["one", "two", "three"]),
    st.fixed_dictionaries({"allow": st.lists(RULE, min_size=1, max_size=2), "allow_ssh_rerun": st.booleans()}),
    min_size=1,
)
TOKEN = st.builds(
    token,
    st.sampled_from([A, B]),
    v2=st.booleans(),
    user=st.sampled_from([X, Y]),
    context_ids=st.one_of(st.none(), st.lists(st.sampled_from([X, Y, B]), max_size=3)),
    vcs_ref=st.one_of(st.none(), st.sampled_from(REFS)),
    vcs_origin=st.one_of(st.none(), st.sampled_from(ORIGINS)),
    pipeline_definition_id=st.one_of(st.none(), st.sampled_from([A, B])),
    ssh_rerun=st.sampled_from([None, False, False, True]),
)


@pytest.mark.parametrize("condition_limit", [compiler.MAX_CONDITION, 0], ids=["in the condition", "in the mapping"])
@settings(deadline=None)  # a first compilation of CEL takes its time on a busy machine
@given(IDENTITIES, st.lists(TOKEN, min_size=1, max_size=4), st.booleans())
def test_exact_wherever_the_union_stands(
    condition_limit: int, identities: dict[str, Any], tokens: list[dict[str, Any]], ssh: bool
) -> None:
    rules = [rule for identity in identities.values() for rule in identity["allow"]]
    fitting = [fit(rule, ssh) for rule in rules]
    tokens = [*tokens, *fitting, *(one | {name: each[name]} for one in fitting for each in tokens for name in each)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "MAX_CONDITION", condition_limit)
        patch.setattr(compiler, "MAX_EXPRESSION", 900)  # a few values in each part
        try:
            made = compiled(identities)
        except InputError as error:
            assert error.code in ("WIF720", "WIF721")
            reject()
    assert ("attribute.admit_1" in made.rules.attribute_mapping) == (condition_limit == 0)
    for claims in tokens:
        found = meant(identities, claims)
        assert identities_of(made, claims) == found
        assert evaluate(claims, made.rules).admitted == bool(found)


def test_no_rule_of_many_is_lost_and_what_must_always_hold_still_does() -> None:
    projects = [f"{number:08x}-3c4d-4e5f-8a6b-7c8d9e0f1a2b" for number in range(200)]
    rules = [{"allow": [{"project": each, "branch": "main"}, {"origin": f"github.com/a/{each}"}]} for each in projects]
    identities = {f"i{number}": rule for number, rule in enumerate(rules)}
    made = compiled(identities, CIRCLECI | {"url": "https://oidc.circleci.com"}, attribute_condition="assertion.ok")
    assert "attribute.admit_3" in made.rules.attribute_mapping
    for number, project in enumerate(projects):
        main = token(project, vcs_ref="refs/heads/main") | {"ok": True}
        assert identities_of(made, main) == {f"i{number}"}
        assert identities_of(made, token(vcs_origin=f"github.com/a/{project}") | {"ok": True}) == {f"i{number}"}
        for change in ({"ok": False}, {K + "ssh-rerun": True}, {K + "org-id": OTHER_ORG}, {K + "vcs-ref": REFS[1]}):
            assert not evaluate(main | change, made.rules).admitted


def test_a_rule_named_like_a_part_of_the_condition_is_refused() -> None:
    many = [f"{number:040}" for number in range(120)]
    for name in ("admit_1", "admit_2"):
        identities = {"big": {"allow": [{"repo": many}]}, "small": {"allow": [{name: "yes"}]}}
        with pytest.raises(InputError, match=f"attribute.{name} is needed"):
            compiled(identities, OIDC)
    own = {"attribute_mapping": {"attribute.admit_1": "'mine'"}}
    with pytest.raises(InputError, match=r"attribute\.admit_1 is needed"):
        compiled({"big": {"allow": [{"repo": many}]}}, OIDC, **own)
    few = compiled({"small": {"allow": [{"admit_1": "yes"}]}}, OIDC)
    assert identities_of(few, {"sub": "s", "admit_1": "yes"}) == {"small"}


def test_combinations_that_would_share_a_name_are_refused() -> None:
    identities = {"one": {"allow": [{"a": "1", "b": "2"}]}, "two": {"allow": [{"a_and_b": "1:1/2"}]}}
    with pytest.raises(InputError, match="same attribute name"):
        compiled(identities, OIDC)


@pytest.mark.parametrize("odd", [True, 1, ["y"], {"y": "y"}, None])
def test_a_claim_that_is_no_string_matches_nothing_and_hinders_nobody(odd: Any) -> None:
    made = compiled({"one": {"allow": [{"repo": "x"}]}, "two": {"allow": [{"flag": "y"}]}}, OIDC)
    assert identities_of(made, {"sub": "s", "repo": "x", "flag": odd}) == {"one"}
    assert not evaluate({"sub": "s", "flag": odd}, made.rules).admitted


@pytest.mark.parametrize("url", ["https://oidc.circleci.com", "https://ci.example/shared", f"https://x.example/{ORG}"])
def test_an_issuer_that_may_sign_for_others_has_the_organisation_in_the_condition(url: str) -> None:
    made = compiled({"one": {"allow": [{"origin": ORIGINS[0]}]}}, CIRCLECI | {"url": url})
    assert made.rules.issuer == url
    assert identities_of(made, token(vcs_origin=ORIGINS[0])) == {"one"}
    for other in (OTHER_ORG, None):
        assert not evaluate(token(vcs_origin=ORIGINS[0], org_id=other), made.rules).admitted


@pytest.mark.parametrize("url", [None, "https://ci.example", f"https://ci.example/org/{ORG}"])
def test_an_issuer_of_one_organisation_needs_no_such_condition(url: str | None) -> None:
    made = compiled({"one": {"allow": [{"origin": ORIGINS[0]}]}}, CIRCLECI | ({"url": url} if url else {}))
    assert made.rules.issuer.endswith(f"/org/{ORG}")
    assert "org-id" not in (made.rules.attribute_condition or "")


def test_the_user_stands_behind_its_own_word() -> None:
    made = compiled({"one": {"allow": [{"project": A, "user": X}]}})
    assert identities_of(made, token()) == {"one"}
    assert identities_of(made, token(v2=True, vcs_origin=ORIGINS[0], vcs_ref=REFS[0])) == {"one"}
    for subject in (f"org/{ORG}/project/{A}/bot/{X}", f"org/{ORG}/project/{A}", f"user/{X}", ""):
        assert not evaluate(token() | {"sub": subject}, made.rules).admitted


def test_no_identity_changes_its_principals_when_another_comes() -> None:
    plain, ssh = {"allow": [{"project": A}]}, {"allow": [{"project": A}], "allow_ssh_rerun": True}
    both = compiled({"plain": plain, "ssh": ssh})
    assert compiled({"plain": plain}).members["plain"] == both.members["plain"]
    assert compiled({"ssh": ssh}).members["ssh"] == both.members["ssh"]
    more = compiled({"plain": plain, "other": {"allow": [{"project": B, "branch": "main"}, {"context": X}]}})
    assert more.members["plain"] == both.members["plain"]


def test_an_id_with_a_separator_in_it_is_nobody() -> None:
    made = compiled({"one": {"allow": [{"project": A, "pipeline_definition": B, "ref": "refs/heads/main"}]}})
    forged = token(f"{A}/{B}", pipeline_definition_id="refs", vcs_ref="heads/main")
    assert not evaluate(forged | {"sub": "s"}, made.rules).admitted
    assert identities_of(made, token(pipeline_definition_id=B, vcs_ref="refs/heads/main")) == {"one"}


def test_the_names_can_be_read() -> None:
    made = compiled({"one": {"allow": [{"project": A, "branch": "main"}, {"project": A, "context": X}]}})
    tails = [member.partition("/circleci/")[2] for member in made.members["one"]]
    assert tails == [f"attribute.project_ref/{A}/refs/heads/main", f"group/project_context:{A}/{X}"]


def test_a_set_of_contexts_larger_than_google_takes_is_refused_and_admits_nobody() -> None:
    made = compiled({"one": {"allow": [{"project": A, "context": X}]}})
    many = [f"{number:08x}-1234-4abc-9def-0123456789aa" for number in range(95)]
    assert identities_of(made, token(context_ids=[*many[:80], X])) == {"one"}
    assert not evaluate(token(context_ids=[*many, X]), made.rules).admitted
