"""A mend that is a command can be run as it stands: it holds the very value, quoted for a shell, and it helps."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
from google_setup import ACCOUNT, PROVIDER

from gcp_wif.doctor import Case, Finding, examine
from gcp_wif.doctor.values import Binding
from gcp_wif.emulator.issuer import ORGANIZATION_ID, PROJECT_ID, circleci_claims
from gcp_wif.names import ServiceAccountEmail

NOW = 1_800_000_000.0
CONTEXT = "c0ffee00-1234-4abc-9def-0123456789aa"
REF = "assertion['oidc.circleci.com/vcs-ref']"
CONTEXTS = "assertion['oidc.circleci.com/context-ids']"
OIDC = {"issuerUri": f"https://oidc.circleci.com/org/{ORGANIZATION_ID}", "allowedAudiences": [ORGANIZATION_ID]}
MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.project": "assertion['oidc.circleci.com/project-id']",
}
NASTY = "a'; touch /tmp/x; $(id) \"`"


def case(condition: str = "", claims: dict[str, Any] | None = None, **state: Any) -> Case:
    provider = {"attributeMapping": MAPPING, "attributeCondition": condition, "oidc": OIDC} | state
    given = circleci_claims({"oidc.circleci.com/context-ids": [CONTEXT]}, NOW) | (claims or {})
    header = {"alg": "RS256", "kid": "k"}
    return Case(NOW, header=header, claims=given, provider=PROVIDER, provider_state=provider)


def broken(of: Case) -> Finding:
    found = examine(of).broken
    assert found is not None
    return found


def flag(mends: tuple[str, ...], name: str) -> str:
    """The value of a flag, as a shell gives it to gcloud."""
    line = next(line for line in mends if f"{name}=" in line)
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
def test_the_condition_in_the_mend_holds(code: str, condition: str) -> None:
    found = broken(case(condition))
    assert found.code == code
    mended = flag(found.mend, "--attribute-condition")
    assert mended != condition
    assert examine(case(mended)).broken is None


def test_the_issuer_and_the_audience_in_the_mend_are_the_tokens() -> None:
    issuer = f"https://x/{NASTY}"
    assert flag(broken(case(claims={"iss": issuer})).mend, "--issuer-uri") == issuer
    assert flag(broken(case(claims={"aud": NASTY})).mend, "--allowed-audiences") == NASTY


def test_the_member_in_the_mend_lets_the_token_in() -> None:
    unbound = replace(
        case(
            attributeMapping=MAPPING | {"attribute.a_longer_ref": REF},
            claims={"oidc.circleci.com/vcs-ref": "refs/heads/long/branch/" + NASTY},
        ),
        account=ServiceAccountEmail(ACCOUNT),
        policy=(),
    )
    found = broken(unbound)
    assert found.code == "WIF921"
    member = flag(found.mend, "--member")
    assert member.endswith(NASTY)
    assert flag(found.mend, "--role") == "roles/iam.workloadIdentityUser"
    bound = replace(unbound, policy=(Binding("roles/iam.workloadIdentityUser", (member,)),))
    assert examine(bound).broken is None


def test_a_value_that_cel_would_not_take_is_not_put_into_a_condition() -> None:
    found = broken(
        case(f"attribute.project == {'AX' + chr(92) * 2 + 'B'!r}", {"oidc.circleci.com/project-id": "ax\\\\b"})
    )
    assert found.mend[-1].endswith("…")


def test_the_member_of_direct_federation_is_quoted_too() -> None:
    changed = case(
        attributeMapping=MAPPING | {"attribute.a_longer_ref": REF},
        claims={"oidc.circleci.com/vcs-ref": "refs/heads/long/branch/" + NASTY},
    )
    found = broken(replace(changed, direct=True, project="acme-prod", project_policy=()))
    assert found.code == "WIF928"
    assert flag(found.mend, "--member").endswith(NASTY)
