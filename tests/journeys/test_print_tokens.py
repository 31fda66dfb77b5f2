"""`print-access-token` and `print-identity-token`, judged by what Google's side granted, and by google-auth."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from google.auth.transport.requests import Request
from google.oauth2 import id_token as verifier
from google_setup import ACCOUNT, Google

from gcp_wif.emulator import Emulator
from gcp_wif.names import Principal

SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
EMAIL_SCOPES = "openid https://www.googleapis.com/auth/userinfo.email"
MIDDLE = "middle-account@acme-prod.iam.gserviceaccount.com"
LAST = "last-account@acme-prod.iam.gserviceaccount.com"
CREATOR = "roles/iam.serviceAccountTokenCreator"
AUDIENCE = "https://service-hash-uc.a.run.app"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(proxy_port=0) as running:
        yield running


@pytest.fixture
def logged_in(cli: Any, google: Google):
    """Logs in with flags; returns what runs a command afterwards."""

    def login(*flags: str, **changes: str):
        job = google.job() | changes
        if "--direct" in flags:
            del job["GCP_SERVICE_ACCOUNT_EMAIL"]
        done = cli("login", *flags, **job)
        assert done.returncode == 0, done.stderr
        google.emulator.gateway.clear_log()
        return lambda *arguments, **more: cli(*arguments, **job | more)

    return login


def may_create_tokens(google: Google, account: str, member: str) -> None:
    state = google.emulator.state
    found = state.accounts.find(account) or state.accounts.put(account, state.project_id)
    state.grant_roles(found.policy, {CREATOR: [member]})


def grant_of(google: Google, done: Any) -> Any:
    """What Google's side knows of the token that was printed, and of nothing else that was."""
    assert done.returncode == 0, done.stderr
    token = done.stdout.removesuffix("\n")
    assert token.startswith("ya29.")
    assert token.split() == [token]
    assert token not in done.stderr
    return google.emulator.state.grant(token)


