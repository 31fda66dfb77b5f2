"""The words in capitals of an advised command, replaced by the reader's own names where they are known. Pure."""

import re
import shlex
from collections.abc import Iterable, Mapping

from gcp_wif.doctor.commands import account_command, on_provider
from gcp_wif.doctor.evidence import Evidence
from gcp_wif.errors import InputError
from gcp_wif.names import Principal, ProviderName, ServiceAccountEmail

__all__ = ["admin_commands", "filled"]

_WORDS = ("NUMBER", "POOL", "PROVIDER", "PROJECT_ID", "PROJECT", "ACCOUNT", "MEMBER", "PRINCIPAL_SET", "ISSUER")
_WORD = re.compile(rf"(?<![A-Z_])(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?![A-Z_])")


def filled(fixes: Iterable[str], evidence: Evidence, member: str | None = None) -> tuple[str, ...]:
    """``fixes`` with all that is known filled in.

    Args:
        fixes: of a row of the registry.
        evidence: what is known.
        member: whom to bind, where that is known.
    """
    values = _values(evidence, member)
    return tuple(_WORD.sub(lambda match: values.get(match[0], match[0]), line) for line in fixes)


def admin_commands(evidence: Evidence) -> tuple[str, ...]:
    """The commands whose output shows what only an admin may read, for this provider and account."""
    commands = []
    if evidence.provider is not None and evidence.provider_state is None:
        commands.append(f"{on_provider(evidence, 'describe')} --format=json > provider.json")
    if evidence.account is not None and evidence.policy is None:
        commands.append(f"{account_command(evidence, 'get-iam-policy')} --format=json > policy.json")
    return tuple(commands)


def _values(evidence: Evidence, member: str | None) -> Mapping[str, str]:
    provider, account = _provider(evidence), _account(evidence)
    found: dict[str, object] = {}
    if provider is not None:
        found |= {"NUMBER": provider.project_number, "POOL": provider.pool_id, "PROVIDER": provider.provider_id}
    if account is not None:
        found |= {"ACCOUNT": account, "MEMBER": f"serviceAccount:{account}", "PROJECT_ID": account.project_id}
    elif evidence.project:
        found["PROJECT_ID"] = evidence.project
    found["PROJECT"] = (evidence.error and evidence.error.project) or found.get("PROJECT_ID")
    principal = member or (evidence.error and Principal.parse(evidence.error.principal or ""))
    if principal is not None:
        found["PRINCIPAL_SET"] = principal
        if account is None:
            found["MEMBER"] = principal
    issuer = (evidence.claims or {}).get("iss")
    if isinstance(issuer, str):
        found["ISSUER"] = issuer
    return {word: shlex.quote(str(value)) for word, value in found.items() if value}


def _provider(evidence: Evidence) -> ProviderName | None:
    """The one that is looked at, or the one that the text names, where it is a provider's name."""
    named = evidence.error.provider if evidence.error else None
    if evidence.provider is not None or named is None or named.provider is None:
        return evidence.provider
    text = f"projects/{named.project}/locations/{named.location}/workloadIdentityPools/{named.pool}"
    try:
        return ProviderName.parse(f"{text}/providers/{named.provider}", origin="the error")
    except InputError:
        return None


def _account(evidence: Evidence) -> ServiceAccountEmail | None:
    named = evidence.error.account if evidence.error else None
    if evidence.account is not None or evidence.direct or named is None:
        return evidence.account
    try:
        return ServiceAccountEmail.parse(named, origin="the error")
    except InputError:
        return None
