"""What any API of Google's says once the login works: the next error."""

from gcp_wif.refusals.model import RefusalKind, Row

__all__ = ["API"]

API = (
    Row(
        RefusalKind.PERMISSION_MISSING,
        "The account lacks a permission",
        "any", 403, "PERMISSION_DENIED", "api",
        "Permission '{permission}' denied on resource '{resource}' (or it may not exist).",
        (
            "permission ~ denied on resource", "permission ~ denied for resource", "permission ~ denied on bucket",
            "permission ~ denied on service account", "gserviceaccount.com does not have ~ access to",
            "user does not have ~ permission in project", "access denied & user does not have permission to query",
            "does not have permission to access projects instance", "permissions error fetching application",
            "caller is missing IAM permission", "make sure the project exists and your account has permission",
            "caller lacks IAM permission",
        ),
        "The login works: Google knows who calls, and that identity lacks the permission. Where a resource does not "
        "exist Google says the same.",
        (
            "Grant a role that holds the permission, on the resource or its project: gcloud projects "
            "add-iam-policy-binding RESOURCE_PROJECT --role=ROLE --member=MEMBER --condition=None",
            "In the manifest: a role in the identity's `roles`, then gcp-wif apply. A new grant takes about 2 minutes "
            "to work, sometimes 7 or more.",
        ),
    ),
    Row(
        RefusalKind.NOT_LOGGED_IN,
        "The program that calls Google is not logged in",
        "any", 401, "UNAUTHENTICATED", "api",
        "Anonymous caller does not have {permission} access to the Google Cloud Storage object.",
        (
            "anonymous caller does not have", "unauthenticated requests do not have permission",
            "you do not currently have an active account selected", "does not have any valid credentials",
            "default credentials were not found", "could not find default credentials",
            "could not load the default credentials", "application default credentials are not available",
            "could not automatically determine credentials",
            "you may have invalid credentials & container registry", "failed to fetch anonymous token & pkg.dev",
            "failed to fetch anonymous token & gcr.io", "have you run firebase login", "no credentialed accounts",
            "method doesn't allow unregistered callers", "request is missing required authentication credential",
        ),
        "The request carried no credentials. The login's variables did not reach this step, or this program reads "
        "others: gsutil and Docker have files of their own.",
        (
            "In each job: gcp-wif login, then in the same step what it says about its exports.",
            "For Docker, in this job: gcp-wif configure-docker HOST, with the registry's host.",
            "Look at what this step sees: env | grep -E 'GOOGLE_APPLICATION_CREDENTIALS|CLOUDSDK'",
        ),
    ),
    Row(
        RefusalKind.SCOPES_INSUFFICIENT,
        "The access token has too few scopes",
        "any", 403, "PERMISSION_DENIED", "api",
        "Request had insufficient authentication scopes.",
        ("insufficient authentication scopes", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        "The token was made for other scopes than this API wants. APIs of Google Workspace want their own scopes; "
        "cloud-platform does not include them.",
        (
            "Ask for the scope that the API's page names: in Python scopes=[…] where the "
            "credentials are made; in a shell: gcp-wif print-access-token --scopes SCOPE",
            "If the program fell back to a machine's own service account, log in in this step: gcp-wif login",
        ),
    ),
    Row(
        RefusalKind.QUOTA_PROJECT,
        "The account may not use the quota project",
        "any", 403, "PERMISSION_DENIED", "api",
        "Caller does not have required permission to use project {project}. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission.",
        (
            "caller does not have required permission to use project", "serviceusage.services.use",
            "requires a quota project", "roles/serviceusage.serviceUsageConsumer",
        ),
        "The request names a project that is to pay for it (the quota project, header x-goog-user-project), and the "
        "account has no right to use that one.",
        (
            "Grant it there: gcloud projects add-iam-policy-binding PROJECT "
            "--role=roles/serviceusage.serviceUsageConsumer --member=MEMBER --condition=None",
            "Or name another project, or none: the variable GOOGLE_CLOUD_QUOTA_PROJECT, `quota_project_id` in the "
            "config, `billing/quota_project` of gcloud.",
        ),
    ),
    Row(
        RefusalKind.PROJECT_UNSET,
        "No project is set",
        "any", 400, "INVALID_ARGUMENT", "api",
        "Unable to detect a Project Id in the current environment.",
        (
            "unable to detect a project id in the current environment",
            "project was not passed and could not be determined", "unable to determine project",
            "the required property project is not currently set", "project: required field is not set",
            "a project ID is required for this service but could not be determined",
        ),
        "The login may be fine. A credential config holds no project, so the program has to be told one.",
        ("Export it with the login: gcp-wif login --project-id PROJECT_ID, or set GOOGLE_CLOUD_PROJECT.",),
    ),
    Row(
        RefusalKind.SERVICE_FAILING,
        "Google's service is failing",
        "any", 503, "UNAVAILABLE", "api",
        "The service is currently unavailable.",
        (
            "the service is currently unavailable", "internal error encountered",
            "please try again in 30 seconds & google",
        ),
        "The fault is Google's, and mostly short. Nothing in the setup needs to be changed.",
        ("Run the command again in a few minutes. If it lasts, look at https://status.cloud.google.com",),
    ),
)  # fmt: skip
