"""Rules and tokens at random, a plain reading of the rules, and manifests made of them: for tests of the compiler."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from gcp_wif.federation import CompiledFederation, evaluate
from gcp_wif.issuers import profile
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.manifest import Manifest


def circleci_claims(overrides: Mapping[str, Any], now: float, version: int = 1) -> dict[str, Any]:
    """Claims as CircleCI's page lists them."""
    return profile("circleci").sample(overrides, int(now), version=version)


P = [
    "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b",
    "77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b",
    "99aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b",
]
C = ["c0ffee00-1234-4abc-9def-0123456789aa", "c0ffee00-1234-4abc-9def-0123456789bb", P[0]]
U = ["aaaaaaaa-1234-4abc-9def-0123456789ab", "bbbbbbbb-1234-4abc-9def-0123456789ab"]
BRANCHES = ["main", "main/x", "x/main", "release/1", "release/1/", "m'ain\\", f"{P[0]}/refs"]
ORIGINS = ["github.com/acme/app", "github.com/acme", "github.com/acme-evil/app", "9:github.com"]
CLAIM = {
    "project": "oidc.circleci.com/project-id",
    "origin": "oidc.circleci.com/vcs-origin",
    "ref": "oidc.circleci.com/vcs-ref",
    "pipeline_definition": "oidc.circleci.com/pipeline-definition-id",
}


def manifest(
    identities: Mapping[str, Any], issuer: Mapping[str, Any] | None = None, *, direct: bool = True, **provider: Any
) -> Manifest:
    kind = {"direct": True, "project_id": "acme-prod"} if direct else {}
    document = {
        "issuer": issuer or {"kind": "circleci", "organization_id": ORGANIZATION_ID},
        "pool": {"project_id": "acme-identity", "project_number": "123456789012", "id": "circleci"},
        "provider": {"id": "circleci-acme"} | provider,
        "identities": {name: kind | identity for name, identity in identities.items()},
    }
    return Manifest.parse("version = 1\n" + _toml(document), origin="gcp-wif.toml")


def _toml(document: Mapping[str, Any]) -> str:
    def value(each: Any) -> str:
        if isinstance(each, dict):
            return "{" + ", ".join(f"{json.dumps(k)} = {value(v)}" for k, v in each.items()) + "}"
        if isinstance(each, list):
            return "[" + ", ".join(map(value, each)) + "]"
        return json.dumps(each, ensure_ascii=False)

    return "\n".join(f"{key} = {value(each)}" for key, each in document.items())


def admitted(compiled: CompiledFederation, claims: Mapping[str, Any]) -> set[str]:
    principals = set(evaluate(claims, compiled.rules).principals)
    return {name for name, members in compiled.members.items() if principals & set(members)}


def expected(identities: Mapping[str, Any], claims: Mapping[str, Any]) -> set[str]:
    """The rules as a person reads them."""

    def holds(key: str, value: str) -> bool:
        if key == "context":
            return value in claims.get("oidc.circleci.com/context-ids", [])
        if key == "user":
            return claims["sub"].split("/")[5] == value
        if key in ("branch", "tag"):
            key, value = "ref", f"refs/{'heads' if key == 'branch' else 'tags'}/{value}"
        return claims.get(CLAIM[key]) == value

    found = set()
    for name, identity in identities.items():
        if claims.get("oidc.circleci.com/ssh-rerun") and not identity.get("allow_ssh_rerun"):
            continue
        for rule in identity["allow"]:
            if all(
                any(holds(key, v) for v in (value if isinstance(value, list) else [value]))
                for key, value in rule.items()
            ):
                found.add(name)
    return found


def one_or_more(values: list[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True))


RULES = st.fixed_dictionaries(
    {},
    optional={
        "project": one_or_more(P),
        "context": one_or_more(C),
        "branch": one_or_more(BRANCHES),
        "origin": one_or_more(ORIGINS),
        "user": one_or_more(U),
    },
).filter(lambda rule: {"project", "context", "origin"} & set(rule))
IDENTITIES = st.dictionaries(
    st.sampled_from(["deploy", "reader", "third"]),
    st.fixed_dictionaries({"allow": st.lists(RULES, min_size=1, max_size=3), "allow_ssh_rerun": st.booleans()}),
    min_size=1,
)
CLAIMS = st.builds(
    lambda project, contexts, ref, origin, user, ssh, version: circleci_claims(
        {
            "project": project,
            "user": user,
            "oidc.circleci.com/context-ids": contexts,
            "oidc.circleci.com/vcs-ref": ref,
            "oidc.circleci.com/vcs-origin": origin,
            "oidc.circleci.com/ssh-rerun": ssh,
        },
        1e9,
        version,
    ),
    st.sampled_from(P),
    st.one_of(st.none(), st.lists(st.sampled_from(C), unique=True)),
    st.one_of(st.none(), st.sampled_from([f"refs/heads/{b}" for b in BRANCHES] + ["refs/tags/main", f"{C[0]}"])),
    st.one_of(st.none(), st.sampled_from(ORIGINS)),
    st.sampled_from(U),
    st.sampled_from([False, False, True, None]),
    st.sampled_from([1, 2]),
)
