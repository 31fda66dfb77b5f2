"""Compiled providers admit exactly the identities that the rules say: against a plain reading of the rules."""

from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from rules import CLAIMS, IDENTITIES, C, P, admitted, circleci_claims, expected, manifest

from gcp_wif.errors import InputError
from gcp_wif.federation import compile_manifest, evaluate
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.limits import MAX_CONDITION


@given(IDENTITIES, st.lists(CLAIMS, min_size=1, max_size=6))
def test_admits_exactly_what_the_rules_say(identities: dict[str, Any], tokens: list[dict[str, Any]]) -> None:
    try:
        compiled = compile_manifest(manifest(identities))
    except InputError as error:  # several combinations with contexts share one expression, whose length is bounded
        assert "google.groups must have 1 to 2048" in error.message
        reject()
    for claims in tokens:
        assert admitted(compiled, claims) == expected(identities, claims)
        # Nobody without an identity gets even a federated token.
        assert evaluate(claims, compiled.rules).admitted == bool(expected(identities, claims))


def test_many_rules_move_into_the_mapping_and_stay_exact() -> None:
    projects = [f"{number:08x}-3c4d-4e5f-8a6b-7c8d9e0f1a2b" for number in range(400)]
    identities = {
        f"identity-{number}": {
            "allow": [{"project": projects[2 * number], "branch": "main"}, {"project": projects[2 * number + 1]}]
        }
        for number in range(200)
    }
    compiled = compile_manifest(manifest(identities))
    assert len(compiled.rules.attribute_condition or "") <= MAX_CONDITION
    assert "attribute.admit_1" in compiled.rules.attribute_mapping
    for number in (0, 1, 57, 199):
        main = circleci_claims({"project": projects[2 * number]}, 1e9)
        assert admitted(compiled, main) == {f"identity-{number}"}
        other = circleci_claims({"project": projects[2 * number], "oidc.circleci.com/vcs-ref": "refs/heads/x"}, 1e9)
        assert not evaluate(other, compiled.rules).admitted
        second = circleci_claims({"project": projects[2 * number + 1], "oidc.circleci.com/vcs-ref": None}, 1e9)
        assert admitted(compiled, second) == {f"identity-{number}"}
    stranger = circleci_claims({"project": "ffffffff-3c4d-4e5f-8a6b-7c8d9e0f1a2b"}, 1e9)
    assert not evaluate(stranger, compiled.rules).admitted


def test_more_rules_than_a_provider_can_hold_are_an_error() -> None:
    rules = [{"project": P[0], "branch": f"{'x' * 900}{number}"} for number in range(120)]
    with pytest.raises(InputError) as caught:
        compile_manifest(manifest({"deploy": {"allow": rules}}))
    assert caught.value.code == "WIF720"


def test_the_same_manifest_gives_the_same_text_whatever_the_order() -> None:
    a, b = {"project": P[0]}, {"project": P[1], "context": C[0]}
    first = compile_manifest(manifest({"x": {"allow": [a, b]}})).rules
    second = compile_manifest(manifest({"x": {"allow": [b, a]}})).rules
    assert first == second
    assert list(first.attribute_mapping) == list(second.attribute_mapping)


def test_v2_subjects_fit() -> None:
    compiled = compile_manifest(manifest({"x": {"allow": [{"project": P[0]}]}}))
    claims = circleci_claims({"project": P[0]}, 1e9, 2)
    assert len(claims["sub"]) > 127
    assert evaluate(claims, compiled.rules).subject == circleci_claims({"project": P[0]}, 1e9)["sub"]


def test_the_shared_issuer_gets_the_organisation_into_its_condition() -> None:
    issuer = {"kind": "circleci", "organization_id": ORGANIZATION_ID, "url": "https://oidc.circleci.com"}
    compiled = compile_manifest(manifest({"x": {"allow": [{"project": P[0]}]}}, issuer))
    assert evaluate(circleci_claims({"project": P[0]}, 1e9), compiled.rules).admitted
    foreign = circleci_claims({"project": P[0], "oidc.circleci.com/org-id": P[2]}, 1e9)
    assert not evaluate(foreign, compiled.rules).admitted


