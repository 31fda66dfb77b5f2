"""`gcp-wif print-access-token`."""

from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, endpoints, terminal
from gcp_wif.cli.granted import print_granted
from gcp_wif.cli.job_steps import explained
from gcp_wif.cli.options import CiOptions, ExecutableOptions, ExportedConfigOptions
from gcp_wif.job.access import AccessWish, access_token, exported_config, parse_chain, parse_lifetime, parse_scopes

__all__ = ["main"]


class _Options(OptionGroup):
    scopes: Annotated[
        str | None,
        typer.Option(metavar="SCOPE[,…]", help="The token's scopes. [default: cloud-platform, where IAM decides]"),
    ] = None
    lifetime: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="Of a service account's token: 1800, 30m. [default: the config's, or 1h]"
        ),
    ] = None


@command(_Options, ExportedConfigOptions, ExecutableOptions, CiOptions, CommonOptions)
def main(
    options: _Options,
    config: ExportedConfigOptions,
    executable: ExecutableOptions,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Print an access token on stdout: a secret.

    As `gcloud auth print-access-token` does. It is that of the job's credential config, got by one new exchange.
    Nothing is written to disk.
    """
    out, context = terminal(common), ci.context()
    wish = AccessWish(
        parse_scopes(options.scopes), parse_chain(config.impersonate_service_account), parse_lifetime(options.lifetime)
    )
    where = endpoints(context, out, config.universe_domain)
    path = exported_config(config.output_file, context)
    with explained(path, context, beyond=wish.chain is not None):
        granted = access_token(path, wish, where, context, allow_executable=executable.allow_executable)
    print_granted(granted, {"expires_at": f"{granted.expires_at:%Y-%m-%dT%H:%M:%SZ}"}, context, common)
