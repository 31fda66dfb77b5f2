"""The commands that the doctor prints: complete, quoted for a shell, and keeping what others depend on. Pure.

gcloud 528 refuses a project's number in ``--project`` of pools, providers and accounts; pools and providers are
therefore named in full, which needs no ``--project`` (observed). ``--allowed-audiences`` and ``--attribute-mapping``
replace what was there, so both are printed whole. ``add-iam-policy-binding`` needs ``--condition=None`` where another
binding has a condition.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping

from gcp_wif.credential_config import FileSource
from gcp_wif.doctor.evidence import Evidence
from gcp_wif.federation import ProviderRules
from gcp_wif.names import ProviderName
from gcp_wif.roles import IMPERSONATION_ROLE

__all__ = [
    "account_command",
    "bind",
    "bind_on_project",
    "change_mapping",
    "enable_services",
    "list_providers",
    "on_pool",
    "on_provider",
    "pool_name",
    "provider_name",
    "quoted_list",
    "update_provider",
    "write_config",
]

_POOLS = "gcloud iam workload-identity-pools"
_ACCOUNTS = "gcloud iam service-accounts"
_POOL = "projects/NUMBER/locations/global/workloadIdentityPools/POOL"
_DELIMITERS = ",;|#~^%!"


def pool_name(evidence: Evidence) -> str:
    """The pool in full; with words in capitals where it is not known."""
    return str(evidence.pool) if evidence.pool else _POOL


def provider_name(evidence: Evidence) -> str:
    """The provider in full, likewise."""
    return str(evidence.provider) if evidence.provider else f"{_POOL}/providers/PROVIDER"


def on_pool(evidence: Evidence, verb: str, *flags: str) -> str:
    """``describe``, ``undelete`` or ``update`` of the pool."""
    return " ".join([f"{_POOLS} {verb} {pool_name(evidence)}", *flags])


def on_provider(evidence: Evidence, verb: str, *flags: str) -> str:
    """The same of the provider."""
    return " ".join([f"{_POOLS} providers {verb} {provider_name(evidence)}", *flags])


def list_providers(evidence: Evidence) -> str:
    """What the pool has."""
    return f"{_POOLS} providers list --workload-identity-pool={pool_name(evidence)} --show-deleted"


def update_provider(evidence: Evidence, **flags: str) -> str:
    """Change fields of the provider; the others stay as they are."""
    shown = (f"--{name.replace('_', '-')}={shlex.quote(value)}" for name, value in flags.items())
    return on_provider(evidence, "update-oidc", *shown)


def quoted_list(items: Iterable[str]) -> str:
    """A list as gcloud reads it: with another delimiter where an item holds a comma (``gcloud topic escaping``)."""
    texts = list(items)
    free = next((sign for sign in _DELIMITERS if not any(sign in text for text in texts)), "\t")
    plain = free == "," and not texts[0].startswith("^")
    return ",".join(texts) if plain else f"^{free}^{free.join(texts)}"


def change_mapping(evidence: Evidence, rules: ProviderRules, changes: Mapping[str, str]) -> str:
    """Change some attributes; the whole mapping is written, since the flag replaces it."""
    mapping = {**rules.attribute_mapping, **changes}
    return update_provider(
        evidence, attribute_mapping=quoted_list(f"{target}={expression}" for target, expression in mapping.items())
    )


def account_command(evidence: Evidence, verb: str, *flags: str) -> str:
    """``describe``, ``enable`` and the like of the account."""
    where = [f"--project={shlex.quote(evidence.project)}"] if evidence.project else []
    return " ".join([f"{_ACCOUNTS} {verb} {evidence.account or 'ACCOUNT'}", *where, *flags])


def bind(evidence: Evidence, member: str) -> str:
    """Let a principal become the account, beside all who may."""
    return account_command(
        evidence,
        "add-iam-policy-binding",
        f"--role={IMPERSONATION_ROLE}",
        f"--member={shlex.quote(member)}",
        "--condition=None",
    )


def bind_on_project(evidence: Evidence, role: str, member: str) -> str:
    """Give a principal a role on the project, beside all who have it."""
    return (
        f"gcloud projects add-iam-policy-binding {evidence.project or 'PROJECT_ID'} --role={role} "
        f"--member={shlex.quote(member)} --condition=None"
    )


def enable_services(services: Iterable[str], project: str) -> str:
    """Turn APIs on; this command takes a project's number, too (observed)."""
    return f"gcloud services enable {' '.join(services)} --project={project}"


def write_config(evidence: Evidence, provider: ProviderName | str) -> str:
    """The credential config for another provider."""
    account = f"--service-account={evidence.account}" if evidence.account else "--direct"
    return " ".join([f"gcp-wif generate --config-only {provider} {account}", *_source_flags(evidence)])


def _source_flags(evidence: Evidence) -> Iterator[str]:
    """The file where the present config has its token; what another kind of source needs may be a secret."""
    source = evidence.config.source if evidence.config else None
    if isinstance(source, FileSource):
        yield f"--credential-source-file={shlex.quote(source.file)}"
        if source.format is not None and source.format.field_name is not None:
            yield f"--credential-source-type={source.format.type}"
            yield f"--credential-source-field-name={shlex.quote(source.format.field_name)}"
