"""The seam, proved: a CI system that does not exist works by two new files, and no other file is touched.

The files are put into a copy of the package, and the copy runs as processes of its own.
"""

import filecmp
import json
import os
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gcp_wif import ci

PACKAGE = Path(ci.__file__).parents[1]
NEW = Path(__file__).parents[1] / "support" / "new_ci_system"
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
AUDIENCE = (
    "https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/forge/providers/forge"
)

PROGRAM = """#!{python}
import json, sys, urllib.request
verb, audience, *claims = sys.argv[1:]
assert verb == "token" and sorted(claims) == ["forge_branch", "forge_fork", "forge_repo"], sys.argv
body = {{"kind": "forge", "claims": {{"aud": audience, **json.load(open("{claims}"))}}}}
json_type = {{"Content-Type": "application/json"}}
request = urllib.request.Request("{http}/emulator/tokens", json.dumps(body).encode(), json_type)
token = json.load(urllib.request.urlopen(request))["token"]
open("{issued}", "a").write(token + "\\n")
print(token)
"""


class Copy:
    """A copy of the package with the two files, an emulator of it, and a job of the new system."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.safe, self.next = folder, folder / "safe", folder / "next"
        self.claims, self.issued = folder / "claims.json", folder / "issued"
        shutil.copytree(PACKAGE, folder / "gcp_wif", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(PACKAGE.parent / "templates", folder / "templates")
        shutil.copy(PACKAGE.parent / "pyproject.toml", folder)
        shutil.copytree(NEW, folder / "gcp_wif", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        self.safe.mkdir()
        (folder / "home").mkdir()
        self.claims.write_text("{}")
        self.env = {
            **{name: value for name, value in env.items() if name != "BASH_ENV"},
            "PATH": f"{folder / 'bin'}:{env['PATH']}",
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.job = {
            "FORGE_JOB": "1", "FORGE_TEAM": "7", "FORGE_TOKENS": "on", "FORGE_SAFE": str(self.safe),
            "FORGE_NEXT": str(self.next),
        }  # fmt: skip
        self.emulator = subprocess.Popen(
            [sys.executable, "-m", "gcp_wif", "emulator", "--project", "acme-prod=123456789012"],
            env=self.env,
            cwd=folder,
            stdout=subprocess.PIPE,
        )
        assert self.emulator.stdout is not None
        where = json.loads(self.emulator.stdout.readline())
        self.http = where["http"]
        self.env |= {"GCP_WIF_EMULATOR_HOST": self.http[7:], "GCP_WIF_EMULATOR_GRPC_HOST": where["grpc"]}
        program = folder / "bin" / "forge"
        program.parent.mkdir()
        program.write_text(
            PROGRAM.format(python=sys.executable, http=self.http, claims=self.claims, issued=self.issued)
        )
        program.chmod(0o755)

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gcp_wif", *arguments],
            env=self.env | env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def asked(self) -> list[dict[str, Any]]:
        """What Google was asked."""
        with urllib.request.urlopen(f"{self.http}/emulator/requests") as answer:
            return list(json.load(answer)["requests"])

    def stop(self) -> None:
        self.emulator.terminate()
        self.emulator.communicate(timeout=30)


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("forge")
    kept = ("PATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
    env = {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(folder / "home")}
    copy = Copy(folder, env)
    try:
        made = copy(
            "init", "--ci", "forge", "--team-id", "7", "--forge-repo", "42", "--branch", "main", "--service-account",
            ACCOUNT, "--project-id", "acme-prod", "--project-number", "123456789012",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        applied = copy("apply", "--yes")
        assert applied.returncode == 0, applied.stderr
        yield copy
    finally:
        copy.stop()


def test_it_is_two_files_of_under_120_lines_and_no_other_is_touched(forge: Copy) -> None:
    files = sorted(NEW.rglob("*.py"))
    assert [str(path.relative_to(NEW)) for path in files] == ["ci/forge.py", "issuers/forge.py"]
    assert sum(len(path.read_text().splitlines()) for path in files) < 120
    ours = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    theirs = {path.relative_to(forge.folder / "gcp_wif") for path in (forge.folder / "gcp_wif").rglob("*.*")}
    assert theirs - ours == {Path("ci/forge.py"), Path("issuers/forge.py")}
    names = [str(path) for path in ours]
    same, other, failed = filecmp.cmpfiles(PACKAGE, forge.folder / "gcp_wif", names, shallow=False)
    assert (sorted(same), other, failed) == (sorted(names), [], [])


def test_init_and_apply_made_a_provider_for_its_tokens(forge: Copy) -> None:
    manifest = tomllib.loads((forge.folder / "gcp-wif.toml").read_text())
    assert manifest["issuer"] == {"kind": "forge", "team_id": "7"}
    assert manifest["identities"]["deploy"]["allow"] == [{"repo": "42", "branch": "main"}]
    plan = forge("plan", "--json")
    assert (plan.returncode, json.loads(plan.stdout)["changes"]) == (0, [])


def test_login_detects_it_asks_for_its_token_and_exports_its_way(forge: Copy) -> None:
    done = forge("login", "--manifest", "gcp-wif.toml", **forge.job)
    assert done.returncode == 0, done.stderr
    token = (forge.safe / "oidc_token").read_text()
    assert [token] == forge.issued.read_text().splitlines()[-1:]
    config = json.loads((forge.safe / "gcp_cred_config.json").read_text())
    assert config["credential_source"]["file"] == str(forge.safe / "oidc_token")
    lines = forge.next.read_text().splitlines()
    assert f'set GOOGLE_APPLICATION_CREDENTIALS "{forge.safe}/gcp_cred_config.json"' in lines
    assert 'set GOOGLE_CLOUD_PROJECT "acme-prod"' in lines
    assert done.stderr.splitlines().count(f"forge!mask {token}") == 1
    assert token not in done.stdout + done.stderr.replace(f"forge!mask {token}", "")
    assert any("generateAccessToken" in each["path"] and each["status"] == 200 for each in forge.asked())
    again = forge("export", **forge.job)
    assert (again.returncode, forge.next.read_text().splitlines()) == (0, lines)


def test_logout_removes_what_login_wrote(forge: Copy) -> None:
    forge.next.write_text("theirs\n")
    assert forge("login", "--manifest", "gcp-wif.toml", **forge.job).returncode == 0
    assert forge("logout", **forge.job).returncode == 0
    assert list(forge.safe.iterdir()) == []
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in forge.next.read_text()
    assert forge.next.read_text().startswith("theirs\n")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"forge_branch": "dev"}, "forge_branch is dev"),
        ({"forge_fork": True}, "forge_fork is True"),
        ({"forge_repo": "43"}, "forge_repo is 43"),
    ],
    ids=str,
)
def test_a_refused_login_speaks_of_its_claims(forge: Copy, claims: dict[str, object], words: str) -> None:
    forge.claims.write_text(json.dumps(claims))
    try:
        done = forge("login", "--manifest", "gcp-wif.toml", **forge.job)
    finally:
        forge.claims.write_text("{}")
    assert done.returncode == 1, done.stderr
    assert words in done.stderr
    assert "ircle" not in done.stderr


def test_a_token_of_another_team_is_refused_before_google_is_asked(forge: Copy) -> None:
    before = len(forge.asked())
    forge.claims.write_text('{"iss": "https://tokens.forge.example/t/8"}')
    try:
        refused = forge("login", "--manifest", "gcp-wif.toml", **forge.job)
    finally:
        forge.claims.write_text("{}")
    assert (refused.returncode, "WIF206" in refused.stderr, "tenant of Forge" in refused.stderr) == (2, True, True)
    assert len(forge.asked()) == before  # the emulator's own paths are not in it


def test_what_is_not_switched_on_is_told_in_its_words(forge: Copy) -> None:
    empty = forge.folder / "empty"
    empty.mkdir()
    job = forge.job | {"FORGE_TOKENS": "", "FORGE_SAFE": str(empty)}
    done = forge("login", "--manifest", "gcp-wif.toml", **job)
    assert (done.returncode, "tokens: on" in done.stderr, "WIF201" in done.stderr) == (2, True, True)
    seen = forge("doctor", "--manifest", "gcp-wif.toml", **job)
    assert "tokens: on" in seen.stdout + seen.stderr


def test_the_doctor_speaks_its_words(forge: Copy) -> None:
    claims = {"iss": "https://tokens.forge.example/t/8", "aud": AUDIENCE, "forge_job": "8/42/1", "forge_repo": "42"}
    (forge.folder / "seen.json").write_text(json.dumps(claims | {"iat": 1, "exp": 4_000_000_000}))
    done = forge("doctor", "--manifest", "gcp-wif.toml", "--claims", "seen.json")
    assert done.returncode == 1, done.stderr
    assert "another Forge team" in done.stdout + done.stderr


def test_two_at_once_are_a_clear_error_and_a_name_decides(forge: Copy) -> None:
    both = forge.job | {"CIRCLECI": "true"}
    done = forge("login", "--manifest", "gcp-wif.toml", **both)
    assert (done.returncode, "WIF209" in done.stderr) == (2, True)
    assert "CircleCI (CIRCLECI is set)" in done.stderr
    assert "Forge (FORGE_JOB is set)" in done.stderr
    assert "--ci circleci or --ci forge" in done.stderr
    assert forge("login", "--ci", "forge", "--manifest", "gcp-wif.toml", **both).returncode == 0


def test_init_asks_for_what_it_needs_by_its_names(forge: Copy) -> None:
    done = forge("init", "--ci", "forge", "--project-number", "1", "--manifest", "other.toml")
    assert done.returncode == 2
    assert "--team-id (Forge: Team > About)" in done.stderr
    assert "--forge-repo (Repository > About)" in done.stderr
