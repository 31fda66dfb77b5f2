"""`gcp-wif generate`."""

from typing import Any

from gcp_wif.cli.command import CommonOptions, command, endpoints, surroundings, terminal
from gcp_wif.cli.options import ConfigFileOptions, GenerateOptions, TargetOptions, TokenOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.endpoints import Endpoints
from gcp_wif.job.generate import Generated, Surroundings, generate
from gcp_wif.job.target import Target, resolve_target

__all__ = ["choose_target", "main", "run_generate"]


def choose_target(options: TargetOptions, around: Surroundings) -> Target:
    """The target that flags, manifest and environment mean."""
    return resolve_target(options.flags(), around.environ)


def run_generate(
    target: Target,
    options: tuple[GenerateOptions, ConfigFileOptions, TokenOptions],
    endpoints: Endpoints,
    around: Surroundings,
    out: Terminal,
) -> tuple[Generated, dict[str, Any]]:
    """Write the files; returns what was written, and its JSON shape."""
    done = generate(target, options[0].flags(*options[1:]), endpoints, around)
    for warning in done.warnings:
        out.warn(warning)
    out.say(f"credential config  {done.config_path}")
    if done.token_path:
        out.say(f"subject token      {done.token_path}")
    return done, {
        "config_path": str(done.config_path),
        "token_path": str(done.token_path) if done.token_path else None,
        "provider": str(target.provider),
        "service_account": target.service_account,
        "warnings": list(done.warnings),
    }


@command(TargetOptions, GenerateOptions, ConfigFileOptions, TokenOptions, CommonOptions)
def main(
    target: TargetOptions,
    options: GenerateOptions,
    config: ConfigFileOptions,
    token: TokenOptions,
    common: CommonOptions,
) -> None:
    """Write the token file and the credential config that client libraries read.

    Both files are private (mode 0600) and are replaced together or not at all. The config equals what gcloud's
    create-cred-config writes for the same flags.
    """
    out, around = terminal(common), surroundings()
    where = endpoints(around, out, config.universe_domain)
    _, document = run_generate(choose_target(target, around), (options, config, token), where, around, out)
    out.data(document)
