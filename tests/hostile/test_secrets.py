"""Secrets in the output (row W18 of the review, and the JSON of a crash from D22).

Whoever a run talks to knows its secrets and can say them back: whole, cut, broken over lines, encoded, in an error or
in a value. The exact values that a run handled are hidden in all that it prints, on stdout and stderr, in JSON, logs,
pages and reports; so are values that have a token's shape. What is measured here is the rule itself: no run of 16
characters of a secret, nor of its base64 or hexadecimal form, is left in the output, white space and escapes apart.
"""

import base64
import html
import io
import json
import os
import re
import string
import subprocess
import sys
import textwrap
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_server import answer, says, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import measured

from gcp_wif import secrets
from gcp_wif.cli.output import HidingStream, Terminal
from gcp_wif.errors import InputError, shown

RUN = 16
PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
BASE64URL = string.ascii_letters + string.digits + "-_"


def leaks(output: str, secret: str) -> list[str]:
    """Runs of ``secret``, or of what it is encoded as, in ``output`` as a reader would decode it.

    An oracle of its own: Python's decoders, and each run looked up one by one.
    """
    raw = secret.encode()
    forms = [
        secret,
        raw.hex(),
        raw.hex().upper(),
        raw.hex(" "),
        secret.lower(),
        secret.upper(),
        _other_alphabet(secret),
    ]
    for lead in range(3):
        coded = base64.b64encode(bytes(lead) + raw).decode()
        forms += [coded[4:-4], coded[4:-4].replace("+", "-").replace("/", "_")]
    views = {output}
    for _ in range(3):
        views |= {
            view
            for text in tuple(views)
            for view in (_unescaped(text), html.unescape(text), urllib.parse.unquote(text))
        }
    views |= {re.sub(r"[\r\n]+[\s>|]*", "", view) for view in views}
    views = {"".join(view.split()) for view in views}
    runs = {
        each[at : at + RUN] for form in forms if (each := "".join(form.split())) for at in range(len(each) - RUN + 1)
    }
    return [run for run in runs if any(run in view for view in views)]


def _other_alphabet(text: str) -> str:
    return text.translate(str.maketrans("+/-_", "-_+/"))


def _unescaped(text: str) -> str:
    return re.sub(
        r'\\+(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrt"/\\\'])',
        lambda match: (
            {"n": "\n", "r": "\r", "t": "\t"}.get(match[1], match[1])
            if len(match[1]) == 1
            else chr(int(match[1][1:], 16))
        ),
        text,
    )


def _jwt(parts: tuple[str, str, str]) -> str:
    return ".".join(parts)


part = st.text(BASE64URL, min_size=24, max_size=120)
jwts = st.tuples(
    st.sampled_from(["eyJhbGciOiJSUzI1NiJ9", "eyAiYWxnIjogIlJTMjU2IiB9", "ewogImFsZyI6ICJSUzI1NiIKfQ"]), part, part
).map(_jwt)
opaque = st.text(string.ascii_letters + string.digits + "+/=.~_-", min_size=24, max_size=200)
words = st.text(string.ascii_letters + string.digits + "!#$()*+,./:;=?@[]^_`{}~-", min_size=24, max_size=80)
saml = st.binary(min_size=40, max_size=200).map(lambda data: base64.b64encode(b"<saml:Assertion>" + data).decode())
SECRETS = st.one_of(jwts, opaque, words, saml, st.binary(min_size=16, max_size=64).map(bytes.hex))

ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with Google's escapes": lambda text: json.dumps(text).replace("=", "\\u003d").replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text).replace("=", "\\u003d")),
    "percent": urllib.parse.quote,
    "percent, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "JSON in percent": lambda text: "".join(each if each.isalnum() else f"%5Cu{ord(each):04x}" for each in text),
    "percent in JSON": lambda text: json.dumps(urllib.parse.quote(text, safe="")),
    "the other alphabet of base64": _other_alphabet,
    "HTML": html.escape,
    "HTML, by number": lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in a longer text": lambda text: base64.b64encode(f"a{text}".encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"ab{text}".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, apart": lambda text: text.encode().hex(" ").upper(),
    "Python's": repr,
    "Python's bytes": lambda text: repr(text.encode()),
    "small": str.lower,
    "large": str.upper,
}


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


