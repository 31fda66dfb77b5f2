"""Showing a plan, asking, carrying it out, and saying what was done: apply and destroy alike."""

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gcp_wif.cli.command import OptionGroup
from gcp_wif.cli.output import Terminal
from gcp_wif.cli.plans import Session, change_document, described, plan_document, plan_lines
from gcp_wif.errors import InputError, RefusedError, StoppedError

if TYPE_CHECKING:
    from gcp_wif.provisioning import Change, Observed, Outcome, Plan

__all__ = ["ConfirmOptions", "Question", "apply_plan"]


class ConfirmOptions(OptionGroup):
    """Whether to ask."""

    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False


class Question(NamedTuple):
    """What to ask before a plan is carried out.

    Attributes:
        answered: --yes was given.
        nothing: what to say where there is nothing to do, in place of a question.
        word: what has to be typed; ``None`` for a plain yes.
    """

    answered: bool
    nothing: str
    word: str | None = None


def apply_plan(
    plan: "Plan", observed: "Observed", session: Session, question: Question, out: Terminal
) -> dict[str, Any]:
    """Show ``plan``, ask unless --yes, and make its changes; returns the JSON shape.

    Raises:
        InputError: WIF824 without --yes and without a terminal; nothing was changed.
        RefusedError: WIF825 where the answer is no. Else the first failure, after what was done has been said.
        StoppedError: WIF826 where it was interrupted, after what was done has been said.
    """
    for line in plan_lines(plan, partial(out.style, err=True)):
        out.say(line)
    for warning in plan.warnings:
        out.warn(warning)
    if not plan:
        out.say(question.nothing)
        return {"plan": plan_document(plan), "done": []}
    _ask(plan, question, out)
    outcome = _apply(plan, observed, session, out)
    _report(plan, outcome, out)
    if outcome.failed:
        raise outcome.failed[0][1]
    if outcome.interrupted:
        raise StoppedError(
            f"Interrupted. {out.so_far}",
            hint="Run the same command again: it goes on from what is there.",
            code="WIF826",
        )
    return {"plan": plan_document(plan), "done": [change_document(change) for change in outcome.done]}


def _ask(plan: "Plan", question: Question, out: Terminal) -> None:
    if question.answered:
        return
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(
            "There is no terminal to ask on, and --yes is not given. Nothing was changed.",
            hint="Read the plan above; then run it again with --yes.",
            code="WIF824",
        )
    if question.word is None:
        agreed = out.ask(f"Make {_counted(len(plan.changes), 'change')}? [y/N]: ").lower() in {"y", "yes"}
    else:
        agreed = out.ask(f"{_what_goes(plan)} Type {question.word} to do it: ") == question.word
    if not agreed:
        raise RefusedError("Nothing was changed.", code="WIF825")


def _what_goes(plan: "Plan") -> str:
    deleted = sum(getattr(change, "action", None) == "delete" for change in plan.changes)
    revoked = sum(len(getattr(change, "revoke", ())) for change in plan.changes)
    return f"This destroys {_counted(deleted, 'resource')} and revokes {_counted(revoked, 'grant')}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _apply(plan: "Plan", observed: "Observed", session: Session, out: Terminal) -> "Outcome":
    from gcp_wif.provisioning import Outcome, apply

    speaking = threading.Lock()
    made: list[Change] = []

    def say(event: str, change: "Change") -> None:
        with speaking:
            if event == "done":
                made.append(change)
                out.so_far = f"{len(made)} of {_counted(len(plan.changes), 'change')} made."
            words = {"start": "…", "done": f"[{len(made)}/{len(plan.changes)}] done:", "waits": "trying again:"}
            out.say(f"  {words.get(event, event + ':')} {next(described(change))[2:]}")

    out.so_far = f"0 of {_counted(len(plan.changes), 'change')} made."
    out.finishing = True  # a change under way is brought to its end, so that it can be said what was done
    try:
        return apply(plan, session.desired, observed, session.clients, session.retry_policy, say)
    except KeyboardInterrupt:  # between two stages, where nothing is under way
        return Outcome(done=made, interrupted=True)
    finally:
        out.finishing = False


def _report(plan: "Plan", outcome: "Outcome", out: Terminal) -> None:
    if not (outcome.failed or outcome.interrupted):
        out.say(f"Done: {_counted(len(outcome.done), 'change')}.")
        return
    out.say(f"{len(outcome.done)} of {_counted(len(plan.changes), 'change')} made:")
    for title, changes in [
        ("made", outcome.done),
        ("failed", [change for change, _ in outcome.failed]),
        ("not made", outcome.open(plan)),
    ]:
        for change in changes:
            out.say(f"  {title}: {next(described(change))[2:]}")
