"""Servers and files that hold a secret of the run, against the whole command line (row W18 of the review; D22).

`test_secrets.py` holds the search itself; here each way is gone by which a secret comes back in real runs: STS and IAM
Credentials that repeat a token, the server of a config's URL, files of another kind, the doctor's page, a crash.
"""

import base64
import json
import os
import sys
import urllib.parse
from pathlib import Path

import pytest
from hostile_server import answer, says, serving
from measured import measured
from secret_echoes import ENCODINGS, leaks

from gcp_wif import secrets

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"

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
