"""The doctor on setups as people wire them: nothing to say where it works, the true reason where it does not.

A real client, google-auth, decides which of them work. Run with ``-s`` to see the score.
"""

from collections.abc import Iterator

import pytest
from setups import Setup, diagnosed, exchanged, make, setups, token

from gcp_wif.doctor import Report
from gcp_wif.emulator import Emulator

FILES = ("looked_at.toml", "put_aside.toml")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(projects={"acme-identity": "123456789012"}) as running:
        yield running


def judged(setup: Setup, emulator: Emulator) -> str | None:
    """What is wrong with the doctor's judgement; ``None`` where it is right."""
    google = make(setup, emulator)
    jwt = token(setup, emulator)
    other = _REFUSED if setup.config_provider or setup.config_pool or setup.config_account else None
    said = other or exchanged(google, jwt, account=not setup.direct)
    if (said is None) is not (setup.find is None):
        return f"the setup itself is not as it should be: {said}"
    for claims in setup.others:
        wanted = {name: value for name, value in claims.items() if name != "account"}
        failure = exchanged(google, token(setup, emulator, wanted), account=claims.get("account", True))
        if failure is not None:
            return f"another job's token does not work before anything was fixed: {failure}"
    return _compared(setup, diagnosed(setup, google, jwt))


_REFUSED = "invalid_target"


def _compared(setup: Setup, report: Report) -> str | None:
    if setup.find is None:
        found = [f"{each.code} {each.level}: {each.message}" for each in report.findings if each.level != "advice"]
        unclear = [each.name for each in report.links if each.state not in ("fine", "unknown")]
        open_links = [each.name for each in report.links if each.state == "unknown" and each.name != "lifetime"]
        return "; ".join(found + unclear + open_links) or None
    first = report.findings[0] if report.findings else None
    if first is None or first.level != "broken" or first.code != setup.find:
        return f"wanted {setup.find}, found {first and (first.code, first.level, first.message, first.found)}"
    if not first.fix or any("…" in line and line.startswith("gcloud") for line in first.fix):
        return f"the fix has blanks: {first.fix}"
    if setup.says and not any(setup.says in line for line in first.fix):
        return f"the fix does not say {setup.says}: {first.fix}"
    return None


@pytest.mark.parametrize("file", FILES)
def test_the_doctor_is_right(file: str, emulator: Emulator) -> None:
    rows = setups(file)
    wrong = {name: said for name, row in rows.items() if (said := judged(row, emulator)) is not None}
    print(f"\n{file}: {len(rows) - len(wrong)} of {len(rows)} setups judged right")
    assert wrong == {}
    assert emulator.crashes == []


def test_the_corpus_has_both_sides() -> None:
    rows = [row for file in FILES for row in setups(file).values()]
    assert len(rows) >= 60
    assert len({row.name for row in rows}) == len(rows)
    healthy = sum(row.find is None for row in rows)
    assert healthy * 3 >= len(rows)
    assert (len(rows) - healthy) * 3 >= len(rows)
