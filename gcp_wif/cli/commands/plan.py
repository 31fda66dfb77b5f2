"""`gcp-wif plan`."""

from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.plans import AdminOptions, Session, plan_document, show_plan

__all__ = ["PruneOptions", "main"]


class PruneOptions(OptionGroup):
    """What becomes of the manifest's own grants that it no longer names."""

    prune: Annotated[
        bool, typer.Option("--prune", help="Revoke them, on every account of the manifest's projects.")
    ] = False


@command(AdminOptions, PruneOptions, CommonOptions)
def main(options: AdminOptions, prune: PruneOptions, common: CommonOptions) -> None:
    """Show what `apply` would do; exit code 1 where there is something to do, 0 where not.

    Needs permission to read alone, and changes nothing.
    """
    out = terminal(common)
    session = Session(options, out, "plan")
    from gcp_wif.provisioning import observe, plan

    observed = observe(session.desired, session.clients, session.retry_policy, everywhere=prune.prune)
    found = plan(session.desired, observed, prune=prune.prune)
    show_plan(found, out)
    if found:
        out.say(f"{len(found.changes)} to do. `gcp-wif apply` does it.")
    out.data(plan_document(found))
    raise typer.Exit(1 if found else 0)
