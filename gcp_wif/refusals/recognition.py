"""Finding out what an error text says, as printed by any client, and saying a refusal with its values.

What the answer's fields say is looked at first (reason, permission), then the sentences, then, where a client lost
the sentence, the bare error. Several causes may fit one text: all are named, the likeliest first. A text in which
none is found is unknown; it is never forced into a class.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from gcp_wif.refusals.model import RefusalKind, Row
from gcp_wif.refusals.parts import Parts, take_apart
from gcp_wif.refusals.phrases import is_cut_phrase, says, squeezed
from gcp_wif.refusals.plain_text import plain
from gcp_wif.refusals.table import TABLE

__all__ = ["ErrorText", "Refusal", "read_error", "recognise", "row_of"]

_ROWS = {row.kind: row for row in TABLE}
_ORDER = ("client", "sts", "iamcredentials", "iam", "any")
_CUTS = ("...", "…", "[truncated", "<truncated", "... more")

_REASONS = {
    "SERVICE_DISABLED": RefusalKind.API_DISABLED,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": RefusalKind.SCOPES_INSUFFICIENT,
    "USER_PROJECT_DENIED": RefusalKind.QUOTA_PROJECT,
    "SECURITY_POLICY_VIOLATED": RefusalKind.SERVICE_PERIMETER,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": RefusalKind.CREDENTIALS_UNACCEPTED,
    "ACCESS_TOKEN_EXPIRED": RefusalKind.CREDENTIALS_UNACCEPTED,
    "CREDENTIALS_MISSING": RefusalKind.NOT_LOGGED_IN,
    "ACCOUNT_STATE_INVALID": RefusalKind.ACCOUNT_DISABLED,
}
"""Reasons of ``google.rpc.ErrorInfo`` in the domain googleapis.com that mean one thing alone (Google's ErrorReason)."""

_PERMISSIONS = {
    "getaccesstoken": RefusalKind.IMPERSONATION_DENIED,
    "implicitdelegation": RefusalKind.IMPERSONATION_DENIED,
    "getopenidtoken": RefusalKind.ID_TOKEN_DENIED,
    "signblob": RefusalKind.SIGNING_DENIED,
    "signjwt": RefusalKind.SIGNING_DENIED,
    "actas": RefusalKind.ACT_AS_DENIED,
}
"""Permissions on a service account, by their last part; of others Google says that the account lacks them."""

_BARE = {
    "invalid_target": (RefusalKind.TARGET_UNUSABLE,),
    "unauthorized_client": (
        RefusalKind.CONDITION_FALSE, RefusalKind.SUBJECT_UNMAPPED, RefusalKind.ATTRIBUTE_TYPE,
    ),
    "invalid_grant": (
        RefusalKind.TOKEN_STALE, RefusalKind.AUDIENCE_MISMATCH, RefusalKind.ISSUER_MISMATCH,
        RefusalKind.ISSUER_UNREACHABLE, RefusalKind.SIGNATURE_INVALID,
    ),
    "invalid_request": (RefusalKind.AUDIENCE_MALFORMED, RefusalKind.SUBJECT_TOO_LONG),
    "quota_exceeded": (RefusalKind.THROTTLED,),
    "invalid_scope": (RefusalKind.SCOPE_INVALID,),
}  # fmt: skip
"""What an OAuth error of STS means where no words came with it."""

_OF_STS = (
    "sts.googleapis.com", "StsCredentials", "StsRequestHandler", "federated token", "external account", "identity pool",
    "workloadIdentityPools", "oauth2/google: status code", "credentials: status code",
)  # fmt: skip
"""What tells that an OAuth error is of STS: Google's other token endpoint has the same names."""
_OF_ID_TOKENS = ("generateIdToken", "Google Cloud ID token", "getting ID token")
_OF_IMPERSONATION = (
    "generateAccessToken", "acquire impersonated credentials", "impersonate:", "Google Cloud access token",
    "OAuth 2.0 Access Token", "google_service_account_access_token", "ImpersonatedCredentials", "iamcredentials",
)  # fmt: skip
_OF_GOOGLE = (
    "google", "gcloud", "gserviceaccount", "pkg.dev", "gcr.io", "bigquery", "it may not exist", "storage.objects",
    "rpc error",
)  # fmt: skip
"""What tells that a permission is one of Google's: others write theirs with dots, too."""
_NO_PERMISSION = "The caller does not have permission"
_NOT_FOUND = "Requested entity was not found"


@dataclass(frozen=True)
class Refusal:
    """One refusal with its values: what the emulator answers and `federation` finds."""

    kind: RefusalKind
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, kind: RefusalKind, **values: str) -> "Refusal":
        """A refusal of ``kind``; ``values`` fill its template."""
        return cls(kind, MappingProxyType(values))

    @property
    def row(self) -> Row:
        """All that is known of its kind."""
        return row_of(self.kind)

    @property
    def description(self) -> str:
        """Google's sentence, filled in."""
        return self.row.template.format(**self.values)


