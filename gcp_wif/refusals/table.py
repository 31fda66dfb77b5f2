"""The table: each sentence of Google's that is known, with its code, its place, its meaning and its fixes.

Sentences are Google's, documented or widely quoted; a comment says which rest on one dated observation and which are
assumed. The patterns are searched in a text that may come from gcloud, google-auth, Node or Terraform, with quotes
escaped once or twice, so they hold only the words that never change.
"""

from gcp_wif.refusals.model import RefusalKind, Row

__all__ = ["NEEDED_APIS", "TABLE"]

NEEDED_APIS = "iam.googleapis.com iamcredentials.googleapis.com sts.googleapis.com cloudresourcemanager.googleapis.com"
"""The APIs that federation and provisioning use (Google's page on federation with pipelines)."""

_PROVIDERS = "gcloud iam workload-identity-pools providers"
_PROVIDER = "PROVIDER --location=global --workload-identity-pool=POOL --project=PROJECT_ID"
_UPDATE = f"{_PROVIDERS} update-oidc {_PROVIDER}"

_STS = (
    Row(
        RefusalKind.AUDIENCE_MALFORMED,
        "The config's audience is not a provider's resource name",
        "sts", 400, "invalid_request", "provider",
        'Invalid value for "audience". This value should be the full resource name of the Identity Provider. '
        "See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats.",
        r"invalid value for .{0,4}audience",
        "The credential config names the provider in a form that Google does not know: most likely the project's ID "
        "is in the place of its number, or a variable was empty when the config was written.",
        ("Write the config again with the project number: gcp-wif generate --project-number NUMBER …",),
    ),
    Row(
        RefusalKind.TARGET_UNUSABLE,
        "The pool or provider does not exist, is disabled or is deleted",
        "sts", 400, "invalid_target", "provider",
        'The target service indicated by the "audience" parameters is invalid. This might either be because the pool '
        "or provider is disabled or deleted or because it doesn't exist.",
        r"target service indicated by the .{0,4}audience",
        "The pool or provider that the config names does not exist, is disabled, or is deleted.",
        (
            "Compare project number, pool and provider with what there is: "
            f"{_PROVIDERS} list --location=global --workload-identity-pool=POOL --project=PROJECT_ID --show-deleted",
            "A deleted one can be undeleted for 30 days; `gcp-wif apply` does that.",
        ),
    ),
    Row(
        RefusalKind.AUDIENCE_MISMATCH,
        "The token's audience is not allowed by the provider",
        "sts", 400, "invalid_grant", "audience",
        "The audience in ID Token [{found}] does not match the expected audience.",
        r"audience in ID Token .{0,300}does not match the expected audience",
        "The token's `aud` is not among the provider's allowed audiences. A provider without such a list accepts its "
        "own resource name alone.",
        (
            "Allow the token's `aud` too. Name every audience that is in use, since the flag replaces the list: "
            f"{_UPDATE} --allowed-audiences=AUDIENCES",
            "Or take a token whose audience the provider accepts: gcp-wif login --audience AUDIENCE",
        ),
    ),
    Row(
        RefusalKind.ISSUER_MISMATCH,
        "The token's issuer is not the provider's",
        "sts", 400, "invalid_grant", "issuer",
        "The issuer in ID Token {found} does not match the expected one in config: {expected}",
        r"issuer in ID Token .{0,300}does not match the expected ones?",
        "The token was signed by another issuer than the provider trusts: it belongs to another organisation, server "
        "or CI system, or the two URLs differ in one character, such as a slash at the end.",
        (
            "Compare the two URLs in Google's sentence, character by character. If the token is the wrong one, use the "
            "token of this job, or the provider made for it.",
            "If the provider is wrong, give it the token's `iss`; tokens of the old issuer are then refused: "
            f"{_UPDATE} --issuer-uri=ISSUER",
        ),
    ),
    Row(
        RefusalKind.TOKEN_STALE,
        "The token has expired, or its times are not valid",
        "sts", 400, "invalid_grant", "time",
        "ID Token issued at {issued_at} is stale to sign-in.",
        r"ID Token issued at .{0,60}is stale",
        # About a minute of skew is accepted on both sides (one dated observation).
        "The token expired more than about a minute ago. Google says the same where `iat` is missing, in the future, "
        "or more than 24 hours ago.",
        (
            "Use the token of this job, not one that came from another job, a workspace or a cache.",
            "In a job that lives longer than its token, take a fresh one: gcp-wif login --audience AUDIENCE",
            "If the token is new, correct the clock of the machine that issued it.",
        ),
    ),
    Row(  # one dated observation
        RefusalKind.SIGNATURE_INVALID,
        "The token's signature is not valid",
        "sts", 400, "invalid_grant", "token",
        "Unable to verify the ID Token signature.",
        r"unable to verify the ID Token signature",
        "The token was not signed with the key that its issuer publishes under the token's key ID: it was changed or "
        "cut, or the provider has uploaded keys (a JWKS) that are out of date.",
        (
            "Hand the token over exactly as it was issued.",
            "If keys were uploaded to the provider, upload the issuer's present ones: "
            f"{_UPDATE} --jwk-json-path=FILE",
        ),
    ),
    Row(
        RefusalKind.ISSUER_UNREACHABLE,
        "Google cannot get the key that signed the token",
        "sts", 400, "invalid_grant", "issuer",
        "Error connecting to the given credential's issuer.",
        r"error connecting to the given credential.{0,4}s issuer",
        "Google could not fetch the issuer's keys, or the token's key ID (`kid`) is not among them.",
        (
            "Check that ISSUER/.well-known/openid-configuration can be read from the internet, without a login.",
            f"For an issuer behind a firewall, upload its keys: {_UPDATE} --jwk-json-path=FILE",
        ),
    ),
    Row(
        RefusalKind.CONDITION_FALSE,
        "The attribute condition refuses the token",
        "sts", 400, "unauthorized_client", "condition",
        "The given credential is rejected by the attribute condition.",
        r"rejected by the attribute condition",
        "The provider's attribute condition is false for this token's claims. It is also refused where the condition "
        "cannot be evaluated, as when it names a claim or an attribute that is absent.",
        (
            f"See the condition: {_PROVIDERS} describe {_PROVIDER} --format='value(attributeCondition)'",
            "Compare it with the token's claims, letter by letter: upper and lower case, a whole ref (refs/heads/NAME) "
            "against a bare name, an ID against a name.",
        ),
    ),
    Row(
        RefusalKind.SUBJECT_UNMAPPED,
        "The mapping gives no google.subject",
        "sts", 400, "unauthorized_client", "mapping",
        "Could not obtain a value for google.subject from the given credential.",
        r"could not obtain a value for .{0,4}google\.subject",
        "The mapping of google.subject gives nothing for this token: it names a claim that the token does not have, or "
        "an `extract` that does not match.",
        (
            "Map a claim that every token has. Write the whole mapping, since the flag replaces it: "
            f"{_UPDATE} --attribute-mapping=google.subject=assertion.sub,…",
        ),
    ),
    Row(
        RefusalKind.SUBJECT_TOO_LONG,
        "google.subject is longer than 127 bytes",
        "sts", 400, "invalid_request", "subject",
        "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping "
        "or the incoming assertion to produce a mapped attribute that is less than 127 bytes.",
        r"size of mapped attribute google\.subject exceeds",
        "The mapping of google.subject gives more than 127 bytes for this token. Usually it maps `sub`, and the CI "
        "system puts names of any length into it.",
        (
            "Map google.subject to something shorter that still tells jobs apart: an ID, or the first part of `sub` "
            "taken with extract(). `gcp-wif apply` with a manifest does it.",
        ),
    ),
    Row(  # the limit is documented, the sentence is assumed
        RefusalKind.ATTRIBUTES_TOO_LARGE,
        "The mapped attributes are larger than 8 KB",
        "sts", 400, "invalid_request", "subject",
        "The size of all mapped attributes exceeds the 8 KB limit.",
        r"size of all mapped attributes exceeds",
        "The values of all mapped attributes of this token together are larger than 8 KB, Google's limit.",
        ("Map fewer claims, or shorter ones: IDs in place of lists and free text.",),
    ),
    Row(  # Google does not document a mapping over an absent claim; the sentence is assumed
        RefusalKind.MAPPING_FAILED,
        "The attribute mapping fails for this token",
        "sts", 400, "invalid_grant", "mapping",
        "The attribute mapping could not be evaluated for the given credential.",
        r"attribute mapping could not be evaluated",
        "An expression of the attribute mapping fails for this token: most likely it reads a claim that the token does "
        "not have.",
        ("Guard the claim: 'claim' in assertion ? assertion['claim'] : ''",),
    ),
    Row(
        RefusalKind.THROTTLED,
        "Too many requests in one minute",
        "any", 429, "quota_exceeded", "api",
        "The request was throttled due to rate limit: sts.googleapis.com/requests. Please retry after a few seconds.",
        r"throttled due to rate limit|quota_exceeded|RESOURCE_EXHAUSTED",
        "The project's quota of requests for this minute is used up.",
        ("Try again in a minute. Spread jobs that start at the same time.",),
    ),
    Row(
        RefusalKind.TOKEN_TYPE_UNSUPPORTED,
        "The subject token type is not accepted",
        "sts", 400, "invalid_request", "token",
        'Invalid value for "subject_token_type".',
        r"invalid value for .{0,4}subject_token_type",
        "The config's subject_token_type is not one that an OIDC provider accepts.",
        ("Leave --subject-token-type out: urn:ietf:params:oauth:token-type:jwt is the default.",),
    ),
)  # fmt: skip

