"""What an error text holds besides its sentence: API, status, reason, permission, resource, names. Pure.

Google's APIs answer with a JSON body (``google.rpc.Status``) whose ``ErrorInfo`` names reason, domain and metadata;
STS with an OAuth error (RFC 6749, section 5.2). Clients print the body whole, in part, or as words of their own. So
the fields are looked for one by one, in a text that `gcp_wif.refusals.plain_text` has made plain. Every expression is
bounded: a search takes time in proportion to the text.
"""

import re
from typing import NamedTuple

__all__ = ["Parts", "ProviderParts", "take_apart"]

_OAUTH = (
    r"invalid_(?:target|grant|request|scope|client)|unauthorized_client|unsupported_grant_type|quota_exceeded"
    r"|access_denied"
)
_RPC = (
    r"PERMISSION_DENIED|UNAUTHENTICATED|INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|ALREADY_EXISTS|ABORTED"
    r"|RESOURCE_EXHAUSTED|UNAVAILABLE|DEADLINE_EXCEEDED|OUT_OF_RANGE|UNIMPLEMENTED"
)
_GO_CODES = {"PermissionDenied": "PERMISSION_DENIED", "Unauthenticated": "UNAUTHENTICATED", "NotFound": "NOT_FOUND",
             "InvalidArgument": "INVALID_ARGUMENT", "FailedPrecondition": "FAILED_PRECONDITION"}  # fmt: skip
_IS = r"[\"']?\s?[:=]\s?[\"']?"
"""Between a key and its value, in JSON, Python's dict, gRPC's text form or words."""

_HTTP_STATUS = re.compile(
    rf"(?:\bcode{_IS}|\bstatus(?:[ _-]?code)?{_IS}|\bstatus code |HTTPError |HttpError |googleapi: Error |HTTP Error: "
    r"|HTTP/[12](?:\.\d)? |HTTP status |HTTP |Exception: )([1-5]\d\d)\b"
    r"|\b([45]\d\d) (?:Forbidden|Unauthorized|Bad Request|Not Found|Conflict|Too Many Requests)\b"
    r"|exceptions\.[A-Z][A-Za-z]{1,40}: ([45]\d\d)\b"
)
_RPC_STATUS = re.compile(rf"\b({_RPC})\b|\bcode = ([A-Z][A-Za-z]{{3,20}})\b")
_OAUTH_ERROR = re.compile(rf"(?:\berror{_IS}|\bError code |\bauth: [\"']|GaxiosError: )({_OAUTH})\b")
_DESCRIPTION = re.compile(rf"\berror_description{_IS}[^\"'}}\s]")
_REASON = re.compile(rf"\breason{_IS}([A-Z][A-Z0-9_]{{3,62}})\b")
_DOMAIN = re.compile(rf"\bdomain{_IS}([a-z0-9.-]{{1,60}}\.com)\b")
_SERVICE = re.compile(rf"(?:\bservice(?:Name)?{_IS}|key: \"service\" value: \")([a-z0-9-]{{1,60}}\.googleapis\.com)\b")
_ANY_HOST = re.compile(r"\b([a-z0-9-]{1,60}\.googleapis\.com)\b")
_HOSTS_OF_ALL = frozenset({"www.googleapis.com", "iam.googleapis.com", "type.googleapis.com"})
"""They stand in every scope, resource name and type, whatever the text is about."""
_METHOD = re.compile(rf"\bmethod(?:Name)?{_IS}([A-Za-z][A-Za-z0-9_.]{{3,120}})")

_NAME = r"([a-z][A-Za-z]{1,40}\.[A-Za-z]{1,60}\.[A-Za-z]{2,60})"
_PERMISSIONS = (
    re.compile(rf"(?:\bpermission{_IS}|key: \"permission\" value: \"){_NAME}\b"),
    re.compile(rf"\b[Pp]ermission [\"'\[]?{_NAME}[\"'\]]? (?:was )?denied"),
    re.compile(rf"\b(?:[Rr]equired|requires one of|lacks(?: IAM permission)?|not have(?: the)?|missing(?: IAM)?"
               rf"(?: permission)?:?) \[?[\"']?{_NAME}\b"),
    re.compile(rf"\b{_NAME}[\"'\]]{{0,2}} (?:access\b|permission)"),
    re.compile(rf"\b[Pp]ermissions? [\"'\[]?{_NAME}\b"),
)  # fmt: skip
_RESOURCE = re.compile(
    rf"(?:key: \"resource\" value: \"|\bresource{_IS}"
    r"|denied (?:on|for)(?: resource| service account| bucket)?:? [\"'\[]?"
    r"|access to the |access to )([A-Za-z0-9][A-Za-z0-9_./:@*-]{2,200})"
)
_NO_RESOURCE = re.compile(r"\(?or\b|Google|resource\b")
_ACCOUNT = re.compile(r"\b([a-z0-9][a-z0-9-]{0,62}@[a-z0-9.-]{1,100}?\.gserviceaccount\.com)\b")
_PRINCIPAL = re.compile(r"\bprincipal(?:Set)?://[^\s\"'<>,\\]{10,300}")
_PROVIDER = re.compile(
    r"projects/([^/\s\"']{1,64})/locations/([^/\s\"']{1,40})/workloadIdentityPools/([^/\s\"']{1,64})"
    r"(?:/providers/([^/\s\"',:]{1,64}))?"
)
_PROJECT = re.compile(r"(?:in project |use project |\bproject[ =]|[?&]project=)[\[\"']?([a-z0-9][a-z0-9-]{3,40})\b")
_MESSAGE = re.compile(
    r"\b(?:error_description|message)[\"']?\s?[:=]\s?(?:\"([^\"]{4,400})|'([^']{4,400}))|desc = ([^\"]{4,400})"
)


