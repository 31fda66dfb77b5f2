"""Buildkite's tokens.

Source: Buildkite's page "buildkite-agent oidc". One issuer signs for every organisation. Slugs and branches are names;
the IDs are in a token only where the job asks for them. A build that has a tag is a build of that tag, as in ``sub``:
the page gives its ref as ``refs/tags/TAG``, and a tag that is pushed also stands in ``build_branch`` ("Environment
variables", BUILDKITE_BRANCH). ``sub`` holds slugs, ref, commit and step key, so it can have any length.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gcp_wif.issuers.model import UUID, Issuer, IssuerKey, IssuerProfile, RuleAlias, RuleName, host_of

__all__ = ["OPTIONAL_CLAIMS", "PROFILE"]

OPTIONAL_CLAIMS = (
    "organization_id", "pipeline_id", "build_id", "cluster_id", "cluster_name", "queue_id", "queue_key",
)  # fmt: skip
"""The claims that a token has only where it was asked for with ``--claim``."""

_ISSUER = "https://agent.buildkite.com"
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_SLUG_WORDS = "a slug: letters, digits, - and _, as it stands in Buildkite's URLs"
_UUID_WORDS = "a UUID in lower case, as tokens have it"
_FORKS = (
    "no claim tells a build of a fork's pull request from others, and it says the fork's branch name. In the settings "
    'of each pipeline leave "Build pull requests from third-party forked repositories" off, or switch on "Prefix '
    'third-party fork branch names" and name a branch in each rule.'
)
_SLUG_ALONE = (
    "organization_slug is a name, and whoever takes it after a rename or a deletion is admitted. organization_id never "
    "changes hands."
)
_SAMPLE_ORGANIZATION = "f892efa9-103e-4d28-97a1-3b8616a0994d"
_SAMPLE_PIPELINE = "0184990a-4782-42b5-afc1-16715b10b1f0"


def _id(name: str) -> RuleName:
    return RuleName(name, name, "id", immutable=True, form=UUID, words=_UUID_WORDS)


class _Buildkite(IssuerProfile):
    kind = "buildkite"
    title = "Buildkite"
    keys = (
        IssuerKey(
            "organization_id", UUID, "a UUID in lower case",
            "Settings > Organization Settings; in a job echo $BUILDKITE_ORGANIZATION_ID", instead="organization_slug",
        ),
        IssuerKey(
            "organization_slug", _SLUG, _SLUG_WORDS, "the first name in the URL, buildkite.com/SLUG", required=False
        ),
    )  # fmt: skip
    names = (
        _id("pipeline_id"),
        _id("cluster_id"),
        _id("queue_id"),
        RuleName("pipeline", "pipeline_slug", "id", form=_SLUG, words=_SLUG_WORDS),
        RuleName("step_key", "step_key"),
        RuleName(
            "ref",
            "build_branch",
            form=re.compile(r"refs/(?:heads|tags)/.+", re.DOTALL),
            words='a whole ref, as in "refs/heads/main"',
            value="('build_tag' in assertion ? 'refs/tags/' + assertion['build_tag'] "
            ": 'refs/heads/' + assertion['build_branch'])",
            present="('build_tag' in assertion ? type(assertion['build_tag']) == string "
            ": 'build_branch' in assertion && type(assertion['build_branch']) == string)",
        ),
    )
    aliases = (
        RuleAlias("branch", (("ref", "refs/heads/{}"),), bare="refs/", whole="ref"),
        RuleAlias("tag", (("ref", "refs/tags/{}"),), bare="refs/", whole="ref"),
    )
    one_of = ("pipeline_id", "pipeline", "cluster_id", "queue_id")
    too_wide = "the whole organisation"
    subject = "assertion.job_id"
    subject_advice = ("google.subject=assertion.job_id, which is a UUID.",)
    telling = ("pipeline_slug", "pipeline_id", "build_branch", "build_tag", "step_key")
    tenant_wide = ("aud", "iss", "organization_id", "organization_slug")
    root = _ISSUER

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        tenant = tuple((name, keys[name]) for name in ("organization_id", "organization_slug") if name in keys)
        return Issuer(self.kind, url or _ISSUER, audiences or (), MappingProxyType(dict(keys)), tenant)

    def issuer_warnings(self, issuer: Issuer) -> tuple[str, ...]:
        return (_FORKS,) if "organization_id" in issuer.keys else (_SLUG_ALONE, _FORKS)

    def rule_warning(self, names: frozenset[str]) -> str | None:
        if not names & {"pipeline_id", "pipeline"}:
            listed = ", ".join(sorted(names))
            return f"a rule without `pipeline_id` holds for every pipeline of that cluster or queue ({listed})."
        return super().rule_warning(names)

    def shared_tenant_claims(self, url: str) -> tuple[str, ...]:
        shared = host_of(url) == host_of(_ISSUER)
        return ("organization_id", "pipeline_id", "cluster_id", "queue_id") if shared else ()

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        return {} if url == _ISSUER else None

    def tenant_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        found = {name: claims.get(name) for name in ("organization_id", "organization_slug")}
        return {name: value for name, value in found.items() if isinstance(value, str) and value}

    def subject_of(self, claims: Mapping[str, Any]) -> str | None:
        found = claims.get("job_id")
        return found if isinstance(found, str) else None

    def rule_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        for name, claim in (("pipeline_id", "pipeline_id"), ("pipeline", "pipeline_slug")):
            if isinstance(claims.get(claim), str):
                rule = {name: claims[claim]}
                break
        else:
            return {}
        for name, claim in (("tag", "build_tag"), ("branch", "build_branch")):
            if isinstance(claims.get(claim), str):
                return {**rule, name: claims[claim]}
        return rule

    def sample(self, claims: Mapping[str, Any], now: int) -> dict[str, Any]:  # type: ignore[override]  # takes no options
        """As Buildkite's page lists them, with the two IDs that jobs of ours ask for."""
        made: dict[str, Any] = {
            "iss": _ISSUER,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "organization_slug": "acme-inc",
            "pipeline_slug": "super-duper-app",
            "build_number": 1,
            "build_branch": "main",
            "build_commit": "9f3182061f1e2cca4702c368cbc039b7dc9d4485",
            "step_key": "build",
            "job_id": "0184990a-477b-4fa8-9968-496074483cee",
            "agent_id": "0184990a-4782-42b5-afc1-16715b10b8ff",
            "build_source": "webhook",
            "runner_environment": "self-hosted",
            "organization_id": _SAMPLE_ORGANIZATION,
            "pipeline_id": _SAMPLE_PIPELINE,
            **claims,
        }
        made.setdefault("aud", f"https://buildkite.com/{made['organization_slug']}")
        tag = made.get("build_tag")
        ref = f"refs/tags/{tag}" if tag is not None else f"refs/heads/{made['build_branch']}"
        made.setdefault(
            "sub",
            f"organization:{made['organization_slug']}:pipeline:{made['pipeline_slug']}:ref:{ref}"
            f":commit:{made['build_commit']}:step:{made['step_key'] or ''}",
        )
        # The page: "If the key is not set for the step, nil is returned."
        return {name: value for name, value in made.items() if value is not None or name == "step_key"}

    def issuer_at(self, path: str) -> str | None:
        return _ISSUER if path in ("", "/") else None


PROFILE = _Buildkite()
