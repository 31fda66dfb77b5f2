"""A `buildkite-agent` for tests, from Buildkite's pages "buildkite-agent oidc" and "buildkite-agent redactor".

`install` puts it on a PATH. It asks the emulator for tokens, says what a token of that job says, adds the optional
claims that were asked for and no other, and keeps what its redactor was told.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Agent", "install"]

_PROGRAM = """#!{python}
import argparse, json, os, sys, urllib.request
OPTIONAL = {{"organization_id", "pipeline_id", "build_id", "cluster_id", "cluster_name", "queue_id", "queue_key"}}
folder = {folder!r}

def request_token(options):
    missing = [name for name in ("BUILDKITE_JOB_ID", "BUILDKITE_AGENT_ACCESS_TOKEN") if not os.environ.get(name)]
    if missing:
        sys.exit("fatal: missing " + missing[0])
    asked = [each for text in options.claim for each in text.split(",")]
    asked = asked or [each for each in os.environ.get("BUILDKITE_OIDC_TOKEN_CLAIMS", "").split(",") if each]
    job = json.load(open(folder + "/job.json"))
    unknown = [each for each in asked if each not in OPTIONAL or (each not in job and each[:5] in ("clust", "queue"))]
    if unknown:
        sys.exit("fatal: 422 claim is invalid: " + unknown[0])
    claims = {{name: value for name, value in job.items() if name not in OPTIONAL or name in asked}}
    claims |= {{name: None for name in ("organization_id", "pipeline_id") if name not in asked}}
    claims["aud"] = options.audience or "https://buildkite.com/acme-inc"
    body = json.dumps({{"kind": "buildkite", "claims": claims}}).encode()
    request = urllib.request.Request({http!r} + "/emulator/tokens", body, {{"Content-Type": "application/json"}})
    print(json.load(urllib.request.urlopen(request))["token"])

def redact(options):
    with open(folder + "/redacted", "a") as file:
        file.write(sys.stdin.read().strip() + "\\n")

with open(folder + "/asked", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
parser = argparse.ArgumentParser()
nouns = parser.add_subparsers(required=True)
token = nouns.add_parser("oidc").add_subparsers(required=True).add_parser("request-token")
token.add_argument("--audience", default="")
token.add_argument("--lifetime", type=int, default=0)
token.add_argument("--claim", action="append", default=[])
token.add_argument("--subject-claim", default="")
token.set_defaults(run=request_token)
nouns.add_parser("redactor").add_subparsers(required=True).add_parser("add").set_defaults(run=redact)
options = parser.parse_args()
options.run(options)
"""


class Agent:
    """The program, and the job whose tokens it gives out."""

    def __init__(self, folder: Path, claims: Mapping[str, Any]) -> None:
        self.folder = folder
        self.says(claims)

    def says(self, claims: Mapping[str, Any]) -> None:
        """What the job's tokens say from now on, where it is asked for."""
        (self.folder / "job.json").write_text(json.dumps(dict(claims)))

    @property
    def asked(self) -> list[list[str]]:
        """The arguments of each call."""
        path = self.folder / "asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def redacted(self) -> list[str]:
        """What the redactor was told."""
        path = self.folder / "redacted"
        return path.read_text().splitlines() if path.exists() else []


def install(folder: Path, http: str, claims: Mapping[str, Any]) -> Agent:
    """Write the program into ``folder``; it asks the emulator at ``http`` for tokens that say ``claims``."""
    folder.mkdir(exist_ok=True)
    program = folder / "buildkite-agent"
    program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder), http=http))
    program.chmod(0o755)
    return Agent(folder, claims)
