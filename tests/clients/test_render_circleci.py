"""`render circleci`, judged by CircleCI's schema, and a pull of the image that it names, as CircleCI makes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from becoming import becomes
from dev_programs import program, run
from provisioned import MANIFEST

from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION
from gcp_wif.manifest import Manifest, ManifestError
from gcp_wif.rendering.ci_config import render_ci_config

IMAGE = "europe-west1-docker.pkg.dev/acme-prod/tools/ci:1.4"
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
WITH_IMAGE = MANIFEST.replace(f'"{ACCOUNT}"\n', f'"{ACCOUNT}"\nimage = "{IMAGE}"\n', 1)
ISSUER = f'organization_id = "{SAMPLE_ORGANIZATION}"\n'


def rendered(text: str) -> str:
    return render_ci_config("circleci", Manifest.parse(text, origin="test"), "gcp-wif.toml")


def mapped(text: str) -> str:
    """With the mapping of CircleCI's page on tokens."""
    mapping = '[provider.attribute_mapping]\n"google.subject" = "assertion.sub"\n'
    return text.replace('id = "circleci-acme"\n', f'id = "circleci-acme"\n{mapping}')


def docker(text: str, job: str) -> Any:
    (image,) = yaml.safe_load(rendered(text))["jobs"][job]["docker"]
    return image


def test_the_image_is_pulled_as_the_identitys_account() -> None:
    assert f'`image = "{IMAGE}"`' in (Path(__file__).parents[2] / "README.md").read_text()
    assert docker(WITH_IMAGE, "deploy") == {
        "image": IMAGE,
        "gcp_auth": {
            "oidc_service_account": ACCOUNT,
            "workload_identity_pool": "projects/123456789012/locations/global/workloadIdentityPools/circleci",
            "workload_identity_provider": "circleci-acme",
        },
    }
    assert docker(WITH_IMAGE, "legacy") == docker(MANIFEST, "deploy") == {"image": "cimg/python:3.12"}
    (told,) = [line for line in rendered(WITH_IMAGE).splitlines() if "is pulled as" in line]
    assert told.endswith(f"deploy is pulled as {ACCOUNT},")


@pytest.mark.client
@pytest.mark.parametrize("text", [MANIFEST, WITH_IMAGE])
def test_it_is_valid_to_circlecis_schema(text: str, require_client: Callable[..., str], tmp_path: Path) -> None:
    """check-jsonschema's copy of the schema knows ``gcp_auth``, all of its keys, and no other."""
    check = program("check-jsonschema", require_client, "that what `render circleci` makes is valid")
    file = tmp_path / "config.yml"
    made = rendered(text)
    broken = made.replace("oidc_service_account" if "gcp_auth" in made else "- image", "- account")
    for content, wanted in ((made, 0), (broken, 1)):
        file.write_text(content)
        done = run(check, "--builtin-schema", "vendor.circle-ci", str(file))
        assert done.returncode == wanted, done.stdout + done.stderr


def test_the_token_of_the_pull_becomes_the_account_and_no_other() -> None:
    """A V2 token, whose ``sub`` is longer than ``google.subject`` may be: the provider's mapping shortens it."""
    manifest = Manifest.parse(WITH_IMAGE, origin="test")
    keys = docker(WITH_IMAGE, "deploy")["gcp_auth"]
    pool, provider = keys["workload_identity_pool"], keys["workload_identity_provider"]
    assert f"{pool}/providers/{provider}" == str(manifest.provider_name)
    origin = "github.com/an-organisation-with-a-name/and-a-repository-that-has-a-long-one"
    ref = "oidc.circleci.com/vcs-ref"
    with Emulator() as google:
        google.provision_as(manifest)
        token = google.token(version=2, **{"oidc.circleci.com/vcs-origin": origin})
        assert becomes(google, token, manifest) == {"deploy"}
        assert becomes(google, google.token(version=2, **{ref: "refs/heads/dev"}), manifest) == set()
        google.provision_as(Manifest.parse(mapped(MANIFEST), origin="test"))
        assert becomes(google, token, manifest) == set()  # as on CircleCI's page, which warns of it
        assert becomes(google, google.token(**{"oidc.circleci.com/vcs-origin": origin}), manifest) == {"deploy"}


@pytest.mark.parametrize(
    ("image", "what"),
    [
        ("docker.io/library/python:3.12", "Google's registries"),
        ("python:3.12", "Google's registries"),
        ("europe-west1-docker.pkg.dev.evil.example/a/b/c", "Google's registries"),
        ("https://europe-west1-docker.pkg.dev/acme-prod/tools/ci", "Google's registries"),
        ("europe-west1-docker.pkg.dev/acme-prod/ci", "PROJECT/REPOSITORY/IMAGE"),
        ("europe-west1-docker.pkg.dev/acme-prod/tools/CI", "small letters"),
        ("gcr.io/acme-prod", "PROJECT/REPOSITORY/IMAGE"),
        ("europe-west1-docker.pkg.dev/acme-prod/tools/ci:1.4\\nx: y", "small letters"),
        (f"gcr.io/acme-prod/{'x' * 512}", "small letters"),
        ("", "Google's registries"),
    ],
)
def test_only_an_image_of_googles(image: str, what: str) -> None:
    (problem,) = problems(WITH_IMAGE.replace(IMAGE, image))
    assert (problem.key, problem.code, what in problem.message) == ("identities.deploy.image", "WIF704", True)


@pytest.mark.parametrize("image", [
    "gcr.io/acme-prod/ci:latest", "eu.gcr.io/acme-prod/a/b__c-d.e@sha256:" + "0a" * 32,
    "us-docker.pkg.dev/acme-prod/tools/ci:V1.4_x@sha256:" + "0a" * 32,
])  # fmt: skip
def test_images_of_googles(image: str) -> None:
    assert docker(WITH_IMAGE.replace(IMAGE, image), "deploy")["image"] == image


def problems(text: str) -> tuple[Any, ...]:
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(text, origin="test")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (MANIFEST.replace("direct = true\n", f'direct = true\nimage = "{IMAGE}"\n'), "needs a service account"),
        (WITH_IMAGE.replace(ISSUER, f'{ISSUER}audience = "own"\n'), f'add "{SAMPLE_ORGANIZATION}" to issuer.audience'),
        (WITH_IMAGE.replace(ISSUER, f'{ISSUER}url = "https://ci.acme.example"\n'), "the issuer is https://ci.acme.ex"),
        (mapped(WITH_IMAGE), "exceeds the 127 bytes"),
    ],
)
def test_what_cannot_work_is_refused(text: str, what: str) -> None:
    (problem,) = problems(text)
    assert (problem.code, what in problem.message) == ("WIF705", True), problem
    assert problem.key.endswith(".image")


def test_an_audience_beside_the_organisations_does_not_matter() -> None:
    text = WITH_IMAGE.replace(ISSUER, f'{ISSUER}audience = ["own", "{SAMPLE_ORGANIZATION}"]\n')
    assert docker(text, "deploy")["image"] == IMAGE


def test_other_kinds_have_no_such_key() -> None:
    text = WITH_IMAGE.replace('kind = "circleci"', 'kind = "oidc"').replace(ISSUER, 'url = "https://x.example"\n')
    assert ("identities.deploy.image", "belongs to the kind circleci.") in {
        (each.key, each.message) for each in problems(text)
    }
