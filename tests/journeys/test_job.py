"""The job's journey end to end: gcp-wif as a process, google-auth as the client, the emulator as Google."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

CLIENT = """
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(type(credentials).__module__, project, bool(credentials.token))
"""


def in_next_step(cli, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` in a bash that has sourced BASH_ENV and knows nothing else of the job."""
    return subprocess.run(
        ["bash", "-c", script, sys.executable, CLIENT],
        env=cli.env | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_login_then_google_auth_in_the_next_step(cli, google) -> None:
    done = cli("login", **google.job())
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert google.account in done.stderr
    assert "principal://iam.googleapis.com/projects/123456789012/" in done.stderr
    client = in_next_step(cli, '"$0" -c "$1"')
    assert client.stdout == "google.auth.identity_pool acme-prod True\n", client.stderr


def test_login_as_json(cli, google) -> None:
    done = cli("login", "--json", **google.job())
    result = json.loads(done.stdout)
    assert set(result) == {"version", "already_authenticated", "generate", "export", "verify", "agent"}
    keys = {"config_path", "token_path", "env_file", "provider", "service_account", "warnings"}
    assert set(result["generate"]) == keys
    assert set(result["export"]) == {"shell_file", "lines_added", "exports"}
    assert set(result["verify"]) == {"principal", "service_account", "expires_at", "warnings"}
    assert result["verify"]["service_account"] == google.account


@pytest.mark.client
def test_gcloud_is_logged_in(cli, google, tmp_path: Path, require_client) -> None:
    require_client("gcloud", proves="that login logs gcloud in")
    assert cli("login", **google.job()).returncode == 0
    script = "gcloud auth print-access-token --quiet && gcloud config get-value project --quiet"
    done = in_next_step(cli, script, CLOUDSDK_CONFIG=str(tmp_path / "gcloud"))
    token, project = done.stdout.split()
    assert token.startswith("ya29.")
    assert project == "acme-prod"


def test_an_authenticated_job_is_left_alone_unless_forced(cli, google) -> None:
    job = google.job() | {"CLOUDSDK_AUTH_ACCESS_TOKEN": "ya29.geheim"}
    done = cli("login", **job)
    assert (done.returncode, list(cli.home.iterdir())) == (0, [])
    assert "authenticated already" in done.stderr
    assert cli("login", "--force", **job).returncode == 0
    assert (cli.home / "oidc_token").exists()


def test_running_again_changes_nothing_but_the_token(cli, google) -> None:
    assert cli("login", **google.job()).returncode == 0
    before = Path(cli.env["BASH_ENV"]).read_bytes(), (cli.home / "gcp_cred_config.json").read_bytes()
    second = google.job(user="11111111-2222-4333-8444-555555555555")
    assert cli("login", **second).returncode == 0
    assert (Path(cli.env["BASH_ENV"]).read_bytes(), (cli.home / "gcp_cred_config.json").read_bytes()) == before
    assert (cli.home / "oidc_token").read_text() == second["CIRCLE_OIDC_TOKEN"]


class TestForms:
    """Every form of the credential config is loaded by google-auth and exchanged."""

    @contextlib.contextmanager
    def token_server(self, body: str) -> Iterator[str]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.headers.get("X-Key") == "a b" else 403)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def works(self, cli, google, *flags: str, verify: tuple[str, ...] = (), **env: str) -> None:
        job = google.job() | env
        generated = cli("generate", *flags, **job)
        assert generated.returncode == 0, generated.stderr
        del job["CIRCLE_OIDC_TOKEN"]
        verified = cli("verify", *verify, **job)
        assert verified.returncode == 0, verified.stderr

    @pytest.mark.parametrize("kind", ["text", "json", "JSON"])
    def test_file(self, cli, google, kind: str) -> None:
        self.works(cli, google, "--credential-source-type", kind)
        if kind.lower() == "json":
            document = json.loads((cli.home / "oidc_token.json").read_text())
            assert list(document) == ["id_token"]

    def test_a_nested_token_is_written_flat(self, cli, google, tmp_path: Path) -> None:
        response = tmp_path / "response.json"
        response.write_text(json.dumps({"response": {"id_token": google.emulator.token()}}))
        flags = ["--token-response", str(response), "--token-response-field", "response.id_token"]
        self.works(cli, google, *flags, "--credential-source-type=json", "--credential-source-field-name=jwt")
        assert list(json.loads((cli.home / "oidc_token.json").read_text())) == ["jwt"]

    def test_stdin(self, cli, google) -> None:
        job = google.job()
        token = job.pop("CIRCLE_OIDC_TOKEN")
        assert cli("login", "--token-stdin", stdin=token.encode() + b"\n", **job).returncode == 0

    def test_url(self, cli, google) -> None:
        with self.token_server(json.dumps({"value": google.emulator.token()})) as url:
            flags = ["--credential-source-type=json", "--credential-source-field-name=value"]
            self.works(cli, google, f"--credential-source-url={url}", "--credential-source-headers=X-Key=a b", *flags)

    def test_executable_that_leads_to_gcp_wif(self, cli, google, tmp_path: Path) -> None:
        """A program of one's own, which nobody can know to be gcp-wif: it is allowed by hand."""
        program = tmp_path / "program"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gcp_wif token --executable-response --token-env T\n')
        program.chmod(0o755)
        allow = "--allow-executable"
        allowed = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1", "T": google.emulator.token()}
        self.works(cli, google, f"--executable-command={program}", verify=(allow,), **allowed)
        job = google.job() | allowed
        refused = cli("verify", allow, **(job | {"T": "nonsense"}))
        assert refused.returncode == 2
        assert "WIF203" in refused.stderr
        for without in (cli("verify", **job), cli("verify", **google.job())):
            assert (without.returncode, "error WIF406" in without.stderr) == (2, True), without.stderr

    def test_direct(self, cli, google) -> None:
        done = cli("login", "--direct", **google.job())
        assert done.returncode == 0, done.stderr
        assert "direct federation" in done.stderr

    def test_lifetime(self, cli, google) -> None:
        self.works(cli, google, "--service-account-token-lifetime-seconds=600")
        google.emulator.state.long_lived_accounts.add(google.account)
        self.works(cli, google, "--service-account-token-lifetime-seconds=7200")

    def test_a_committed_config_with_googles_urls_goes_to_the_emulator_too(self, cli, google) -> None:
        job = google.job()
        real = {name: value for name, value in job.items() if not name.startswith("GCP_WIF_")}
        assert cli("generate", "--config-only", **real).returncode == 0
        assert "https://sts.googleapis.com" in (cli.home / "gcp_cred_config.json").read_text()
        (cli.home / "oidc_token").write_text(job["CIRCLE_OIDC_TOKEN"])
        assert cli("verify", **job).returncode == 0


