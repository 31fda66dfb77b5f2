"""GitLab's tokens.

Sources: GitLab's page "OpenID Connect (OIDC) Authentication Using ID Tokens", and ``lib/gitlab/ci/jwt.rb`` and
``jwt_v2.rb`` of its source. ``project_*`` and ``namespace_*`` name the project whose code runs: for a merge request
from a fork that is the fork, also where the pipeline runs in the project that it goes to. ``job_project_*`` name the
project that runs the job. Servers older than these claims (2025) named the target in ``project_*``, and gave a fork's
branch as the project's own: from such a server no merge request is let in by default, and no child pipeline either. A
child of a merge request's pipeline has that branch, too, and its source is ``parent_pipeline``, whatever its parent is.

``ref`` is the bare name of a branch or of a tag, and ``ref_type`` says of which; a merge request has its source branch
there.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gcp_wif.issuers.model import Guard, Issuer, IssuerProfile, RuleAlias, RuleName, host_of, text_or_empty

__all__ = ["PROFILE", "SAMPLE_NAMESPACE", "SAMPLE_PROJECT"]

SAMPLE_NAMESPACE = "72"
SAMPLE_PROJECT = "20"

_HOST = "https://gitlab.com"
_PROJECT, _NAMESPACE, _USER = "project_id", "namespace_id", "user_id"
_RUNS, _SOURCE = "job_project_id", "pipeline_source"
_MAYBE_FORK = ("merge_request_event", "parent_pipeline")
"""The sources of pipelines that may be of a fork's merge request, where no claim tells."""
_PROTECTED = "ref_protected"
_DIGITS = re.compile(r"[0-9]{1,20}")
_ID_WORDS = "an ID: digits, in quotes"
_REF_PRESENT = (
    "'ref' in assertion && type(assertion.ref) == string && 'ref_type' in assertion"
    " && type(assertion.ref_type) == string && assertion.ref_type in ['branch', 'tag']"
)


