"""Claims that no issuer writes (rows D22 and W21 of the review).

A token in a variable, a file or on standard input can hold anything, and nobody has checked its signature. Times that
are no times, half a character and endless nesting are refused with a code of the token's family before anything is
written; what is large is refused before it is parsed.
"""

import base64
import json
from pathlib import Path

import pytest
from measured import measured

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"


def token(claims: str, header: str = '{"alg": "RS256", "kid": "a"}') -> str:
    parts = [base64.urlsafe_b64encode(each.encode()).rstrip(b"=").decode() for each in (header, claims)]
    return ".".join([*parts, "c2lnbmF0dXJl"])


CLAIMS = {
    "NaN": ('{"exp": NaN, "iat": 1}', "WIF203"),
    "Infinity": ('{"exp": Infinity, "iat": 1}', "WIF203"),
    "minus Infinity": ('{"exp": 9999999999, "nbf": -Infinity}', "WIF203"),
    "beyond all numbers": ('{"exp": 1e400, "iat": 1}', "WIF205"),
    "iat beyond all numbers": ('{"exp": 9999999999, "iat": 1e400}', "WIF205"),
    "nbf below all numbers": ('{"exp": 9999999999, "nbf": -1e400}', "WIF205"),
    "400 digits": ('{"exp": 1%s, "iat": 1}' % ("0" * 400), "WIF205"),
    "5,000 digits": ('{"exp": 1%s, "iat": 1}' % ("0" * 5000), "WIF203"),
    "the year 10000": ('{"exp": 253402300800}', "WIF205"),
    "negative": ('{"exp": -1}', "WIF205"),
    "text": ('{"exp": "9999999999"}', "WIF205"),
    "iat as text": ('{"exp": 9999999999, "iat": "1"}', "WIF205"),
    "nbf as null": ('{"exp": 9999999999, "nbf": null}', "WIF205"),
    "true": ('{"exp": true}', "WIF205"),
    "half a character in sub": ('{"exp": 9999999999, "sub": "\\ud800"}', "WIF203"),
    "half a character in a name": ('{"exp": 9999999999, "\\udfff": "x"}', "WIF203"),
    "half a character, deep": ('{"exp": 9999999999, "x": [{"y": ["\\ud83d"]}]}', "WIF203"),
    "nested without end": ("[" * 20_000, "WIF203"),
    "nested and closed": ('{"exp": 9999999999, "x": %s%s}' % ("[" * 8_000, "]" * 8_000), "WIF203"),
}


class TestClaims:
    @pytest.mark.parametrize("name", CLAIMS)
    @pytest.mark.parametrize("command", ["generate", "login"])
    def test_times_that_are_none_and_halves_of_characters(self, cli, name: str, command: str) -> None:
        """D22: WIF001, and `login --no-verify` took NaN."""
        claims, code = CLAIMS[name]
        flags = ["--no-verify"] if command == "login" else []
        done = cli(command, PROVIDER, "--direct", "--json", *flags, CIRCLE_OIDC_TOKEN=token(claims))
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, code), done.stderr
        assert list(cli.home.iterdir()) == []
        assert not Path(cli.env["BASH_ENV"]).exists()

    @pytest.mark.parametrize("name", CLAIMS)
    def test_in_every_other_place_that_reads_a_token(self, cli, name: str) -> None:
        """D22: the file that verify reads, the doctor, and the answer to a client."""
        claims, code = CLAIMS[name]
        job = {"CIRCLE_OIDC_TOKEN": token(claims)}
        assert json.loads(cli("token", "--executable-response", **job).stdout)["code"] == code
        assert cli("generate", PROVIDER, "--direct", "--config-only").returncode == 0
        (cli.home / "oidc_token").write_text(token(claims))
        done = cli("verify", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, code)
        assert "WIF001" not in cli("doctor", "--json", **job).stderr

    def test_whole_characters_beyond_the_first_65536_are_fine(self, cli) -> None:
        """A pair of escapes is one character."""
        claims = '{"exp": 9999999999, "sub": "\\ud83d\\ude00", "x": "\\\\ud800"}'
        done = cli("generate", PROVIDER, "--direct", CIRCLE_OIDC_TOKEN=token(claims))
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize(
        "claims",
        [{f"c{at}": at for at in range(300_000)}, {"sub": "x" * 4_000_000}, {"x": [[["y"] * 9] * 100] * 900}],
        ids=["300,000 claims", "four megabytes", "lists in lists"],
    )
    def test_a_file_of_claims_is_bounded(self, cli, tmp_path: Path, claims: dict) -> None:
        """W21: `doctor --claims` took more than five seconds, and printed all of it."""
        file, provider = tmp_path / "claims.json", tmp_path / "provider.json"
        file.write_text(json.dumps({"iss": "https://x.example", "aud": "y", "exp": 9999999999} | claims))
        mapping = {"attributeMapping": {"google.subject": "assertion.sub"}, "oidc": {"issuerUri": "https://y.example"}}
        provider.write_text(json.dumps({"name": PROVIDER, "state": "ACTIVE"} | mapping))
        done = measured(cli.env, "doctor", PROVIDER, "--claims", str(file), "--provider-file", str(provider), "--json")
        assert (done.returncode, "WIF307" in done.stderr) == (2, True), done.stderr
        assert done.seconds < 5
        assert done.megabytes < 300

    def test_a_token_of_claims_without_number_is_too_large(self, cli) -> None:
        """W21: 300,000 claims; 32 KiB are the bound of a token."""
        claims = json.dumps({"exp": 9999999999} | {f"c{at}": at for at in range(300_000)})
        (cli.home / "oidc_token").write_text(token(claims))
        assert cli("generate", PROVIDER, "--direct", "--config-only").returncode == 0
        done = cli("verify")
        assert (done.returncode, "WIF307" in done.stderr or "WIF203" in done.stderr) == (2, True), done.stderr
        done = cli("generate", PROVIDER, "--direct", "--token-stdin", stdin=token(claims).encode())
        assert (done.returncode, "WIF203" in done.stderr) == (2, True), done.stderr
