"""Docker's credential helper, driven by clients that are not ours: skopeo, Docker's own command line, gcloud.

skopeo pushes and pulls at Debian's docker-registry, which answers as a registry of Google's by its real host name and
admits whoever has an access token of the emulator's. What logs it in is Docker's config, as `configure-docker` left it.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from front import front
from google_setup import ACCOUNT, Google
from registry import image, registry

from gcp_wif.emulator import Emulator
from gcp_wif.job.docker import DEFAULT_HOSTS, registry_host

pytestmark = [pytest.mark.client, pytest.mark.slow]

HOST = "europe-west1-docker.pkg.dev"
BIN = Path(sys.executable).parent


class World(NamedTuple):
    """A job that is logged in, and a registry of Google's."""

    google: Google
    env: dict[str, str]
    folder: Path
    admitted: list[str]

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.env | more, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def docker_config(self) -> Path:
        return Path(self.env["HOME"], ".docker/config.json")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, require_client: Callable[..., str]) -> Iterator[World]:
    program = require_client("docker-registry", proves="that the credential helper logs in at a registry")
    folder = tmp_path_factory.mktemp("docker")
    (folder / "home").mkdir()
    (folder / "image").mkdir()
    image(folder / "image")
    admitted: list[str] = []
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(Emulator(proxy_port=0))
        google = Google(emulator)
        google.provision()

        def admits(token: str) -> bool:
            grant = emulator.state.grant(token)
            admitted.append(grant.principals[0] if grant else "nobody")
            return grant is not None

        port = int(stack.enter_context(registry(program, folder, admits, HOST)).rpartition(":")[2])
        proxy = stack.enter_context(front({HOST: port}, str(emulator.proxy)))
        job = {name: value for name, value in google.job().items() if not name.startswith("GCP_WIF_EMULATOR")}
        env = emulator.environ(real_hosts=True) | job
        env |= dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy)
        env |= {"HOME": f"{folder}/home", "PATH": f"{BIN}:{os.environ['PATH']}", "BASH_ENV": f"{folder}/bash_env"}
        env["SSL_CERT_FILE"] = f"{folder}/root.pem"  # what Go believes; ours has REQUESTS_CA_BUNDLE
        found = World(google, env, folder, admitted)
        done = found.run("gcp-wif", "login")
        assert done.returncode == 0, done.stderr
        yield found


@pytest.fixture(autouse=True)
def _clean(world: World) -> Iterator[None]:
    world.admitted.clear()
    yield
    world.docker_config().unlink(missing_ok=True)


class TestSkopeo:
    @pytest.fixture(autouse=True)
    def _there(self, require_client: Callable[..., str]) -> None:
        require_client("skopeo", proves="that skopeo takes the credential helper")

    def test_it_pushes_and_pulls_as_the_job(self, world: World) -> None:
        repository = f"docker://{HOST}/acme-prod/images/one:1"
        push = ("skopeo", "copy", "oci:image:latest", repository)
        anonymous = world.run(*push)
        assert anonymous.returncode != 0
        assert "unauthorized" in anonymous.stderr.lower()
        assert world.run("gcp-wif", "configure-docker", HOST).returncode == 0
        before = world.docker_config().read_bytes()
        world.admitted.clear()
        pushed = world.run(*push)
        assert pushed.returncode == 0, pushed.stderr
        pulled = world.run("skopeo", "copy", repository, "oci:pulled:1")
        assert pulled.returncode == 0, pulled.stderr
        index = json.loads((world.folder / "pulled/index.json").read_text())
        assert [each["digest"] for each in index["manifests"]] == [
            each["digest"] for each in json.loads((world.folder / "image/index.json").read_text())["manifests"]
        ]
        assert set(world.admitted) == {f"serviceAccount:{ACCOUNT}"}
        assert world.docker_config().read_bytes() == before
        assert "ya29" not in pushed.stdout + pushed.stderr + pulled.stdout + pulled.stderr + before.decode()

    def test_google_says_no_and_skopeo_shows_why(self, world: World) -> None:
        assert world.run("gcp-wif", "configure-docker", HOST).returncode == 0
        world.google.provision(condition="false")
        try:
            done = world.run("skopeo", "inspect", f"docker://{HOST}/acme-prod/images/one:1")
        finally:
            world.google.provision()
        assert done.returncode != 0
        assert "WIF508" in done.stderr
        assert world.admitted == []

    def test_a_stranger_that_somebody_registered_gets_no_token(self, world: World) -> None:
        """The config is the user's: the helper is asked for whatever host stands there."""
        world.docker_config().parent.mkdir(exist_ok=True)
        world.docker_config().write_text('{"credHelpers": {"registry.example": "gcp-wif"}}')
        world.google.emulator.gateway.clear_log()
        done = world.run("skopeo", "inspect", "docker://registry.example/x:1")
        assert done.returncode != 0
        asked = [each["call"] for each in world.google.emulator.requests() if each["method"] == "POST"]
        assert asked == []


