"""CircleCI's tokens.

Sources: CircleCI's pages "Using OpenID Connect tokens in jobs" and "OIDC tokens with custom claims". V1's ``sub`` has
exactly the 127 bytes that google.subject may have; V2's goes on with origin and ref. Both carry the same claims. Builds
of forks get tokens where the project passes secrets to them, with the fork as origin and ``refs/heads/pull/NUMBER`` as
ref (as a public verifier of such tokens notes; CircleCI's page says to check the origin). An image is pulled
by V2 ("Pull an image from GCP Artifact Registry with OIDC").
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from gcp_wif.issuers.model import UUID, Guard, Issuer, IssuerKey, IssuerProfile, Mismatch, RuleAlias, RuleName, host_of

__all__ = ["PROFILE", "SAMPLE_ORGANIZATION", "SAMPLE_PROJECT", "SAMPLE_USER"]

SAMPLE_ORGANIZATION = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
SAMPLE_PROJECT = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
SAMPLE_USER = "c0ffee00-1234-4abc-9def-0123456789ab"

_HOST = "https://oidc.circleci.com"
_CLAIM = "oidc.circleci.com/"
_ORGANIZATION, _PROJECT, _CONTEXTS = f"{_CLAIM}org-id", f"{_CLAIM}project-id", f"{_CLAIM}context-ids"
_ORIGIN, _REF, _SSH = f"{_CLAIM}vcs-origin", f"{_CLAIM}vcs-ref", f"{_CLAIM}ssh-rerun"
_ISSUER = re.compile(r"https://[^/]+/org/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_WELL_KNOWN = re.compile(r"/org/[0-9a-f-]{36}|")
_UUID_WORDS = "a UUID in lower case, as tokens have it"
_FIELDS = "assertion.sub.split('/')"


def _id(name: str, claim: str) -> RuleName:
    return RuleName(name, claim, "id", immutable=True, form=UUID, words=_UUID_WORDS)


_FORKS = (
    "a rule without `branch`, `tag`, `ref` or `origin` admits builds of forks where the project passes secrets to "
    "them, and whoever opens a pull request decides what runs there. Leave that setting off, or name one of these: "
    "a fork's builds say its own origin, and pull/NUMBER for the branch."
)


class _CircleCI(IssuerProfile):
    kind = "circleci"
    title = "CircleCI"
    keys = (IssuerKey("organization_id", UUID, "a UUID in lower case", "Organization Settings > Overview"),)
    names = (
        _id("project", _PROJECT),
        _id("pipeline_definition", f"{_CLAIM}pipeline-definition-id"),
        # In no claim of its own: org/ORG/project/PROJECT/user/USER, and in V2 more after it.
        _id("user", "sub")._replace(value=f"{_FIELDS}[5]", present=f"{_FIELDS}.size() > 5 && {_FIELDS}[4] == 'user'"),
        RuleName("origin", _ORIGIN),
        RuleName("ref", _REF, form=re.compile(r"refs/.+", re.DOTALL), words='a whole ref, as in "refs/heads/main"'),
        _id("context", _CONTEXTS)._replace(shape="list"),
    )
    aliases = (
        RuleAlias("branch", (("ref", "refs/heads/{}"),), bare="refs/", whole="ref"),
        RuleAlias("tag", (("ref", "refs/tags/{}"),), bare="refs/", whole="ref"),
    )
    one_of = ("project", "context", "origin", "pipeline_definition")
    too_wide = "the whole organisation"
    patterns = "*?["
    guards = (
        Guard(
            "allow_ssh_rerun", "ssh", _SSH, f"(!('{_SSH}' in assertion) || assertion['{_SSH}'] == false)", True,
            "jobs that somebody re-ran with SSH", "a person is inside them, with the job's credentials in hand",
        ),
    )  # fmt: skip
    subject = "assertion.sub.contains('/vcs-origin/') ? assertion.sub.extract('{v1}/vcs-origin/') : assertion.sub"
    subject_advice = (
        f"google.subject={subject}",
        "or use CIRCLE_OIDC_TOKEN instead of CIRCLE_OIDC_TOKEN_V2: it has the same claims, and its sub fits.",
    )
    telling = (_PROJECT, _REF, _CONTEXTS, _SSH)
    tenant_wide = ("aud", "iss", _ORGANIZATION)
    root = _HOST
    sample_options = MappingProxyType({"version": (1, 2)})
    pulls_images = True

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        organization = keys["organization_id"]
        base = url or f"{_HOST}/org/{organization}"
        if base.rstrip("/") != _HOST and urlsplit(base).path in ("", "/"):  # a server, by its bare host
            base = f"{base.rstrip('/')}/org/{organization}"
        named = base.endswith(f"/org/{organization}")
        tenant = () if named else ((_ORGANIZATION, organization),)
        chosen = audiences if audiences is not None else (organization,)
        return Issuer(self.kind, base, chosen, MappingProxyType(dict(keys)), tenant)

    def pull_problem(self, issuer: Issuer, subject: str | None) -> str | None:
        """CircleCI's page "Pull an image from GCP Artifact Registry with OIDC": its cloud does it, by the V2 token."""
        organization = str(issuer.keys["organization_id"])
        own = f"{_HOST}/org/{organization}"
        if issuer.url != own:
            return f"is pulled by a token of {own}, but the issuer is {issuer.url}."
        if organization not in issuer.audiences:
            return f'is pulled by a token whose audience is the organisation: add "{organization}" to issuer.audience.'
        if subject is not None and subject.strip() == "assertion.sub":
            return "is pulled by a V2 token, whose sub exceeds the 127 bytes of google.subject: map something shorter."
        return None

    def rule_warning(self, names: frozenset[str]) -> str | None:
        if not names & {"project", "pipeline_definition"}:
            listed = ", ".join(sorted(names))
            return f"a rule without `project` holds for every project of the organisation ({listed})."
        if not names & {"origin", "ref"}:
            return _FORKS
        return super().rule_warning(names)

    def shared_tenant_claims(self, url: str) -> tuple[str, ...]:
        shared = host_of(url) == host_of(_HOST) and not _ISSUER.fullmatch(url)
        return (_ORGANIZATION, _PROJECT, f"{_CLAIM}pipeline-definition-id") if shared else ()

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        match = _ISSUER.fullmatch(url)
        if match is None:
            return {} if url == _HOST else None
        own = {} if url.startswith(f"{_HOST}/") else {"url": url}
        return {"organization_id": match[1], **own}

    def tenant_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        claimed, issuer = claims.get(_ORGANIZATION), claims.get("iss")
        match = _ISSUER.fullmatch(issuer) if isinstance(issuer, str) else None
        found = claimed if isinstance(claimed, str) and claimed else match[1] if match else None
        return {"organization_id": found.lower()} if found else {}

    def subject_of(self, claims: Mapping[str, Any]) -> str | None:
        found = claims.get("sub")
        return found.partition("/vcs-origin/")[0] if isinstance(found, str) else None

    def contradiction(self, claims: Mapping[str, Any]) -> str | None:
        claimed, issuer = claims.get(_ORGANIZATION), claims.get("iss")
        match = _ISSUER.fullmatch(issuer) if isinstance(issuer, str) else None
        if match is None or not isinstance(claimed, str) or match[1].lower() == claimed.lower():
            return None
        return f"its issuer names organisation {match[1]}, its claim {_ORGANIZATION} names {claimed}"

    def rule_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        project, ref = claims.get(_PROJECT), claims.get(_REF)
        if not isinstance(project, str):
            return {}
        if not isinstance(ref, str):
            return {"project": project}
        for alias, prefix in (("branch", "refs/heads/"), ("tag", "refs/tags/")):
            if ref.startswith(prefix):
                return {"project": project, alias: ref.removeprefix(prefix)}
        return {"project": project, "ref": ref}

    def explain_issuer(self, found: str, wanted: str) -> Mismatch | None:
        ours, theirs = _ISSUER.fullmatch(found), _ISSUER.fullmatch(wanted)
        if ours and theirs and ours[1].lower() != theirs[1].lower():
            why = "The token is of another CircleCI organisation than the provider trusts."
            return Mismatch(why, other_tenant=True)
        if theirs and found == wanted.partition("/org/")[0]:
            return Mismatch("A token of the root issuer (--root-issuer); the provider wants the organisation's own.")
        return None

    def sample(self, claims: Mapping[str, Any], now: int, *, version: int = 1) -> dict[str, Any]:  # type: ignore[override]  # narrower options, checked by sample_options
        """As CircleCI's page lists them; ``org``, ``project`` and ``user`` shape the claims that hold them."""
        import uuid  # no job makes a sample

        given = dict(claims)
        organization = str(given.pop("org", SAMPLE_ORGANIZATION))
        project = str(given.pop("project", SAMPLE_PROJECT))
        user = str(given.pop("user", SAMPLE_USER))
        ids = ("job-id", "workflow-id", "pipeline-id", "pipeline-definition-id")
        made: dict[str, Any] = {
            "iss": f"{_HOST}/org/{organization}",
            "aud": organization,
            "sub": f"org/{organization}/project/{project}/user/{user}",
            "iat": now,
            "exp": now + 3600,
            _ORGANIZATION: organization,
            _PROJECT: project,
            _CONTEXTS: [],
            **{f"{_CLAIM}{name}": str(uuid.UUID(int=number)) for number, name in enumerate(ids, 1)},
            _ORIGIN: "github.com/acme/app",
            _REF: "refs/heads/main",
            _SSH: False,
        } | given
        origin, ref = made[_ORIGIN], made[_REF]
        if version == 2 and origin and ref and "sub" not in given:
            made["sub"] += f"/vcs-origin/{origin}/vcs-ref/{ref}"
        return {name: value for name, value in made.items() if value is not None}

    def issuer_at(self, path: str) -> str | None:
        return _HOST + path if _WELL_KNOWN.fullmatch(path) else None


PROFILE = _CircleCI()
