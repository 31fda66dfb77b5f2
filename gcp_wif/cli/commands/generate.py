"""`gcp-wif generate`."""

from gcp_wif.cli.command import CommonOptions, command, endpoints, terminal
from gcp_wif.cli.job_steps import run_generate
from gcp_wif.cli.missing import all_missing, lacks_of_generate
from gcp_wif.cli.options import (
    CiOptions,
    ConfigFileOptions,
    ContainerOptions,
    GenerateOptions,
    NameOptions,
    TargetOptions,
    TokenOptions,
)
from gcp_wif.cli.targets import choose_target

__all__ = ["main"]


@command(
    TargetOptions,
    GenerateOptions,
    ConfigFileOptions,
    NameOptions,
    ContainerOptions,
    TokenOptions,
    CiOptions,
    CommonOptions,
)
def main(
    target: TargetOptions,
    options: GenerateOptions,
    config: ConfigFileOptions,
    named: NameOptions,
    container: ContainerOptions,
    token: TokenOptions,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Write the token file and the credential config.

    Client libraries read them. Both files are private (mode 0600) and are replaced together or not at all. The config
    equals what gcloud's create-cred-config writes for the same flags.
    """
    out, context = terminal(common), ci.context()
    where = endpoints(context, out, config.universe_domain)
    groups = (options, config, token, named, container)
    lacks = lacks_of_generate(options.flags(*groups[1:]), context)
    with all_missing(lambda: choose_target(target, context), *lacks):
        _, document = run_generate(choose_target(target, context), groups, where, context, out)
    out.data(document)
