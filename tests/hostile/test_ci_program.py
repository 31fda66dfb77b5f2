"""A CI system's program for tokens that does not end, prints without end, or leaves a child behind.

Its output may hold a token, so none of it is repeated.
"""

import sys
import time
from pathlib import Path

import pytest

from gcp_wif.ci.asking import ask_program, run_program
from gcp_wif.errors import InputError, UnavailableError
from gcp_wif.limits import MAX_TOKEN_BYTES

SECRET = "eyJ0b3Atc2VjcmV0.eyJhIjoxfQ.c2ln"


def ask(script: str, seconds: float = 20.0) -> str:
    return ask_program(
        [sys.executable, "-c", script], lambda command: run_program(command, seconds=seconds),
        name="the program", missing="-", failed="-",
    )  # fmt: skip


def has_ended(pid: int) -> bool:
    """Whether it ends within a few seconds; an orphan that ended may wait for its new parent to notice."""
    for _ in range(50):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def test_what_it_prints_is_the_token() -> None:
    assert ask(f"print('{SECRET}')") == SECRET + "\n"


@pytest.mark.parametrize(
    "script",
    [
        f"import time; print('{SECRET}', flush=True); time.sleep(60)",
        f"import os, time; print('{SECRET}', flush=True); os.close(1); time.sleep(60)",
        f"import subprocess; print('{SECRET}', flush=True); subprocess.Popen(['sleep', '60'])",
        f"import subprocess; print('{SECRET}', flush=True); subprocess.Popen(['sleep', '60'], start_new_session=True)",
    ],
    ids=["hangs", "closes its output and hangs", "leaves a child", "leaves a child of another session"],
)
def test_it_does_not_wait_longer_than_the_limit(script: str) -> None:
    """W14: whoever holds the output open, the limit holds."""
    begin = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        ask(script, seconds=1.0)
    assert time.monotonic() - begin < 5
    assert caught.value.code == "WIF603"
    assert SECRET[:8] not in caught.value.message + str(caught.value.hint)
    assert caught.value.__suppress_context__


def test_it_reads_no_more_than_a_token_may_have() -> None:
    """W14: an endless answer."""
    begin = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        ask("import sys\nwhile True: sys.stdout.write('eyJ' * 10_000)")
    assert time.monotonic() - begin < 5
    assert "KiB" in caught.value.message
    assert "eyJ" not in caught.value.message


def test_the_longest_token_is_taken_whole() -> None:
    assert len(ask(f"print('x' * {MAX_TOKEN_BYTES})")) == MAX_TOKEN_BYTES + 1


def test_nothing_is_left_running(tmp_path: Path) -> None:
    """Neither the program nor its children, which a kill of the program alone would leave."""
    mark = tmp_path / "pids"
    script = (
        "import os, subprocess, time; child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(mark)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(60)"
    )
    with pytest.raises(UnavailableError):
        ask(script, seconds=2.0)
    program, child = map(int, mark.read_text().split())
    assert has_ended(program)
    assert has_ended(child)


def test_its_errors_are_not_repeated(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnavailableError) as caught:
        ask(f"import sys; print('{SECRET}'); print('{SECRET}', file=sys.stderr); sys.exit(3)")
    assert "exit code 3" in caught.value.message
    assert SECRET[:8] not in caught.value.message + "".join(capfd.readouterr())


def test_it_gets_no_input_and_bytes_that_are_no_text_come_through() -> None:
    assert ask("import sys; print(len(sys.stdin.read()))") == "0\n"
    assert ask("import sys; sys.stdout.buffer.write(b'\\xff')") == "\ufffd"


@pytest.mark.parametrize("name", ["missing", "folder", "not executable"])
def test_a_program_that_cannot_be_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "not executable").write_text("")
    with pytest.raises(InputError) as caught:
        ask_program([str(tmp_path / name)], None, name="the program", missing="-", failed="-")
    assert caught.value.code == "WIF208"
