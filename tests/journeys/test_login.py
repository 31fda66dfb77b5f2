"""What login leaves in the shell file when it is refused, and what it tells the step that runs it."""

import json
from pathlib import Path


class TestExportsOfARefusedLogin:
    """F: a refused login left its exports, and the next step ran with credentials that do not work."""

    def test_they_are_taken_back(self, cli, google) -> None:
        shell = Path(cli.env["BASH_ENV"])
        shell.write_text("export THEIRS=1")  # no newline at its end
        google.provision(condition="false")
        done = cli("login", **google.job())
        assert done.returncode == 1
        assert f"exports taken back {shell}" in done.stderr
        assert shell.read_text() == "export THEIRS=1"

    def test_an_earlier_login_counts_again(self, cli, google) -> None:
        assert cli("login", **google.job()).returncode == 0
        before = Path(cli.env["BASH_ENV"]).read_bytes()
        google.provision(condition="false")
        other = cli("login", "--output-file", str(cli.home / "other.json"), **google.job())
        assert (other.returncode, Path(cli.env["BASH_ENV"]).read_bytes()) == (1, before)
        same = cli("login", **google.job())
        assert (same.returncode, Path(cli.env["BASH_ENV"]).read_bytes()) == (1, before)
        assert "taken back" not in same.stderr
        assert "exports of an earlier login stand" in same.stderr  # and name files that are no good now
        assert "earlier login" not in other.stderr

    def test_a_config_that_cannot_be_used_counts_as_refused(self, cli, google, tmp_path: Path) -> None:
        job = google.job()
        done = cli("login", f"--executable-command={tmp_path}/program", **job)  # not allowed to run
        assert done.returncode == 2
        assert not Path(cli.env["BASH_ENV"]).exists()  # refused before anything is written

    def test_they_stand_where_google_is_away(self, cli, google) -> None:
        job = google.job()
        google.emulator.stop()
        assert cli("login", **job).returncode == 3
        assert "GOOGLE_APPLICATION_CREDENTIALS" in Path(cli.env["BASH_ENV"]).read_text()

    def test_eval_gets_nothing(self, cli, google) -> None:
        assert "export GOOGLE_APPLICATION_CREDENTIALS=" in cli("login", "--to", "stdout", **google.job()).stdout
        google.provision(condition="false")
        done = cli("login", "--to", "stdout", **google.job())
        assert (done.returncode, done.stdout) == (1, "")


class TestTheStepThatLogsIn:
    """F: login never said how its own step gets the exports, nor that nothing reads BASH_ENV where there is no bash."""

    SOURCE = 'source "$BASH_ENV"'

    def test_it_is_told_to_source(self, cli, google) -> None:
        assert self.SOURCE in cli("login", **google.job()).stderr
        elsewhere = cli("login", "--to", str(cli.home / "an env"), **google.job()).stderr
        assert f". '{cli.home}/an env'" in elsewhere
        assert self.SOURCE not in elsewhere

    def test_not_where_it_has_them(self, cli, google) -> None:
        path = f"{cli.home}/gcp_cred_config.json"
        held = {
            "GOOGLE_APPLICATION_CREDENTIALS": path,
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": path,
            "BOTO_PATH": f"/etc/boto.cfg:~/.boto:{path}.boto",
        }
        assert self.SOURCE not in cli("login", **google.job(), **held).stderr

    def test_without_bash(self, cli, google, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        told = cli("login", **(google.job() | {"PATH": str(tmp_path / "bin")})).stderr
        assert "warning: There is no bash on the PATH, and only bash reads BASH_ENV" in told
        assert self.SOURCE not in told


class TestAllThatIsMissing:
    """A bare login outside CI named the place for its exports alone; each further thing took another run."""

    def test_it_is_named_at_once_and_nothing_is_written(self, cli) -> None:
        del cli.env["BASH_ENV"]
        done = cli("login")
        assert (done.returncode, list(cli.home.iterdir())) == (2, [])
        assert "error WIF132: 3 kinds of things are missing." in done.stderr
        for code in ("WIF101: 4 things are missing", "WIF201: There is no subject token", "WIF308: The exports cannot"):
            assert f"- {code}" in done.stderr
        for variable in ("PROJECT_NUMBER", "POOL_ID", "PROVIDER_ID", "SERVICE_ACCOUNT_EMAIL", "--token-env", "--to"):
            assert variable in done.stderr

    def test_without_home_as_well(self, cli) -> None:
        del cli.env["HOME"]
        done = cli("generate", "--json")
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (2, "WIF132")
        for flag in ("--output-file", "--credential-source-file", "--token-env", "--pool-id"):
            assert flag in error["hint"]

    def test_one_thing_alone_keeps_its_code(self, cli, google) -> None:
        job = google.job()
        del job["CIRCLE_OIDC_TOKEN"]
        done = cli("login", **job)
        assert (done.returncode, "error WIF201" in done.stderr, "WIF132" in done.stderr) == (2, True, False)

    def test_something_wrong_comes_before_what_is_missing(self, cli, google) -> None:
        del cli.env["BASH_ENV"]
        done = cli("login", "--to", "", **google.job())
        assert "error WIF102" in done.stderr

    def test_a_source_that_needs_no_token_lacks_none(self, cli) -> None:
        flags = ("--direct", "--credential-source-url=https://a.example/")
        assert "WIF201" not in cli("generate", *flags).stderr
        assert "error WIF101" in cli("generate", *flags).stderr
