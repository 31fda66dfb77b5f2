"""What a container that sees the files elsewhere is given, and what it cannot be given."""

import subprocess
from pathlib import Path

import pytest

from gcp_wif.errors import InputError
from gcp_wif.job.container import container_for, on_machine

CONFIG = Path("/home/ci/a folder/config.json")
TOKEN = CONFIG.with_name("oidc_token")


def test_the_flags_and_the_variables() -> None:
    found = container_for(CONFIG, TOKEN, "/creds/", "acme-prod")
    assert (found.folder, found.env_file) == ("/creds", Path(f"{CONFIG}.env"))
    assert found.content.decode().splitlines() == [
        "GOOGLE_APPLICATION_CREDENTIALS=/creds/config.json",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE=/creds/config.json",
        "GOOGLE_CLOUD_PROJECT=acme-prod",
        "CLOUDSDK_CORE_PROJECT=acme-prod",
        "GCLOUD_PROJECT=acme-prod",
    ]
    words = subprocess.run(["sh", "-c", f"printf '%s\\n' {found.flags}"], capture_output=True, text=True, check=True)
    assert words.stdout.splitlines() == ["--env-file", f"{CONFIG}.env", "-v", "/home/ci/a folder:/creds:ro"]
    assert b"PROJECT" not in container_for(CONFIG, TOKEN, "/creds", None).content


def test_the_way_back() -> None:
    assert on_machine("/creds/oidc_token", "/creds/", CONFIG) == str(TOKEN)
    for seen, given in (("/creds/oidc_token", "/other"), ("/creds/deeper/t", "/creds"), ("t", "/creds")):
        with pytest.raises(InputError) as refused:
            on_machine(seen, given, CONFIG)
        assert refused.value.code == "WIF110"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "WIF102"),
        *((each, "WIF117") for each in ("creds", "~/x", "/", "//", "/a:b", "/a\nb", "/a/../b", "$HOME/x")),
    ],
)
def test_folders_that_no_container_has(given: str, code: str) -> None:
    for call in (lambda: container_for(CONFIG, TOKEN, given, None), lambda: on_machine("/a/t", given, CONFIG)):
        with pytest.raises(InputError) as refused:
            call()
        assert refused.value.code == code


def test_what_cannot_be_mounted() -> None:
    for config, token, code in (
        (CONFIG, Path("/home/ci/t"), "WIF110"),
        (Path("/home/c:i/c"), Path("/home/c:i/t"), "WIF117"),
        (Path("/home/c\ni/c"), Path("/home/c\ni/t"), "WIF117"),
    ):
        with pytest.raises(InputError) as refused:
            container_for(config, token, "/creds", None)
        assert refused.value.code == code
