"""Where a job's subject token comes from: a variable, standard input, a response, or the CI system itself."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gcp_wif import secrets
from gcp_wif.ci import CiSystem, TokenRequest
from gcp_wif.credential_config import DEFAULT_TOKEN_TYPE, FileSource
from gcp_wif.errors import InputError, shown
from gcp_wif.files import read_bounded
from gcp_wif.issuers import Tenant
from gcp_wif.issuers.checks import check_claims
from gcp_wif.job.context import Context
from gcp_wif.job.flags import TokenFlags
from gcp_wif.job.target import Target
from gcp_wif.limits import MAX_TOKEN_BYTES, TOKEN_RESPONSE_BYTES
from gcp_wif.subject_token import (
    JWT_TOKEN_TYPES,
    SubjectToken,
)

__all__ = [
    "Asking",
    "CheckedToken",
    "ask_again",
    "asking_of",
    "obtain_token",
    "read_token_file",
    "require_source",
]


class CheckedToken(NamedTuple):
    """A token that Google has no evident reason to refuse, and warnings about it."""

    token: SubjectToken
    warnings: tuple[str, ...]


class Asking(NamedTuple):
    """What the CI system is asked for, the same each time that a long job needs another token.

    Attributes:
        ci: the CI system that was named; ``None`` for the one whose job this is.
        audience: as in `TokenRequest`.
        claims: likewise.
        tenant: that the token must be of.
    """

    ci: str | None
    audience: str
    claims: tuple[str, ...]
    tenant: Tenant

    def as_task(self) -> dict[str, Any]:
        """For a process that asks later, in JSON."""
        tenant = [self.tenant.kind, dict(self.tenant.keys), self.tenant.origin]
        return {"ci": self.ci, "audience": self.audience, "claims": list(self.claims), "tenant": tenant}

    @classmethod
    def from_task(cls, task: Mapping[str, Any]) -> "Asking":
        """What `as_task` made."""
        return cls(task["ci"], task["audience"], tuple(task["claims"]), Tenant(*task["tenant"]))


def asking_of(flags: TokenFlags, context: Context, target: Target) -> Asking:
    """What the CI system is asked for in a job that outlives its token.

    Raises:
        InputError: WIF110 a flag that names another source, WIF211 a CI system that gives no second token.
    """
    others = [name for name in flags.given if name != "--audience"]
    if others:
        raise InputError(
            f"{others[0]} names one token, and --keep-fresh needs another one later.",
            hint="Leave it away: the CI system is asked each time. --audience AUD says for whom.",
            code="WIF110",
        )
    system = context.system
    if system.cannot_ask:
        raise InputError(
            f"A job of {system.title} cannot be kept logged in: there is nobody to ask for a second token.",
            hint=system.cannot_ask,
            code="WIF211",
        )
    return Asking(
        context.ci, flags.audience or _audience(system, context, target), target.claims, _tenant(context, target)
    )


def ask_again(asking: Asking, context: Context) -> CheckedToken:
    """A fresh token of the CI system, checked as `obtain_token` does.

    Raises:
        InputError: WIF202 to WIF206 for what it gives, WIF208 or WIF211 where it cannot be asked.
        UnavailableError: WIF603 where it does not answer.
    """
    system = context.system
    text = system.ask(TokenRequest(asking.audience, asking.claims), context.environ, context.run)
    origin = f"the answer of {system.asked}"
    token = SubjectToken.parse(text, origin=origin)
    return CheckedToken(token, check_claims(token.claims, context.clock(), asking.tenant, origin=origin))


def obtain_token(
    flags: TokenFlags, context: Context, target: Target | None = None, *, subject_token_type: str = DEFAULT_TOKEN_TYPE
) -> CheckedToken:
    """Fetch the token and check what can be checked before Google sees it.

    Args:
        flags: which source; none means what the CI system gives: its variable, or what it answers.
        context: the job's. Standard input is read where ``--token-stdin`` asks for it, at most 32 KiB.
        target: for whom the CI system is asked. The token must be of its manifest's tenant, else of the job's own.
        subject_token_type: only JWT types have claims to check.

    Raises:
        InputError: WIF110 two sources, WIF201 missing, WIF202 empty, WIF203 not a token, WIF204 expired, WIF205 not
            yet valid, WIF206 of another organisation, WIF207 a response without it, WIF208 or WIF211 nobody to ask,
            WIF212 no audience to ask for.
        UnavailableError: WIF603 where the CI system does not answer.
    """
    _check_flags(flags)
    text, origin = _read(flags, context, target)
    jwt = subject_token_type in JWT_TOKEN_TYPES
    token = SubjectToken.parse(text, origin=origin, jwt=jwt)
    if not jwt:
        return CheckedToken(token, ())
    warnings = check_claims(token.claims, context.clock(), _tenant(context, target), origin=origin)
    known = target is not None and target.issuer is not None  # then the mapping is the manifest's, and made to fit
    return CheckedToken(token, () if known else warnings)


def require_source(flags: TokenFlags, context: Context) -> None:
    """Refuse where no token can come, without reading it or asking for it.

    Raises:
        InputError: as `obtain_token`.
    """
    _check_flags(flags)
    if flags.env is not None:
        _from_variable(flags.env, context)
    elif not flags.given:
        system, environ = context.system, context.environ
        if not any(name in environ for name in system.token_variables) and not system.can_ask(environ):
            raise _no_token(system, environ)


def read_token_file(source: FileSource, *, subject_token_type: str = DEFAULT_TOKEN_TYPE) -> SubjectToken:
    """The token that a client would read from the config's token file.

    Raises:
        InputError: WIF306 no file, WIF303 unreadable, WIF307 not a token file, WIF202, WIF203, WIF207 what it holds.
    """
    origin = f"the token file {source.file}"
    text = _decode(read_bounded(Path(source.file), TOKEN_RESPONSE_BYTES, origin="the token file"), origin)
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


def _read(flags: TokenFlags, context: Context, target: Target | None) -> tuple[str, str]:
    if flags.audience is not None:
        if not flags.audience:
            raise InputError("--audience is empty.", code="WIF102")
        return _ask(flags.audience, context.system, context, target)
    if flags.stdin:
        if context.stdin.isatty():
            raise InputError("--token-stdin reads a pipe, but standard input is a terminal.", code="WIF201")
        try:
            data = context.stdin.read(MAX_TOKEN_BYTES + 2)
        except OSError as error:  # a folder, or a stream that is open for writing alone
            raise InputError(f"Standard input cannot be read: {error.strerror}.", code="WIF201") from None
        return _decode(data, "standard input"), "standard input"
    if flags.response is not None:
        origin = f"the response in {flags.response}"
        path = (flags.response_field or "id_token").split(".")
        data = read_bounded(Path(flags.response), TOKEN_RESPONSE_BYTES, origin="--token-response")
        return _from_response(_decode(data, origin), path, origin), origin
    if flags.env is not None:
        return _from_variable(flags.env, context), flags.env
    return _from_system(context, target)


def _from_variable(name: str, context: Context) -> str:
    if not name:
        raise InputError("--token-env is empty: it takes the name of a variable.", code="WIF102")
    if name in context.environ:
        return context.environ[name]
    if not name.isidentifier():
        raise InputError(
            f"--token-env takes the name of a variable, but holds {shown(name)}.",
            hint="Give the name alone, without a dollar sign: a value would show in the process list.",
            code="WIF201",
        )
    system = context.system
    hint = "`sudo` and `docker run` do not pass variables on."
    if name in system.token_variables:
        hint = system.missing_token(context.environ).hint
    raise InputError(f"There is no subject token: {name} is not set.", hint=hint, code="WIF201")


def _from_system(context: Context, target: Target | None) -> tuple[str, str]:
    """The token of the CI system's variable; where there is none, what it answers."""
    system, environ = context.system, context.environ
    name = next((each for each in system.token_variables if each in environ), None)
    if name is not None:
        return environ[name], name
    if system.can_ask(environ):
        return _ask(_audience(system, context, target), system, context, target)
    raise _no_token(system, environ)


