"""The client matrix: clients that are not ours, unmodified, with production configs, against Google's own host names.

Each is run as a step after `gcp-wif login` runs it: with what login exported and nothing else, for a token file, for a
program (README's recipe for long jobs) and for an agent, with a service account and without. It works where Google's
side saw the right identity ask, or where the access token that it prints is that identity's. The table is printed at
the end of the run.

Six hours pass for each client: with a file it works until the token ends and fails then, with words by which the doctor
knows why; with a program or an agent it works after six hours, too.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from github_token import github
from matrix import COLUMNS, CONTENT, REGISTRY, Client, Matrix
from registry import image, registry
from unproven import unproven

from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID

pytestmark = [pytest.mark.client, pytest.mark.slow]

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_PYTHON_AUTH = f"""
import google.auth, google.auth.transport.requests
credentials, _ = google.auth.default(scopes=["{SCOPE}"])
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.token)
"""
_PYTHON_STORAGE = """
from google.cloud import storage
bucket = storage.Client().bucket("{bucket}")
bucket.blob("written").upload_from_string("x")
assert [each.name for each in bucket.list_blobs()] == ["{object}", "written"]
print(bucket.blob("{object}").download_as_text())
"""
_NODE_AUTH = f"""
const {{GoogleAuth}} = require("google-auth-library");
const auth = new GoogleAuth({{scopes: "{SCOPE}"}});
auth.getAccessToken().then(console.log, e => {{ console.error(e); process.exit(1); }});
"""
_NODE_STORAGE = """
const {Storage} = require("@google-cloud/storage");
(async () => {
  const bucket = new Storage().bucket("{bucket}");
  await bucket.file("written").save("x", {resumable: false});
  const [files] = await bucket.getFiles();
  if (files.length !== 2) throw new Error("files: " + files.length);
  console.log((await bucket.file("{object}").download())[0].toString());
})().catch(e => { console.error(e); process.exit(1); });
"""
_TERRAFORM = """
terraform {
  backend "gcs" {
    bucket = "{bucket}"
  }
}
resource "terraform_data" "one" {
  input = "kept in Storage"
}
output "one" {
  value = terraform_data.one.output
}
"""
_READ = {"api": "storage", "says": CONTENT}

CLIENTS = [
    Client("google-auth (Python)", ("{python} run.py",), files=(("run.py", _PYTHON_AUTH),)),
    Client("google-cloud-storage (Python)", ("{python} run.py",), files=(("run.py", _PYTHON_STORAGE),), **_READ),
    Client("google-auth-library (Node)", ("node run.js",), ("npm",), files=(("run.js", _NODE_AUTH),)),
    Client("@google-cloud/storage (Node)", ("node run.js",), ("npm",), files=(("run.js", _NODE_STORAGE),), **_READ),
    Client("gcloud", ("gcloud auth print-access-token",)),
    Client("gcloud auth application-default", ("gcloud auth application-default print-access-token",)),
    Client("gcloud storage", ("gcloud storage cat gs://{bucket}/{object}",), **_READ),
    Client("gsutil", ("gsutil cat gs://{bucket}/{object}",), **_READ),
    Client("bq", ("bq --quiet ls --format=json",), api="bigquery"),
    Client("docker-credential-gcloud", ("docker-credential-gcloud get",), stdin="https://gcr.io"),
    Client("gke-gcloud-auth-plugin", ("gke-gcloud-auth-plugin",)),
    Client(
        "gke-gcloud-auth-plugin with ADC", ("gke-gcloud-auth-plugin --use_application_default_credentials",)
    ),
    Client("rclone", ("rclone --config= --gcs-bucket-policy-only cat :gcs:{bucket}/{object}",), **_READ),
    Client(
        "restic",
        tuple(f"restic --no-cache -p password -r gs:{{bucket}}:/ {verb}" for verb in ("init", "snapshots")),
        files=(("password", "x"),),
        api="storage",
    ),
    Client(
        "terraform, backend gcs",
        ("terraform init -input=false", "terraform apply -input=false -auto-approve", "terraform output"),
        files=(("main.tf", _TERRAFORM),),
        api="storage",
        says="kept in Storage",
    ),
    Client(
        "skopeo, with gcloud's token",
        (
            "sh -c 'gcloud auth print-access-token | skopeo login --authfile auth.json --tls-verify=false"
            " --username oauth2accesstoken --password-stdin {registry}'",
            "skopeo copy --authfile auth.json --dest-tls-verify=false oci:{image}:latest docker://{registry}/{bucket}:1",
            "skopeo inspect --authfile auth.json --tls-verify=false docker://{registry}/{bucket}:1",
        ),
        ("gcloud", "skopeo", "docker-registry"),
        api=REGISTRY,
        says='"Architecture": "amd64"',
    ),
    Client(
        "gcloud auth print-identity-token",
        ("gcloud auth print-identity-token --audiences=https://service.example",),
        cannot="Invalid account type for `--audiences`",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with Emulator(proxy_port=0) as running, Matrix(running, tmp_path_factory.mktemp("matrix")) as made:
        yield made


@pytest.fixture(scope="module")
def private_registry(matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """Starts the registry, once where it is wanted."""
    with contextlib.ExitStack() as stack:

        def start() -> None:
            if "registry" not in matrix.places:
                folder = tmp_path_factory.mktemp("registry")
                (folder / "image").mkdir()
                image(folder / "image")
                host = stack.enter_context(registry("docker-registry", folder, matrix.admits))
                matrix.places |= {"image": f"{folder}/image", "registry": host}

        yield start


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Installs Node's libraries, once where they are wanted."""
    found: list[Path] = []

    def install() -> Path:
        if not found:
            folder = tmp_path_factory.mktemp("node")
            (folder / "package.json").write_text("{}")
            command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
            command += ["--omit-lockfile-registry-resolved=true", *NODE_PACKAGES]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
            found.append(folder / "node_modules")
        return found[0]

    return install


