"""A kind of issuer as a person reads it, apart from the package: for random manifests and tokens, and for tables.

Nothing here asks the profile what a rule means: `Kind.rules` says it in plain Python. The profile only shapes tokens.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from gcp_wif.issuers import profile

Claims = Mapping[str, Any]

MALFORMED: list[Any] = [0, 1.5, True, None, [], ["1"], {"a": "1"}, "", " ", "1/", "/1", "\n", "*"]


_PROVIDER = (
    "https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool-one/providers/"
    "provider-one"
)


class RuleKey(NamedTuple):
    """A key that rules may have.

    Attributes:
        values: what manifests say.
        claims: those that it reads.
        holds: whether a token has the value.
    """

    values: tuple[str, ...]
    claims: tuple[str, ...]
    holds: Callable[[Claims, str], bool]


class Place(NamedTuple):
    """An issuer that a manifest can name.

    Attributes:
        table: ``[issuer]``, apart from the kind.
        url: ``iss`` of its tokens.
        tenant: claims that every token of ours has.
        pins: keys of which a rule must have one; empty where the tenant is pinned anyway.
        audience: what its tokens say in ``aud`` unless the manifest says otherwise; empty for the provider's own name.
    """

    table: Mapping[str, Any]
    url: str
    tenant: Mapping[str, str] = {}
    pins: tuple[str, ...] = ()
    audience: str = ""


class Row(NamedTuple):
    """A token that a person would think of.

    Attributes:
        says: what it is.
        claims: how it differs from the profile's sample.
        who: the identities that it must become.
        options: of the sample.
    """

    says: str
    claims: Mapping[str, Any]
    who: frozenset[str]
    options: Mapping[str, Any] = {}


class Table(NamedTuple):
    """A manifest, and the tokens that people would try on it."""

    manifest: str
    rows: tuple[Row, ...]


class Kind(NamedTuple):
    """One kind.

    Attributes:
        name: of the kind.
        places: the issuers.
        rules: the keys of rules, by name.
        exclusive: keys of which a rule has at most one.
        one_of: keys of which each rule has at least one.
        claims: what tokens say, by claim: values near what rules say. ``None`` takes a claim out.
        guard: the key that lifts it; empty where there is none.
        stops: whether the guard stops a token.
        guard_claims: those that the guard reads.
        needed: claims without which Google refuses a token whole, such as those of google.subject.
        table: see `Table`.
        options: of the profile's sample, at random.
    """

    name: str
    places: tuple[Place, ...]
    rules: Mapping[str, RuleKey]
    exclusive: tuple[str, ...]
    one_of: tuple[str, ...]
    claims: Mapping[str, tuple[Any, ...]]
    guard: str
    stops: Callable[[Claims], bool]
    guard_claims: tuple[str, ...]
    needed: tuple[str, ...]
    table: Table
    options: Mapping[str, tuple[Any, ...]] = {}


class Setup(NamedTuple):
    """A random manifest of a kind, with the interface of `strangers.Setup`."""

    document: dict[str, Any]
    kind: Kind
    place: Place
    audiences: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether a rule pins no tenant although strangers have the same issuer."""
        rules = (rule for each in self.document["identities"].values() for rule in each["allow"])
        return bool(self.place.pins) and any(not set(rule) & set(self.place.pins) for rule in rules)

    def expected(self, claims: Claims) -> set[str]:
        """The identities that a token is."""
        aud = claims.get("aud")
        if claims.get("iss") != self.place.url or not set(aud if isinstance(aud, list) else [aud]) & {*self.audiences}:
            return set()
        if any(claims.get(name) != value for name, value in self.place.tenant.items()):
            return set()
        return {
            name
            for name, identity in self.document["identities"].items()
            if (identity.get(self.kind.guard) or not self.kind.stops(claims))
            and any(self._holds(rule, claims) for rule in identity["allow"])
        }

    def _holds(self, rule: Mapping[str, Any], claims: Claims) -> bool:
        return all(
            any(self.kind.rules[key].holds(claims, each) for each in (value if isinstance(value, list) else [value]))
            for key, value in rule.items()
        )

    def untouched_by(self, claim: str) -> set[str]:
        """The identities that a malformed ``claim`` must not harm: neither their rules read it, nor anything else."""
        if claim in {*self.place.tenant, *self.kind.guard_claims, *self.kind.needed}:
            return set()
        keys = {key for key, each in self.kind.rules.items() if claim in each.claims}
        return {
            name for name, each in self.document["identities"].items() if not any(keys & {*r} for r in each["allow"])
        }

    def tokens(self, dice: random.Random, count: int) -> Iterator[tuple[dict[str, Any], str | None]]:
        """Random claims, near what the rules say, and the name of the one that is malformed, if one is."""
        for _ in range(count):
            given = {name: dice.choice(values) for name, values in self.kind.claims.items() if dice.random() < 0.85}
            options = {name: dice.choice(values) for name, values in self.kind.options.items()}
            claims = profile(self.kind.name).sample(given | self.place.tenant, 0, **options)
            claims["iss"] = self.place.url
            claims["aud"] = dice.choice([*self.audiences] * 6 + ["other"])
            for name in self.place.tenant:
                if dice.random() < 0.1:
                    claims[name] = dice.choice(["1", "stranger", None])
            if dice.random() < 0.05:
                claims["iss"] = dice.choice(["https://evil.example", self.place.url + "/", self.place.url.upper()])
            malformed = None
            if dice.random() < 0.25:
                malformed = dice.choice(sorted(set(claims) - {"iss", "aud", "sub"}))
                claims[malformed] = dice.choice(MALFORMED)
            yield {name: value for name, value in claims.items() if value is not None}, malformed


def setup(dice: random.Random, kind: Kind) -> Setup:
    """A random manifest of the kind, without pool, provider and accounts."""
    place = dice.choice(kind.places)
    issuer: dict[str, Any] = {"kind": kind.name, **place.table}
    audiences = (place.audience or _PROVIDER,)
    if dice.random() < 0.5:
        issuer["audience"] = ["one", "two"]
        audiences = ("one", "two")
    identities: dict[str, Any] = {}
    for name in dice.sample(["deploy", "reader", "third"], dice.randint(1, 3)):
        identities[name] = {"allow": [_rule(dice, kind, place) for _ in range(dice.randint(1, 3))]}
        if kind.guard and dice.random() < 0.3:
            identities[name][kind.guard] = True
    return Setup({"issuer": issuer, "identities": identities}, kind, place, audiences)


def _rule(dice: random.Random, kind: Kind, place: Place) -> dict[str, Any]:
    keys = set(dice.sample(sorted(kind.rules), dice.randint(1, min(3, len(kind.rules)))))
    if kind.one_of and not keys & set(kind.one_of):
        keys.add(dice.choice(kind.one_of))
    if place.pins and dice.random() < 0.95:  # the others must be refused
        keys.add(dice.choice(place.pins))
    double = sorted(keys & set(kind.exclusive))
    keys -= set(double[1:])
    return {key: _one_or_more(dice, kind.rules[key].values) for key in sorted(keys)}


def _one_or_more(dice: random.Random, values: tuple[str, ...]) -> Any:
    return dice.choice(values) if dice.random() < 0.7 else dice.sample(values, min(2, len(values)))
