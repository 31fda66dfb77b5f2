"""Whatever a token or a provider holds: a report in the chain's order, in bounded time, with no token in it."""

from html.parser import HTMLParser
from typing import Any

import pytest
from google_setup import ACCOUNT, PROVIDER
from hypothesis import given, settings
from hypothesis import strategies as st
from rules import circleci_claims

from gcp_wif.codes import all_codes
from gcp_wif.doctor import Evidence, diagnose
from gcp_wif.doctor.evidence import MISSING
from gcp_wif.doctor.page import page
from gcp_wif.doctor.report import LINKS
from gcp_wif.federation import Binding
from gcp_wif.names import ServiceAccountEmail

NOW = 1_800_000_000.0
CODES = {row.code for row in all_codes()}
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=20), st.just(TOKEN)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*circleci_claims({}, NOW), "other"])
claims = st.none() | st.dictionaries(names, values, max_size=4).map(lambda changes: circleci_claims({}, NOW) | changes)
expressions = st.sampled_from(
    [
        "assertion.sub",
        "assertion['oidc.circleci.com/project-id']",
        "assertion.other",
        "assertion.other == 'x' && attribute.x == 'y'",
        "attribute.x.startsWith('a') || !(assertion.aud in ['x'])",
        "assertion.sub +",
        "true",
        "[1]",
        "",
    ]
)
providers = st.one_of(
    st.none(),
    st.just(MISSING),
    st.fixed_dictionaries(
        {
            "state": st.sampled_from(["ACTIVE", "DELETED"]),
            "disabled": st.booleans(),
            "attributeMapping": st.dictionaries(st.sampled_from(["google.subject", "attribute.x"]), expressions),
            "attributeCondition": expressions,
            "oidc": st.fixed_dictionaries(
                {"issuerUri": st.sampled_from(["https://x", circleci_claims({}, NOW)["iss"]])}
            ),
        }
    ),
)
policies = st.none() | st.lists(
    st.builds(
        Binding,
        st.sampled_from(["roles/iam.workloadIdentityUser", "x"]),
        st.tuples(st.text(max_size=9)),
        st.booleans(),
    )
).map(tuple)


@st.composite
def cases(draw: Any) -> Evidence:
    return Evidence(
        NOW,
        header=draw(st.none() | st.dictionaries(st.sampled_from(["alg", "kid"]), scalars)),
        claims=draw(claims),
        provider=PROVIDER,
        account=draw(st.none() | st.just(ServiceAccountEmail(ACCOUNT))),
        direct=draw(st.booleans()),
        pool_state=draw(st.none() | st.just(MISSING) | st.just({"state": "ACTIVE"})),
        provider_state=draw(providers),
        policy=draw(policies),
        project="acme-prod",
    )


@settings(max_examples=300)
@given(cases())
def test_any_case_has_a_report(evidence: Evidence) -> None:
    report = diagnose(evidence)
    assert tuple(link.name for link in report.links) == LINKS
    assert {each.code for each in report.findings} <= CODES
    assert all(each.fix for each in report.findings)
    broken = [each.link for each in report.findings if each.level == "broken"]
    assert broken == sorted(broken, key=LINKS.index)
    first = [link.name for link in report.links if link.state == "broken"][:1]
    assert first == broken[:1]
    fine_after = [link.name for link in report.links if link.state == "fine"]
    assert not first or all(LINKS.index(name) < LINKS.index(first[0]) for name in fine_after)
    shown = repr(report) + page(evidence, report)
    assert TOKEN not in shown
    assert "eyJzdWIi" not in shown


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "oidc.circleci.com/project-id"])
def test_a_token_in_a_claim_is_hidden_everywhere(claim: str) -> None:
    state = {
        "attributeMapping": {
            "google.subject": "assertion.sub",
            "attribute.project": "assertion['oidc.circleci.com/project-id']",
        },
        "attributeCondition": "attribute.project == 'x' && assertion.sub == 'y'",
        "oidc": {"issuerUri": circleci_claims({}, NOW)["iss"], "allowedAudiences": [circleci_claims({}, NOW)["aud"]]},
    }
    account = ServiceAccountEmail(ACCOUNT)
    for condition in (state["attributeCondition"], ""):
        evidence = Evidence(
            NOW,
            header={"alg": "RS256", "kid": "k"},
            claims=circleci_claims({}, NOW) | {claim: TOKEN},
            provider=PROVIDER,
            account=account,
            provider_state=state | {"attributeCondition": condition},
            policy=(),
            project_policy=(),
        )
        report = diagnose(evidence)
        assert report.broken is not None
        assert "eyJ" not in repr(report) + page(evidence, report)


class Cells(HTMLParser):
    """The texts of a page's table of claims, as a browser reads them, and every element that it makes."""

    def __init__(self, made: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.rows: list[list[str]] = []
        self._within = False
        self.feed(made)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self._within = self._within or ("id", "claims") in attrs
        if self._within and tag == "tr":
            self.rows.append([])
        if self._within and (tag == "td" or (tag, ("scope", "row")) == ("th", (attrs or [("", "")])[0])):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag != "table"

    def handle_data(self, data: str) -> None:
        if self._within and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


visible = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from("<>&'\""), max_size=40)
tags = st.sampled_from(["<b>", "</table>", "<script>alert(1)</script>", "<img/src=x>", "&lt;b&gt;", "&#60;b>"])


@given(visible | tags, visible | tags)
def test_the_page_shows_any_text_as_text(name: str, value: str) -> None:
    claims = {"sub": value, name: "<i>"}
    evidence = Evidence(NOW, header={}, claims=claims, provider=PROVIDER)
    cells = Cells(page(evidence, diagnose(evidence)))
    rows = [[text.strip() for text in row] for row in cells.rows if row]
    assert rows == [[each, text] for each, text in sorted(claims.items())]
    assert not cells.elements & {"b", "i", "img", "script"}
