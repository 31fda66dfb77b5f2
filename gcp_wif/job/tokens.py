"""Where a job's subject token comes from: a variable, standard input, a response, or the CI system itself."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gcp_wif import secrets
from gcp_wif.ci import circleci
from gcp_wif.credential_config import DEFAULT_TOKEN_TYPE, FileSource
from gcp_wif.errors import InputError, shown
from gcp_wif.files import read_bounded
from gcp_wif.issuers import Issuer
from gcp_wif.issuers.checks import Tenant, check_claims
from gcp_wif.job.flags import TokenFlags
from gcp_wif.subject_token import (
    JWT_TOKEN_TYPES,
    MAX_TOKEN_BYTES,
    SubjectToken,
)

__all__ = ["CheckedToken", "obtain_token", "read_token_file"]

_RESPONSE_BYTES = 1 << 20


class CheckedToken(NamedTuple):
    """A token that Google has no evident reason to refuse, and warnings about it."""

    token: SubjectToken
    warnings: tuple[str, ...]


def obtain_token(
    flags: TokenFlags,
    environ: Mapping[str, str],
    stdin: BinaryIO,
    *,
    now: float,
    subject_token_type: str = DEFAULT_TOKEN_TYPE,
    issuer: Issuer | None = None,
    run: circleci.Run | None = None,
) -> CheckedToken:
    """Fetch the token and check what can be checked before Google sees it.

    Args:
        flags: which source.
        environ: for the variable, and for the organisation that this job belongs to.
        stdin: read where ``--token-stdin`` asks for it, at most 32 KiB.
        now: seconds since 1970.
        subject_token_type: only JWT types have claims to check.
        issuer: the manifest's, whose tenant the token must be of; else the job's own.
        run: how the ``circleci`` program is run.

    Raises:
        InputError: WIF110 two sources, WIF201 missing, WIF202 empty, WIF203 not a token, WIF204 expired, WIF205 not
            yet valid, WIF206 of another organisation, WIF207 a response without it, WIF208 no program to ask.
        UnavailableError: WIF603 where the CI system does not answer.
    """
    _check_flags(flags)
    text, origin = _read(flags, environ, stdin, run)
    jwt = subject_token_type in JWT_TOKEN_TYPES
    token = SubjectToken.parse(text, origin=origin, jwt=jwt)
    if not jwt:
        return CheckedToken(token, ())
    wanted = Tenant(issuer.kind, issuer.keys, "the manifest") if issuer else circleci.tenant(environ)
    return CheckedToken(token, check_claims(token.claims, now, wanted, origin=origin))


def read_token_file(source: FileSource, *, subject_token_type: str = DEFAULT_TOKEN_TYPE) -> SubjectToken:
    """The token that a client would read from the config's token file.

    Raises:
        InputError: WIF306 no file, WIF303 unreadable, WIF307 not a token file, WIF202, WIF203, WIF207 what it holds.
    """
    origin = f"the token file {source.file}"
    text = _decode(read_bounded(Path(source.file), _RESPONSE_BYTES, origin="the token file"), origin)
    field = source.effective_format.field_name
    if field is not None:
        text = _from_response(text, (field,), origin)
    return SubjectToken.parse(text, origin=origin, jwt=subject_token_type in JWT_TOKEN_TYPES)


def _check_flags(flags: TokenFlags) -> None:
    if len(flags.given) > 1:
        raise InputError(
            f"{flags.given[0]} and {flags.given[1]} are mutually exclusive.",
            hint="A token has one source.",
            code="WIF110",
        )
    if flags.response_field is not None and flags.response is None:
        raise InputError(
            "--token-response-field needs --token-response FILE.",
            hint="It says where in that file's JSON the token stands.",
            code="WIF110",
        )


def _read(flags: TokenFlags, environ: Mapping[str, str], stdin: BinaryIO, run: circleci.Run | None) -> tuple[str, str]:
    if flags.audience is not None:
        if not flags.audience:
            raise InputError("--audience is empty.", code="WIF102")
        answer = circleci.ask_for_token(flags.audience, run) if run else circleci.ask_for_token(flags.audience)
        return answer, "the answer of `circleci run oidc get`"
    if flags.stdin:
        if stdin.isatty():
            raise InputError("--token-stdin reads a pipe, but standard input is a terminal.", code="WIF201")
        try:
            data = stdin.read(MAX_TOKEN_BYTES + 2)
        except OSError as error:  # a folder, or a stream that is open for writing alone
            raise InputError(f"Standard input cannot be read: {error.strerror}.", code="WIF201") from None
        return _decode(data, "standard input"), "standard input"
    if flags.response is not None:
        origin = f"the response in {flags.response}"
        path = (flags.response_field or "id_token").split(".")
        data = read_bounded(Path(flags.response), _RESPONSE_BYTES, origin="--token-response")
        return _from_response(_decode(data, origin), path, origin), origin
    name = flags.env if flags.env is not None else circleci.DEFAULT_TOKEN_VARIABLE
    if not name:
        raise InputError("--token-env is empty: it takes the name of a variable.", code="WIF102")
    if name not in environ:
        raise _missing(name, environ)
    return environ[name], name


def _missing(name: str, environ: Mapping[str, str]) -> InputError:
    other = f"{circleci.DEFAULT_TOKEN_VARIABLE}_V2"
    if not name.isidentifier():
        return InputError(
            f"--token-env takes the name of a variable, but holds {shown(name)}.",
            hint="Give the name, such as CIRCLE_OIDC_TOKEN, without a dollar sign: a value would show in the process "
            "list.",
            code="WIF201",
        )
    hint = (
        "CircleCI gives every job a token, except jobs of forked pull requests, unless the project passes secrets to "
        "forks. On a self-hosted runner it goes missing where the temporary folder is unwritable or noexec. `sudo` "
        "and `docker run` do not pass variables on."
    )
    if name == circleci.DEFAULT_TOKEN_VARIABLE and environ.get(other):
        hint = f"{other} is set: use it with --token-env {other}. {hint}"
    return InputError(f"There is no subject token: {name} is not set.", hint=hint, code="WIF201")


def _decode(data: bytes, origin: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        # `from None`: the exception holds the bytes.
        raise InputError(f"{origin} is not UTF-8 text.", code="WIF203") from None


def _from_response(text: str, path: Sequence[str], origin: str) -> str:
    """The string under ``path``, one name for each level."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{origin} is not JSON.", code="WIF207") from None
    secrets.remember_in(value)
    seen: list[str] = []
    for name in path:
        if not isinstance(value, dict) or name not in value:
            where = f"`{'.'.join(seen)}`" if seen else "its top level"
            fields = ", ".join(sorted(value)[:10]) if isinstance(value, dict) else "no object"
            raise InputError(
                f"{origin} has no field `{'.'.join(path)}`: {where} has {fields or 'no fields'}.",
                hint="Name the field with --token-response-field, dots between the levels: response.id_token",
                code="WIF207",
            )
        value = value[name]
        seen.append(name)
    if not isinstance(value, str):
        raise InputError(f"{origin}: `{'.'.join(path)}` is not a string.", code="WIF207")
    return value
