"""Which credential configs are used (row W11 of the review, and B31 with it).

A config decides where a job's token goes and which program runs in each later step. One that leads elsewhere, is of
another universe, runs somebody else's program, or says more than gcp-wif has looked at, is used by no command: `export`
writes nothing then, `login` neither, and `verify` sends nothing. One that runs this very gcp-wif works with every
client.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_server import says_json, serving

from gcp_wif.credential_config import CredentialConfig, ExecutableSource, FileSource, UrlSource
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError
from gcp_wif.job.context import Program
from gcp_wif.job.trusted_config import is_own_command, judge
from gcp_wif.names import ProviderName, ServiceAccountEmail

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
ALLOW = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
IMPERSONATION = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"

HOSTILE = {
    "a foreign token URL": ({"token_url": "https://sts.evil.example/v1/token"}, "WIF405"),
    "a token URL that begins like Google's": ({"token_url": "https://sts.googleapis.com.evil.example/v1"}, "WIF405"),
    "a token URL with a user": ({"token_url": "https://sts.googleapis.com@evil.example/v1/token"}, "WIF405"),
    "a token URL without TLS": ({"token_url": "http://sts.googleapis.com/v1/token"}, "WIF405"),
    "a token URL on loopback": ({"token_url": "http://127.0.0.1:8080/v1/token"}, "WIF405"),
    "a foreign account": ({"service_account_impersonation_url": f"https://evil.example{IMPERSONATION}"}, "WIF405"),
    "a foreign introspection": ({"token_info_url": "https://evil.example/v1/introspect"}, "WIF405"),
    "an evil universe": (
        {"universe_domain": "evil.example", "token_url": "https://sts.evil.example/v1/token"},
        "WIF405",
    ),
    "an evil universe alone": ({"universe_domain": "evil.example"}, "WIF405"),
    "a program": ({"credential_source": {"executable": {"command": "/bin/true"}}}, "WIF406"),
    "a program by its bare name": (
        {"credential_source": {"executable": {"command": "gcp-wif token --executable-response"}}},
        "WIF406",
    ),
    "plain http": ({"credential_source": {"url": "http://tokens.example/t"}}, "WIF408"),
    "plain http, like loopback": ({"credential_source": {"url": "http://127.0.0.1:80@evil.example/"}}, "WIF408"),
    "plain http with a password": ({"credential_source": {"url": "http://localhost:x@evil.example/"}}, "WIF408"),
    "a password for https": ({"credential_source": {"url": "https://somebody:geheim@tokens.example/t"}}, "WIF408"),
    "a backslash": ({"credential_source": {"url": "http://127.0.0.1\\@evil.example/"}}, "WIF408"),
    "a name that begins like loopback": ({"credential_source": {"url": "http://127.0.0.1.evil.example/"}}, "WIF408"),
    "a file by URL": ({"credential_source": {"url": "file:///etc/passwd"}}, "WIF408"),
    "AWS beside a file": (
        {"credential_source": {"file": "/t", "environment_id": "aws1", "region_url": "https://evil.example"}},
        "WIF407",
    ),
    "a field in Go's eyes": ({"TOKEN_URL": "https://evil.example"}, "WIF407"),
    "a nested field in Go's eyes": ({"credential_source": {"file": "/t", "URL": "https://evil.example"}}, "WIF407"),
    "a certificate beside a file": ({"credential_source": {"file": "/t", "certificate": {"x": "y"}}}, "WIF407"),
    "a client's secret": ({"client_id": "x", "client_secret": "GOCSPX-0123456789abcdef"}, "WIF407"),
}  # fmt: skip


@pytest.fixture
def config(cli):
    """The job's config, with changes: writes it."""

    def write(text: str | None = None, **changes: object) -> Path:
        done = cli("generate", PROVIDER, "--service-account", ACCOUNT, "--config-only")
        assert done.returncode == 0, done.stderr
        path = cli.home / "gcp_cred_config.json"
        document = json.loads(path.read_text()) | changes
        path.write_text(json.dumps(document) if text is None else text)
        return path

    return write


