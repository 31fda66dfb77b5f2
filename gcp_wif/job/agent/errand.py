"""A short-lived child of the agent: it asks the CI system for a token, or Google for an access token, and ends.

What it needs stands on its standard input; its answer is one JSON object on standard output. So the agent itself loads
neither what asking needs nor what an exchange needs, and keeps nothing of it.
"""

import json
import os
import sys
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from gcp_wif import secrets
from gcp_wif.errors import GcpWifError
from gcp_wif.job.context import Context

__all__ = ["main"]


def main() -> None:
    """Run one errand."""
    _end_on_sigterm()
    try:
        answer = _run(json.loads(sys.stdin.buffer.read()))
    except GcpWifError as error:
        answer = {"error": f"{error.code}: {secrets.hide(error.message)}"}
    except Exception as error:  # its text may hold anything
        answer = {"error": f"unexpected {type(error).__name__}; this is a bug of gcp-wif"}
    with suppress(OSError):
        sys.stdout.buffer.write(json.dumps(answer).encode())
        sys.stdout.buffer.flush()


def _end_on_sigterm() -> None:
    """So that a program of the CI system that is being asked ends with this process."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def _run(task: dict[str, Any]) -> dict[str, Any]:
    context = Context(dict(os.environ), "/", BytesIO(), time.time, ci=task["ci"])
    if task["errand"] == "token":
        return _token(task, context)
    if task["errand"] == "logout":
        return _logout(task, context)
    from gcp_wif.job.agent.metadata import granted  # google-auth

    return granted(task, context)


def _logout(task: dict[str, Any], context: Context) -> dict[str, Any]:
    from gcp_wif.job.logout import remove_written

    return {"removed": [str(path) for path in remove_written(Path(task["config"]), context)[0]]}


def _token(task: dict[str, Any], context: Context) -> dict[str, Any]:
    from gcp_wif.job.tokens import Asking, ask_again

    token = ask_again(Asking.from_task(task), context).token
    claims = token.claims
    return {"token": token.reveal(), "expires": claims.epoch("exp"), "issued": claims.epoch("iat")}
