"""`gcp-wif render` as people call it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from provisioned import MANIFEST

from gcp_wif.emulator import Emulator
from gcp_wif.manifest import Manifest

KINDS = ["circleci", "terraform", "gcloud"]


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "gcp-wif.toml"
    path.write_text(MANIFEST)
    return str(path)


@pytest.mark.parametrize("what", KINDS)
def test_the_text_is_data_and_the_same_every_time(cli: Any, manifest: str, tmp_path: Path, what: str) -> None:
    done = cli("render", what, "--manifest", manifest)
    assert done.returncode == 0
    forks = r"warning: identities\.\w+: a rule without `branch`, `tag`, `ref` or `origin` admits builds of forks .*"
    warned = [re.fullmatch(forks, line) is not None for line in done.stderr.splitlines()]
    assert all(warned)
    assert bool(warned) is (what != "circleci")
    assert re.search(
        rf"^# Made by:  gcp-wif render {what} --manifest {re.escape(manifest)}$", done.stdout, re.MULTILINE
    )
    target = tmp_path / "made"
    target.write_text("before")
    again = cli("render", what, "--manifest", manifest, "--output-file", str(target), "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, {"version": 1, "what": what, "output_file": str(target)})
    assert str(target) in again.stderr
    assert target.read_text() == done.stdout


def test_the_orb_needs_no_manifest(cli: Any) -> None:
    done = cli("render", "orb")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  gcp-oidc-authenticate:\n" in done.stdout


def test_one_identity(cli: Any, manifest: str) -> None:
    done = cli("render", "circleci", "--manifest", manifest, "--identity", "reader")
    assert "gcp-reader" in done.stdout
    assert "gcp-deploy" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["everything"], "WIF731"),
        ([], "WIF731"),
        (["circleci", "--manifest", "M", "--identity", "nobody"], "WIF121"),
        (["terraform", "--manifest", "M", "--identity", "deploy"], "WIF110"),
        (["gcloud", "--manifest", "M", "--import-existing"], "WIF110"),
        (["terraform", "--manifest", "M", "--impersonate-service-account", "a@b.iam.gserviceaccount.com"], "WIF110"),
        (["orb", "--manifest", "M"], "WIF110"),
        (["orb", "--json"], "WIF110"),
        (["circleci", "--manifest", "nowhere.toml"], "WIF306"),
        (["gcloud", "--manifest", "M", "--output-file", "/nowhere/made"], "WIF30"),
    ],
)
def test_what_cannot_work_is_said_and_nothing_is_written(
    cli: Any, manifest: str, arguments: list[str], code: str
) -> None:
    done = cli("render", *(manifest if each == "M" else each for each in arguments))
    assert done.returncode == 2
    assert f"error {code}" in done.stderr
    if "--json" not in arguments:
        assert done.stdout == ""


def test_a_broken_manifest_is_told_as_everywhere(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "gcp-wif.toml"
    path.write_text(MANIFEST.replace("circleci-acme", "C"))
    for what in KINDS:
        done = cli("render", what, "--manifest", str(path))
        assert (done.returncode, done.stdout) == (2, "")
        assert "error WIF700" in done.stderr


def test_terraform_imports_what_google_has(cli: Any, manifest: str, emulator: Emulator) -> None:
    def rendered(*flags: str) -> subprocess.CompletedProcess[str]:
        done = cli("render", "terraform", "--manifest", manifest, *flags, **emulator.environ())
        assert done.returncode == 0, done.stderr
        return done

    assert "import {" not in rendered("--import-existing").stdout
    emulator.provision_as(Manifest.parse(MANIFEST, origin="test"))
    emulator.gateway.clear_log()
    assert "import {" not in rendered().stdout
    assert emulator.requests() == []
    found = rendered("--import-existing").stdout
    assert found.count("\nimport {") == 9
    rest = re.sub(r"\nimport \{.*?\n\}\n", "", found, flags=re.DOTALL)
    assert rest.replace(" --import-existing", "") == rendered().stdout
    assert {call["method"] for call in emulator.requests()} <= {"GET", "GRPC"}
    (pool,) = emulator.state.pools.of_project("123456789012").values()
    pool.deleted_at = emulator.state.clock.now()
    done = rendered("--import-existing")
    assert "is deleted: Terraform can neither import nor make it" in done.stderr
    assert "google_iam_workload_identity_pool.pool\n" not in done.stdout


def test_google_that_says_no_is_an_answer(cli: Any, manifest: str, emulator: Emulator) -> None:
    emulator.state.name_project("acme-identity", "123456789099")
    done = cli("render", "terraform", "--manifest", manifest, "--import-existing", **emulator.environ())
    assert (done.returncode, done.stdout) == (1, "")
    assert "error WIF822" in done.stderr
