"""Random manifests and random tokens of several issuers, and a plain reading of who is who: for 0 wider, 0 narrower.

Nothing here knows how rules are compiled: `Setup.expected` reads the rules as a person does. A token is *well-formed*
where each claim that rules can name has the type that its issuer gives it.
"""

import itertools
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import kinds
import kinds.model as kinds_model

from gcp_wif.issuers import profile

ORG, OTHER_ORG = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04", "0a0a0a0a-6a0b-4c7e-9d21-5b7f3e9a1c04"
IDS = [f"{start}-3c4d-4e5f-8a6b-7c8d9e0f1a2b" for start in ("1b7e2f90", "77aa2f90", "99aa2f90", "c0ffee00")]
REFS = ["main", "main/x", "x/main", "release/1", "m'ain\\", f"{IDS[0]}/refs", "9:main"]
ORIGINS = ["github.com/acme/app", "github.com/acme", "github.com/acme-evil/app", "9:github.com"]
K = "oidc.circleci.com/"
CIRCLECI = {
    "project": f"{K}project-id",
    "pipeline_definition": f"{K}pipeline-definition-id",
    "origin": f"{K}vcs-origin",
    "ref": f"{K}vcs-ref",
}
MALFORMED: list[Any] = [
    0,
    1.5,
    True,
    None,
    [],
    [IDS[0]],
    {"a": IDS[0]},
    "",
    " ",
    f"{IDS[0]}/",
    f"/{IDS[0]}",
    "\n",
    "*",
    IDS,
]

SHARED = {
    "https://token.actions.githubusercontent.com": (
        {"repository_owner_id": ["11", "12"], "repository_id": ["501", "502", "11"]},
        {
            "repository": ["acme/app", "acme/app2"],
            "ref": ["refs/heads/main", "refs/tags/main"],
            "environment": ["prod"],
        },
    ),
    "https://gitlab.com": (
        {"project_id": ["21", "22"], "namespace_id": ["31", "21"]},
        {"project_path": ["acme/app"], "ref": ["main", "v1"], "ref_type": ["branch", "tag"]},
    ),
}
PRIVATE = ("https://ci.example", "https://ci.example/realms/x", "https://ci.example:8443/")
CLAIMS = {
    "team": ["a", "a/b", "b", "3:a"],
    "env": ["prod", "b", "b/prod"],
    "1": ["x"],
    "in": ["x", "y"],
    "a.b-c": ["x"],
}


class Setup(NamedTuple):
    """A manifest's document, and what its issuer's tokens look like."""

    document: dict[str, Any]
    url: str
    audiences: tuple[str, ...]
    organization: str | None
    pins: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether a rule pins no tenant although strangers have the same issuer."""
        rules = (rule for each in self.document["identities"].values() for rule in each["allow"])
        return bool(self.pins) and any(not set(rule) & set(self.pins) for rule in rules)

    def expected(self, claims: Mapping[str, Any]) -> set[str]:
        """The identities that a token is."""
        aud = claims.get("aud")
        if claims.get("iss") != self.url or not set(aud if isinstance(aud, list) else [aud]) & set(self.audiences):
            return set()
        shared = self.organization is not None and not self.url.endswith(f"/org/{self.organization}")
        if shared and claims.get(f"{K}org-id") != self.organization:  # elsewhere the issuer's URL names it
            return set()
        found = set()
        for name, identity in self.document["identities"].items():
            if self.organization is not None and claims.get(f"{K}ssh-rerun") and not identity.get("allow_ssh_rerun"):
                continue
            if any(self._holds(rule, claims) for rule in identity["allow"]):
                found.add(name)
        return found

    def untouched_by(self, claim: str) -> set[str]:
        """The identities that a malformed ``claim`` must not harm: no rule of theirs reads it, nor does a guard."""
        if claim in (f"{K}ssh-rerun", f"{K}org-id"):
            return set()
        keys = {key for key, name in CIRCLECI.items() if name == claim} if self.organization else {claim}
        keys |= {"branch", "tag"} if "ref" in keys and self.organization else set()
        keys |= {"context"} if claim == f"{K}context-ids" else set()
        rules = {name: [set(rule) for rule in each["allow"]] for name, each in self.document["identities"].items()}
        return {name for name, used in rules.items() if not any(keys & each for each in used)}

    def _holds(self, rule: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
        return all(
            any(self._is(key, value, claims) for value in (values if isinstance(values, list) else [values]))
            for key, values in rule.items()
        )

    def _is(self, key: str, value: str, claims: Mapping[str, Any]) -> bool:
        if self.organization is None:
            return claims.get(key) == value
        if key == "context":
            contexts = claims.get(f"{K}context-ids")
            return isinstance(contexts, list) and value in contexts
        if key == "user":
            fields = str(claims.get("sub")).split("/")
            return len(fields) > 5 and fields[4] == "user" and fields[5] == value
        if key in ("branch", "tag"):
            key, value = "ref", f"refs/{'heads' if key == 'branch' else 'tags'}/{value}"
        return claims.get(CIRCLECI[key]) == value


def setup(dice: random.Random) -> "Setup | kinds.Setup":
    """One manifest: of CircleCI's organisation, root or server, of another issuer, shared or private, or of a kind."""
    own = [each for each in kinds.names() for _ in range(2)]
    kind = dice.choice(["org", "org", "root", "server", "shared", "shared", "private", "pinned", *own])
    made: Setup | kinds.Setup
    if kind in own:
        made = kinds_model.setup(dice, kinds.kind(kind))
    else:
        made = _circleci(dice, kind) if kind in ("org", "root", "server") else _oidc(dice, kind)
    base = {
        "pool": {"project_id": "acme-identity", "project_number": "123456789012", "id": "pool-one"},
        "provider": {"id": "provider-one"},
    }
    made.document.update(base)
    for index, (name, identity) in enumerate(made.document["identities"].items()):
        if index == 2:
            identity |= {"direct": True, "project_id": "acme-direct", "roles": ["roles/run.viewer"]}
        else:
            identity["service_account"] = f"{name}-account@acme-prod.iam.gserviceaccount.com"
    return made


