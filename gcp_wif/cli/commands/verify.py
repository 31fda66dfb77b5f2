"""`gcp-wif verify`."""

from pathlib import Path
from typing import Any

from gcp_wif.cli.command import CommonOptions, command, endpoints, terminal
from gcp_wif.cli.options import CiOptions, ConfigFileOptions
from gcp_wif.cli.output import Terminal
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import RefusedError
from gcp_wif.job.context import Context
from gcp_wif.job.export import read_config
from gcp_wif.job.generate import config_path
from gcp_wif.job.verify import verify

__all__ = ["main", "run_verify"]


def run_verify(config: Path, endpoints: Endpoints, context: Context, out: Terminal) -> dict[str, Any]:
    """Do the exchange; returns the JSON shape."""
    try:
        done = verify(config, endpoints, context)
    except RefusedError as error:
        raise _with_finding(error, config, context) from None
    for warning in done.warnings:
        out.warn(warning)
    account = done.service_account or "none: direct federation"
    out.say(f"principal          {done.principal or 'not known from outside: the mapping of the provider decides'}")
    out.say(f"service account    {account}")
    out.say(f"access token       valid until {done.expires_at:%Y-%m-%d %H:%M:%S} UTC")
    return {
        "principal": done.principal,
        "service_account": done.service_account,
        "expires_at": f"{done.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "warnings": list(done.warnings),
    }


def _with_finding(error: RefusedError, config: Path, context: Context) -> RefusedError:
    """Google's refusal, ended by what the doctor makes of it with what a job has."""
    try:
        from gcp_wif.cli.evidence import case_of_job
        from gcp_wif.doctor import diagnose

        report = diagnose(case_of_job(read_config(config), context.clock(), error))
    except Exception:  # a defect there must not hide the refusal, which is what matters
        return error
    found = report.broken
    if found is None:
        return error
    lines = [found.message, *([f"found: {found.found}"] if found.found else []), *(f"- {line}" for line in found.fix)]
    lines.append("Look closer: gcp-wif doctor, or where you may read Google: gcp-wif doctor --live")
    return RefusedError(error.message, hint="\n".join(lines), code=error.code)


@command(ConfigFileOptions, CiOptions, CommonOptions)
def main(config: ConfigFileOptions, ci: CiOptions, common: CommonOptions) -> None:
    """Do one real exchange with the credential config, impersonation included, and say what Google granted.

    A refusal is explained (exit code 1); a service that cannot be reached is exit code 3, after bounded retries.
    """
    out, context = terminal(common), ci.context()
    where = endpoints(context, out, config.universe_domain)
    out.data(run_verify(config_path(config.output_file, context), where, context, out))
