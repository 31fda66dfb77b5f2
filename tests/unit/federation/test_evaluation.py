"""How Google decides: mapping, sizes, condition, `extract`, and hostile expressions."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google_setup import PROVIDER
from hypothesis import example, given
from hypothesis import strategies as st
from rules import circleci_claims

from gcp_wif.federation import ProviderRules, check_token, evaluate, extract, lint_provider
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.refusals import RefusalKind

ISSUER = f"https://oidc.circleci.com/org/{ORGANIZATION_ID}"


def rules(condition: str | None = None, **mapping: str) -> ProviderRules:
    targets = {key.replace("__", "."): value for key, value in mapping.items()}
    return ProviderRules(PROVIDER, ISSUER, {"google.subject": "assertion.sub"} | targets, condition, (ORGANIZATION_ID,))


def kind(claims: dict[str, Any], provider: ProviderRules) -> RefusalKind | None:
    refusal = evaluate(claims, provider).refusal
    return refusal.kind if refusal else None


@pytest.mark.parametrize(
    ("value", "template", "expected"),
    [
        # Google, "IAM conditions: attribute reference, extract()"
        ("org/1/project/2/user/3", "project/{p}/", "2"),
        ("projects/_/buckets/acme/objects/order-ABCDEFG-2019", "/order-{id}-", "ABCDEFG"),
        ("a/b/c", "{all}", "a/b/c"),
        ("a/b/c", "{first}/", "a"),
        ("a/b/c", "b/{rest}", "c"),
        ("a/b/c", "x/{none}/", ""),
        ("a/b/c", "b/{none}/", ""),
        ("aXbXc", "X{v}X", "b"),
    ],
)
def test_extract(value: str, template: str, expected: str) -> None:
    assert extract(value, template) == expected


@given(st.text("ab/", max_size=12), st.text("ab/", max_size=3), st.text("ab/", max_size=3))
def test_extract_against_a_plain_search(value: str, before: str, after: str) -> None:
    expected = ""
    for start in range(len(value) + 1):
        if value.startswith(before, start):
            rest = value[start + len(before) :]
            expected = rest if not after else rest[: rest.find(after)] if after in rest else ""
            break
    assert extract(value, f"{before}{{x}}{after}") == expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("s" * 127, None),
        ("s" * 128, RefusalKind.SUBJECT_TOO_LONG),
        ("é" * 63 + "x", None),
        ("é" * 64, RefusalKind.SUBJECT_TOO_LONG),
        ("", RefusalKind.SUBJECT_UNMAPPED),
        (None, RefusalKind.SUBJECT_UNMAPPED),
        (7, RefusalKind.ATTRIBUTE_TYPE),
    ],
)
def test_the_subject_is_measured_in_bytes(subject: Any, expected: RefusalKind | None) -> None:
    assert kind({"sub": subject} if subject is not None else {}, rules()) is expected


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"attribute__a": "assertion.sub.split('/')[9]"}, RefusalKind.MAPPING_FAILED),
        ({"attribute__a": "1"}, RefusalKind.ATTRIBUTE_TYPE),
        ({"attribute__a": "assertion.flag"}, RefusalKind.ATTRIBUTE_TYPE),
        ({"attribute__a": "assertion.sub +"}, RefusalKind.MAPPING_FAILED),
        ({"google__groups": "[1]"}, RefusalKind.ATTRIBUTE_TYPE),
        ({"google__groups": "['a', 'b']"}, None),
        ({"attribute__a": "''"}, None),
        ({"attribute__a": "'nothing' in assertion ? assertion.nothing : ''"}, None),
        ({"attribute__a": "assertion.sub.split('/')[1]"}, None),
        ({"attribute__a": "assertion.big", "attribute__b": "assertion.big"}, RefusalKind.ATTRIBUTES_TOO_LARGE),
    ],
    ids=str,
)
def test_mappings(mapping: dict[str, str], expected: RefusalKind | None) -> None:
    assert kind({"sub": "a/b", "flag": True, "big": "x" * 4100}, rules(**mapping)) is expected


@pytest.mark.parametrize(
    ("condition", "admitted"),
    [
        ("true", True),
        ("assertion.sub == 'a/b'", True),
        ("google.subject.startsWith('a')", True),
        ("attribute.part == 'b'", True),
        ("'x' in google.groups", True),
        ("assertion.sub.extract('{p}/') == 'a'", True),
        ("false", False),
        ("attribute.never_mapped == 'x'", False),
        ("assertion.nothing == 'x'", False),
        ("assertion.nothing == 'x' || true", True),
        ("'text'", False),
        ("has(assertion.nothing)", False),
        ("unknown == 1", False),
        ("assertion.sub = 'a'", False),
    ],
)
def test_conditions(condition: str, admitted: bool) -> None:
    provider = rules(condition, attribute__part="assertion.sub.split('/')[1]", google__groups="['x']")
    assert evaluate({"sub": "a/b"}, provider).admitted is admitted


def test_principals_are_all_that_a_binding_can_name() -> None:
    decision = evaluate(
        {"sub": "a/b"}, rules(attribute__part="'p'", attribute__empty="''", google__groups="['x', 'y']")
    )
    ends = [each.partition("/workloadIdentityPools/circleci/")[2] for each in decision.principals]
    assert ends == ["subject/a/b", "group/x", "group/y", "attribute.part/p", "*"]
    assert evaluate({"sub": "a/b"}, rules("false")).principals == ()


NOW = 1_800_000_000.0
HEADER = {"alg": "RS256", "kid": "k"}


@pytest.mark.parametrize(
    ("header", "claims", "step"),
    [
        ({}, {}, None),
        ({"alg": "ES256"}, {}, None),
        ({"alg": "HS256"}, {}, "key"),
        ({"alg": "none"}, {}, "key"),
        ({"kid": ""}, {}, "key"),
        ({}, {"iss": ISSUER + "/"}, "issuer"),
        ({}, {"iss": ISSUER.replace("https", "http")}, "issuer"),
        ({}, {"iss": None}, "issuer"),
        ({}, {"aud": "other"}, "audience"),
        ({}, {"aud": ["other", ORGANIZATION_ID]}, None),
        ({}, {"aud": []}, "audience"),
        ({}, {"aud": None}, "audience"),
        ({}, {"exp": int(NOW) - 60}, "time"),
        ({}, {"exp": int(NOW) - 59}, None),
        ({}, {"iat": int(NOW) + 60}, None),
        ({}, {"iat": int(NOW) + 61}, "time"),
        ({}, {"iat": int(NOW) - 10, "exp": int(NOW) - 11 + 48 * 3600}, None),
        ({}, {"iat": int(NOW) - 10, "exp": int(NOW) - 10 + 48 * 3600}, "time"),
        ({}, {"iat": int(NOW) + 3600}, "time"),
        ({}, {"iat": int(NOW) - 86_500, "exp": int(NOW) + 10}, "time"),
        ({}, {"iat": None}, "time"),
        ({}, {"exp": "x"}, "time"),
    ],
    ids=str,
)
def test_tokens(header: dict[str, Any], claims: dict[str, Any], step: str | None) -> None:
    steps = check_token(HEADER | header, circleci_claims(claims, NOW), rules(), NOW)
    assert next((each.name for each in steps if not each.ok), None) == step
    assert all((each.refusal is None) == each.ok for each in steps)


def test_without_allowed_audiences_the_providers_name_is_expected() -> None:
    provider = ProviderRules(PROVIDER, ISSUER, {"google.subject": "assertion.sub"})
    for audience in PROVIDER.default_audiences:
        assert all(each.ok for each in check_token(HEADER, circleci_claims({"aud": audience}, NOW), provider, NOW))
    steps = check_token(HEADER, circleci_claims({}, NOW), provider, NOW)
    assert [each.name for each in steps if not each.ok] == ["audience"]


@pytest.mark.parametrize(
    ("mapping", "condition", "issuer", "field"),
    [
        ({}, "", ISSUER, "attributeMapping"),
        ({"google.subject": ""}, "", ISSUER, "attributeMapping.google.subject"),
        ({"google.subject": "x"}, "", ISSUER, "attributeMapping.google.subject"),
        ({"google.subject": "'" + "x" * 2050 + "'"}, "", ISSUER, "attributeMapping.google.subject"),
        ({"attribute.Upper": "'x'"}, "", ISSUER, "attributeMapping.attribute.Upper"),
        ({"attribute." + "x" * 101: "'x'"}, "", ISSUER, "attributeMapping.attribute." + "x" * 101),
        ({f"attribute.a{n}": "'x'" for n in range(51)}, "", ISSUER, "attributeMapping"),
        ({}, "'" + "x" * 4100 + "' == ''", ISSUER, "attributeCondition"),
        ({}, "true &&", ISSUER, "attributeCondition"),
        ({}, "", "http://issuer.example", "oidc.issuerUri"),
        ({}, "", "https://token.actions.githubusercontent.com", "attributeCondition"),
        ({}, "true", "https://gitlab.com", "attributeCondition"),
    ],
)
def test_what_google_refuses_in_a_provider(mapping: dict[str, str], condition: str, issuer: str, field: str) -> None:
    base = {"google.subject": "assertion.sub"} if field != "attributeMapping" or len(mapping) > 1 else {}
    found = [problem.field for problem in lint_provider(base | mapping, condition, issuer)]
    assert found == [field]


def test_compile_errors_have_a_column() -> None:
    found = lint_provider({"google.subject": "assertion.sub"}, "true && nothing == 1", ISSUER)
    assert found[0].column == 9


HOSTILE = [
    "(" * 4000 + ")" * 4000,
    "!" * 4000 + "true",
    "[" * 2000 + "]" * 2000,
    "a." * 2000 + "b",
    "[1,2,3,4,5,6,7,8,9,0].map(a, [1,2,3,4,5,6,7,8,9,0].map(b, [1,2,3,4,5,6,7,8,9,0].map(c, "
    "[1,2,3,4,5,6,7,8,9,0].map(d, [1,2,3,4,5,6,7,8,9,0].map(e, [1,2,3,4,5,6,7,8,9,0].map(f, 1)))))) == []",
    "assertion.list.map(a, assertion.list.map(b, assertion.list.map(c, assertion.list.map(d, a)))) == []",
    "'x'.matches('(a*)*(b*)*c{1000}')",
    "'" + "a" * 3000 + "'.matches('(a|aa)+$')",
    "assertion.text.split('').join(assertion.text).split('').join(assertion.text) == ''",
    "assertion.list.map(a, assertion.text).join(assertion.text) == ''",
    " + ".join(["assertion.text"] * 200) + " == ''",
    "9223372036854775807 + 1 == 0",
    "1 / 0 == 0",
    "string(b'\\xff') == ''",
    "duration('x') == duration('y')",
    "timestamp('x') == timestamp('y')",
    "\x00",
    "💩",
    "'''",
    "// comment",
]


ADMITTING = {HOSTILE[1], HOSTILE[7]}
"""An even number of ``!``, and a pattern that RE2 matches in linear time: true, however they look."""


@pytest.mark.parametrize("expression", HOSTILE, ids=lambda text: text[:30])
def test_hostile_expressions_end_soon_and_refuse(expression: str) -> None:
    claims = {"sub": "a", "list": list(range(500)), "text": "x" * 10_000}
    started = time.monotonic()
    assert kind(claims, rules(attribute__x=expression)) in (RefusalKind.MAPPING_FAILED, RefusalKind.ATTRIBUTE_TYPE)
    admitted = expression in ADMITTING
    assert kind(claims, rules(expression)) is (None if admitted else RefusalKind.CONDITION_FALSE)
    lint_provider({"google.subject": expression}, expression, ISSUER)
    assert time.monotonic() - started < 20  # a bound against hanging, not a measurement


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(max_size=8), JSON, max_size=5).map(lambda claims: {"sub": "a"} | claims),
    st.text(max_size=60),
    st.text(max_size=60) | st.just("'x'"),
)
def test_arbitrary_claims_and_expressions_end_in_a_decision(claims: dict[str, Any], one: str, two: str) -> None:
    """Nothing is raised, whatever it is; and a text that is no expression never lets anybody in."""
    decision = evaluate(claims, rules(one, attribute__x=two))
    assert bool(decision.principals) is decision.admitted
    if one and any(problem.field == "attributeCondition" for problem in lint_provider({}, one, ISSUER)):
        assert not decision.admitted
    steps = check_token(claims, claims, rules(), NOW)
    assert not all(step.ok for step in steps)


TEXTS = st.sampled_from(["", "a", "b", "é" * 63, "é" * 64, "y" * 8100])
CLAIMS = st.fixed_dictionaries({"sub": TEXTS}, optional={"x": TEXTS, "k": JSON}) | st.dictionaries(
    st.sampled_from(["sub", "x", "k"]), TEXTS | JSON
)
MAPPED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "assertion.x": lambda claims: claims["x"],
    "'x' in assertion ? assertion.x : ''": lambda claims: claims.get("x", ""),
    "'k' in assertion ? 'b' : 'a'": lambda claims: "b" if "k" in claims else "a",
}
CONDITIONS: dict[str, Callable[[dict[str, Any], str], bool]] = {
    "true": lambda claims, x: True,
    "false": lambda claims, x: False,
    "assertion.sub == 'a'": lambda claims, x: claims["sub"] == "a",
    "google.subject.startsWith('a')": lambda claims, x: claims["sub"].startswith("a"),
    "attribute.x == 'b'": lambda claims, x: x == "b",
    "!('k' in assertion)": lambda claims, x: "k" not in claims,
    "'k' in assertion || assertion.sub == 'b'": lambda claims, x: "k" in claims or claims["sub"] == "b",
}


def integers(value: Any) -> Iterator[int]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from integers(each)
    elif isinstance(value, int):
        yield value


@given(CLAIMS, st.sampled_from([*MAPPED]), st.sampled_from([*CONDITIONS]))
@example({"sub": "é" * 63 + "s", "x": "b"}, "assertion.x", "attribute.x == 'b'")
@example({"sub": "é" * 64, "x": "b"}, "assertion.x", "attribute.x == 'b'")
@example({"sub": "s" * 127, "x": "y" * (8192 - 127)}, "assertion.x", "true")
@example({"sub": "s" * 127, "x": "y" * (8193 - 127)}, "assertion.x", "true")
@example({"sub": "s", "x": ""}, "assertion.x", "true")
@example({"sub": "a", "x": "", "k": "\x00"}, "assertion.x", "true")
@example({"sub": "a", "x": "", "k": [-(2**63) - 1]}, "assertion.x", "true")
@example({"sub": "a", "x": "", "k": {"k": 2**63 - 1}}, "assertion.x", "true")
def test_who_is_admitted_and_as_whom_is_what_plain_python_says(
    claims: dict[str, Any], mapped: str, condition: str
) -> None:
    decision = evaluate(claims, rules(condition, attribute__x=mapped))
    # A NUL would be cut short, and CEL has integers of 64 bits: nobody is admitted by either.
    if "\\u0000" in json.dumps(claims) or not all(-(2**63) <= each < 2**63 for each in integers(claims)):
        assert not decision.admitted
        return
    subject = claims.get("sub")
    x = MAPPED[mapped](claims) if "x" in claims or mapped != "assertion.x" else None
    unset = mapped == "assertion.x" and "x" not in claims
    fits = isinstance(subject, str) and (unset or isinstance(x, str)) and 0 < len(subject.encode()) <= 127
    fits = fits and len(subject.encode()) + len((x or "").encode()) <= 8192
    assert decision.admitted is (fits and CONDITIONS[condition](claims, x))
    ends = [each.partition("/workloadIdentityPools/circleci/")[2] for each in decision.principals]
    expected = [f"subject/{subject}", *([f"attribute.x/{x}"] if x else []), "*"]
    assert ends == (expected if decision.admitted else [])


def test_an_attribute_whose_claim_is_absent_is_not_set() -> None:
    """D55: public blueprints map claims that their own workflows do not send, and work."""
    decision = evaluate({"sub": "s", "b": "x"}, rules(attribute__a="assertion.nothing", attribute__b="assertion.b"))
    assert decision.admitted
    assert dict(decision.attributes) == {"b": "x"}
    assert not any("attribute.a" in each for each in decision.principals)
    assert not evaluate({"sub": "s"}, rules("attribute.a != 'x'", attribute__a="assertion.nothing")).admitted


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("assertion.sub == 's'", RefusalKind.CONDITION_FALSE),
        ("google.subject == 's'", RefusalKind.CONDITION_FALSE),
        ("true", RefusalKind.SUBJECT_UNMAPPED),
        ("", RefusalKind.SUBJECT_UNMAPPED),
    ],
)
def test_a_condition_on_a_missing_subject_speaks_first(condition: str, expected: RefusalKind) -> None:
    assert kind({"a": "b"}, rules(condition)) is expected


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"iss": None}, "The issuer in ID Token null does not match"),
        ({"aud": None}, "The audience in ID Token [] does not match the expected audience."),
        ({"iat": None}, "ID Token issued at null is stale to sign-in."),
    ],
)
def test_what_is_said_of_an_absent_claim(claims: dict[str, Any], sentence: str) -> None:
    """As measured on the real STS."""
    steps = check_token(HEADER, circleci_claims(claims, NOW), rules(), NOW)
    refusal = steps[-1].refusal
    assert refusal is not None
    assert refusal.description.startswith(sentence)


@pytest.mark.parametrize(
    ("issuer", "message"),
    [
        ("http://ci.example", "Invalid OIDC issuer URI. The scheme must be https."),
        ("ci.example", "Invalid OIDC issuer URI."),
        ("https://ci.example/?a=b", "Invalid OIDC issuer URI."),
        ("https://ci.example/#a", "Invalid OIDC issuer URI."),
        ("https://me@ci.example/", "Invalid OIDC issuer URI."),
        ("https://ci.example/a", None),
    ],
)
def test_issuers_that_google_does_not_take(issuer: str, message: str | None) -> None:
    problems = lint_provider({"google.subject": "assertion.sub"}, None, issuer)
    assert [each.message for each in problems] == ([message] if message else [])


@pytest.mark.parametrize(
    ("condition", "takes"),
    [("'a'", False), ("1 + 1", False), ("assertion.a", True), ("assertion.a == 'b'", True), ("[true]", False)],
)
def test_a_condition_must_be_able_to_be_true(condition: str, takes: bool) -> None:
    assert (lint_provider({"google.subject": "assertion.sub"}, condition, ISSUER) == ()) is takes
