"""The agent of a long job among strangers: other users, pages in a browser, clients that stall, crowd in, send rubbish.

Nobody gets the token without the secret of the credential config, and nobody keeps others from getting it.
"""

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from google_setup import Google
from long_job import LongJob, ask
from other_user import NOBODY, commons

from gcp_wif import limits
from gcp_wif.emulator import Emulator
from gcp_wif.job.agent.order import SECRET_HEADER, Order


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongJob]:
    with Emulator() as running:
        google = Google(running)
        google.provision()
        with LongJob(google, tmp_path_factory.mktemp("agent") / "job") as made:
            made.login("--metadata-server")
            yield made


def port(job: LongJob) -> int:
    found = urlsplit(job.source.url).port
    assert found is not None
    return found


def metadata_port(job: LongJob) -> int:
    found = re.search(r"GCE_METADATA_HOST=127\.0\.0\.1:(\d+)", Path(job.env["BASH_ENV"]).read_text())
    assert found is not None
    return int(found[1])


def secret(job: LongJob) -> str:
    return dict(job.source.headers)[SECRET_HEADER]


def raw(job: LongJob, data: bytes, *, to: int | None = None) -> bytes:
    """What comes back on a connection of its own."""
    with socket.create_connection(("127.0.0.1", to or port(job)), timeout=20) as connection:
        with contextlib.suppress(OSError):  # refused before all was sent
            connection.sendall(data)
        answer = b""
        with contextlib.suppress(OSError):
            while part := connection.recv(65536):
                answer += part
        return answer


def request(job: LongJob, *lines: str, first: str = "GET / HTTP/1.1") -> bytes:
    head = [first, f"Host: 127.0.0.1:{port(job)}", f"{SECRET_HEADER}: {secret(job)}", *lines]
    return "\r\n".join([*head, "", ""]).encode()


def token(job: LongJob) -> bytes:
    status, body = ask(job.source)
    assert status == 200
    return body


class TestNothingWithoutTheSecret:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {SECRET_HEADER: ""},
            {SECRET_HEADER: "0" * 64},
            {"Authorization": "SECRET"},
            {SECRET_HEADER: "SECRETx"},
            {SECRET_HEADER: "SECRE"},
            {"Metadata-Flavor": "Google"},
        ],
        ids=str,
    )
    def test_no_header_or_a_wrong_one(self, job: LongJob, headers: dict[str, str]) -> None:
        sent = {
            name: value.replace("SECRET", secret(job)).replace("SECRE", secret(job)[:-1])
            for name, value in headers.items()
        }
        assert ask(job.source, headers=sent) == (403, b"")

    @pytest.mark.parametrize("path", ["/end", "/order", "/token", "/"])
    def test_no_verb_either(self, job: LongJob, path: str) -> None:
        assert ask(job.source, path=path, method="POST", headers={})[0] == 403
        assert ask(job.source, path=path, method="POST", headers={}, body=b"{}")[0] == 400
        assert token(job)

    @pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", "[::1]", ""])
    def test_a_name_that_a_page_brings(self, job: LongJob, host: str) -> None:
        """DNS rebinding: a name of the attacker's leads to loopback, with the header by way of a leak, even."""
        assert ask(job.source, host=host) == (403, b"")

    def test_a_page_may_not_even_ask_whether_it_may(self, job: LongJob) -> None:
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Headers": SECRET_HEADER}
        status, _ = ask(job.source, method="OPTIONS", headers=headers)
        assert status == 403

    def test_it_listens_on_loopback_alone(self, job: LongJob) -> None:
        (agent,) = job.agents()
        inodes = {
            match[1]
            for each in Path(f"/proc/{agent}/fd").iterdir()
            if (match := re.fullmatch(r"socket:\[(\d+)\]", str(each.readlink())))
        }
        tables = "".join(Path(f"/proc/{agent}/net/{name}").read_text() for name in ("tcp", "tcp6", "udp", "udp6"))
        rows = [line.split() for line in tables.splitlines() if line.split()[0].endswith(":")]
        local = {row[1].partition(":")[0] for row in rows if row[9] in inodes and row[3] == "0A"}
        assert local == {"0100007F"}

    def test_neither_arguments_nor_files_of_others_have_it(self, job: LongJob) -> None:
        (agent,) = job.agents()
        words = Path(f"/proc/{agent}/cmdline").read_bytes()
        environ = Path(f"/proc/{agent}/environ").read_bytes()
        for text in (secret(job).encode(), token(job)):
            assert text not in words + environ
            assert text not in job.log_path.read_bytes()
            assert text not in Path(job.env["BASH_ENV"]).read_bytes()
            assert text not in (job.home / ".gcp-wif-receipt.json").read_bytes()
        assert job.config.stat().st_mode & 0o777 == 0o600
        assert job.log_path.stat().st_mode & 0o777 == 0o600

    def test_another_user_has_no_way_to_it(self, tmp_path: Path) -> None:
        """The port is open to all; the config, the log, the agent's environment and memory are not."""
        with commons() as folder, Emulator() as running:
            google = Google(running)
            google.provision()
            with LongJob(google, folder / "job") as job:
                job.login()
                (agent,) = job.agents()
                script = f"""
import urllib.request, urllib.error
for path in ({str(job.config)!r}, {str(job.log_path)!r}, "/proc/{agent}/environ", "/proc/{agent}/mem"):
    try: print(open(path, "rb").read(10))
    except OSError as error: print(type(error).__name__)
try: print(urllib.request.urlopen({job.source.url!r}).status)
except urllib.error.HTTPError as error: print(error.code, error.read())
"""
                nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3"]
                done = subprocess.run([*nobody, "-c", script], capture_output=True, text=True, timeout=60, check=False)
                assert done.stdout.split("\n")[:-1] == [*["PermissionError"] * 4, "403 b''"], done.stderr


