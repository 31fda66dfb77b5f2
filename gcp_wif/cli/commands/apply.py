"""`gcp-wif apply`."""

from gcp_wif.cli.apply_plan import ConfirmOptions, Question, apply_plan
from gcp_wif.cli.command import CommonOptions, command, terminal
from gcp_wif.cli.plans import AdminOptions, PruneOptions, Session
from gcp_wif.cli.propagation import WaitOptions, wait_for_propagation

__all__ = ["main"]


@command(AdminOptions, PruneOptions, ConfirmOptions, WaitOptions, CommonOptions)
def main(
    options: AdminOptions,
    prune: PruneOptions,
    confirm: ConfirmOptions,
    waiting: WaitOptions,
    common: CommonOptions,
) -> None:
    """Make Google match the manifest: show, ask, apply.

    Interrupted or failed anywhere, the next run goes on from what is there. Other people's bindings, conditions and
    members are never touched.
    """
    out = terminal(common)
    session = Session(options, out, "apply")
    from gcp_wif.provisioning import observe, plan

    observed = observe(session.desired, session.clients, session.retry_policy, everywhere=prune.prune)
    found = plan(session.desired, observed, prune=prune.prune)
    nothing = f"No changes. All {len(found.unchanged)} resources and policies are as the manifest says."
    result = apply_plan(found, observed, session, Question(confirm.yes, nothing), out)
    if waiting.wait:
        result["propagation"] = wait_for_propagation(session, found, waiting, out)
    out.data(result)