class TestAccessToken:
    def test_that_of_the_account(self, google, logged_in) -> None:
        grant = grant_of(google, logged_in()("print-access-token"))
        assert grant.principals == (f"serviceAccount:{ACCOUNT}",)
        assert grant.scope == "https://www.googleapis.com/auth/cloud-platform"
        assert grant.expires_at - google.emulator.state.clock.now() == pytest.approx(3600, abs=30)

    def test_that_of_direct_federation(self, google, logged_in) -> None:
        grant = grant_of(google, logged_in("--direct")("print-access-token"))
        assert grant.kind == "federated"

    def test_scopes(self, google, logged_in) -> None:
        assert grant_of(google, logged_in()("print-access-token", "--scopes", SCOPE)).scope == f"{SCOPE} {EMAIL_SCOPES}"
        other = "https://www.googleapis.com/auth/pubsub"
        done = logged_in("--direct")("print-access-token", "--scopes", f"{SCOPE},{other}")
        assert grant_of(google, done).scope == f"{SCOPE} {other} {EMAIL_SCOPES}"
        refused = logged_in("--direct")("print-access-token", "--scopes", "x")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "WIF518" in refused.stderr

    def test_its_lifetime(self, google, logged_in) -> None:
        run = logged_in("--service-account-token-lifetime-seconds", "1200")
        now = google.emulator.state.clock.now()
        assert grant_of(google, run("print-access-token")).expires_at - now == pytest.approx(1200, abs=30)
        done = run("print-access-token", "--lifetime", "10m")
        assert grant_of(google, done).expires_at - now == pytest.approx(600, abs=30)
        refused = run("print-access-token", "--lifetime", "2h")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "WIF522" in refused.stderr
        google.emulator.faults(long_lived_accounts=[ACCOUNT])
        assert grant_of(google, run("print-access-token", "--lifetime", "2h")).expires_at - now > 7000

    def test_direct_federation_has_no_lifetime(self, google, logged_in) -> None:
        run = logged_in("--direct")
        done = run("print-access-token", "--lifetime", "600", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "WIF143")
        assert google.emulator.requests() == []

    def test_another_account(self, google, logged_in) -> None:
        run = logged_in()
        refused = run("print-access-token", "--impersonate-service-account", LAST)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "WIF520" in refused.stderr
        assert "found:" not in refused.stderr  # the token's claims decide nothing about that account
        may_create_tokens(google, LAST, f"serviceAccount:{ACCOUNT}")
        done = run("print-access-token", "--impersonate-service-account", LAST, "--lifetime", "300")
        assert grant_of(google, done).principals == (f"serviceAccount:{LAST}",)

    def test_a_chain_of_accounts(self, google, logged_in) -> None:
        run = logged_in()
        may_create_tokens(google, LAST, f"serviceAccount:{MIDDLE}")
        may_create_tokens(google, MIDDLE, f"serviceAccount:{ACCOUNT}")
        assert run("print-access-token", "--impersonate-service-account", LAST).returncode == 1
        done = run("print-access-token", "--impersonate-service-account", f"{MIDDLE},{LAST}")
        assert grant_of(google, done).principals == (f"serviceAccount:{LAST}",)

    def test_direct_federation_may_become_an_account(self, google, logged_in) -> None:
        run = logged_in("--direct")
        pool = google.provider.pool
        project = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
        may_create_tokens(google, LAST, str(Principal.attribute(pool, "project", project)))
        done = run("print-access-token", "--impersonate-service-account", LAST)
        assert grant_of(google, done).principals == (f"serviceAccount:{LAST}",)

    def test_each_run_asks_anew_and_nothing_is_kept(self, google, logged_in, cli) -> None:
        run = logged_in()
        before = {path: path.read_bytes() for path in cli.home.parent.rglob("*") if path.is_file()}
        first, second = run("print-access-token"), run("print-access-token")
        assert first.stdout != second.stdout
        after = {path: path.read_bytes() for path in cli.home.parent.rglob("*") if path.is_file()}
        assert after == before

    def test_the_exported_config_is_the_default(self, google, logged_in, cli) -> None:
        place = str(cli.home / "elsewhere.json")
        run = logged_in("--output-file", place)
        assert run("print-access-token").returncode == 2
        assert grant_of(google, run("print-access-token", GOOGLE_APPLICATION_CREDENTIALS=place))
        assert grant_of(google, run("print-access-token", "--output-file", place))

    def test_a_program_is_asked_for_the_token(self, google, logged_in, cli) -> None:
        import sys

        run = logged_in("--executable-command", f"{sys.executable} -I -m gcp_wif token --executable-response")
        assert grant_of(google, run("print-access-token")).principals == (f"serviceAccount:{ACCOUNT}",)


