"""From a manifest's rules to a provider and principal sets that admit exactly these. Pure.

A principal set matches one attribute, so each combination of rule names that some rule uses becomes one attribute,
whose value holds all of these claims:

* one claim: its value as it is, ``attribute.project/ID``;
* several: IDs first, then free text, joined with ``/``, ``attribute.project_ref/ID/refs/heads/main``. Two different
  combinations never give the same text: an ID that has a ``/`` in it gives none, and free text that is not last is
  preceded by its length;
* of an identity that lifts a guard of its issuer: the same under another name, ``attribute.project_or_GUARD``, so that
  the other identities' attributes can leave the guarded jobs out;
* with a list claim: an element of ``google.groups``, the one attribute that can be a list, named after its
  combination, ``group/project_context:ID/ELEMENT``.

A claim that is absent or malformed gives the empty value, which no principal set matches, and harms no other attribute.
The condition admits the union of what the principal sets match, demands the tenant where the issuer's URL does not
name it, and keeps out what the guards keep out. Where the union is longer than a condition may be, parts of it move
into attributes ``attribute.admit_N`` of the mapping; where even these do not suffice, it is an error.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from gcp_wif.errors import InputError
from gcp_wif.federation.decision import ProviderRules
from gcp_wif.federation.lint import MAX_ATTRIBUTES, lint_provider
from gcp_wif.issuers import Guard, IssuerProfile, RuleName
from gcp_wif.issuers.model import cel_text
from gcp_wif.limits import MAX_CONDITION, MAX_EXPRESSION
from gcp_wif.manifest import Identity, Manifest, Rule
from gcp_wif.names import PoolName, Principal

__all__ = ["CompiledFederation", "compile_manifest"]


@dataclass(frozen=True)
class CompiledFederation:
    """What a manifest means to Google.

    Attributes:
        rules: the provider's issuer, audiences, mapping and condition.
        members: the principals of each identity, by its name.
        warnings: what works but should not be so.
    """

    rules: ProviderRules
    members: Mapping[str, tuple[Principal, ...]]
    warnings: tuple[str, ...] = ()


class _Combination(NamedTuple):
    """A combination of rule names, and the guards that hold for it.

    Attributes:
        parts: in the order of the composite value; a list is not among them.
        element: the list claim, of which each element makes a value.
        guards: those that the identities of this combination do not lift, where others do.
        name: of the attribute.
    """

    parts: tuple[RuleName, ...]
    element: RuleName | None
    guards: tuple[Guard, ...]
    name: str

    @property
    def attribute(self) -> str:
        """Where its values are mapped."""
        return "google.groups" if self.element else f"attribute.{self.name}"

    def expression(self) -> str:
        """CEL for its value: a string, ``''`` where a claim is absent or malformed; with a list claim a list."""
        tests = [guard.holds for guard in self.guards]
        tests += [part.present_cel for part in self.parts]
        tests += [f"!{part.value_cel}.contains('/')" for part in self._leading() if part.shape == "id"]
        joined = " + '/' + ".join(_leading_value(part) for part in self._leading())
        if self.element:
            tests.append(self.element.present_cel)
            lead = f"'{self.name}:' + " + (f"{joined} + '/' + " if joined else "")
            elements = f"{self.element.value_cel}.map(c, type(c) == string, {lead}c)"
            return f"{' && '.join(tests)} ? {elements} : []"
        value = f"{joined} + '/' + {self.parts[-1].value_cel}" if joined else self.parts[-1].value_cel
        return f"{' && '.join(tests)} ? {value} : ''"

    def text(self, terms: Mapping[str, str]) -> str:
        """The value of a token that has exactly ``terms``."""
        leading = "".join(_leading_text(part, terms[part.name]) + "/" for part in self._leading())
        if self.element:
            return f"{self.name}:{leading}{terms[self.element.name]}"
        return leading + terms[self.parts[-1].name]

    def admits(self, values: Iterable[str], *, inline: bool = False) -> str:
        """CEL that is true for ``values``: over the mapped attribute or, ``inline``, over the token itself."""
        listed = f"[{', '.join(cel_text(value) for value in values)}]"
        subject = f"({self.expression()})" if inline else self.attribute
        return f"{subject}.exists(g, g in {listed})" if self.element else f"{subject} in {listed}"

    def _leading(self) -> tuple[RuleName, ...]:
        """The parts that something follows."""
        return self.parts if self.element else self.parts[:-1]


def compile_manifest(manifest: Manifest) -> CompiledFederation:
    """Compile the rules of all identities.

    Raises:
        InputError: WIF720 where they do not fit into one provider, WIF721 where the manifest's own mapping or
            condition clashes with them or is not what Google accepts.
    """
    pool, own = manifest.pool_name, manifest.provider.attribute_mapping
    if all(identity.principals for identity in manifest.identities.values()):
        members = {name: _literal(identity, pool) for name, identity in manifest.identities.items()}
        mapping, condition = dict(own), manifest.provider.attribute_condition or ""
    else:
        mapping, condition, members = _compiled(manifest)
    rules = ProviderRules(
        manifest.provider_name,
        manifest.issuer.url,
        MappingProxyType(mapping),
        condition or None,
        manifest.issuer.audiences,
    )
    # The manifest's own condition must stand alone: one such as `true) || (true` would break out of its brackets.
    alone = manifest.provider.attribute_condition
    for problem in [
        *(lint_provider(mapping, alone, "") if alone else ()),
        *lint_provider(mapping, condition, manifest.issuer.url),
    ]:
        if problem.field != "oidc.issuerUri":
            raise InputError(f"{problem.field}: {problem.message}", hint=_SPLIT, code="WIF721")
    return CompiledFederation(rules, MappingProxyType(members), tuple(_warnings(manifest)))


_SPLIT = "Correct it in [provider] of the manifest; where there are too many rules, use a second pool and manifest."


def _compiled(manifest: Manifest) -> tuple[dict[str, str], str, dict[str, tuple[Principal, ...]]]:
    pool, profile = manifest.pool_name, manifest.profile
    identities = manifest.identities.values()
    lifted_by_some = frozenset().union(*(identity.lifted for identity in identities))
    combinations: dict[_Combination, dict[str, None]] = {}
    members: dict[str, tuple[Principal, ...]] = {}
    for identity in identities:
        found: dict[Principal, None] = {}
        for rule in identity.allow:
            combination = _combination(rule, profile, identity.lifted, lifted_by_some)
            value = combination.text(dict(rule.terms))
            combinations.setdefault(combination, {})[value] = None
            found[_principal(pool, combination, value)] = None
        members[identity.name] = tuple(found)
    ordered = dict(sorted(combinations.items(), key=lambda item: (bool(item[0].element), item[0].name)))
    names = [(each.attribute, each.name) for each in ordered]
    if len(set(names)) < len(names):
        raise InputError("Two combinations of claims would get the same attribute name.", hint=_SPLIT, code="WIF720")
    mapping = {"google.subject": profile.subject}
    mapping |= {each.attribute: each.expression() for each in ordered if not each.element}
    groups = [f"({each.expression()})" for each in ordered if each.element]
    if groups:
        mapping["google.groups"] = " + ".join(groups)
    own = manifest.provider.attribute_mapping
    clash = sorted((set(mapping) & set(own)) - {"google.subject"})
    if clash:
        raise InputError(
            f"provider.attribute_mapping sets {clash[0]}, which the rules in `allow` are compiled to.",
            hint="Give your own attribute another name.",
            code="WIF721",
        )
    always = [f"assertion[{cel_text(claim)}] == {cel_text(value)}" for claim, value in manifest.issuer.tenant]
    always += manifest.issuer.demands
    always += [guard.holds for guard in profile.guards if guard.name not in lifted_by_some]
    always += [f"({manifest.provider.attribute_condition})"] if manifest.provider.attribute_condition else []
    condition, extra = _admission(ordered, always)
    taken = sorted((set(mapping) | set(own)) & set(extra))
    if taken:  # it would be replaced, and a principal set that means it would match somebody else
        raise InputError(
            f"{taken[0]} is needed for the condition, but a rule or provider.attribute_mapping uses that name.",
            hint="Attributes admit_N hold parts of the condition where it is longer than Google allows. " + _SPLIT,
            code="WIF721",
        )
    return mapping | dict(own) | extra, condition, members


def _combination(
    rule: Rule, profile: IssuerProfile, lifted: frozenset[str], lifted_by_some: frozenset[str]
) -> _Combination:
    given = {name: found for name, _ in rule.terms if (found := profile.rule_name(name)) is not None}
    order = {each.name: place for place, each in enumerate(profile.names)}
    chosen = sorted(given.values(), key=lambda each: order.get(each.name, 0))
    parts = tuple(each for each in chosen if each.shape != "list")
    element = next((each for each in chosen if each.shape == "list"), None)
    name = profile.attribute_name(tuple(each.name for each in (*parts, *([element] if element else []))))
    guards = tuple(each for each in profile.guards if each.name in lifted_by_some - lifted)
    name += "".join(f"_or_{each.name}" for each in profile.guards if each.name in lifted)
    return _Combination(parts, element, guards, name)


def _leading_value(part: RuleName) -> str:
    value = part.value_cel
    return value if part.shape == "id" else f"string(size({value})) + ':' + {value}"


def _leading_text(part: RuleName, text: str) -> str:
    return text if part.shape == "id" else f"{len(text)}:{text}"


def _admission(combinations: Mapping[_Combination, Iterable[str]], always: list[str]) -> tuple[str, dict[str, str]]:
    """The condition, and the attributes that it needs besides those of the combinations."""
    union = " || ".join(combination.admits(values) for combination, values in combinations.items())
    condition = " && ".join([*always, f"({union})"])
    if len(condition) <= MAX_CONDITION:
        return condition, {}
    extra: dict[str, str] = {}
    for combination, values in combinations.items():
        for chunk in _chunks(combination, tuple(values)):
            extra[f"attribute.admit_{len(extra) + 1}"] = chunk
    if len(extra) + len(combinations) > MAX_ATTRIBUTES:
        count = sum(len(tuple(values)) for values in combinations.values())
        raise InputError(
            f"The {count} rules of this manifest do not fit into one provider: its mapping may have "
            f"{MAX_ATTRIBUTES} attributes of {MAX_EXPRESSION} characters.",
            hint="Split it into manifests with a pool each.",
            code="WIF720",
        )
    union = " || ".join(f"{name} == 'yes'" for name in extra)
    return " && ".join([*always, f"({union})"]), extra


def _chunks(combination: _Combination, values: tuple[str, ...]) -> Iterator[str]:
    """Expressions that are ``'yes'`` for some of ``values`` each, as many as fit into one."""
    rest = list(values)
    while rest:
        low, high = 1, len(rest)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if len(_yes(combination, rest[:middle])) <= MAX_EXPRESSION else (low, middle - 1)
        yield _yes(combination, rest[:low])
        del rest[:low]


def _yes(combination: _Combination, values: Iterable[str]) -> str:
    return f"{combination.admits(values, inline=True)} ? 'yes' : 'no'"


def _principal(pool: PoolName, combination: _Combination, value: str) -> Principal:
    if combination.element:
        return Principal.group(pool, value)
    return Principal.attribute(pool, combination.name, value)


def _literal(identity: Identity, pool: PoolName) -> tuple[Principal, ...]:
    return tuple(Principal.of_tail(pool, tail) for tail in identity.principals)


def _warnings(manifest: Manifest) -> Iterator[str]:
    yield from (f"issuer: {warning}" for warning in manifest.profile.issuer_warnings(manifest.issuer))
    for name, identity in manifest.identities.items():
        for rule in identity.allow:
            warning = manifest.profile.rule_warning(frozenset(claim for claim, _ in rule.terms))
            if warning:
                yield f"identities.{name}: {warning}"