class TestRubbish:
    @pytest.mark.parametrize(
        "data",
        [
            b"\r\n\r\n",
            b"junk\r\n\r\n",
            b"GET / HTTP/2.0\r\n\r\n",
            b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n",
            b"GET /\x00 HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\nHost: c\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 4000,
            b"GET /" + b"x" * 70_000,
        ],
        ids=lambda data: repr(data[:40]),
    )
    def test_is_answered_with_400_and_no_word_more(self, job: LongJob, data: bytes) -> None:
        for to in (None, metadata_port(job)):
            answer = raw(job, data, to=to)
            assert answer.partition(b"\r\n\r\n")[2] == b""
            assert not answer or answer.startswith(b"HTTP/1.1 400 ")
        assert token(job)

    def test_the_secret_twice_is_none(self, job: LongJob) -> None:
        twice = request(job, f"{SECRET_HEADER}: x")
        assert raw(job, twice).startswith(b"HTTP/1.1 400 ")

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"\xff", b'{"token": 1}', b"[" * 10_000])
    def test_an_order_that_is_none(self, job: LongJob, body: bytes) -> None:
        assert ask(job.source, path="/order", method="POST", body=body)[0] == 400
        assert token(job)

    def test_an_order_for_another_config(self, job: LongJob) -> None:
        order = Order("x", 9e9, None, None, {}, "/x", "/y", 9e9)
        assert ask(job.source, path="/order", method="POST", body=order.to_json())[0] == 404
        assert token(job) != b"x"

    def test_a_second_request_on_a_connection_is_not_heard(self, job: LongJob) -> None:
        answer = raw(job, request(job) + request(job))
        assert answer.count(b"HTTP/1.1 ") == 1