def test_own_mapping_and_condition_add_and_do_not_replace() -> None:
    own = {
        "attribute_mapping": {"attribute.job": "assertion['oidc.circleci.com/job-id']"},
        "attribute_condition": "true || false",
    }
    compiled = compile_manifest(manifest({"x": {"allow": [{"project": P[0]}]}}, **own))
    assert "job" in evaluate(circleci_claims({"project": P[0]}, 1e9), compiled.rules).attributes
    assert not evaluate(circleci_claims({"project": P[1]}, 1e9), compiled.rules).admitted
    narrower = compile_manifest(manifest({"x": {"allow": [{"project": P[0]}]}}, attribute_condition="false || false"))
    assert not evaluate(circleci_claims({"project": P[0]}, 1e9), narrower.rules).admitted


@pytest.mark.parametrize(
    "own",
    [
        {"attribute_mapping": {"attribute.project": "'everybody'"}},
        {"attribute_mapping": {"attribute.Upper": "assertion.sub"}},
        {"attribute_mapping": {"attribute.x": "assertion.sub +"}},
        {"attribute_condition": "no_such_variable == 1"},
        {"attribute_condition": "true) || (true"},
    ],
)
def test_own_mapping_and_condition_that_clash_or_break_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        compile_manifest(manifest({"x": {"allow": [{"project": P[0]}]}}, **own))
    assert caught.value.code == "WIF721"


OIDC = {"kind": "oidc", "url": "https://issuer.example", "audience": ["a"]}
TEXTS = st.sampled_from(["a", "b", "1:a", "a/1:b", "/", "a/b", "1:a/b", "'", "\\"])


@given(
    st.lists(st.dictionaries(st.sampled_from(["ref", "repo", "repo_id"]), TEXTS, min_size=1), min_size=1, max_size=4),
    st.lists(st.dictionaries(st.sampled_from(["ref", "repo", "repo_id"]), TEXTS), min_size=1, max_size=6),
)
def test_any_claims_of_any_issuer(rules: list[dict[str, str]], tokens: list[dict[str, str]]) -> None:
    identities = {f"i{number}": {"allow": [rule]} for number, rule in enumerate(rules)}
    compiled = compile_manifest(manifest(identities, OIDC))
    for claims in tokens:
        found = {name for name, each in identities.items() if each["allow"][0].items() <= claims.items()}
        assert admitted(compiled, {"sub": "s", **claims}) == found


def test_principals_by_hand_keep_mapping_and_condition_by_hand() -> None:
    mapping = {"google.subject": "assertion.sub", "attribute.project": "assertion['oidc.circleci.com/project-id']"}
    made = manifest({"x": {"principals": [f"attribute.project/{P[0]}", "subject/abc"]}}, attribute_mapping=mapping)
    compiled = compile_manifest(made)
    assert compiled.rules.attribute_mapping == mapping
    assert compiled.rules.attribute_condition is None
    assert [str(member).partition("/circleci/")[2] for member in compiled.members["x"]] == [
        f"attribute.project/{P[0]}",
        "subject/abc",
    ]


def test_a_rule_without_a_project_is_warned_of() -> None:
    compiled = compile_manifest(manifest({"x": {"allow": [{"context": C[0]}]}}))
    assert len(compiled.warnings) == 1
    assert "every project" in compiled.warnings[0]


SHARED_ISSUER = {"kind": "oidc", "url": "https://token.actions.githubusercontent.com", "audience": ["gcp"]}
PRIVATE_ISSUER = {"kind": "oidc", "url": "https://ci.example", "audience": ["gcp"]}


