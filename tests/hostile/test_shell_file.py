"""What `--to` and $BASH_ENV may name: pipes, terminals, devices, descriptors, files that grow (row W21 of the review).

The file is somebody else's, so links are followed; but a command must end, at once, and lose no line of others.
"""

import os
import pty
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
GENERATE = ("generate", PROVIDER, "--service-account=deploy@acme-prod.iam.gserviceaccount.com")
LINE = "export GOOGLE_APPLICATION_CREDENTIALS="


@pytest.fixture
def logged_in(cli, make_jwt):
    assert cli(*GENERATE, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
    return cli


def run(cli, command: str, to: str, **options) -> subprocess.CompletedProcess[bytes]:
    # Generous for a busy machine; what is looked for is an endless loop.
    fixed = {"env": cli.env, "stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 30}
    arguments = [sys.executable, "-m", "gcp_wif", command, "--to", to]
    return subprocess.run(arguments, check=False, **(fixed | options))


@pytest.mark.parametrize("command", ["export", "logout"])
@pytest.mark.parametrize("name", ["/proc/self/fd/{}", "/dev/fd/{}"])
def test_a_descriptor_of_a_pipe(logged_in, command: str, name: str) -> None:
    """W21: this looped for ever."""
    reader, writer = os.pipe()
    try:
        done = run(logged_in, command, name.format(writer), pass_fds=[writer])
    finally:
        os.close(reader)
        os.close(writer)
    assert (done.returncode, b"error WIF301" in done.stderr) == (2, True), done.stderr
    assert b"--to stdout" in done.stderr


@pytest.mark.parametrize("name", ["/proc/self/fd/{}", "/dev/fd/{}"])
def test_a_descriptor_of_a_file(logged_in, tmp_path: Path, name: str) -> None:
    """W21: a file that the shell has opened is appended to, and logout takes the lines out again."""
    path = tmp_path / "env"
    path.write_text("export THEIRS=1\n")
    with path.open("a") as theirs:
        assert run(logged_in, "export", name.format(theirs.fileno()), pass_fds=[theirs.fileno()]).returncode == 0
        assert path.read_text().startswith(f"export THEIRS=1\n{LINE}")
        done = run(logged_in, "logout", name.format(theirs.fileno()), pass_fds=[theirs.fileno()])
        assert done.returncode == 0, done.stderr
    assert path.read_text() == "export THEIRS=1\n"


@pytest.mark.parametrize("what", ["deleted", "never named"])
def test_a_descriptor_of_a_file_without_a_name(logged_in, tmp_path: Path, what: str) -> None:
    """W21: there is nothing to compare its name with, which looped for ever too."""
    if what == "deleted":
        descriptor = os.open(tmp_path / "env", os.O_RDWR | os.O_CREAT, 0o600)
        (tmp_path / "env").unlink()
    else:
        descriptor = os.memfd_create("env")
    try:
        name = f"/proc/self/fd/{descriptor}"
        done = run(logged_in, "export", name, pass_fds=[descriptor])
        assert done.returncode == 0, done.stderr
        assert os.pread(descriptor, 100, 0).decode().startswith(LINE)
        done = run(logged_in, "logout", name, pass_fds=[descriptor])
        assert (done.returncode, b"error WIF301" in done.stderr) == (2, True), done.stderr
        assert os.pread(descriptor, 100, 0).decode().startswith(LINE)
    finally:
        os.close(descriptor)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("command", ["export", "logout"])
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/null", "/dev/full", "fifo", "folder", "socket"])
def test_what_is_no_file_is_refused(logged_in, tmp_path: Path, command: str, name: str) -> None:
    """W21: a pipe, a device, a folder, a socket: refused, neither waited for nor replaced."""
    path = tmp_path / name  # for an absolute name, that name
    if name == "fifo":
        os.mkfifo(path)
    elif name == "folder":
        path.mkdir()
    elif name == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    before = path.lstat()
    done = run(logged_in, command, str(path))
    assert (done.returncode, b"error WIF301" in done.stderr) == (2, True), done.stderr
    assert os.path.samestat(before, path.lstat())


def test_a_terminal_is_refused(logged_in) -> None:
    """W21: a terminal is not read from, which would wait for somebody to type."""
    controller, terminal = pty.openpty()
    try:
        for name in (os.ttyname(terminal), "/dev/stdout"):
            done = run(logged_in, "export", name, capture_output=False, stdout=terminal, stderr=subprocess.PIPE)
            assert (done.returncode, b"error WIF301" in done.stderr) == (2, True), done.stderr
    finally:
        os.close(controller)
        os.close(terminal)


def test_stdout_that_is_a_file(logged_in, tmp_path: Path) -> None:
    """W21: `--to /dev/stdout >> env` appends to env."""
    with (tmp_path / "env").open("a") as output:
        done = run(logged_in, "export", "/dev/stdout", capture_output=False, stdout=output, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "env").read_text().startswith(LINE)


@pytest.mark.parametrize("command", ["export", "logout"])
def test_a_file_that_grows_while_it_is_read(logged_in, tmp_path: Path, command: str) -> None:
    """W21: another program appends all the time. The command ends, and every line of both is there."""
    path = tmp_path / "env"
    path.write_text("")
    if command == "logout":
        assert run(logged_in, "export", str(path)).returncode == 0
    stop = threading.Event()
    count = 0

    def append() -> None:
        nonlocal count
        while not stop.is_set():
            with path.open("a") as file:
                file.write(f"export THEIRS={count}\n" * 100)
            count += 1
            time.sleep(0.02 if command == "logout" else 0)

    thread = threading.Thread(target=append)
    thread.start()
    try:
        done = run(logged_in, command, str(path))
    finally:
        stop.set()
        thread.join(10)
    assert done.returncode == 0, done.stderr
    lines = path.read_text().split("\n")
    assert sum(line.startswith(LINE) for line in lines) == (1 if command == "export" else 0)
    if command == "export":
        assert all(lines.count(f"export THEIRS={number}") == 100 for number in range(count))


@pytest.mark.parametrize("command", ["export", "logout"])
def test_a_huge_file_is_refused(logged_in, tmp_path: Path, command: str) -> None:
    """W21: 100 GB, all of it a hole: not read."""
    path = tmp_path / "env"
    with path.open("wb") as file:
        file.truncate(100 << 30)
    done = run(logged_in, command, str(path))
    assert (done.returncode, b"error WIF307" in done.stderr) == (2, True), done.stderr
    assert path.stat().st_size == 100 << 30
