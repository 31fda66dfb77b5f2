"""`gcp-wif verify`."""

from gcp_wif.cli.chosen_config import chosen_config
from gcp_wif.cli.command import CommonOptions, command, endpoints, terminal
from gcp_wif.cli.job_steps import run_verify, verified_lines, verify_document
from gcp_wif.cli.options import CiOptions, ConfigFileOptions, ContainerOptions, ExecutableOptions, NameOptions

__all__ = ["main"]


@command(ConfigFileOptions, NameOptions, ContainerOptions, ExecutableOptions, CiOptions, CommonOptions)
def main(
    config: ConfigFileOptions,
    named: NameOptions,
    container: ContainerOptions,
    executable: ExecutableOptions,
    ci: CiOptions,
    common: CommonOptions,
) -> None:
    """Do one real exchange, and say what Google granted.

    With the credential config, impersonation included. A refusal is explained (exit code 1); a service that cannot be
    reached is exit code 3, after bounded retries.
    """
    out, context = terminal(common), ci.context()
    where = endpoints(context, out, config.universe_domain)
    path = chosen_config(config, named, context)
    done = run_verify(
        path,
        where,
        context,
        out,
        allow_executable=executable.allow_executable,
        path_in_container=container.path_in_container,
    )
    for line in verified_lines(done):
        out.report(line)
    out.data(verify_document(done))
