"""What was said, turned into evidence: an error text that somebody pasted, or Google's answer to the job's exchange.

Google decides in a known order: the provider, the token, the mapping, the condition, then the account. Whatever it
refuses, all that it decides before that is fine. Pure.
"""

from dataclasses import replace

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import LINKS
from gcp_wif.errors import GcpWifError, RefusedError, from_outside
from gcp_wif.refusals import RefusalKind, read_error, row_of

__all__ = ["with_accepted", "with_error", "with_refusal", "without_answer"]

_SENTENCE_CHARACTERS = 500
_KINDS = {kind.code: kind for kind in RefusalKind}
_OF_THE_TOKEN = ("token", "time", "issuer", "audience")
_OF_THE_MAPPING = ("mapping", "subject", "condition")
_BY_STS = ("token", "time", "issuer", "audience", "provider", "mapping", "subject", "condition", "principal")


def with_error(evidence: Evidence, text: str) -> Evidence:
    """With what an error text of any client says."""
    found = read_error(text)
    kinds = tuple(row.kind for row in found.causes)
    sentence = found.parts.message or text.strip()
    return replace(
        evidence,
        refused=kinds[0] if kinds else None,
        also=kinds[1:],
        error=found.parts,
        sentence=from_outside(sentence)[:_SENTENCE_CHARACTERS],
    )


def with_accepted(evidence: Evidence) -> Evidence:
    """With Google's yes to the exchange, and to the impersonation where the config has one."""
    proved = LINKS if evidence.account is not None else _BY_STS
    return replace(evidence, exchange="accepted", proved=frozenset(proved))


def with_refusal(evidence: Evidence, error: RefusedError) -> Evidence:
    """With Google's no. What it is about, the exchange knows better than its sentence alone tells."""
    said = replace(with_error(evidence, error.message), exchange="refused")
    kind = _KINDS.get(error.code or "")
    if kind is None:
        return said
    return replace(said, refused=kind, also=(), proved=frozenset(_proved_before(kind)))


def without_answer(evidence: Evidence, error: GcpWifError) -> Evidence:
    """With the reason why Google was not asked, or did not answer."""
    return replace(evidence, exchange="none", unanswered=error)


def _proved_before(kind: RefusalKind) -> tuple[str, ...]:
    row = row_of(kind)
    if row.service == "iamcredentials" or kind is RefusalKind.SCOPES_INSUFFICIENT:
        return _BY_STS
    if row.service != "sts":
        return ()
    if row.link in _OF_THE_MAPPING:
        earlier = _OF_THE_MAPPING[: _OF_THE_MAPPING.index(row.link)]
        return (*_OF_THE_TOKEN, "provider", *earlier)
    return ("provider",) if row.link in _OF_THE_TOKEN else ()
