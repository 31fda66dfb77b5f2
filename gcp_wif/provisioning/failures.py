"""What a failed admin call means: which permission, API or constraint is in the way, and the command that fixes it."""

import re

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from gcp_wif.errors import GcpWifError, InputError, RefusedError, UnavailableError, from_outside
from gcp_wif.http import UnusableAnswer
from gcp_wif.provisioning.retry import is_transient
from gcp_wif.refusals import NEEDED_APIS, RefusalKind, recognise

__all__ = ["explained"]

_ROLES = {
    "iam.workloadIdentityPool": "roles/iam.workloadIdentityPoolAdmin",
    "iam.serviceAccounts": "roles/iam.serviceAccountAdmin",
    "resourcemanager.projects": "roles/resourcemanager.projectIamAdmin",
}
_READ_ROLES = {
    "iam.workloadIdentityPool": "roles/iam.workloadIdentityPoolViewer",
    "iam.serviceAccounts": "roles/iam.securityReviewer",
    "resourcemanager.projects": "roles/iam.securityReviewer",
}
_API_HOST = re.compile(r"apis/api/([a-z.]+)/|service[\"']?: [\"']?([a-z.]+\.googleapis\.com)")
_PERMISSION = re.compile(r"[Pp]ermission '?([a-zA-Z.]+\.[a-zA-Z]+)'? denied")
_READS = ("get", "list", "getIamPolicy")


def explained(error: Exception, doing: str, *, permission: str, project: str) -> GcpWifError:
    """The error to show for ``error``.

    Args:
        error: of google-api-core, google-auth or requests.
        doing: what was tried, as in ``reading the pool projects/…``.
        permission: the IAM permission that the call needs.
        project: the project where it is needed, by ID or number.
    """
    words = from_outside(str(getattr(error, "message", None) or error))
    cause = error.args[0] if isinstance(error, auth_exceptions.TransportError) and error.args else error
    if isinstance(cause, UnusableAnswer):
        return cause.as_error()
    if is_transient(error):
        return UnavailableError(
            f"Google kept failing while {doing}: {words}",
            hint="Nothing is lost: run the same command again in a few minutes, it goes on where it stopped.",
            code="WIF602",
        )
    if isinstance(error, auth_exceptions.GoogleAuthError | requests.RequestException):
        return InputError(
            f"The admin's credentials did not work while {doing}: {words}",
            hint="Run `gcloud auth application-default login` again, or check --impersonate-service-account: it needs "
            "roles/iam.serviceAccountTokenCreator on that account.",
            code="WIF812",
        )
    denied = isinstance(error, exceptions.Forbidden | exceptions.Unauthorized)
    known = recognise(f"{words} {getattr(error, 'reason', '') or ''}")
    special = _SPECIAL.get(known.kind) if known is not None else None
    if special is not None:
        return special(words, doing, project)
    if denied:
        return _denied(words, doing, permission, project)
    sentence = f"Google refused while {doing}: {words}"
    googles = known is not None and known.service != "client"
    return known.as_error(sentence) if known is not None and googles else RefusedError(sentence, code="WIF800")


def _denied(words: str, doing: str, permission: str, project: str) -> GcpWifError:
    match = _PERMISSION.search(words)
    named = match[1] if match else permission
    table = _READ_ROLES if named.rpartition(".")[2] in _READS else _ROLES
    role = next((role for prefix, role in table.items() if named.startswith(prefix)), "a role that carries it")
    return RefusedError(
        f"The permission {named} is missing on project {project}, while {doing}: {words}",
        hint=f"Somebody who administers {project} grants it to you (user: or serviceAccount: and your email):\n"
        f"  gcloud projects add-iam-policy-binding {project} --member=MEMBER --role={role} --condition=None\n"
        "A grant takes about two minutes to work, sometimes seven. Google says the same where the resource is missing.",
        code="WIF801",
    )


def _api_disabled(words: str, doing: str, project: str) -> GcpWifError:
    match = _API_HOST.search(words)
    api = next((each for each in match.groups() if each), "") if match else ""
    number = re.search(r"in project ([0-9a-z.:-]+) before", words)
    where = number[1] if number and number[1].strip("0") else project
    apis = api or NEEDED_APIS
    return RefusedError(
        f"An API is not enabled in project {where}, while {doing}: {words}",
        hint=f"Enable it, and wait a few minutes:\n  gcloud services enable {apis} --project={where}",
        code=RefusalKind.API_DISABLED.code,
    )


def _org_policy(words: str, doing: str, project: str) -> GcpWifError:
    return RefusedError(
        f"An organisation policy is in the way, while {doing}: {words}",
        hint="constraints/iam.workloadIdentityPoolProviders lists the issuers that providers may have. See it with\n"
        f"  gcloud resource-manager org-policies describe constraints/iam.workloadIdentityPoolProviders "
        f"--project={project} --effective\n"
        "An organisation policy administrator adds the issuer:\n"
        "  gcloud resource-manager org-policies allow constraints/iam.workloadIdentityPoolProviders ISSUER "
        "--organization=ORGANIZATION_ID",
        code=RefusalKind.ORG_POLICY.code,
    )


_SPECIAL = {RefusalKind.API_DISABLED: _api_disabled, RefusalKind.ORG_POLICY: _org_policy}