_IAM = (
    Row(
        RefusalKind.IMPERSONATION_DENIED,
        "The principal may not impersonate the service account",
        "iamcredentials", 403, "PERMISSION_DENIED", "binding",
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        r"iam\.serviceAccounts\.getAccessToken.{0,4} denied",
        "STS accepted the token, but its principal may not impersonate the account: there is no binding of "
        "roles/iam.workloadIdentityUser, or it is for another principal, or the account does not exist or is "
        "misspelt, or the binding is too new (it takes 2 minutes, sometimes 7 or more).",
        (
            "See who may: gcloud iam service-accounts get-iam-policy ACCOUNT --project=PROJECT_ID --format=json",
            "Grant it to the narrowest principal set that fits, then wait: gcloud iam service-accounts "
            "add-iam-policy-binding ACCOUNT --project=PROJECT_ID --role=roles/iam.workloadIdentityUser "
            "--member=PRINCIPAL_SET --condition=None",
        ),
    ),
    Row(
        RefusalKind.ID_TOKEN_DENIED,
        "The principal may not get ID tokens of the service account",
        "iamcredentials", 403, "PERMISSION_DENIED", "binding",
        "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).",
        r"iam\.serviceAccounts\.getOpenIdToken.{0,4} denied",
        "The principal may not get ID tokens of the account, or the account does not exist.",
        (
            "Grant roles/iam.workloadIdentityUser on the account, which holds that permission: gcloud iam "
            "service-accounts add-iam-policy-binding ACCOUNT --project=PROJECT_ID "
            "--role=roles/iam.workloadIdentityUser --member=PRINCIPAL_SET --condition=None",
        ),
    ),
    Row(
        RefusalKind.LIFETIME_TOO_LONG,
        "The access token lifetime is longer than one hour",
        "iamcredentials", 400, "INVALID_ARGUMENT", "lifetime",
        "The access token lifetime is invalid: tokens for {account} can not have lifetimes of more than 1 hour. Use "
        "the Org Policy Constraint constraints/iam.allowServiceAccountCredentialLifetimeExtension to allow extended "
        "lifetimes up to 12 hours.",
        r"lifetimes? of more than 1 hour|allowServiceAccountCredentialLifetimeExtension",
        "A lifetime of more than 3600 seconds was asked for, and the organisation policy does not allow it for this "
        "account.",
        (
            "Ask for 3600 seconds or less: --service-account-token-lifetime-seconds=3600",
            "Or let an organisation administrator list the account under "
            "constraints/iam.allowServiceAccountCredentialLifetimeExtension.",
        ),
    ),
    Row(  # the status is documented for disabled accounts, the sentence is assumed
        RefusalKind.ACCOUNT_DISABLED,
        "The service account is disabled",
        "iamcredentials", 403, "PERMISSION_DENIED", "account",
        "Service account {account} is disabled.",
        r"service account \S{1,200} is disabled|account_disabled",
        "Somebody disabled the service account, so nobody gets its tokens.",
        ("Find out why it was disabled. Enable it: gcloud iam service-accounts enable ACCOUNT --project=PROJECT_ID",),
    ),
    Row(
        RefusalKind.CREDENTIALS_UNACCEPTED,
        "The API does not accept the access token",
        "any", 401, "UNAUTHENTICATED", "api",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        r"request had invalid authentication credentials|invalid authentication credentials\. Expected OAuth",
        "The access token has expired, or this API does not accept federated tokens (direct federation).",
        ("Log in again. If it happens at once, impersonate a service account (--service-account) for this API.",),
    ),
    Row(
        RefusalKind.API_DISABLED,
        "An API of Google is not enabled in the project",
        "any", 403, "PERMISSION_DENIED", "api",
        "{service} API has not been used in project {project} before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/{host}/overview?project={project} then retry. If you enabled "
        "this API recently, wait a few minutes for the action to propagate to our systems and retry.",
        r"has not been used in project .{0,80}(before or it is disabled)|SERVICE_DISABLED",
        "An API that the exchange needs is not enabled in the project that Google names.",
        (
            "Enable all that federation needs, and wait a few minutes: "
            f"gcloud services enable {NEEDED_APIS} --project=PROJECT_ID",
        ),
    ),
    Row(
        RefusalKind.CONDITION_REQUIRED,
        "A shared issuer needs an attribute condition",
        "iam", 400, "INVALID_ARGUMENT", "condition",
        "The attribute condition must reference one of the provider's claims.",
        r"attribute condition must reference one of the provider",
        "The issuer signs tokens for many organisations, so Google wants a condition that names a claim.",
        ("Add a condition on a claim that names your organisation by an ID that is never used again.",),
    ),
    Row(
        RefusalKind.ISSUER_NOT_HTTPS,
        "The issuer's URL is not a valid https URL",
        "iam", 400, "INVALID_ARGUMENT", "issuer",
        "Invalid OIDC issuer URI. The scheme must be https.",
        r"invalid OIDC issuer URI",
        "The issuer's URL must be complete and begin with https://.",
        (
            "Write the token's `iss` exactly, with https:// before it.",
            "If the server has no public address, keep its https URL and upload its keys: "
            f"{_UPDATE} --jwk-json-path=FILE",
        ),
    ),
    Row(
        RefusalKind.ALREADY_EXISTS,
        "The ID is already taken",
        "iam", 409, "ALREADY_EXISTS", "provider",
        "Requested entity already exists",
        r"requested entity already exists|ALREADY_EXISTS",
        "Something has this ID already. A pool or provider that was deleted keeps its ID for 30 days.",
        (
            "Look with --show-deleted. Undelete it (`gcp-wif apply` does that), or choose another ID.",
        ),
    ),
    Row(
        RefusalKind.ORG_POLICY,
        "An organisation policy does not allow the issuer",
        "iam", 400, "FAILED_PRECONDITION", "issuer",
        "Org Policy violated for value: '{value}'.",
        r"org policy violated for value",
        "The organisation has a list of the identity providers that are allowed, and this issuer is not on it.",
        ("Ask an organisation administrator to add it to constraints/iam.workloadIdentityPoolProviders.",),
    ),
    Row(
        RefusalKind.CONCURRENT_POLICY,
        "Somebody else changed the policy at the same time",
        "iam", 409, "ABORTED", "binding",
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
        r"concurrent policy changes",
        "The policy changed between reading it and writing it.",
        ("Run the command again: it reads the policy anew.",),
    ),
)  # fmt: skip

TABLE: tuple[Row, ...] = (*_STS, *_IAM)
"""In the order in which they are searched for."""
