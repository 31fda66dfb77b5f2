"""gsutil after login: who it is, also after the next login, and what is left of it."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google_setup import Google

from gcp_wif.emulator import Emulator

pytestmark = [pytest.mark.client, pytest.mark.slow]


@pytest.fixture(scope="module")
def google() -> Iterator[Google]:
    with Emulator(proxy_port=0) as running:
        made = Google(running)
        made.provision()
        yield made


@pytest.fixture
def callers(google: Google, cli, require_client: Callable[..., str]) -> Callable[..., set[str]]:
    """Runs gsutil in a step after login; answers who Storage saw."""
    program = require_client("gsutil", proves="that login logs gsutil in")
    real = google.emulator.environ(real_hosts=True)

    def run(**more: str) -> set[str]:
        google.emulator.gateway.clear_log()
        script = f'[ ! -e "$BASH_ENV" ] || . "$BASH_ENV"; exec {program} ls gs://some-bucket'
        env = {**cli.env, "PATH": os.environ["PATH"], **real, **more}
        subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=120, check=False)
        return {each["caller"] for each in google.emulator.requests() if each["call"].startswith("storage.")}

    return run


@pytest.fixture
def login(google: Google, cli) -> Callable[..., None]:
    def run(*flags: str) -> None:
        job = {name: value for name, value in google.job().items() if not name.startswith("GCP_WIF_EMULATOR")}
        if "--direct" in flags:
            del job["GCP_SERVICE_ACCOUNT_EMAIL"]
        done = cli("login", *flags, **job, **google.emulator.environ(real_hosts=True))
        assert done.returncode == 0, done.stderr

    return run


def test_it_is_never_the_identity_of_an_earlier_login(cli, callers, login) -> None:
    """B30: gsutil was anonymous. And it keeps tokens by the provider alone: the second identity got the first one's."""
    assert callers() == {"none"}
    login("--direct", "--project-id", "acme-prod")
    assert callers() == {"federated"}
    login()
    assert callers() == {"service account"}
    login("--direct", "--project-id", "acme-prod", f"--output-file={cli.home}/second.json")
    assert callers() == {"federated"}
    for config in ("gcp_cred_config", "second"):
        assert cli("logout", f"--output-file={cli.home}/{config}.json").returncode == 0
    assert callers() == {"none"}
    left = [each for each in cli.home.rglob("*") if each.is_file() and b"ya29." in each.read_bytes()]
    assert left == []


def test_files_of_the_user_are_read_too(cli, callers, login, tmp_path: Path) -> None:
    """~/.boto is not hidden: with credentials of its own gsutil refuses to choose. BOTO_CONFIG is read alone."""
    login()
    (cli.home / ".boto").write_text("[Credentials]\ngs_oauth2_refresh_token = x\n")
    assert callers() == set()
    (cli.home / ".boto").write_text("[GSUtil]\nparallel_thread_count = 1\n")
    assert callers() == {"service account"}
    (tmp_path / "theirs").write_text("")
    theirs = {"BOTO_CONFIG": str(tmp_path / "theirs")}
    assert callers(**theirs) == {"none"}
    told = cli("export", **theirs).stderr
    assert "gsutil stays as BOTO_CONFIG says" in told
