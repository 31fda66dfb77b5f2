"""How long a job waits for a token: gcp-wif beside gcloud, and beside google-github-actions/auth.

Run it with `make bench`. Rows, pairs and ratios are those of `startup.py`; read the median. Both sides of a row ask the
same emulator, by Google's own host names, over TLS through its proxy, and exchange as often as the other.

    row     A                              B                                       target (median)
    helper  docker-credential-gcp-wif get  docker-credential-gcloud get            B/A time >= 5
    access  print-access-token             gcloud auth print-access-token          B/A time >= 3
    login   login, with its verification   google-github-actions/auth under node   B/A time >= 2

gcloud keeps access tokens in its folder, and a second run would exchange nothing: so each of its runs has a folder of
its own, made before, where gcloud ran once and its token was then taken away. The action asks for an access token with
the service account and writes a credentials file, as its users do; it also asks a server on loopback for the CI
system's token, which gcp-wif finds in its environment, as in CircleCI. The action's built code is Google's:
`GCP_WIF_GITHUB_ACTION_AUTH` names a checkout of it.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from startup import install, pair, run

sys.path.append(str(Path(__file__).parents[1] / "support"))

from github_token import github
from google_setup import ORGANIZATION_ID, Google

from gcp_wif.emulator import Emulator

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ACTION_VARIABLE = "GCP_WIF_GITHUB_ACTION_AUTH"


def against_gcloud(ours: Path, folder: Path, env: dict[str, str], rounds: int) -> None:
    gcloud, helper = shutil.which("gcloud"), shutil.which("docker-credential-gcloud")
    if gcloud is None or helper is None:
        print("gcloud is not installed: the rows `helper` and `access` are NOT measured")
        return
    run([[gcloud, "auth", "print-access-token"]], env)  # gcloud makes its folder
    forget = ["rm", "-f", *(f"{folder}/gcloud/{name}" for name in ("access_tokens.db", "credentials.db"))]
    server = ["sh", "-c", 'printf https://gcr.io | exec "$0" get']
    for name, a, b in (
        ("helper", [*server, str(ours / "docker-credential-gcp-wif")], [*server, helper]),
        ("access", [str(ours / "gcp-wif"), "print-access-token"], [gcloud, "auth", "print-access-token"]),
    ):
        pair(f"{name}, gcp-wif against gcloud", [a], [b], env, rounds, [forget], memory=False)


def against_the_action(ours: Path, folder: Path, env: dict[str, str], google: Google, rounds: int) -> None:
    action, node = Path(os.environ.get(ACTION_VARIABLE, ""), "dist/main/index.js"), shutil.which("node")
    if node is None or not action.is_file():
        print(f"node, or the checkout that {ACTION_VARIABLE} names, is missing: the row `login` is NOT measured")
        return
    inputs = {"ACCESS_TOKEN_SCOPES": SCOPE, "ACCESS_TOKEN_LIFETIME": "3600s", "TOKEN_FORMAT": "access_token"}
    inputs |= {"SERVICE_ACCOUNT": google.account, "WORKLOAD_IDENTITY_PROVIDER": str(google.provider)}
    inputs |= {"UNIVERSE": "googleapis.com", "AUDIENCE": ORGANIZATION_ID, "CREATE_CREDENTIALS_FILE": "true"}
    inputs |= {"EXPORT_ENVIRONMENT_VARIABLES": "true"}
    files = {name: str(folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_ENV")}
    for name in files.values():
        Path(name).touch()
    with github(google.emulator.token()) as url:
        env = env | {f"INPUT_{name}": value for name, value in inputs.items()} | files
        env |= {"GITHUB_WORKSPACE": str(folder), "ACTIONS_ID_TOKEN_REQUEST_URL": url}
        env |= {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}
        name = "login, gcp-wif against google-github-actions/auth"
        pair(name, [[str(ours / "gcp-wif"), "login"]], [[node, str(action)]], env, 2 * rounds, memory=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Emulator(proxy_port=0) as emulator:
        folder, google = Path(name), Google(emulator)
        google.provision()
        job = {key: value for key, value in google.job().items() if not key.startswith("GCP_WIF_EMULATOR")}
        env = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG"}}
        env |= emulator.environ(real_hosts=True) | job | {"HOME": name, "BASH_ENV": f"{name}/env"}
        env["CLOUDSDK_CONFIG"] = f"{name}/gcloud"
        config = f"{name}/gcp_cred_config.json"
        env |= {"GOOGLE_APPLICATION_CREDENTIALS": config, "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": config}
        ours = install(folder / "job", str(Path(__file__).parents[2]))
        run([[str(ours / "gcp-wif"), "login"]], env)
        against_gcloud(ours, folder, env, options.rounds)
        against_the_action(ours, folder, env, google, options.rounds)


if __name__ == "__main__":
    main()