class TestDocker:
    """Docker's own command line; there is no daemon, so it asks registries by itself."""

    @pytest.fixture(autouse=True)
    def _there(self, require_client: Callable[..., str]) -> None:
        require_client("docker", proves="that Docker reads the config that configure-docker wrote")

    def test_it_logs_in_with_what_the_helper_gives(self, world: World) -> None:
        assert world.run("gcp-wif", "configure-docker", HOST).returncode == 0
        pushed = world.run("skopeo", "copy", "oci:image:latest", f"docker://{HOST}/acme-prod/images/two:1")
        assert pushed.returncode == 0, pushed.stderr
        world.admitted.clear()
        done = world.run("docker", "manifest", "inspect", f"{HOST}/acme-prod/images/two:1")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["schemaVersion"] == 2
        assert set(world.admitted) == {f"serviceAccount:{ACCOUNT}"}

    def test_a_config_that_docker_refuses_is_refused(self, world: World) -> None:
        """Where ours and Docker's reading differ, a login could be lost."""
        world.docker_config().parent.mkdir(exist_ok=True)
        for text in ("{", "[]", '{"credHelpers": []}', '{"credHelpers": {"a": 1}}', '{"a": NaN}', "\ufeff{}"):
            world.docker_config().write_text(text)
            theirs = world.run("docker", "manifest", "inspect", f"{HOST}/x/y/z:1")
            assert "config.json" in theirs.stderr, text
            ours = world.run("gcp-wif", "configure-docker", HOST)
            assert (ours.returncode, "WIF320" in ours.stderr) == (2, True), text
            assert world.docker_config().read_text() == text


def test_what_readme_says_about_tokens_and_docker(world: World, require_client: Callable[..., str]) -> None:
    """Its lines as they stand; a service on Cloud Run and a Docker daemon are not here."""
    require_client("curl", proves="that Storage takes the token that is printed")
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    storage, service, configure, push = (
        readme.partition("### Tokens, and Docker\n")[2].partition("```sh\n")[2].partition("\n```")[0].splitlines()
    )
    world.google.emulator.state.objects.put("acme-bucket", "hello.txt", b"x", "text/plain")
    listed = world.run("bash", "-euo", "pipefail", "-c", storage.replace("BUCKET", "acme-bucket"))
    assert listed.returncode == 0, listed.stderr
    assert [each["name"] for each in json.loads(listed.stdout)["items"]] == ["hello.txt"]
    assert world.run("bash", "-c", configure).returncode == 0
    assert json.loads(world.docker_config().read_text())["credHelpers"] == {HOST: "gcp-wif"}
    assert push.startswith(f"docker push {HOST}/")
    printing = service.partition("$(")[2].partition(")")[0]
    assert world.run(*printing.replace("SERVICE", "service").split()).stdout.count(".") == 2


class TestGcloud:
    @pytest.fixture(autouse=True)
    def _there(self, require_client: Callable[..., str]) -> None:
        require_client("gcloud", proves="that hosts, scopes and Docker's config are as gcloud has them")

    def test_the_hosts_are_gclouds(self, world: World) -> None:
        done = world.run("gcloud", "auth", "configure-docker", "--quiet")
        assert done.returncode == 0, done.stderr
        theirs = json.loads(world.docker_config().read_text())
        assert tuple(theirs["credHelpers"]) == DEFAULT_HOSTS
        world.docker_config().unlink()
        assert world.run("gcp-wif", "configure-docker").returncode == 0
        ours = json.loads(world.docker_config().read_text())
        assert ours == {"credHelpers": dict.fromkeys(theirs["credHelpers"], "gcp-wif")}

    def test_every_registry_of_gclouds_is_one_of_ours(self, world: World) -> None:
        done = world.run("gcloud", "auth", "configure-docker", "--include-artifact-registry", "--quiet")
        assert done.returncode == 0, done.stderr
        hosts = json.loads(world.docker_config().read_text())["credHelpers"]
        assert len(hosts) > 50
        assert [host for host in hosts if registry_host(f"https://{host}") != host] == []

    def test_gclouds_entries_are_replaced_one_by_one(self, world: World) -> None:
        assert world.run("gcloud", "auth", "configure-docker", "gcr.io,eu.gcr.io", "--quiet").returncode == 0
        done = world.run("gcp-wif", "configure-docker", "gcr.io", "--json")
        assert json.loads(done.stdout)["replaced"] == {"gcr.io": "gcloud"}
        assert json.loads(world.docker_config().read_text())["credHelpers"] == {
            "gcr.io": "gcp-wif",
            "eu.gcr.io": "gcloud",
        }

    @pytest.mark.parametrize("flags", [[], ["--scopes", "https://www.googleapis.com/auth/devstorage.read_only"]])
    def test_an_access_token_is_what_gcloud_prints(self, world: World, flags: list[str]) -> None:
        config = f"{world.env['HOME']}/gcp_cred_config.json"
        login = {"CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": config, "CLOUDSDK_CONFIG": f"{world.folder}/gcloud"}
        theirs = world.run("gcloud", "auth", "print-access-token", *flags, **login)
        ours = world.run("gcp-wif", "print-access-token", *flags)
        assert (theirs.returncode, ours.returncode) == (0, 0), theirs.stderr + ours.stderr
        grants = [world.google.emulator.state.grant(each.stdout.removesuffix("\n")) for each in (theirs, ours)]
        assert grants[0].principals == grants[1].principals
        if flags:
            assert sorted(grants[0].scope.split()) == sorted(grants[1].scope.split())
        assert theirs.stdout.count("\n") == ours.stdout.count("\n") == 1
