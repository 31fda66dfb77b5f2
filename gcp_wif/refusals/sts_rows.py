"""What STS says in the exchange of the job's token.

A comment says which sentences rest on one dated observation, and which are assumed.
"""

from gcp_wif.refusals.commands import POOL, PROVIDER, PROVIDERS, UPDATE
from gcp_wif.refusals.model import RefusalKind, Row

__all__ = ["STS"]

STS = (
    Row(
        RefusalKind.AUDIENCE_MALFORMED,
        "The config's audience is not a provider's resource name",
        "sts", 400, "invalid_request", "provider",
        'Invalid value for "audience". This value should be the full resource name of the Identity Provider. '
        "See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats.",
        ('invalid value for "audience"',),
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
        ('target service indicated by the "audience"',),
        "The pool or provider that the config names does not exist, is disabled, or is deleted.",
        (
            "Compare project number, pool and provider with what there is: "
            f"{PROVIDERS} list --workload-identity-pool={POOL} --location=global --show-deleted",
            "A deleted one can be undeleted for 30 days; `gcp-wif apply` does that.",
        ),
    ),
    Row(
        RefusalKind.AUDIENCE_MISMATCH,
        "The token's audience is not allowed by the provider",
        "sts", 400, "invalid_grant", "audience",
        "The audience in ID Token [{found}] does not match the expected audience.",
        ("audience in ID Token * does not match the expected audience",),
        "The token's `aud` is not among the provider's allowed audiences. A provider without such a list accepts its "
        "own resource name alone.",
        (
            "Allow the token's `aud` too. Name every audience that is in use, since the flag replaces the list: "
            f"{UPDATE} --allowed-audiences=AUDIENCES",
            "Or take a token whose audience the provider accepts: gcp-wif login --audience AUDIENCE",
        ),
    ),
    Row(
        RefusalKind.ISSUER_MISMATCH,
        "The token's issuer is not the provider's",
        "sts", 400, "invalid_grant", "issuer",
        "The issuer in ID Token {found} does not match the expected one in config: {expected}",
        ("issuer in ID Token * does not match the expected one",),
        "The token was signed by another issuer than the provider trusts: it belongs to another organisation, server "
        "or CI system, or the two URLs differ in one character, such as a slash at the end.",
        (
            "Compare the two URLs in Google's sentence, character by character. If the token is the wrong one, use the "
            "token of this job, or the provider made for it.",
            "If the provider is wrong, give it the token's `iss`; tokens of the old issuer are then refused: "
            f"{UPDATE} --issuer-uri=ISSUER",
        ),
    ),
    Row(
        RefusalKind.TOKEN_STALE,
        "The token has expired, or its times are not valid",
        "sts", 400, "invalid_grant", "time",
        "ID Token issued at {issued_at} is stale to sign-in.",
        ("ID Token issued at * is stale",),
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
        ("unable to verify the ID Token signature",),
        "The token was not signed with the key that its issuer publishes under the token's key ID: it was changed or "
        "cut, or the provider has uploaded keys (a JWKS) that are out of date.",
        (
            "Hand the token over exactly as it was issued.",
            "If keys were uploaded to the provider, upload the issuer's present ones: "
            f"{UPDATE} --jwk-json-path=FILE",
        ),
    ),
    Row(
        RefusalKind.ISSUER_UNREACHABLE,
        "Google cannot get the key that signed the token",
        "sts", 400, "invalid_grant", "issuer",
        "Error connecting to the given credential's issuer.",
        ("error connecting to the given credential's issuer",),
        "Google could not fetch the issuer's keys, or the token's key ID (`kid`) is not among them.",
        (
            "Check that ISSUER/.well-known/openid-configuration can be read from the internet, without a login.",
            f"For an issuer behind a firewall, upload its keys: {UPDATE} --jwk-json-path=FILE",
        ),
    ),
    Row(
        RefusalKind.CONDITION_FALSE,
        "The attribute condition refuses the token",
        "sts", 400, "unauthorized_client", "condition",
        "The given credential is rejected by the attribute condition.",
        ("rejected by the attribute condition",),
        "The provider's attribute condition is false for this token's claims. It is also refused where the condition "
        "cannot be evaluated, as when it names a claim or an attribute that is absent.",
        (
            f"See the condition: {PROVIDERS} describe {PROVIDER} --format='value(attributeCondition)'",
            "Compare it with the token's claims, letter by letter: upper and lower case, a whole ref (refs/heads/NAME) "
            "against a bare name, an ID against a name.",
        ),
    ),
    Row(
        RefusalKind.SUBJECT_UNMAPPED,
        "The mapping gives no google.subject",
        "sts", 400, "unauthorized_client", "mapping",
        "Could not obtain a value for google.subject from the given credential.",
        ("could not obtain a value for google.subject",),
        "The mapping of google.subject gives nothing for this token: it names a claim that the token does not have, or "
        "an `extract` that does not match.",
        (
            "Map a claim that every token has. Write the whole mapping, since the flag replaces it: "
            f"{UPDATE} --attribute-mapping=MAPPING",
        ),
    ),
    Row(
        RefusalKind.SUBJECT_TOO_LONG,
        "google.subject is longer than 127 bytes",
        "sts", 400, "invalid_request", "subject",
        "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping "
        "or the incoming assertion to produce a mapped attribute that is less than 127 bytes.",
        ("size of mapped attribute google.subject exceeds", "size of mapped attribute exceeds the 127 bytes"),
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
        ("size of all mapped attributes exceeds",),
        "The values of all mapped attributes of this token together are larger than 8 KB, Google's limit.",
        ("Map fewer claims, or shorter ones: IDs in place of lists and free text.",),
    ),
    Row(  # Google does not document a mapping over an absent claim; the sentence is assumed
        RefusalKind.MAPPING_FAILED,
        "The attribute mapping fails for this token",
        "sts", 400, "invalid_grant", "mapping",
        "The attribute mapping could not be evaluated for the given credential.",
        ("attribute mapping could not be evaluated",),
        "An expression of the attribute mapping fails for this token: most likely it reads a claim that the token does "
        "not have.",
        ("Guard the claim: 'claim' in assertion ? assertion['claim'] : ''",),
    ),
    Row(
        RefusalKind.THROTTLED,
        "Too many requests in one minute",
        "any", 429, "quota_exceeded", "api",
        "The request was throttled due to rate limit: sts.googleapis.com/requests. Please retry after a few seconds.",
        ("throttled due to rate limit", "error code quota_exceeded", "quota exceeded for quota metric & per minute"),
        "The project's quota of requests for this minute is used up.",
        ("Try again in a minute. Spread jobs that start at the same time.",),
    ),
    Row(
        RefusalKind.TOKEN_TYPE_UNSUPPORTED,
        "The subject token type is not accepted",
        "sts", 400, "invalid_request", "token",
        'Invalid value for "subject_token_type".',
        ('invalid value for "subject_token_type"',),
        "The config's subject_token_type is not one that an OIDC provider accepts.",
        ("Leave --subject-token-type out: urn:ietf:params:oauth:token-type:jwt is the default.",),
    ),
    Row(
        RefusalKind.ATTRIBUTE_TYPE,
        "A mapped attribute is not text",
        "sts", 400, "unauthorized_client", "mapping",
        "The mapped attribute '{attribute}' must be of type STRING.",
        ("mapped attribute ~ must be of type STRING",),
        "The mapping gives something else than text for this attribute: the result of a comparison, a number, a list, "
        "or "
        "a claim of another type. Often a condition was written where the mapping belongs.",
        (
            f"See the mapping: {PROVIDERS} describe {PROVIDER} --format='yaml(attributeMapping)'",
            "Map a claim that is text, such as assertion.sub. A comparison belongs into the attribute condition; "
            "string(…) makes text of a number or a boolean.",
        ),
    ),
    Row(  # seen in threads with several wordings; Google documents none
        RefusalKind.TOKEN_UNREADABLE,
        "Google cannot read the token",
        "sts", 400, "invalid_grant", "token",
        "Unable to parse the ID Token.",
        (
            "unable to parse the ID Token", "error parsing the ID Token", "ID Token is malformed", "malformed ID Token",
            "ID Token is not a valid JWT", "given credential is not a valid JWT",
            "failed to parse the given credential",
            "error parsing or verifying the ID Token",
        ),
        "What was sent is not a token: it is empty, cut, in quotes or in JSON, or it is another text altogether.",
        (
            "Compare the source type in the credential config with the file: a file that holds JSON needs the type "
            "json "
            "and the name of the field.",
            "Let gcp-wif write both: gcp-wif login",
        ),
    ),
    Row(  # one dated observation, and Google's page on troubleshooting
        RefusalKind.KEY_UNSUPPORTED,
        "A key of the issuer has a form that Google does not accept",
        "sts", 400, "invalid_grant", "token",
        "Only RSA, EC key types are supported.",
        ("only RSA, EC key types are supported", "corrupted key material", "Input JWK is not in a valid json format"),
        "The issuer's keys, published or uploaded, are not all RSA or EC with P-256, or hold the fields x5c or x5t.",
        (
            "Let the issuer sign with RS256 or ES256.",
            f"If keys were uploaded, take other kinds and the fields x5c and x5t out, and upload them again: {UPDATE} "
            "--jwk-json-path=FILE",
        ),
    ),
    Row(
        RefusalKind.SCOPE_INVALID,
        "The scope that was asked for does not exist",
        "sts", 400, "invalid_scope", "api",
        "Invalid OAuth scope or ID token audience provided.",
        ("invalid OAuth scope", "some requested scopes were invalid"),
        "The client asked for a scope that is not one of Google's, or for an empty one.",
        ("Ask for https://www.googleapis.com/auth/cloud-platform, and limit by roles what the account may do.",),
    ),
)  # fmt: skip