class TestRefusals:
    """Google says no: its words, what they mean, what to do, and exit code 1."""

    def refused(self, cli, google, job: dict[str, str], *flags: str) -> str:
        done = cli("login", *flags, **job)
        assert done.returncode == 1, done.stderr
        assert (cli.home / "oidc_token").exists()
        return done.stderr

    def test_condition(self, cli, google) -> None:
        google.provision(condition="assertion['oidc.circleci.com/vcs-ref'] == 'refs/heads/release'")
        told = self.refused(cli, google, google.job())
        assert "The given credential is rejected by the attribute condition." in told
        assert "error WIF508" in told
        assert "letter by letter" in told

    def test_audience(self, cli, google) -> None:
        google.provision(allowed_audiences=[])
        assert "WIF503" in self.refused(cli, google, google.job())

    def test_issuer(self, cli, google) -> None:
        google.provision(issuer="https://oidc.circleci.com/org/other")
        assert "WIF504" in self.refused(cli, google, google.job())

    def test_v2_subject(self, cli, google) -> None:
        longer = "org/x/project/y/user/z/vcs-origin/github.com/acme/app/vcs-ref/" + "r" * 90
        told = self.refused(cli, google, google.job(sub=longer))
        assert "WIF510" in told
        assert "warning" in told

    def test_provider_missing(self, cli, google) -> None:
        assert "WIF502" in self.refused(cli, google, google.job() | {"GCP_WIP_ID": "other-pool"})

    def test_binding(self, cli, google) -> None:
        google.provision(accounts={google.account: []})
        told = self.refused(cli, google, google.job())
        assert "Permission 'iam.serviceAccounts.getAccessToken' denied" in told
        assert "WIF520" in told

    def test_lifetime(self, cli, google) -> None:
        assert "WIF522" in self.refused(cli, google, google.job(), "--service-account-token-lifetime-seconds=7200")

    def test_as_json(self, cli, google) -> None:
        google.provision(condition="false")
        done = cli("login", "--json", **google.job())
        assert json.loads(done.stdout)["error"]["code"] == "WIF508"