def _no_token(system: CiSystem, environ: Mapping[str, str]) -> InputError:
    missing = system.missing_token(environ)
    return InputError(f"There is no subject token: {missing.what}.", hint=missing.hint, code="WIF201")


def _ask(audience: str, system: CiSystem, context: Context, target: Target | None) -> tuple[str, str]:
    request = TokenRequest(audience, target.claims if target else ())
    return system.ask(request, context.environ, context.run), f"the answer of {system.asked}"


def _tenant(context: Context, target: Target | None) -> Tenant:
    issuer = target.issuer if target else None
    return Tenant(issuer.kind, issuer.keys, "the manifest") if issuer else context.system.tenant(context.environ)


def _audience(system: CiSystem, context: Context, target: Target | None) -> str:
    """Whom the token is for, where the user does not say: the manifest's, the system's own, or the provider's name.

    A client that runs gcp-wif as the program of a credential config says the provider in its environment (AIP-4117).

    Raises:
        InputError: WIF212 where nothing tells.
    """
    if target is not None and target.issuer is not None and target.issuer.audiences:
        return target.issuer.audiences[0]
    own = system.audience(context.environ)
    if own is not None:
        return own
    if target is not None:
        return target.provider.default_audiences[1]
    named = context.environ.get("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", "")
    if named.startswith("//"):
        return f"https:{named}"
    raise InputError(
        f"{system.title} must be told for whom the token is.",
        hint="Give --audience AUD: one of the provider's allowed audiences, or its name, "
        "https://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/ID.",
        code="WIF212",
    )


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
