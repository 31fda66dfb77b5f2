"""What IAM and its Credentials API say: of the impersonation, and to whoever sets it up.

A comment says which sentences are assumed.
"""

from gcp_wif.refusals.commands import NEEDED_APIS, UPDATE
from gcp_wif.refusals.model import RefusalKind, Row

__all__ = ["IAM"]

IAM = (
    Row(
        RefusalKind.IMPERSONATION_DENIED,
        "The principal may not impersonate the service account",
        "iamcredentials", 403, "PERMISSION_DENIED", "binding",
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        ("permission 'iam.serviceAccounts.getAccessToken' denied", "iam.serviceAccounts.getAccessToken denied"),
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
        ("permission 'iam.serviceAccounts.getOpenIdToken' denied", "iam.serviceAccounts.getOpenIdToken denied"),
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
        (
            "lifetimes of more than 1 hour", "lifetime of more than 1 hour",
            "allowServiceAccountCredentialLifetimeExtension", "access token lifetime cannot exceed 3600",
        ),
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
        (
            "service account ~gserviceaccount.com is disabled", "service account is disabled",
            "service account has been disabled",
        ),
        "Somebody disabled the service account, so nobody gets its tokens.",
        ("Find out why it was disabled. Enable it: gcloud iam service-accounts enable ACCOUNT --project=PROJECT_ID",),
    ),
    Row(
        RefusalKind.CREDENTIALS_UNACCEPTED,
        "The API does not accept the access token",
        "any", 401, "UNAUTHENTICATED", "api",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        ("request had invalid authentication credentials", "invalid authentication credentials. Expected OAuth"),
        "The access token has expired, or this API does not accept federated tokens (direct federation).",
        ("Log in again. If it happens at once, impersonate a service account (--service-account) for this API.",),
    ),
    Row(
        RefusalKind.ACCOUNT_NOT_FOUND,
        "Google finds no service account with this email",
        "iamcredentials", 404, "NOT_FOUND", "account",
        "Not found; Gaia id not found for email {account}",
        (
            "Gaia id not found", "invalid form of account ID", "unknown service account",
            "gserviceaccount.com does not exist",
            "gserviceaccount.com was not found", "service account does not exist",
        ),
        "There is no service account with this email: it is misspelt, in another project, was deleted, or was made a "
        "moment ago.",
        (
            "Compare the email with what there is: gcloud iam service-accounts list --project=PROJECT_ID",
            "Correct it in the credential config (--service-account). A new account takes a minute or two to be known.",
        ),
    ),
    Row(
        RefusalKind.SIGNING_DENIED,
        "The account may not sign",
        "iamcredentials", 403, "PERMISSION_DENIED", "binding",
        "Permission 'iam.serviceAccounts.signBlob' denied on resource (or it may not exist).",
        (
            "iam.serviceAccounts.signBlob denied", "iam.serviceAccounts.signJwt denied",
            "SigningError & request failed with status code 403", "iam.serviceAccounts.signBlob permission",
            "iam.serviceAccounts.signJwt permission",
        ),
        "Signed URLs and domain-wide delegation need a signature of the account. The account, once it is impersonated, "
        "may not sign as itself: that needs iam.serviceAccounts.signBlob or signJwt on its own policy.",
        (
            "Let the account sign as itself: gcloud iam service-accounts add-iam-policy-binding ACCOUNT "
            "--project=PROJECT_ID --role=roles/iam.serviceAccountTokenCreator --member=serviceAccount:ACCOUNT "
            "--condition=None",
        ),
    ),
    Row(
        RefusalKind.ACT_AS_DENIED,
        "The account may not deploy as another service account",
        "iam", 403, "PERMISSION_DENIED", "api",
        "Permission 'iam.serviceaccounts.actAs' denied on service account {account} (or it may not exist).",
        (
            "iam.serviceAccounts.actAs denied", "iam.serviceAccounts.actAs permission",
            "permission to act as service account",
        ),
        "The login works. What is deployed runs as a service account, often the default one of Compute Engine, and the "
        "job's account may not act as that.",
        (
            "Grant it on the account that the service runs as: gcloud iam service-accounts add-iam-policy-binding "
            "RUNTIME_ACCOUNT --project=RUNTIME_PROJECT --role=roles/iam.serviceAccountUser "
            "--member=serviceAccount:ACCOUNT --condition=None",
        ),
    ),
    Row(
        RefusalKind.SCOPES_MISSING,
        "The client asked for a token without scopes",
        "iamcredentials", 400, "INVALID_ARGUMENT", "api",
        "Unable to acquire impersonated credentials: Request contains an invalid argument.",
        ("acquire impersonated credentials & request contains an invalid argument",),
        "The program refreshed its credentials without naming scopes, and an account's token needs at least one.",
        (
            "In Python: credentials.with_scopes(['https://www.googleapis.com/auth/cloud-platform']), or scopes=[…] of "
            "google.auth.default().",
            "If scopes are named, compare the lifetime and the delegates that are asked for with what Google allows.",
        ),
    ),
    Row(
        RefusalKind.API_DISABLED,
        "An API of Google is not enabled in the project",
        "any", 403, "PERMISSION_DENIED", "api",
        "{service} API has not been used in project {project} before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/{host}/overview?project={project} then retry. If you enabled "
        "this API recently, wait a few minutes for the action to propagate to our systems and retry.",
        ("has not been used in project ~ before or it is disabled", "has not been used in project ~ disabled"),
        "An API that the exchange needs is not enabled in the project that Google names.",
        (
            "Enable all that federation needs, and wait a few minutes: "
            f"gcloud services enable {NEEDED_APIS} --project=PROJECT",
        ),
    ),
    Row(
        RefusalKind.CONDITION_REQUIRED,
        "A shared issuer needs an attribute condition",
        "iam", 400, "INVALID_ARGUMENT", "condition",
        "The attribute condition must reference one of the provider's claims.",
        ("attribute condition must reference one of the provider",),
        "The issuer signs tokens for many organisations, so Google wants a condition that names a claim.",
        ("Add a condition on a claim that names your organisation by an ID that is never used again.",),
    ),
    Row(
        RefusalKind.ISSUER_NOT_HTTPS,
        "The issuer's URL is not a valid https URL",
        "iam", 400, "INVALID_ARGUMENT", "issuer",
        "Invalid OIDC issuer URI. The scheme must be https.",
        ("invalid OIDC issuer URI",),
        "The issuer's URL must be complete and begin with https://.",
        (
            "Write the token's `iss` exactly, with https:// before it.",
            "If the server has no public address, keep its https URL and upload its keys: "
            f"{UPDATE} --jwk-json-path=FILE",
        ),
    ),
    Row(
        RefusalKind.ALREADY_EXISTS,
        "The ID is already taken",
        "iam", 409, "ALREADY_EXISTS", "provider",
        "Requested entity already exists",
        ("requested entity already exists",),
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
        ("org policy violated for value",),
        "The organisation has a list of the identity providers that are allowed, and this issuer is not on it.",
        ("Ask an organisation administrator to add it to constraints/iam.workloadIdentityPoolProviders.",),
    ),
    Row(
        RefusalKind.CONCURRENT_POLICY,
        "Somebody else changed the policy at the same time",
        "iam", 409, "ABORTED", "binding",
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
        ("concurrent policy changes",),
        "The policy changed between reading it and writing it.",
        ("Run the command again: it reads the policy anew.",),
    ),
    Row(
        RefusalKind.MEMBER_POOL_MISSING,
        "The pool in the binding's member does not exist",
        "iam", 400, "INVALID_ARGUMENT", "binding",
        "Identity Pool does not exist ({pool}). Please check that you specified a valid resource name.",
        ("identity pool does not exist",),
        "The member of the binding names a pool that there is not: its project number or ID is wrong, or the pool is "
        "made later than the binding.",
        (
            "Correct the member: principalSet://iam.googleapis.com/projects/NUMBER/locations/global/"
            "workloadIdentityPools/POOL/… with the number, not the ID, of the pool's project.",
            "A pool that ends with svc.id.goog is of a cluster; it is made with the project's first such cluster.",
        ),
    ),
    Row(
        RefusalKind.MEMBER_NOT_PERMITTED,
        "An organisation policy does not allow the member of the binding",
        "iam", 400, "FAILED_PRECONDITION", "binding",
        "One or more users named in the policy do not belong to a permitted customer.",
        ("do not belong to a permitted customer", "iam.allowedPolicyMemberDomains", "iam.managed.allowedPolicyMembers"),
        "The organisation limits who may be granted roles (constraints/iam.allowedPolicyMemberDomains), and the member "
        "is outside of that.",
        (
            "Ask an organisation administrator to allow the pool: constraints/iam.managed.allowedPolicyMembers takes "
            "principal sets, the older constraint takes customers alone.",
            "Or grant the role to a service account of the organisation, and impersonate that.",
        ),
    ),
    Row(
        RefusalKind.SERVICE_PERIMETER,
        "A perimeter of VPC Service Controls stops the request",
        "any", 403, "PERMISSION_DENIED", "api",
        "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: {value}",
        ("request is prohibited by organization's policy", "vpcServiceControlsUniqueIdentifier"),
        "The project is inside a service perimeter, and the job calls from outside. The roles may be right.",
        (
            "Give the identifier in the message to whoever administers the perimeter: it finds the denial in the "
            "VPC Service Controls troubleshooter.",
            "An ingress rule lets the job in: for sts.googleapis.com and iamcredentials.googleapis.com as well as for "
            "the API that is called, from the principal set of the pool and from the service account.",
        ),
    ),
    Row(
        RefusalKind.MAPPING_INVALID,
        "The attribute mapping is not valid",
        "iam", 400, "INVALID_ARGUMENT", "mapping",
        "Invalid mapped attribute key: {attribute}. Custom mapped attributes must be in format "
        "'attribute.{{custom_attribute}}'.",
        ("invalid mapped attribute", "custom mapped attributes must be in format", "error compiling attribute mapping"),
        "A mapping has Google's name on the left, google.subject or attribute.NAME, and the token's claim on the "
        "right. "
        "One of the two is not of that form.",
        (
            "Write it as --attribute-mapping=google.subject=assertion.sub,attribute.NAME=assertion.CLAIM with names of "
            "lower-case letters, digits and underscores.",
        ),
    ),
)  # fmt: skip
