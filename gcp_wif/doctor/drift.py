"""Where Google differs from the manifest in what decides: a mapping, a condition, an issuer, a binding. Pure."""

from collections.abc import Iterator, Mapping

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.iam_checks import may_impersonate
from gcp_wif.doctor.report import Finding
from gcp_wif.federation import compile_manifest

__all__ = ["drift"]

_FIX = ("gcp-wif plan shows every difference, gcp-wif apply ends it; or change the manifest to say what Google has.",)


def drift(evidence: Evidence) -> Iterator[Finding]:
    """Differences that matter to who is let in, where both sides were seen.

    Args:
        evidence: with a manifest, and states that are Google's.
    """
    if evidence.manifest is None or not evidence.deployed:
        return
    compiled = compile_manifest(evidence.manifest)
    wanted, rules = compiled.rules, evidence.rules
    if rules is not None and rules.name == wanted.name:
        if rules.issuer != wanted.issuer:
            yield _differs("issuer", "The provider's issuer", wanted.issuer, rules.issuer)
        if set(rules.expected_audiences) != set(wanted.expected_audiences):
            yield _differs(
                "audience",
                "The provider's audiences",
                ", ".join(sorted(wanted.expected_audiences)),
                ", ".join(sorted(rules.expected_audiences)),
            )
        yield from _mapping(wanted.attribute_mapping, rules.attribute_mapping)
        if (rules.attribute_condition or "") != (wanted.attribute_condition or ""):
            yield _differs(
                "condition",
                "The provider's condition",
                wanted.attribute_condition or "none",
                rules.attribute_condition or "none",
            )
    if evidence.identity is None or evidence.policy is None or evidence.direct:
        return
    missing = [
        member for member in compiled.members[evidence.identity] if not may_impersonate(evidence.policy, (member,))
    ]
    if missing:
        found = "not bound: " + "; ".join(missing)
        yield _differs("binding", "The account's policy", "a binding for every principal of the identity", found)


def _mapping(wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    for target in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(target), found.get(target)
        if one != other:
            message = f"The mapping of {target}"
            yield _differs("mapping", message, one or "not mapped", other or "not mapped")


def _differs(link: str, what: str, expected: str, found: str) -> Finding:
    message = f"{what} in Google is not the manifest's."
    return Finding("WIF961", link, "advice", message, expected[:1000], found[:1000], _FIX)
