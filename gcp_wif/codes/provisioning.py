"""WIF8xx: plan, apply, destroy and init, as an admin."""

from gcp_wif.codes.row import DOWN, INPUT, NO, STOPPED, Code

__all__ = ["PROVISIONING"]

PROVISIONING = (
    Code(
        "WIF800",
        "Google refused a change",
        "The message has Google's own words; gcp-wif has no explanation for them.",
        ("Read Google's sentence. What was done before is kept: after a correction run the same command again.",),
        NO,
    ),
    Code(
        "WIF801",
        "A permission is missing",
        "You, or the account that you act as, may not do this on the project. Google says the same where the resource "
        "does not exist, and for about two minutes after a grant.",
        (
            "Ask somebody who administers the project; the message names project and role: gcloud projects "
            "add-iam-policy-binding PROJECT_ID --member=MEMBER --role=ROLE --condition=None",
            "Wait two minutes, sometimes seven, then run the same command again.",
        ),
        NO,
    ),
    Code(
        "WIF810",
        "There are no credentials for an admin",
        "No application default credentials were found on this machine.",
        (
            "On a workstation: gcloud auth application-default login",
            "In CI give the job an identity for admins. To try it without Google, start `gcp-wif emulator`.",
        ),
        INPUT,
    ),
    Code(
        "WIF811",
        "The emulator's gRPC address is not known",
        "GCP_WIF_EMULATOR_HOST is set, and GCP_WIF_EMULATOR_GRPC_HOST is not. Service accounts are reached over gRPC.",
        ("Set both to what `gcp-wif emulator` prints when it is ready.",),
        INPUT,
    ),
    Code(
        "WIF812",
        "The admin's credentials do not work",
        "They have expired or were revoked, or --impersonate-service-account names an account that they may not "
        "impersonate.",
        (
            "Log in again: gcloud auth application-default login",
            "For --impersonate-service-account you need roles/iam.serviceAccountTokenCreator on that account.",
        ),
        INPUT,
    ),
    Code(
        "WIF820",
        "A service account of the manifest does not exist",
        "Its email is misspelt, it was deleted, or it is not made yet and the identity does not say that it should be.",
        ("Correct the email, or write `create = true` in the identity.",),
        NO,
    ),
    Code(
        "WIF821",
        "The provider's ID belongs to a provider of another kind",
        "A provider for AWS, SAML or X.509 has this ID. A provider's kind cannot be changed.",
        ("Choose another provider ID in the manifest. A deleted provider keeps its ID for 30 days.",),
        NO,
    ),
    Code(
        "WIF822",
        "The project's ID and number do not belong together",
        "Google gives another number for the project_id of [pool] than the manifest does.",
        ("Look it up: gcloud projects describe PROJECT_ID --format='value(projectNumber)'", "Correct one of the two."),
        NO,
    ),
    Code(
        "WIF823",
        "The project does not exist",
        "The project's ID is misspelt, or the project was deleted.",
        ("Correct project_id in the manifest. See yours: gcloud projects list",),
        NO,
    ),
    Code(
        "WIF824",
        "Nobody can be asked to confirm",
        "There is no terminal to ask on, and --yes is not given. Nothing was changed.",
        ("Read the plan, then run the command again with --yes.",),
        INPUT,
    ),
    Code(
        "WIF825",
        "The changes were not confirmed",
        "The question was answered with no. Nothing was changed.",
        ("Run it again and answer yes, when the plan is what you want.",),
        NO,
    ),
    Code(
        "WIF826",
        "Changes were interrupted",
        "Somebody pressed Ctrl-C, or the job was cancelled. Changes that were made before are kept.",
        ("Run the same command again: it goes on from what is there.",),
        STOPPED,
    ),
    Code(
        "WIF827",
        "The token belongs to no identity of the manifest",
        "No `allow` rule of the manifest admits this token, so waiting for it to work would never end.",
        ("Give the token of a job that a rule admits, or change the rule.",),
        NO,
    ),
    Code(
        "WIF828",
        "A change is not visible yet",
        "The change was made, but Google does not show or use it yet. It takes about 2 minutes, sometimes 7 or more.",
        ("Wait, then run the same command again.",),
        DOWN,
    ),
    Code(
        "WIF829",
        "No manifest can be made from what Google has",
        "The pool or provider does not exist or is deleted, is of a kind that a manifest cannot express, or no account "
        "and no role of the projects that were named is granted to it.",
        (
            "Check the provider's name.",
            "Name every project where accounts are: --service-account EMAIL or --project-id PROJECT_ID",
        ),
        NO,
    ),
    Code(
        "WIF830",
        "An operation of Google does not end",
        "Google accepted the change, and did not say within the time allowed that it was done.",
        ("Run the same command again later: it reads what is there and goes on from it.",),
        DOWN,
    ),
)
