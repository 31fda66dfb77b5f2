"""A config against the manifest's identity of the same account. The diff shows no value that may be a secret."""

import json
from collections.abc import Mapping
from typing import Any

from gcp_wif.config_lint.finding import FileReport
from gcp_wif.config_lint.showing import masked
from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.endpoints import DEFAULT_UNIVERSE, Endpoints
from gcp_wif.limits import MAX_DIFF_LINES
from gcp_wif.manifest import Identity, Manifest

__all__ = ["lint_drift"]


def lint_drift(
    report: FileReport, document: Mapping[str, Any], config: CredentialConfig, manifest: Manifest, manifest_name: str
) -> None:
    """Add what differs between ``document``, read as ``config``, and the manifest."""
    account = config.service_account
    identity = next((each for each in manifest.identities.values() if each.service_account == account), None)
    if identity is None:
        message = f"The manifest has no identity for {account or 'direct federation'}."
        field = "service_account_impersonation_url" if account else "audience"
        report.add("WIF460", (field,), message, "Correct one of the two.")
        return
    wanted = CredentialConfig.build(
        manifest.provider_name,
        config.source,
        Endpoints(config.universe_domain),
        service_account=identity.service_account,
        token_lifetime_seconds=identity.token_lifetime_seconds,
        subject_token_type=config.subject_token_type,
    ).document()
    wanted |= {key: document[key] for key in _own_urls(config) if key in wanted}
    path = _difference(document, wanted)
    if path is None:
        return
    import difflib

    theirs, ours = (json.dumps(masked(each), indent=2).splitlines() for each in (document, wanted))
    # difflib takes quadratic time; a config of that many lines is not understood by reading a diff either.
    diff = tuple(difflib.unified_diff(theirs[:MAX_DIFF_LINES], ours, report.name, "from the manifest", lineterm=""))
    message = f"The config differs from the manifest's identity {identity.name}."
    report.add("WIF459", path, message, _command(report.name, config, identity, manifest_name), diff)


def _own_urls(config: CredentialConfig) -> tuple[str, ...]:
    """The URLs that are Google's though not the global ones: a manifest does not say which endpoint a job uses."""
    urls = ("token_url", "token_info_url", "service_account_impersonation_url")
    wrong = dict(config.misdirected_urls(Endpoints(config.universe_domain)))
    found = {"token_url": config.token_url, "token_info_url": config.token_info_url}
    found["service_account_impersonation_url"] = config.impersonation_url
    return tuple(field for field in urls if found[field] is not None and field not in wrong)


def _difference(found: Any, wanted: Any) -> tuple[str, ...] | None:
    """The first key at which the two differ, ``None`` where they are equal."""
    if found == wanted:
        return None
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in (*found, *wanted):
            if key not in wanted or key not in found:
                return (key,)
            below = _difference(found[key], wanted[key])
            if below is not None:
                return (key, *below)
    return ()


def _command(name: str, config: CredentialConfig, identity: Identity, manifest: str) -> str:
    """What writes the config again, with a file source as it is; other sources may hold secrets and stay out."""
    import shlex

    words = ["gcp-wif", "generate", "--config-only", "--manifest", manifest, "--identity", identity.name]
    words += ["--output-file", name]
    source = config.source
    if isinstance(source, FileSource) and (source.file + (source.effective_format.field_name or "")).isprintable():
        words += ["--credential-source-file", source.file]
        if source.format is not None:
            words += ["--credential-source-type", source.format.type]
        if source.format is not None and source.format.field_name is not None:
            words += ["--credential-source-field-name", source.format.field_name]
    if config.universe_domain != DEFAULT_UNIVERSE:
        words += ["--universe-domain", config.universe_domain]
    return shlex.join(words)