class TestCrowds:
    def test_clients_that_say_nothing_do_not_keep_others_out(self, job: LongJob) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(3 * limits.AGENT_CONNECTIONS):
                stack.enter_context(socket.create_connection(("127.0.0.1", port(job)), timeout=20))
            begun = time.monotonic()
            assert token(job)
            assert time.monotonic() - begun < limits.AGENT_REQUEST_SECONDS

    def test_a_client_that_drips_is_let_go(self, job: LongJob) -> None:
        """A time-out that begins anew with each byte would never end."""
        begun = time.monotonic()
        silent = socket.create_connection(("127.0.0.1", port(job)), timeout=0.2)
        with silent as connection, contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 3 * limits.AGENT_REQUEST_SECONDS:
                connection.sendall(b"G")
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1):
                        break
        assert time.monotonic() - begun < 2 * limits.AGENT_REQUEST_SECONDS + 1

    def test_a_client_that_leaves_harms_nobody(self, job: LongJob) -> None:
        for data in (b"", b"GET", request(job)):
            with socket.create_connection(("127.0.0.1", port(job)), timeout=20) as connection:
                connection.sendall(data)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
        assert token(job)

    def test_many_at_once_all_get_it(self, job: LongJob) -> None:
        script = f"""
import http.client, threading
def one():
    c = http.client.HTTPConnection("127.0.0.1", {port(job)}, timeout=30)
    c.request("GET", "/", headers={{{SECRET_HEADER!r}: {secret(job)!r}}})
    found.append(c.getresponse().status)
found = []
threads = [threading.Thread(target=one) for _ in range(24)]
[t.start() for t in threads]; [t.join() for t in threads]
print(found.count(200))
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout == "24\n", done.stderr


class TestTheMetadataServer:
    def get(self, job: LongJob, path: str, **headers: str) -> tuple[int, bytes]:
        where = job.source._replace(url=f"http://127.0.0.1:{metadata_port(job)}/")
        return ask(where, path=path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"

    def test_the_header_is_needed(self, job: LongJob) -> None:
        """It is what a page in a browser cannot send to another host."""
        assert self.get(job, self.TOKEN)[0] == 403
        assert self.get(job, self.TOKEN, Metadata_Flavor="google")[0] == 403
        assert self.get(job, self.TOKEN, Metadata_Flavor="Google")[0] == 200

    def test_what_was_passed_on_is_refused(self, job: LongJob) -> None:
        assert self.get(job, self.TOKEN, Metadata_Flavor="Google", X_Forwarded_For="10.0.0.1")[0] == 403

    @pytest.mark.parametrize("host", ["evil.example", "metadata.google.internal", "localhost"])
    def test_a_name_that_a_page_brings(self, job: LongJob, host: str) -> None:
        where = job.source._replace(url=f"http://127.0.0.1:{metadata_port(job)}/")
        assert ask(where, path=self.TOKEN, headers={"Metadata-Flavor": "Google"}, host=host)[0] == 403

    def test_it_gives_no_subject_token_and_takes_no_order(self, job: LongJob) -> None:
        where = job.source._replace(url=f"http://127.0.0.1:{metadata_port(job)}/")
        assert ask(where, path="/end", method="POST")[0] == 403
        assert token(job) not in ask(where)[1]
        assert token(job)


def test_a_config_that_a_repository_brings_is_no_agent(job: LongJob, tmp_path: Path) -> None:
    """Neither its port nor its secret is spoken to: no log that an agent of this user holds stands beside it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        document = json.loads(job.config.read_text())
        document["credential_source"]["url"] = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        config = tmp_path / "config.json"
        config.write_text(json.dumps(document))
        config.chmod(0o600)
        (tmp_path / "config.json.agent.log").write_text("gcp-wif agent 0\n")
        (tmp_path / "config.json.agent.log").chmod(0o600)
        flags = [f"--output-file={config}", "--to", str(tmp_path / "env")]
        done = job("logout", *flags)
        assert done.returncode == 0, done.stderr
        assert "stays" in done.stderr
        assert (tmp_path / "config.json.agent.log").exists()
        assert job("login", "--keep-fresh", *flags).returncode == 0
        assert document["credential_source"]["url"] not in config.read_text()
        assert job("logout", *flags).returncode == 0
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()
    job.wait(lambda: len(job.agents()) == 1, "an agent is left")


def test_a_log_that_is_a_link_is_refused(job: LongJob, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    (tmp_path / "c.json.agent.log").symlink_to(victim)
    done = job("login", "--keep-fresh", f"--output-file={tmp_path}/c.json", "--to", str(tmp_path / "env"))
    assert (done.returncode, "WIF302" in done.stderr) == (2, True), done.stderr
    assert victim.read_text() == "theirs"
    job.wait(lambda: len(job.agents()) == 1, "an agent is left")


def test_its_package_is_never_that_of_the_working_folder(job: LongJob) -> None:
    """A repository's own `gcp_wif` would be handed the tokens."""
    package = job.folder / "gcp_wif"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(job.folder / 'ran')!r}, 'w')\n")
    program = Path(sys.executable).with_name("gcp-wif")
    flags = [f"--output-file={job.folder}/x.json", "--to", str(job.folder / "x_env")]
    try:
        for command in ("login --keep-fresh", "logout"):
            done = subprocess.run(
                [program, *command.split(), *flags],
                env=job.env, cwd=job.folder, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    finally:
        (package / "__init__.py").unlink()
        package.rmdir()
    assert not (job.folder / "ran").exists()
    assert not (job.folder / "x.json").exists()
