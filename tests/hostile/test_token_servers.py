"""A CI system's server for tokens that means harm: bounded in size, time and retries, and nothing of it in a message.

What the adapter below bounds is tried in `test_servers`; here it is tried that a request for a token goes through it.
"""

import re

import pytest
from hostile_server import answer, drips, floods, says, says_json, serving

from gcp_wif import limits
from gcp_wif.ci.asking_server import TokenServer, ask_server, check_address
from gcp_wif.errors import GcpWifError, InputError, RefusedError, UnavailableError

SERVER = TokenServer("Somebody's server", "value", refused="Switch it on.", failed="Try again.")
SECRET = "the-secret-of-the-job-0123456789"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
HOSTS = re.compile(r"(?:[a-z0-9-]+\.)*tokens\.example")


def asked(host: str) -> GcpWifError:
    with pytest.raises(GcpWifError) as caught:
        ask_server(f"http://{host}/token?a=b", SERVER, headers={"Authorization": f"Bearer {SECRET}"})
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


@pytest.mark.parametrize("status", [200, 400])
def test_an_endless_answer_ends(status: int) -> None:
    with serving(floods(f"HTTP/1.1 {status} X\r\n\r\n".encode(), b"x" * 65536)) as server:
        error = asked(server.host)
    assert isinstance(error, UnavailableError)
    assert error.code == "WIF603"


def test_a_drip_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ASK_SECONDS", 0.5)
    with serving(drips(b"HTTP/1.1 200 OK\r\n\r\n", b" ")) as server:
        assert asked(server.host).code == "WIF603"


def test_a_redirect_is_not_followed() -> None:
    with serving(says_json({"value": TOKEN})) as other:
        where = answer("", "302 Found", f"Location: http://{other.host}/\r\n")
        with serving(says(where)) as server:
            assert asked(server.host).code == "WIF603"
        assert other.seen == []


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_shown_on_one_line_without_what_was_sent(status: int) -> None:
    said = f"no\r\n::set-output::x \x1b[2J Bearer {SECRET} {TOKEN}"
    with serving(says(answer(said, f"{status} X"))) as server:
        error = asked(server.host)
        (seen,) = server.seen
    assert isinstance(error, RefusedError)
    assert error.code == "WIF608"
    assert SECRET.encode() in seen
    for part in (TOKEN, "\x1b", "\n", "\r", "\n::"):
        assert part not in error.message


def test_a_token_in_an_answer_that_is_none_is_not_repeated() -> None:
    with serving(says_json({"other": TOKEN})) as server:
        assert TOKEN not in asked(server.host).message


def test_a_server_that_is_away_is_told_without_the_address() -> None:
    with serving(says(answer(""))) as server:
        host = server.host
    error = asked(host)
    assert (error.code, "a=b" in error.message) == ("WIF603", False)


@pytest.mark.parametrize(
    "url",
    [
        "https://tokens.example/", "https://a.b.tokens.example:8443/x?y=z", "https://TOKENS.example/",
        "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/",
    ],
)  # fmt: skip
def test_its_own_addresses_and_this_machines_are_taken(url: str) -> None:
    check_address(url, HOSTS, variable="X", system="S")


@pytest.mark.parametrize(
    "url",
    [
        "", "https://", "https:///x", "http://tokens.example/", "https://evil.example/tokens.example",
        "https://tokens.example.evil.example/", "https://xtokens.example/", "https://tokens.example@evil.example/",
        "https://user:pass@tokens.example/", "https://evil.example\\@tokens.example/", "https://tokens.example/ x",
        "https://tokens.example/\r\nX: y", "https://tokens.example:99999/", "https://tokens.example/#x",
        "https://\u0442okens.example/", "file:///etc/passwd", "http://127.0.0.1.evil.example/", "http://[::1", "https://[x]/",
        "https://tokens.example\u3002evil.example/", "https://evil.example?.tokens.example/",
    ],
)  # fmt: skip
def test_others_are_not(url: str) -> None:
    with pytest.raises(InputError) as caught:
        check_address(url, HOSTS, variable="X", system="S")
    assert caught.value.code == "WIF214"