class TestUnavailable:
    def test_nobody_listens(self, cli, google) -> None:
        job = google.job()
        google.emulator.stop()
        done = cli("login", **job)
        assert done.returncode == 3
        assert "WIF601" in done.stderr

    @pytest.mark.parametrize(("status", "body"), [(503, "{}"), (429, '{"error": "quota_exceeded"}')])
    def test_a_service_that_keeps_failing(self, cli, google, status: int, body: str) -> None:
        calls = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                calls.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            done = cli("login", **(google.job() | {"GCP_WIF_EMULATOR_HOST": f"127.0.0.1:{server.server_port}"}))
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        assert done.returncode == 3, done.stderr
        assert "WIF602" in done.stderr
        assert calls == ["/v1/token"] * 5

    @pytest.mark.parametrize(
        "answer",
        [b"HTTP/1.1 200 OK\r\n\r\nnot json", b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/\r\n\r\n", b"junk"],
    )
    def test_a_service_that_answers_nonsense(self, cli, google, answer: bytes) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listener:
            stopped = threading.Event()

            def serve() -> None:
                listener.settimeout(0.2)
                while not stopped.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection, _ = listener.accept()
                        with connection:
                            connection.recv(65536)
                            connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            host = "127.0.0.1:%d" % listener.getsockname()[1]
            done = cli("login", **(google.job() | {"GCP_WIF_EMULATOR_HOST": host}))
            stopped.set()
            thread.join()
        assert done.returncode == 3, done.stderr


class TestBeforeGoogleIsAsked:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"token_url": "https://evil.example/v1/token"}, "WIF405"),
            ({"universe_domain": "evil.example", "token_url": "https://sts.evil.example/v1/token"}, "WIF405"),
            (
                {
                    "service_account_impersonation_url": "https://evil.example/v1/projects/-/serviceAccounts/deploy@acme-prod.iam.gserviceaccount.com:generateAccessToken"
                },
                "WIF405",
            ),
            ({"type": "service_account"}, "WIF403"),
            ({"credential_source": {"file": "/proc/self/nothing"}}, "WIF306"),
            ({"credential_source": {"file": "/x", "format": {"type": "json", "path": "response.id_token"}}}, "WIF402"),
        ],
    )
    def test_a_config_that_cannot_be_used(self, cli, google, change: dict, code: str) -> None:
        job = {name: value for name, value in google.job().items() if not name.startswith("GCP_WIF_")}
        assert cli("generate", **job).returncode == 0
        path = cli.home / "gcp_cred_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        done = cli("verify", **job)
        assert (done.returncode, code in done.stderr) == (2, True), done.stderr

    def test_an_expired_token_file(self, cli, google, make_jwt) -> None:
        assert cli("generate", **google.job()).returncode == 0
        (cli.home / "oidc_token").write_text(make_jwt(exp=1))
        done = cli("verify", **google.emulator.environ())
        assert (done.returncode, "WIF204" in done.stderr) == (2, True)
        assert google.emulator.requests() == []

    def test_the_emulator_must_be_on_loopback(self, cli, google) -> None:
        done = cli("login", **(google.job() | {"GCP_WIF_EMULATOR_HOST": "10.0.0.1:80"}))
        assert (done.returncode, "WIF003" in done.stderr, list(cli.home.iterdir())) == (2, True, [])

    def test_no_bash_env(self, cli, google) -> None:
        del cli.env["BASH_ENV"]
        done = cli("login", **google.job())
        assert (done.returncode, "--to" in done.stderr, list(cli.home.iterdir())) == (2, True, [])


