"""What the agent decides: when it asks, when it gives up, what a request is, and whose process the job ends with."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.job.agent.ancestors import job_process, process_of
from gcp_wif.job.agent.freshness import Attempts, HeldToken
from gcp_wif.job.agent.order import SECRET_HEADER, Order
from gcp_wif.job.agent.requests import BadRequest, Reply, is_for, parse
from gcp_wif.limits import (
    AGENT_GIVES_UP_SECONDS,
    AGENT_HEAD_BYTES,
    AGENT_LONGEST_PAUSE_SECONDS,
    AGENT_SHORTEST_PAUSE_SECONDS,
)

HOUR = 3600.0
NOW = 1_800_000_000.0


def held(*, issued: float | None = 0.0, lives: float = HOUR, received: float = 0.0) -> HeldToken:
    """A token, times relative to NOW by this machine's clock."""
    begins = 0.0 if issued is None else issued
    return HeldToken("x", NOW + begins + lives, None if issued is None else NOW + issued, NOW + received)


class TestHeldToken:
    @pytest.mark.parametrize(("age", "near"), [(0, False), (1799, False), (1800, True), (3700, True)])
    def test_it_nears_its_end_when_half_of_its_life_is_over(self, age: float, near: bool) -> None:
        assert held().nears_its_end(NOW + age) is near

    def test_a_slow_clock_keeps_no_dead_token_alive(self) -> None:
        """By this machine the token comes from ten minutes ahead, and would live for so much longer."""
        token = held(issued=600.0)
        assert token.left(NOW) == HOUR
        assert token.left(NOW + HOUR) == 0

    def test_a_fast_clock_counts_too(self) -> None:
        assert held(issued=-600.0).left(NOW) == HOUR - 600

    def test_without_iat_its_life_begins_when_it_came(self) -> None:
        token = held(issued=None, lives=300)
        assert (token.lifetime, token.left(NOW + 100)) == (300, 200)

    def test_a_clock_that_is_set_back_gives_no_more_than_exp(self) -> None:
        assert held().left(NOW - 50) <= HOUR + 50

    def test_it_hides_itself(self) -> None:
        assert "x" not in repr(held()).replace("HeldToken", "")
        order = Order("geheim", 1, None, None, {"A": "geheim"}, "/c", "/l", 2)
        assert "geheim" not in f"{order!r}{order}"
        assert Order.from_json(order.to_json()) == order


class TestAttempts:
    def test_the_pauses_double_up_to_a_minute(self) -> None:
        attempts, now, pauses = Attempts(), NOW, []
        for _ in range(8):
            attempts = attempts.failed(now)
            pause = next(seconds for seconds in range(1000) if attempts.may_ask(now + seconds))
            pauses.append(pause)
            now += pause
        assert pauses == [5, 10, 20, 40, 60, 60, 60, 60]
        assert (AGENT_SHORTEST_PAUSE_SECONDS, AGENT_LONGEST_PAUSE_SECONDS) == (5, 60)

    def test_for_a_client_that_waits_the_shortest_is_enough(self) -> None:
        attempts = Attempts().failed(NOW).failed(NOW).failed(NOW).failed(NOW)
        assert not attempts.may_ask(NOW + 4, somebody_waits=True)
        assert attempts.may_ask(NOW + 5, somebody_waits=True)
        assert not attempts.may_ask(NOW + 5)

    def test_a_clock_that_is_set_back_stops_nothing(self) -> None:
        assert Attempts().failed(NOW).may_ask(NOW - HOUR)

    def test_they_are_hopeless_after_an_hour_of_failures(self) -> None:
        assert not Attempts().are_hopeless(NOW + 9e9)
        attempts = Attempts().failed(NOW).failed(NOW + 60)
        assert not attempts.are_hopeless(NOW + AGENT_GIVES_UP_SECONDS - 1)
        assert attempts.are_hopeless(NOW + AGENT_GIVES_UP_SECONDS)

    @given(st.integers(1, 10_000))
    def test_any_number_of_them_has_a_pause(self, count: int) -> None:
        attempts = Attempts(count, NOW, NOW)
        assert not attempts.may_ask(NOW + 4)
        assert attempts.may_ask(NOW + 61)


HEAD = b"GET /x?y=z HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX-A: b c \r\n\r\n"


class TestRequests:
    def test_one(self) -> None:
        request = parse(HEAD, body_for=None)
        assert request is not None
        assert (request.method, request.target, request.body) == ("GET", "/x?y=z", b"")
        assert dict(request.headers) == {"host": "127.0.0.1:80", "x-a": "b c"}
        assert is_for(request, 80)
        assert not is_for(request, 81)

    @given(st.integers(0, len(HEAD) - 1))
    def test_more_must_come_first(self, size: int) -> None:
        assert parse(HEAD[:size], body_for=None) is None

    @given(st.binary(max_size=300))
    def test_anything_is_a_request_or_refused(self, data: bytes) -> None:
        try:
            found = parse(data, body_for=b"secret")
        except BadRequest:
            return
        assert found is None or found.target.startswith("/")

    def test_a_head_without_end(self) -> None:
        with pytest.raises(BadRequest):
            parse(b"GET / HTTP/1.1\r\n" + b"A" * AGENT_HEAD_BYTES, body_for=None)

    def test_a_body_only_from_who_has_the_secret(self) -> None:
        head = f"POST / HTTP/1.1\r\n{SECRET_HEADER}: s\r\nContent-Length: 2\r\n\r\n".encode()
        assert parse(head + b"o", body_for=b"s") is None
        whole = parse(head + b"ok and more", body_for=b"s")
        assert whole is not None
        assert whole.body == b"ok"
        for secret in (b"other", None):
            with pytest.raises(BadRequest):
                parse(head + b"ok", body_for=secret)

    def test_an_answer(self) -> None:
        text = Reply(200, b"abc", headers=(("A", "b"),)).encode()
        assert text.startswith(b"HTTP/1.1 200 OK\r\n")
        assert text.endswith(b"A: b\r\n\r\nabc")
        assert b"Content-Length: 3\r\nCache-Control: no-store\r\n" in text


class TestTheProcessOfAJob:
    FAMILY: ClassVar = {
        50: (40, ["/bin/bash", "-e"]),
        40: (30, ["/opt/runner/worker", "step"]),
        30: (20, ["/opt/runner/worker", "job", "--id", "7"]),
        20: (10, ["/opt/runner/worker", "listen"]),
        10: (1, ["/sbin/init"]),
    }

    def found(self, program: str, monkeypatch: pytest.MonkeyPatch, family: dict | None = None) -> int | None:
        monkeypatch.setattr("os.getppid", lambda: 50)
        return job_process(program, (self.FAMILY if family is None else family).get)

    @pytest.mark.parametrize(
        ("program", "number"),
        [("worker job", 30), ("worker", 20), ("bash", 50), ("work", None), ("worker job --id 8", None), ("", None)],
    )
    def test_is_the_outermost_that_fits(self, program: str, number: int | None, monkeypatch) -> None:
        assert self.found(program, monkeypatch) == number

    def test_a_circle_of_ancestors_ends(self, monkeypatch) -> None:
        assert self.found("x", monkeypatch, {50: (50, ["y"])}) is None

    def test_this_very_process_is_found(self) -> None:
        import os

        parent, words = process_of(os.getpid())
        assert parent == os.getppid()
        assert "python" in words[0]
        assert process_of(2**30) is None
