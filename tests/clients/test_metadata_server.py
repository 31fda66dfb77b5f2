"""`login --metadata-server`: clients that know no external account, unmodified, after six hours of a job, too.

oauth2client is the one that cannot be helped otherwise: it was Google's own library until 2018, gsutil still has it,
and it refuses a config of an external account. google-auth and a Go client (rclone) take the server for one, too.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google_setup import Google
from long_job import LongJob

from gcp_wif.emulator import Emulator

pytestmark = pytest.mark.client

OAUTH2CLIENT = """
from oauth2client.client import GoogleCredentials
from oauth2client.transport import get_http_object
credentials = GoogleCredentials.get_application_default()
credentials.refresh(get_http_object())
print(type(credentials).__module__, credentials.access_token[:5], credentials.service_account_email)
"""
GOOGLE_AUTH = """
import google.auth, google.auth.transport.requests as r
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_only"])
credentials.refresh(r.Request())
print(type(credentials).__module__, credentials.token[:5], credentials.service_account_email, project)
"""
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongJob]:
    with Emulator(proxy_port=0) as running:
        google = Google(running)
        google.provision()
        running.state.objects.put("bucket", "hello.txt", b"what Storage holds", "text/plain")
        with LongJob(google, tmp_path_factory.mktemp("metadata") / "job", real_hosts=True) as made:
            made.login("--metadata-server")
            made.advance(6 * 3600)
            yield made


def step(job: LongJob, *command: str, keep: tuple[str, ...] = (), **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a later step, without the config that it would not understand."""
    google = job.google.emulator.environ(real_hosts=True)
    names = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
    without = " ".join(name for name in names if name not in keep) or "NOTHING"
    base = {"HOME": str(job.folder), "PATH": os.environ["PATH"], "BASH_ENV": job.env["BASH_ENV"]} | google | env
    script = f"unset {without}; exec {shlex.join(command)}"
    return subprocess.run(["bash", "-c", script], env=base, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def oauth2client(require_client) -> str:
    """Where gcloud's SDK has it: a search path."""
    proves = "that a client which knows no external account works with the metadata server"
    sdk = Path(require_client("gcloud", proves=proves)).resolve().parents[1]
    found = sdk / "platform" / "gsutil" / "gslib" / "vendored" / "oauth2client"
    assert found.is_dir()
    return f"{found}:{sdk}/lib/third_party"


def test_oauth2client(job: LongJob, oauth2client: str) -> None:
    done = step(job, sys.executable, "-c", OAUTH2CLIENT, PYTHONPATH=oauth2client)
    assert done.stdout == f"oauth2client.contrib.gce ya29. {ACCOUNT}\n", done.stderr


def test_oauth2client_knows_no_external_account(job: LongJob, oauth2client: str) -> None:
    """Why there is a metadata server."""
    keep = ("GOOGLE_APPLICATION_CREDENTIALS",)
    done = step(job, sys.executable, "-c", OAUTH2CLIENT, keep=keep, PYTHONPATH=oauth2client)
    assert done.returncode != 0
    assert "external_account" in done.stderr or "'type' field should be defined" in done.stderr


def test_google_auth_takes_it_for_a_machine_of_google(job: LongJob) -> None:
    done = step(job, sys.executable, "-c", GOOGLE_AUTH)
    assert done.stdout == f"google.auth.compute_engine.credentials ya29. {ACCOUNT} acme-prod\n", done.stderr


def test_an_id_token_of_it_is_googles(job: LongJob) -> None:
    """google-auth asks for it as on a machine of Google's, and verifies it."""
    script = (
        "import google.auth.transport.requests as r\n"
        "from google.auth import compute_engine\n"
        "from google.oauth2 import id_token\n"
        "request = r.Request()\n"
        "found = compute_engine.IDTokenCredentials(request, 'https://x.example', use_metadata_identity_endpoint=True)\n"
        "found.refresh(request)\n"
        "print(id_token.fetch_id_token(request, 'https://y.example').count('.'))\n"
        "skew = dict(clock_skew_in_seconds=99999)\n"
        "print(id_token.verify_oauth2_token(found.token, request, 'https://x.example', **skew)['email'])\n"
    )
    done = step(job, sys.executable, "-c", script)
    assert done.stdout == f"2\n{ACCOUNT}\n", done.stderr


def test_a_go_client(job: LongJob, require_client) -> None:
    rclone = require_client("rclone", proves="that Go's library takes the metadata server")
    flags = ["--config=", "--gcs-bucket-policy-only"]  # from 1.61 on it needs env_auth, too
    done = step(job, rclone, *flags, "cat", ":gcs:bucket/hello.txt")
    assert done.stdout == "what Storage holds", done.stderr


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/computeMetadata/v1/instance/service-accounts/default/email", ACCOUNT),
        (f"/computeMetadata/v1/instance/service-accounts/{ACCOUNT}/aliases", "default"),
        ("/computeMetadata/v1/instance/service-accounts/", f"default/\n{ACCOUNT}/\n"),
        ("/computeMetadata/v1/project/project-id", "acme-prod"),
        ("/computeMetadata/v1/project/numeric-project-id", "123456789012"),
        ("/computeMetadata/v1/universe/universe-domain", "googleapis.com"),
    ],
)
def test_what_else_is_asked_of_it(job: LongJob, path: str, text: str) -> None:
    curl = f'curl -sf -H "Metadata-Flavor: Google" "http://$GCE_METADATA_HOST{path}"'
    assert step(job, "bash", "-c", curl).stdout == text


def test_a_login_without_it_leaves_it_running(job: LongJob) -> None:
    """The exports of the earlier one stand."""
    job.login()
    done = step(job, sys.executable, "-c", GOOGLE_AUTH)
    assert done.returncode == 0, done.stderr
