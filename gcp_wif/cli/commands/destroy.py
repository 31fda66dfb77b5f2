"""`gcp-wif destroy`."""

from typing import Annotated

import typer

from gcp_wif.cli.apply_plan import ConfirmOptions, apply_plan
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.plans import AdminOptions, Session

__all__ = ["main"]


class _Options(OptionGroup):
    accounts: Annotated[bool, typer.Option("--accounts", help="Delete the accounts too that the manifest creates.")] = (
        False
    )


@command(AdminOptions, _Options, ConfirmOptions, CommonOptions)
def main(options: AdminOptions, chosen: _Options, confirm: ConfirmOptions, common: CommonOptions) -> None:
    """Take away exactly what the manifest owns: its grants, its provider and pool, with --accounts its accounts.

    Provider, pool and accounts can be undeleted for 30 days; `apply` does it.
    """
    out = terminal(common)
    session = Session(options, out, "destroy")
    from gcp_wif.provisioning import observe, plan_destroy

    observed = observe(session.desired, session.clients, session.retry_policy, everywhere=True)
    out.data(
        apply_plan(plan_destroy(session.desired, observed, accounts=chosen.accounts), observed, session, confirm, out)
    )
