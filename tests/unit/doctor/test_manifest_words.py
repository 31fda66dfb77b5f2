"""Whom an identity admits, in the manifest's words, for every kind of rule. The journey is in test_doctor.py."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.manifest_words import in_manifest_words
from gcp_wif.doctor.report import Finding
from gcp_wif.manifest import Manifest

FINDING = Finding("WIF508", "condition", "broken", "compiled CEL", "a", "b", ("widen it",))


def evidence(rules: str, claims: Mapping[str, Any]) -> Evidence:
    text = f"""
version = 1
[issuer]
kind = "oidc"
url = "https://ci.example.com"
audience = "x"
[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "main-pool"
[provider]
id = "ci-example"
[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{rules}]
"""
    return Evidence(0.0, claims=claims, manifest=Manifest.parse(text, origin="test"), identity="deploy")


def said(rules: str, claims: Mapping[str, Any]) -> Finding:
    return in_manifest_words(FINDING, evidence(rules, claims), {})


def test_the_closest_rule_comes_first() -> None:
    found = said('{ team = "a", env = "prod" }, { team = "b", env = "dev" }', {"team": "b", "env": "test"})
    assert found.message == "`deploy` admits env dev of team b, or env prod of team a; this job has env test."
    assert (found.expected, found.found) == ("env = dev, team = b", "env = test")
    assert found.fix == (
        "Run this job where `deploy` admits it: env dev.", "Only if this job should be admitted, too:", "widen it",
    )  # fmt: skip


def test_a_claim_that_is_not_there_is_said_to_be_missing() -> None:
    found = said('{ env = "prod" }', {"team": "b"})
    assert found.message == "`deploy` admits env prod; this job has no such env."
    assert found.found == "no env = prod"


def test_many_rules_are_counted() -> None:
    found = said(", ".join(f'{{ env = "e{number}" }}' for number in range(9)), {"env": "x"})
    assert found.message.count("env e") == 3
    assert "or 6 more rules; this job has env x." in found.message


@pytest.mark.parametrize(
    "change",
    [{"claims": None}, {"manifest": None}, {"identity": None}, {"identity": "nobody"}, {"claims": {"env": "prod"}}],
)
def test_what_is_not_known_is_not_said(change: dict[str, Any]) -> None:
    """Also where the rule holds: then the condition in Google is not the manifest's."""
    known = replace(evidence('{ env = "prod" }', {"env": "dev"}), **change)
    assert in_manifest_words(FINDING, known, {}) == FINDING


def test_another_finding_stays_as_it_is() -> None:
    other = replace(FINDING, code="WIF911")
    assert in_manifest_words(other, evidence('{ env = "prod" }', {"env": "dev"}), {}) == other


def test_a_token_in_a_claim_is_not_repeated(make_jwt: Any) -> None:
    token = make_jwt()
    assert token not in str(said('{ env = "prod" }', {"env": token}))