NODE_PACKAGES = ("google-auth-library@10.9.1", "@google-cloud/storage@7.18.0")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_client(
    client: Client,
    matrix: Matrix,
    node_modules: Callable[[], Path],
    private_registry: Callable[[], None],
    require_client: Callable[..., str],
    record_property,
) -> None:
    """B30, B31, B32."""
    record_property("matrix", (client.name, dict.fromkeys(COLUMNS, "missing")))
    for program in client.programs:
        require_client(program, proves=f"that {client.name} works with what login exports")
    if client.api == REGISTRY:
        private_registry()
    node = {"NODE_PATH": str(node_modules())} if "npm" in client.needs else {}
    found = matrix.through_six_hours(client, **node)
    right = "cannot" if client.cannot else "yes"
    record_property("matrix", (client.name, {name: "NO" if reason else right for name, reason in found.items()}))
    assert [f"{name}: {reason}" for name, reason in found.items() if reason] == []


def test_readme_says_which_clients_work() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    section = text.partition("### Which clients work\n")[2].partition("\n### ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert [(name, works) for name, works, *_ in (map(str.strip, row) for row in rows)] == [
        (client.name, "no" if client.cannot else "yes") for client in CLIENTS
    ]


@pytest.fixture
def action() -> Path:
    """The folder of google-github-actions/auth, built; its code is Google's and not kept here."""
    folder = os.environ.get(ACTION_VARIABLE, "")
    if not Path(folder, "dist/main/index.js").is_file():
        unproven(
            f"{ACTION_VARIABLE} names no checkout of google-github-actions/auth",
            proves="that it takes the emulator for Google",
            obtainable=False,
        )
    return Path(folder)


ACTION_VARIABLE = "GCP_WIF_GITHUB_ACTION_AUTH"


def test_google_github_actions_auth(
    action: Path, matrix: Matrix, require_client: Callable[..., str], tmp_path: Path, record_property
) -> None:
    """B34: access token, ID token and direct federation worked; domain-wide delegation failed at signJwt."""
    record_property("matrix", ("google-github-actions/auth", {"its own way": "missing"}))
    node = require_client("node", proves="that google-github-actions/auth takes the emulator for Google")
    google = matrix.google
    account = google.emulator.state.accounts.get(google.account)
    members = [member for binding in account.policy.bindings for member in binding["members"]]
    account.policy.bindings.append({"role": "roles/iam.serviceAccountTokenCreator", "members": members})
    google.emulator.faults(delegated_accounts=[google.account])
    scopes = {"INPUT_ACCESS_TOKEN_SCOPES": SCOPE, "INPUT_ACCESS_TOKEN_LIFETIME": "3600s"}
    delegated = {"INPUT_ACCESS_TOKEN_SUBJECT": "a@example.com"}
    account_only = {"INPUT_SERVICE_ACCOUNT": google.account}
    runs = {
        "access_token": account_only | scopes | {"INPUT_TOKEN_FORMAT": "access_token"},
        "delegated": account_only | scopes | delegated | {"INPUT_TOKEN_FORMAT": "access_token"},
        "id_token": account_only | {"INPUT_TOKEN_FORMAT": "id_token", "INPUT_ID_TOKEN_AUDIENCE": "https://x.example"},
        "direct": {"INPUT_PROJECT_ID": "acme-prod"},
    }
    outputs = {}
    with github(google.emulator.token()) as url:
        for name, inputs in runs.items():
            folder = tmp_path / name
            folder.mkdir()
            (folder / "output").touch()
            env = google.emulator.environ(real_hosts=True) | inputs
            env |= {"PATH": os.environ["PATH"], "HOME": str(folder), "GITHUB_WORKSPACE": str(folder)}
            env |= {"GITHUB_OUTPUT": f"{folder}/output", "INPUT_UNIVERSE": "googleapis.com"}
            env |= {"INPUT_CREATE_CREDENTIALS_FILE": "true", "INPUT_EXPORT_ENVIRONMENT_VARIABLES": "false"}
            env |= {"INPUT_WORKLOAD_IDENTITY_PROVIDER": str(google.provider), "INPUT_AUDIENCE": ORGANIZATION_ID}
            env |= {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}
            run = subprocess.run(
                [node, str(action / "dist/main/index.js")], env=env, capture_output=True, text=True, timeout=60,
                check=False,
            )  # fmt: skip
            assert run.returncode == 0, f"{name}: {run.stdout}{run.stderr}"
            found = re.findall(r"(?m)^(\w+)<<(\S+)\n(.*)\n\2$", (folder / "output").read_text())
            outputs[name] = {key: value for key, _, value in found}
    principals = {name: google.emulator.state.grant(each.get("access_token", "")) for name, each in outputs.items()}
    assert principals["access_token"].principals == (f"serviceAccount:{google.account}",)
    assert principals["delegated"].principals == ("user:a@example.com",)
    assert outputs["id_token"]["id_token"].count(".") == 2
    assert google.emulator.state.grant(outputs["direct"]["auth_token"]).kind == "federated"
    record_property("matrix", ("google-github-actions/auth", {"its own way": "yes"}))
