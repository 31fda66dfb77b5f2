"""GitHub's jobs.

Sources: GitHub's pages "OpenID Connect reference", "Variables", "Workflow commands" and "Workflow syntax"; for the
request the toolkit's ``core.getIDToken``; actions/runner for what its worker does with variables and files.

Files go to ``RUNNER_TEMP``: the runner empties it before and after each job, two runners of a machine do not share it,
and no step publishes it by accident. The workspace, which google-github-actions/auth uses, ends up in images and
artifacts. Docker actions see the workspace and not RUNNER_TEMP: for one of these, name a file in the workspace.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from gcp_wif.ci.model import CiSystem, MissingToken, TokenRequest
from gcp_wif.errors import InputError
from gcp_wif.issuers import Tenant

if TYPE_CHECKING:
    from gcp_wif.ci.asking import Run
    from gcp_wif.ci.config import ConfigJob
    from gcp_wif.ci.export_format import ExportFile
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["SYSTEM"]

_URL, _SECRET = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_SERVER, _OWNER, _REPOSITORY = "GITHUB_SERVER_URL", "GITHUB_REPOSITORY_OWNER_ID", "GITHUB_REPOSITORY_ID"
_FILE = "GITHUB_ENV"
_CLOUD = "https://github.com"
_HOSTS = re.compile(r"(?:[a-z0-9-]+\.)*actions\.githubusercontent\.com")
_BRANCH, _TAG = "refs/heads/", "refs/tags/"
_QUOTE = "'"
_EVENTS = ("pull_request", "workflow_dispatch", "merge_group", "release")
"""Events that need no more than their name."""

_SWITCH = (
    "In the workflow, give the job (or the whole workflow) the permission:\n"
    "  permissions:\n"
    "    contents: read\n"
    "    id-token: write\n"
    "Whoever names one permission takes the others away, so contents: read stands beside it. A reusable workflow gets "
    "no more than the job that calls it has."
)
_FORKS = (
    "GitHub gives no token to workflows that a pull request of a fork or Dependabot has started: let these do without "
    "Google Cloud, or do that part in a workflow that runs after the merge."
)


class _GitHub(CiSystem):
    kind = "github"
    title = "GitHub"
    detected_by = ("GITHUB_ACTIONS",)
    asked = "GitHub's token server"
    cannot_ask = ""
    job_process = "Runner.Worker"
    token_hosts = _HOSTS
    folder_variable = "RUNNER_TEMP"
    no_exports = (
        f"GitHub's runner sets {_FILE} in each step; `sudo` and `docker run` do not pass it on. Name a file that you "
        'source, with --to PATH, or print the exports for the present shell: eval "$(gcp-wif export --to stdout)"'
    )
    config_template = "github/workflow.yml"
    init_flags = MappingProxyType({"github_repository_id": "repository_id"})
    where = MappingProxyType(
        {
            "repository_id": "gh api repos/OWNER/REPOSITORY --jq .id",
            "actor_id": "gh api users/NAME --jq .id",
            "environment": "repository Settings > Environments",
        }
    )

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        owner, url = environ.get(_OWNER), _issuer(environ.get(_SERVER, _CLOUD))
        keys = ({"owner_id": owner} if owner else {}) | ({"url": url} if url else {})
        return Tenant(self.kind, keys, _OWNER) if owner else Tenant()

    def rule(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        found = environ.get(_REPOSITORY)
        return {"repository_id": found} if found else {}

    def can_ask(self, environ: Mapping[str, str]) -> bool:
        return bool(environ.get(_URL) and environ.get(_SECRET))

    def ask(self, request: TokenRequest, environ: Mapping[str, str], run: "Run | None") -> str:
        """One GET, with the audience behind what the variable holds; the token lives for five minutes."""
        from gcp_wif.ci.asking_server import TokenServer, ask_server, check_address

        if not self.can_ask(environ):
            missing = self.missing_token(environ)
            raise InputError(f"No token can be asked for: {missing.what}.", hint=missing.hint, code="WIF208")
        url = environ[_URL]
        check_address(url, _hosts(environ), variable=_URL, system=self.title)
        url += f"{'&' if '?' in url else '?'}audience={quote(request.audience, safe='')}"
        server = TokenServer(
            self.asked,
            "value",
            refused="GitHub gives tokens to a job while it runs, and to no other. Was the address taken out of another "
            f"job?\n{_SWITCH}",
            failed="Try again; githubstatus.com says whether Actions has an incident. A runner of your own must reach "
            "*.actions.githubusercontent.com (or your server) by https; behind a proxy set HTTPS_PROXY.",
        )
        return ask_server(url, server, headers={"Authorization": f"Bearer {environ[_SECRET]}"})

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        missing = next((name for name in (_URL, _SECRET) if not environ.get(name)), _URL)
        what = f"{missing} is not set: this job has no `id-token: write` permission"
        if environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_ACTOR", "").startswith("dependabot"):
            return MissingToken(what, f"{_FORKS}\nElsewhere: {_SWITCH}")
        return MissingToken(
            what,
            f"{_SWITCH}\n{_FORKS}\n`sudo` and `docker run` do not pass variables on: hand on {_URL} and {_SECRET}.",
        )

    def mask(self, secret: str) -> str:
        r"""The value's ``%``, ``\r`` and ``\n`` are escaped, as the toolkit does; a token has none of them."""
        escaped = secret.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return f"::add-mask::{escaped}"

    def export_target(self, environ: Mapping[str, str]) -> "ExportFile | None":
        """The runner reads it when the step has ended; the step itself does not see what is in it."""
        from gcp_wif.ci.export_format import ExportFile
        from gcp_wif.ci.github_env import GITHUB_ENV

        name = environ.get(_FILE)
        return ExportFile(GITHUB_ENV, Path(name), 'eval "$(gcp-wif export --to stdout)"') if name else None

    def escape(self, text: str) -> str:
        """``${{`` begins an expression everywhere in a workflow, and an expression can print it."""
        return text.replace("${{", "${{ '${{' }}")

    def config_job(self, identity: "Identity", manifest: "Manifest") -> "ConfigJob":
        """A job that runs for what the rules admit, in the environment that they all name."""
        from gcp_wif.ci.config import ConfigJob, job_variables

        rules = [dict(rule.terms) for rule in identity.allow]
        environments = list(dict.fromkeys(rule.get("environment", "") for rule in rules))
        conditions = [_condition(rule) for rule in rules]
        values = {
            "id": f"google-cloud-{identity.name}",
            "condition": " || ".join(dict.fromkeys(conditions)) if all(conditions) else "",
            "environment": environments[0] if len(environments) == 1 else "",
            "environments": environments if len(environments) > 1 else [],
            "env": job_variables(identity, manifest),
        }
        audiences = manifest.issuer.audiences
        return ConfigJob((), values, ("--audience", audiences[0]) if audiences else ())

    def config_values(self, identities: "Sequence[Identity]") -> Mapping[str, object]:
        """When the workflow runs: for pushes of what the rules name, and for the other events that they name."""
        rules = [dict(rule.terms) for identity in identities for rule in identity.allow]
        pushed = [rule.get("ref", "") for rule in rules if rule.get("event", "push") == "push"]
        branches = [_pattern(ref.removeprefix(_BRANCH)) for ref in pushed if ref.startswith(_BRANCH)]
        tags = [_pattern(ref.removeprefix(_TAG)) for ref in pushed if ref.startswith(_TAG)]
        everywhere = not rules or any(not ref.startswith((_BRANCH, _TAG)) for ref in pushed)
        events = dict.fromkeys(rule["event"] for rule in rules if rule.get("event") in _EVENTS)
        return {
            "push": everywhere or bool(branches or tags),
            "branches": [] if everywhere else list(dict.fromkeys(branches)),
            "tags": [] if everywhere else list(dict.fromkeys(tags)),
            "events": list(events),
        }

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        return {_FILE: f"{folder}/github_env", "RUNNER_TEMP": folder}


