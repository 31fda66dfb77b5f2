"""`gcp-wif token`."""

import json
import logging
from datetime import UTC, datetime
from typing import Annotated

import typer

from gcp_wif import secrets
from gcp_wif.cli.command import CommonOptions, OptionGroup, command, terminal
from gcp_wif.cli.job_steps import hide_in_log
from gcp_wif.cli.options import CiOptions, TokenOptions
from gcp_wif.cli.output import JSON_VERSION, Terminal
from gcp_wif.credential_config import DEFAULT_TOKEN_TYPE
from gcp_wif.errors import GcpWifError
from gcp_wif.job.tokens import CheckedToken, obtain_token
from gcp_wif.safe_text import safe_json

__all__ = ["main"]


class _Options(OptionGroup):
    executable_response: Annotated[
        bool,
        typer.Option("--executable-response", help="Answer as an executable credential source, failures included."),
    ] = False


@command(TokenOptions, _Options, CiOptions, CommonOptions)
def main(token: TokenOptions, options: _Options, ci: CiOptions, common: CommonOptions) -> None:
    """Print a fresh subject token on stdout: a secret.

    With --executable-response it is the program of an executable credential source (AIP-4117): clients merge stderr
    into stdout, so nothing but the JSON answer is printed, and a failure is an answer too, with exit code 0.
    """
    if options.executable_response:
        logging.disable()
        _answer(token, ci)
        return
    out = terminal(common)
    checked = _obtain(token, ci)
    for warning in checked.warnings:
        out.warn(warning)
    text = checked.token.reveal()
    hide_in_log(text, ci.context(), out)  # before it can get there
    out.secret(_document(text, token, checked) if common.as_json else text.encode() + b"\n")


def _document(text: str, token: TokenOptions, checked: CheckedToken) -> bytes:
    """The JSON object; written raw, since everything else that is printed is stripped of tokens."""
    expires = checked.token.claims.epoch("exp")
    result = {
        "version": JSON_VERSION,
        "token": text,
        "token_type": token.subject_token_type or DEFAULT_TOKEN_TYPE,
        "expires_at": f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%dT%H:%M:%SZ}" if expires is not None else None,
        "warnings": list(checked.warnings),
    }
    return safe_json(result, indent=2).encode() + b"\n"


def _obtain(token: TokenOptions, ci: CiOptions) -> CheckedToken:
    kind = token.subject_token_type or DEFAULT_TOKEN_TYPE
    return obtain_token(token.flags(), ci.context(), subject_token_type=kind)


def _answer(token: TokenOptions, ci: CiOptions) -> None:
    out = Terminal(quiet=True)
    try:
        checked = _obtain(token, ci)
    except GcpWifError as error:
        message = secrets.hide(f"{error.message} {error.hint or ''}".rstrip())
        refusal = {"version": 1, "success": False, "code": error.code, "message": message}
        out.raw(safe_json(refusal).encode() + b"\n")
        return
    answer = {
        "version": 1,
        "success": True,
        "token_type": token.subject_token_type or DEFAULT_TOKEN_TYPE,
        "id_token": checked.token.reveal(),
    }
    expires = checked.token.claims.epoch("exp")
    if expires is not None:
        answer["expiration_time"] = int(expires)
    out.secret(json.dumps(answer).encode() + b"\n")
