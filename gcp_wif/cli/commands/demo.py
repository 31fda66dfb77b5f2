"""`gcp-wif demo`: the whole story on loopback, with real clients, leaving nothing behind.

Each step is a process of its own, as in a job, with only the variables that a job has. A step that fails ends the
demo with its exit code.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gcp_wif import ci, issuers
from gcp_wif.ci.export_format import ExportTarget
from gcp_wif.cli.command import CommonOptions, command, terminal
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import MissingExtraError, RefusedError
from gcp_wif.issuers import DEFAULT
from gcp_wif.manifest import Manifest
from gcp_wif.manifest.writing import Draft, DraftIdentity, toml_text
from gcp_wif.names import ProviderName
from gcp_wif.subject_token import SubjectToken

if TYPE_CHECKING:
    from gcp_wif.emulator import Emulator

__all__ = ["main"]

_PROVIDER = ProviderName.parse(
    f"projects/123456789012/locations/global/workloadIdentityPools/{DEFAULT}/providers/{DEFAULT}-acme", origin="demo"
)
_ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
_STEP_SECONDS = 120

# What a program in the job does, in the words of google-auth's own documentation. The token itself is not printed.
_CLIENT = """
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(f"{type(credentials).__module__}: access token of {len(credentials.token)} characters for project {project}")
"""


@command(CommonOptions)
def main(common: CommonOptions) -> None:
    """Show the whole path on the emulator.

    Token, login, exports, google-auth, and gcloud where it is installed. It takes a few seconds and leaves nothing
    behind. The exit code is not 0 if any step fails.
    """
    out = terminal(common)
    try:
        from gcp_wif.emulator import Emulator
    except ImportError:
        raise MissingExtraError("emulator", command="demo") from None
    with tempfile.TemporaryDirectory(prefix="gcp-wif-demo-") as home, Emulator() as google:
        system = ci.system(DEFAULT)
        out.say(f"1. Google, on loopback: a pool, a provider that trusts {system.title}, an account, one binding")
        token = google.token()
        shown = _provision(google, token)
        out.say(f"   emulator         {google.http}")
        out.say(f"   provider         {_PROVIDER}")
        out.say(f"   service account  {_ACCOUNT}")
        out.say(f"2. A job of {system.title}: a token, signed with a real RS256 key (claims, unverified)")
        for name, value in shown.items():
            out.say(f"   {name:16} {value}")
        place = system.sample_job(token, home)
        job = {**_job_environment(home, google.environ()), **place}
        out.say("3. gcp-wif login")
        _step(out, [sys.executable, "-m", "gcp_wif", "login"], job)
        _show_files(out, Path(home), system.export_target(job))
        out.say("4. In the next step the exports are there: google.auth.default()")
        # The variables of the login are gone, as they might be: only what it exported counts from here on.
        kept = {name: value for name, value in place.items() if value != token}
        next_step = {name: job[name] for name in ("HOME", "PATH")} | kept | google.environ()
        _step(out, ["bash", "-c", 'exec "$0" -c "$1"', sys.executable, _CLIENT], next_step)
        gcloud = shutil.which("gcloud")
        if gcloud:
            out.say("5. The same in gcloud, without `gcloud auth login`: gcloud auth print-access-token")
            count = 'awk \'{print "an access token of", length($0), "characters"}\''
            script = f"gcloud auth print-access-token --quiet | {count}"
            _step(out, ["bash", "-o", "pipefail", "-c", script], next_step | {"CLOUDSDK_CONFIG": f"{home}/gcloud"})
        else:
            out.say("5. gcloud is not installed here: its step is left out")
        out.say("6. gcp-wif logout")
        _step(out, [sys.executable, "-m", "gcp_wif", "logout"], job)
        requests = google.requests()
        out.say("What Google was asked:")
        for request in requests:
            out.say(f"   {request['status']} {request['method']} {request['path']}")
    out.say("Everything worked, and nothing is left behind.")
    out.data({"ok": True, "gcloud": bool(gcloud), "requests": requests})


def _provision(google: "Emulator", token: str) -> dict[str, str]:
    """Make Google as a manifest for exactly this token says; returns what the token says of itself."""
    claims = SubjectToken.parse(token, origin="demo").claims
    profile = issuers.profile(DEFAULT)
    rule = profile.rule_of(claims)
    pool = {"project_id": "acme-prod", "project_number": _PROVIDER.project_number, "id": _PROVIDER.pool_id}
    identity = DraftIdentity("deploy", _ACCOUNT, "acme-prod", rules=(rule,))
    draft = Draft(
        "demo", {"kind": DEFAULT, **profile.tenant_of(claims)}, pool, {"id": _PROVIDER.provider_id}, (identity,)
    )
    google.provision_as(Manifest.parse(toml_text(draft), origin="demo"))
    return {**{name: str(claims[name]) for name in ("iss", "aud", "sub")}, **rule}


def _job_environment(home: str, emulator: Mapping[str, str]) -> dict[str, str]:
    """Only what a job has besides what its CI system gives: four variables that name the provider and the account."""
    return {
        "HOME": home,
        "PATH": os.environ.get("PATH", os.defpath),
        "GCP_PROJECT_ID": _PROVIDER.project_number,
        "GCP_WIP_ID": _PROVIDER.pool_id,
        "GCP_WIP_PROVIDER_ID": _PROVIDER.provider_id,
        "GCP_SERVICE_ACCOUNT_EMAIL": _ACCOUNT,
        **emulator,
    }


def _step(out: Terminal, arguments: list[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - programs named above
        arguments, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=_STEP_SECONDS, check=False,
    )  # fmt: skip
    for line in (done.stdout + done.stderr).splitlines():
        out.say(f"   {line}")
    if done.returncode != 0:
        raise RefusedError(f"This step failed with exit code {done.returncode}.", code="WIF604")


def _show_files(out: Terminal, home: Path, target: ExportTarget | None) -> None:
    for path in sorted(home.iterdir()):
        if path.is_file():
            mode = path.stat().st_mode & 0o777
            out.say(f"   {mode:o} {path} ({path.stat().st_size} bytes)")
    config = json.loads((home / "gcp_cred_config.json").read_text())
    for line in json.dumps(config, indent=2).splitlines():
        out.say(f"   | {line}")
    if target is not None and target.path is not None:
        for line in target.path.read_text().splitlines():
            out.say(f"   $ {line}")
