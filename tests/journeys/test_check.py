"""`gcp-wif check`: what must not be committed, with its place and its fix."""

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provisioned import MANIFEST

from gcp_wif.config_lint import check_text
from gcp_wif.manifest import Manifest

ROOT = Path(__file__).parents[2]
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
AUDIENCE = (
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
)
GOOD: dict[str, Any] = {
    "universe_domain": "googleapis.com",
    "type": "external_account",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/tmp/oidc_token", "format": {"type": "text"}},
    "service_account_impersonation_url": (
        f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    ),
}
IMPERSONATION = GOOD["service_account_impersonation_url"]
INTROSPECT = "https://sts.googleapis.com/v1/introspect"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


def config(**changes: Any) -> str:
    return json.dumps({key: value for key, value in (GOOD | changes).items() if value is not None}, indent=2)


def codes(text: str, name: str = "gcp_cred_config.json", **options: Any) -> list[tuple[str, int]]:
    return [(each.code, each.line) for each in check_text(name, text, **options)]


CASES: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "good": (config(), []),
    "a final newline": (config() + "\n", []),
    "direct": (config(service_account_impersonation_url=None, token_info_url=INTROSPECT), []),
    "a URL on this machine": (config(credential_source={"url": "http://127.0.0.1:80/token"}), []),
    "a token URL elsewhere": (config(token_url="https://sts.googleapis.com.evil.example/v1/token"), [("WIF454", 6)]),
    "an impersonation URL elsewhere": (
        config(service_account_impersonation_url=GOOD["service_account_impersonation_url"].replace("https", "http")),
        [("WIF454", 13)],
    ),
    "the universe of another": (config(universe_domain="example.cloud"), [("WIF461", 2)]),
    "no universe": (config(universe_domain="not a domain"), [("WIF116", 2)]),
    "a project ID": (config(audience=AUDIENCE.replace("123456789012", "acme-identity")), [("WIF104", 4)]),
    "an unset variable": (config(audience=AUDIENCE.replace("123456789012", "")), [("WIF104", 4)]),
    "the page's path": (
        config(credential_source={"file": "/t", "format": {"type": "json", "path": "response.id_token"}}),
        [("WIF402", 11)],
    ),
    "a nested field": (
        config(credential_source={"file": "/t", "format": {"type": "json", "subject_token_field_name": "a.b"}}),
        [("WIF458", 11)],
    ),
    "a relative path": (config(credential_source={"file": "oidc_token"}), [("WIF456", 8)]),
    "a path with ~": (config(credential_source={"file": "~/oidc_token"}), [("WIF456", 8)]),
    "two sources": (config(credential_source={"file": "/t", "url": "http://localhost/"}), [("WIF402", 7)]),
    "no source": (config(credential_source=None), [("WIF402", 1)]),
    "http": (config(credential_source={"url": "http://issuer.example/token"}), [("WIF457", 8)]),
    "a program": (config(credential_source={"executable": {"command": "/bin/x"}}), [("WIF455", 9)]),
    "a service account key": (
        json.dumps({"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nabc"}, indent=2),
        [("WIF451", 3), ("WIF403", 2)],
    ),
    "a user's credentials": (
        json.dumps({"type": "authorized_user", "client_secret": "x", "refresh_token": "1//0x"}, indent=2),
        [("WIF451", 3), ("WIF451", 4), ("WIF403", 2)],
    ),
    "a token in a header": (
        config(credential_source={"url": "http://127.0.0.1/", "headers": {"Authorization": f"Bearer {JWT}"}}),
        [("WIF451", 10)],
    ),
    "a token as the file": (config(credential_source={"file": JWT}), [("WIF451", 8), ("WIF456", 8)]),
    "a bare token": (JWT, [("WIF451", 1), ("WIF401", 1)]),
    "twice the same field": (
        config().replace('"type": "external_account",', '"type": "x",\n  "type": "external_account",'),
        [("WIF453", 4)],
    ),
    "a byte order mark": ("\ufeff" + config(), [("WIF452", 1)]),
    "no JSON": ('{\n"a": }', [("WIF401", 2)]),
    "a list": ("[]", [("WIF401", 1)]),
    "nothing": ("", [("WIF401", 1)]),
    "nested too deeply": ("[" * 100_000, [("WIF401", 1)]),
}


@pytest.mark.parametrize("name", CASES)
def test_configs(name: str) -> None:
    text, expected = CASES[name]
    assert codes(text) == expected


def test_a_program_may_be_meant() -> None:
    text = CASES["a program"][0]
    assert codes(text, allow_executable=True) == []


def test_manifests_have_their_lines() -> None:
    assert codes(MANIFEST, "gcp-wif.toml") == []
    broken = (
        MANIFEST.replace('id = "circleci"', 'id = "UPPER"')
        .replace("branch", "brunch")
        .replace("version = 1", "version = 2")
    )
    lines = broken.splitlines()
    found = [(each.code, lines[each.line - 1]) for each in check_text("gcp-wif.toml", broken)]
    assert [code for code, _ in found] == ["WIF703", "WIF704", "WIF702"]
    assert [text.strip()[:10] for _, text in found] == ["version = ", 'id = "UPPE', "{ project "]
    assert codes("a = [", "gcp-wif.toml")[0][0] == "WIF701"
    assert codes(MANIFEST + f"\n# {JWT}\n", "gcp-wif.toml") == [("WIF451", len(MANIFEST.splitlines()) + 2)]


MANIFEST_VALUE = Manifest.parse(MANIFEST, origin="test")


