"""How a token that was asked for is printed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gcp_wif.cli.command import CommonOptions, terminal
from gcp_wif.cli.job_steps import hide_in_log
from gcp_wif.cli.output import JSON_VERSION
from gcp_wif.safe_text import safe_json

if TYPE_CHECKING:
    from gcp_wif.job.access import Granted
    from gcp_wif.job.context import Context

__all__ = ["print_granted"]


def print_granted(granted: "Granted", more: Mapping[str, str], context: "Context", common: CommonOptions) -> None:
    """Print the token on stdout, and its warnings on stderr; the CI system is asked to hide it in the job's log.

    Args:
        granted: the token, and whose it is.
        more: what else the JSON object says.
        context: the world around.
        common: whether it is JSON.
    """
    out = terminal(common)
    hide_in_log(granted.secret, context, out)
    for warning in granted.warnings:
        out.warn(warning)
    if not common.as_json:
        out.secret(granted.secret.encode() + b"\n")
        return
    result = {"version": JSON_VERSION, "token": granted.secret, **more}
    result |= {"service_account": granted.account, "warnings": list(granted.warnings)}
    out.secret(safe_json(result, indent=2).encode() + b"\n")
