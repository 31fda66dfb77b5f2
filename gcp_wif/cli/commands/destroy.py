"""`gcp-wif destroy`."""

from typing import Annotated

import typer

from gcp_wif.cli.apply_plan import ConfirmOptions, Question, apply_plan
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.plans import AdminOptions, Session

__all__ = ["main"]


class _Options(OptionGroup):
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Also delete the service accounts that the manifest creates.")
    ] = False


@command(AdminOptions, _Options, ConfirmOptions, CommonOptions)
def main(options: AdminOptions, chosen: _Options, confirm: ConfirmOptions, common: CommonOptions) -> None:
    """Take away exactly what the manifest owns.

    That is its grants, its provider and pool, and with --accounts the accounts that it creates. Provider, pool and
    accounts can be undeleted for 30 days; `apply` does it. Asks for the word "destroy" unless --yes.
    """
    out = terminal(common)
    session = Session(options, out, "destroy")
    from gcp_wif.provisioning import observe, plan_destroy

    observed = observe(session.desired, session.clients, session.retry_policy, everywhere=True)
    found = plan_destroy(session.desired, observed, accounts=chosen.accounts)
    question = Question(confirm.yes, "Nothing to destroy.", word="destroy")
    out.data(apply_plan(found, observed, session, question, out))