class TestRefusals:
    @pytest.mark.parametrize("command", [["print-access-token"], ["print-identity-token", "--audiences", "x"]])
    def test_google_says_no(self, google, logged_in, command) -> None:
        run = logged_in()
        google.provision(condition="false")
        done = run(*command, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "WIF508")
        assert "ya29" not in done.stdout + done.stderr

    @pytest.mark.parametrize("command", [["print-access-token"], ["print-identity-token", "--audiences", "x"]])
    def test_nobody_listens(self, google, logged_in, command) -> None:
        run = logged_in()
        google.emulator.stop()
        done = run(*command)
        assert (done.returncode, done.stdout) == (3, "")
        assert "WIF601" in done.stderr

    @pytest.mark.parametrize("command", [["print-access-token"], ["print-identity-token", "--audiences", "x"]])
    def test_a_config_that_leads_elsewhere(self, google, logged_in, cli, command) -> None:
        run = logged_in()
        config = cli.home / "gcp_cred_config.json"
        document = json.loads(config.read_text())
        config.write_text(json.dumps(document | {"token_url": "https://sts.evil.example/v1/token"}))
        done = run(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "WIF405" in done.stderr
        assert google.emulator.requests() == []

    @pytest.mark.parametrize("command", [["print-access-token"], ["print-identity-token", "--audiences", "x"]])
    def test_a_token_that_has_expired(self, google, logged_in, cli, command) -> None:
        run = logged_in()
        (cli.home / "oidc_token").write_text(google.emulator.token(exp=1_600_000_000, iat=1_599_999_000))
        done = run(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "WIF204" in done.stderr


class TestIdentityToken:
    def verified(self, google: Google, done: Any) -> dict[str, Any]:
        """Its claims, by google-auth's own verifier, with Google's certificates as the emulator serves them."""
        assert done.returncode == 0, done.stderr
        token = done.stdout.removesuffix("\n")
        assert token not in done.stderr
        with requests.Session() as session:
            session.trust_env = False
            session.proxies, session.verify = {"https": google.emulator.proxy}, google.emulator.ca
            return dict(verifier.verify_oauth2_token(token, Request(session), AUDIENCE))

    def test_google_auth_verifies_it(self, google, logged_in) -> None:
        claims = self.verified(google, logged_in()("print-identity-token", "--audiences", AUDIENCE))
        assert claims["sub"] == google.emulator.state.accounts.get(ACCOUNT).unique_id
        assert "email" not in claims

    def test_with_its_email(self, google, logged_in) -> None:
        done = logged_in()("print-identity-token", "--audiences", AUDIENCE, "--include-email")
        claims = self.verified(google, done)
        assert (claims["email"], claims["email_verified"]) == (ACCOUNT, True)

    def test_the_verifier_refuses_another_audience(self, google, logged_in) -> None:
        done = logged_in()("print-identity-token", "--audiences", "https://other.example")
        with pytest.raises(ValueError, match="audience"):
            self.verified(google, done)

    def test_no_access_token_is_made_on_the_way(self, google, logged_in) -> None:
        """Least privilege: the federated token asks for it by itself."""
        assert logged_in()("print-identity-token", "--audiences", AUDIENCE).returncode == 0
        asked = [each["path"].rpartition(":")[2] for each in google.emulator.requests()]
        assert asked == ["/v1/token", "generateIdToken"]

    def test_direct_federation_has_none_and_says_what_to_do(self, google, logged_in) -> None:
        run = logged_in("--direct")
        done = run("print-identity-token", "--audiences", AUDIENCE, "--json")
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (2, "WIF144")
        assert "--impersonate-service-account" in error["hint"]
        assert google.emulator.requests() == []

    def test_an_account_that_direct_federation_names(self, google, logged_in) -> None:
        run = logged_in("--direct")
        project = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
        may_create_tokens(google, LAST, str(Principal.attribute(google.provider.pool, "project", project)))
        arguments = ["print-identity-token", "--audiences", AUDIENCE, "--include-email"]
        claims = self.verified(google, run(*arguments, "--impersonate-service-account", LAST))
        assert claims["email"] == LAST

    def test_a_chain_of_accounts(self, google, logged_in) -> None:
        run = logged_in()
        may_create_tokens(google, LAST, f"serviceAccount:{MIDDLE}")
        may_create_tokens(google, MIDDLE, f"serviceAccount:{ACCOUNT}")
        arguments = ["print-identity-token", "--audiences", AUDIENCE, "--include-email"]
        claims = self.verified(google, run(*arguments, "--impersonate-service-account", f"{MIDDLE},{LAST}"))
        assert claims["email"] == LAST

    def test_the_audience_is_needed(self, google, logged_in) -> None:
        run = logged_in()
        for arguments, code in (([], "WIF101"), (["--audiences", ""], "WIF102")):
            done = run("print-identity-token", *arguments)
            assert (done.returncode, done.stdout) == (2, "")
            assert code in done.stderr
