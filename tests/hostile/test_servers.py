"""Servers that mean harm (rows W14, W19 and D22 of the review).

What stands in Google's place, in a proxy's, or behind the URL of a config may answer without end, in a drip, with a
bomb, with a redirect, with nonsense, or with words that are meant for the terminal and the CI system. Each answer ends
within a bound of size, decoded size and time; what is shown of it is short, on one line, and harmless. The bounds stand
in `gcp_wif/limits.py`.
"""

import json
import threading
import time
import zlib
from pathlib import Path

import pytest
import requests
from google.api_core import exceptions
from google.auth import credentials as auth_credentials
from hostile_server import answer, drips, floods, gzip_bomb, says, says_json, serving, serving_grpc
from measured import measured

from gcp_wif import limits
from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import GcpWifError, UnavailableError
from gcp_wif.http import BoundedAdapter, Bounds, SlowAnswer, UnusableAnswer, bounded
from gcp_wif.job.exchange import exchange
from gcp_wif.names import ProviderName, ServiceAccountEmail
from gcp_wif.provisioning.clients import Clients
from gcp_wif.provisioning.failures import explained

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
ACCOUNT = ServiceAccountEmail("deploy@acme-prod.iam.gserviceaccount.com")
MEGABYTES = 300
GENEROUS_SECONDS = 30


def config_for(host: str, token_file: Path, *, direct: bool = True) -> CredentialConfig:
    return CredentialConfig.build(
        ProviderName.parse(PROVIDER, origin="test"),
        FileSource(str(token_file)),
        Endpoints(emulator=host),
        service_account=None if direct else ACCOUNT,
    )


def exchanged(host: str, tmp_path: Path, **rest: bool) -> GcpWifError:
    """The error of an exchange in this process."""
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiAiUlMyNTYifQ.eyJzdWIiOiAidGVzdCJ9.signature-of-the-subject-token")
    with pytest.raises(GcpWifError) as caught:
        exchange(config_for(host, token, **rest), {})
    return caught.value


