"""The doctor is right: for each broken setup the real client fails, its first finding is the mistake, its fix helps.

Run with ``-s`` to see the score.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from doctor_corpus import CORPUS, HEALTHY, Broken
from google.auth import exceptions
from google_setup import Google
from provisioned import QUICK
from real_client import login

from gcp_wif.doctor import Evidence, Report, diagnose
from gcp_wif.doctor.sources import from_google
from gcp_wif.emulator import Emulator
from gcp_wif.endpoints import Endpoints
from gcp_wif.provisioning import Clients
from gcp_wif.refusals import recognise
from gcp_wif.subject_token import SubjectToken


@pytest.fixture(scope="module")
def google() -> Iterator[Google]:
    with Emulator(projects={"acme-identity": "123456789012"}) as running:
        yield Google(running)


def _examined(google: Google, token: str, error: str | None) -> Report:
    from google.auth.credentials import AnonymousCredentials

    from gcp_wif.cli.evidence import _header
    from gcp_wif.names import ServiceAccountEmail

    known = recognise(error) if error else None
    parsed = SubjectToken.parse(token, origin="test")
    evidence = Evidence(
        google.emulator.state.clock.now(),
        header=_header(parsed),
        claims=dict(parsed.claims),
        provider=google.provider,
        account=ServiceAccountEmail(google.account),
        refused=known.kind if known else None,
        sentence=error,
    )
    clients = Clients(Endpoints.resolve(google.emulator.environ()), AnonymousCredentials(), 10.0)
    try:
        return diagnose(from_google(evidence, clients, QUICK))
    finally:
        clients.close()


def _token(google: Google, case: Broken, claims: Any) -> str:
    return google.emulator.token(**case.token, **(claims if isinstance(claims, dict) else {}))


def _diagnosed(google: Google, case: Broken) -> str | None:
    """What is wrong with the doctor's diagnosis of this case; ``None`` where it is right."""
    token = _token(google, case, case.make(google))
    try:
        login(google, token, **case.client)
    except exceptions.GoogleAuthError as error:
        said = " ".join(str(part) for part in error.args)
    else:
        return "the real client does not fail"
    report = _examined(google, token, said)
    found = report.broken
    if found is None or report.findings[0] is not found:
        return "the first finding is no broken link"
    if found.code != case.code:
        return f"found {found.code}: {found.message} ({found.found})"
    if not found.fix:
        return "there is no fix"
    if "eyJ" in str(report):
        return "a token is in the report"
    claims = case.cure(google)
    cured = google.emulator.token(
        **({} if case.token.get("stranger") or case.token.get("header") else case.token),
        **(claims if isinstance(claims, dict) else {}),
    )
    try:
        login(google, cured, **case.client)
    except exceptions.GoogleAuthError as error:
        return f"after the fix the real client still fails: {error}"
    return None


def test_the_corpus(google: Google) -> None:
    wrong = {}
    for case in CORPUS:
        said = _diagnosed(google, case)
        if said:
            wrong[case.name] = f"{case.code} wanted; {said}"
    print(f"\ndoctor: {len(CORPUS) - len(wrong)} of {len(CORPUS)} broken setups diagnosed and fixed")
    assert len(CORPUS) >= 40
    assert wrong == {}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_setups_have_no_finding(name: str, google: Google) -> None:
    make, claims, options = HEALTHY[name]
    make(google)
    token = google.emulator.token(**options, **claims)
    assert login(google, token).token
    report = _examined(google, token, None)
    assert [(each.code, each.message) for each in report.findings] == []
    assert {link.state for link in report.links} <= {"fine", "unknown"}


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CORPUS}) == len(CORPUS)
