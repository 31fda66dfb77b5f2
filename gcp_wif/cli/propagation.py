"""Waiting until what `apply` wrote decides everywhere.

An admin cannot see propagation: Google shows a policy at once, and its servers act on it typically two minutes later,
sometimes seven or more. What can be seen is that three reads in a row show what was written; and with a subject token
of a job, that a real exchange gets through.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcp_wif.cli.command import OptionGroup, run_context
from gcp_wif.cli.output import Terminal
from gcp_wif.cli.plans import Session
from gcp_wif.credential_config import CredentialConfig, FileSource, TokenFormat
from gcp_wif.errors import RefusedError, UnavailableError
from gcp_wif.files import Roots, write_private

if TYPE_CHECKING:
    from gcp_wif.provisioning import Plan

__all__ = ["WaitOptions", "wait_for_propagation"]

_LONGEST_SECONDS = 900.0


class WaitOptions(OptionGroup):
    """Whether to wait, and with what."""

    wait: Annotated[bool, typer.Option("--wait", help="Wait until the bindings have propagated; see --token-env.")] = (
        False
    )
    token_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variable with a job's subject token: --wait then tries real exchanges."),
    ] = None


def wait_for_propagation(session: Session, plan: "Plan", options: WaitOptions, out: Terminal) -> dict[str, Any]:
    """Wait as far as can be seen; returns the JSON shape.

    Raises:
        InputError: the token is missing or no JWT.
        RefusedError: WIF827 where the token is one that no identity of the manifest admits.
        UnavailableError: WIF828 where it takes longer than 15 minutes.
    """
    from gcp_wif.provisioning import wait_until_visible

    wait_until_visible(plan, session.clients, session.retry_policy)
    out.say("Every policy shows what was written.")
    if options.token_env is None:
        out.say(
            "Whether Google acts on it yet shows only with a job's token: typically 2 minutes, sometimes 7. "
            "--token-env tries real exchanges."
        )
        return {"shown": True, "exchanged": []}
    return {"shown": True, "exchanged": _try_exchanges(session, options.token_env, out)}


def _try_exchanges(session: Session, variable: str, out: Terminal) -> list[str]:
    """Exchange the token for every identity that it may be, until Google agrees."""
    from gcp_wif.federation import evaluate
    from gcp_wif.job.flags import TokenFlags
    from gcp_wif.job.target import Target
    from gcp_wif.job.tokens import obtain_token

    target = Target(session.manifest.provider_name, None, issuer=session.manifest.issuer)
    checked = obtain_token(TokenFlags(env=variable), run_context(), target)
    desired = session.desired
    principals = set(evaluate(checked.token.claims, desired.rules).principals)
    identities = [
        identity for name, identity in session.manifest.identities.items() if principals & set(desired.members[name])
    ]
    if not identities:
        raise RefusedError(
            f"The token in {variable} is of no identity in the manifest, so no exchange can succeed with it.",
            hint="Give the token of a job that an `allow` rule names.",
            code="WIF827",
        )
    with tempfile.TemporaryDirectory(prefix="gcp-wif-") as folder:
        source = FileSource(str(Path(folder, "token")), TokenFormat("text"))
        write_private({Path(source.file): checked.token.reveal().encode()}, Roots(None, folder))
        for identity in identities:
            config = CredentialConfig.build(
                session.manifest.provider_name, source, session.endpoints, service_account=identity.service_account
            )
            _exchange_until_granted(config, session, session.retry_policy.deadline(_LONGEST_SECONDS))
            out.say(f"{identity.name}: the exchange succeeds.")
    return [identity.name for identity in identities]


def _exchange_until_granted(config: CredentialConfig, session: Session, deadline: float) -> None:
    from gcp_wif.job.exchange import exchange

    while True:
        try:
            exchange(config, run_context().environ)
        except RefusedError as error:
            if not session.retry_policy.pause(deadline):
                raise UnavailableError(
                    f"After {_LONGEST_SECONDS:g} seconds Google still says: {error.message}",
                    hint=error.hint,
                    code="WIF828",
                ) from None
        else:
            return