class TestNoCommandUsesAHostileConfig:
    @pytest.mark.parametrize("command", ["export", "export to stdout", "verify", "export json"])
    @pytest.mark.parametrize("name", HOSTILE)
    def test_it_is_refused_and_nothing_is_written(self, cli, config, name: str, command: str) -> None:
        """W11: `export` armed clients with it, with exit code 0."""
        changes, code = HOSTILE[name]
        config(**changes)
        flags = {"export to stdout": ["export", "--to", "stdout"], "export json": ["export", "--json"]}
        done = cli(*flags.get(command, [command]), **{ALLOW: "1"})
        assert (done.returncode, f"error {code}" in done.stderr) == (2, True), done.stderr
        assert not Path(cli.env["BASH_ENV"]).exists()
        if command == "export json":
            assert json.loads(done.stdout)["error"]["code"] == code
        else:
            assert done.stdout == ""

    @pytest.mark.parametrize("name", HOSTILE)
    def test_nor_where_the_emulator_is_on(self, cli, config, google, name: str) -> None:
        """W11: there the URLs were turned to the emulator, whatever they were."""
        changes, code = HOSTILE[name]
        config(**changes)
        for command in ("verify", "export"):
            done = cli(command, **google.emulator.environ())
            assert (done.returncode, f"error {code}" in done.stderr) == (2, True), done.stderr
        assert google.emulator.requests() == []

    @pytest.mark.parametrize(
        "text",
        [
            '"token_url": "https://evil.example", "token_url": "https://sts.googleapis.com/v1/token"',
            '"credential_source": {"url": "https://evil.example"}, "credential_source": {"file": "/t"}',
            '"credential_source": {"file": "/evil", "file": "/t"}',
        ],
    )
    def test_a_field_that_comes_twice(self, cli, config, text: str) -> None:
        """W11: one parser takes the first, another the last."""
        document = json.loads(config().read_text())
        for name in ("token_url", "credential_source"):
            if name in text:
                del document[name]
        config(json.dumps(document)[:-1] + f", {text}}}")
        done = cli("export")
        assert (done.returncode, "WIF407" in done.stderr) == (2, True), done.stderr

    def test_many_fields_twice_take_no_time(self, cli, config) -> None:
        """W21: the largest file that is read."""
        document = config().read_text()
        config(document[:-1] + "".join(f', "x{at % 3000}": 0' for at in range(5000)) + "}")
        done = cli("export")
        assert (done.returncode, "WIF407" in done.stderr) == (2, True), done.stderr

    @pytest.mark.parametrize(
        ("flags", "code"),
        [
            (["--executable-command=/bin/true"], "WIF406"),
            (["--executable-command=gcp-wif token --executable-response"], "WIF406"),
            (["--credential-source-url=http://tokens.example/t"], "WIF408"),
        ],
    )
    def test_login_refuses_what_it_would_write(self, cli, make_jwt, flags: list[str], code: str) -> None:
        """W11: before anything is written."""
        done = cli("login", PROVIDER, "--direct", *flags, CIRCLE_OIDC_TOKEN=make_jwt())
        assert (done.returncode, code in done.stderr) == (2, True), done.stderr
        assert list(cli.home.iterdir()) == []
        assert not Path(cli.env["BASH_ENV"]).exists()

    def test_no_byte_reaches_another_server(self, cli, config, make_jwt) -> None:
        """W11: neither the token nor a question."""
        with serving(says_json({"access_token": "a", "expires_in": 3600})) as server:
            for changes in (
                {"token_url": f"http://{server.host}/v1/token"},
                {"service_account_impersonation_url": f"http://{server.host}{IMPERSONATION}"},
            ):
                config(**changes)
                (cli.home / "oidc_token").write_text(make_jwt())
                assert cli("verify").returncode == 2
            assert server.seen == []


