"""The examples: their commands make the committed files again, and their jobs get through on the emulator."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from becoming import becomes

from gcp_wif.emulator import Emulator
from gcp_wif.install import install_command
from gcp_wif.manifest import Identity, Manifest, Rule

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/gcp-wif.toml"))
CIRCLECI = [name for name in NAMES if (EXAMPLES / name / ".circleci").is_dir()]
BY_HAND = {"README.md", "gcp-wif.toml"}
BY_HAND_TOO = {
    "bitbucket": {"bitbucket-pipelines.yml"},
    "azure-devops": {"azure-pipelines.yml"},
    "buildkite": {"hooks/environment", "hooks/pre-exit"},
}
"""What `render` does not make; ``test_examples_by_hand`` runs it."""
OTHER = "99aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"

CLIENT = """
import sys
from google.auth import identity_pool  # not google.auth.default, which would look a project up, on the internet
from google.auth.transport.requests import Request
credentials = identity_pool.Credentials.from_file(
    sys.argv[1], scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(Request())
assert credentials.token.startswith("ya29.")
print(credentials.service_account_email)
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def block(name: str, language: str) -> str:
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```", (EXAMPLES / name / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return str(found)


class Shell:
    """Bash, as a job has it: gcp-wif on the path, a HOME and a BASH_ENV of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "BASH_ENV": str(folder / "bash_env"),
        } | env
        Path(self.env["BASH_ENV"]).touch()

    def __call__(self, text: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        here = text.replace("/home/circleci", str(self.home))
        shell = ["bash", "-eo", "pipefail", "-c", here]
        return subprocess.run(
            shell, cwd=cwd, env=self.env | env, capture_output=True, text=True, timeout=120, check=False
        )

    def client(self, config: str) -> subprocess.CompletedProcess[str]:
        """google-auth, in a step of its own."""
        return self(f'exec "{sys.executable}" -c "$CLIENT" {config}', self.home, CLIENT=CLIENT)


def test_there_are_all_and_the_overview_names_them() -> None:
    assert [
        *("azure-devops", "bitbucket", "buildkite"),
        *("circleci-server", "committed-config", "direct-federation", "github-actions", "gitlab"),
        *("one-account", "several-accounts", "several-projects"),
    ] == NAMES
    overview = (EXAMPLES / "README.md").read_text()
    assert re.findall(r"^\| \[([a-z-]+)\]\(\1\)", overview, re.MULTILINE) == [
        *("one-account", "several-accounts", "several-projects"),
        *("direct-federation", "circleci-server", "github-actions", "gitlab", "buildkite", "bitbucket"),
        *("azure-devops", "python-api", "committed-config"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_of_its_readme_make_the_committed_files(name: str, tmp_path: Path) -> None:
    committed = files(EXAMPLES / name)
    made = tmp_path / name
    made.mkdir()
    for file in BY_HAND | BY_HAND_TOO.get(name, set()):
        (made / file).parent.mkdir(exist_ok=True)
        shutil.copy(EXAMPLES / name / file, made / file)
    # Paths in what is made are data: here they are not those of the test.
    shell = Shell(tmp_path)
    shell.env["GCP_WIF_TEST_HOME"] = "/home/circleci"
    done = shell(block(name, "sh").replace("/home/circleci", "$GCP_WIF_TEST_HOME"), made)
    assert done.returncode == 0, done.stderr
    assert files(made) == committed
    assert set(committed) > BY_HAND


def claims(manifest: Manifest, identity: Identity) -> Iterator[dict[str, Any]]:
    """Claims of a job for each rule, and nothing more than the rule needs."""
    for rule in identity.allow:
        terms = dict(rule.terms)
        found: dict[str, Any] = {"iss": manifest.issuer.url, "project": terms["project"]}
        found["oidc.circleci.com/vcs-ref"] = terms.get("ref", "refs/heads/some-branch")
        if "context" in terms:
            found["oidc.circleci.com/context-ids"] = [OTHER, terms["context"]]
        yield found


def context(name: str, job: str) -> dict[str, str]:
    """The variables of a job's context: the commands in the header of its config, with a `circleci` that shows them."""
    lines = [
        line.removeprefix("#   ")
        for line in (EXAMPLES / name / ".circleci" / "config.yml").read_text().splitlines()
        if line.startswith("#   printf ") and f" gcp-{job} " in line
    ]
    script = 'circleci() { printf "%s=%s\\n" "${@: -1}" "$(cat)"; }\n' + "\n".join(lines)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("name", CIRCLECI)
def test_its_jobs_log_in_as_the_manifest_says_and_others_do_not(name: str, tmp_path: Path) -> None:
    config = yaml.safe_load((EXAMPLES / name / ".circleci" / "config.yml").read_text())
    manifest = Manifest.parse((EXAMPLES / name / "gcp-wif.toml").read_text(), origin=name)
    assert list(config["jobs"]) == list(manifest.identities)
    with Emulator() as google:
        google.provision_as(manifest)
        for job, identity in manifest.identities.items():
            commands = [step["run"]["command"] for step in config["jobs"][job]["steps"] if step != "checkout"]
            assert commands[0] == install_command()
            variables = context(name, job) | google.environ()
            for number, held in enumerate(claims(manifest, identity)):
                shell = Shell(tmp_path / f"{job}{number}", **variables)
                login = shell(commands[1], shell.home, CIRCLE_OIDC_TOKEN=google.token(**held))
                assert login.returncode == 0, login.stderr
                # The job's last step, in an image without gcloud.
                proof = shell("command() { return 1; }\n" + commands[2], shell.home)
                assert (proof.returncode, f"account    {identity.service_account or 'none'}" in proof.stdout) == (
                    0,
                    True,
                )
                done = shell.client('"$GOOGLE_APPLICATION_CREDENTIALS"')
                assert done.returncode == 0, done.stderr
                assert done.stdout.strip() == str(identity.service_account)
            for change in ({"project": OTHER}, {"oidc.circleci.com/ssh-rerun": True}, {"iss": "https://else.example"}):
                shell = Shell(tmp_path / f"{job}{next(iter(change))[:4]}", **variables)
                refused = shell(commands[1], shell.home, CIRCLE_OIDC_TOKEN=google.token(**(held | change)))
                assert refused.returncode == 1, refused.stderr


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*CIRCLECI, *BY_HAND_TOO, "committed-config")])
def test_tokens_of_other_systems_become_who_the_manifest_says(name: str) -> None:
    """Their jobs run step by step in ``test_job_KIND``, from what `render` makes."""
    manifest = Manifest.parse((EXAMPLES / name / "gcp-wif.toml").read_text(), origin=name)
    with Emulator() as google:
        google.provision_as(manifest)
        for who, identity in manifest.identities.items():
            for rule in identity.allow:
                held = held_by(manifest, rule)
                assert becomes(google, google.token(kind=manifest.issuer.kind, **held), manifest) == {who}
                for claim in held.keys() - {"aud", "iss"}:
                    other = google.token(kind=manifest.issuer.kind, **(held | {claim: "other"}))
                    assert becomes(google, other, manifest) == set(), claim


def held_by(manifest: Manifest, rule: Rule) -> dict[str, Any]:
    """Claims of a token that the rule admits, as a person would write them down."""
    audience = [*manifest.issuer.audiences, manifest.provider_name.default_audiences[1]][0]
    held: dict[str, Any] = {"iss": manifest.issuer.url, "aud": audience}
    for name, value in rule.terms:
        if name == "ref" and manifest.issuer.kind == "gitlab":
            kind = {"heads": "branch", "tags": "tag"}[value.split("/")[1]]
            held |= {"ref": value.split("/", 2)[2], "ref_type": kind}
        else:
            held[{"event": "event_name"}.get(name, name)] = value
    return held


@pytest.mark.client
@pytest.mark.slow
def test_where_there_is_gcloud_it_verifies(require_client: Any, tmp_path: Path) -> None:
    require_client("gcloud", proves="the rendered verification step in an image with gcloud")
    name = "one-account"
    (job,) = yaml.safe_load((EXAMPLES / name / ".circleci" / "config.yml").read_text())["jobs"].values()
    with Emulator() as google:
        google.provision_as(Manifest.parse((EXAMPLES / name / "gcp-wif.toml").read_text(), origin=name))
        shell = Shell(tmp_path, **context(name, "deploy"), **google.environ())
        shell.env |= {
            "CIRCLE_OIDC_TOKEN": google.token(),
            "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{google.http}/",
        }
        for step in job["steps"][2:]:
            done = shell(step["run"]["command"], shell.home)
            assert done.returncode == 0, done.stderr
        assert "roles/iam.workloadIdentityUser" in done.stdout


def test_a_committed_config_needs_the_token_alone(tmp_path: Path) -> None:
    name = "committed-config"
    manifest = Manifest.parse((EXAMPLES / name / "gcp-wif.toml").read_text(), origin=name)
    with Emulator() as google:
        google.provision_as(manifest)
        shell = Shell(tmp_path, CIRCLE_OIDC_TOKEN=google.token())
        checkout = tmp_path / "it's a checkout"
        checkout.mkdir()
        text = (EXAMPLES / name / "gcp_cred_config.json").read_text()
        for host in ("sts", "iamcredentials"):  # the same config, for the emulator's hosts and this test's HOME
            text = text.replace(f"https://{host}.googleapis.com", google.http)
        text = text.replace("/home/circleci", str(shell.home))
        (checkout / "gcp_cred_config.json").write_text(text)
        done = shell(block(name, "bash"), checkout)
        assert done.returncode == 0, done.stderr
        assert (shell.home / "oidc_token").stat().st_mode & 0o077 == 0
        client = shell.client('"$GOOGLE_APPLICATION_CREDENTIALS"')
        assert client.returncode == 0, client.stderr
        assert client.stdout.strip() == "deploy@acme-prod.iam.gserviceaccount.com"
