"""The program ``docker-credential-gcp-wif``: Docker's credential helper for Google's registries.

The protocol is that of docker-credential-helpers (its ``credentials.go`` and ``error.go``): one word on the command
line, the server on standard input, JSON or an error's words on standard output, exit code 1 for an error. Where the
words are exactly `_NOT_FOUND`, Docker goes on without credentials; any others it shows.

Docker starts it for each registry of each build, so it loads neither Typer nor anything else that it does not need.
"""

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gcp_wif.job.context import Context

__all__ = ["main"]

_NAME = "docker-credential-gcp-wif"
_NOT_FOUND = "credentials not found in native keychain"
_NO_SERVER = "no credentials server URL"
_USAGE = f"Usage: {_NAME} <store|get|erase|list|version>"
_SERVER_BYTES = 4096
_STORE_BYTES = 1 << 20


def main() -> None:
    """Answer Docker and exit with the code that the protocol has."""
    import gc

    gc.disable()  # it ends before garbage matters
    from gcp_wif.cli.output import HidingStream, report_crash
    from gcp_wif.cli.streams import hold_standard_streams

    hold_standard_streams()
    sys.stdout, sys.stderr = HidingStream(sys.stdout), HidingStream(sys.stderr)
    try:
        code = _answer(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        report_crash(error)
        code = 1
    sys.stdout.flush()
    sys.exit(code)


def _answer(arguments: list[str]) -> int:
    if len(arguments) != 1:
        return _say(_USAGE, 1)
    action = arguments[0]
    if action == "get":
        return _get()
    if action == "list":
        from gcp_wif.job.docker import DEFAULT_HOSTS, USERNAME

        return _say(json.dumps({f"https://{host}": USERNAME for host in DEFAULT_HOSTS}), 0)
    if action in {"store", "erase"}:
        # Nothing is kept, so there is nothing to do; as docker-credential-gcloud, which Docker takes for success.
        sys.stdin.buffer.read(_STORE_BYTES)
        return 0
    if action in {"version", "--version", "-v"}:
        from importlib.metadata import version

        return _say(f"{_NAME} (gcp-wif) {version('gcp-wif')}", 0)
    return _say(_USAGE, 0) if action in {"--help", "-h"} else _say(f"{_NAME}: unknown action: {action}", 1)


def _get() -> int:
    from gcp_wif.cli.output import Terminal
    from gcp_wif.cli.process import run_context
    from gcp_wif.errors import GcpWifError
    from gcp_wif.job.access import exported_config
    from gcp_wif.job.docker import USERNAME, registry_host

    server = sys.stdin.buffer.read(_SERVER_BYTES).decode("utf-8", "replace").strip()
    if not server:
        return _say(_NO_SERVER, 1)
    if registry_host(server) is None:
        return _say(_NOT_FOUND, 1)  # a token is for Google alone, whatever is registered
    try:
        context = run_context()
        config = exported_config(None, context)
        if not config.exists():
            sys.stderr.write(f"{_NAME}: there is no file {config}. Log in first: gcp-wif login\n")
            return _say(_NOT_FOUND, 1)  # what everybody may read, everybody still can
        secret = _token(config, context)
    except GcpWifError as error:
        hint = "".join(f"\n  {line}" for line in (error.hint or "").splitlines())
        return _say(f"error {error.code}: {error.message}{hint}", 1)
    answer = {"ServerURL": server, "Username": USERNAME, "Secret": secret}
    Terminal().secret(json.dumps(answer).encode() + b"\n")
    return 0


def _token(config: "Path", context: "Context") -> str:
    """An access token of the exported credential config."""
    from gcp_wif.endpoints import EMULATOR_VARIABLE, Endpoints
    from gcp_wif.job.access import AccessWish, access_token
    from gcp_wif.job.context import Program

    endpoints = Endpoints.resolve(context.environ)
    if endpoints.emulator:
        sys.stderr.write(f"warning: {EMULATOR_VARIABLE} is set: this talks to the emulator, not to Google.\n")
    if context.program:  # a config may run gcp-wif, which stands beside this program; never this one
        beside = f"{context.program.script.rpartition('/')[0]}/gcp-wif"
        context = context._replace(program=Program(beside, context.program.interpreter))
    granted = access_token(config, AccessWish(), endpoints, context)
    for warning in granted.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return granted.secret


def _say(text: str, code: int) -> int:
    sys.stdout.write(f"{text}\n")
    return code


if __name__ == "__main__":
    main()