class _GitLab(IssuerProfile):
    kind = "gitlab"
    title = "GitLab"
    names = (
        RuleName(_PROJECT, _PROJECT, "id", immutable=True, form=_DIGITS, words=_ID_WORDS),
        RuleName(_NAMESPACE, _NAMESPACE, "id", immutable=True, form=_DIGITS, words=_ID_WORDS),
        RuleName(_USER, _USER, "id", immutable=True, form=_DIGITS, words=_ID_WORDS),
        RuleName(_PROTECTED, _PROTECTED, "id", form=re.compile("true|false"), words="true or false", flag=True),
        RuleName(_SOURCE, _SOURCE, "id", form=re.compile(r"[a-z_]+"), words='a source, as in "push"'),
        RuleName("environment", "environment"),
        RuleName(
            "ref", "ref", form=re.compile(r"refs/(?:heads|tags)/.+", re.DOTALL),
            words='a whole ref, as in "refs/heads/main"',
            value="(assertion.ref_type == 'tag' ? 'refs/tags/' : 'refs/heads/') + assertion.ref", present=_REF_PRESENT,
        ),
    )  # fmt: skip
    aliases = (
        RuleAlias("branch", (("ref", "refs/heads/{}"),), bare="refs/", whole="ref"),
        RuleAlias("tag", (("ref", "refs/tags/{}"),), bare="refs/", whole="ref"),
    )
    one_of = (_PROJECT, _NAMESPACE)
    too_wide = "every project of the server"
    patterns = "*?["
    guards = (
        Guard(
            "allow_fork_merge_requests", "fork_merge_requests", _RUNS,
            f"('{_RUNS}' in assertion ? '{_PROJECT}' in assertion && assertion.{_RUNS} == assertion.{_PROJECT}"
            f" : '{_SOURCE}' in assertion && type(assertion.{_SOURCE}) == string"
            f" && !(assertion.{_SOURCE} in {list(_MAYBE_FORK)}))",
            None,
            "jobs of merge requests from forks",
            "another project than the one whose code it is runs them, and its people see the token",
        ),
    )  # fmt: skip
    subject = f"'project/' + {text_or_empty(_PROJECT)} + '/user/' + {text_or_empty(_USER)}"
    subject_advice = (
        f"google.subject={subject}",
        "or let the project give a shorter sub: its API has ci_id_token_sub_claim_components, such as project_path.",
    )
    telling = (_PROJECT, _NAMESPACE, "ref", "ref_type", _PROTECTED, "environment", _SOURCE, _RUNS)
    tenant_wide = ("aud", "iss")
    personal = (_USER, "user_login", "user_email")
    marks = ("project_path", "namespace_path", "ref_type", _SOURCE)
    root = _HOST

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        base = (url or _HOST).rstrip("/")
        pins = self.shared_tenant_claims(base)
        return Issuer(self.kind, base, audiences or (), MappingProxyType(dict(keys)), tenant_claims=pins)

    def shared_tenant_claims(self, url: str) -> tuple[str, ...]:
        return (_NAMESPACE, _PROJECT) if host_of(url) == host_of(_HOST) else ()

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        return {} if url == _HOST else None

    def rule_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        project, ref, kind = (claims.get(name) for name in (_PROJECT, "ref", "ref_type"))
        if not isinstance(project, str):
            return {}
        named = isinstance(ref, str) and kind in ("branch", "tag")
        return {_PROJECT: project, **({str(kind): str(ref)} if named else {})}

    def stopped_by(self, claims: Mapping[str, Any]) -> Guard | None:
        stopped = claims[_RUNS] != claims.get(_PROJECT) if _RUNS in claims else claims.get(_SOURCE) in _MAYBE_FORK
        return self.guards[0] if stopped else None

    def sample(self, claims: Mapping[str, Any], now: int) -> dict[str, Any]:  # type: ignore[override]  # takes no options
        """As GitLab's page lists them, of a push to main.

        ``project_id``, ``project_path``, ``ref`` and ``ref_type`` shape the claims that repeat them.
        """
        given = dict(claims)
        path, ref = str(given.get("project_path", "my-group/my-project")), str(given.get("ref", "main"))
        kind = str(given.get("ref_type", "branch"))
        project = given.get(_PROJECT, SAMPLE_PROJECT)
        namespace = given.get(_NAMESPACE, SAMPLE_NAMESPACE)
        made: dict[str, Any] = {
            "iss": _HOST,
            "aud": _HOST,
            "sub": f"project_path:{path}:ref_type:{kind}:ref:{ref}",
            "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
            "iat": now,
            "nbf": now - 5,
            "exp": now + 3600,
            _NAMESPACE: SAMPLE_NAMESPACE,
            "namespace_path": path.rpartition("/")[0],
            _PROJECT: SAMPLE_PROJECT,
            "project_path": path,
            _RUNS: project,
            "job_project_path": path,
            "job_namespace_id": namespace,
            "job_namespace_path": path.rpartition("/")[0],
            _USER: "1",
            "user_login": "sample-user",
            "user_email": "sample-user@example.com",
            "user_access_level": "developer",
            "pipeline_id": "574",
            _SOURCE: "push",
            "job_id": "302",
            "ref": ref,
            "ref_type": kind,
            "ref_path": f"refs/{'tags' if kind == 'tag' else 'heads'}/{ref}",
            "ref_protected": "true",
            "runner_id": 1,
            "runner_environment": "gitlab-hosted",
            "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
            "project_visibility": "private",
            "ci_config_ref_uri": f"gitlab.com/{path}//.gitlab-ci.yml@refs/heads/main",
            "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        } | given
        if made.get("environment"):
            made = {"environment_protected": "false", "deployment_tier": "production"} | made
        return {name: value for name, value in made.items() if value is not None}

    def issuer_at(self, path: str) -> str | None:
        return _HOST if not path else None


PROFILE = _GitLab()
