"""Every gcloud command that the doctor prints is run by gcloud: it works, it helps, and nobody else loses access."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from admin_shell import Shell
from google_setup import ACCOUNT, Google
from setups import diagnosed, exchanged, make, setups, token, uploaded

from gcp_wif.doctor import Report
from gcp_wif.emulator import Emulator

pytestmark = [pytest.mark.client, pytest.mark.slow]

BROKEN = {name: row for file in ("looked_at.toml", "put_aside.toml") for name, row in setups(file).items() if row.find}
_ROUNDS = 3


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(projects={"acme-identity": "123456789012"}) as running:
        yield running


@pytest.fixture(scope="module")
def shell(require_client: Callable[..., str], tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Shell:
    require_client("gcloud", proves="that the commands of the doctor's fixes run")
    return Shell(tmp_path_factory.mktemp("admin"), emulator)


def commands_of(report: Report) -> list[str]:
    """The gcloud commands of the finding that comes first."""
    return [line for line in report.findings[0].fix if line.startswith("gcloud ")]


@pytest.mark.parametrize("name", BROKEN)
def test_the_fix_runs_and_helps_and_takes_nothing_from_others(name: str, emulator: Emulator, shell: Shell) -> None:
    setup = BROKEN[name]
    google = make(setup, emulator)
    (shell.folder / "jwks.json").write_text(json.dumps(uploaded("both", emulator)))
    before = _grants(google)
    said: str | None = "not tried"
    for _ in range(_ROUNDS):
        report = diagnosed(setup, google, token(setup, emulator))
        commands = commands_of(report)
        assert commands or not setup.fixed, report.findings[0]
        for line in commands[:1]:  # each further one is another way
            assert not re.search(r"\b[A-Z][A-Z_]{3,}\b", re.sub(r"'[^']*'", "", line)), line  # no blank is left
            done = shell(line)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
        said = exchanged(google, token(setup, emulator), account=not setup.direct)
        if said is None or not commands:
            break
    if setup.fixed:
        assert said is None
    for claims in setup.others:
        wanted = {key: value for key, value in claims.items() if key != "account"}
        jwt = token(setup, emulator, wanted)
        assert exchanged(google, jwt, account=claims.get("account", True)) is None, "another job lost its access"
    assert before <= _grants(google)
    assert emulator.crashes == []


def _grants(google: Google) -> set[str]:
    """Every grant on the account and its project, as text."""
    state = google.emulator.state
    found = state.accounts.find(ACCOUNT)
    policies = [state.project_policy("acme-prod"), *([found.policy] if found else [])]
    return {
        json.dumps([policy.owner, each["role"], member, each.get("condition")], sort_keys=True)
        for policy in policies
        for each in policy.bindings
        for member in each["members"]
    }
