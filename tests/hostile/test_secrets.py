"""Secrets in the output (row W18 of the review, and the JSON of a crash from D22).

Whoever a run talks to knows its secrets and can say them back: whole, cut, broken over lines, encoded, in an error or
in a value. The exact values that a run handled are hidden in all that it prints, on stdout and stderr, in JSON, logs,
pages and reports; so are values that have a token's shape. What is measured here is the rule itself: no run of 16
characters of a secret, nor of its base64 or hexadecimal form, is left in the output, white space and escapes apart.
"""

import base64
import io
import json
import re
import string
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secret_echoes import ENCODINGS, leaks

from gcp_wif import secrets
from gcp_wif.cli.output import HidingStream, Terminal
from gcp_wif.errors import shown

part = st.text(string.ascii_letters + string.digits + "-_", min_size=24, max_size=120)
jwts = st.tuples(
    st.sampled_from(["eyJhbGciOiJSUzI1NiJ9", "eyAiYWxnIjogIlJTMjU2IiB9", "ewogImFsZyI6ICJSUzI1NiIKfQ"]), part, part
).map(".".join)
opaque = st.text(string.ascii_letters + string.digits + "+/=.~_-", min_size=24, max_size=200)
words = st.text(string.ascii_letters + string.digits + "!#$()*+,./:;=?@[]^_`{}~-", min_size=24, max_size=80)
saml = st.binary(min_size=40, max_size=200).map(lambda data: base64.b64encode(b"<saml:Assertion>" + data).decode())
SECRETS = st.one_of(jwts, opaque, words, saml, st.binary(min_size=16, max_size=64).map(bytes.hex))


@st.composite
def echoes(draw: st.DrawFn, secret: str) -> str:
    """What somebody might print who knows ``secret``."""
    first = draw(st.integers(0, len(secret) // 2))
    last = draw(st.integers(first, len(secret)))
    text = secret[first:] if draw(st.booleans()) else secret[:last]
    text = ENCODINGS[draw(st.sampled_from(sorted(ENCODINGS)))](text)
    width = draw(st.one_of(st.none(), st.integers(1, 80)))
    if width is not None:
        indent = draw(st.sampled_from(["", "  ", "\t", "> ", "    | "]))
        newline = draw(st.sampled_from(["\n", "\r\n"]))
        text = newline.join(f"{indent}{text[at : at + width]}" for at in range(0, len(text), width))
        if draw(st.booleans()):
            text = json.dumps(text)
    before, after = (
        draw(st.sampled_from(["", "error: ", "{", "token="])),
        draw(st.sampled_from(["", " is bad", "}", "…"])),
    )
    return f"{before}{text}{after}"


class TestTheSearch:
    @settings(max_examples=400)
    @given(st.data())
    def test_no_run_of_a_secret_is_left_of_any_echo(self, data: st.DataObject) -> None:
        """W18: opaque, federated and SAML tokens, cut, broken and encoded echoes came through."""
        secret = data.draw(SECRETS)
        echo = data.draw(echoes(secret))
        with secrets.isolated():
            secrets.remember(secret)
            assert leaks(secrets.hide(echo), secret) == []

    @settings(max_examples=200)
    @given(st.data())
    def test_nor_where_it_is_written_in_pieces(self, data: st.DataObject) -> None:
        """W18: two calls of write, with and without a flush between."""
        secret = data.draw(SECRETS)
        echo = data.draw(echoes(secret))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(echo)), max_size=12)))
        bare = io.StringIO()
        stream = HidingStream(bare)
        with secrets.isolated():
            secrets.remember(secret)
            for first, last in zip([0, *cuts], [*cuts, len(echo)], strict=True):
                stream.write(echo[first:last])
                if data.draw(st.booleans()):
                    stream.flush()
            stream.flush()
        assert leaks(bare.getvalue(), secret) == []

    def test_the_oracle_can_fail(self) -> None:
        """What the property would report of a search that finds nothing."""
        secret = "s3cr3t-/+" + "".join(chr(97 + at % 26) for at in range(60))
        missed = [name for name, encode in ENCODINGS.items() if not leaks(encode(secret), secret)]
        assert missed == []
        assert leaks("\n  ".join(textwrap.wrap(secret, 7)), secret)
        assert leaks(secret[20:36], secret)
        assert not leaks(secret[20:35], secret)

    @pytest.mark.parametrize("size", [6, 8, 11])
    def test_a_short_secret_is_hidden_whole(self, size: int) -> None:
        secret = "pW9-x+Z/q0tR"[:size]
        secrets.remember(secret)
        assert secrets.hide(f"the password {secret} is wrong") == f"the password {secrets.HIDDEN} is wrong"
        assert secrets.hide(f"the password {secret[:-1]}? is wrong") == f"the password {secret[:-1]}? is wrong"

    def test_ordinary_text_stays_as_it_is(self) -> None:
        """Whoever hides everything hides nothing that matters."""
        for secret in ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "Bearer abc", "a", "", None, "x" * 5000):
            secrets.remember(secret)
        text = (
            Path(__file__).with_name("test_servers.py").read_text()
            + (Path(__file__).parents[2] / "README.md").read_text()
        )
        text = re.sub(r"eyJ\S+|ya29\S+", "", text)
        assert secrets.hide(text) == text
        assert "words of\n" in secrets.hide("words of\n")

    def test_json_stays_json(self) -> None:
        """A secret in two values of a document takes no quotation mark with it."""
        secret = "".join(chr(97 + at * 7 % 26) for at in range(80))
        secrets.remember(secret)
        for document in (
            [secret[:40], secret[40:]],
            {"a": secret, secret: "b"},
            {"a": [f"x {secret[:20]}", secret[20:]]},
        ):
            for text in (json.dumps(document), json.dumps(document, indent=2)):
                assert leaks(text, secret)
                hidden = secrets.hide(text)
                json.loads(hidden)
                assert not leaks(hidden, secret)

    @pytest.mark.parametrize(
        "text",
        [
            "a b " * 2_500_000,
            "%41" * 3_300_000,
            "\\" * 10_000_000,
            "\\u0041" * 1_600_000,
            ">" * 10_000_000,
            "\n" * 10_000_000,
            " " * 10_000_000,
            "&amp;" * 2_000_000,
            "eyJ-" * 2_500_000,
            "é" * 5_000_000,
            "\x1b[" * 5_000_000,
            '{"a": "b",\n' * 900_000,
            "abcdefghijk" * 900_000,
        ],
        ids=lambda text: repr(text[:8]),
    )
    def test_ten_megabytes_take_seconds(self, text: str) -> None:
        """The time grows with the text; a quadratic search would take hours. And it is bounded in memory."""
        secrets.remember("abcdefghijklmnopqrstuvwxyz" * 40)
        secrets.remember("a" * 4000)
        begun = time.monotonic()
        secrets.hide(text)
        assert time.monotonic() - begun < 60

    def test_secrets_without_end_are_forgotten_from_the_front(self) -> None:
        """An agent runs for hours; what it remembers is bounded."""
        made = [f"{at:08d}-{'secret'[at % 6 :]}-{at * 7919:x}-{at**3:o}" for at in range(1200)]
        for each in made:
            secrets.remember(each)
        assert secrets.hide(made[-1]) == secrets.HIDDEN
        assert secrets.hide(made[0]) == made[0]


