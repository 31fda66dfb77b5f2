"""The child that an agent asks by: what it answers is read to its end, and bounded in size and time."""

import selectors
import time
from collections.abc import Callable
from typing import Any

import pytest

from gcp_wif.job.agent import child
from gcp_wif.job.agent.child import Child


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any] | None]:
    def ask(program: str) -> dict[str, Any] | None:
        monkeypatch.setattr(child, "_ERRAND", program)
        with selectors.DefaultSelector() as selector:
            asked, end = Child({}, {}, selector), time.monotonic() + 60
            while asked.answer is None and time.monotonic() < end:
                for key, _ in selector.select(0.05):
                    key.data()
                asked.look()
            return asked.answer

    return ask


def test_an_answer_in_parts_is_read_to_its_end(answered: Callable[[str], Any]) -> None:
    parts = "import time; print('{\"token\":', flush=True); time.sleep(0.3); print('\"x\"}')"
    assert answered(parts) == {"token": "x"}


def test_what_is_no_answer(answered: Callable[[str], Any]) -> None:
    assert answered("print('{')") == {"error": "no answer"}


def test_an_answer_without_end(answered: Callable[[str], Any]) -> None:
    assert answered("import os\nwhile True: os.write(1, b'x' * 65536)") == {"error": "an answer that is too large"}


def test_a_child_that_hangs(answered: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "AGENT_ERRAND_SECONDS", 0.2)
    assert answered("import time; time.sleep(300)") == {"error": "no answer within 0 seconds"}