ENDLESS = {
    "a body without a length": floods(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "a chunked body": floods(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n%s\r\n" % (b"x" * 65536)
    ),
    "a body of four gigabytes": floods(b"HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n\r\n", b"x" * 65536),
    "the body of an error": floods(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 65536),
    "gzip without an end": floods(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip_bomb(1)[:-200], b"\0" * 65536
    ),
}


DRIPS = {
    "its body": (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "a body with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
    "the body of an error": (b"HTTP/1.1 400 X\r\nContent-Length: 1000\r\n\r\n", b" "),
    "its status line": (b"HTTP/1.1 2", b"0"),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the length of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\0"),
}


class TestBoundsOfTheExchange:
    @pytest.mark.parametrize("name", ENDLESS)
    def test_an_endless_answer_ends_the_run_with_little_memory(self, job, name: str) -> None:
        """W14: it took 4 GB."""
        with serving(ENDLESS[name]) as server:
            done = measured(job(server.host), "verify", "--json")
        assert done.returncode == 3, done.stderr
        assert done.error["code"] in ({"WIF602", "WIF605"} if name.startswith("gzip") else {"WIF605"})
        assert done.megabytes < MEGABYTES
        assert done.seconds < GENEROUS_SECONDS

    @pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
    def test_a_gzip_bomb_is_not_unpacked(self, job, status: str) -> None:
        """W14: 1.5 MB became 2.9 GB."""
        bomb = answer(gzip_bomb(900), status, "Content-Encoding: gzip\r\n")
        assert len(bomb) < limits.ANSWER_BYTES
        with serving(says(bomb)) as server:
            done = measured(job(server.host), "verify", "--json")
        assert (done.returncode, done.error["code"]) == (3, "WIF605"), done.stderr
        assert done.megabytes < MEGABYTES

    def test_what_is_compressed_and_small_is_read(self, tmp_path: Path) -> None:
        """The bound must not refuse the proxy that compresses."""
        body = json.dumps({"error": "invalid_grant", "error_description": "in gzip"}).encode()
        for packed, name in (
            (zlib.compress(body), "deflate"),
            (zlib.compress(body, wbits=31), "gzip"),
            (body, "identity"),
        ):
            with serving(says(answer(packed, "400 X", f"Content-Encoding: {name}\r\n"))) as server:
                error = exchanged(server.host, tmp_path)
            assert "in gzip" in error.message

    @pytest.mark.parametrize("name", DRIPS)
    def test_a_drip_ends(self, monkeypatch, tmp_path: Path, name: str) -> None:
        """W14: a byte every two seconds had no end."""
        monkeypatch.setattr(limits, "ANSWER_SECONDS", 1.0)
        begun = time.monotonic()
        with serving(drips(*DRIPS[name])) as server:
            error = exchanged(server.host, tmp_path)
        assert error.code == "WIF606", error
        assert error.exit_code == 3
        assert time.monotonic() - begun < GENEROUS_SECONDS

    def test_retries_do_not_begin_the_time_anew(self, monkeypatch, tmp_path: Path) -> None:
        """W14: five tries of a request are one request."""
        monkeypatch.setattr(limits, "ANSWER_SECONDS", 1.0)
        tries = iter(range(100))

        def behave(connection, over: threading.Event) -> None:
            next(tries)
            over.wait(0.6)
            connection.sendall(answer("{}", "503 X", "Retry-After: 3600\r\n"))

        begun = time.monotonic()
        with serving(behave) as server:
            error = exchanged(server.host, tmp_path)
        assert error.exit_code == 3
        assert next(tries) < 4
        assert time.monotonic() - begun < GENEROUS_SECONDS

    def test_a_drip_inside_the_handshake_of_tls_ends(self) -> None:
        """W14: below TLS there is no time-out either."""
        record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # a ServerHello that never ends
        session = bounded(requests.Session(), BoundedAdapter(Bounds(1000, 1.0)), proxies=False)
        with session, serving(drips(record, b"\0")) as server, pytest.raises(SlowAnswer):
            session.get(f"https://{server.host}/", timeout=10, verify=False)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed(self, tmp_path: Path, status: int) -> None:
        """W14: a token must not be sent on."""
        with serving(says_json({"access_token": "a", "expires_in": 5, "token_type": "Bearer"})) as other:
            reply = answer("", f"{status} Found", f"Location: http://{other.host}/v1/token\r\n")
            with serving(says(reply)) as server:
                error = exchanged(server.host, tmp_path)
                assert len(server.seen) == 1
        assert (error.code, other.seen) == ("WIF605", [])

    @pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 4000])
    def test_an_encoding_that_was_not_asked_for_is_refused(self, tmp_path: Path, encoding: str) -> None:
        """W14: whose bombs are another library's matter."""
        with serving(says(answer(b"\0" * 100, "200 OK", f"Content-Encoding: {encoding}\r\n"))) as server:
            error = exchanged(server.host, tmp_path)
            assert b"accept-encoding: identity" in server.seen[0].lower()
        assert error.code == "WIF605"
        assert len(error.message) < 500

    def test_a_compressed_answer_that_is_cut_off_is_no_answer(self, tmp_path: Path) -> None:
        """W14."""
        packed = zlib.compress(b'{"access_token": "a", "expires_in": 5}', wbits=31)[:-4]
        with serving(says(answer(packed, "200 OK", "Content-Encoding: gzip\r\n"))) as server:
            assert exchanged(server.host, tmp_path).exit_code == 3

    def test_the_server_behind_a_configs_url_is_bounded_too(self, job, cli) -> None:
        """W14: the token's own source."""
        with serving(floods(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536)) as server:
            env = job(server.host)
            made = measured(
                env, "generate", PROVIDER, "--direct", f"--credential-source-url=http://{server.host}/token"
            )
            assert made.returncode == 0, made.stderr
            done = measured(env, "verify", "--json")
        assert (done.returncode, done.error["code"]) == (3, "WIF605")
        assert done.megabytes < MEGABYTES

    def test_an_error_of_ten_megabytes_is_shown_in_two_kilobytes(self, job) -> None:
        """W14: all of it was printed. Below the bound of an answer, so that it is read and must be cut."""
        for text in ("word " * 180_000, "\x1b[31m" * 90_000, "é" * 400_000):
            document = {"error": "invalid_grant", "error_description": text}
            with serving(says(answer(json.dumps(document, ensure_ascii=False), "400 X"))) as server:
                done = measured(job(server.host), "verify", "-vv")
            assert done.returncode == 1, done.stderr[:500]
            assert len(done.stdout) + len(done.stderr) < 30_000

    def test_a_proxy_is_not_asked_for_loopback(self, monkeypatch) -> None:
        """A header that opens the agent's door would be told to the proxy."""
        session = bounded(requests.Session(), BoundedAdapter(Bounds(1000, 5.0)), proxies=True)
        with session, serving(says(answer("{}"))) as proxy, serving(says(answer("{}"))) as server:
            monkeypatch.setenv("http_proxy", f"http://{proxy.host}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            session.get(f"http://{server.host}/", headers={"X-Key": "geheim"})
            assert (proxy.seen, len(server.seen)) == ([], 1)
            session.get("http://tokens.example/")
            assert len(proxy.seen) == 1  # so the variable does what it should

    def test_netrc_does_not_replace_the_token(self, tmp_path: Path, monkeypatch) -> None:
        """requests would put the password of a file in the home into the request."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password geheim\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        session = bounded(requests.Session(), BoundedAdapter(Bounds(1000, 5.0)), proxies=True)
        with session, serving(says(answer("{}"))) as server:
            session.get(f"http://{server.host}/", headers={"Authorization": "Bearer mine"})
            assert b"Bearer mine" in server.seen[0]


NONSENSE = {
    "JSON that is nested without end": "[" * 100_000,
    "JSON that is nested and closed": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "an error that is nested": '{"error":' * 50_000 + "1" + "}" * 50_000,
    "a lifetime beyond all numbers": '{"access_token": "a", "expires_in": 1e400}',
    "a lifetime of an endless number": '{"access_token": "a", "expires_in": %s}' % ("9" * 4000),
    "a lifetime of more digits than Python reads": '{"access_token": "a", "expires_in": %s}' % ("9" * 9000),
    "a lifetime that is no number": '{"access_token": "a", "expires_in": NaN}',
    "a lifetime of a million years": '{"access_token": "a", "expires_in": 99999999999999}',
    "a lifetime that is text": '{"access_token": "a", "expires_in": "soon"}',
    "a token that is a list": '{"access_token": [], "expires_in": 3600}',
    "no object": "[1]",
    "half a character": b'{"access_token": "\xff", "expires_in": 3600}',
    "a lone surrogate": '{"access_token": "\\ud800", "expires_in": 3600}',
    "a line break in the token": '{"access_token": "a\\nX-Evil: 1", "expires_in": 3600}',
}


class TestNonsense:
    @pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
    @pytest.mark.parametrize("name", NONSENSE)
    def test_nonsense_is_an_answer_that_cannot_be_used(self, job, name: str, status: str) -> None:
        """D22: deep JSON and a huge expires_in were WIF001."""
        with serving(says(answer(NONSENSE[name], status))) as server:
            done = measured(job(server.host), "verify", "--json")
        assert done.error["code"] != "WIF001", done.stderr
        assert done.returncode == (3 if status.startswith("200") else done.returncode)
        assert done.returncode in {1, 3}
        assert done.seconds < GENEROUS_SECONDS

    @pytest.mark.parametrize("expire", ["", "never", "9" * 5000, "0000-00-00T00:00:00Z", None, 5, [], "1e400"])
    def test_an_impersonation_that_ends_at_no_time(self, tmp_path: Path, expire: object) -> None:
        """D22."""
        reply = {"access_token": "a", "expires_in": 3600, "accessToken": "b", "expireTime": expire}
        with serving(says_json(reply)) as server:
            error = exchanged(server.host, tmp_path, direct=False)
        assert (error.code, error.exit_code) == ("WIF602", 3)


class TestBoundsOfAnAdminsRequests:
    NAME = "projects/1/locations/global/workloadIdentityPools/circleci"

    @pytest.fixture
    def clients(self, emulator):
        """The admin's clients, whose REST side is the server at a given address: makes them."""
        made = []

        def make(host: str, grpc_host: str = emulator.grpc, timeout: float = 20.0) -> Clients:
            endpoints = Endpoints(emulator=host, emulator_grpc=grpc_host)
            made.append(Clients(endpoints, auth_credentials.AnonymousCredentials(), timeout))
            return made[-1]

        yield make
        for each in made:
            each.close()

    @pytest.mark.parametrize("name", [name for name in ENDLESS if not name.startswith("gzip")])
    def test_an_endless_answer(self, clients, name: str) -> None:
        """W14: provisioning and `doctor --live` read as the exchange did."""
        with serving(ENDLESS[name]) as server, pytest.raises(UnusableAnswer) as caught:
            clients(server.host).get(self.NAME)
        error = explained(caught.value, "looking", permission="p.q", project="p")
        assert (error.code, error.exit_code) == ("WIF605", 3)

    def test_a_bomb_in_a_refusal(self, clients) -> None:
        """W14."""
        bomb = answer(gzip_bomb(20), "403 Forbidden", "Content-Encoding: gzip\r\n")
        with serving(says(bomb)) as server, pytest.raises(UnusableAnswer):
            clients(server.host).get(self.NAME)

    def test_a_drip(self, clients) -> None:
        """W14."""
        with serving(drips(b"HTTP/1.1 200 OK\r\n\r\n", b" ")) as server, pytest.raises(SlowAnswer) as caught:
            clients(server.host, timeout=1.0).get(self.NAME)
        assert explained(caught.value, "looking", permission="p.q", project="p").exit_code == 3

    def test_a_redirect(self, clients) -> None:
        """W14."""
        with serving(says_json({})) as other:
            reply = answer("", "308 X", f"Location: http://{other.host}/\r\n")
            with serving(says(reply)) as server, pytest.raises(UnusableAnswer):
                clients(server.host).get(self.NAME)
            assert other.seen == []

    def test_a_list_that_never_ends(self, clients, monkeypatch) -> None:
        """W14: each page names a next one."""
        monkeypatch.setattr(limits, "PAGES", 5)
        page = {"workloadIdentityPools": [], "nextPageToken": "again"}
        with serving(says_json(page)) as server:
            with pytest.raises(exceptions.DataLoss) as caught:
                list(clients(server.host).list_pools("p"))
            assert len(server.seen) == 5
        assert "did not end" in explained(caught.value, "looking", permission="p.q", project="p").message

    def test_a_grpc_message_that_is_too_large(self, clients) -> None:
        """W14: Google's clients take any size by themselves."""
        reply = b"\x0a" + b"\xff" * (limits.ADMIN_ANSWER_BYTES + 1000)
        with serving_grpc(reply) as host, pytest.raises(exceptions.ResourceExhausted):
            clients("127.0.0.1:9", host).get_account("projects/-/serviceAccounts/a@b")

    def test_googles_own_channels_have_the_limit_too(self, monkeypatch) -> None:
        """W14: the same outside the emulator."""
        from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport
        from google.cloud.resourcemanager_v3.services.projects.transports import ProjectsGrpcTransport

        seen = []
        for kind in (IAMGrpcTransport, ProjectsGrpcTransport):
            real = kind.create_channel

            def watch(host: str, *rest, real=real, **options):
                seen.append(dict(options["options"]))
                return real(host, *rest, **options)

            monkeypatch.setattr(kind, "create_channel", watch)
        Clients(Endpoints(), auth_credentials.AnonymousCredentials(), 5.0).close()
        assert seen == [{"grpc.max_receive_message_length": limits.ADMIN_ANSWER_BYTES}] * 2


def test_the_bounds_are_no_secret() -> None:
    """The message of an error names the server and the bound."""
    error = UnusableAnswer("The answer of sts.example has more than 1,048,576 bytes.").as_error()
    assert isinstance(error, UnavailableError)
    assert "sts.example" in error.message
    assert error.hint