def test_drift_is_shown_as_a_diff() -> None:
    assert codes(config(), manifest=MANIFEST_VALUE) == []
    (finding,) = check_text(
        "x.json", config(audience=AUDIENCE.replace("circleci-acme", "other")), manifest=MANIFEST_VALUE
    )
    assert (finding.code, finding.line) == ("WIF459", 4)
    assert any(line.startswith("-") and "other" in line for line in finding.diff)
    assert any(line.startswith("+") and "circleci-acme" in line for line in finding.diff)
    stranger = GOOD["service_account_impersonation_url"].replace("deploy@", "stranger@")
    assert codes(config(service_account_impersonation_url=stranger), manifest=MANIFEST_VALUE) == [("WIF460", 13)]


@given(st.text(max_size=200))
def test_any_text_is_checked_without_an_error(text: str) -> None:
    for name in ("x.json", "x.toml"):
        assert all(each.line >= 1 for each in check_text(name, text, manifest=MANIFEST_VALUE))


def test_the_command(cli: Any, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(config())
    bad.write_text(CASES["a token in a header"][0])
    assert cli("check", str(good)).returncode == 0
    junit = tmp_path / "junit.xml"
    shown = cli("check", str(good), str(bad))
    assert (shown.returncode, shown.stderr) == (1, "")
    assert f"{bad}:10: WIF451" in shown.stdout
    assert JWT not in shown.stdout
    done = cli("check", str(good), str(bad), "--json", "--junit", str(junit))
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert found["checked"] == 2
    assert [set(each) for each in found["findings"]] == [{"code", "file", "line", "message", "fix", "diff"}]
    assert JWT not in done.stdout + done.stderr + junit.read_text()
    suite = ET.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


@pytest.mark.parametrize("what", ["missing", "folder", "huge"])
def test_files_that_cannot_be_read(what: str, cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    if what == "folder":
        path.mkdir()
    elif what == "huge":
        path.write_text(" " * 1_000_001)
    done = cli("check", str(path))
    assert done.returncode == 2
    assert f"{path}:1: WIF30" in done.stdout


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_a_file_that_cannot_be_read_hides_no_other(what: str, cli: Any, tmp_path: Path) -> None:
    bad, unread = tmp_path / "bad.json", tmp_path / "x.json"
    bad.write_text(CASES["a program"][0])
    if what == "folder":
        unread.mkdir()
    done = cli("check", str(unread), str(bad), "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["checked"] == 2
    assert [each["code"][:5] for each in found["findings"]] == ["WIF30", "WIF45"]
    assert [each["file"] for each in found["findings"]] == [str(unread), str(bad)]


def test_a_file_name_cannot_write_to_the_terminal(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "a\n::error::b\x1b[2J.json"
    path.write_text("{}")
    done = cli("check", str(path), "--json")
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert not any(line.startswith("::") for line in done.stderr.splitlines())
    assert json.loads(done.stdout)["findings"]


def test_junit_is_xml_whatever_the_file_holds(cli: Any, tmp_path: Path) -> None:
    path, junit = tmp_path / "a\x01b.json", tmp_path / "junit.xml"
    path.write_text(json.dumps({"type": "\x00\x1b", "\ud800": 1, "x\x02": "\x03", "token_url": "\x04"}))
    assert cli("check", str(path), "--junit", str(junit)).returncode == 1
    assert ET.parse(junit).getroot().find("testsuite") is not None


def test_without_a_file_it_does_not_say_that_all_is_well(cli: Any) -> None:
    done = cli("check")
    assert done.returncode == 2
    assert "WIF450" in done.stderr


def test_what_generate_writes_passes(cli: Any, tmp_path: Path) -> None:
    manifest = tmp_path / "gcp-wif.toml"
    manifest.write_text(MANIFEST)
    path = tmp_path / "gcp_cred_config.json"
    flags = ["--manifest", str(manifest), "--identity", "deploy", "--output-file", str(path)]
    assert cli("generate", "--config-only", *flags).returncode == 0
    assert cli("check", str(path), str(manifest), "--manifest", str(manifest)).returncode == 0


@pytest.mark.client
@pytest.mark.slow
def test_pre_commit_itself(tmp_path: Path, require_client: Callable[..., str]) -> None:
    import os
    import sys

    git = require_client("git", proves="that the pre-commit hook works")
    hook, work = tmp_path / "hook", tmp_path / "work"
    env = {
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
    }
    (tmp_path / "gitconfig").write_text("[user]\n\tname = t\n\temail = t@example.com\n[safe]\n\tdirectory = *\n")

    def run(*command: str, cwd: Path, code: int = 0) -> str:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    hook.mkdir()
    for part in ("gcp_wif", "templates", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        subprocess.run(["cp", "-r", str(ROOT / part), str(hook)], check=True)
    for folder in (hook, work):
        folder.mkdir(exist_ok=True)
        run(git, "init", "-q", cwd=folder)
    run(git, "add", "-A", cwd=hook)
    run(git, "commit", "-q", "-m", "hook", cwd=hook)
    (work / "gcp_cred_config.json").write_text(config())
    (work / "unrelated.json").write_text("{")
    run(git, "add", "-A", cwd=work)
    run("pre-commit", "try-repo", str(hook), "gcp-wif-check", "--all-files", cwd=work)
    (work / "gcp_cred_config.json").write_text(CASES["a token URL elsewhere"][0])
    run(git, "add", "-A", cwd=work)
    told = run("pre-commit", "try-repo", str(hook), "gcp-wif-check", "--all-files", cwd=work, code=1)
    assert "gcp_cred_config.json:6: WIF454" in told
