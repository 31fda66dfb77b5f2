"""What the doctor finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from gcp_wif.federation import SubExpression

__all__ = ["LINKS", "AttributeRow", "Finding", "Level", "LinkState", "Report"]

LINKS = (
    "token",
    "time",
    "issuer",
    "audience",
    "provider",
    "mapping",
    "subject",
    "condition",
    "principal",
    "binding",
    "account",
    "lifetime",
    "api",
)
"""The chain, in its order."""

Level = Literal["broken", "unknown", "advice"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, unknown, or should not be so.

    Attributes:
        code: of `gcp_wif.refusals` where Google has a sentence for it, else WIF9xx; see `gcp_wif.codes`.
        link: where in the chain.
        message: what it is.
        expected: what would pass.
        found: what is there; never a token.
        fix: commands or manifest lines, in order.
    """

    code: str
    link: str
    level: Level
    message: str
    expected: str | None = None
    found: str | None = None
    fix: tuple[str, ...] = ()


class LinkState(NamedTuple):
    """One link of the chain: ``fine``, ``broken``, ``unknown``, or ``skipped`` after a broken one."""

    name: str
    state: Literal["fine", "broken", "unknown", "skipped"]
    detail: str = ""


class AttributeRow(NamedTuple):
    """One mapped attribute: its expression, its value, the value's size in bytes."""

    target: str
    expression: str
    value: str | None
    size: int


@dataclass(frozen=True)
class Report:
    """What the doctor says.

    Attributes:
        links: the chain.
        findings: broken ones first, in the chain's order; then what is likely broken but was not all seen; then advice;
            then what was not seen.
        claims: the token's claims, by name, as text.
        attributes: what the mapping makes of them.
        trace: the condition, taken apart.
        principals: every identifier that a policy may use for this identity.
        accounts: the accounts that each identity of the manifest gives this token, by identity.
    """

    links: tuple[LinkState, ...]
    findings: tuple[Finding, ...]
    claims: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[AttributeRow, ...] = ()
    trace: tuple[SubExpression, ...] = ()
    principals: tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> Finding | None:
        """The first broken link's finding."""
        return next((each for each in self.findings if each.level == "broken"), None)
