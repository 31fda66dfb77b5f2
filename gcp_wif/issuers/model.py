"""What the tokens of a CI system say: the seam between CI systems and all that reads tokens. Pure.

A profile is data with a few functions. The manifest's reader asks it which keys and rule names there are, the compiler
how a rule becomes CEL, the doctor what a claim means, `init` what a token or an issuer's URL tells, the emulator how a
token looks. None of these names a claim.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

__all__ = [
    "UUID", "Guard", "Issuer", "IssuerKey", "IssuerProfile", "Mismatch", "RuleAlias", "RuleName", "Tenant", "cel_text",
    "text_or_empty",
]  # fmt: skip

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Claims = Mapping[str, Any]


class Issuer(NamedTuple):
    """Who signs the tokens, as a manifest says.

    Attributes:
        kind: the profile's.
        url: exactly what tokens say in ``iss``.
        audiences: what they may say in ``aud``; none means the provider's own name.
        keys: the manifest's own keys of this kind, such as ``organization_id``.
        tenant: claims that every token must have, with their values, because the URL does not name the tenant.
        tenant_claims: where the URL signs for others too: each rule must name one of these claims.
        demands: CEL that every token must satisfy, where no claim by itself has the tenant as its value.
    """

    kind: str
    url: str
    audiences: tuple[str, ...]
    keys: Mapping[str, Any] = MappingProxyType({})
    tenant: tuple[tuple[str, str], ...] = ()
    tenant_claims: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()


class Tenant(NamedTuple):
    """The tenant that a token must come from.

    Attributes:
        kind: of the issuer; empty where it is not known.
        keys: by the manifest's keys; empty where it is not known.
        origin: where that was learnt, for messages.
    """

    kind: str = ""
    keys: Mapping[str, object] = MappingProxyType({})
    origin: str = ""


class IssuerKey(NamedTuple):
    """A key of ``[issuer]`` that belongs to a kind.

    Attributes:
        form: what a value must match as a whole.
        words: the same in words, after "must be".
        where: where a person finds the value.
        many: whether it is a list of such values.
        instead: another key of the kind that does as well; one of the two is enough.
    """

    name: str
    form: re.Pattern[str]
    words: str
    where: str
    required: bool = True
    many: bool = False
    instead: str = ""

    def missing_in(self, given: Mapping[str, Any]) -> bool:
        """Whether it is needed, and neither it nor what does as well is ``given``."""
        return self.required and not given.get(self.name) and not given.get(self.instead)


class RuleName(NamedTuple):
    """A name that rules may use.

    Attributes:
        name: in the manifest, and in the names of attributes.
        claim: the claim that holds its value.
        shape: ``id`` has no ``/`` in it; ``list`` is a list claim, of which the value is an element.
        immutable: whether the value is never given to somebody else.
        form: what a value must match as a whole; ``None`` for any printable text without blanks.
        words: the same in words, after "must be".
        value: CEL for the value, where it is not simply the claim.
        present: CEL that is true where ``value`` can be evaluated and gives a string (for a list: a list).
        flag: whether a manifest may say ``true`` or ``false`` for the claim's text of that name.
    """

    name: str
    claim: str
    shape: Literal["id", "text", "list"] = "text"
    immutable: bool = False
    form: re.Pattern[str] | None = None
    words: str = ""
    value: str = ""
    present: str = ""
    flag: bool = False

    @property
    def value_cel(self) -> str:
        """CEL for the value."""
        return self.value or f"assertion[{cel_text(self.claim)}]"

    @property
    def present_cel(self) -> str:
        """CEL that is true where the claim is there and well-formed: any other value unsets this attribute alone."""
        quoted = cel_text(self.claim)
        kind = "list" if self.shape == "list" else "string"
        return self.present or f"{quoted} in assertion && type(assertion[{quoted}]) == {kind}"


class RuleAlias(NamedTuple):
    """Another way to write a rule, such as ``branch`` for a ref.

    Attributes:
        terms: rule names with the value that each gets; ``{}`` stands for what was written.
        bare: what the written value must not begin with, because it is the whole form already.
        whole: the rule name that takes the whole form.
    """

    name: str
    terms: tuple[tuple[str, str], ...]
    bare: str = ""
    whole: str = ""


class Guard(NamedTuple):
    """Jobs that stay outside unless an identity lifts the guard.

    Attributes:
        key: of ``[provider]`` and ``[identities.NAME]``: ``true`` lifts it.
        name: part of the names of attributes whose guard is lifted.
        claim: what it reads.
        holds: CEL that is true for the tokens that it lets through, and for no malformed claim.
        stopped: the value of ``claim`` of tokens that it stops.
        who: the jobs that it keeps out, as the subject of a sentence in the plural.
        why: what is bad about these.
    """

    key: str
    name: str
    claim: str
    holds: str
    stopped: object
    who: str
    why: str


class Mismatch(NamedTuple):
    """Why two issuers of one kind differ.

    Attributes:
        why: a sentence.
        other_tenant: whether they are those of two tenants.
    """

    why: str
    other_tenant: bool = False


class IssuerProfile(ABC):  # a default answers the same whatever it is asked
    """One kind of issuer. The defaults are those of an issuer about which nothing is known.

    Attributes:
        kind: ``[issuer] kind``.
        title: its name for people.
        keys: what ``[issuer]`` takes besides ``kind``, ``url`` and ``audience``.
        url_required: whether ``[issuer] url`` must be given; likewise ``audience_required``.
        names: the rule names, in the order in which a composite attribute holds them: IDs before free text.
        aliases: other ways to write them.
        one_of: the rule names of which each rule must have at least one.
        too_wide: what a rule without any of these would admit.
        patterns: characters that people write for patterns, which a principal set does not know.
        guards: see `Guard`.
        subject: CEL for ``google.subject``, at most 127 bytes for every token.
        subject_advice: what to do where another mapping of it is too long.
        telling: the claims that explain a refusal by mapping, condition or binding.
        tenant_wide: claims that are the same for everybody of a tenant.
        personal: claims that say who started a job, which tells nothing of what it runs.
        marks: claims that together only tokens of this kind have, whatever their issuer's URL; empty where it tells.
        root: a URL that signs for every tenant of this kind, where there is one.
        hosts: those that publish the keys of issuers of this kind, besides that of ``root``.
        sample_options: what `sample` takes besides claims, with the allowed values.
        pulls_images: whether the system pulls a job's image as a service account, by a token of the job.
    """

    kind: str
    title: str
    keys: tuple[IssuerKey, ...] = ()
    url_required: bool = False
    audience_required: bool = False
    names: tuple[RuleName, ...] = ()
    aliases: tuple[RuleAlias, ...] = ()
    one_of: tuple[str, ...] = ()
    too_wide: str = ""
    patterns: str = "*"
    guards: tuple[Guard, ...] = ()
    subject: str = "assertion.sub"
    subject_advice: tuple[str, ...] = ("Map google.subject to something shorter: a claim that is an ID.",)
    telling: tuple[str, ...] = ("sub",)
    tenant_wide: tuple[str, ...] = ("aud", "iss")
    personal: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    root: str = ""
    hosts: tuple[str, ...] = ()
    sample_options: Mapping[str, tuple[object, ...]] = MappingProxyType({})
    pulls_images: bool = False

    # The manifest

    def pull_problem(self, issuer: Issuer, subject: str | None) -> str | None:
        """Why the provider would not take the token that an image is pulled by; ``None`` where it does.

        Args:
            issuer: of the manifest.
            subject: the manifest's own CEL for ``google.subject``; ``None`` for `subject`.
        """
        return None

    @abstractmethod
    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        """The issuer that a manifest means.

        Args:
            keys: the values of `keys`, each matching its form; the required ones are there, lists are tuples.
            url: ``[issuer] url``, an https URL; ``None`` where it is not given.
            audiences: ``[issuer] audience``; ``None`` where it is not given.
        """

    def rule_name(self, name: str) -> RuleName | None:
        """The rule name ``name``, or ``None``."""
        return next((each for each in self.names if each.name == name), None)

    def attribute_name(self, names: tuple[str, ...]) -> str:
        """The attribute for this combination of rule names: ``[a-z0-9_]``, an identifier of CEL."""
        return "_".join(names)

    def rule_warning(self, names: frozenset[str]) -> str | None:
        """What a person should know about a rule of these rule names."""
        pins = [each for each in self.names if each.name in names and each.name in self.one_of]
        if pins and not any(each.immutable for each in pins):
            listed = ", ".join(each.name for each in pins)
            return f"a rule on {listed} alone holds for whoever gets that name next: names can be re-used, IDs cannot."
        return None

    def rule_problem(self, names: frozenset[str], issuer: Issuer) -> str | None:
        """Why no token of this issuer can satisfy a rule of these rule names, as a sentence that begins with "must"."""
        return None

    def issuer_warnings(self, issuer: Issuer) -> tuple[str, ...]:
        """What a person should know about this issuer, as whole sentences."""
        return ()

    # Tokens

    def shared_tenant_claims(self, url: str) -> tuple[str, ...]:
        """The claims that pin a tenant, where ``url`` signs for several of this kind; empty where it does not."""
        return ()

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        """The manifest's keys for an issuer URL of this kind; ``None`` where it is of another."""
        return None

    def tenant_of(self, claims: Claims) -> Mapping[str, str]:
        """What a token says of its tenant, by the manifest's keys; empty where it says nothing."""
        return {}

    def subject_of(self, claims: Claims) -> str | None:
        """What `subject` makes of a token; ``None`` where CEL must be evaluated to tell."""
        found = claims.get("sub") if self.subject == "assertion.sub" else None
        return found if isinstance(found, str) else None

    def contradiction(self, claims: Claims) -> str | None:
        """What a token says against itself, as a sentence without subject; ``None`` where it is consistent."""
        return None

    def rule_of(self, claims: Claims) -> Mapping[str, str]:
        """The narrowest ordinary rule that admits this token; empty where its claims give none."""
        return {}

    def stopped_by(self, claims: Claims) -> Guard | None:
        """The guard that keeps this token out."""
        return next((each for each in self.guards if claims.get(each.claim) == each.stopped), None)

    def explain_issuer(self, found: str, wanted: str) -> Mismatch | None:
        """Why a token of ``found`` does not fit a provider that trusts ``wanted``, where the kind knows it."""
        return None

    # Samples, for the emulator

    @abstractmethod
    def sample(self, claims: Claims, now: int, **options: Any) -> dict[str, Any]:
        """The claims of a token of this kind.

        Args:
            claims: to set in it; those that shape others, such as an organisation, shape these too. ``None`` as a value
                takes a claim out.
            now: seconds since 1970.
            options: some of `sample_options`.
        """

    def issuer_at(self, path: str) -> str | None:
        """The issuer whose discovery document stands below ``path`` on this kind's host, where there is one."""
        return None


def cel_text(text: str) -> str:
    """A CEL string literal (cel-spec, "String and bytes values")."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def text_or_empty(claim: str) -> str:
    """CEL for a claim where it is text, else for the empty text: a malformed claim then harms no other part."""
    quoted = cel_text(claim)
    return f"({quoted} in assertion && type(assertion[{quoted}]) == string ? assertion[{quoted}] : '')"


def host_of(url: str) -> str:
    """The host of an issuer's URL in lower case, without port; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
