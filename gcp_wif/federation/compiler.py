"""From a manifest's rules to a provider and principal sets that admit exactly these. Pure.

A principal set matches one attribute, so each combination of claims that some rule uses (a *family*) becomes one
attribute, whose value holds all of these claims:

* one claim: its value as it is, ``attribute.project/ID``;
* several: IDs first, then free text, joined with ``/``, ``attribute.project_ref/ID/refs/heads/main``. Two different
  combinations never give the same text: an ID that has a ``/`` in it gives none, and free text that is not last is
  preceded by its length;
* of an identity that admits jobs re-run with SSH: the same under another name, ``attribute.project_or_ssh``, so that
  the other identities' attributes can leave such jobs out;
* with a context, which is a list claim: an element of ``google.groups``, the one attribute that can be a list, named
  after its family, ``group/project_context:ID/CONTEXT``.

A claim that is absent, or for ``oidc`` is no string, gives the empty value, which no principal set matches. The
condition admits the union of what the principal sets match, demands the organisation where the issuer's URL does not
name it, and keeps out jobs that were re-run with SSH. Where the union is longer than a condition may be, parts of it
move into attributes ``attribute.admit_N`` of the mapping; where even these do not suffice, it is an error.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from gcp_wif.errors import InputError
from gcp_wif.federation.decision import ProviderRules
from gcp_wif.federation.expressions import MAX_CONDITION, MAX_EXPRESSION
from gcp_wif.federation.lint import MAX_ATTRIBUTES, lint_provider
from gcp_wif.manifest import Identity, Issuer, Manifest, Rule
from gcp_wif.names import PoolName, Principal

__all__ = ["CompiledFederation", "compile_manifest"]

_CLAIMS = {
    "project": "oidc.circleci.com/project-id",
    "pipeline_definition": "oidc.circleci.com/pipeline-definition-id",
    "origin": "oidc.circleci.com/vcs-origin",
    "ref": "oidc.circleci.com/vcs-ref",
}
_CONTEXTS = "oidc.circleci.com/context-ids"
_ORGANIZATION = "oidc.circleci.com/org-id"
_SSH = "oidc.circleci.com/ssh-rerun"
_IDS = ("project", "pipeline_definition", "user")
_ORDER = ("project", "pipeline_definition", "user", "origin", "ref")

_NO_SSH = f"(!('{_SSH}' in assertion) || assertion['{_SSH}'] == false)"
_SUBJECT = "assertion.sub.contains('/vcs-origin/') ? assertion.sub.extract('{v1}/vcs-origin/') : assertion.sub"
"""V1's ``sub`` has exactly the 127 bytes that google.subject may have; V2's goes on with origin and ref."""


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


class _Part(NamedTuple):
    """One claim of a family: its short name, the expression for its value, the test for its presence."""

    name: str
    value: str
    present: str
    is_id: bool


class _Family(NamedTuple):
    """A combination of claims, with or without a context, for jobs re-run with SSH too or not."""

    parts: tuple[_Part, ...]
    context: bool
    guarded: bool
    name: str

    @property
    def attribute(self) -> str:
        """Where its values are mapped."""
        return "google.groups" if self.context else f"attribute.{self.name}"

    def expression(self) -> str:
        """CEL for its value: a string, ``''`` where a claim is absent; with a context a list."""
        tests = [_NO_SSH] if self.guarded else []
        tests += [part.present for part in self.parts]
        tests += [f"!{part.value}.contains('/')" for part in self._led() if part.is_id]
        joined = " + '/' + ".join(_led_value(part) for part in self._led())
        if self.context:
            tests.append(f"'{_CONTEXTS}' in assertion")
            lead = f"'{self.name}:' + " + (f"{joined} + '/' + " if joined else "")
            return f"{' && '.join(tests)} ? assertion['{_CONTEXTS}'].map(c, {lead}c) : []"
        value = f"{joined} + '/' + {self.parts[-1].value}" if joined else self.parts[-1].value
        return f"{' && '.join(tests)} ? {value} : ''"

    def text(self, terms: Mapping[str, str]) -> str:
        """The value of a token that has exactly ``terms``."""
        led = "".join(_led_text(part, terms[part.name]) + "/" for part in self._led())
        return f"{self.name}:{led}{terms['context']}" if self.context else led + terms[self.parts[-1].name]

    def admits(self, values: Iterable[str], *, inline: bool = False) -> str:
        """CEL that is true for ``values``: over the mapped attribute or, ``inline``, over the token itself."""
        listed = f"[{', '.join(_quoted(value) for value in values)}]"
        subject = f"({self.expression()})" if inline else self.attribute
        return f"{subject}.exists(g, g in {listed})" if self.context else f"{subject} in {listed}"

    def _led(self) -> tuple[_Part, ...]:
        """The parts that something follows."""
        return self.parts if self.context else self.parts[:-1]


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
    pool, issuer = manifest.pool_name, manifest.issuer
    identities = manifest.identities.values()
    mixed = len({identity.allow_ssh_rerun for identity in identities}) > 1
    families: dict[_Family, dict[str, None]] = {}
    members: dict[str, tuple[Principal, ...]] = {}
    for identity in identities:
        found: dict[Principal, None] = {}
        for rule in identity.allow:
            family = _family(rule, issuer, mixed=mixed, ssh=identity.allow_ssh_rerun)
            value = family.text(dict(rule.terms))
            families.setdefault(family, {})[value] = None
            found[_principal(pool, family, value)] = None
        members[identity.name] = tuple(found)
    ordered = dict(sorted(families.items(), key=lambda item: (item[0].context, item[0].name)))
    names = [family.attribute for family in ordered if not family.context]
    if len(set(names)) < len(names):
        raise InputError("Two combinations of claims would get the same attribute name.", hint=_SPLIT, code="WIF720")
    mapping = {"google.subject": _SUBJECT if issuer.kind == "circleci" else "assertion.sub"}
    mapping |= {family.attribute: family.expression() for family in ordered if not family.context}
    groups = [f"({family.expression()})" for family in ordered if family.context]
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
    no_ssh = not any(identity.allow_ssh_rerun for identity in identities) and issuer.kind == "circleci"
    # An issuer without the organisation in its URL may sign for others too, as CircleCI's root issuer does.
    organization = issuer.organization_id
    shared = organization is not None and not issuer.url.endswith(f"/org/{organization}")
    always = [f"assertion['{_ORGANIZATION}'] == '{organization}'"] if shared else []
    always += [_NO_SSH] if no_ssh else []
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


def _family(rule: Rule, issuer: Issuer, *, mixed: bool, ssh: bool) -> _Family:
    names = [name for name, _ in rule.terms]
    if issuer.kind == "oidc":
        parts = tuple(
            # A claim that is no string would make the whole mapping fail, for tokens of other identities too.
            _Part(
                name,
                f"assertion[{_quoted(name)}]",
                f"{_quoted(name)} in assertion && type(assertion[{_quoted(name)}]) == string",
                is_id=False,
            )
            for name in names
        )
        return _Family(parts, context=False, guarded=False, name="_and_".join(_short(name) for name in names))
    context = "context" in names
    chosen = tuple(_circleci_part(name) for name in _ORDER if name in names)
    name = "_".join([part.name for part in chosen] + (["context"] if context else []))
    return _Family(chosen, context, mixed and not ssh, f"{name}_or_ssh" if ssh else name)


def _circleci_part(name: str) -> _Part:
    if name == "user":  # in no claim of its own: org/ORG/project/PROJECT/user/USER, and in V2 more after it
        fields = "assertion.sub.split('/')"
        return _Part(name, f"{fields}[5]", f"{fields}.size() > 5 && {fields}[4] == 'user'", True)
    claim = _CLAIMS[name]
    return _Part(name, f"assertion['{claim}']", f"'{claim}' in assertion", name in _IDS)


def _led_value(part: _Part) -> str:
    return part.value if part.is_id else f"string(size({part.value})) + ':' + {part.value}"


def _led_text(part: _Part, text: str) -> str:
    return text if part.is_id else f"{len(text)}:{text}"


def _admission(families: Mapping[_Family, Iterable[str]], always: list[str]) -> tuple[str, dict[str, str]]:
    """The condition, and the attributes that it needs besides those of the families."""
    union = " || ".join(family.admits(values) for family, values in families.items())
    condition = " && ".join([*always, f"({union})"])
    if len(condition) <= MAX_CONDITION:
        return condition, {}
    extra: dict[str, str] = {}
    for family, values in families.items():
        for chunk in _chunks(family, tuple(values)):
            extra[f"attribute.admit_{len(extra) + 1}"] = chunk
    if len(extra) + len(families) > MAX_ATTRIBUTES:
        count = sum(len(tuple(values)) for values in families.values())
        raise InputError(
            f"The {count} rules of this manifest do not fit into one provider: its mapping may have "
            f"{MAX_ATTRIBUTES} attributes of {MAX_EXPRESSION} characters.",
            hint="Split it into manifests with a pool each.",
            code="WIF720",
        )
    union = " || ".join(f"{name} == 'yes'" for name in extra)
    return " && ".join([*always, f"({union})"]), extra


def _chunks(family: _Family, values: tuple[str, ...]) -> Iterator[str]:
    """Expressions that are ``'yes'`` for some of ``values`` each, as many as fit into one."""
    rest = list(values)
    while rest:
        low, high = 1, len(rest)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if len(_yes(family, rest[:middle])) <= MAX_EXPRESSION else (low, middle - 1)
        yield _yes(family, rest[:low])
        del rest[:low]


def _yes(family: _Family, values: Iterable[str]) -> str:
    return f"{family.admits(values, inline=True)} ? 'yes' : 'no'"


def _principal(pool: PoolName, family: _Family, value: str) -> Principal:
    if family.context:
        return Principal.group(pool, value)
    return Principal.attribute(pool, family.name, value)


def _literal(identity: Identity, pool: PoolName) -> tuple[Principal, ...]:
    found = []
    for text in identity.principals:
        kind, _, value = text.partition("/")
        if kind == "subject":
            found.append(Principal.subject(pool, value))
        elif kind == "group":
            found.append(Principal.group(pool, value))
        else:
            found.append(Principal.attribute(pool, kind.removeprefix("attribute."), value))
    return tuple(found)


def _warnings(manifest: Manifest) -> Iterator[str]:
    for name, identity in manifest.identities.items():
        for rule in identity.allow:
            claims = {claim for claim, _ in rule.terms}
            if manifest.issuer.kind == "circleci" and not claims & {"project", "pipeline_definition"}:
                yield (
                    f"identities.{name}: a rule without `project` holds for every project of the organisation "
                    f"({', '.join(sorted(claims))})."
                )


def _short(claim: str) -> str:
    """A claim's name as part of an attribute's: ``[a-z0-9_]``; other letters are written as their code point."""
    return "".join(each if re.match("[a-z0-9_]", each) else f"_{ord(each):x}_" for each in claim)


def _quoted(text: str) -> str:
    """A CEL string literal (cel-spec, "String and bytes values")."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