class ErrorText(NamedTuple):
    """An error text, understood as far as it can be.

    Attributes:
        causes: what it may be, the likeliest first; empty where it is unknown.
        parts: what it holds, known or not.
    """

    causes: tuple[Row, ...]
    parts: Parts


def row_of(kind: RefusalKind) -> Row:
    """The row of the table for ``kind``."""
    return _ROWS[kind]


def recognise(text: str) -> Row | None:
    """The likeliest cause that ``text``, as printed by any client, speaks of; ``None`` where none is known."""
    return next(iter(read_error(text).causes), None)


def read_error(text: str) -> ErrorText:
    """Find what ``text`` says, and take it apart.

    Args:
        text: what a client, a CI system or an API printed; of more than 100,000 characters the middle is left out.
    """
    words = plain(text)
    parts = take_apart(words)
    found = _Searched(words, parts).causes()
    return ErrorText(tuple(map(row_of, dict.fromkeys(found))), parts)


class _Searched:
    """One text, while it is searched."""

    def __init__(self, words: str, parts: Parts) -> None:
        self._words, self._parts = words, parts
        self._letters = squeezed(words)

    def causes(self) -> list[RefusalKind]:
        """All that the text may mean, the likeliest first."""
        kinds = {*self._by_field(), *self._by_sentence()}
        for weaker in (self._by_denial, self._by_cut_sentence, self._by_bare_error):
            if kinds - {RefusalKind.PERMISSION_MISSING}:
                break
            found = list(weaker())
            if found:
                return self._with_malformed_name(found)
        if len(kinds) > 1:  # every one of the others says why the permission is missing
            kinds.discard(RefusalKind.PERMISSION_MISSING)
        return self._with_malformed_name(sorted(kinds, key=_place))

    def _by_field(self) -> Iterator[RefusalKind]:
        kind = _REASONS.get(self._parts.reason or "")
        if kind is not None:
            yield kind
        permission = self._parts.permission
        if permission is None or not (self._is_denied() or kind is None):
            return
        service, _, verb = permission.lower().rpartition(".")
        if service == "iam.serviceaccounts" and verb in _PERMISSIONS:
            yield _PERMISSIONS[verb]
        elif permission.startswith("serviceusage.services.use"):
            yield RefusalKind.QUOTA_PROJECT
        elif self._is_denied() and self._has(*_OF_GOOGLE):
            yield RefusalKind.PERMISSION_MISSING

    def _is_denied(self) -> bool:
        """Whether something was refused at all, and not only named."""
        return self._has(
            "denied", "does not have", "forbidden", "required", "lacks", "missing", "IAM_PERMISSION_DENIED"
        )

    def _by_sentence(self) -> Iterator[RefusalKind]:
        for row in TABLE:
            if any(says(self._letters, phrase) for phrase in row.phrases):
                yield row.kind

    def _by_denial(self) -> Iterator[RefusalKind]:
        """The sentences that every API says: what was asked decides what they mean."""
        if self._has(_NOT_FOUND) and self._has(*_OF_IMPERSONATION):
            yield RefusalKind.ACCOUNT_NOT_FOUND
        if not self._has(_NO_PERMISSION):
            return
        if self._has(*_OF_ID_TOKENS):
            yield RefusalKind.ID_TOKEN_DENIED
        elif self._has(*_OF_IMPERSONATION):
            yield RefusalKind.IMPERSONATION_DENIED
        elif self._parts.service is not None or self._has("gcloud.", "rpc error", "api_core"):
            yield from (RefusalKind.PERMISSION_MISSING, RefusalKind.IMPERSONATION_DENIED)
        else:
            yield from (RefusalKind.IMPERSONATION_DENIED, RefusalKind.PERMISSION_MISSING)

    def _by_cut_sentence(self) -> Iterator[RefusalKind]:
        pieces = {self._letters}
        for cut in _CUTS:
            head, mark, tail = self._words.partition(cut)
            if mark:
                pieces |= {squeezed(head), squeezed(tail)}
        for row in TABLE:
            if any(is_cut_phrase(piece, phrase) for piece in pieces for phrase in row.phrases):
                yield row.kind

    def _by_bare_error(self) -> Iterator[RefusalKind]:
        error = self._parts.oauth_error
        if error is not None and not self._parts.described and (error == "invalid_target" or self._has(*_OF_STS)):
            yield from _BARE.get(error, ())

    def _has(self, *words: str) -> bool:
        return any(squeezed(each) in self._letters for each in words)

    def _with_malformed_name(self, kinds: list[RefusalKind]) -> list[RefusalKind]:
        """A provider that does not exist, under a name that none can have: then the name is the cause."""
        provider = self._parts.provider
        if RefusalKind.TARGET_UNUSABLE in kinds and provider is not None and not provider.is_whole:
            return [
                RefusalKind.AUDIENCE_MALFORMED,
                *(each for each in kinds if each is not RefusalKind.AUDIENCE_MALFORMED),
            ]
        return kinds


def _place(kind: RefusalKind) -> tuple[int, str]:
    return _ORDER.index(row_of(kind).service), kind.code