class TestWhatIsUsed:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"quota_project_id": "acme-billing"},
            {"token_info_url": "https://sts.googleapis.com/v1/introspect"},
            {"service_account_impersonation": {"token_lifetime_seconds": 900}},
            {"credential_source": {"file": "/t", "format": {"type": "json", "subject_token_field_name": "id_token"}}},
            {"credential_source": {"url": "https://tokens.example/t", "headers": {"X-Key": "abc"}}},
            {"credential_source": {"url": "http://127.0.0.1:4711/t", "headers": {}}},
            {"credential_source": {"url": "http://[::1]:4711/t", "format": None}},
            {"credential_source": {"url": "http://localhost/t"}},
            {"credential_source": {"url": "http://169.254.169.254/metadata/identity/oauth2/token?resource=x"}},
        ],
    )
    def test_a_config_of_googles(self, cli, config, changes: dict) -> None:
        """The refusal must not hit what is fine."""
        path = config(**changes)
        done = cli("export", "--to", "stdout")
        assert done.returncode == 0, done.stderr
        assert f"export GOOGLE_APPLICATION_CREDENTIALS={path}\n" in done.stdout
        assert ALLOW not in done.stdout

    def test_a_universe_that_was_asked_for(self, cli) -> None:
        """W11: by flag, on each command."""
        flag = "--universe-domain=example-universe.goog"
        assert cli("generate", PROVIDER, "--direct", "--config-only", flag).returncode == 0
        assert cli("export", "--to", "stdout", flag).returncode == 0
        for other in ([], ["--universe-domain=googleapis.com"], ["--universe-domain=evil.example"]):
            done = cli("export", "--to", "stdout", *other)
            assert (done.returncode, "WIF405" in done.stderr) == (2, True)

    def test_a_config_with_googles_urls_where_the_emulator_is_on(self, cli, config, google) -> None:
        config()
        assert cli("export", **google.emulator.environ()).returncode == 0

    def test_a_program_that_was_allowed(self, cli, config) -> None:
        """W11: the contract's *Exports*: for another program only with the flag."""
        config(credential_source={"executable": {"command": "/bin/true"}})
        done = cli("export", "--allow-executable", "--to", "stdout")
        assert done.returncode == 0, done.stderr
        assert f"export {ALLOW}=1\n" in done.stdout

    def test_the_flag_allows_nothing_else(self, cli, config) -> None:
        config(credential_source={"executable": {"command": "/bin/true"}}, token_url="https://evil.example/v1/token")
        assert "WIF405" in cli("export", "--allow-executable").stderr