EVERY_ECHO = {
    **ENCODINGS,
    "broken at 60": lambda text: "\n".join(text[at : at + 60] for at in range(0, len(text), 60)),
    "broken at 10, indented": lambda text: "\n   ".join(text[at : at + 10] for at in range(0, len(text), 10)),
    "the second part": lambda text: text.split(".")[1],
    "the signature": lambda text: text.split(".")[2],
    "the last 30": lambda text: text[-30:],
    "the middle": lambda text: text[200:230],
    "a header": lambda text: f"Authorization: Basic {base64.b64encode(f'x:{text}'.encode()).decode()}",
}
COMMANDS = {
    "verify": ["verify", "-vv"],
    "verify json": ["verify", "-vv", "--json"],
    "login": ["login", PROVIDER, "--direct", "-vv"],
    "login json": ["login", PROVIDER, "--direct", "--json", "-vv"],
}
# One command with each echo, the others with one of each kind: a run takes a third of a second.
ECHOES_OF_COMMANDS = [("verify json", name) for name in EVERY_ECHO]
ECHOES_OF_COMMANDS += [
    (command, name)
    for command in COMMANDS
    if command != "verify json"
    for name in ("as it is", "broken at 10, indented", "base64", "JSON in JSON")
]
ECHOES_OF_REPLIES = [
    (reply, name)
    for reply in ("403 as JSON", "403 as text", "200 nonsense", "a redirect")
    for name in ("as it is", "broken at 10, indented", "base64", "a header", "hexadecimal, apart")
]
ECHOES_OF_REPLIES += [("a bad header", "as it is")]  # which is tried five times