def _circleci(dice: random.Random, kind: str) -> Setup:
    issuer: dict[str, Any] = {"kind": "circleci", "organization_id": ORG}
    url = f"https://oidc.circleci.com/org/{ORG}"
    if kind == "root":
        issuer["url"] = url = "https://oidc.circleci.com"
    elif kind == "server":
        issuer["url"], url = "https://ci.example", f"https://ci.example/org/{ORG}"
    audiences = (ORG,)
    if dice.random() < 0.2:
        issuer["audience"] = ["one", "two"]
        audiences = ("one", "two")
    names = dice.sample(["deploy", "reader", "third"], dice.randint(1, 3))
    identities: dict[str, Any] = {}
    for name in names:
        identities[name] = {"allow": [_circleci_rule(dice) for _ in range(dice.randint(1, 3))]}
        if dice.random() < 0.3:
            identities[name]["allow_ssh_rerun"] = True
    return Setup({"issuer": issuer, "identities": identities}, url, audiences, ORG, ())


def _circleci_rule(dice: random.Random) -> dict[str, Any]:
    ref = dice.choice([None, "branch", "tag", "ref"])
    rule: dict[str, Any] = {}
    if ref:
        values = [f"refs/heads/{each}" for each in REFS[:3]] if ref == "ref" else REFS
        rule[ref] = _one_or_more(dice, values)
    pool = {"project": IDS[:3], "context": IDS[1:], "origin": ORIGINS, "user": IDS[2:], "pipeline_definition": IDS[:2]}
    for key in dice.sample(sorted(pool), dice.randint(1, 2)):
        rule[key] = _one_or_more(dice, pool[key])
    if not set(rule) & {"project", "context", "origin", "pipeline_definition"}:
        rule["project"] = IDS[0]
    return rule


def _oidc(dice: random.Random, kind: str) -> Setup:
    issuer: dict[str, Any] = {"kind": "oidc", "audience": ["gcp"]}
    if kind == "shared":
        url = dice.choice(sorted(SHARED))
        ids, names = SHARED[url]
        pins = tuple(ids) if "github" not in url else (*ids, "enterprise_id")
        pool = {**ids, **names}
    else:
        url, pool, pins = dice.choice(PRIVATE), dict(CLAIMS), ()
        if kind == "pinned":
            pins = ("team",)
            issuer["tenant_claims"] = list(pins)
    issuer["url"] = url
    identities = {}
    for name in dice.sample(["deploy", "reader", "third"], dice.randint(1, 3)):
        allow = []
        for _ in range(dice.randint(1, 3)):
            keys = dice.sample(sorted(pool), dice.randint(1, min(3, len(pool))))
            if pins and dice.random() < 0.9:  # most rules pin a tenant; the others must be refused
                keys = sorted({*keys, dice.choice([each for each in pins if each in pool])})
            allow.append({key: _one_or_more(dice, pool[key]) for key in keys})
        identities[name] = {"allow": allow}
    return Setup({"issuer": issuer, "identities": identities}, url, ("gcp",), None, pins)


