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

from gcp_wif.cli.command import CommonOptions, command, terminal
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import MissingExtraError, RefusedError
from gcp_wif.names import Principal, ProviderName

__all__ = ["main"]

_PROVIDER = ProviderName.parse(
    "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme", origin="demo"
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
        out.say("1. Google, on loopback: a pool, a provider that trusts CircleCI, a service account, one binding")
        token = google.token()
        claims = _provision(google, token)
        out.say(f"   emulator         {google.http}")
        out.say(f"   provider         {_PROVIDER}")
        out.say(f"   service account  {_ACCOUNT}")
        out.say("2. A job of CircleCI: a V1 token, signed with a real RS256 key (claims, unverified)")
        for name in ("iss", "aud", "sub", "oidc.circleci.com/vcs-ref"):
            out.say(f"   {name:25} {claims[name]}")
        job = _job_environment(home, token, google.environ())
        out.say("3. gcp-wif login")
        _step(out, [sys.executable, "-m", "gcp_wif", "login"], job)
        _show_files(out, Path(home), job["BASH_ENV"])
        out.say('4. In the next step, bash has sourced "$BASH_ENV": google.auth.default()')
        # The variables of the login are gone, as they might be: only what BASH_ENV exports counts from here on.
        next_step = {name: job[name] for name in ("HOME", "PATH", "BASH_ENV")} | google.environ()
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


def _provision(google: "Emulator", token: str) -> dict[str, str]:  # type: ignore[name-defined]  # noqa: F821 - optional extra
    from gcp_wif.subject_token import SubjectToken

    claims = SubjectToken.parse(token, origin="demo").claims
    project = str(claims["oidc.circleci.com/project-id"])
    google.provision(
        _PROVIDER,
        issuer=str(claims["iss"]),
        mapping={
            "google.subject": "assertion.sub",
            "attribute.project": "assertion['oidc.circleci.com/project-id']",
        },
        condition=f"attribute.project == '{project}'",
        allowed_audiences=[str(claims["aud"])],
        accounts={_ACCOUNT: [Principal.attribute(_PROVIDER.pool, "project", project)]},
    )
    return {name: str(value) for name, value in claims.items()}


def _job_environment(home: str, token: str, emulator: Mapping[str, str]) -> dict[str, str]:
    """Only what a CircleCI job has here: the seed's four variables and its token."""
    return {
        "HOME": home,
        "PATH": os.environ.get("PATH", os.defpath),
        "BASH_ENV": f"{home}/bash_env",
        "CIRCLE_OIDC_TOKEN": token,
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


def _show_files(out: Terminal, home: Path, shell_file: str) -> None:
    for path in sorted(home.iterdir()):
        if path.is_file():
            mode = path.stat().st_mode & 0o777
            out.say(f"   {mode:o} {path} ({path.stat().st_size} bytes)")
    config = json.loads((home / "gcp_cred_config.json").read_text())
    for line in json.dumps(config, indent=2).splitlines():
        out.say(f"   | {line}")
    for line in Path(shell_file).read_text().splitlines():
        out.say(f"   $ {line}")