class TestServersThatEcho:
    """A server says back what it was sent."""

    @pytest.mark.parametrize(("command", "name"), ECHOES_OF_COMMANDS)
    def test_the_subject_token(self, cli, make_jwt, name: str, command: str) -> None:
        """W18: STS repeats the subject token in its error."""
        token = make_jwt()

        def behave(connection, _) -> None:
            text = EVERY_ECHO[name](token)
            connection.sendall(answer(json.dumps({"error": "invalid_grant", "error_description": text}), "400 X"))

        with serving(behave) as server:
            env = cli.env | {"GCP_WIF_EMULATOR_HOST": server.host, "CIRCLE_OIDC_TOKEN": token}
            assert measured(env, "generate", PROVIDER, "--direct").returncode == 0
            done = measured(env, *COMMANDS[command])
            assert any(urllib.parse.quote(token).encode() in each for each in server.seen)
        assert done.returncode == 1, done.stderr
        assert leaks(done.stdout + done.stderr, token) == []
        if "json" in command:
            assert json.loads(done.stdout)["error"]["code"]

    @pytest.mark.parametrize("kind", ["opaque", "saml"])
    @pytest.mark.parametrize("name", ["as it is", "broken at 60", "hexadecimal", "percent", "JSON"])
    def test_tokens_that_are_no_jwts(self, cli, kind: str, name: str) -> None:
        """W18: SAML and opaque tokens appeared whole."""
        token = {
            "opaque": "oPaQuE_" + "".join(chr(65 + at * 11 % 26) + str(at) for at in range(40)),
            "saml": base64.b64encode(b"<saml:Assertion ID='a'>" + bytes(range(200)) + b"</saml:Assertion>").decode(),
        }[kind]
        kind_flag = "--subject-token-type=urn:ietf:params:oauth:token-type:saml2"
        reply = answer(json.dumps({"error": "invalid_grant", "error_description": EVERY_ECHO[name](token)}), "400 X")
        with serving(says(reply)) as server:
            env = cli.env | {"GCP_WIF_EMULATOR_HOST": server.host, "CIRCLE_OIDC_TOKEN": token}
            done = measured(env, "login", PROVIDER, "--direct", kind_flag, "-vv", "--json")
        assert done.returncode == 1, done.stderr
        assert leaks(done.stdout + done.stderr, token) == []

    @pytest.mark.parametrize(("reply", "name"), ECHOES_OF_REPLIES)
    def test_the_federated_token(self, cli, make_jwt, name: str, reply: str) -> None:
        """W18: IAM Credentials repeats the federated token, which is neither eyJ nor ya29."""
        federated = "fEdErAtEd~" + "".join(chr(97 + at * 5 % 26) + str(at) for at in range(60)) + "-_x"
        text = EVERY_ECHO[name](federated)

        def behave(connection, _) -> None:
            if b"/v1/token " in server.seen[-1].split(b"\r\n")[0]:
                sts = {"access_token": federated, "expires_in": 3600, "token_type": "Bearer"}
                connection.sendall(answer(json.dumps(sts)))
                return
            echoed = " ".join(text.split())
            connection.sendall(
                {
                    "403 as JSON": answer(json.dumps({"error": {"status": text, "message": text}}), "403 X"),
                    "403 as text": answer(text, "403 X"),
                    "200 nonsense": answer(json.dumps({"accessToken": text, "expireTime": text})),
                    "a redirect": answer("", "302 X", f"Location: http://127.0.0.1:9/{echoed}\r\n"),
                    "a bad header": f"HTTP/1.1 {echoed}\r\n{echoed}\r\n\r\n".encode(),
                }[reply]
            )

        with serving(behave) as server:
            env = cli.env | {"GCP_WIF_EMULATOR_HOST": server.host, "CIRCLE_OIDC_TOKEN": make_jwt()}
            done = measured(
                env, "login", PROVIDER, "--service-account=deploy@acme-prod.iam.gserviceaccount.com", "-vv", "--json"
            )
            assert any(federated.encode() in each for each in server.seen)
        assert done.returncode in {1, 3}, done.stderr
        assert leaks(done.stdout + done.stderr, federated) == []

    def test_a_google_that_grants_shows_no_access_token(self, cli, make_jwt) -> None:
        """W18: an access token of any shape, also where a value that is shown repeats it."""
        granted = "aCcEsS!" + "".join(chr(97 + at * 3 % 26) + str(at) for at in range(40))
        reply = {"access_token": granted, "expires_in": 3600, "accessToken": granted, "token_type": granted}
        with serving(says(answer(json.dumps(reply | {"expireTime": granted})))) as server:
            env = cli.env | {"GCP_WIF_EMULATOR_HOST": server.host, "CIRCLE_OIDC_TOKEN": make_jwt()}
            for account in ("--direct", "--service-account=deploy@acme-prod.iam.gserviceaccount.com"):
                done = measured(env, "login", PROVIDER, account, "-vv", "--json")
                assert done.returncode == (0 if account == "--direct" else 3), done.stderr
                assert leaks(done.stdout + done.stderr, granted) == []

    @pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
    def test_the_header_of_a_configs_url(self, cli, make_jwt, status: str) -> None:
        """W18: the headers in a config are secrets: the agent's key, another system's token."""
        key = "hVs.CAESI" + "".join(chr(97 + at * 7 % 26) + str(at) for at in range(30))
        with serving(says(answer(json.dumps({"value": f"no {key}", "error": key}), status))) as server:
            env = cli.env | {"GCP_WIF_EMULATOR_HOST": server.host, "CIRCLE_OIDC_TOKEN": make_jwt()}
            flags = [
                f"--credential-source-url=http://{server.host}/t",
                f"--credential-source-headers=X-Vault-Token={key}",
            ]
            made = measured(env, "generate", PROVIDER, "--direct", *flags, "-vv", "--json")
            assert made.returncode == 0, made.stderr
            done = measured(env, "verify", "-vv", "--json")
            assert key.encode() in server.seen[0]
        assert leaks(made.stdout + made.stderr + done.stdout + done.stderr, key) == []

    def test_a_password_of_basic_authentication(self) -> None:
        """W18: the header is base64; the echo need not be."""
        coded = base64.b64encode(b"somebody:pAssw0rd-of-theirs").decode()
        secrets.remember_header("Authorization", f"Basic {coded}")
        for text in (coded, "somebody:pAssw0rd-of-theirs", "pAssw0rd-of-theirs"):
            assert secrets.hide(f"a {text}") == f"a {secrets.HIDDEN}"
        secrets.remember_header("Metadata", "true")
        secrets.remember_header("Authorization", "Basic \xff not base64 at all")
        assert secrets.hide("it is true") == "it is true"

    def test_the_answer_of_an_executable_source(self, cli, tmp_path: Path) -> None:
        """W18: the message of `--executable-response` goes to whatever log the client has."""
        token = "not-a-jwt-" + "".join(chr(97 + at * 7 % 26) + str(at) for at in range(30))
        response = tmp_path / f"{token}.json"
        response.write_text(json.dumps({token: {"x": 1}, "id_token": f"{token}"}))
        for flags in (["--token-response", str(response)], ["--token-env", "T"], ["--token-env", token]):
            done = cli("token", "--executable-response", *flags, T=token)
            assert json.loads(done.stdout)["success"] is False
            assert leaks(done.stdout + done.stderr, token) == [] or flags[1] != "T"
        done = cli("token", "--executable-response", "--token-env", "T", T=f" {token}\n{token} ")
        assert leaks(done.stdout + done.stderr, token) == []


