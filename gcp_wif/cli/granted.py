"""How a token that was asked for is printed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gcp_wif.cli.command import CommonOptions, terminal
from gcp_wif.cli.output import JSON_VERSION
from gcp_wif.safe_text import safe_json

if TYPE_CHECKING:
    from gcp_wif.job.access import Granted

__all__ = ["print_granted"]


def print_granted(granted: "Granted", more: Mapping[str, str], common: CommonOptions) -> None:
    """Print the token on stdout, and its warnings on stderr.

    Args:
        granted: the token, and whose it is.
        more: what else the JSON object says.
        common: whether it is JSON.
    """
    out = terminal(common)
    for warning in granted.warnings:
        out.warn(warning)
    if not common.as_json:
        out.secret(granted.secret.encode() + b"\n")
        return
    result = {"version": JSON_VERSION, "token": granted.secret, **more}
    result |= {"service_account": granted.account, "warnings": list(granted.warnings)}
    out.secret(safe_json(result, indent=2).encode() + b"\n")
