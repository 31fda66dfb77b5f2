"""Showing a plan, asking, carrying it out, and saying what was done: apply and destroy alike."""

import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcp_wif.cli.command import OptionGroup
from gcp_wif.cli.output import Terminal
from gcp_wif.cli.plans import Session, change_document, described, plan_document, show_plan
from gcp_wif.errors import InputError, RefusedError

if TYPE_CHECKING:
    from gcp_wif.provisioning import Change, Observed, Outcome, Plan

__all__ = ["ConfirmOptions", "apply_plan"]


class ConfirmOptions(OptionGroup):
    """Whether to ask."""

    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False


def apply_plan(
    plan: "Plan", observed: "Observed", session: Session, confirm: ConfirmOptions, out: Terminal
) -> dict[str, Any]:
    """Show ``plan``, ask unless --yes, and make its changes; returns the JSON shape.

    Raises:
        InputError: WIF824 without --yes and without a terminal; nothing was changed.
        RefusedError: WIF825 where the answer is no. Else the first failure, after what was done has been said.
    """
    show_plan(plan, out)
    if not plan:
        return {"plan": plan_document(plan), "done": []}
    _ask(plan, confirm)
    outcome = _apply(plan, observed, session, out)
    _report(plan, outcome, out)
    if outcome.failed:
        raise outcome.failed[0][1]
    if outcome.interrupted:
        raise RefusedError(
            "Interrupted.", hint="Run the same command again: it goes on from what is there.", code="WIF826"
        )
    return {"plan": plan_document(plan), "done": [change_document(change) for change in outcome.done]}


def _ask(plan: "Plan", confirm: ConfirmOptions) -> None:
    if confirm.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(
            "There is no terminal to ask on, and --yes is not given. Nothing was changed.",
            hint="Read the plan above; then run it again with --yes.",
            code="WIF824",
        )
    if not typer.confirm(f"Make these {len(plan.changes)} changes?", err=True):
        raise RefusedError("Nothing was changed.", code="WIF825")


def _apply(plan: "Plan", observed: "Observed", session: Session, out: Terminal) -> "Outcome":
    from gcp_wif.provisioning import apply

    speaking = threading.Lock()
    ended = 0

    def say(event: str, change: "Change") -> None:
        nonlocal ended
        with speaking:
            ended += event == "done"
            words = {"start": "…", "done": f"[{ended}/{len(plan.changes)}] done:", "waits": "trying again:"}
            out.say(f"  {words.get(event, event + ':')} {next(described(change))[2:]}")

    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return apply(plan, session.desired, observed, session.clients, session.retry_policy, say)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _report(plan: "Plan", outcome: "Outcome", out: Terminal) -> None:
    if not (outcome.failed or outcome.interrupted):
        out.say(f"Done: {len(outcome.done)} changes.")
        return
    out.say(f"Of {len(plan.changes)} changes {len(outcome.done)} were made:")
    for title, changes in [
        ("made", outcome.done),
        ("failed", [change for change, _ in outcome.failed]),
        ("not made", outcome.open(plan)),
    ]:
        for change in changes:
            out.say(f"  {title}: {next(described(change))[2:]}")
