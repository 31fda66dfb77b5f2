"""What Google says when it refuses: its exact sentences, what each means, and what fixes it.

One table serves everybody: the emulator answers with these sentences, `federation` names the row that stopped a
token, `verify` explains what came back, and the doctor recognises a pasted error. Sentences are Google's, documented
or widely quoted; rows that rest on one dated observation say so.

The patterns are searched in a text that may come from gcloud, google-auth, Node or Terraform, with quotes escaped
once or twice, so they hold only the invariant words.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Literal

from gcp_wif.errors import GcpWifError, RefusedError

__all__ = ["Recognised", "Refusal", "RefusalKind", "recognise"]

Service = Literal["sts", "iamcredentials", "iam", "any"]


@dataclass(frozen=True)
class _Row:
    code: str
    service: Service
    http_status: int
    error: str
    template: str
    pattern: re.Pattern[str]
    meaning: str
    advice: tuple[str, ...]


def _row(
    code: str, service: Service, http_status: int, error: str, template: str, pattern: str, meaning: str, *advice: str
) -> _Row:
    return _Row(code, service, http_status, error, template, re.compile(pattern, re.IGNORECASE), meaning, advice)


class RefusalKind(Enum):
    """One row: a sentence of Google's, under a stable code."""

    AUDIENCE_MALFORMED = _row(
        "WIF501",
        "sts",
        400,
        "invalid_request",
        'Invalid value for "audience". This value should be the full resource name of the Identity Provider. '
        "See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats.",
        r"invalid value for .{0,4}audience",
        "The config's audience is no provider resource name: often the project ID stands where the number belongs, "
        "or a variable was empty.",
        "Write the config again with the project number: gcp-wif generate --project-number NUMBER …",
    )
    TARGET_UNUSABLE = _row(
        "WIF502",
        "sts",
        400,
        "invalid_target",
        'The target service indicated by the "audience" parameters is invalid. This might either be because the pool '
        "or provider is disabled or deleted or because it doesn't exist.",
        r"target service indicated by the .{0,4}audience",
        "The pool or provider that the config names does not exist, is disabled, or is deleted.",
        "Compare project number, pool and provider with: gcloud iam workload-identity-pools providers list "
        "--location=global --workload-identity-pool=POOL --project=PROJECT --show-deleted",
        "A deleted one can be undeleted for 30 days; `gcp-wif apply` does that.",
    )
    AUDIENCE_MISMATCH = _row(
        "WIF503",
        "sts",
        400,
        "invalid_grant",
        "The audience in ID Token [{found}] does not match the expected audience.",
        r"audience in ID Token .{0,300}does not match the expected audience",
        "The token's `aud` is not among the provider's allowed audiences. A CircleCI token's `aud` is the "
        "organisation ID, which must be listed: without a list only the provider's own name is accepted.",
        "Allow the organisation ID: gcloud iam workload-identity-pools providers update-oidc PROVIDER "
        "--location=global --workload-identity-pool=POOL --allowed-audiences=ORGANIZATION_ID",
    )
    ISSUER_MISMATCH = _row(
        "WIF504",
        "sts",
        400,
        "invalid_grant",
        "The issuer in ID Token {found} does not match the expected one in config: {expected}",
        r"issuer in ID Token .{0,300}does not match the expected ones?",
        "The token comes from another issuer than the provider trusts: another organisation, a trailing slash, or the "
        "root issuer.",
        "Set the provider's issuer to the token's `iss` exactly, https://oidc.circleci.com/org/ORGANIZATION_ID.",
    )
    TOKEN_STALE = _row(
        "WIF505",
        "sts",
        400,
        "invalid_grant",
        "ID Token issued at {issued_at} is stale to sign-in.",
        r"ID Token issued at .{0,60}is stale",
        "The token has expired; Google says the same where `iat` is missing, in the future, or over 24 hours old.",
        "Use this job's own token; in a long job take a fresh one with `gcp-wif login --audience AUD`.",
    )
    SIGNATURE_INVALID = _row(  # one dated observation
        "WIF506",
        "sts",
        400,
        "invalid_grant",
        "Unable to verify the ID Token signature.",
        r"unable to verify the ID Token signature",
        "The token was not signed by the key that its issuer publishes under that key ID: it was altered or cut, or "
        "the provider has an uploaded JWKS that is out of date.",
        "Hand over the token as it was issued; where a JWKS was uploaded, upload the issuer's present one.",
    )
    ISSUER_UNREACHABLE = _row(
        "WIF507",
        "sts",
        400,
        "invalid_grant",
        "Error connecting to the given credential's issuer.",
        r"error connecting to the given credential.{0,4}s issuer",
        "Google could not fetch the issuer's keys, or the token's key ID is not among them.",
        "Check that ISSUER/.well-known/openid-configuration answers from the internet, or upload a JWKS for an issuer "
        "behind a firewall.",
    )
    CONDITION_FALSE = _row(
        "WIF508",
        "sts",
        400,
        "unauthorized_client",
        "The given credential is rejected by the attribute condition.",
        r"rejected by the attribute condition",
        "The provider's attribute condition is false for this token's claims, or could not be evaluated, as when it "
        "names a claim or an attribute that is absent.",
        "See the condition: gcloud iam workload-identity-pools providers describe PROVIDER --location=global "
        "--workload-identity-pool=POOL --format='value(attributeCondition)'",
        "Compare it with the claims, letter by letter: case, refs/heads/ before a branch, IDs against names.",
    )
    SUBJECT_UNMAPPED = _row(
        "WIF509",
        "sts",
        400,
        "unauthorized_client",
        "Could not obtain a value for google.subject from the given credential.",
        r"could not obtain a value for .{0,4}google\.subject",
        "The mapping of google.subject gives nothing: it names a claim that the token lacks, or an `extract` that "
        "does not match.",
        "Map a claim that every token has, such as google.subject=assertion.sub.",
    )
    SUBJECT_TOO_LONG = _row(
        "WIF510",
        "sts",
        400,
        "invalid_request",
        "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping "
        "or the incoming assertion to produce a mapped attribute that is less than 127 bytes.",
        r"size of mapped attribute google\.subject exceeds",
        "google.subject is over 127 bytes. A CircleCI V2 token's `sub` always is where it carries vcs parts.",
        "Use CIRCLE_OIDC_TOKEN, whose sub has 127 bytes, or map google.subject to something shorter.",
    )
    ATTRIBUTES_TOO_LARGE = _row(  # the limit is documented, the sentence is assumed
        "WIF511",
        "sts",
        400,
        "invalid_request",
        "The size of all mapped attributes exceeds the 8 KB limit.",
        r"size of all mapped attributes exceeds",
        "The mapped attributes together are over 8 KB.",
        "Map fewer or shorter claims.",
    )
    MAPPING_FAILED = _row(  # Google does not document a mapping over an absent claim; the sentence is assumed
        "WIF512",
        "sts",
        400,
        "invalid_grant",
        "The attribute mapping could not be evaluated for the given credential.",
        r"attribute mapping could not be evaluated",
        "An expression of the attribute mapping fails for this token, as when it names an absent claim.",
        "Guard it: 'claim' in assertion ? assertion['claim'] : ''",
    )
    THROTTLED = _row(
        "WIF513",
        "any",
        429,
        "quota_exceeded",
        "The request was throttled due to rate limit: sts.googleapis.com/requests. Please retry after a few seconds.",
        r"throttled due to rate limit|quota_exceeded|RESOURCE_EXHAUSTED",
        "Too many requests in this minute.",
        "Try again in a minute; spread jobs that start at the same time.",
    )
    TOKEN_TYPE_UNSUPPORTED = _row(
        "WIF514",
        "sts",
        400,
        "invalid_request",
        'Invalid value for "subject_token_type".',
        r"invalid value for .{0,4}subject_token_type",
        "The config's subject_token_type is not one that an OIDC provider takes.",
        "Leave --subject-token-type away: urn:ietf:params:oauth:token-type:jwt is the default.",
    )
    IMPERSONATION_DENIED = _row(
        "WIF520",
        "iamcredentials",
        403,
        "PERMISSION_DENIED",
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        r"iam\.serviceAccounts\.getAccessToken.{0,4} denied",
        "STS accepted the token, but its principal may not impersonate the account: no binding of "
        "roles/iam.workloadIdentityUser, one for another principal, an account that is missing or misspelt, or a "
        "binding so new that it has not propagated (typically 2 minutes, up to 7 or more).",
        "See who may: gcloud iam service-accounts get-iam-policy ACCOUNT --format=json",
        "Grant it to the narrowest principal set that fits, then wait: gcloud iam service-accounts "
        "add-iam-policy-binding ACCOUNT --role=roles/iam.workloadIdentityUser --member=PRINCIPAL_SET",
    )
    ID_TOKEN_DENIED = _row(
        "WIF521",
        "iamcredentials",
        403,
        "PERMISSION_DENIED",
        "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).",
        r"iam\.serviceAccounts\.getOpenIdToken.{0,4} denied",
        "The principal may not issue ID tokens for the account, or the account does not exist.",
        "roles/iam.workloadIdentityUser holds that permission; grant it on the account.",
    )
    LIFETIME_TOO_LONG = _row(
        "WIF522",
        "iamcredentials",
        400,
        "INVALID_ARGUMENT",
        "The access token lifetime is invalid: tokens for {account} can not have lifetimes of more than 1 hour. Use "
        "the Org Policy Constraint constraints/iam.allowServiceAccountCredentialLifetimeExtension to allow extended "
        "lifetimes up to 12 hours.",
        r"lifetimes? of more than 1 hour|allowServiceAccountCredentialLifetimeExtension",
        "A lifetime over 3600 seconds was asked for and the organisation policy does not allow it for this account.",
        "Leave --service-account-token-lifetime-seconds at 3600 or less, or let an organisation admin list the account "
        "under constraints/iam.allowServiceAccountCredentialLifetimeExtension.",
    )
    ACCOUNT_DISABLED = _row(  # the status is documented for disabled accounts, the sentence is assumed
        "WIF523",
        "iamcredentials",
        403,
        "PERMISSION_DENIED",
        "Service account {account} is disabled.",
        r"service account \S{1,200} is disabled|account_disabled",
        "The service account is disabled.",
        "Enable it: gcloud iam service-accounts enable ACCOUNT",
    )
    CREDENTIALS_UNACCEPTED = _row(
        "WIF524",
        "any",
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        r"request had invalid authentication credentials|invalid authentication credentials\. Expected OAuth",
        "The API took no such token: it expired, or the API does not accept federated tokens.",
        "Impersonate a service account (--service-account) for an API without support for direct federation.",
    )
    API_DISABLED = _row(
        "WIF530",
        "any",
        403,
        "PERMISSION_DENIED",
        "{service} API has not been used in project {project} before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/{host}/overview?project={project} then retry. If you enabled "
        "this API recently, wait a few minutes for the action to propagate to our systems and retry.",
        r"has not been used in project .{0,80}(before or it is disabled)|SERVICE_DISABLED",
        "An API that the exchange needs is not enabled in that project.",
        "Enable them: gcloud services enable iam.googleapis.com iamcredentials.googleapis.com sts.googleapis.com "
        "cloudresourcemanager.googleapis.com --project=PROJECT",
    )
    CONDITION_REQUIRED = _row(
        "WIF531",
        "iam",
        400,
        "INVALID_ARGUMENT",
        "The attribute condition must reference one of the provider's claims.",
        r"attribute condition must reference one of the provider",
        "The issuer serves several tenants, so Google wants a condition that names a claim.",
        "Add a condition such as assertion['oidc.circleci.com/org-id'] == 'ORGANIZATION_ID'.",
    )
    ISSUER_NOT_HTTPS = _row(
        "WIF532",
        "iam",
        400,
        "INVALID_ARGUMENT",
        "Invalid OIDC issuer URI. The scheme must be https.",
        r"invalid OIDC issuer URI",
        "The issuer's URL must begin with https.",
        "Use the https issuer; for a server without a public address upload its JWKS.",
    )
    ALREADY_EXISTS = _row(
        "WIF533",
        "iam",
        409,
        "ALREADY_EXISTS",
        "Requested entity already exists",
        r"requested entity already exists|ALREADY_EXISTS",
        "The ID is taken, possibly by something deleted less than 30 days ago.",
        "Look with --show-deleted; undelete it, or choose another ID. `gcp-wif apply` undeletes.",
    )
    ORG_POLICY = _row(
        "WIF534",
        "iam",
        400,
        "FAILED_PRECONDITION",
        "Org Policy violated for value: '{value}'.",
        r"org policy violated for value",
        "The organisation's allow-list of identity providers does not hold this issuer.",
        "An organisation admin adds it to constraints/iam.workloadIdentityPoolProviders.",
    )
    CONCURRENT_POLICY = _row(
        "WIF535",
        "iam",
        409,
        "ABORTED",
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
        r"concurrent policy changes",
        "Somebody else changed the policy between the reading and the writing of it.",
        "Run it again: it reads the policy anew.",
    )

    @property
    def code(self) -> str:
        """``WIF5xx``, stable between versions."""
        return self.value.code

    @property
    def service(self) -> Service:
        """The service that says it."""
        return self.value.service

    @property
    def http_status(self) -> int:
        """Its HTTP status."""
        return self.value.http_status

    @property
    def error(self) -> str:
        """The OAuth error of STS, or the ``google.rpc`` status of the other services."""
        return self.value.error

    @property
    def template(self) -> str:
        """Google's sentence, with ``{names}`` where it quotes a value."""
        return self.value.template

    @property
    def meaning(self) -> str:
        """What it means, with the likeliest cause."""
        return self.value.meaning

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, in order."""
        return self.value.advice


@dataclass(frozen=True)
class Refusal:
    """One refusal with its values: what the emulator answers and `federation` finds."""

    kind: RefusalKind
    values: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, kind: RefusalKind, **values: str) -> "Refusal":
        """A refusal of ``kind``; ``values`` fill its template."""
        return cls(kind, MappingProxyType(values))

    @property
    def description(self) -> str:
        """Google's sentence, filled in."""
        return self.kind.template.format(**self.values)


@dataclass(frozen=True)
class Recognised:
    """A row found in somebody's error text."""

    kind: RefusalKind

    def as_error(self, sentence: str) -> GcpWifError:
        """The error to raise: Google's own words first, then what they mean and what to do."""
        fixes = "\n".join(f"- {line}" for line in self.kind.advice)
        return RefusedError(sentence, hint=f"{self.kind.meaning}\n{fixes}", code=self.kind.code)


def recognise(text: str) -> Recognised | None:
    """Find Google's sentence in ``text``, as printed by any client; ``None`` where none is known.

    Args:
        text: at most the first 20,000 characters are searched.
    """
    head = text[:20_000]
    return next((Recognised(kind) for kind in RefusalKind if kind.value.pattern.search(head)), None)