class TestGcpWifItself:
    """B31: the recipe for long jobs, for which each client must be allowed to run a program."""

    @pytest.fixture
    def script(self) -> Path:
        found = Path(sys.executable).with_name("gcp-wif")
        assert found.exists()
        return found

    def test_it_needs_no_flag_and_is_exported(self, cli, google, script: Path) -> None:
        """B31: six of ten real clients failed without the variable; google-auth is one of them."""
        command = f"{script} token --executable-response --token-env T"
        job = google.job() | {"T": google.emulator.token()}
        done = cli("login", f"--executable-command={command}", **job)
        assert done.returncode == 0, done.stderr
        shell = Path(cli.env["BASH_ENV"])
        assert f"export {ALLOW}=1" in shell.read_text()
        client = (
            "import google.auth, google.auth.transport.requests as t\n"
            "c, _ = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])\n"
            "c.refresh(t.Request()); print(type(c).__module__, bool(c.token))\n"
        )
        ran = subprocess.run(
            ["bash", "-c", '"$0" -c "$1"', sys.executable, client],
            env=cli.env | {"T": job["T"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.stdout == "google.auth.pluggable True\n", ran.stderr
        assert cli("logout", **google.emulator.environ()).returncode == 0
        assert ALLOW not in shell.read_text()

    def test_also_when_it_was_started_as_the_console_script(self, cli, google, script: Path) -> None:
        job = google.job() | {"T": google.emulator.token()}
        command = f"--executable-command={script} token --executable-response --token-env T"
        done = subprocess.run(
            [script, "login", command, "--to", "stdout"], env=cli.env | job, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert f"export {ALLOW}=1" in done.stdout

    def test_a_program_of_the_same_name_is_another(self, cli, config, tmp_path: Path) -> None:
        """W11: the name proves nothing, nor does a file that calls itself gcp-wif."""
        fake = tmp_path / "gcp-wif"
        fake.write_text("#!/bin/sh\necho '{}'\n")
        fake.chmod(0o755)
        config(credential_source={"executable": {"command": f"{fake} token --executable-response"}})
        done = cli("export", PATH=f"{tmp_path}:{cli.env['PATH']}")
        assert (done.returncode, "WIF406" in done.stderr) == (2, True)

    def test_what_is_ours(self, tmp_path: Path) -> None:
        """W11: the file, by an absolute path, and the one command that prints a token."""
        bin_folder = tmp_path / "venv/bin"
        bin_folder.mkdir(parents=True)
        script, python, archive = bin_folder / "gcp-wif", bin_folder / "python3", tmp_path / "gcp-wif.pyz"
        for each in (script, archive):
            each.write_text("#!")
        python.symlink_to(sys.executable)
        link = tmp_path / "link"
        link.symlink_to(script)
        started = {
            "script": Program(str(script), str(python)),
            "module": Program("/x/gcp_wif/__main__.py", str(python)),
            "archive": Program(str(archive), str(python)),
        }
        rest = "token --executable-response"

        def ours(command: str, how: str = "script") -> bool:
            return is_own_command(command, started[how])

        assert ours(f"{script} {rest}")
        assert ours(f"{script} {rest} --audience x --token-env CIRCLE_OIDC_TOKEN_V2")
        assert ours(f"{script} {rest}", "module")
        assert ours(f"{link} {rest}")
        assert ours(f"{python} -I -m gcp_wif {rest}", "module")
        assert ours(f"{archive} {rest}", "archive")
        assert ours(f"{python} -I {archive} {rest}", "archive")

        assert not is_own_command(f"{script} {rest}", None)
        for command in (
            f"gcp-wif {rest}",
            f"./gcp-wif {rest}",
            f"{tmp_path}/gcp-wif {rest}",
            f"/bin/sh {script} {rest}",
            f"{script} token",
            f"{script} run -- {rest}",
            f"{script} --executable-response token",
            f"{script}  {rest}",
            f"{script}\t{rest}",
            f"{script} {rest} --token-env 'a b'",
            f'"{script}" {rest}',
            f"{script} {rest}; rm -rf x",
            f"{script} {rest} $(evil)",
            f"{script}\\ {rest}",
            f"{python} -m gcp_wif {rest}",
            f"{python} -I -m other {rest}",
            f"{python} -I -c evil {rest}",
            f"{python} -I {tmp_path}/evil.pyz {rest}",
            f"{sys.executable} -I -m gcp_wif {rest}",
            f"/x/gcp_wif/__main__.py {rest}",
            f"{script}\0 {rest}",
            "",
            " ",
        ):
            assert not any(ours(command, how) for how in started), command

    def test_the_judge_without_a_file(self) -> None:
        """The journey's own function: what `run` and the agent ask, too."""
        build = CredentialConfig.build
        provider, account = ProviderName.parse(PROVIDER, origin="x"), ServiceAccountEmail(ACCOUNT)
        here = Endpoints()
        for source, executables in (
            (FileSource("/t"), False),
            (UrlSource("https://x.example/"), False),
            (ExecutableSource("/bin/true"), True),
        ):
            config = build(provider, source, here, service_account=account)
            assert judge(config, here, None, allow_executable=True).executables is executables
        with pytest.raises(InputError) as caught:
            judge(config, here, None, allow_executable=False)
        assert caught.value.code == "WIF406"
