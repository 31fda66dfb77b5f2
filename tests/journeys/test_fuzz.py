"""`make fuzz`: new examples also where CI holds the others fixed, a seed that repeats what was found, and a bound."""

import re
from pathlib import Path
from types import SimpleNamespace

import fuzz
import pytest
from fake_google import FakeClock

PROPERTY = """
from hypothesis import given, settings, strategies as st

@settings(max_examples=50)
@given(st.integers(0, 10**9))
def test_it(number):
    with open({log!r}, "a") as log:
        print(number, file=log)
    assert number < {limit}

def test_no_property():
    raise AssertionError("not selected")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    support = str(Path(fuzz.__file__).parent)
    (tmp_path / "conftest.py").write_text(
        f"import sys; sys.path.append({support!r}); import hypothesis_profiles; hypothesis_profiles.register()"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setenv("CI", "true")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tried(folder: Path, *arguments: str, limit: int = 10**10) -> tuple[int, list[str]]:
    log = folder / "log"
    log.write_text("")
    (folder / "test_it.py").write_text(PROPERTY.format(log=str(log), limit=limit))
    return fuzz.main([*arguments, "--", "-n0"]), log.read_text().split()


def seeds(text: str) -> list[str]:
    return re.findall(r"make fuzz SEED=(\d+)", text)


@pytest.mark.slow
def test_new_examples_every_time_and_the_same_for_a_seed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, first = tried(folder, "--seconds", "0")
    lines = capfd.readouterr().out.splitlines()
    assert code == 0
    assert len(set(first)) > 10
    (seed,) = {*seeds(lines[0]), *seeds(lines[-1])}
    assert tried(folder, "--seconds", "0")[1] != first
    assert tried(folder, "--seed", seed)[1] == first


@pytest.mark.slow
def test_what_is_found_fails_and_the_seed_finds_it_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _ = tried(folder, limit=1000)
    out = capfd.readouterr().out
    assert code != 0
    assert len(set(seeds(out))) == 1
    assert out.splitlines()[-1] == f"fuzz: FOUND SOMETHING:  make fuzz SEED={seeds(out)[0]}"
    assert tried(folder, "--seed", seeds(out)[0], limit=1000)[0] != 0


def test_rounds_go_on_for_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, found = FakeClock(), list[int]()

    def played(seed: int, _: list[str]) -> int:
        clock.sleep(40.0)
        found.append(seed)
        return 0

    monkeypatch.setattr(fuzz, "_round", played)
    monkeypatch.setattr(fuzz, "time", SimpleNamespace(monotonic=clock.now))
    assert fuzz.main(["--seconds", "90"]) == 0
    assert found == [(found[0] + nth) % 2**32 for nth in range(3)]


@pytest.mark.slow
def test_a_round_that_hangs_is_a_finding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "HUNG_SECONDS", 0.2)
    monkeypatch.setattr(fuzz, "COMMAND", ["-c", "import time; time.sleep(30)"])
    assert fuzz.main(["--seed", "1"]) == 1
