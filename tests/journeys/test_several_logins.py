"""Several identities in one job: their files beside each other, the last export wins, each is ended by itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from google_setup import ACCOUNT

import gcp_wif
from gcp_wif.ci.export_format import VARIABLES
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.names import Principal

PROJECT = "GOOGLE_CLOUD_PROJECT"
OTHER = "reader@acme-staging.iam.gserviceaccount.com"


@pytest.fixture
def job(google):
    """A job that may be two accounts, and is told which by a flag."""
    everybody = [Principal.attribute(google.provider.pool, "project", PROJECT_ID)]
    google.provision(accounts={ACCOUNT: everybody, OTHER: everybody})
    variables = google.job()
    del variables["GCP_SERVICE_ACCOUNT_EMAIL"]
    return variables


@pytest.fixture
def login(cli, job):
    def run(account: str, *flags: str) -> subprocess.CompletedProcess[str]:
        who = ["--direct"] if account == "direct" else ["--service-account", account]
        done = cli("login", *who, *flags, **job)
        assert done.returncode == 0, done.stderr
        return done

    return run


def variables(cli) -> dict[str, str]:
    """What the next step has of ours."""
    done = subprocess.run(
        ["bash", "-c", "env -0"], env=cli.env, capture_output=True, timeout=30, check=True
    )  # bash reads BASH_ENV by itself
    pairs = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    return {name: pairs[name] for name in VARIABLES if name in pairs}


def config(cli, name: str | None = None) -> str:
    return f"{cli.home}/gcp_cred_config{f'-{name}' if name else ''}.json"


def who(cli, job) -> str:
    """The account that the next step's config leads to, by a real exchange."""
    step = variables(cli)
    named = json.loads(Path(step["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
    verified = cli("verify", "--json", "--output-file", step["GOOGLE_APPLICATION_CREDENTIALS"], **job)
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["service_account"] in named["service_account_impersonation_url"]
    return json.loads(verified.stdout)["service_account"]


class TestBesideEachOther:
    def test_the_last_export_wins_and_each_is_ended_by_itself(self, cli, job, login) -> None:
        Path(cli.env["BASH_ENV"]).write_text("export THEIRS=1\n")
        login(ACCOUNT, "--name", "a", "--project-id", "acme-first")
        login(OTHER, "--name", "b")
        assert {entry.name for entry in cli.home.iterdir()} == {
            ".gcp-wif-receipt.json",
            *(f"gcp_cred_config-{name}.json{end}" for name in "ab" for end in ("", ".boto")),
            *(f"oidc_token-{name}" for name in "ab"),
        }
        assert who(cli, job) == OTHER
        step = variables(cli)
        assert step["GOOGLE_CLOUD_PROJECT"] == "acme-staging"
        assert step["BOTO_PATH"].endswith(f":{config(cli, 'b')}.boto")
        assert "-a.json" not in "".join(step.values())
        done = cli("logout", "--name", "b", "--json")
        assert json.loads(done.stdout)["remaining"] == [config(cli, "a")]
        assert "still logged in" in done.stderr
        assert "gcp-wif logout --name a`" in done.stderr
        assert (who(cli, job), variables(cli)["GOOGLE_CLOUD_PROJECT"]) == (ACCOUNT, "acme-first")
        assert cli("logout", "--name", "a").returncode == 0
        assert list(cli.home.iterdir()) == []
        assert Path(cli.env["BASH_ENV"]).read_text() == "export THEIRS=1\n"

    def test_the_first_one_is_ended_and_the_last_one_stays(self, cli, job, login) -> None:
        """Also what both have in common, such as the project, stays."""
        login(ACCOUNT, "--name", "a", "--project-id", "acme-prod")
        login(OTHER, "--name", "b", "--project-id", "acme-prod")
        before = variables(cli)
        assert cli("logout", "--name", "a").returncode == 0
        assert variables(cli) == before
        assert who(cli, job) == OTHER

    def test_export_chooses_between_them(self, cli, job, login) -> None:
        login(ACCOUNT, "--name", "a", "--project-id", "acme-first")
        login(OTHER, "--name", "b")
        assert cli("export", "--name", "a", **job).returncode == 0
        assert (who(cli, job), variables(cli)["GOOGLE_CLOUD_PROJECT"]) == (ACCOUNT, "acme-first")
        assert cli("export", "--name", "b", **job).returncode == 0
        assert (who(cli, job), variables(cli)["GOOGLE_CLOUD_PROJECT"]) == (OTHER, "acme-staging")
        lines = Path(cli.env["BASH_ENV"]).read_bytes()
        assert cli("export", "--name", "b", **job).returncode == 0
        assert Path(cli.env["BASH_ENV"]).read_bytes() == lines

    def test_eval_chooses_between_them_in_one_shell(self, cli, job, login) -> None:
        """A project that the shell has from the other login gives way; one that somebody else has set does not."""
        login(ACCOUNT, "--name", "a", "--project-id", "acme-first")
        login(OTHER, "--name", "b")
        login("direct", "--name", "c")
        Path(cli.env["BASH_ENV"]).unlink()
        program = f"{sys.executable} -m gcp_wif export --to stdout --name"
        shown = f'echo "$GOOGLE_APPLICATION_CREDENTIALS ${{{PROJECT}-none}} ${{BOTO_PATH##*:}}"'
        script = "; ".join(f'eval "$({program} {name})" && {shown}' for name in "abcab")
        projects = {"a": "acme-first", "b": "acme-staging", "c": "none"}
        for theirs in (None, "theirs"):  # which the first one replaces, as its login named the project
            env = cli.env | job | ({PROJECT: theirs} if theirs else {})
            done = subprocess.run(
                ["dash", "-c", script], env=env, capture_output=True, text=True, timeout=120, check=True
            )
            assert done.stdout.splitlines() == [
                f"{config(cli, name)} {projects[name]} {config(cli, name)}.boto" for name in "abcab"
            ]
        kept = subprocess.run(
            ["dash", "-c", f'eval "$({program} b)" && {shown}'], env=cli.env | job | {PROJECT: "theirs"},
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert kept.stdout.split()[1] == "theirs"

    def test_nothing_of_the_earlier_login_counts_for_the_next_one(self, cli, login) -> None:
        """A login without a project does not get the earlier one's: its project is unset."""
        login(ACCOUNT, "--name", "a", "--project-id", "acme-first")
        login("direct", "--name", "b")
        assert not {name for name in variables(cli) if "PROJECT" in name}
        assert cli("logout", "--name", "b").returncode == 0
        assert variables(cli)["GOOGLE_CLOUD_PROJECT"] == "acme-first"
        assert cli("logout", "--all").returncode == 0
        assert Path(cli.env["BASH_ENV"]).read_bytes() == b""

    def test_logins_side_by_side_lose_nothing(self, cli, job) -> None:
        """Four processes at once: each login's lines are whole, whichever comes last."""
        names = "abcd"
        command = [sys.executable, "-m", "gcp_wif", "login", "--no-verify", "--service-account", ACCOUNT, "--name"]
        running = [
            subprocess.Popen([*command, name], env=cli.env | job, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for name in names
        ]
        assert [each.wait(timeout=120) for each in running] == [0] * 4
        for index in range(len(names)):
            last = Path(variables(cli)["GOOGLE_APPLICATION_CREDENTIALS"]).stem[-1]
            assert variables(cli) == dict.fromkeys(
                ("GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT", "GCLOUD_PROJECT"), "acme-prod"
            ) | {
                "GOOGLE_APPLICATION_CREDENTIALS": config(cli, last),
                "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": config(cli, last),
                "BOTO_PATH": f"/etc/boto.cfg:~/.boto:{config(cli, last)}.boto",
            }
            done = cli("logout", "--name", last, "--json")
            assert len(json.loads(done.stdout)["remaining"]) == len(names) - 1 - index
        assert Path(cli.env["BASH_ENV"]).read_bytes() == b""
        assert list(cli.home.iterdir()) == []

    def test_a_login_without_a_name_and_one_with_a_path(self, cli, job, login) -> None:
        login(ACCOUNT)
        login(OTHER, "--output-file", f"{cli.home}/deep/b.json", "--credential-source-file", f"{cli.home}/deep/b")
        done = cli("logout")
        assert f"gcp-wif logout --output-file {cli.home}/deep/b.json`" in done.stderr
        assert who(cli, job) == OTHER
        done = cli("logout", "--all", "--json")
        assert json.loads(done.stdout)["remaining"] == []
        assert [entry.name for entry in cli.home.iterdir()] == ["deep"]
        assert not [*(cli.home / "deep").iterdir()]

    def test_the_python_verb(self, job, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir(exist_ok=True)
        environ = job | {"HOME": f"{tmp_path}/home"}
        one, two = (
            gcp_wif.login(environ=environ, service_account=account, name=name)
            for account, name in ((ACCOUNT, "a"), (OTHER, "b"))
        )
        assert one.config_path != two.config_path
        assert one.config_path.is_file()
        assert one.exports["BOTO_PATH"] != two.exports["BOTO_PATH"]
        again = gcp_wif.login(environ=environ | one.exports, service_account=OTHER, name="b")
        assert again.exports == two.exports


class TestWhereEachStepHasAFile:
    def test_nothing_of_the_earlier_login_counts_for_the_next_one(self, cli, job, tmp_path: Path) -> None:
        """On GitHub the runner hands on what a step wrote, so that it can only be replaced or emptied."""
        flags = ["--ci=github", "--token-env=CIRCLE_OIDC_TOKEN"]
        held = {name: value for name, value in job.items() if name != "CIRCLECI"} | {"RUNNER_TEMP": str(tmp_path)}

        def step(command: str, *more: str) -> None:
            file = tmp_path / "env"
            file.write_bytes(b"")
            own = flags if command == "login" else flags[:1]
            done = cli(command, *own, *more, **held, GITHUB_ENV=str(file))
            assert done.returncode == 0, done.stderr
            lines = file.read_text().splitlines()
            while lines:  # as the runner reads it
                name, _, mark = lines.pop(0).partition("<<")
                held[name] = "\n".join(iter(lambda: lines.pop(0), mark))

        def seen() -> tuple[str, str]:
            return Path(held["GOOGLE_APPLICATION_CREDENTIALS"]).stem[-1], held[PROJECT]

        step("login", "--name=a", f"--service-account={ACCOUNT}", "--project-id=acme-first")
        assert seen() == ("a", "acme-first")
        step("login", "--name=b", f"--service-account={OTHER}")
        assert seen() == ("b", "acme-staging")
        step("login", "--name=c", "--direct")
        assert seen() == ("c", "")
        step("export", "--name=a")
        assert seen() == ("a", "acme-first")
        step("logout", "--name=b")
        assert seen() == ("a", "acme-first")
        step("logout", "--all")
        assert held["GOOGLE_APPLICATION_CREDENTIALS"] == ""


class TestWithoutAName:
    def test_the_files_are_replaced_and_that_is_said(self, cli, login) -> None:
        assert "replaces" not in login(ACCOUNT).stderr
        assert "replaces" not in login(ACCOUNT).stderr
        told = login(OTHER).stderr
        assert f"warning: This replaces an earlier login, as {ACCOUNT}" in told
        assert "--name NAME" in told

    def test_a_refused_login_with_a_name_leaves_the_earlier_one(self, cli, job, login, google) -> None:
        login(ACCOUNT)
        before = Path(cli.env["BASH_ENV"]).read_bytes()
        done = cli("login", "--name", "b", "--service-account", "nobody@acme-prod.iam.gserviceaccount.com", **job)
        assert (done.returncode, Path(cli.env["BASH_ENV"]).read_bytes()) == (1, before)
        assert who(cli, job) == ACCOUNT


@pytest.mark.parametrize("name", ["", "a.b", "../a", "a/b", "-a", "a b", "a" * 64, "ü", "a\n"])
@pytest.mark.parametrize("command", ["login", "generate", "export", "verify", "logout"])
def test_names_that_no_login_can_have(cli, job, command: str, name: str) -> None:
    who = ["--direct"] if command in ("login", "generate") else []
    done = cli(command, *who, f"--name={name}", **job)
    assert done.returncode == 2
    assert ("WIF102" if not name else "WIF131") in done.stderr
    assert list(cli.home.iterdir()) == []


@pytest.mark.parametrize("command", ["login", "generate", "export", "verify", "logout"])
def test_a_name_and_a_path_are_exclusive(cli, job, command: str) -> None:
    who = ["--direct"] if command in ("login", "generate") else []
    done = cli(command, *who, "--name=a", "--output-file=b", **job)
    assert (done.returncode, "--name and --output-file are mutually exclusive" in done.stderr) == (2, True)


def test_all_and_one_are_exclusive(cli) -> None:
    for flag in ("--name=a", "--output-file=a"):
        assert "WIF110" in cli("logout", "--all", flag).stderr


def test_logout_for_a_shell_that_has_another_login(cli, login) -> None:
    login(ACCOUNT, "--name", "a")
    login(OTHER, "--name", "b")
    held = {"GOOGLE_APPLICATION_CREDENTIALS": config(cli, "b")}
    done = cli("logout", "--name", "a", "--to", "stdout", **held)
    assert (done.returncode, done.stdout) == (0, "")
    assert "stay" in done.stderr
    assert cli("logout", "--name", "b", "--to", "stdout", **held).stdout.startswith("unset ")


def test_verify_and_the_doctor_look_at_the_login_that_is_named(cli, job, login, google) -> None:
    login(ACCOUNT, "--name", "a")
    assert ACCOUNT in cli("verify", "--name", "a", **job).stdout
    for command in ("verify", "export"):
        for flags in ((), ("--name", "b")):
            missing = cli(command, *flags, **job)
            assert (missing.returncode, "error WIF306" in missing.stderr) == (2, True)
            assert "Say which one is meant: --name a\n" in missing.stderr
    google.provision(condition="false")
    done = cli("doctor", "--name", "a", "--json", **job)
    assert ACCOUNT in done.stdout
    assert ACCOUNT not in cli("doctor", "--json", **job).stdout
