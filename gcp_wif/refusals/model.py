"""The shape of one of Google's refusals: its kind, its row of the table, and one with its values."""

from enum import Enum
from typing import Literal, NamedTuple

from gcp_wif.errors import RefusedError

__all__ = ["Link", "RefusalKind", "Row", "Service"]

Service = Literal["client", "sts", "iamcredentials", "iam", "any"]
"""Who says it: the client itself, before Google is asked; the name before ``.googleapis.com``; or any API of Google's.
In this order a login meets them, so of two messages in one log the earlier is the cause of the later."""

Link = Literal["token", "time", "issuer", "audience", "provider", "mapping", "subject", "condition", "binding",
               "account", "lifetime", "api"]  # fmt: skip
"""Where in the chain from token to account it belongs; the doctor walks these in order (`gcp_wif.doctor.report`)."""


class RefusalKind(Enum):
    """The name of each refusal that is known, and its code, which is stable between versions."""

    AUDIENCE_MALFORMED = "WIF501"
    TARGET_UNUSABLE = "WIF502"
    AUDIENCE_MISMATCH = "WIF503"
    ISSUER_MISMATCH = "WIF504"
    TOKEN_STALE = "WIF505"  # noqa: S105 - a code
    SIGNATURE_INVALID = "WIF506"
    ISSUER_UNREACHABLE = "WIF507"
    CONDITION_FALSE = "WIF508"
    SUBJECT_UNMAPPED = "WIF509"
    SUBJECT_TOO_LONG = "WIF510"
    ATTRIBUTES_TOO_LARGE = "WIF511"
    MAPPING_FAILED = "WIF512"
    THROTTLED = "WIF513"
    TOKEN_TYPE_UNSUPPORTED = "WIF514"  # noqa: S105 - a code
    ATTRIBUTE_TYPE = "WIF515"
    TOKEN_UNREADABLE = "WIF516"  # noqa: S105 - a code
    KEY_UNSUPPORTED = "WIF517"
    SCOPE_INVALID = "WIF518"
    IMPERSONATION_DENIED = "WIF520"
    ID_TOKEN_DENIED = "WIF521"  # noqa: S105 - a code
    LIFETIME_TOO_LONG = "WIF522"
    ACCOUNT_DISABLED = "WIF523"
    CREDENTIALS_UNACCEPTED = "WIF524"
    ACCOUNT_NOT_FOUND = "WIF525"
    SIGNING_DENIED = "WIF526"
    ACT_AS_DENIED = "WIF527"
    SCOPES_MISSING = "WIF528"
    API_DISABLED = "WIF530"
    CONDITION_REQUIRED = "WIF531"
    ISSUER_NOT_HTTPS = "WIF532"
    ALREADY_EXISTS = "WIF533"
    ORG_POLICY = "WIF534"
    CONCURRENT_POLICY = "WIF535"
    MEMBER_POOL_MISSING = "WIF536"
    MEMBER_NOT_PERMITTED = "WIF537"
    SERVICE_PERIMETER = "WIF538"
    MAPPING_INVALID = "WIF539"
    PERMISSION_MISSING = "WIF540"
    NOT_LOGGED_IN = "WIF541"
    SCOPES_INSUFFICIENT = "WIF542"
    QUOTA_PROJECT = "WIF543"
    PROJECT_UNSET = "WIF544"
    SERVICE_FAILING = "WIF545"
    EXECUTABLES_NOT_ALLOWED = "WIF550"
    TOKEN_FILE_MISSING = "WIF551"  # noqa: S105 - a code
    TOKEN_FILE_MALFORMED = "WIF552"  # noqa: S105 - a code
    SOURCE_INVALID = "WIF553"
    CLIENT_TOO_OLD = "WIF554"
    KEY_NEEDED = "WIF555"
    EXECUTABLE_FAILED = "WIF556"
    TOKEN_URL_FAILED = "WIF557"  # noqa: S105 - a code
    JOB_TOKEN_MISSING = "WIF558"  # noqa: S105 - a code
    CONFIG_FILE_MISSING = "WIF559"
    GOOGLE_UNREACHABLE = "WIF560"
    INPUT_MISSING = "WIF561"

    @property
    def code(self) -> str:
        """``WIF5`` and two digits."""
        return self.value


class Row(NamedTuple):
    """All that is known of one refusal.

    Attributes:
        kind: its name and code.
        title: what is wrong, in a few words, without a dot at the end.
        service: who says it.
        http_status: its HTTP status.
        error: the OAuth error of STS, or the ``google.rpc`` status of the other services.
        link: where in the chain it belongs.
        template: the sentence, with ``{names}`` where it quotes a value.
        phrases: the words of it that never change, in any of their wordings; see `gcp_wif.refusals.phrases`.
        meaning: what it means, the likeliest cause first.
        fixes: what to do, the likeliest first. NUMBER, POOL, PROVIDER, PROJECT_ID, ACCOUNT and other words in capitals
            stand for the reader's own names; the doctor fills in those that it knows.
    """

    kind: RefusalKind
    title: str
    service: Service
    http_status: int
    error: str
    link: Link
    template: str
    phrases: tuple[str, ...]
    meaning: str
    fixes: tuple[str, ...]

    def as_error(self, sentence: str) -> RefusedError:
        """The error to raise: the words that came first, then what they mean and what to do."""
        fixes = "\n".join(f"- {line}" for line in self.fixes)
        return RefusedError(sentence, hint=f"{self.meaning}\n{fixes}", code=self.kind.code)