class TestShapes:
    @pytest.mark.parametrize(
        "token",
        [
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
            "eyJhbGciOiJSUzI1NiJ9",
            "eyAiYWxnIjogIlJTMjU2IiB9.eyAic3ViIjogIngiIH0.c2lnbmF0dXJl",
            "ewogICJhbGciOiAiUlMyNTYiCn0.ewogICJzdWIiOiAieCIKfQ.c2lnbmF0dXJl",
            "ya29.d.c0AbCdEf-_",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----",
        ],
    )
    def test_what_looks_like_a_token_is_hidden_though_nobody_named_it(self, token: str) -> None:
        """W18: `{ "` and a line break begin a JWT, too."""
        assert secrets.hide(f"a {token} b") == f"a {secrets.HIDDEN} b"
        assert secrets.seen(token)

    def test_words_are_not_tokens(self) -> None:
        for text in ("newoutputdirectory.example.internal", "MoneyAccount.someLongName.other", "eyJ", "ya29", "ewoks"):
            assert secrets.hide(text) == text

    def test_a_value_in_a_message_is_not_shown_where_it_holds_a_secret(self) -> None:
        secrets.remember("correct-horse-battery")
        assert "horse" not in shown("x correct-horse-battery y")
        assert shown("plain") == "'plain'"


class TestStreams:
    def test_a_binary_side_hides_too(self) -> None:
        """Click takes it where the locale's encoding is ASCII."""
        secrets.remember("correct-horse-battery")
        raw = io.BytesIO()
        stream = HidingStream(io.TextIOWrapper(raw, encoding="ascii"))
        stream.buffer.write(b"a correct-horse-battery \xff\n")
        stream.buffer.flush()
        assert raw.getvalue() == f"a {secrets.HIDDEN} ".encode() + b"\xff\n"

    def test_bytes_are_no_text(self) -> None:
        with pytest.raises(TypeError):
            HidingStream(io.StringIO()).write(b"x")

    def test_colours_of_ours_stay_and_other_escapes_do_not(self) -> None:
        bare = io.StringIO()
        stream = HidingStream(bare)
        stream.writelines(["\x1b[31mred\x1b[0m \x1b[2J\n", "\u202eabc\ud800\n", "last"])
        assert bare.getvalue() == "\x1b[31mred\x1b[0m \\x1b[2J\n\\u202eabc\\ud800\n"
        stream.flush()
        assert bare.getvalue().endswith("last")

    def test_a_line_without_an_end_is_not_kept_for_ever(self) -> None:
        bare = io.StringIO()
        stream = HidingStream(bare)
        for _ in range(100):
            stream.write("x" * 1000)
        assert len(bare.getvalue()) > 60_000

    def test_one_door_leads_around(self, capsysbinary) -> None:
        """`Terminal.secret` prints a token, `raw` does not."""
        secrets.remember("correct-horse-battery")
        Terminal().raw(b"correct-horse-battery\n")
        Terminal().secret(b"correct-horse-battery\n")
        assert capsysbinary.readouterr().out == f"{secrets.HIDDEN}\ncorrect-horse-battery\n".encode()


def test_an_encoding_that_cannot_write_shows_no_secret(cli, make_jwt) -> None:
    """Click goes around a text stream whose encoding is ASCII, to its binary side."""
    token = make_jwt()
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    code = (
        "import sys\n"
        "from gcp_wif import secrets\nfrom gcp_wif.cli.output import HidingStream\n"
        "secrets.remember(sys.argv[1])\n"
        "sys.stdout = HidingStream(sys.stdout)\nsys.stderr = HidingStream(sys.stderr)\n"
        "import typer\n"
        "typer.echo('a \\u2026' + sys.argv[1])\ntyper.echo('b \\u2026' + sys.argv[1], err=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, token[30:]], env=cli.env | ascii_only, capture_output=True, timeout=60, check=False
    )
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert "a " in text, text
    assert leaks(text, token[30:]) == []
