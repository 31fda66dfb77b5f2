"""`gcp-wif plan`."""

import typer

from gcp_wif.cli.command import CommonOptions, command, terminal
from gcp_wif.cli.plans import AdminOptions, PruneOptions, Session, plan_document, plan_lines

__all__ = ["main"]


@command(AdminOptions, PruneOptions, CommonOptions)
def main(options: AdminOptions, prune: PruneOptions, common: CommonOptions) -> None:
    """Show what `apply` would do.

    Exit code 1 where there is something to do, 0 where not. Needs permission to read alone, and changes nothing.
    """
    out = terminal(common)
    session = Session(options, out, "plan")
    from gcp_wif.provisioning import observe, plan

    observed = observe(session.desired, session.clients, session.retry_policy, everywhere=prune.prune)
    found = plan(session.desired, observed, prune=prune.prune)
    for line in plan_lines(found, out.style):
        out.report(line)
    for warning in found.warnings:
        out.warn(warning)
    if not found:
        out.report(f"No changes. All {len(found.unchanged)} resources and policies are as the manifest says.")
    out.data(plan_document(found))
    raise typer.Exit(1 if found else 0)
