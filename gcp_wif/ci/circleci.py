"""CircleCI: where its tokens are, how to ask for another, and where its shell reads exports.

Sources: CircleCI's pages on OpenID Connect tokens, environment variables and ``BASH_ENV``; ``circleci run oidc get``
is documented for its executors and absent elsewhere.
"""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gcp_wif.errors import InputError, UnavailableError
from gcp_wif.issuers.checks import Tenant
from gcp_wif.subject_token import MAX_TOKEN_BYTES

__all__ = [
    "DEFAULT_TOKEN_VARIABLE",
    "SHELL_FILE_VARIABLE",
    "Run",
    "ask_for_token",
    "organization_id",
    "shell_file",
    "tenant",
]

DEFAULT_TOKEN_VARIABLE = "CIRCLE_OIDC_TOKEN"  # noqa: S105 - a variable's name
SHELL_FILE_VARIABLE = "BASH_ENV"
ORGANIZATION_VARIABLE = "CIRCLE_ORGANIZATION_ID"

_ASK_SECONDS = 30

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[bytes]"]
"""How a program is run; tests give their own."""


def organization_id(environ: Mapping[str, str]) -> str | None:
    """The organisation that this job belongs to, a UUID; ``None`` outside CircleCI."""
    return environ.get(ORGANIZATION_VARIABLE) or None


def tenant(environ: Mapping[str, str]) -> Tenant:
    """The organisation that this job belongs to, as its tokens' issuer knows it."""
    found = organization_id(environ)
    return Tenant("circleci", {"organization_id": found}, ORGANIZATION_VARIABLE) if found else Tenant()


def shell_file(environ: Mapping[str, str]) -> Path | None:
    """The file that bash reads at the start of each step; ``None`` where ``BASH_ENV`` is unset or empty."""
    name = environ.get(SHELL_FILE_VARIABLE)
    return Path(name) if name else None


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(  # noqa: S603 - a fixed program, arguments without a shell
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS, check=False
    )


def ask_for_token(audience: str, run: Run = _run) -> str:
    """Ask CircleCI for a fresh token with ``audience`` as its ``aud``; only that claim can be chosen.

    Raises:
        InputError: WIF208 where the ``circleci`` program is missing.
        UnavailableError: WIF603 where it fails, hangs, or answers without a token. Its output is never repeated: it
            may hold one.
    """
    command = ["circleci", "run", "oidc", "get", "--claims", json.dumps({"aud": audience})]
    try:
        done = run(command)
    except FileNotFoundError as error:
        raise InputError(
            "--audience asks CircleCI for a token, but there is no program `circleci` on the PATH.",
            hint="It is in CircleCI's executors, not on a laptop. Outside a job, give a token with --token-env, "
            "--token-stdin or --token-response.",
            code="WIF208",
        ) from error
    except subprocess.TimeoutExpired:
        # `from None`: the exception holds what the program had printed.
        raise UnavailableError(
            f"`circleci run oidc get` did not answer within {_ASK_SECONDS} seconds.", code="WIF603"
        ) from None
    except OSError as error:
        raise InputError(f"`circleci` could not be run: {error.strerror}.", code="WIF208") from error
    if done.returncode != 0:
        raise UnavailableError(
            f"`circleci run oidc get` failed with exit code {done.returncode}.",
            hint="Run it in the job by itself to see why. A job of a forked pull request may ask for no token; on a "
            "self-hosted runner the temporary folder must be writable and not noexec.",
            code="WIF603",
        )
    return done.stdout[: MAX_TOKEN_BYTES + 2].decode("utf-8", "replace")
