"""What client libraries say themselves, before Google is asked or where it was not reached.

From the sources of google-auth 2.62 (Python), google-auth-library 10 (Node) and 1 (Java), ``golang.org/x/oauth2`` and
``cloud.google.com/go/auth``.
"""

from gcp_wif.refusals.model import RefusalKind, Row

__all__ = ["CLIENTS"]

CLIENTS = (
    Row(
        RefusalKind.EXECUTABLES_NOT_ALLOWED,
        "The client may not run the config's program",
        "client", 0, "", "token",
        "Executables need to be explicitly allowed (set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES to '1') to run.",
        ("executables need to be explicitly allowed",),
        "The credential config gets the token from a program, and clients run one only where a variable allows it.",
        (
            "Read in the config which program that is (`credential_source.executable.command`). If it is the one that "
            "you mean: export GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1",
            "`gcp-wif login` exports it where that program is gcp-wif.",
        ),
    ),
    Row(
        RefusalKind.TOKEN_FILE_MISSING,
        "The token file is not there",
        "client", 0, "", "token",
        "google.auth.exceptions.RefreshError: File '{path}' was not found.",
        (
            "RefreshError: File ~ was not found", "failed to open credential file",
            "invalid credential location. The file",
            "the file at ~ does not exist, or it is not a file & getSubjectToken",
            "the file at ~ does not exist, or it is not a file & filesubjecttoken", "subject token file ~ not found",
        ),
        "The credential config names a file that holds the job's token, and this step does not see it: it was written "
        "in "
        "another job or container, under another HOME, or removed.",
        (
            "Log in in this job: gcp-wif login",
            "In a container: mount the folder of the config and of the token at the same path.",
        ),
    ),
    Row(
        RefusalKind.TOKEN_FILE_MALFORMED,
        "The token file is not as the config says",
        "client", 0, "", "token",
        "Unable to parse subject_token from JSON file '{path}' using key '{value}'",
        (
            "unable to parse subject_token from JSON", "unable to parse the subject_token from the credential_source",
            "missing subject_token in the credential_source", "failed to unmarshal subject token",
            "subject_token_field_name not found in credentials", "improperly formatted subject token",
            "invalid subject token field name. No subject token was found",
            "error when attempting to read the subject token from the credential file",
            "unexpected token & JSON & getSubjectToken", "unexpected end of JSON input & getSubjectToken",
        ),
        "The config says JSON with a certain field, or text, and the file is the other, is empty, or lacks the field.",
        (
            "Let both be written together: gcp-wif login",
            "Or correct the config: --credential-source-type text for a file that holds the token alone, json with "
            "--credential-source-field-name for JSON.",
        ),
    ),
    Row(
        RefusalKind.SOURCE_INVALID,
        "The config's token source is not valid",
        "client", 0, "", "token",
        "Missing subject_token_field_name for JSON credential_source format",
        (
            "missing subject_token_field_name", "ambiguous credential_source", "missing credential_source",
            "invalid credential_source format", "invalid credential_source file format",
            "invalid credential_source. The",
            "unable to parse credential source", "no valid identity pool credential_source",
            "no valid pluggable auth credential_source", "missing credential source file location or URL",
            "invalid credential source format type", "only one credential source type can be set",
            "when specifying a JSON credential type, the subject_token_field_name must be set",
            "one of CredentialSource, SubjectTokenSupplier", "missing command field. Executable command",
            "valid credential source or a subject token supplier must be provided",
            "credential source or subject token supplier must be specified",
            "invalid subject token request, audience is",
        ),
        "`credential_source` in the credential config has no source, two, or a format without the name of its field.",
        (
            "Write the config again: gcp-wif generate --config-only",
            "Find what is wrong with this one: gcp-wif check FILE",
        ),
    ),
    Row(
        RefusalKind.CLIENT_TOO_OLD,
        "The client does not know this kind of credential config",
        "client", 0, "", "token",
        "'type' field is \"external_account\" (expected \"service_account\")",
        (
            "type field is external_account", "type is external_account, expected one of",
            "incoming JSON object does not contain a client_email field",
            "incoming JSON object does not contain a private_key field", "unsupported subject token source",
            "unknown credential type: external_account", "unsupported credentials type: external_account",
            "must contain a client_email property", "type value external_account not recognized",
            "unrecognized credential type external_account", "only currently supported external account type",
            "unsupported external account credential",
            "credential type external_account ~ not supported", "external_account ~ is not supported",
        ),
        "The program, or the library in it, reads service account keys alone: it is too old for workload identity "
        "federation, or was told that the file is a key.",
        (
            "Update it. Federation needs google-auth 1.27, google-auth-library (Node) 7, (Java) 0.24, gcloud 331, "
            "golang.org/x/oauth2 of 2021, or newer.",
            "Hand the file over as application default credentials (GOOGLE_APPLICATION_CREDENTIALS), not as a key.",
            "Or hand over an access token, where the program takes one: gcp-wif print-access-token",
        ),
    ),
    Row(
        RefusalKind.KEY_NEEDED,
        "The client wants a private key for an ID token or a signature",
        "client", 0, "", "token",
        "Cannot fetch ID token in this environment, use GCE or set the GOOGLE_APPLICATION_CREDENTIALS environment "
        "variable to a service account credentials JSON file.",
        (
            "cannot fetch ID token in this environment", "cannot sign data without client_email",
            "you need a private key to sign credentials", "invalid account type for audiences",
            "requires valid service account & audiences", "idtoken: unsupported credentials type",
            "idtoken: credential must be service_account",
            "neither metadata server or valid service account credentials",
            "unable to sign bytes & external", "storage: unable to detect default GoogleAccessID",
        ),
        "Federated credentials hold no private key. This client makes ID tokens and signatures with a key alone; "
        "Google "
        "makes both for the impersonated account on request (generateIdToken, signBlob).",
        (
            "For an ID token: gcp-wif print-identity-token --audiences AUDIENCE",
            "For signed URLs: name the account, so that the library calls signBlob (in Python service_account_email= "
            "and "
            "access_token=), and let the account sign as itself.",
        ),
    ),
    Row(
        RefusalKind.EXECUTABLE_FAILED,
        "The config's program gave no token",
        "client", 0, "", "token",
        "Executable exited with non-zero return code {value}.",
        (
            "executable exited with non-zero return code", "executable returned unsuccessful response",
            "executable failed to finish within the timeout", "executable command failed",
            "response contains unsuccessful response", "executable returned an invalid response",
            "executable response is missing", "executable response must contain", "executable response is expired",
            "token returned by the executable is expired", "executable returned unsupported",
            "failed to execute the executable", "provided command ~ could not be parsed",
        ),
        "The program that the config names failed, took too long, or printed something else than one JSON object. "
        "Python "
        "and Node read its error output too, so that one warning spoils it.",
        (
            "Run it by hand and look at all that it prints. For gcp-wif: gcp-wif token --executable-response "
            "--audience "
            "AUDIENCE",
        ),
    ),
    Row(
        RefusalKind.TOKEN_URL_FAILED,
        "The config's URL gave no token",
        "client", 0, "", "token",
        "Unable to retrieve Identity Pool subject token",
        (
            "unable to retrieve identity pool subject token", "error getting subject token from metadata server",
            "invalid response when retrieving subject token", "invalid body in subject token URL query",
            "unable to parse the subject_token from the credential_source URL",
            "attempting to obtain the subject token",
            "HTTP request when retrieving subject token",
        ),
        "The credential config gets the token from a URL, and that did not answer with one: it belongs to a job or "
        "step "
        "that has ended, or its header is out of date.",
        (
            "Log in in this job, and do not hand the config on to another: gcp-wif login",
            "In a job that outlives its token: gcp-wif login --keep-fresh",
        ),
    ),
    Row(
        RefusalKind.JOB_TOKEN_MISSING,
        "The CI system gave the job no token",
        "client", 0, "", "token",
        "Unable to get {value}_ID_TOKEN_REQUEST_URL env variable",
        (
            "unable to get ~ id_token_request_url", "did not inject ~ id_token_request",
            "id_token_request_token is not set", "id_token_request_token environment variable was unset",
            "id_token_request_url is not set", "missing or insufficient OIDC token permissions",
        ),
        "The job has not asked for a token, or may not have one: its permissions lack the right to ask, or it was "
        "started "
        "from a fork.",
        (
            "Give the job the right to ask for a token, as the CI system's page on OIDC says, and start it again.",
            "See what is missing in this job: gcp-wif doctor",
        ),
    ),
    Row(
        RefusalKind.CONFIG_FILE_MISSING,
        "The credential config is not there",
        "client", 0, "", "token",
        "google.auth.exceptions.DefaultCredentialsError: File {path} was not found.",
        (
            "DefaultCredentialsError: File ~ was not found",
            "using GOOGLE_APPLICATION_CREDENTIALS environment variable: open ~ no such file",
            "the file at ~ does not exist, or it is not a file", "GOOGLE_APPLICATION_CREDENTIALS ~ file does not exist",
            "points to a file that does not exist & GOOGLE_APPLICATION_CREDENTIALS",
            "Unable to read file ~ No such file or directory & gcloud auth login",
        ),
        "GOOGLE_APPLICATION_CREDENTIALS, or a flag, names a file that this step does not see: it was written in "
        "another "
        "job or container, or removed when an earlier step cleaned up.",
        (
            "Log in in this job, after the checkout: gcp-wif login",
            "In a container: mount the folder of the config and of the token at the same path.",
        ),
    ),
    Row(
        RefusalKind.GOOGLE_UNREACHABLE,
        "The client could not reach Google",
        "client", 0, "", "api",
        "Max retries exceeded with url: /v1/token (host='sts.googleapis.com')",
        (
            "max retries exceeded with url & googleapis.com", "lookup ~ googleapis.com & no such host",
            "googleapis.com ~ i/o timeout", "getaddrinfo ~ googleapis.com", "UnknownHostException: ~ googleapis.com",
            "googleapis.com ~ connection refused", "googleapis.com ~ network is unreachable",
            "googleapis.com ~ certificate verify failed", "googleapis.com ~ x509: certificate",
            "could not resolve host: ~ googleapis.com", "googleapis.com ~ context deadline exceeded",
            "googleapis.com ~ context canceled",
            "googleapis.com ~ connection reset by peer", "googleapis.com ~ TLS handshake timeout",
        ),
        "The request did not get to Google: no name service, no route, a firewall, or a proxy that is not set.",
        (
            "The job must reach sts.googleapis.com and iamcredentials.googleapis.com by https.",
            "Behind a proxy set HTTPS_PROXY, and give the client the proxy's certificate if it has one of its own.",
        ),
    ),
    Row(
        RefusalKind.INPUT_MISSING,
        "The login step was given no provider",
        "client", 0, "", "provider",
        'Must specify exactly one of "workload_identity_provider" or "credentials_json"!',
        ("specify exactly one of workload_identity_provider or credentials_json",),
        "The step's input is empty: the variable or secret that it comes from is not set, or this job does not get "
        "it, as "
        "in a run for a fork.",
        (
            "Set the provider's resource name, or hand the variable to this job. It need not be kept secret.",
            "With a manifest in the repository nothing has to be handed over: gcp-wif login --manifest gcp-wif.toml",
        ),
    ),
)  # fmt: skip
