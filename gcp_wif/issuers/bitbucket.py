"""Bitbucket's tokens.

Sources: Atlassian's page "Integrate Pipelines with resource servers using OIDC", and the claims as Teleport reads them
(lib/bitbucket/bitbucket.go). The issuer's URL holds the workspace's name, which can be taken by somebody else after a
rename, so ``workspaceUuid`` is demanded as well. UUIDs keep their braces. ``sub`` has at most 116 bytes and is new in
each step: ``{REPOSITORY}:{STEP}``, in a deployment ``{REPOSITORY}:{ENVIRONMENT}:{STEP}``.

Not documented: how long a token lives, and what ``branchName`` says where no branch is built (a tag).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gcp_wif.issuers.model import UUID, Issuer, IssuerKey, IssuerProfile, Mismatch, RuleName, host_of

__all__ = ["PROFILE", "audience_of"]

_HOST = "https://api.bitbucket.org"
_PATH = re.compile(r"/2\.0/workspaces/([A-Za-z0-9_-]+)/pipelines-config/identity/oidc")
_BRACED = re.compile(r"\{" + UUID.pattern + r"\}")
_BRACED_WORDS = "a UUID in lower case and in braces, as tokens have it: {xxxxxxxx-…}"
_WORKSPACE, _REPOSITORY, _ENVIRONMENT = "workspaceUuid", "repositoryUuid", "deploymentEnvironmentUuid"
_BRANCH, _STEP = "branchName", "stepUuid"
_PAGE = "Repository settings > OpenID Connect"


def _id(name: str, claim: str) -> RuleName:
    return RuleName(name, claim, "id", immutable=True, form=_BRACED, words=_BRACED_WORDS)


def audience_of(workspace_uuid: str) -> str:
    """What tokens of a workspace say in ``aud`` unless the step names audiences of its own."""
    return f"ari:cloud:bitbucket::workspace/{workspace_uuid.strip('{}')}"


class _Bitbucket(IssuerProfile):
    kind = "bitbucket"
    title = "Bitbucket"
    keys = (
        IssuerKey(
            "workspace", re.compile(r"[a-z0-9_-]{1,62}"), "a workspace's ID: lower case letters, digits, - and _",
            "the first name in the URL, bitbucket.org/WORKSPACE; in a step echo $BITBUCKET_WORKSPACE",
        ),
        IssuerKey(
            "workspace_uuid", _BRACED, _BRACED_WORDS,
            f"{_PAGE}, at the end of the audience, or "
            'curl https://api.bitbucket.org/2.0/workspaces/WORKSPACE, its "uuid"',
        ),
    )  # fmt: skip
    names = (
        _id("repository_uuid", _REPOSITORY),
        _id("deployment_environment_uuid", _ENVIRONMENT),
        RuleName("branch", _BRANCH),
    )
    one_of = ("repository_uuid", "deployment_environment_uuid")
    too_wide = "the whole workspace"
    telling = (_REPOSITORY, _BRANCH, _ENVIRONMENT)
    tenant_wide = ("aud", "iss", _WORKSPACE)
    hosts = ("api.bitbucket.org",)

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        base = url or f"{_HOST}/2.0/workspaces/{keys['workspace']}/pipelines-config/identity/oidc"
        uuid = keys["workspace_uuid"]
        chosen = audiences if audiences is not None else (audience_of(uuid),)
        return Issuer(self.kind, base, chosen, MappingProxyType(dict(keys)), ((_WORKSPACE, uuid),))

    def shared_tenant_claims(self, url: str) -> tuple[str, ...]:
        return (_WORKSPACE, _REPOSITORY) if host_of(url) == host_of(_HOST) else ()

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        found = _PATH.fullmatch(url.removeprefix(_HOST)) if url.startswith(_HOST) else None
        return {"workspace": found[1]} if found else None

    def tenant_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        issuer, uuid = claims.get("iss"), claims.get(_WORKSPACE)
        found = dict(self.keys_of_url(issuer) or {}) if isinstance(issuer, str) else {}
        return found | ({"workspace_uuid": uuid} if isinstance(uuid, str) and uuid else {})

    def rule_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        found = {each.name: claims.get(each.claim) for each in self.names}
        rule = {name: value for name, value in found.items() if isinstance(value, str) and value}
        return rule if "repository_uuid" in rule else {}

    def explain_issuer(self, found: str, wanted: str) -> Mismatch | None:
        ours, theirs = self.keys_of_url(found), self.keys_of_url(wanted)
        if not ours or not theirs or ours == theirs:
            return None
        why = (
            f"The token is of the Bitbucket workspace {ours['workspace']}, and the provider trusts "
            f"{theirs['workspace']}. Where the workspace was renamed, its issuer's URL has changed with it."
        )
        return Mismatch(why, other_tenant=True)

    def sample(self, claims: Mapping[str, Any], now: int) -> dict[str, Any]:  # type: ignore[override]  # takes no options
        """As Atlassian's page shows them; ``workspace`` shapes the issuer's URL."""
        given = dict(claims)
        workspace = given.pop("workspace", "acme")
        made: dict[str, Any] = {
            "iss": f"{_HOST}/2.0/workspaces/{workspace}/pipelines-config/identity/oidc",
            "iat": now,
            "exp": now + 3600,
            _WORKSPACE: "{6f1d2c3b-0a9b-4c8d-8e7f-1a2b3c4d5e6f}",
            _REPOSITORY: "{b1c2d3e4-1111-4222-8333-444455556666}",
            "pipelineUuid": "{00000000-0000-4000-8000-000000000001}",
            _STEP: "{00000000-0000-4000-8000-000000000002}",
            _BRANCH: "main",
            **given,
        }
        made.setdefault("aud", audience_of(str(made[_WORKSPACE])))
        parts = (made.get(_REPOSITORY), made.get(_ENVIRONMENT), made.get(_STEP))
        made.setdefault("sub", ":".join(str(each) for each in parts if each is not None))
        return {name: value for name, value in made.items() if value is not None}

    def issuer_at(self, path: str) -> str | None:
        return _HOST + path if _PATH.fullmatch(path) else None


PROFILE = _Bitbucket()
