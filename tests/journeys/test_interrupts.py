"""Ctrl-C at any moment: exit code 130, what was done is said, no traceback; SIGTERM likewise."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from provisioned import MANIFEST, before

from gcp_wif.emulator import Emulator

# A test run in the background of a shell inherits an ignored SIGINT.
PROGRAM = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('gcp_wif', run_name='__main__')"
)
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@contextlib.contextmanager
def running(cli: Any, *arguments: str, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | streams
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], env=cli.env, cwd=cli.cwd, text=True, **streams
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def until(met: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline, "it never came to the moment that was waited for"
        time.sleep(0.02)


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """What it says, from the signal to its end."""
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "KeyboardInterrupt" not in err
    return out, err


def one_error(text: str) -> dict[str, Any]:
    document = json.loads(text)
    assert set(document) == {"version", "error"}
    error: dict[str, Any] = document["error"]
    return error


@pytest.fixture
def silent(cli: Any) -> Iterator[list[bytes]]:
    """A Google that takes every call and never answers; the calls so far."""
    calls: list[bytes] = []
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            listener.settimeout(0.1)
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    kept.append(connection)
                    calls.append(connection.recv(65536))

        thread = threading.Thread(target=serve)
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        cli.env |= {"GCP_WIF_EMULATOR_HOST": host, "GCP_WIF_EMULATOR_GRPC_HOST": host}
        try:
            yield calls
        finally:
            ended.set()
            thread.join()
            for connection in kept:
                connection.close()


@pytest.fixture
def job(cli: Any, google: Any, silent: list[bytes]) -> list[bytes]:
    cli.env = google.job() | cli.env
    return silent


@pytest.fixture
def admin(cli: Any, tmp_path: Path) -> Path:
    cli.cwd = tmp_path / "admin"
    cli.cwd.mkdir()
    (cli.cwd / "gcp-wif.toml").write_text(MANIFEST)
    return Path(cli.cwd)


@BOTH
def test_in_login_while_google_is_asked(cli: Any, job: list[bytes], number: signal.Signals) -> None:
    with running(cli, "login", "--json") as process:
        until(lambda: job)
        out, err = interrupt(process, number)
    error = one_error(out)
    assert error["code"] == "WIF010"
    assert "token file and the credential config are written" in error["message"]
    assert f"exports stand in {cli.env['BASH_ENV']}" in error["message"]
    assert error["message"] in err
    assert (cli.home / "oidc_token").exists()
    assert [each.name for each in cli.home.iterdir() if "new" in each.name] == []


@BOTH
def test_in_login_while_the_token_is_awaited(cli: Any, google: Any, number: signal.Signals, tmp_path: Path) -> None:
    cli.env |= google.job()
    reading, writing = os.pipe()
    with running(cli, "login", "--json", "--token-stdin", stdin=reading) as process:
        os.close(reading)
        time.sleep(1.5)  # it shows nothing until the token is there
        out, _ = interrupt(process, number)
        os.close(writing)
    assert one_error(out)["message"] == "Interrupted."
    assert list(cli.home.iterdir()) == []


@pytest.mark.parametrize("arguments", [["plan"], ["doctor", "--live", "--manifest", "gcp-wif.toml"]])
@BOTH
def test_while_a_slow_service_is_read(
    cli: Any, admin: Path, silent: list[bytes], number: signal.Signals, arguments: list[str]
) -> None:
    """The readers are threads that wait for an answer of a minute; nobody waits for them."""
    with running(cli, *arguments, "--json") as process:
        until(lambda: silent)
        begin = time.monotonic()
        out, err = interrupt(process, number)
    assert time.monotonic() - begin < 15
    assert one_error(out)["code"] == "WIF010"
    assert err.count("WIF010") == 1
    assert "Nothing was changed." in err


@pytest.mark.parametrize("command", ["apply", "destroy"])
@BOTH
def test_at_the_prompt(cli: Any, emulator: Emulator, admin: Path, command: str, number: signal.Signals) -> None:
    before(emulator)
    cli.env |= emulator.environ()
    if command == "destroy":
        assert cli("apply", "--yes").returncode == 0
    calls = len(emulator.requests())
    ours, theirs = pty.openpty()
    with running(cli, command, "--json", stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        told = b""
        while not told.endswith(b": "):
            told += os.read(ours, 4096)
        assert b"Type destroy to do it: " in told if command == "destroy" else b"[y/N]: " in told
        process.send_signal(number)
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                told += part
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 130, told
    os.close(ours)
    assert b"Traceback" not in told
    assert one_error(out)["message"] == "Interrupted. Nothing was changed."
    methods = {call["method"] for call in emulator.requests()[calls:]}
    assert methods <= {"GET", "GRPC"}


@pytest.fixture
def slow(cli: Any, emulator: Emulator, admin: Path) -> Emulator:
    """Making the provider takes a while."""
    before(emulator)
    cli.env |= emulator.environ()
    emulator.faults({"match": {"call": "providers.create"}, "action": {"latency_ms": 4000}})
    return emulator


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read what it says, up to the line with ``words``."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it never said {words}")


@BOTH
def test_in_apply_the_change_under_way_is_brought_to_its_end(cli: Any, slow: Emulator, number: signal.Signals) -> None:
    with running(cli, "apply", "--yes", "--json") as process:
        read_until(process, "[1/7] done: create pool")
        out, err = interrupt(process, number)
    error = one_error(out)
    assert error["code"] == "WIF826"
    assert error["message"].startswith("Interrupted. ")
    assert "of 7 changes made" in error["message"]
    assert "waiting for the changes under way" in err
    assert "made: create pool" in err
    assert "not made: create account" in err
    slow.faults()
    assert cli("apply", "--yes").returncode == 0
    assert cli("plan").returncode == 0


def test_in_apply_a_second_one_stops_at_once(cli: Any, slow: Emulator) -> None:
    slow.faults({"match": {"call": "providers.create"}, "action": {"latency_ms": 25_000}})
    with running(cli, "apply", "--yes", "--json") as process:
        read_until(process, "[1/7] done: create pool")
        process.send_signal(signal.SIGINT)
        read_until(process, "waiting for the changes under way")
        begin = time.monotonic()
        out, err = interrupt(process, signal.SIGINT)
    assert time.monotonic() - begin < 15
    error = one_error(out)
    assert error["code"] == "WIF010"
    assert "1 of 7 changes made" in error["message"]
    assert "stopped at once" in err


def test_while_the_program_is_being_loaded(cli: Any) -> None:
    """At some moments of its start: whatever it was doing, it ends without a traceback."""
    for step in range(8):
        with running(cli, "emulator") as process:
            time.sleep(0.08 * (step + 3))
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode in {0, 130}, err  # 0 once it serves: that is how it ends
        assert "gcp_wif" not in err.partition("Traceback")[2], err


def test_an_ignored_signal_stays_ignored(cli: Any, google: Any) -> None:
    """Under `nohup`, and in the background of a shell, SIGINT is somebody else's."""
    script = f'trap "" INT; exec "{sys.executable}" -m gcp_wif token --token-stdin'
    process = subprocess.Popen(
        ["sh", "-c", script], env=cli.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        out, err = process.communicate(google.emulator.token().encode(), timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out.startswith(b"eyJ")) == (0, True), err
