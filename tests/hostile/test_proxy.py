"""The emulator's proxy against clients that stall, cut off, crowd in or ask for what is not Google's.

Everything here happens on loopback. The proxy must be Google and the issuers, for all of their own paths and none of
the others', whatever one client does to its own connection; and what it leaves on the disk is one certificate.
"""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from google_setup import Google

from gcp_wif import limits
from gcp_wif.emulator import Emulator, PortError
from gcp_wif.emulator.services.hosts import Place, place_of

REQUEST = b"GET /oauth2/v3/certs HTTP/1.1\r\nHost: www.googleapis.com\r\n\r\n"


@pytest.fixture(scope="module")
def google() -> Iterator[Google]:
    with Emulator(proxy_port=0) as running:
        made = Google(running)
        made.provision()
        yield made


@contextlib.contextmanager
def tunnel(google: Google, host: str) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=google.emulator.ca)
    with connected(google) as plain:
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        assert plain.recv(100).startswith(b"HTTP/1.1 200"), host
        with context.wrap_socket(plain, server_hostname=host) as secure:
            yield secure


def connected(google: Google) -> socket.socket:
    address = urlsplit(google.emulator.proxy)
    return socket.create_connection((address.hostname, address.port), timeout=20)


def everything(stream: socket.socket) -> bytes:
    data = b""
    while more := stream.recv(1 << 16):
        data += more
    return data


@pytest.fixture
def web(google: Google) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": google.emulator.proxy, "http": google.emulator.proxy}
        session.verify = google.emulator.ca
        yield session


# Clients that do not behave


class ByHand:
    """TLS of which the test itself carries the bytes."""

    def __init__(self, google: Google, plain: socket.socket) -> None:
        self.plain = plain
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=google.emulator.ca)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="www.googleapis.com")
        plain.sendall(b"CONNECT www.googleapis.com:443 HTTP/1.1\r\n\r\n")
        plain.recv(100)
        self.until_done(self.tls.do_handshake)

    def until_done(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                more = self.plain.recv(1 << 16)
                assert more, "the proxy ended the connection"
                self.incoming.write(more)


def test_a_client_that_ends_its_half_gets_its_answer(google: Google) -> None:
    """Its close_notify came before the answer, which was then lost."""
    with connected(google) as plain:
        client = ByHand(google, plain)
        client.tls.write(REQUEST)
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        assert b"200" in client.until_done(lambda: client.tls.read(1 << 16))


def test_the_answer_ends_as_tls_says(google: Google) -> None:
    """Without close_notify an attacker's cut and the end of an answer are the same (RFC 8446, section 6.1)."""
    with tunnel(google, "www.googleapis.com") as secure:
        secure.suppress_ragged_eofs = False
        secure.sendall(REQUEST)
        assert b'"keys"' in everything(secure)


def test_a_stalled_record_of_tls_holds_nobody_up(google: Google) -> None:
    """Half a record from the client kept the server's answer back for two minutes."""
    google.emulator.faults(
        {"match": {"call": "certs"}, "action": {"latency_ms": 1000}}
    )  # the half record is there first
    with connected(google) as plain:
        client = ByHand(google, plain)
        client.tls.write(REQUEST)
        plain.sendall(client.outgoing.read())
        client.tls.write(b"GET / HTTP/1.1\r\n")
        plain.sendall(client.outgoing.read()[:7])
        assert b"200" in client.until_done(lambda: client.tls.read(1 << 16))


def test_many_that_say_nothing_do_not_keep_the_next_one_out(google: Google, web: requests.Session) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(google))
        assert web.get("https://www.googleapis.com/oauth2/v3/certs", timeout=30).ok