class ProviderParts(NamedTuple):
    """A provider as a text names it: nothing of it is checked, ``provider`` may be missing."""

    project: str
    location: str
    pool: str
    provider: str | None

    @property
    def is_whole(self) -> bool:
        """Whether it may be a provider's name: with a number, the one location that there is, and a provider."""
        masked = "*" in f"{self.project}{self.pool}"
        return masked or (self.project.isdigit() and self.location == "global" and self.provider is not None)


class Parts(NamedTuple):
    """What was found in a text; ``None`` where there was nothing of the kind.

    Attributes:
        service: the API, as ``storage.googleapis.com``.
        method: the API's method.
        http_status: the HTTP status.
        status: the name of a ``google.rpc.Code``.
        oauth_error: the error of STS, such as ``invalid_grant``.
        described: whether words came with that error.
        reason: of ``ErrorInfo``, such as ``IAM_PERMISSION_DENIED``.
        domain: of ``ErrorInfo``.
        permission: the IAM permission.
        resource: what it was denied on.
        account: the email of a service account.
        principal: a principal or principal set.
        provider: a provider's resource name, in its parts.
        project: a project's ID or number.
        message: the message in the answer's body.
    """

    service: str | None
    method: str | None
    http_status: int | None
    status: str | None
    oauth_error: str | None
    described: bool
    reason: str | None
    domain: str | None
    permission: str | None
    resource: str | None
    account: str | None
    principal: str | None
    provider: ProviderParts | None
    project: str | None
    message: str | None

    def named(self) -> dict[str, str]:
        """What there is, by the word that a person knows it by."""
        found = {
            "API": self.service, "method": self.method, "HTTP status": self.http_status,
            "status": self.status or self.oauth_error, "reason": self.reason, "domain": self.domain,
            "permission": self.permission, "resource": self.resource, "service account": self.account,
            "principal": self.principal, "project": self.project,
        }  # fmt: skip
        return {name: str(value) for name, value in found.items() if value is not None}


def take_apart(text: str) -> Parts:
    """The parts of ``text``, which is plain."""
    status = _HTTP_STATUS.search(text)
    provider = _PROVIDER.search(text)
    message = _MESSAGE.search(text)
    return Parts(
        service=_first(_SERVICE, text) or _host(text),
        method=_first(_METHOD, text),
        http_status=int(next(filter(None, status.groups()))) if status else None,
        status=_rpc_status(text),
        oauth_error=_first(_OAUTH_ERROR, text),
        described=_DESCRIPTION.search(text) is not None,
        reason=_first(_REASON, text),
        domain=_first(_DOMAIN, text),
        permission=_permission(text),
        resource=_resource(text),
        account=_first(_ACCOUNT, text),
        principal=match[0] if (match := _PRINCIPAL.search(text)) else None,
        provider=ProviderParts(*provider.groups()) if provider else None,
        project=_first(_PROJECT, text),
        message=next(filter(None, message.groups())).strip() if message else None,
    )


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None


def _host(text: str) -> str | None:
    return next((each[1] for each in _ANY_HOST.finditer(text) if each[1] not in _HOSTS_OF_ALL), None)


def _rpc_status(text: str) -> str | None:
    for match in _RPC_STATUS.finditer(text):
        name = match[1] or _GO_CODES.get(match[2])
        if name is not None:
            return name
    return None


def _permission(text: str) -> str | None:
    for pattern in _PERMISSIONS:
        for match in pattern.finditer(text):
            if not match[1].endswith((".com", ".org", ".net")):
                return match[1]
    return None


def _resource(text: str) -> str | None:
    for match in _RESOURCE.finditer(text):
        if not _NO_RESOURCE.match(match[1]):
            return match[1].rstrip(".:")
    return None
