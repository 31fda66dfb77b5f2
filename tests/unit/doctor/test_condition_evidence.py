"""What a finding about the condition shows as found: the values of the false part, and of no other."""

import pytest
from google_setup import PROVIDER
from rules import circleci_claims

from gcp_wif.doctor import Evidence, diagnose
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("condition", "expected", "found"),
    [
        ("assertion.aud == 'x' && assertion.sub != ''", "assertion.aud == 'x'", "assertion.aud"),
        ("assertion.sub != '' && assertion.aud == 'x'", "assertion.aud == 'x'", "assertion.aud"),
        ("(assertion.aud == 'x' || assertion.aud == 'y') && assertion.sub != ''",
         "(assertion.aud == 'x' || assertion.aud == 'y')", "assertion.aud"),
    ],
)  # fmt: skip
def test_the_false_part_alone_is_shown(condition: str, expected: str, found: str) -> None:
    provider = {
        "attributeMapping": {"google.subject": "assertion.sub"},
        "attributeCondition": condition,
        "oidc": {"issuerUri": circleci_claims({}, NOW)["iss"], "allowedAudiences": [ORGANIZATION_ID]},
    }
    header = {"alg": "RS256", "kid": "k"}
    evidence = Evidence(NOW, header, circleci_claims({}, NOW), provider=PROVIDER, provider_state=provider)
    finding = diagnose(evidence).broken
    assert finding is not None
    assert finding.expected == expected
    assert finding.found == f"{found} is '{ORGANIZATION_ID}'"