class TestLogout:
    def test_everything_of_login_and_nothing_else(self, cli, google) -> None:
        shell = Path(cli.env["BASH_ENV"])
        shell.write_text("export THEIRS=1\n")
        (cli.home / "theirs").write_text("x")
        assert cli("login", **google.job()).returncode == 0
        done = cli("logout", "--json")
        assert done.returncode == 0
        names = [Path(path).name for path in json.loads(done.stdout)["removed"]]
        assert names == ["gcp_cred_config.json.boto", "oidc_token", "gcp_cred_config.json"]
        assert [entry.name for entry in cli.home.iterdir()] == ["theirs"]
        assert shell.read_text() == "export THEIRS=1\n"
        again = cli("logout")
        assert (again.returncode, "nothing to remove" in again.stderr) == (0, True)

    def test_for_the_present_shell(self, cli, google) -> None:
        assert cli("login", **google.job()).returncode == 0
        assert cli("logout", "--to", "stdout").stdout.startswith("unset GOOGLE_APPLICATION_CREDENTIALS ")

    def test_a_key_is_not_ours_to_remove(self, cli) -> None:
        key = cli.home / "gcp_cred_config.json"
        key.write_text('{"type": "service_account", "private_key": "x"}')
        assert cli("logout").returncode == 2
        assert key.exists()

    @pytest.mark.parametrize("how", ["edited config", "foreign token file", "linked token", "linked config"])
    def test_what_is_not_evidently_ours_stays(self, cli, google, how: str, tmp_path: Path) -> None:
        assert cli("login", "--no-verify", **google.job()).returncode == 0
        config, token = cli.home / "gcp_cred_config.json", cli.home / "oidc_token"
        if how == "edited config":
            config.write_text(config.read_text() + "\n")
        elif how == "foreign token file":
            token.write_text("not a token")
        else:
            path = token if how == "linked token" else config
            path.rename(tmp_path / "real")
            path.symlink_to(tmp_path / "real")
        done = cli("logout")
        assert done.returncode == 0
        assert "stay" in done.stderr
        # Each goes by its own entry of the receipt: the other file is still what login wrote.
        assert os.path.lexists(token) == ("token" in how)
        assert os.path.lexists(config) == ("config" in how)


def test_export_alone(cli, google) -> None:
    missing = cli("export")
    assert (missing.returncode, "WIF306" in missing.stderr) == (2, True)
    assert cli("generate", **google.job()).returncode == 0
    google_is_elsewhere = cli("export", "--to", "stdout")
    assert (google_is_elsewhere.returncode, "error WIF405" in google_is_elsewhere.stderr) == (2, True)
    here = google.emulator.environ()
    printed = cli("export", "--to", "stdout", "--project-id", "acme-dev", **here)
    assert f"export GOOGLE_APPLICATION_CREDENTIALS={cli.home}/gcp_cred_config.json\n" in printed.stdout
    assert "export GOOGLE_CLOUD_PROJECT=acme-dev\n" in printed.stdout
    assert cli("export", "--to", str(cli.home / "env"), **here).returncode == 0
    assert (cli.home / "env").read_text().count("\n") == 6
    assert cli("export", "--json", "--to", "stdout").returncode == 2


def test_token(cli, google, make_jwt) -> None:
    job = google.job()
    assert cli("token", **job).stdout == job["CIRCLE_OIDC_TOKEN"] + "\n"
    answer = json.loads(cli("token", "--executable-response", **job).stdout)
    assert answer["success"] is True
    assert set(answer) == {"version", "success", "token_type", "id_token", "expiration_time"}
    for arguments in (["--executable-response"], ["--executable-response", "-vv"]):
        failed = cli("token", *arguments, CIRCLE_OIDC_TOKEN=make_jwt(exp=1))
        assert (failed.returncode, failed.stderr) == (0, "")
        assert json.loads(failed.stdout)["code"] == "WIF204"
