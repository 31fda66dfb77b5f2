"""A bash script that makes with gcloud what `apply` makes. Pure.

It may be run again at any time: what is there is updated, what is deleted is undeleted, grants are added once. It
revokes nothing, as `apply` without ``--prune``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gcp_wif.desired import Desired, DesiredAccount
from gcp_wif.rendering.header import remade_by
from gcp_wif.rendering.quoting import FILTERS
from gcp_wif.roles import IMPERSONATION_ROLE
from gcp_wif.templating import render_template

__all__ = ["gcloud_list", "render_gcloud"]

_DELIMITERS = [*"|;~@#%!&", *map(chr, range(0x2500, 0x2600))]
"""Single characters, CEL's rarer ones first; then box drawings, more of them than a mapping could ever use."""


def render_gcloud(desired: Desired, origin: str) -> str:
    """The script.

    Args:
        desired: what the manifest asks for.
        origin: the manifest's file, for the header.
    """
    fields = desired.provider_fields
    where = [f"--project={desired.pool_project}", "--location=global"]
    return render_template(
        "gcloud/setup.sh",
        {
            "remade": remade_by("gcloud", "--manifest", origin),
            "project": desired.pool_project,
            "number": desired.pool.project_number,
            "pool": [desired.pool.pool_id, *where],
            "pool_settings": [*_names(desired.pool_fields, "displayName"), _disabled(desired.pool_fields)],
            "provider": [
                desired.provider.provider_id,
                f"--workload-identity-pool={desired.provider.pool_id}",
                *where,
            ],
            "provider_settings": [
                *_names(fields, "displayName"),
                _disabled(fields),
                f"--issuer-uri={fields['oidc.issuerUri']}",
                f"--allowed-audiences={gcloud_list(fields['oidc.allowedAudiences'])}",
                f"--attribute-mapping={_mapping(fields['attributeMapping'])}",
                f"--attribute-condition={fields['attributeCondition']}",
            ],
            "role": IMPERSONATION_ROLE,
            "accounts": [_account(each) for each in desired.accounts],
            "grants": [
                (project, grant.role, grant.member)
                for project, grants in desired.project_grants.items()
                for grant in grants
            ],
        },
        filters=FILTERS,
    )


def gcloud_list(items: Iterable[str]) -> str:
    """Several values of one flag: with commas, or after ``^DELIMITER^`` where a value has one.

    A value that begins with ``^`` would be taken for such a delimiter, so that form is used then too
    (`gcloud topic escaping`).
    """
    values = list(items)
    if not any("," in value for value in values) and not "".join(values).startswith("^"):
        return ",".join(values)
    # Of letters that no value has, so that it cannot begin at the end of one either.
    delimiter = next(each for each in _DELIMITERS if not any(each in value for value in values))
    return f"^{delimiter}^{delimiter.join(values)}"


def _mapping(mapping: Mapping[str, str]) -> str:
    return gcloud_list(f"{target}={expression}" for target, expression in mapping.items())


def _names(fields: Mapping[str, Any], display_name: str) -> list[str]:
    flags = {display_name: "--display-name", "description": "--description"}
    return [f"{flag}={fields[name]}" for name, flag in flags.items() if name in fields]


def _disabled(fields: Mapping[str, Any]) -> str:
    return "--disabled" if fields["disabled"] else "--no-disabled"


def _account(account: DesiredAccount) -> dict[str, Any]:
    return {
        "email": account.email,
        "id": account.email.account_id,
        # gcloud takes no --project=- where the project is not known, but a whole name (observed, 528).
        "resource": account.resource,
        "where": f"--project={account.project_id}",
        "create": account.create,
        "settings": _names(account.fields, "display_name"),
        "members": account.members,
    }
