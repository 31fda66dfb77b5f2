"""The requests of an exchange: through which proxy, with whose certificates, tried how often, and what they say."""

import contextlib
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import trustme
from google.auth import identity_pool
from google.auth.transport.requests import Request
from google_setup import Google
from hostile_server import answer, says, serving

from gcp_wif import secrets
from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.emulator import Emulator
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import GcpWifError, InputError, UnavailableError
from gcp_wif.job.exchange import exchange
from gcp_wif.job.wire import Wire
from gcp_wif.names import ServiceAccountEmail

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
STS = "https://sts.googleapis.com/v1/token"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(proxy_port=0) as running:
        yield running


def asked(emulator: Emulator) -> list[str]:
    return [f"{each['path']} {each['status']}" for each in emulator.requests()]


class TestProxy:
    @pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
    def test_it_is_used(self, emulator, name: str) -> None:
        environ = {name: str(emulator.proxy), "REQUESTS_CA_BUNDLE": str(emulator.ca)}
        assert Wire(environ).ask("POST", STS, HEADERS, b"grant_type=x").status == 400
        assert asked(emulator) == ["/v1/token 400"]

    def test_small_letters_come_first(self, emulator) -> None:
        environ = {"https_proxy": str(emulator.proxy), "HTTPS_PROXY": "http://127.0.0.1:9"}
        wire = Wire(environ | {"CURL_CA_BUNDLE": str(emulator.ca)})
        assert wire.ask("POST", STS, HEADERS, b"grant_type=x").status == 400

    @pytest.mark.parametrize(
        "names", ["*", "googleapis.com", ".googleapis.com", "x, STS.googleapis.com ", "sts.googleapis.com:443"]
    )
    def test_no_proxy_goes_around_it(self, names: str) -> None:
        wire = Wire({"HTTPS_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": names})
        to = wire._proxy  # the proxy itself is of a kind that is refused, so that its use would be seen
        from gcp_wif.endpoints import parse_url

        assert to(parse_url(STS)) is None

    @pytest.mark.parametrize("names", ["", "leapis.com", "sts.googleapis.com:80", "googleapis.com.evil.example", "sts"])
    def test_no_proxy_of_others_does_not(self, names: str) -> None:
        with pytest.raises(InputError) as caught:
            Wire({"HTTPS_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": names}).ask("GET", STS, {})
        assert caught.value.code == "WIF140"

    @pytest.mark.parametrize(
        "value", ["socks5://h:1", "https://h:1", "http://", "http://h:x", "http://[::1", "http://h:99999"]
    )
    def test_one_that_cannot_be_used(self, value: str) -> None:
        with pytest.raises(InputError) as caught:
            Wire({"HTTPS_PROXY": value}).ask("GET", STS, {})
        assert caught.value.code == "WIF140"

    def test_its_password_is_sent_to_it_and_hidden(self) -> None:
        with serving(says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
            wire = Wire({"HTTPS_PROXY": f"http://me:geheim%40wort@{proxy.host}"})
            with pytest.raises(UnavailableError) as caught:
                wire.ask("GET", STS, {})
        assert caught.value.code == "WIF601"
        assert b"CONNECT sts.googleapis.com:443" in proxy.seen[0]
        assert b"Proxy-Authorization: Basic bWU6Z2VoZWltQHdvcnQ=" in proxy.seen[0]
        assert "geheim" not in secrets.hide("a geheim@wort b") + str(caught.value)

    def test_loopback_and_metadata_servers_never_go_through_it(self) -> None:
        with serving(says(answer("{}"))) as server:
            wire = Wire({"HTTPS_PROXY": "socks5://127.0.0.1:9", "HTTP_PROXY": "socks5://127.0.0.1:9"})
            assert wire.ask("GET", f"http://{server.host}/x", {}).status == 200


def test_what_is_sent_and_what_comes_back_is_hidden() -> None:
    reply = json.dumps({"access_token": "what-comes-back", "other": "words"})
    with serving(says(answer(reply))) as server:
        Wire({}).ask(
            "POST", f"http://{server.host}/", HEADERS | {"Authorization": "Bearer of-the-head"}, b"token=of-the-body"
        )
    shown = secrets.hide("what-comes-back, of-the-head, of-the-body, words")
    assert shown == ", ".join([*["(secret hidden)"] * 3, "words"])


class TestCertificates:
    def test_a_certificate_that_is_not_believed(self, emulator) -> None:
        """Once is enough, and the body is never sent."""
        with pytest.raises(UnavailableError) as caught:
            Wire({"HTTPS_PROXY": str(emulator.proxy)}).ask("POST", STS, HEADERS, b"grant_type=x")
        assert caught.value.code == "WIF601"
        assert "certificate" in caught.value.message.lower()
        assert asked(emulator) == []

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    def test_a_file_that_holds_none(self, tmp_path: Path, content: str | None) -> None:
        place = tmp_path / "ca.pem"
        if content is not None:
            place.write_text(content)
        with pytest.raises(GcpWifError) as caught:
            Wire({"REQUESTS_CA_BUNDLE": str(place)}).ask("GET", STS, {})
        assert caught.value.code == "WIF141"

    def test_a_certificate_of_another_name(self, emulator) -> None:
        """By a CA that is believed: whoever has one of its certificates is not every server."""
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("other.example").configure_cert(context)

        class Server(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    context.wrap_socket(self.request, server_side=True)

        with authority.cert_pem.tempfile() as ca, socketserver.TCPServer(("127.0.0.1", 0), Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with pytest.raises(UnavailableError) as caught:
                Wire({"REQUESTS_CA_BUNDLE": ca}).ask("GET", f"https://127.0.0.1:{server.server_address[1]}/", {})
            server.shutdown()
        assert "mismatch" in caught.value.message


class TestRetries:
    def test_a_connection_that_is_lost(self) -> None:
        tries = iter(range(9))

        def behave(connection, over: threading.Event) -> None:
            if next(tries) > 0:
                connection.sendall(answer("{}"))

        with serving(behave) as server:
            assert Wire({}).ask("GET", f"http://{server.host}/", {}).status == 200
        assert next(tries) == 2

    def test_an_answer_that_is_cut_off_is_none(self) -> None:
        with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as server:
            with pytest.raises(UnavailableError):
                Wire({}).ask("GET", f"http://{server.host}/", {})
            assert len(server.seen) == 5

    def test_a_refusal_is_not_tried_again(self) -> None:
        with serving(says(answer("{}", "403 Forbidden"))) as server:
            assert Wire({}).ask("GET", f"http://{server.host}/", {}).status == 403
            assert len(server.seen) == 1

    @pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X": "\u20ac"}])
    def test_a_header_that_http_does_not_have(self, headers: dict[str, str]) -> None:
        with serving(says(answer("{}"))) as server:
            with pytest.raises(InputError) as caught:
                Wire({}).ask("GET", f"http://{server.host}/", headers)
            assert server.seen == []
        assert caught.value.code == "WIF404"


@pytest.mark.parametrize("direct", [True, False])
def test_what_is_sent_is_what_google_auth_sends(tmp_path: Path, google: Google, direct: bool) -> None:
    """The fields and their values: an exchange that only ours gets would prove nothing about the job's clients."""
    sent: dict[str, list[tuple[bytes, object]]] = {"ours": [], "theirs": []}
    token = google.emulator.token()
    (tmp_path / "token").write_text(token)
    account = None if direct else ServiceAccountEmail(google.account)
    for who, records in sent.items():
        replies = iter(
            [
                {"access_token": "federated-token", "expires_in": 3600, "token_type": "Bearer"},
                {"accessToken": "token-of-the-account", "expireTime": "2040-01-01T00:00:00Z"},
            ]
        )
        with serving(
            lambda connection, _, replies=replies: connection.sendall(answer(json.dumps(next(replies))))
        ) as server:
            endpoints = Endpoints(emulator=server.host)
            config = CredentialConfig.build(
                google.provider, FileSource(str(tmp_path / "token")), endpoints, service_account=account
            )
            if who == "ours":
                exchange(config, {})
            else:
                scopes = ["https://www.googleapis.com/auth/cloud-platform"]
                identity_pool.Credentials.from_info(config.document(), scopes=scopes).refresh(Request())
            for each in server.seen:
                head, _, body = each.partition(b"\r\n\r\n")
                form = b"urlencoded" in head
                meant = sorted(parse_qsl(body.decode())) if form else json.loads(body)
                if isinstance(meant, dict):
                    meant["delegates"] = meant["delegates"] or []
                secret = [line for line in head.splitlines() if line.lower().startswith(b"authorization:")]
                records.append((head.splitlines()[0], (meant, [line.lower() for line in secret])))
    assert sent["ours"] == sent["theirs"]
    assert len(sent["ours"]) == (1 if direct else 2)