def _condition(rule: Mapping[str, str]) -> str:
    """The expression that is true for runs that ``rule`` admits, as far as it can be written; empty for all."""
    known = {"repository_id": "github.repository_id", "event": "github.event_name", "ref": "github.ref"}
    wanted = {
        known[name]: value for name, value in rule.items() if name in known and "{{" not in value and "}}" not in value
    }
    return " && ".join(f"{name} == '{value.replace(_QUOTE, _QUOTE * 2)}'" for name, value in wanted.items())


def _pattern(name: str) -> str:
    """A branch's or tag's name in a filter, where some characters make a pattern."""
    return re.sub(r"([\\*?+\[\]!])", r"\\\1", name)


def _hosts(environ: Mapping[str, str]) -> re.Pattern[str]:
    """Hosts of the GitHub that this job belongs to: the runner lets no step change ``GITHUB_SERVER_URL``.

    github.com's are those that public logs show. Those of a server and of a data residency are assumed: its own host,
    or names below it.
    """
    host = (urlsplit(environ.get(_SERVER) or _CLOUD).hostname or "").lower()
    if host in ("", urlsplit(_CLOUD).hostname):  # with no host every name would match that ends in a dot
        return _HOSTS
    return re.compile(rf"(?:[a-z0-9-]+\.)*{re.escape(host)}")


def _issuer(server: str) -> str:
    """The issuer of a server or of a data residency, as the manifest takes it; empty for github.com."""
    return "" if server.rstrip("/") == _CLOUD else server.rstrip("/")


SYSTEM = _GitHub()
