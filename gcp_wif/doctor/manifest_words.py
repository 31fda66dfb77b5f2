"""A refusal in the words of the manifest: whom its identity admits, and what this job is. Pure.

A condition of compiled CEL says little to whoever wrote ``allow = [{ project = "…", branch = "main" }]``. What widens
nobody's access stands first among the fixes: run the job where a rule holds, or as the identity that admits it. Only
then comes the rule that would admit this job, too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Finding
from gcp_wif.errors import hide_tokens
from gcp_wif.issuers import IssuerProfile
from gcp_wif.refusals import RefusalKind

__all__ = ["in_manifest_words"]

_ABOUT_RULES = frozenset({RefusalKind.CONDITION_FALSE.code, RefusalKind.IMPERSONATION_DENIED.code, "WIF921", "WIF923"})
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_RULES_SHOWN = 3
_VALUE_CHARACTERS = 200


class _Word(NamedTuple):
    """One term of a rule as a person writes it: ``branch = main``, whose rule name is ``ref``."""

    name: str
    value: str
    names: frozenset[str]

    @property
    def short(self) -> str:
        """For a sentence: of a UUID the beginning is enough."""
        return f"{self.name} {self.value[:8]}…" if _UUID.fullmatch(self.value) else f"{self.name} {self.value}"

    @property
    def whole(self) -> str:
        """To compare, letter by letter."""
        return f"{self.name} = {self.value}"


class _Closest(NamedTuple):
    """A rule, and what of it this job is not."""

    words: list[_Word]
    unmet: list[_Word]

    @property
    def said(self) -> str:
        """``branch main of project 1b7e2f90…``: what does not hold comes first."""
        return " of ".join(each.short for each in sorted(self.words, key=lambda each: each not in self.unmet))


def in_manifest_words(finding: Finding, evidence: Evidence, admitting: Mapping[str, str]) -> Finding:
    """The finding, said by the identity's rules where the manifest has them and none holds for this token.

    Args:
        finding: a broken condition or binding; every other one comes back as it is.
        evidence: with the manifest, the identity that is meant, and the claims.
        admitting: the identities of the manifest that admit this token.
    """
    manifest, claims = evidence.manifest, evidence.claims
    identity = manifest.identities.get(evidence.identity or "") if manifest else None
    if manifest is None or identity is None or claims is None or finding.code not in _ABOUT_RULES:
        return finding
    narrow = [f"This job is the identity {name}: gcp-wif login --identity {name}" for name in admitting]
    guard = manifest.profile.stopped_by(claims)
    if guard is not None and guard.name not in identity.lifted:
        message = f"`{identity.name}` keeps {guard.who} out: {guard.why}."
        return replace(
            finding, message=message, fix=(*narrow, "Run the job again as an ordinary one.", *_wide(finding))
        )
    named = [name for rule in identity.allow for name, _ in rule.terms]
    job = _job_values(manifest.profile, claims, [*(each.name for each in manifest.profile.names), *named])
    rules = [_compared(dict(rule.terms), job, manifest.profile) for rule in identity.allow]
    rules.sort(key=lambda rule: len(rule.unmet))
    if not rules or not rules[0].unmet:
        return finding
    closest = rules[0]
    more = [f"{len(rules) - _RULES_SHOWN} more rules"] if len(rules) > _RULES_SHOWN else []
    admitted = ", or ".join([*(rule.said for rule in rules[:_RULES_SHOWN]), *more])
    ours = _this_job(closest.unmet, job, manifest.profile)
    narrow.append(f"Run this job where `{identity.name}` admits it: {_listed([each.short for each in closest.unmet])}.")
    return replace(
        finding,
        message=f"`{identity.name}` admits {admitted}; this job has {_listed([short for short, _ in ours])}.",
        expected=", ".join(each.whole for each in closest.words),
        found=", ".join(whole for _, whole in ours),
        fix=(*narrow, *_wide(finding)),
    )


def _job_values(profile: IssuerProfile, claims: Mapping[str, Any], names: Iterable[str]) -> dict[str, str | list[str]]:
    """What the token has under each rule name whose value is simply a claim."""
    found: dict[str, str | list[str]] = {}
    for name in dict.fromkeys(names):
        rule = profile.rule_name(name)
        value = claims.get(rule.claim) if rule and not rule.value else None
        if isinstance(value, list):
            found[name] = [_text(each) for each in value]
        elif isinstance(value, str | int):
            found[name] = _text(value)
    return found


def _text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return hide_tokens(text)[:_VALUE_CHARACTERS]


def _compared(terms: Mapping[str, str], job: Mapping[str, str | list[str]], profile: IssuerProfile) -> _Closest:
    computed = {name for name in terms if (rule := profile.rule_name(name)) is None or rule.value}
    missed = {name for name, value in terms.items() if name not in computed and not _is(value, job.get(name))}
    words = _words(terms, profile)
    return _Closest(words, [each for each in words if not each.names.isdisjoint(missed)])


def _is(wanted: str, found: str | list[str] | None) -> bool:
    return wanted in found if isinstance(found, list) else wanted == found


def _words(terms: Mapping[str, str], profile: IssuerProfile) -> list[_Word]:
    """The terms as a person writes them, by the profile's own aliases."""
    left = dict(terms)
    words = []
    for alias in profile.aliases:
        values = [_unfilled(template, left.get(name)) for name, template in alias.terms]
        written = {value for value in values if value}
        if None not in values and len(written) == 1:
            names = frozenset(name for name, _ in alias.terms)
            words.append(_Word(alias.name, written.pop(), names))
            left = {name: value for name, value in left.items() if name not in names}
    return [*words, *(_Word(name, value, frozenset({name})) for name, value in left.items())]


def _unfilled(template: str, value: str | None) -> str | None:
    """What was written in place of ``{}``; empty where the template takes nothing; ``None`` where it does not fit."""
    head, hole, tail = template.partition("{}")
    if value is None or not (value.startswith(head) and value.endswith(tail)):
        return None
    if not hole:
        return "" if value == template else None
    return value[len(head) : len(value) - len(tail)]


def _this_job(unmet: list[_Word], job: Mapping[str, str | list[str]], profile: IssuerProfile) -> list[tuple[str, str]]:
    """What this job has in place of what it should: short for a sentence, and whole."""
    texts = {name: value for name, value in job.items() if isinstance(value, str)}
    ours = _words(texts, profile)
    said = []
    for wanted in unmet:
        same = next((each for each in ours if not each.names.isdisjoint(wanted.names)), None)
        said.append((same.short, same.whole) if same else (f"no such {wanted.name}", f"no {wanted.whole}"))
    return list(dict.fromkeys(said))


def _wide(finding: Finding) -> Iterator[str]:
    if finding.fix:
        yield "Only if this job should be admitted, too:"
        yield from finding.fix


def _listed(texts: list[str]) -> str:
    return " and ".join(texts)
