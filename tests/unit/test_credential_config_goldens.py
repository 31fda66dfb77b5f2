"""Our credential configs equal gcloud's: held to the bytes that gcloud wrote, so this runs where gcloud is missing."""

from pathlib import Path

import credential_config_goldens as goldens
import pytest
from typer.testing import CliRunner

from gcp_wif.cli.app import app
from gcp_wif.credential_config import CredentialConfig
from gcp_wif.endpoints import Endpoints

CASES = goldens.cases()


def ours(flags: list[str], output: Path, provider: str = goldens.PROVIDER) -> bytes:
    direct = [] if any(flag.startswith("--service-account=") for flag in flags) else ["--direct"]
    arguments = ["generate", "--config-only", provider, *flags, *direct, f"--output-file={output}"]
    result = CliRunner().invoke(app, arguments, env={"HOME": str(output.parent)}, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return output.read_bytes()


def test_the_matrix_is_wide_enough() -> None:
    assert len(CASES) >= 24


@pytest.mark.parametrize("name", CASES)
def test_same_bytes(name: str, tmp_path: Path) -> None:
    assert ours(CASES[name], tmp_path / "config.json") == goldens.golden(name).read_bytes()


@pytest.mark.parametrize("prefix", ["//iam.googleapis.com/", "https://iam.googleapis.com/"])
def test_prefixes_of_the_provider_change_nothing(prefix: str, tmp_path: Path) -> None:
    found = ours(CASES["file"], tmp_path / "config.json", prefix + goldens.PROVIDER)
    assert found == goldens.golden("file").read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_reading_and_writing_again_changes_nothing(name: str) -> None:
    text = goldens.golden(name).read_text()
    assert CredentialConfig.from_json(text, origin=name).to_json() == text


@pytest.mark.parametrize("name", CASES)
def test_urls_are_those_of_their_universe(name: str) -> None:
    config = CredentialConfig.from_json(goldens.golden(name).read_text(), origin=name)
    assert config.misdirected_urls(Endpoints(config.universe_domain)) == ()
    assert config.misdirected_urls(Endpoints("elsewhere.example"))


def test_generate_writes_the_same_config_beside_the_token(cli, make_jwt) -> None:
    token = str(cli.home / "t")
    done = cli(
        "generate", goldens.PROVIDER, goldens.ACCOUNT, f"--credential-source-file={token}", CIRCLE_OIDC_TOKEN=make_jwt()
    )
    assert done.returncode == 0, done.stderr
    expected = goldens.golden("file").read_text().replace("/home/ci/oidc_token", token)
    assert (cli.home / "gcp_cred_config.json").read_text() == expected
