"""Access and ID tokens of a job that is logged in."""

import os
import time
from collections.abc import Mapping, Sequence

from gcp_wif.api.world import AnyPath, Clock, context_of
from gcp_wif.endpoints import Endpoints
from gcp_wif.job.access import (
    AccessWish,
    Granted,
    IdentityWish,
    exported_config,
    parse_chain,
    parse_lifetime,
    parse_scopes,
)
from gcp_wif.job.access import access_token as ask_for_access
from gcp_wif.job.access import id_token as ask_for_identity

__all__ = ["access_token", "id_token"]


def access_token(
    *,
    scopes: Sequence[str] = (),
    impersonate: Sequence[str] = (),
    lifetime_seconds: int | None = None,
    config_path: AnyPath | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: AnyPath | None = None,
    clock: Clock = time.time,
) -> Granted:
    """Get an access token, by one new exchange; `gcp-wif print-access-token` from Python.

    Args:
        scopes: by default all of Google Cloud, where IAM alone decides.
        impersonate: emails: another account, whose token to get, and before it those on the way to it.
        lifetime_seconds: of a service account's token; by default the config's, else an hour.
        config_path: the credential config; by default the exported one.
        environ: the job's variables; those of this process.
        cwd: the folder that relative paths begin at.
        clock: seconds since 1970.

    Raises:
        InputError: something cannot work; Google was not asked.
        RefusedError: Google says no.
        UnavailableError: no answer.
    """
    context = context_of(environ, cwd, clock)
    wish = AccessWish(
        parse_scopes(",".join(scopes)) if scopes else None,
        parse_chain(",".join(impersonate)) if impersonate else None,
        parse_lifetime(str(lifetime_seconds)) if lifetime_seconds is not None else None,
    )
    path = exported_config(os.fspath(config_path) if config_path is not None else None, context)
    return ask_for_access(path, wish, Endpoints.resolve(context.environ), context)


def id_token(
    audience: str,
    *,
    include_email: bool = False,
    impersonate: Sequence[str] = (),
    config_path: AnyPath | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: AnyPath | None = None,
    clock: Clock = time.time,
) -> Granted:
    """Get an ID token of the job's service account; `gcp-wif print-identity-token` from Python.

    Args:
        audience: who is to accept it.
        include_email: whether it has the claims ``email`` and ``email_verified``.
        impersonate: as for `access_token`.
        config_path: likewise.
        environ: likewise.
        cwd: likewise.
        clock: likewise.

    Raises:
        InputError: as `access_token`; WIF144 for direct federation, which has none.
        RefusedError: Google says no.
        UnavailableError: no answer.
    """
    context = context_of(environ, cwd, clock)
    wish = IdentityWish(audience, include_email, parse_chain(",".join(impersonate)) if impersonate else None)
    path = exported_config(os.fspath(config_path) if config_path is not None else None, context)
    return ask_for_identity(path, wish, Endpoints.resolve(context.environ), context)
