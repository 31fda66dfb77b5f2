"""The smaller values: errors, endpoints, the config's reader, and the public API."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gcp_wif
from gcp_wif.cli.output import HidingStream, report_crash
from gcp_wif.credential_config import CredentialConfig, ExecutableSource, TokenFormat
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, MissingExtraError, RefusedError, UnavailableError, hide_tokens, shown
from gcp_wif.install import install_command
from gcp_wif.names import ServiceAccountEmail

CONFIG = {
    "universe_domain": "googleapis.com",
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/prov",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/t"},
}


def test_exit_codes() -> None:
    codes = [kind("x", code="WIF000").exit_code for kind in (RefusedError, InputError, UnavailableError)]
    assert codes == [1, 2, 3]
    assert install_command("admin") in str(MissingExtraError("admin", command="plan"))


def test_shown_hides_what_may_be_secret(make_jwt) -> None:
    for secret in (make_jwt(), "ya29.abc", "-----BEGIN PRIVATE KEY-----", "A" * 70):
        assert secret[:10] not in shown(secret)
    assert shown("plain\n") == "'plain\\n'"
    assert len(shown("x y " * 100)) < 200


def test_hide_tokens(make_jwt) -> None:
    text = f"before {make_jwt()} between ya29.c.abc-def after"
    assert hide_tokens(text) == "before (secret hidden) between (secret hidden) after"
    stream = io.StringIO()
    HidingStream(stream).write(text + "\n")
    assert stream.getvalue() == hide_tokens(text) + "\n"
    assert not HidingStream(stream).closed


def test_a_crash_is_told_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its message is what must not be told
        int("geheim")
    assert report_crash(caught.value) == 2
    told = capsys.readouterr().err
    assert "ValueError" in told
    assert "geheim" not in told


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost:65535", "[::1]:1", "127.8.8.8:9"])
def test_the_emulator_on_loopback(host: str) -> None:
    found = Endpoints.resolve({"GCP_WIF_EMULATOR_HOST": host, "GCP_WIF_EMULATOR_GRPC_HOST": host})
    assert found.token_url == f"http://{host}/v1/token"
    assert found.emulator_grpc == host
    assert Endpoints.resolve({"GCP_WIF_EMULATOR_HOST": f"http://{host}"}).emulator == host  # as it is printed


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1",
        "https://127.0.0.1:80",
        "http://10.0.0.1:80",
        "http://http://127.0.0.1:80",
        "10.0.0.1:80",
        "127.0.0.1.evil.example:80",
        "127.0.0.1:80@evil",
        "127.0.0.1:99999",
        "localhost:80/x",
    ],
)
@pytest.mark.parametrize("name", ["GCP_WIF_EMULATOR_HOST", "GCP_WIF_EMULATOR_GRPC_HOST"])
def test_no_emulator_elsewhere(host: str, name: str) -> None:
    with pytest.raises(InputError) as caught:
        Endpoints.resolve({name: host})
    assert (caught.value.code, name in caught.value.message) == ("WIF003", True)


def test_urls_of_a_universe() -> None:
    found = Endpoints.resolve({}, "example-universe.goog")
    account = ServiceAccountEmail("a@b")
    assert found.token_url == "https://sts.example-universe.goog/v1/token"
    assert found.token_info_url == "https://sts.example-universe.goog/v1/introspect"
    assert found.impersonation_url(account).startswith("https://iamcredentials.example-universe.goog/v1/projects/-/")
    assert found.iam == "https://iam.example-universe.goog/v1"
    assert found.resource_manager == "https://cloudresourcemanager.example-universe.goog/v3"


@pytest.mark.parametrize("domain", ["", "com", "a/b.c", "a b.c", "x@y.z", "-a.b", "A.COM"])
def test_no_universe(domain: str) -> None:
    with pytest.raises(InputError):
        Endpoints.resolve({}, domain)


def read(**changes) -> CredentialConfig:
    document = {key: value for key, value in (CONFIG | changes).items() if value is not ...}
    return CredentialConfig.from_json(json.dumps(document), origin="it")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": ...}, "WIF403"),
        ({"type": "service_account"}, "WIF403"),
        ({"audience": 1}, "WIF402"),
        ({"audience": "x"}, "WIF108"),
        ({"token_url": ""}, "WIF402"),
        ({"token_info_url": 5}, "WIF402"),
        ({"subject_token_type": ...}, "WIF402"),
        ({"service_account_impersonation_url": "https://x"}, "WIF107"),
        ({"service_account_impersonation": 5}, "WIF402"),
        ({"service_account_impersonation": {"token_lifetime_seconds": "5"}}, "WIF402"),
        ({"credential_source": ...}, "WIF402"),
        ({"credential_source": {}}, "WIF402"),
        ({"credential_source": {"file": "/a", "url": "https://b"}}, "WIF402"),
        ({"credential_source": {"environment_id": "aws1"}}, "WIF402"),
        ({"credential_source": {"file": ""}}, "WIF402"),
        ({"credential_source": {"file": "/a", "format": "text"}}, "WIF402"),
        ({"credential_source": {"file": "/a", "format": {"type": "xml"}}}, "WIF402"),
        ({"credential_source": {"file": "/a", "format": {"type": "json"}}}, "WIF402"),
        ({"credential_source": {"file": "/a", "format": {"type": "json", "path": "response.id_token"}}}, "WIF402"),
        ({"credential_source": {"url": "https://b", "headers": {"a": 1}}}, "WIF402"),
        ({"credential_source": {"executable": "x"}}, "WIF402"),
        ({"credential_source": {"executable": {"command": "x", "timeout_millis": "5"}}}, "WIF402"),
    ],
)
def test_configs_that_no_client_could_use(changes: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        read(**changes)
    assert caught.value.code == code


def test_the_seeds_path_form_is_refused_with_the_reason() -> None:
    with pytest.raises(InputError) as caught:
        read(credential_source={"file": "/a", "format": {"type": "json", "path": "response.id_token"}})
    assert "`path`" in caught.value.message
    assert "subject_token_field_name" in caught.value.hint
    assert "--token-response-field response.id_token" in caught.value.hint


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_arbitrary_text_is_no_config(text: str) -> None:
    with pytest.raises(InputError):
        CredentialConfig.from_json(text, origin="it")


def test_what_an_executable_defaults_to() -> None:
    assert read(credential_source={"executable": {"command": "/x"}}).source == ExecutableSource("/x", 30_000, None)


def test_json_tokens_are_json() -> None:
    assert json.loads(TokenFormat("json", "a b").encode("x.y.z")) == {"a b": "x.y.z"}
    assert TokenFormat("text").encode("x.y.z") == b"x.y.z"


def test_the_public_api_and_its_list_agree() -> None:
    assert sorted(gcp_wif.__all__) == gcp_wif.__all__
    for name in gcp_wif.__all__:
        assert getattr(gcp_wif, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = gcp_wif.nonsense
