"""Rules: which jobs an identity admits, through the names that the issuer's profile has."""

import itertools
from collections.abc import Mapping

from gcp_wif.cel_pieces import pieces
from gcp_wif.errors import shown
from gcp_wif.issuers import Issuer, IssuerProfile, RuleAlias, RuleName
from gcp_wif.manifest.model import Identity, ProviderSpec, Rule
from gcp_wif.manifest.tables import LONGEST_VALUE, Table, Tables, is_value

__all__ = ["RuleReader"]

_MOST_RULES = 2000

Terms = dict[str, tuple[str, ...]]
"""Rule names with the values of which any may be there."""


class RuleReader(Tables):
    """Reads ``allow``, and holds it to what pins a tenant."""

    def _rules(self, table: Table, key: str, profile: IssuerProfile, issuer: Issuer | None) -> tuple[Rule, ...]:
        given = table.get("allow", [])
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            self._say(f"{key}.allow", 'must be a list of rules such as { NAME = "…", OTHER = "…" }.')
            return ()
        rules: list[Rule] = []
        for index, rule in enumerate(given):
            where = f"{key}.allow[{index}]"
            terms = self._terms(rule, where, profile)
            self._check_width(rule, terms, where, profile, issuer)
            choices = [[(name, value) for value in values] for name, values in terms.items()]
            combined = itertools.product(*choices)
            rules.extend(Rule(tuple(sorted(each))) for each in itertools.islice(combined, _MOST_RULES + 1) if each)
            if len(rules) > _MOST_RULES:
                self._say(where, f"lists make more than {_MOST_RULES} rules.")
                return ()
        return tuple(dict.fromkeys(rules))

    def _terms(self, rule: Table, where: str, profile: IssuerProfile) -> Terms:
        aliases = {each.name: each for each in profile.aliases}
        if profile.names:
            self._known(rule, where, (*(each.name for each in profile.names), *aliases))
        terms: Terms = {}
        given: dict[str, str] = {}
        for name in rule:
            alias = aliases.get(name)
            targets = alias.terms if alias else ((name, "{}"),)
            clash = next((given[target] for target, _ in targets if target in given), None)
            if clash is not None:
                self._say(where, f"{clash} and {name} are mutually exclusive.", "WIF705")
                continue
            given |= {target: name for target, _ in targets}
            found = profile.rule_name(targets[0][0])
            if found is None:
                if not profile.names:
                    self._say(f"{where}.{name}", "is not a valid name of a claim.")
                continue
            values = self._values(rule, where, name, alias, found, profile)
            for target, template in targets:
                terms[target] = tuple(template.replace("{}", value) for value in values)
        return terms

    def _values(
        self, rule: Table, rule_key: str, name: str, alias: RuleAlias | None, found: RuleName, profile: IssuerProfile
    ) -> tuple[str, ...]:
        where = f"{rule_key}.{name}"
        if found.flag and isinstance(rule[name], bool):
            return (str(rule[name]).lower(),)
        values = self._texts(rule, where, name=name)
        for value in values:
            if not is_value(value):
                what = f"must have 1 to {LONGEST_VALUE} printable characters and no blanks"
                self._say(where, f"{what}, but is {shown(value)}.")
            elif alias is not None and alias.bare and value.startswith(alias.bare):
                self._say(where, f"is the bare name; write {alias.whole} = {shown(value)} for the whole form.")
            elif alias is None and found.form is not None and not found.form.fullmatch(value):
                self._say(where, f"must be {found.words}, but is {shown(value)}.")
            elif any(letter in value for letter in profile.patterns):
                self._say(
                    where,
                    f"{shown(value)} looks like a pattern. A principal set matches one exact value: list the values, "
                    "or map an attribute of your own in [provider] and use `principals`.",
                )
        if rule[name] == []:
            self._say(where, "must not be empty: it would admit nobody.")
        return values

    def _check_width(
        self, rule: Table, terms: Terms, where: str, profile: IssuerProfile, issuer: Issuer | None
    ) -> None:
        """Refuse a rule that admits a whole tenant, or strangers."""
        problem = profile.rule_problem(frozenset(terms), issuer) if issuer is not None else None
        if rule and problem is not None:
            self._say(where, problem, "WIF705")
            return
        pins = issuer.tenant_claims if issuer is not None else ()
        claims = {found.claim for name in terms if (found := profile.rule_name(name)) is not None}
        if rule and pins and not claims & set(pins):
            self._say(
                where,
                f"must name at least one of {', '.join(pins)}: the issuer signs for others too, and without it the "
                "rule would admit strangers who choose the same names.",
                "WIF707",
            )
        elif (
            not any(name in terms for name in profile.one_of)
            if profile.one_of
            else _tells_nobody(claims, profile, pins, given=bool(rule))
        ):
            names = ", ".join(profile.one_of) or f"claim besides {' and '.join(profile.tenant_wide)}"
            self._say(where, f"must name at least one {names}; else it would admit {profile.too_wide}.", "WIF706")

    def _check_guards(self, rules: tuple[Rule, ...], key: str, profile: IssuerProfile, lifted: frozenset[str]) -> None:
        """Refuse a rule that asks for what a guard keeps out: it would admit nobody."""
        for guard in profile.guards:
            asked = {(each.name, guard.stopped) for each in profile.names if each.claim == guard.claim}
            if guard.name not in lifted and any(asked & set(rule.terms) for rule in rules):
                what = f"admits {guard.who}, which are kept out: {guard.why}"
                self._say(f"{key}.allow", f"{what}. Say {guard.key} = true beside it to admit them.", "WIF705")

    def _check_principals(self, identities: Mapping[str, Identity], provider: ProviderSpec, issuer: Issuer) -> None:
        literal = [name for name, identity in identities.items() if identity.principals]
        if not literal:
            return
        if len(literal) < len(identities):
            rest = next(name for name in identities if name not in literal)
            self._say(
                f"identities.{rest}.allow",
                f"and the `principals` of identities.{literal[0]} are mutually exclusive: mapping and condition are "
                "either compiled for all identities or written by hand for all.",
                "WIF705",
            )
        if "google.subject" not in provider.attribute_mapping:
            self._say(
                "provider.attribute_mapping", "must map google.subject where identities use `principals`.", "WIF703"
            )
        pins = (*issuer.tenant_claims, *(claim for claim, _ in issuer.tenant))
        condition = provider.attribute_condition or ""
        for name in literal if pins else ():
            for principal in identities[name].principals:
                read = [condition, _mapped(principal, provider)]
                if not any(_reads(expression, claim) for expression in read for claim in pins):
                    self._say(
                        f"identities.{name}.principals",
                        f"{shown(principal)} pins no tenant, and the issuer signs for others too: have the condition "
                        f"or the mapping of that attribute read one of {', '.join(pins)}.",
                        "WIF707",
                    )


def _tells_nobody(claims: set[str], profile: IssuerProfile, pins: tuple[str, ...], *, given: bool) -> bool:
    """Whether a rule names no claim in which the issuer's tokens differ, unless it says that this one pins a tenant."""
    return not (claims - (set(profile.tenant_wide) - set(pins))) and (bool(claims) or not given)


def _mapped(principal: str, provider: ProviderSpec) -> str:
    kind = principal.partition("/")[0]
    target = {"subject": "google.subject", "group": "google.groups"}.get(kind, kind)
    return provider.attribute_mapping.get(target, "")


def _reads(expression: str, claim: str) -> bool:
    """Whether the claim's value counts: not where it stands in a comment or a string, nor where any value will do."""
    signs = [each for each in pieces(expression) if not (each.isspace() or each.startswith("//"))]
    forms = (["assertion", ".", claim], *(["assertion", "[", f"{quote}{claim}{quote}", "]"] for quote in "'\""))
    for form in forms:
        for begin in range(len(signs) - len(form) + 1):
            end = begin + len(form)
            before, after = signs[max(0, begin - 2) : begin], signs[end : end + 1]
            if signs[begin:end] == form and "!=" not in before[-1:] + after and before != ["has", "("]:
                return True
    return False