def _one_or_more(dice: random.Random, values: list[str]) -> Any:
    return dice.choice(values) if dice.random() < 0.7 else dice.sample(values, min(2, len(values)))


def tokens(dice: random.Random, made: "Setup | kinds.Setup", count: int) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Random claims, near what the rules say, and the name of the one that is malformed, if one is."""
    if isinstance(made, kinds.Setup):
        yield from made.tokens(dice, count)
        return
    for _ in range(count):
        claims = _circleci_claims(dice, made) if made.organization else _oidc_claims(dice, made)
        malformed = None
        if dice.random() < 0.25:
            name = dice.choice(sorted(set(claims) - {"iss", "aud", "sub"}))
            claims[name] = dice.choice(MALFORMED)
            malformed = name
            if claims[name] is None and dice.random() < 0.5:
                del claims[name]
        elif made.organization and dice.random() < 0.2:  # the same text as project and ref give, cut elsewhere
            malformed = CIRCLECI["project"]
            claims[malformed] = f"{dice.choice(IDS[:3])}/refs"
            claims[CIRCLECI["ref"]] = f"heads/{dice.choice(REFS[:3])}"
        yield claims, malformed


def _circleci_claims(dice: random.Random, made: Setup) -> dict[str, Any]:
    organization = ORG if dice.random() < 0.85 else OTHER_ORG
    claims = profile("circleci").sample(
        {
            "org": organization,
            "project": dice.choice(IDS[:3]),
            "user": dice.choice(IDS),
            f"{K}pipeline-definition-id": dice.choice(IDS[:3]),
            f"{K}context-ids": dice.sample(IDS, dice.randint(0, 3)),
            f"{K}vcs-ref": dice.choice([f"refs/{dice.choice(['heads', 'tags'])}/{dice.choice(REFS)}", IDS[0]]),
            f"{K}vcs-origin": dice.choice(ORIGINS),
            f"{K}ssh-rerun": dice.choice([False, False, False, True]),
        },
        0,
        version=dice.choice([1, 2]),
    )
    claims["iss"] = claims["iss"].replace(f"https://oidc.circleci.com/org/{organization}", made.url)
    if organization == OTHER_ORG and "/org/" in made.url and dice.random() < 0.5:
        claims["iss"] = made.url.replace(ORG, OTHER_ORG)
    claims["aud"] = dice.choice([*made.audiences, *made.audiences, *made.audiences, ORG, "other"])
    return claims


def _oidc_claims(dice: random.Random, made: Setup) -> dict[str, Any]:
    ids, names = SHARED.get(made.url, ({}, CLAIMS))
    claims: dict[str, Any] = {"iss": made.url, "aud": "gcp", "sub": "subject"}
    for name, values in itertools.chain(ids.items(), names.items()):
        if dice.random() < 0.85:
            claims[name] = dice.choice([*values, *values, "stranger", values[0] + "x"])
    if dice.random() < 0.1:
        claims["iss"] = dice.choice(["https://evil.example", made.url + "/", made.url.upper()])
    if dice.random() < 0.2:
        claims["aud"] = dice.choice([["gcp", "x"], "x", ["x"]])
    if len(claims) == 3:
        claims["other"] = "x"
    return claims


def toml(document: Mapping[str, Any]) -> str:
    """A manifest's text."""

    def value(each: Any) -> str:
        if isinstance(each, dict):
            return "{" + ", ".join(f"{json.dumps(k)} = {value(v)}" for k, v in each.items()) + "}"
        if isinstance(each, list):
            return "[" + ", ".join(map(value, each)) + "]"
        return json.dumps(each, ensure_ascii=False)

    return "version = 1\n" + "\n".join(f"{key} = {value(each)}" for key, each in document.items())
