"""WIF9xx: what the doctor finds. WIF90x to 93x break a link, 95x and 96x are advice, 99x was not seen."""

from gcp_wif.codes.row import HINT, INPUT, NO, Code

__all__ = ["DOCTOR"]

_POOLS = "gcloud iam workload-identity-pools"
_POOL = "projects/NUMBER/locations/global/workloadIdentityPools/POOL"
_PROVIDER = f"{_POOL}/providers/PROVIDER"
_BIND = (
    "gcloud iam service-accounts add-iam-policy-binding ACCOUNT --project=PROJECT_ID "
    "--role=roles/iam.workloadIdentityUser --member=PRINCIPAL_SET --condition=None"
)

DOCTOR = (
    Code(
        "WIF901",
        "The pool does not exist",
        "The pool's ID or the project's number is misspelt, or nobody has made the pool. IDs are in lower case.",
        ("Correct the credential config. If the pool is not made yet: gcp-wif apply",),
        NO,
    ),
    Code(
        "WIF902",
        "The pool is deleted",
        "Somebody deleted it. It keeps its ID for 30 days and can be undeleted until then.",
        (f"`gcp-wif apply` undeletes it; so does: {_POOLS} undelete {_POOL}",),
        NO,
    ),
    Code(
        "WIF903",
        "The pool is disabled",
        "No token is exchanged, and tokens that were issued before stop working.",
        (f"Find out why it was disabled. Enable it: {_POOLS} update {_POOL} --no-disabled",),
        NO,
    ),
    Code(
        "WIF904",
        "The provider does not exist",
        "Its ID is misspelt, or it is in another pool or project.",
        (
            "Correct the credential config first: a second provider is seldom what is wanted.",
            f"See what there is: {_POOLS} providers list --workload-identity-pool={_POOL} --show-deleted",
        ),
        NO,
    ),
    Code(
        "WIF905",
        "The provider is deleted",
        "Somebody deleted it. It keeps its ID for 30 days and can be undeleted until then.",
        (f"`gcp-wif apply` undeletes it; so does: {_POOLS} providers undelete {_PROVIDER}",),
        NO,
    ),
    Code(
        "WIF906",
        "The provider is disabled",
        "It exchanges no token. Tokens that were issued before go on working until they expire.",
        (f"Find out why it was disabled. Enable it: {_POOLS} providers update-oidc {_PROVIDER} --no-disabled",),
        NO,
    ),
    Code(
        "WIF907",
        "The config names another provider",
        "The credential config and the provider that the doctor looked at are not the same.",
        ("Write the config again: gcp-wif generate --config-only --manifest gcp-wif.toml",),
        NO,
    ),
    Code(
        "WIF908",
        "The token belongs to another organisation than the provider trusts",
        "The provider trusts one organisation's issuer, and the job runs in another organisation.",
        ("Use the provider of this organisation, or run the job in the other one.",),
        NO,
    ),
    Code(
        "WIF909",
        "The token's header is not one that Google accepts",
        "Google accepts tokens signed with RS256 or ES256 that name their key (`kid`).",
        ("Use the token that the CI system issues, exactly as it is.",),
        NO,
    ),
    Code(
        "WIF910",
        "The code does not exist",
        "`doctor --explain` was given something that is not a code of gcp-wif.",
        ("Give a code as it is printed, such as WIF508.",),
        INPUT,
    ),
    Code(
        "WIF911",
        "The condition reads an attribute that is never mapped",
        "The condition uses a name that the attribute mapping does not set. Often one of the two was renamed.",
        ("Use the mapping's own name in the condition, or add the attribute to the mapping.",),
        NO,
    ),
    Code(
        "WIF912",
        "The binding names an attribute that this token does not set",
        "The attribute is mapped from a claim that the token does not have: the claim is misspelt, or this kind of job "
        "has none. A pipeline that no push started often lacks the claims about its repository.",
        (f"Correct the mapping, or bind an attribute that such jobs have: {_BIND}",),
        NO,
    ),
    Code(
        "WIF913",
        "The condition reads a claim that the token does not have",
        "The claim is misspelt, or this kind of job has none. A condition over an absent claim refuses the token.",
        ("Correct the claim's name. Guard a claim that may be absent: 'claim' in assertion && …",),
        NO,
    ),
    Code(
        "WIF914",
        "The condition's value differs from the token's in letter case alone",
        "Conditions are compared letter by letter: Main is not main.",
        ("Write the value in the condition exactly as the token has it.",),
        NO,
    ),
    Code(
        "WIF915",
        "The condition compares a list with a text",
        "The claim is a list, which never equals one text.",
        ("Ask whether the list has it: 'VALUE' in assertion['claim']",),
        NO,
    ),
    Code(
        "WIF916",
        "The condition compares a branch's name with a whole ref",
        "One side is a whole ref, refs/heads/NAME, and the other is the bare name.",
        ("Write both in the same form, as the token has it.",),
        NO,
    ),
    Code(
        "WIF917",
        "The saved answer is not what the doctor needs",
        "The file is not JSON, or not the output of the gcloud command that the flag is for.",
        ("Save the output of that command again, with --format=json.",),
        INPUT,
    ),
    Code(
        "WIF918",
        "The doctor has nothing to look at",
        "There is no token, no config, no manifest, and no error that it knows.",
        (
            "In a job: gcp-wif doctor",
            "Elsewhere give one of --manifest FILE, --claims FILE, --error TEXT, or with admin rights --live.",
        ),
        INPUT,
    ),
    Code(
        "WIF919",
        "The doctor does not know which provider to look at",
        "--live reads a provider from Google, and nothing says which one.",
        ("Give the provider's resource name, a credential config (--output-file), or --manifest FILE.",),
        INPUT,
    ),
    Code(
        "WIF921",
        "Nobody of this pool may impersonate the account",
        "The account's policy has no binding for a principal of this pool.",
        (f"Grant it to the narrowest principal set that fits: {_BIND}",),
        NO,
    ),
    Code(
        "WIF922",
        "The binding names an attribute that is never mapped",
        "The mapping does not set the attribute, so the binding means nobody.",
        ("Add the attribute to the mapping, or bind an attribute that is mapped.",),
        NO,
    ),
    Code(
        "WIF923",
        "The binding is for other principals of the pool",
        "The account is bound to principals of this pool, but to none that this token is.",
        (
            "Check first that this job should be this account.",
            f"If it should, add a rule to the identity's `allow` and run `gcp-wif apply`; or: {_BIND}",
        ),
        NO,
    ),
    Code(
        "WIF924",
        "The binding's value differs from the token's in letter case alone",
        "Principal sets are compared letter by letter.",
        ("Bind the value exactly as the token has it, and remove the other binding.",),
        NO,
    ),
    Code(
        "WIF925",
        "The principal's role does not give the account's tokens",
        "The principal has a role on the account, but impersonation needs the permission "
        "iam.serviceAccounts.getAccessToken.",
        (f"Grant the role that holds it: {_BIND}",),
        NO,
    ),
    Code(
        "WIF926",
        "The binding has a condition that is not met or not known",
        "An IAM condition on the binding, such as a date, decides whether it grants anything.",
        (
            "Look at it: gcloud iam service-accounts get-iam-policy ACCOUNT --project=PROJECT_ID --format=json",
            f"If the access should go on, grant it without a condition: {_BIND}",
        ),
        NO,
    ),
    Code(
        "WIF927",
        "The binding is for another pool",
        "The project number or the pool in the binding's member is not that of the credential config.",
        ("Correct the member, or the config, so that both name the same pool.",),
        NO,
    ),
    Code(
        "WIF928",
        "No role is granted to the token's principals",
        "In direct federation no account is impersonated: roles are granted to the principals themselves, and none of "
        "this token's has one.",
        ("gcloud projects add-iam-policy-binding PROJECT_ID --role=ROLE --member=PRINCIPAL_SET --condition=None",),
        NO,
    ),
    Code(
        "WIF929",
        "The binding is too new",
        "It is there and fits the token. Changes of a policy take about 2 minutes to work, sometimes 7 or more.",
        ("Wait. `gcp-wif apply --wait --token-env NAME` waits until the exchange works.",),
        NO,
    ),
    Code(
        "WIF931",
        "The service account does not exist",
        "Its email is misspelt, or it was deleted. Google says that a permission is denied (403) in this case too.",
        (
            "Correct the email in the credential config (--service-account), letter by letter.",
            "If it was never made, write `create = true` in its identity and run `gcp-wif apply`.",
        ),
        NO,
    ),
    Code(
        "WIF951",
        "Every identity of the pool may use the account or role",
        "The grant is to principalSet://…/*: to every token that any provider of the pool admits.",
        ("Grant it to the narrowest principal set that fits, then remove this grant.",),
        HINT,
    ),
    Code(
        "WIF952",
        "Every project of the organisation may use the account or role",
        "The grant is to an attribute that is the same for every job of the organisation.",
        ("Grant it to one project or repository, by its ID, then remove this grant.",),
        HINT,
    ),
    Code(
        "WIF953",
        "A shared issuer is trusted without a condition",
        "The issuer signs tokens for many organisations, so anybody with an account there gets a federated token.",
        ("Add a condition on the ID of your organisation. `gcp-wif apply` with a manifest does it.",),
        HINT,
    ),
    Code(
        "WIF954",
        "A prefix does not end with a slash",
        "startsWith('example.com/acme') also admits example.com/acme-evil.",
        ("End the prefix with a slash.",),
        HINT,
    ),
    Code(
        "WIF955",
        "A grant rests on a name that can be used again",
        "A repository can be renamed or deleted, and somebody else can then take its name.",
        ("Grant it by an ID that is never used again.",),
        HINT,
    ),
    Code(
        "WIF956",
        "Jobs that somebody can log in to are admitted",
        "Whoever re-runs a job with SSH access has the job's credentials.",
        ("Refuse such jobs in the condition. `gcp-wif apply` does it unless the manifest admits them.",),
        HINT,
    ),
    Code(
        "WIF957",
        "The account's token lives longer than an hour",
        "A leaked access token works until it expires.",
        ("Ask for 3600 seconds or less, unless a job really needs more.",),
        HINT,
    ),
    Code(
        "WIF958",
        "Other providers share the pool",
        "A grant names the pool and an attribute, not the provider. What another provider maps to the same attribute "
        "gets the same grants.",
        ("Give each issuer a pool of its own.",),
        HINT,
    ),
    Code(
        "WIF959",
        "An attribute is not set for this token",
        "It is mapped from a claim that the token does not have. Google then leaves the attribute unset: the token is "
        "exchanged, but nothing that is granted by this attribute reaches it.",
        ("If the claim's name is misspelt, correct the mapping. Write it whole, since the flag replaces it.",),
        HINT,
    ),
    Code(
        "WIF961",
        "Google differs from the manifest",
        "Somebody changed one of the two: the manifest was not applied, or Google was changed by hand.",
        ("See how: gcp-wif plan", "Make Google match the manifest (gcp-wif apply), or change the manifest."),
        HINT,
    ),
    Code(
        "WIF990",
        "The error is not one that gcp-wif knows",
        "The text holds no message that is known. The doctor shows what it holds: API, status, permission, resource.",
        (
            "Give the whole error, with what stands before and after it: gcp-wif doctor --error - < FILE",
            "See whether the login itself works: gcp-wif verify",
        ),
        HINT,
    ),
    Code(
        "WIF991",
        "No token was looked at",
        "Without the token's claims, mapping and condition cannot be evaluated.",
        ("Run the doctor in the job, or give it the claims: gcp-wif doctor --claims FILE",),
        HINT,
    ),
    Code(
        "WIF992",
        "The provider was not seen",
        "Issuer, audiences, mapping and condition are in the provider, and the doctor did not see it.",
        (
            f"Save it: {_POOLS} providers describe {_PROVIDER} --format=json > provider.json",
            "Then: gcp-wif doctor --provider-file provider.json. Or with admin rights: gcp-wif doctor --live",
        ),
        HINT,
    ),
    Code(
        "WIF993",
        "The account's policy was not seen",
        "The policy says which principals may impersonate the account, and the doctor did not see it.",
        (
            "Save it: gcloud iam service-accounts get-iam-policy ACCOUNT --project=PROJECT_ID --format=json "
            "> policy.json",
            "Then: gcp-wif doctor --policy-file policy.json",
        ),
        HINT,
    ),
    Code(
        "WIF994",
        "The service account was not seen",
        "It may be disabled, or not exist; the doctor did not look.",
        (
            "Save it: gcloud iam service-accounts describe ACCOUNT --project=PROJECT_ID --format=json > account.json",
            "Then: gcp-wif doctor --account-file account.json",
        ),
        HINT,
    ),
    Code(
        "WIF995",
        "The project's policy was not seen",
        "In direct federation the project's policy holds the roles, and the doctor did not see it.",
        (
            "Save it: gcloud projects get-iam-policy PROJECT_ID --format=json > project-policy.json",
            "Then: gcp-wif doctor --project-policy-file project-policy.json",
        ),
        HINT,
    ),
    Code(
        "WIF996",
        "What a role carries was not seen",
        "A custom role may carry iam.serviceAccounts.getAccessToken or not, and the doctor did not see which "
        "permissions it has.",
        (
            "Save it: gcloud iam roles describe ROLE --project=PROJECT_ID --format=json > role.json",
            "Then: gcp-wif doctor --role-file role.json. Or with admin rights: gcp-wif doctor --live",
        ),
        HINT,
    ),
    Code(
        "WIF998",
        "The exchange with Google gave no answer",
        "The doctor tries the exchange that the job itself may make. Google was not reached; or Google was not asked, "
        "since the config or the token cannot be used.",
        ("Do what the message says, then again: gcp-wif doctor",),
        HINT,
    ),
)