class TestSecretsInFiles:
    SECRET = "GOCSPX-" + "".join(chr(97 + at * 7 % 26) + str(at) for at in range(16))

    @pytest.mark.parametrize("field", ["client_secret", "refresh_token", "private_key", "password", "api_key"])
    def test_of_a_config_that_is_another_kind(self, cli, field: str) -> None:
        """W18: what a file holds that was read by mistake."""
        config = cli.home / "gcp_cred_config.json"
        document = {"type": f"x {self.SECRET}", "universe_domain": self.SECRET, "nested": [{field: self.SECRET}]}
        for change in ({}, {"type": "external_account", "audience": self.SECRET}):
            config.write_text(json.dumps(document | change))
            for command in (["verify", "--json"], ["export", "--json"], ["doctor", "--json"], ["logout", "--json"]):
                done = cli(*command, "-vv")
                assert leaks(done.stdout + done.stderr, self.SECRET) == []

    def test_on_the_doctors_page(self, cli, make_jwt, tmp_path: Path) -> None:
        """W18: HTML."""
        token = make_jwt()
        signature = "sIgNaTuRe" + "".join(chr(97 + at * 7 % 26) + str(at) for at in range(30))
        token = token.rpartition(".")[0] + "." + signature
        page = tmp_path / "page.html"
        job = {"CIRCLE_OIDC_TOKEN": token}
        error = f"invalid_grant: The given credential is rejected by the attribute condition. {signature}"
        done = cli("doctor", PROVIDER, "--error", error, "--html", str(page), "--json", **job)
        assert page.exists(), done.stderr
        for text in (done.stdout, done.stderr, page.read_text()):
            assert leaks(text, signature) == []


def test_a_crash_answers_with_json_and_without_the_secret(cli, make_jwt, tmp_path: Path) -> None:
    """D22: WIF001 gave no JSON under --json."""
    token = make_jwt()
    (tmp_path / "sitecustomize.py").write_text(
        "import gcp_wif.job.generate as generate\n"
        "def boom(*a, **k): raise RuntimeError(__import__('os').environ['CIRCLE_OIDC_TOKEN'])\n"
        "generate.write_private = boom\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = cli("generate", PROVIDER, "--direct", "--json", PYTHONPATH=path, CIRCLE_OIDC_TOKEN=token)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert (error["code"], "RuntimeError" in error["message"]) == ("WIF001", True)
    assert "WIF001" in done.stderr
    assert leaks(done.stdout + done.stderr, token) == []
    assert cli("generate", PROVIDER, "--direct", PYTHONPATH=path, CIRCLE_OIDC_TOKEN=token).stdout == ""


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


def test_an_input_error_keeps_no_control_character_and_no_second_line() -> None:
    """W19: the place where all that came from outside meets."""
    error = InputError("a\nb\x1b[31m\r::error::c" + "x" * 20_000, hint="first\n::error::second\x00", code="WIF000")
    assert "\n" not in error.message
    assert "\x1b" not in str(error) + error.args[0]
    assert len(error.message) < 8_100
    assert error.hint == "first\n: :error::second\\x00"