@pytest.mark.parametrize("malformed", [5, True, None, ["x"], {"a": 1}])
def test_a_malformed_claim_unsets_its_own_attribute_alone(malformed: object) -> None:
    """W7: a number where text is expected made the whole mapping fail, for all identities."""
    identities = {"deploy": {"allow": [{"env": "prod"}]}, "reader": {"allow": [{"team": "a"}]}}
    compiled = compile_manifest(manifest(identities, PRIVATE_ISSUER))
    claims = {"iss": "https://ci.example", "sub": "s", "team": "a"}
    assert admitted(compiled, claims | {"env": "prod"}) == {"deploy", "reader"}
    assert admitted(compiled, claims | {"env": malformed}) == {"reader"}


@pytest.mark.parametrize("malformed", [5, "x", None, [5, C[0]], [None], [[C[0]]], {C[0]: 1}])
def test_malformed_contexts_harm_nobody_else(malformed: object) -> None:
    """W7, for a list claim and for its elements."""
    identities = {"deploy": {"allow": [{"project": P[0], "context": C[1]}]}, "reader": {"allow": [{"project": P[0]}]}}
    compiled = compile_manifest(manifest(identities))
    found = circleci_claims({"project": P[0], "oidc.circleci.com/context-ids": malformed}, 1e9)
    assert admitted(compiled, found) == {"reader"}
    mixed = circleci_claims({"project": P[0], "oidc.circleci.com/context-ids": [5, C[1]]}, 1e9)
    assert admitted(compiled, mixed) == {"deploy", "reader"}


def test_the_same_text_cut_elsewhere_is_somebody_else() -> None:
    compiled = compile_manifest(manifest({"deploy": {"allow": [{"env": "prod", "team": "a/b"}]}}, PRIVATE_ISSUER))
    claims = {"iss": "https://ci.example", "sub": "s"}
    assert admitted(compiled, claims | {"env": "prod", "team": "a/b"}) == {"deploy"}
    for env, team in (("prod/a", "b"), ("4:prod", "a/b"), ("prod/4:a", "b"), ("p", "rod/a/b")):
        assert admitted(compiled, claims | {"env": env, "team": team}) == set()


@pytest.mark.parametrize("claim", ["1", "2fa", "in", "true", "null", "as", "-", "a.b", "A"])
def test_claims_named_like_numbers_or_words_of_cel(claim: str) -> None:
    """W6: they gave a raw error of CEL."""
    compiled = compile_manifest(
        manifest({"deploy": {"allow": [{claim: "x", "team": "a"}, {claim: "y"}]}}, PRIVATE_ISSUER)
    )
    claims = {"iss": "https://ci.example", "sub": "s"}
    assert admitted(compiled, claims | {claim: "y"}) == {"deploy"}
    assert admitted(compiled, claims | {claim: "x", "team": "a"}) == {"deploy"}
    assert admitted(compiled, claims | {claim: "x"}) == set()


def test_two_claims_that_would_share_an_attribute_are_an_error() -> None:
    with pytest.raises(InputError) as caught:
        compile_manifest(manifest({"deploy": {"allow": [{"1": "x"}, {"claim_1": "x"}]}}, PRIVATE_ISSUER))
    assert caught.value.code == "WIF720"


def test_a_rule_that_names_a_tenant_of_a_shared_issuer_keeps_strangers_out() -> None:
    """W1: a token of another repository's owner with the same ref logged in."""
    rule = {"repository_owner_id": "11", "ref": "refs/heads/main"}
    compiled = compile_manifest(manifest({"deploy": {"allow": [rule]}}, SHARED_ISSUER))
    ours = {"iss": SHARED_ISSUER["url"], "sub": "repo:acme/app:ref:refs/heads/main", **rule}
    assert admitted(compiled, ours) == {"deploy"}
    assert not evaluate(ours | {"repository_owner_id": "12"}, compiled.rules).admitted