def test_a_slow_head_ends(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then kept a connection for hours: the limit is for the head as a whole."""
    monkeypatch.setattr(limits, "PROXY_HEAD_SECONDS", 1)
    with connected(google) as slow:
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 15:
                slow.sendall(b"C")
                slow.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    if not slow.recv(1):
                        break
        assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    "said", [b"", b"C", b"\x16\x03\x01", b"CONNECT www.googleapis.com:443 HTTP/1.1\r\n\r\nnot TLS"]
)
def test_one_that_breaks_off_ends_alone(google: Google, web: requests.Session, said: bytes) -> None:
    with connected(google) as plain:
        plain.sendall(said)
    assert web.get("https://www.googleapis.com/oauth2/v3/certs", timeout=10).ok
    assert google.emulator.crashes == []


# Which hosts, and what of each


@pytest.mark.parametrize(
    ("host", "api"),
    [
        *((f"{api}.googleapis.com", api) for api in ("sts", "iamcredentials", "iam", "cloudresourcemanager")),
        *((f"{api}.googleapis.com", api) for api in ("cloudasset", "oauth2", "storage", "www")),
        ("us-east1-sts.googleapis.com", "sts"),
        ("sts.us-east1.googleapis.com", "sts"),
        ("sts.us-east1.rep.googleapis.com", "sts"),
        ("sts-myendpoint.p.googleapis.com", "sts"),
        ("us-east1-iamcredentials.googleapis.com", "iamcredentials"),
        ("iamcredentials.us-east1.rep.googleapis.com", "iamcredentials"),
        ("iamcredentials-my-endpoint.p.googleapis.com", "iamcredentials"),
        ("STS.googleapis.com:443", "sts"),
    ],
)
def test_what_is_served(host: str, api: str) -> None:
    assert place_of(host) == Place(api)


@pytest.mark.parametrize(
    "host",
    [
        "", "googleapis.com", "example.com", "xsts.googleapis.com", "sts-x.googleapis.com", "sts.a.b.googleapis.com",
        "sts.googleapis.com.evil.example", "sts.googleapis.com.", "sts.googleapis.com:444", "sts_googleapis_com",
        "-sts.googleapis.com", "sts-.p.googleapis.com", "evil.example/sts.googleapis.com", "sts.googleapis.com\n",
        "a" * 300 + "-sts.googleapis.com", "127.0.0.1", "metadata.google.internal", "oidc.circleci.com.evil.example",
    ],
)  # fmt: skip
def test_what_is_not(host: str) -> None:
    assert place_of(host) is None


def test_a_regional_endpoint_answers(google: Google, web: requests.Session) -> None:
    for host in ("us-east1-sts.googleapis.com", "sts.us-east1.rep.googleapis.com", "sts-mine.p.googleapis.com"):
        said = web.post(f"https://{host}/v1/token", json={}, timeout=10)
        assert (said.status_code, said.json()["error"]) == (400, "unsupported_grant_type"), host


def test_a_host_serves_its_own_paths_alone(google: Google, web: requests.Session) -> None:
    """STS answered as oidc.circleci.com too, and the emulator's controls as every host of Google's."""
    paths = {
        "https://sts.googleapis.com/v1/token": 400,
        "https://oidc.circleci.com/v1/token": 404,
        "https://storage.googleapis.com/v1/token": 404,
        "https://sts.googleapis.com/emulator/tokens": 404,
        "https://oidc.circleci.com/emulator/tokens": 404,
    }
    assert {url: web.post(url, json={}, timeout=10).status_code for url in paths} == paths
    discovery = "/.well-known/openid-configuration"
    assert web.get(f"https://oidc.circleci.com{discovery}", timeout=10).status_code == 200
    assert web.get(f"https://sts.googleapis.com{discovery}", timeout=10).status_code == 404
    assert requests.get(f"{google.emulator.http}{discovery}", timeout=10).status_code == 200


def test_plain_http_is_refused_and_refusals_are_logged(google: Google, web: requests.Session) -> None:
    """A client that looks for a metadata server must not find the machine's own."""
    said = web.get("http://metadata.google.internal/computeMetadata/v1/", timeout=10)
    assert said.status_code == 403
    with pytest.raises(requests.exceptions.ProxyError):
        web.get("https://example.com/", timeout=10)
    last = google.emulator.requests()[-1]
    assert (last["method"], last["path"], last["status"]) == ("CONNECT", "example.com", 403)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        assert google.emulator.environ(real_hosts=True)[name] == google.emulator.proxy


# Time, ports and the disk


@pytest.mark.parametrize("years", [-20, 20])
def test_a_moved_clock_changes_no_certificate(google: Google, web: requests.Session, years: int) -> None:
    google.emulator.advance(years * 365 * 86_400)
    try:
        host = f"sts-moved{years}.p.googleapis.com"  # a host that had no certificate before
        with tunnel(google, host) as secure:
            seen = secure.getpeercert()
        there = google.emulator.state.clock.now()
        assert ssl.cert_time_to_seconds(seen["notBefore"]) < there < ssl.cert_time_to_seconds(seen["notAfter"])
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": google.provider.audience,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": google.emulator.token(),
        }
        assert web.post(f"https://{host}/v1/token", data=form, timeout=10).json()["access_token"]
    finally:
        google.emulator.advance(-years * 365 * 86_400)


@pytest.mark.parametrize("which", ["port", "grpc_port", "proxy_port"])
def test_a_taken_port_is_named(which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError) as caught:
            Emulator(**{"proxy_port": 0, which: port})
        assert caught.value.port == port


def test_a_temporary_folder_that_cannot_be_written_is_named(cli, tmp_path: Path) -> None:
    """It was reported as a taken port."""
    (tmp_path / "file").touch()
    code = "import sys, tempfile; tempfile.tempdir = sys.argv.pop(); from gcp_wif.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "emulator", "--proxy-port", "0", str(tmp_path / "file")],
        env=cli.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "WIF620" in done.stderr


def started(tmp_path: Path, env: dict[str, str]) -> tuple[subprocess.Popen[str], dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gcp_wif", "emulator", "--proxy-port", "0"],
        env=env | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_the_ca_leaves_with_the_emulator_or_with_the_next_one(cli, tmp_path: Path) -> None:
    """SIGTERM removes the file; what SIGKILL leaves, which is no secret, the next start removes, and no other's."""
    killed, first = started(tmp_path, cli.env)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=20)
    left = Path(first["ca"])
    assert set(first) == {"http", "grpc", "proxy", "ca"}
    assert "PRIVATE KEY" not in left.read_text()
    living, second = started(tmp_path, cli.env)
    assert not left.parent.exists()
    ended, third = started(tmp_path, cli.env)
    assert Path(second["ca"]).is_file()
    for process, line in ((ended, third), (living, second)):
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0
        assert not Path(line["ca"]).parent.exists()


def test_nothing_of_others_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of temporary files belongs to everybody: a link, or a folder without a CA, stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "ca.pem").write_text("kept")
    (tmp_path / "gcp-wif-ca-link").symlink_to(mine)
    (tmp_path / "gcp-wif-ca-full").mkdir()
    (tmp_path / "gcp-wif-ca-full/ca.pem").symlink_to(mine / "ca.pem")
    os.mkfifo(tmp_path / "gcp-wif-ca-fifo")
    with Emulator(proxy_port=0):
        pass
    assert (mine / "ca.pem").read_text() == "kept"
    assert sorted(each.name for each in tmp_path.glob("gcp-wif-ca-*")) == [
        "gcp-wif-ca-fifo", "gcp-wif-ca-full", "gcp-wif-ca-link",
    ]  # fmt: skip
