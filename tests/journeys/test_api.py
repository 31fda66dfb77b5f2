"""The verbs of the public API, in this process and in the examples, against the emulator."""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from google_setup import ACCOUNT, Google
from provisioned import LEGACY, MANIFEST, before
from rules import circleci_claims

import gcp_wif
from gcp_wif.emulator import Emulator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ONE_ACCOUNT = EXAMPLES / "one-account" / "gcp-wif.toml"


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Any:
    yield
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


@pytest.fixture
def job(google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A job's variables; those of this process, which are not to be read, mean something else."""
    (tmp_path / "home").mkdir(exist_ok=True)
    for name in ("PROJECT_NUMBER", "POOL_ID", "PROVIDER_ID", "SERVICE_ACCOUNT_EMAIL", "CIRCLE_OIDC_TOKEN", "BASH_ENV"):
        monkeypatch.setenv(name, "of this process")
    return google.job() | {"HOME": str(tmp_path / "home")}


def test_login_writes_and_proves(job: dict[str, str], google: Google) -> None:
    done = gcp_wif.login(environ=job)
    assert (done.provider, done.service_account) == (google.provider, ACCOUNT)
    assert done.config_path == Path(job["HOME"], "gcp_cred_config.json")
    assert done.token_path is not None
    assert done.token_path.read_text() == job["CIRCLE_OIDC_TOKEN"]
    assert done.exports["GOOGLE_APPLICATION_CREDENTIALS"] == str(done.config_path)
    assert done.exports["GOOGLE_CLOUD_PROJECT"] == "acme-prod"
    assert done.exported_to is None
    assert done.expires_at is not None
    assert str(done.principal).startswith("principal://iam.googleapis.com/projects/123456789012/")
    with pytest.raises(FrozenInstanceError):
        done.warnings = ()
    assert job["CIRCLE_OIDC_TOKEN"] not in repr(done)


def test_tokens(job: dict[str, str], google: Google) -> None:
    config = gcp_wif.login(environ=job).config_path
    for place in ({"config_path": config}, {}):
        found = gcp_wif.access_token(environ=job, lifetime_seconds=600, scopes=["x"], **place)
        grant = google.emulator.state.grant(found.secret)
        assert (grant.principals, found.account) == ((f"serviceAccount:{ACCOUNT}",), ACCOUNT)
        assert "x" in grant.scope.split()
        assert found.expires_at is not None
        assert found.secret not in repr(found)
    identity = gcp_wif.id_token("https://x.example", environ=job)
    assert identity.secret.count(".") == 2
    assert identity.secret not in repr(identity)
    for wrong in ({"lifetime_seconds": 0}, {"scopes": ["a b"]}, {"impersonate": ["x"]}):
        with pytest.raises(gcp_wif.InputError):
            gcp_wif.access_token(environ=job, **wrong)
    with pytest.raises(gcp_wif.RefusedError):
        gcp_wif.access_token(environ=job, impersonate=["another@acme-prod.iam.gserviceaccount.com"])


def test_login_from_a_manifest_with_paths_of_ones_own(tmp_path: Path, job: dict[str, str], emulator: Emulator) -> None:
    manifest = gcp_wif.Manifest.parse(ONE_ACCOUNT.read_text(), origin="m")
    emulator.provision_as(manifest)
    environ = {name: job[name] for name in job if not name.startswith("GCP_")} | emulator.environ()
    for source in (manifest, ONE_ACCOUNT, str(ONE_ACCOUNT)):
        done = gcp_wif.login(
            manifest=source, identity="deploy", environ=environ, cwd=tmp_path, config_path="config.json",
            token_path=tmp_path / "token", export_to="env",
        )  # fmt: skip
        assert (done.config_path, done.token_path) == (tmp_path / "config.json", tmp_path / "token")
        assert done.exported_to == tmp_path / "env"
        assert "GOOGLE_APPLICATION_CREDENTIALS" in (tmp_path / "env").read_text()


def test_a_refused_login_takes_its_exports_back(tmp_path: Path, job: dict[str, str], emulator: Emulator) -> None:
    emulator.state.accounts.get(ACCOUNT).disabled = True
    (tmp_path / "env").write_text("MINE=1\n")
    with pytest.raises(gcp_wif.RefusedError):
        gcp_wif.login(environ=job, export_to=tmp_path / "env")
    assert (tmp_path / "env").read_text() == "MINE=1\n"
    assert gcp_wif.login(environ=job, verify=False).expires_at is None


def test_what_cannot_work_writes_nothing(job: dict[str, str]) -> None:
    for arguments in (
        {"token_env": "NOWHERE"},
        {"identity": "deploy"},
        {"provider": "x"},
        {"manifest": "nowhere.toml"},
    ):
        with pytest.raises(gcp_wif.InputError):
            gcp_wif.login(environ=job, **arguments)
    with pytest.raises(gcp_wif.InputError) as caught:
        gcp_wif.login(environ=job, clock=lambda: 4_000_000_000.0)
    assert caught.value.code == "WIF204"
    assert list(Path(job["HOME"]).iterdir()) == []


def test_plan_apply_and_plan_again(tmp_path: Path, emulator: Emulator) -> None:
    before(emulator)
    (tmp_path / "m.toml").write_text(MANIFEST)
    world: dict[str, Any] = {"environ": emulator.environ(), "cwd": tmp_path}
    found = gcp_wif.plan("m.toml", **world)
    assert isinstance(found, gcp_wif.Plan)
    told: list[str] = []
    done = gcp_wif.apply("m.toml", progress=lambda event, _change: told.append(event), **world)
    assert done.plan == found
    assert sorted(done.done, key=str) == sorted(found.changes, key=str)
    assert told.count("done") == len(found.changes)
    assert not gcp_wif.plan("m.toml", **world)
    assert gcp_wif.apply("m.toml", **world).done == ()
    shorter = gcp_wif.Manifest.parse(MANIFEST.replace(', "roles/run.viewer"', ""), origin="m")
    assert not gcp_wif.plan(shorter, **world)
    assert len(gcp_wif.plan(shorter, prune=True, **world).changes) == 1


def test_apply_raises_why_the_first_change_failed(emulator: Emulator) -> None:
    before(emulator)
    emulator.faults({"match": {"call": "iam.projects.serviceAccounts.create"}, "times": 100, "action": {"status": 403}})
    manifest = gcp_wif.Manifest.parse(MANIFEST, origin="m")
    with pytest.raises(gcp_wif.RefusedError) as caught:
        gcp_wif.apply(manifest, environ=emulator.environ())
    assert caught.value.code == "WIF801"
    emulator.faults()
    gcp_wif.apply(manifest, environ=emulator.environ())
    assert not gcp_wif.plan(manifest, environ=emulator.environ())


def test_an_account_is_missing(emulator: Emulator) -> None:
    with pytest.raises(gcp_wif.RefusedError, match=LEGACY):
        gcp_wif.plan(gcp_wif.Manifest.parse(MANIFEST, origin="m"), environ=emulator.environ())


def test_diagnose_a_dry_run(emulator: Emulator) -> None:
    claims = circleci_claims({"oidc.circleci.com/vcs-ref": "refs/heads/other"}, 1_800_000_000.0)
    world: dict[str, Any] = {"manifest": ONE_ACCOUNT, "clock": lambda: 1_800_000_000.0, "environ": {}}
    report = gcp_wif.diagnose(claims=claims, **world)
    assert isinstance(report, gcp_wif.Report)
    assert report.broken is not None
    assert report.broken.link == "condition"
    good = gcp_wif.diagnose(claims=circleci_claims({}, 1_800_000_000.0), **world)
    assert good.broken is None
    assert dict(good.accounts) == {"deploy": ACCOUNT}
    token = emulator.token(**{"oidc.circleci.com/vcs-ref": "refs/heads/other"})
    found = gcp_wif.diagnose(token=token, manifest=ONE_ACCOUNT, identity="deploy", environ={})
    assert found.broken is not None
    assert token.rpartition(".")[2] not in repr(found)
    with pytest.raises(gcp_wif.InputError):
        gcp_wif.diagnose(token=token, claims={}, environ={})
    with pytest.raises(gcp_wif.InputError):
        gcp_wif.diagnose(identity="nobody", **world)


def test_diagnose_a_job_an_error_and_google_itself(job: dict[str, str], google: Google) -> None:
    done = gcp_wif.login(environ=job)
    google.provision(condition="attribute.project == 'other'")
    sentence = "The given credential is rejected by the attribute condition."
    said = gcp_wif.diagnose(error=f"unauthorized_client: {sentence}", environ={})
    assert said.broken is not None
    assert said.broken.link == "condition"
    token = job["CIRCLE_OIDC_TOKEN"]
    live = gcp_wif.diagnose(config_path=done.config_path, token=token, live=True, environ=job)
    assert live.broken is not None
    assert live.broken.expected == "attribute.project == 'other'"
    named = gcp_wif.diagnose(provider=str(google.provider), token=token, live=True, environ=job)
    assert named.broken == live.broken
    with pytest.raises(gcp_wif.InputError) as caught:
        gcp_wif.diagnose(live=True, environ=job)
    assert caught.value.code == "WIF919"


def test_without_arguments_the_process_itself_is_asked(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (google.job() | {"HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert gcp_wif.login().config_path == tmp_path / "gcp_cred_config.json"
    (tmp_path / "m.toml").write_text(ONE_ACCOUNT.read_text())
    assert gcp_wif.plan("m.toml")


def run(folder: Path, program: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    (folder / "home").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, program, *arguments], cwd=folder, env={"HOME": str(folder / "home"), "PATH": ""} | env,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_examples_run(tmp_path: Path, emulator: Emulator) -> None:
    folder, manifest = EXAMPLES / "python-api", str(ONE_ACCOUNT)
    done = run(tmp_path, folder / "admin.py", manifest, **emulator.environ())
    assert done.returncode == 0, done.stderr
    assert "changes made; left: 0" in done.stdout
    arguments = (manifest, "deploy", "CIRCLE_OIDC_TOKEN")
    done = run(tmp_path, folder / "job.py", *arguments, CIRCLE_OIDC_TOKEN=emulator.token(), **emulator.environ())
    assert done.returncode == 0, done.stderr
    assert f"a token for {ACCOUNT}" in done.stdout
    other = emulator.token(**{"oidc.circleci.com/vcs-ref": "refs/heads/other"})
    done = run(tmp_path, folder / "job.py", *arguments, CIRCLE_OIDC_TOKEN=other, **emulator.environ())
    assert (done.returncode, done.stderr) == (1, "")
    assert "`deploy` admits branch main of project" in done.stdout
    assert "this job has branch other." in done.stdout


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/heads/other"])
def test_the_python_of_readme_runs(ref: str, tmp_path: Path, emulator: Emulator) -> None:
    (block,) = re.findall(r"## From Python\n.*?```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "example.py").write_text(block)
    (tmp_path / "gcp-wif.toml").write_text(ONE_ACCOUNT.read_text())
    token = emulator.token(**{"oidc.circleci.com/vcs-ref": ref})
    done = run(tmp_path, tmp_path / "example.py", CIRCLE_OIDC_TOKEN=token, **emulator.environ())
    assert done.returncode == 0, done.stderr
    assert "ResourceChange(" in done.stdout
    assert (ACCOUNT in done.stdout.splitlines()[-1]) == (ref == "refs/heads/main")
    assert ("Finding(" in done.stdout) == (ref != "refs/heads/main")


def test_importing_it_costs_nothing_and_every_name_is_there() -> None:
    script = """
import sys
import gcp_wif
assert not [name for name in sys.modules if name.startswith("gcp_wif.")]
from gcp_wif import login
heavy = {"requests", "jinja2", "yaml", "google.auth", "grpc", "cel_expr_python", "typer"} & set(sys.modules)
assert not heavy, heavy
for name in gcp_wif.__all__:
    assert getattr(gcp_wif, name).__name__ == name
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert gcp_wif.__all__ == sorted(gcp_wif.__all__)
    with pytest.raises(AttributeError):
        _ = gcp_wif.nothing


def test_only_one_file_asks_the_process() -> None:
    for path in (ROOT / "gcp_wif" / "api").glob("*.py"):
        asks = re.search(r"os\.environ|os\.getcwd|getenv|print\(", path.read_text())
        assert bool(asks) == (path.name == "world.py"), path
