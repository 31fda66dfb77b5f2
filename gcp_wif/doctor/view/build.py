"""The page from the evidence and the report. Pure."""

import re
from collections.abc import Iterator, Mapping

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Report
from gcp_wif.doctor.view.flow import WORDS, Case, finding_view, stations
from gcp_wif.doctor.view.model import Fact, Mark, Moment, PageModel, Unseen
from gcp_wif.doctor.view.tables import (
    attribute_lines,
    binding_lines,
    claim_lines,
    identity_lines,
    parts,
    policies,
    principal_lines,
    table,
)
from gcp_wif.doctor.view.text import cut, moment, safe, step
from gcp_wif.issuers import FALLBACK, IssuerProfile, profile_of
from gcp_wif.safe_text import counted

__all__ = ["page_model"]

_PLACES = {
    "time": "the token's times",
    "mapping": "the attribute mapping",
    "subject": "the subject",
    "lifetime": "the token lifetime",
    "api": "Google's APIs",
}
"""Links whose own name is no name for a place."""

_LEAD = 140
"""Characters of a message that stand at the top as they are."""

_ANSWERS = {
    "accepted": ("Asked", "It accepted the job's own exchange."),
    "refused": ("Asked", "It refused the job's own exchange."),
    "none": ("No answer", "The job's own exchange got none."),
}
"""What came of the exchange that a job may make without any rights."""


def page_model(evidence: Evidence, report: Report) -> PageModel:
    """What the page shows.

    Args:
        evidence: what the report was made from; its time is the time of the page.
        report: what `gcp_wif.doctor.diagnose` made of it.
    """
    mark, verdict, lead = _verdict(report)
    made = moment(evidence.now, evidence.now) or Moment("", "at an unknown time", "")
    rules, taken_apart = evidence.rules, parts(report.trace)
    bindings = binding_lines(evidence, report)
    principals = principal_lines(report, bindings)
    return PageModel(
        mark,
        WORDS[mark],
        verdict,
        lead,
        safe(evidence.sentence) if evidence.sentence else None,
        made,
        (_provider(evidence), _account(evidence), _token(evidence), _looked_at(evidence)),
        stations(Case(evidence, report, bindings, principals, taken_apart)),
        tuple(finding_view(each) for each in report.findings if each.level == "advice"),
        tuple(_unseen(report)),
        table(claim_lines(evidence)),
        table(attribute_lines(report)),
        safe(rules.attribute_condition or "") if rules else "",
        taken_apart,
        table(principals),
        tuple(name for name, _ in policies(evidence)),
        table(bindings),
        table(identity_lines(report)),
    )


def _verdict(report: Report) -> tuple[Mark, str, str]:
    broken = report.broken
    unseen = [link.name for link in report.links if link.state == "unknown"]
    advice = sum(each.level == "advice" for each in report.findings)
    warned = f" {counted(advice, 'thing')} should not be so, though it works: see below." if advice else ""
    if broken is not None:
        return "broken", f"Broken at {_PLACES.get(broken.link, f'the {broken.link}')}", _in_short(safe(broken.message))
    if unseen:
        what = f"{counted(len(unseen), 'link')} of {len(report.links)} could not be judged: {', '.join(unseen)}."
        return "unknown", "Nothing broken in what was seen", what + warned
    return "fine", "Every link holds", f"All {len(report.links)} links hold, from the token to Google's APIs.{warned}"


def _in_short(message: str) -> str:
    """A long message's first statement: the whole stands with the finding."""
    first = re.split(r"[:.] ", message, maxsplit=1)[0]
    return message if len(message) <= _LEAD or first == message else f"{first}."


def _provider(evidence: Evidence) -> Fact:
    name = evidence.provider
    if name is None:
        return Fact("Provider", "Not known", known=False)
    return Fact("Provider", name.provider_id, (f"pool {name.pool_id}, project number {name.project_number}",))


def _account(evidence: Evidence) -> Fact:
    identity = (f"identity {safe(evidence.identity)} of the manifest",) if evidence.identity else ()
    if evidence.direct:
        where = safe(evidence.project) if evidence.project else "Project not known."
        return Fact("Account", "None: direct federation", (where, *identity), known=False)
    if evidence.account is None:
        return Fact("Account", "Not named", identity, known=False)
    return Fact("Account", safe(evidence.account), identity)


def _token(evidence: Evidence) -> Fact:
    claims = evidence.claims
    if claims is None:
        return Fact("Token", "Not seen", known=False)
    title = _issued_by(profile_of(claims))
    expires = moment(claims.get("exp"), evidence.now)
    moments = [("expires" if evidence.now < claims["exp"] else "expired", expires)] if expires else []
    if evidence.token_origin is None:
        return Fact("Token", f"{title[0].upper()}{title[1:]}", (), tuple(moments), known=False)
    return Fact("Token", cut(safe(evidence.token_origin), end=True), (title,), tuple(moments))


def _issued_by(profile: IssuerProfile) -> str:
    return "an OIDC token" if profile.kind == FALLBACK else f"a token of {profile.title}"


def _looked_at(evidence: Evidence) -> Fact:
    """Where the knowledge of Google's side comes from."""
    states = (evidence.provider_state, evidence.pool_state, evidence.account_state, evidence.policy,
              evidence.project_policy)  # fmt: skip
    if evidence.live:
        return Fact("Google", "Read live", ("With an admin's credentials.",), known=False)
    if evidence.exchange is not None:
        value, more = _ANSWERS[evidence.exchange]
        return Fact("Google", value, (more,), known=False)
    if not evidence.deployed:
        return Fact("Google", "Not read", ("Judged by what the manifest would make.",), known=False)
    if any(state is not None for state in states):
        return Fact("Google", "Saved answers of gcloud", known=False)
    return Fact("Google", "Not read", ("Judged by the job alone.",), known=False)


def _unseen(report: Report) -> Iterator[Unseen]:
    """What was not seen, with what settles it: findings, and the links that no finding is about."""
    told = set()
    for each in report.findings:
        if each.level == "unknown":
            told.add(each.link)
            yield Unseen(safe(each.link), safe(each.code), safe(each.message), tuple(map(step, each.fix)))
    details: Mapping[str, str] = {link.name: link.detail for link in report.links if link.state == "unknown"}
    for name, detail in details.items():
        if name not in told and detail:
            words = step(detail)
            yield Unseen(
                safe(name),
                "",
                f"{words.words[:1].upper()}{words.words[1:]}",
                (step(words.command),) * bool(words.command),
            )
