"""WIF0xx: the program itself. WIF1xx: flags and environment."""

from gcp_wif.codes.row import INPUT, STOPPED, Code

__all__ = ["INPUTS"]

INPUTS = (
    Code(
        "WIF001",
        "gcp-wif failed in a way that nobody expected",
        "This is a bug of gcp-wif. The message names the place; it leaves out the details, which could hold a token.",
        (
            "Report it with the line that was printed, the command and the version: gcp-wif --version",
            "Run it again with -vv for the log of what it did before.",
        ),
        INPUT,
    ),
    Code(
        "WIF002",
        "The command needs packages that are not installed",
        "gcp-wif is installed without the extra that this command needs. A job needs none; provisioning, the doctor "
        "with --live and the emulator do.",
        (
            "Run the command that the message prints, with the address that gcp-wif came from. In a checkout of it:  "
            "pip install '.[all]'",
        ),
        INPUT,
    ),
    Code(
        "WIF003",
        "The emulator's address is not an address of this machine",
        "GCP_WIF_EMULATOR_HOST or GCP_WIF_EMULATOR_GRPC_HOST is set, but is not HOST:PORT on loopback. It decides "
        "where tokens are sent, so nothing else is accepted.",
        (
            "Write it as `gcp-wif emulator` prints it, such as 127.0.0.1:8080.",
            "To talk to Google, unset the variable.",
        ),
        INPUT,
    ),
    Code(
        "WIF004",
        "The templates are missing",
        "The installation is not complete: the folder with the templates of `render` and of the doctor's page is not "
        "there.",
        ("Install gcp-wif again.",),
        INPUT,
    ),
    Code(
        "WIF010",
        "The command was interrupted",
        "Ctrl-C, or a signal that asks the program to end. A CI system sends one to a job that is cancelled or out of "
        "time. The message says what was done before.",
        ("Run the same command again: it goes on from what is there.",),
        STOPPED,
    ),
    Code(
        "WIF011",
        "The command line is not understood",
        "A flag or a command is misspelt, a value is missing, or a flag belongs to another command.",
        ("See the command's flags: gcp-wif COMMAND --help",),
        INPUT,
    ),
    Code(
        "WIF012",
        "The result cannot be written to standard output",
        "Standard output is closed, or the disk behind it is full. What the command did besides stands.",
        ("Make room, or send the output elsewhere, and run the command again.",),
        INPUT,
    ),
    Code(
        "WIF013",
        "There is no working folder",
        "The folder in which the command runs was removed or may not be read. Relative paths lead nowhere then.",
        ("Change to a folder that exists, and run the command again.",),
        INPUT,
    ),
    Code(
        "WIF014",
        "The agent that keeps the token fresh cannot be reached or started",
        "`login --keep-fresh` and `run` start a small process that listens on 127.0.0.1. The machine lets this user "
        "start no process or open no port, or a process of that kind is stopped and answers nobody.",
        (
            "Look into the log beside the credential config, NAME.agent.log, which says why an agent ended.",
            "Without an agent: log in again before the token ends, or use an executable source.",
        ),
        INPUT,
    ),
    Code(
        "WIF015",
        "The command cannot be run",
        "`gcp-wif run -- COMMAND…` starts a program by its name or path. There is no such program on the PATH, or the "
        "file may not be run. Shell text, such as `a && b` or a variable, is not a program.",
        ("Name a program that is there.", "For shell text run a shell: gcp-wif run -- sh -c 'a && b'"),
        INPUT,
    ),
    Code(
        "WIF101",
        "A value that is needed is not given",
        "No flag gives it and no variable that is read for it is set. Often the CI system's shared variables (a "
        "context or a variable group) are not available to this job.",
        (
            "Give the flag that the message names, or set one of the variables.",
            "Check that this job, and its branch, may use the shared variables.",
        ),
        INPUT,
    ),
    Code(
        "WIF102",
        "A value is set, but empty",
        "The flag or variable is there without a value: a variable that it was made from is not set, or it was saved "
        "empty.",
        ("Give it a value, or remove it altogether.",),
        INPUT,
    ),
    Code(
        "WIF103",
        "Two variables for the same thing disagree",
        "Both variables are set, to different values. Choosing one could log the job in as the wrong account.",
        ("Unset the one that is wrong, or give the flag, which wins over variables.",),
        INPUT,
    ),
    Code(
        "WIF104",
        "The project number is not valid",
        "A project number has decimal digits alone. Most often the project's ID, such as acme-prod, is in its place.",
        ("Look the number up: gcloud projects describe PROJECT_ID --format='value(projectNumber)'",),
        INPUT,
    ),
    Code(
        "WIF105",
        "The ID of the pool is not valid",
        "A pool's ID has 4 to 32 lower-case letters, digits and hyphens, and does not begin with gcp-.",
        (
            "Give the ID alone, not the resource name. See the IDs: gcloud iam workload-identity-pools list "
            "--location=global --project=PROJECT_ID",
        ),
        INPUT,
    ),
    Code(
        "WIF106",
        "The ID of the provider is not valid",
        "A provider's ID has 4 to 32 lower-case letters, digits and hyphens, and does not begin with gcp-.",
        (
            "Give the ID alone, not the resource name. See the IDs: gcloud iam workload-identity-pools providers list "
            "--location=global --workload-identity-pool=POOL --project=PROJECT_ID",
        ),
        INPUT,
    ),
    Code(
        "WIF107",
        "The service account's email is not valid",
        "Accounts are named by their email, such as NAME@PROJECT_ID.iam.gserviceaccount.com. A name, an ID or a "
        "person's address is something else.",
        ("See the emails: gcloud iam service-accounts list --project=PROJECT_ID",),
        INPUT,
    ),
    Code(
        "WIF108",
        "The provider's resource name is not valid",
        "It reads projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER, with the project's "
        "number and the location global.",
        (
            "Copy it from Google: gcloud iam workload-identity-pools providers describe PROVIDER --location=global "
            "--workload-identity-pool=POOL --project=PROJECT_ID --format='value(name)'",
        ),
        INPUT,
    ),
    Code(
        "WIF109",
        "The lifetime of the access token is out of range",
        "Google accepts 600 to 43200 seconds; more than 3600 needs an organisation policy.",
        ("Give seconds, such as --service-account-token-lifetime-seconds=3600, or leave the flag out for one hour.",),
        INPUT,
    ),
    Code(
        "WIF110",
        "These flags do not go together",
        "Two flags are mutually exclusive, one needs another that is not given, or two name the same file.",
        ("Remove one of the flags that the message names. `gcp-wif COMMAND --help` says what each is for.",),
        INPUT,
    ),
    Code(
        "WIF111",
        "The URL of the credential source is not valid",
        "--credential-source-url takes an http or https URL without a user name or password in it.",
        ("Write the URL as https://HOST/PATH. What authorises the request belongs to --credential-source-headers.",),
        INPUT,
    ),
    Code(
        "WIF112",
        "The headers of the credential source are not valid",
        "--credential-source-headers takes NAME=VALUE pairs with commas between them.",
        ("For a value with a comma choose another delimiter, as gcloud does: ^;^NAME=VALUE;NAME=VALUE",),
        INPUT,
    ),
    Code(
        "WIF113",
        "The executable credential source is not valid",
        "The command is empty, or its timeout is outside 5000 to 120000 milliseconds, which every client refuses.",
        ("Give --executable-command a program with its absolute path, and a timeout of 5000 to 120000.",),
        INPUT,
    ),
    Code(
        "WIF114",
        "The format of the credential source is not valid",
        "The type is neither text nor json, or the field name is a path. Client libraries look at the top level of the "
        "JSON alone.",
        (
            "Give --credential-source-type text, or json with the name of one field.",
            "For a token deeper in a response use --token-response FILE --token-response-field NAME.NAME",
        ),
        INPUT,
    ),
    Code(
        "WIF115",
        "The project ID is not valid",
        "A project's ID has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter. The project's "
        "number is something else.",
        ("Look the ID up: gcloud projects describe NUMBER --format='value(projectId)'",),
        INPUT,
    ),
    Code(
        "WIF116",
        "The universe domain is not valid",
        "--universe-domain takes a domain name in lower case. It is needed for sovereign clouds alone.",
        ("Leave it out for Google's public cloud, googleapis.com.",),
        INPUT,
    ),
    Code(
        "WIF117",
        "The path is not valid",
        "The path begins with a tilde, holds a variable that nobody expands, names a folder, or $HOME is not absolute. "
        "Client libraries use a path as it is.",
        (
            'Write an absolute path, or "$HOME/…" in double quotes where a shell expands it.',
            "In YAML outside a shell command nothing expands a variable: write the path out.",
        ),
        INPUT,
    ),
    Code(
        "WIF118",
        "The subject token type is not valid",
        "--subject-token-type takes a URN, such as urn:ietf:params:oauth:token-type:jwt.",
        ("Leave it out: the default is right for OIDC.",),
        INPUT,
    ),
    Code(
        "WIF119",
        "The port is taken",
        "Another program listens on the port that the emulator was asked to use, often an emulator that still runs.",
        ("Give 0 (--port, --grpc-port, --proxy-port) for any free port, or end the other program.",),
        INPUT,
    ),
    Code(
        "WIF120",
        "The emulator's --project is not valid",
        "--project takes a project's ID and number, as in --project acme-prod=123456789012.",
        ("Write ID=NUMBER, or leave the flag out: a project gets a number of its own.",),
        INPUT,
    ),
    Code(
        "WIF121",
        "The identity is not clear",
        "The manifest has several identities and none is named, or it has none of that name, or --identity is given "
        "without a manifest.",
        ("Give --manifest FILE and --identity NAME, with a name of a table [identities.NAME].",),
        INPUT,
    ),
    Code(
        "WIF122",
        "`init` does not know enough to write a manifest",
        "A value that every manifest needs is neither given by a flag or variable nor found in the files that were "
        "read.",
        (
            "Give the flags that the message names, or set the variables for this command.",
            "Where the pool exists already, take it from Google: gcp-wif init --from-gcp",
        ),
        INPUT,
    ),
    Code(
        "WIF123",
        "The CI system's file cannot be read",
        "The file that `init` was given is not YAML, or not a config of that CI system with jobs in it.",
        ("Name the file that the CI system runs. Check that it is complete and valid YAML.",),
        INPUT,
    ),
    Code(
        "WIF124",
        "No job logs in to Google Cloud",
        "`init` found no job in the CI system's file that makes a credential config with gcloud or logs in with an "
        "orb or action that it knows.",
        ("Write the manifest from flags instead: gcp-wif init --help",),
        INPUT,
    ),
    Code(
        "WIF125",
        "There is no manifest here",
        "No file gcp-wif.toml is in the working folder or in a folder above it, and --manifest names none.",
        ("Name the file: --manifest FILE", "A new manifest is written by: gcp-wif init"),
        INPUT,
    ),
    Code(
        "WIF126",
        "The manifest that was found belongs to another user",
        "It was found in a folder above the working folder. A manifest decides who may become whom, so somebody else's "
        "is not used without being named.",
        ("If you trust it, name it: --manifest FILE",),
        INPUT,
    ),
    Code(
        "WIF131",
        "The name of the login is not valid",
        "--name tells the logins of one job apart, and becomes a part of their file names: letters, digits, hyphens "
        "and underscores, at most 63, the first one a letter or a digit.",
        ("Give a short name, such as that of the identity in the manifest: --name deploy",),
        INPUT,
    ),
    Code(
        "WIF132",
        "Several things are missing",
        "More than one thing that the command needs is not there: values that no flag or variable gives, the token, or "
        "a file for the exports. Outside a CI job all of these are missing.",
        (
            "Each is named in the message with its own code; `gcp-wif doctor --explain CODE` says more about it.",
            "Where all are missing, the command does not run in a job, or `sudo` or `docker run` took the variables "
            "away.",
        ),
        INPUT,
    ),
    Code(
        "WIF140",
        "The proxy cannot be used",
        "HTTPS_PROXY or ALL_PROXY holds something else than the address of a proxy that is spoken to in plain http, "
        "such as one of SOCKS.",
        ("Write it as http://HOST:PORT, with http://USER:PASSWORD@HOST:PORT where the proxy wants a login.",),
        INPUT,
    ),
    Code(
        "WIF141",
        "The certificates that the environment names cannot be read",
        "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that is missing, may not be read, or holds no certificates.",
        ("Name a file of certificates in PEM, or unset the variable.",),
        INPUT,
    ),
    Code(
        "WIF142",
        "A scope is not valid",
        "A scope is one URL without blanks or quotes. Several are given with commas between, as in gcloud.",
        ("Leave --scopes out, where IAM alone should decide, or write each scope as its API's page does.",),
        INPUT,
    ),
    Code(
        "WIF143",
        "The lifetime of the token is not possible",
        "It is not 1 to 43200 seconds, or it is asked for where no service account is impersonated: the token of "
        "direct federation ends with the subject token, after an hour at the latest.",
        (
            "Write --lifetime in seconds, or as in 30m. More than 1h needs an organisation policy that allows it.",
            "For direct federation leave it out, or name an account: --impersonate-service-account EMAIL",
        ),
        INPUT,
    ),
    Code(
        "WIF144",
        "Direct federation has no ID token",
        "Google signs ID tokens for service accounts alone, and this login impersonates none.",
        (
            "Name an account: --impersonate-service-account EMAIL. The job's principal needs "
            "roles/iam.workloadIdentityUser or roles/iam.serviceAccountOpenIdTokenCreator on it.",
            "Or log in with an account: gcp-wif login --service-account EMAIL",
        ),
        INPUT,
    ),
    Code(
        "WIF145",
        "The host is not one of Google's registries",
        "An access token is sent to the host that is registered with Docker. Google's are gcr.io, the names below it, "
        "and those below pkg.dev, such as europe-west1-docker.pkg.dev.",
        ("Write the host alone, without https:// and without a path, in small letters.",),
        INPUT,
    ),
    Code(
        "WIF146",
        "The name is not an image in one of Google's registries",
        "The image is to be pulled as an identity of Google's, which other registries do not know; or the name lacks "
        "its project, its repository or its image.",
        ("Write it whole: LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE, with :TAG or @sha256:DIGEST.",),
        INPUT,
    ),
)
