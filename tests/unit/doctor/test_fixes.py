"""A fix that is a command can be run as it stands: it holds the very value, quoted for a shell, and it helps."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
from google_setup import ACCOUNT, PROVIDER
from rules import circleci_claims

from gcp_wif.doctor import Evidence, Finding, diagnose
from gcp_wif.federation import Binding
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.names import ServiceAccountEmail

NOW = 1_800_000_000.0
CONTEXT = "c0ffee00-1234-4abc-9def-0123456789aa"
PROJECT = "assertion['oidc.circleci.com/project-id']"
REF = "assertion['oidc.circleci.com/vcs-ref']"
CONTEXTS = "assertion['oidc.circleci.com/context-ids']"
OIDC = {"issuerUri": f"https://oidc.circleci.com/org/{ORGANIZATION_ID}", "allowedAudiences": [ORGANIZATION_ID]}
MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.project": "assertion['oidc.circleci.com/project-id']",
}
NASTY = "a'; touch /tmp/x; $(id) \"`"


def case(condition: str = "", claims: dict[str, Any] | None = None, **state: Any) -> Evidence:
    provider = {"attributeMapping": MAPPING, "attributeCondition": condition, "oidc": OIDC} | state
    given = circleci_claims({"oidc.circleci.com/context-ids": [CONTEXT]}, NOW) | (claims or {})
    header = {"alg": "RS256", "kid": "k"}
    return Evidence(NOW, header=header, claims=given, provider=PROVIDER, provider_state=provider)


def broken(of: Evidence) -> Finding:
    found = diagnose(of).broken
    assert found is not None
    return found


def flag(fixes: tuple[str, ...], name: str) -> str:
    """The value of a flag, as a shell gives it to gcloud."""
    line = next(line for line in fixes if f"{name}=" in line)
    words = shlex.split(line)
    assert words[0] == "gcloud"
    return next(word for word in words if word.startswith(f"{name}=")).partition("=")[2]


@pytest.mark.parametrize(
    ("code", "condition"),
    [
        ("WIF911", f"attribute.project_id == '{PROJECT_ID}' && {REF} != ''"),
        ("WIF914", f"{REF} != '' && attribute.project == '{PROJECT_ID.upper()}'"),
        ("WIF914", f'attribute.project == "{PROJECT_ID.upper()}"'),
        ("WIF915", f"{REF} != '' && {CONTEXTS} == '{CONTEXT}'"),
        ("WIF916", f"attribute.project == '{PROJECT_ID}' && {REF} == 'main'"),
    ],
)
def test_the_condition_in_the_fix_holds(code: str, condition: str) -> None:
    found = broken(case(condition))
    assert found.code == code
    fixed = flag(found.fix, "--attribute-condition")
    assert fixed != condition
    assert diagnose(case(fixed)).broken is None


def test_the_issuer_and_the_audience_in_the_fix_are_the_tokens() -> None:
    issuer = OIDC["issuerUri"] + "/" + NASTY
    misspelt = OIDC | {"issuerUri": issuer.upper().replace("HTTPS", "https")}
    assert flag(broken(case(claims={"iss": issuer}, oidc=misspelt)).fix, "--issuer-uri") == issuer
    assert flag(broken(case(claims={"aud": NASTY})).fix, "--allowed-audiences") == f"{ORGANIZATION_ID},{NASTY}"


def test_the_issuer_of_another_system_is_not_put_in_the_place_of_this_one() -> None:
    """D41: it would cut off all jobs that the provider is for."""
    found = broken(case(claims={"iss": "https://token.actions.githubusercontent.com"}))
    assert not any("--issuer-uri" in line for line in found.fix)


def test_an_audience_with_a_comma_is_one_audience() -> None:
    given = flag(broken(case(claims={"aud": "a,b"})).fix, "--allowed-audiences")
    assert given == f"^;^{ORGANIZATION_ID};a,b"


def test_a_provider_without_audiences_keeps_its_own_name() -> None:
    given = flag(broken(case(oidc=OIDC | {"allowedAudiences": []})).fix, "--allowed-audiences")
    assert given.split(",") == [*PROVIDER.default_audiences, ORGANIZATION_ID]


def test_the_member_in_the_fix_lets_the_token_in() -> None:
    unbound = replace(
        case(
            attributeMapping=MAPPING | {"attribute.a_longer_ref": PROJECT + " + ':' + " + REF},
            claims={"oidc.circleci.com/vcs-ref": "refs/heads/long/branch/" + NASTY},
        ),
        account=ServiceAccountEmail(ACCOUNT),
        policy=(),
        project_policy=(),
    )
    found = broken(unbound)
    assert found.code == "WIF921"
    member = flag(found.fix, "--member")
    assert member.endswith(NASTY)
    assert flag(found.fix, "--role") == "roles/iam.workloadIdentityUser"
    bound = replace(unbound, policy=(Binding("roles/iam.workloadIdentityUser", (member,)),))
    assert diagnose(bound).broken is None


def test_a_value_that_cel_would_not_take_is_not_put_into_a_condition() -> None:
    found = broken(
        case(f"attribute.project == {'AX' + chr(92) * 2 + 'B'!r}", {"oidc.circleci.com/project-id": "ax\\\\b"})
    )
    assert not any("--attribute-condition" in line for line in found.fix)


def test_the_member_of_direct_federation_is_quoted_too() -> None:
    changed = case(
        attributeMapping=MAPPING | {"attribute.a_longer_ref": PROJECT + " + ':' + " + REF},
        claims={"oidc.circleci.com/vcs-ref": "refs/heads/long/branch/" + NASTY},
    )
    found = next(
        each
        for each in diagnose(replace(changed, direct=True, project="acme-prod", project_policy=())).findings
        if each.level == "unknown"
    )
    assert found.code == "WIF928"
    assert flag(found.fix, "--member").endswith(NASTY)
