"""`diagnose`: why Google says no, in one call."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcp_wif.api.admin import Admin
from gcp_wif.api.world import AnyPath, Clock, ManifestSource, context_of, manifest_of
from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.job.context import Context
from gcp_wif.manifest import Manifest
from gcp_wif.names import ProviderName

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from gcp_wif.doctor import Evidence, Report

__all__ = ["diagnose"]


def diagnose(
    *,
    manifest: ManifestSource | None = None,
    identity: str | None = None,
    provider: str | None = None,
    claims: Mapping[str, Any] | None = None,
    token: str | None = None,
    error: str | None = None,
    config_path: AnyPath | None = None,
    live: bool = False,
    impersonate: str | None = None,
    credentials: "Credentials | None" = None,
    environ: Mapping[str, str] | None = None,
    cwd: AnyPath | None = None,
    clock: Clock = time.time,
) -> "Report":
    """Why Google says no: the chain from the token to the account, and the first link that breaks.

    Everything may be left out; what was not seen is reported as unknown, never as fine.

    Args:
        manifest: what there would be, where Google is not read.
        identity: whose chain; not needed where the manifest has one.
        provider: the provider's resource name, where neither the manifest nor the config names it.
        claims: the token's claims, for a dry run.
        token: the subject token itself.
        error: what a client printed; Google's sentence is looked for in it.
        config_path: the job's credential config.
        live: whether to read Google, with the admin's credentials.
        impersonate: with ``live``, the email of an account to act as.
        credentials: with ``live``, the admin's; as in `plan`.
        environ: for the emulator's address; that of this process.
        cwd: the folder that relative paths begin at.
        clock: seconds since 1970.

    Raises:
        InputError: something that was named is missing or malformed, or both ``claims`` and ``token`` are given.
        MissingExtraError: the extra ``admin`` is not installed.
    """
    context = context_of(environ, cwd, clock)
    try:
        from gcp_wif.doctor import diagnose as decide
    except ImportError:
        raise MissingExtraError("admin", command="doctor") from None
    evidence = _seen_in_the_job(context, provider, claims, token, config_path)
    if manifest is not None:
        evidence = _planned(evidence, manifest_of(manifest, context), identity)
    if live:
        with Admin(context, impersonate, credentials, "doctor --live") as admin:
            evidence = admin.look(evidence)
    return decide(_with_sentence(evidence, error) if error is not None else evidence)


def _seen_in_the_job(
    context: Context,
    provider: str | None,
    claims: Mapping[str, Any] | None,
    token: str | None,
    config_path: AnyPath | None,
) -> "Evidence":
    from gcp_wif.cli.evidence import with_config, with_token
    from gcp_wif.doctor import Evidence
    from gcp_wif.job.export import read_config
    from gcp_wif.subject_token import SubjectToken

    if claims is not None and token is not None:
        raise InputError(
            "claims and token are mutually exclusive.", hint="A token has its claims in it.", code="WIF110"
        )
    evidence = Evidence(context.clock(), claims=dict(claims) if claims is not None else None)
    if config_path is not None:
        evidence = with_config(evidence, read_config(Path(context.cwd, config_path)))
    if token is not None:
        evidence = with_token(evidence, SubjectToken.parse(token, origin="token"))
    if provider is not None:
        evidence = replace(evidence, provider=ProviderName.parse(provider, origin="provider"))
    return evidence


def _planned(evidence: "Evidence", manifest: Manifest, identity: str | None) -> "Evidence":
    """What the manifest would make, for the identity that is named, or the only one."""
    from gcp_wif.cli.targets import target_of
    from gcp_wif.doctor.sources import from_manifest

    if identity is not None:
        target_of(manifest, identity)  # refuses a name that there is not
    name = identity or (next(iter(manifest.identities)) if len(manifest.identities) == 1 else None)
    return from_manifest(evidence, manifest, name)


def _with_sentence(evidence: "Evidence", text: str) -> "Evidence":
    from gcp_wif.doctor.answer import with_error

    return with_error(evidence, text)
