"""`gcp-wif print-identity-token`."""

from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.granted import print_granted
from gcp_wif.cli.job_steps import explained
from gcp_wif.cli.options import CiOptions, ExecutableOptions, ExportedConfigOptions
from gcp_wif.errors import InputError
from gcp_wif.job.access import IdentityWish, exported_config, id_token, parse_chain

__all__ = ["main"]


class _Options(OptionGroup):
    audiences: Annotated[
        str | None, typer.Option(metavar="AUD", help="Who is to accept the token; one audience, as in gcloud.")
    ] = None
    include_email: Annotated[
        bool, typer.Option("--include-email", help="With the claims email and email_verified.")
    ] = False


@command(_Options, ExportedConfigOptions, ExecutableOptions, CiOptions, CommonOptions)
def main(
    options: _Options,
    config: ExportedConfigOptions,
    executable: ExecutableOptions,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Print an ID token on stdout: a secret.

    As `gcloud auth print-identity-token` does. It is that of the service account that the job impersonates, such as
    Cloud Run and IAP want it. Direct federation has none by itself, and needs an account to be named.
    """
    out, context = terminal(common), ci.context()
    if not options.audiences:
        raise InputError(
            "--audiences is needed: an ID token is for one service alone.",
            hint="For Cloud Run it is the service's URL, for IAP the OAuth client's ID.",
            code="WIF101" if options.audiences is None else "WIF102",
        )
    wish = IdentityWish(options.audiences, options.include_email, parse_chain(config.impersonate_service_account))
    where = endpoints(context, out, config.universe_domain)
    path = exported_config(config.output_file, context)
    with explained(path, context, beyond=wish.chain is not None):
        granted = id_token(path, wish, where, context, allow_executable=executable.allow_executable)
    print_granted(granted, {"audience": wish.audience}, context, common)
