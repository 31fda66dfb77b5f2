"""GitHub's tokens.

Sources: GitHub's pages "OpenID Connect reference", "OpenID Connect" and "Events that trigger workflows" (github/docs,
2026). One issuer signs for everybody on github.com, so each provider demands the ID of one owner. ``sub`` has two
forms: ``repo:OWNER/REPO:…`` and, for repositories made, renamed or transferred after 15 July 2026 and for those that
chose it, ``repo:OWNER@ID/REPO@ID:…``; it can be customised, too, and is longer than 127 bytes where names are. Nothing
here reads it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from gcp_wif.issuers.model import (
    Guard,
    Issuer,
    IssuerKey,
    IssuerProfile,
    Mismatch,
    RuleAlias,
    RuleName,
    host_of,
    text_or_empty,
)

__all__ = ["PROFILE", "SAMPLE_OWNER", "SAMPLE_REPOSITORY"]

SAMPLE_OWNER = "9919"
SAMPLE_REPOSITORY = "559365297"

_HOST = "https://token.actions.githubusercontent.com"
_OWNER, _REPOSITORY, _EVENT = "repository_owner_id", "repository_id", "event_name"
_SLUG = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,59})"
_CLOUD = re.compile(
    rf"https://token\.actions\.(?:githubusercontent\.com|(?P<tenant>[a-z0-9-]+)\.ghe\.com)(?:/(?P<slug>{_SLUG}))?"
)
_SERVER = re.compile(r"https://(?P<host>[^/]+)/_services/token")
_WELL_KNOWN = re.compile(rf"(?:/{_SLUG})?")
_DIGITS = re.compile(r"[0-9]{1,20}")
_ID_WORDS = "an ID: digits, in quotes"
_PULL = "pull_request_target"


class _GitHub(IssuerProfile):
    kind = "github"
    title = "GitHub"
    keys = (IssuerKey("owner_id", _DIGITS, _ID_WORDS, "gh api users/OWNER --jq .id"),)
    names = (
        RuleName("repository_id", _REPOSITORY, "id", immutable=True, form=_DIGITS, words=_ID_WORDS),
        RuleName("actor_id", "actor_id", "id", immutable=True, form=_DIGITS, words=_ID_WORDS),
        RuleName("event", _EVENT, "id", form=re.compile(r"[a-z_]+"), words='an event, as in "push"'),
        RuleName("repository", "repository", form=re.compile(r"[^/]+/[^/]+"), words='as in "OWNER/REPOSITORY"'),
        RuleName("environment", "environment"),
        RuleName("ref", "ref", form=re.compile(r"refs/.+", re.DOTALL), words='a whole ref, as in "refs/heads/main"'),
        RuleName(
            "workflow_ref", "workflow_ref", form=re.compile(r"[^/]+/[^/]+/.+@.+", re.DOTALL),
            words='as in "OWNER/REPOSITORY/.github/workflows/deploy.yml@refs/heads/main"',
        ),
        RuleName(
            "job_workflow_ref", "job_workflow_ref", form=re.compile(r"[^/]+/[^/]+/.+@.+", re.DOTALL),
            words='as in "OWNER/REPOSITORY/.github/workflows/reusable.yml@refs/heads/main"',
        ),
    )  # fmt: skip
    aliases = (
        RuleAlias("branch", (("ref", "refs/heads/{}"),), bare="refs/", whole="ref"),
        RuleAlias("tag", (("ref", "refs/tags/{}"),), bare="refs/", whole="ref"),
    )
    one_of = ("repository_id", "repository", "workflow_ref", "job_workflow_ref")
    too_wide = "every repository of the owner"
    patterns = "*?["
    guards = (
        Guard(
            "allow_pull_request_target", "pull_request_target", _EVENT,
            f"'{_EVENT}' in assertion && type(assertion.{_EVENT}) == string && assertion.{_EVENT} != '{_PULL}'", _PULL,
            f"jobs of the event {_PULL}",
            "anybody can open a pull request from a fork, and these jobs run for it as if for the default branch",
        ),
    )  # fmt: skip
    subject = (
        f"'owner/' + {text_or_empty(_OWNER)} + '/repository/' + {text_or_empty(_REPOSITORY)}"
        f" + '/actor/' + {text_or_empty('actor_id')}"
    )
    subject_advice = (
        f"google.subject={subject}",
        "IDs stay the same when a repository is renamed; sub has names in it, and has two forms.",
    )
    telling = (_REPOSITORY, "repository", "ref", "environment", _EVENT, _OWNER)
    tenant_wide = ("aud", "iss", _OWNER, "repository_owner", "enterprise", "enterprise_id")
    personal = ("actor", "actor_id")
    marks = (_OWNER, "workflow_ref")
    root = _HOST
    sample_options = MappingProxyType({"subject": ("names", "ids")})

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        tenant = ((_OWNER, keys["owner_id"]),)
        return Issuer(self.kind, _issuer_of(url or _HOST), audiences or (), MappingProxyType(dict(keys)), tenant)

    def shared_tenant_claims(self, url: str) -> tuple[str, ...]:
        return (_OWNER, _REPOSITORY, "enterprise_id") if host_of(url) == host_of(_HOST) else ()

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        if url == _HOST:
            return {}
        return {"url": url} if _CLOUD.fullmatch(url) or _SERVER.fullmatch(url) else None

    def tenant_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        found = claims.get(_OWNER)
        return {"owner_id": found} if isinstance(found, str) and found else {}

    def rule_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        repository, ref, environment = (claims.get(name) for name in (_REPOSITORY, "ref", "environment"))
        if not isinstance(repository, str):
            return {}
        if isinstance(environment, str):
            return {"repository_id": repository, "environment": environment}
        if not isinstance(ref, str):
            return {"repository_id": repository}
        for alias, prefix in (("branch", "refs/heads/"), ("tag", "refs/tags/")):
            if ref.startswith(prefix):
                return {"repository_id": repository, alias: ref.removeprefix(prefix)}
        return {"repository_id": repository, "ref": ref}

    def explain_issuer(self, found: str, wanted: str) -> Mismatch | None:
        if self.keys_of_url(found) is None or self.keys_of_url(wanted) is None:
            return None
        ours, theirs = _CLOUD.fullmatch(found), _CLOUD.fullmatch(wanted)
        if ours is None or theirs is None or ours["tenant"] != theirs["tenant"]:
            return Mismatch("The token is of another GitHub than the provider trusts.", other_tenant=True)
        if theirs["slug"] is None:
            return Mismatch(
                "The token's issuer ends in the enterprise's slug: the enterprise has switched this on "
                "(include_enterprise_slug). The provider wants the issuer without it."
            )
        if ours["slug"] is None:
            return Mismatch(
                "The provider wants the enterprise's own issuer, with its slug, which the enterprise has to switch on "
                "(include_enterprise_slug). This token has the common one."
            )
        return Mismatch("The token is of another GitHub enterprise than the provider trusts.", other_tenant=True)

    def sample(self, claims: Mapping[str, Any], now: int, *, subject: str = "names") -> dict[str, Any]:  # type: ignore[override]  # narrower options, checked by sample_options
        """As GitHub's page lists them, of a job that somebody's push started.

        ``repository``, ``ref``, ``environment`` and ``event_name`` shape the claims that repeat them.
        """
        given = dict(claims)
        repository = str(given.get("repository", "octo-org/octo-repo"))
        owner = str(given.get("repository_owner", repository.partition("/")[0]))
        ref = str(given.get("ref", "refs/heads/main"))
        made: dict[str, Any] = {
            "iss": _HOST,
            "aud": f"https://github.com/{owner}",
            "jti": "6f4762ed-0758-4ccb-808d-ee3af5d723a8",
            "iat": now,
            "nbf": now - 300,
            "exp": now + 300,
            "actor": "octocat",
            "actor_id": "583231",
            "base_ref": "",
            "check_run_id": "45263415678",
            "event_name": "push",
            "head_ref": "",
            "job_workflow_ref": f"{repository}/.github/workflows/deploy.yml@{ref}",
            "job_workflow_sha": "0" * 40,
            "ref": ref,
            "ref_protected": "true",
            "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
            "repository": repository,
            "repository_id": SAMPLE_REPOSITORY,
            "repository_owner": owner,
            "repository_owner_id": SAMPLE_OWNER,
            "repository_visibility": "private",
            "run_attempt": "1",
            "run_id": "15862345678",
            "run_number": "10",
            "runner_environment": "github-hosted",
            "sha": "0" * 40,
            "workflow": "deploy",
            "workflow_ref": f"{repository}/.github/workflows/deploy.yml@{ref}",
            "workflow_sha": "0" * 40,
        } | given
        made.setdefault("sub", _sub(made, ids=subject == "ids"))
        return {name: value for name, value in made.items() if value is not None}

    def issuer_at(self, path: str) -> str | None:
        return _HOST + path if _WELL_KNOWN.fullmatch(path) else None


def _issuer_of(url: str) -> str:
    """The issuer that a person means by it: that of a server or of a data residency is often given by its bare host."""
    parts = urlsplit(url)
    if parts.path not in ("", "/") or _CLOUD.fullmatch(url.rstrip("/")):
        return url.rstrip("/")
    if parts.netloc.endswith(".ghe.com"):
        return f"https://token.actions.{parts.netloc}"
    return f"https://{parts.netloc}/_services/token"


def _sub(claims: Mapping[str, Any], *, ids: bool) -> str:
    """GitHub's default subject, with names alone or with names and IDs."""
    owner, _, name = str(claims["repository"]).partition("/")
    if ids:
        owner, name = f"{owner}@{claims[_OWNER]}", f"{name}@{claims[_REPOSITORY]}"
    if claims.get("environment"):
        context = f"environment:{str(claims['environment']).replace(':', '%3A')}"
    elif str(claims[_EVENT]) in ("pull_request", _PULL):
        context = "pull_request"
    else:
        context = f"ref:{str(claims['ref']).replace(':', '%3A')}"
    return f"repo:{owner}/{name}:{context}"


PROFILE = _GitHub()
