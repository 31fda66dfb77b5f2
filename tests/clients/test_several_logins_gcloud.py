"""gcloud, bq and gsutil between the logins of one job: none gets another's token, and what each leaves on the disk.

gcloud keeps access tokens in ``access_tokens.db`` of its configuration folder, under the account's email (observed with
gcloud 528: ``MaybeAttachAccessTokenCacheStoreGoogleAuth``); bq reads them there, too.
"""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google_setup import ACCOUNT, Google

from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.names import Principal

pytestmark = [pytest.mark.client, pytest.mark.slow]

OTHER = "reader@acme-prod.iam.gserviceaccount.com"
SAME_SUBJECT = {"google.subject": "'same'", "attribute.project": "assertion['oidc.circleci.com/project-id']"}


@pytest.fixture(scope="module")
def google() -> Iterator[Google]:
    with Emulator(proxy_port=0) as running:
        yield Google(running)


@pytest.fixture
def everybody(google: Google) -> list[Principal]:
    """Both accounts admit this job, whose tokens all have one subject."""
    found = [Principal.attribute(google.provider.pool, "project", PROJECT_ID)]
    google.provision(mapping=SAME_SUBJECT, accounts={ACCOUNT: found, OTHER: found})
    return found


@pytest.fixture
def login(google: Google, cli) -> Callable[..., None]:
    def run(account: str, *flags: str, **claims: str) -> None:
        job = {name: value for name, value in google.job(**claims).items() if not name.startswith("GCP_WIF_EMULATOR")}
        del job["GCP_SERVICE_ACCOUNT_EMAIL"]
        who = ["--service-account", account] if account else ["--direct"]
        done = cli("login", *who, *flags, **job, **google.emulator.environ(real_hosts=True))
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def step(google: Google, cli, require_client: Callable[..., str]) -> Callable[..., tuple[str, set[str | None]]]:
    """Runs a script in the next step; answers its output, and who asked storage and BigQuery."""
    for program in ("gcloud", "bq", "gsutil"):
        require_client(program, proves="that no login gets another one's token")
    real = google.emulator.environ(real_hosts=True) | {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}

    def run(script: str, *, fails: bool = False, **more: str) -> tuple[str, set[str | None]]:
        google.emulator.gateway.clear_log()
        env = {**cli.env, "PATH": os.environ["PATH"], **real, **more}
        done = subprocess.run(
            ["bash", "-c", f"set -e; {script}"], env=env, capture_output=True, text=True, timeout=180, check=False
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        callers = {
            each["principal"]
            for each in google.emulator.requests()
            if each["call"].startswith(("storage.", "bigquery."))
        }
        return done.stdout.strip(), callers

    return run


def test_no_login_gets_the_token_of_another_one(google: Google, everybody, login, step, cli) -> None:
    """One folder of gcloud's, one provider, one subject: each client acts as the login that was exported last."""
    script = (
        "gcloud auth print-access-token; gcloud storage ls gs://some; gsutil ls gs://some; bq --quiet ls >/dev/null"
    )
    login(ACCOUNT, "--name", "a")
    login(OTHER, "--name", "b")
    real = google.emulator.environ(real_hosts=True)
    for name, account in (("b", OTHER), ("a", ACCOUNT)):
        assert cli("export", "--name", name, **real).returncode == 0
        token, callers = step(script)
        assert google.emulator.state.grant(token.splitlines()[0]).principals == (f"serviceAccount:{account}",)
        assert callers == {f"serviceAccount:{account}"}
    assert cli("logout", "--name", "a").returncode == 0
    assert step(script)[1] == {f"serviceAccount:{OTHER}"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_the_users_gcloud_folder_gets_no_credential_of_ours(everybody, login, step, cli, tmp_path: Path) -> None:
    """login and logout leave it byte for byte; what gcloud itself adds is an access token, by the account's email."""
    theirs = tmp_path / "theirs"
    (theirs / "configurations").mkdir(parents=True)
    (theirs / "active_config").write_text("default")
    (theirs / "configurations" / "config_default").write_text("[core]\naccount = somebody@example.com\n")
    cli.env["CLOUDSDK_CONFIG"] = str(theirs)
    before = contents(theirs)
    login(ACCOUNT)
    assert contents(theirs) == before
    step("gcloud auth print-access-token; bq --quiet ls")
    after = contents(theirs)
    assert {name: after[name] for name in before} == before
    kept = sqlite3.connect(theirs / "access_tokens.db").execute("SELECT account_id FROM access_tokens").fetchall()
    assert kept == [(ACCOUNT,)]
    assert not [name for name in after if "adc" in name or "credentials.json" in name or "legacy" in name]
    if "credentials.db" in after:
        stored = sqlite3.connect(theirs / "credentials.db").execute("SELECT count(*) FROM credentials").fetchone()
        assert stored == (0,)
    after = contents(theirs)
    assert cli("logout").returncode == 0
    assert contents(theirs) == after


def test_gcloud_goes_on_as_an_account_until_its_token_expires(google: Google, everybody, login, step, cli) -> None:
    """README and SECURITY say so: by the email alone; a CLOUDSDK_CONFIG of the login's own is what separates."""
    login(ACCOUNT)
    held, _ = step("gcloud auth print-access-token")
    google.provision(mapping=SAME_SUBJECT, accounts={ACCOUNT: []})  # Google would refuse this login now
    assert step("gcloud auth print-access-token")[0] == held
    step("gcloud auth print-access-token", fails=True, CLOUDSDK_CONFIG=f"{cli.home}/own")
    login("", "--project-id", "acme-prod")
    first, _ = step("gcloud auth print-access-token")
    login("", "--project-id", "acme-prod", **{"oidc.circleci.com/vcs-ref": "refs/heads/other"})
    assert step("gcloud auth print-access-token")[0] != first  # with direct federation it asks each time
