"""gcloud's flags for the credential source."""

import pytest

from gcp_wif.credential_config import ExecutableSource, FileSource, TokenFormat, UrlSource
from gcp_wif.errors import InputError
from gcp_wif.job.flags import SourceFlags
from gcp_wif.job.source import Folder, choose_source


def choose(keep_path: bool = False, home: str | None = "/home/ci", **flags):
    return choose_source(SourceFlags(**flags), folder=Folder(home), cwd="/job", keep_path=keep_path)


def refusal(**flags) -> InputError:
    with pytest.raises(InputError) as caught:
        choose(**flags)
    return caught.value


def test_defaults_agree_with_their_format() -> None:
    assert choose().source == FileSource("/home/ci/oidc_token")
    assert choose(type="text").source == FileSource("/home/ci/oidc_token", TokenFormat("text"))
    assert choose(type="json").source == FileSource("/home/ci/oidc_token.json", TokenFormat("json", "id_token"))


def test_a_relative_path_becomes_absolute_unless_it_is_kept() -> None:
    assert choose(file="a/../t").source.file == "/job/a/../t"
    assert choose(file="a/t", keep_path=True).source.file == "a/t"


@pytest.mark.parametrize("path", ["~/t", "~", "$HOME/t", "${HOME}/t", "folder/", "a\0b"])
@pytest.mark.parametrize("keep", [True, False])
def test_paths_that_no_client_expands(path: str, keep: bool) -> None:
    assert refusal(file=path, keep_path=keep).code == "WIF117"


def test_home_is_needed_for_the_default_alone() -> None:
    assert refusal(home=None).code == refusal(home="").code == "WIF101"
    assert refusal(home="relative").code == "WIF117"
    assert choose(home=None, file="/t").source.file == "/t"


@pytest.mark.parametrize(
    "flags",
    [
        {"file": "/a", "url": "https://b"},
        {"file": "/a", "executable_command": "/b"},
        {"url": "https://a", "executable_command": "/b"},
    ],
)
def test_one_source(flags: dict[str, str]) -> None:
    assert refusal(**flags).code == "WIF110"


@pytest.mark.parametrize(
    "url", ["", "token", "ftp://x/y", "https://", "https://user:pw@x/", "https://x y/", "http://[", "http://x:99999"]
)
def test_urls(url: str) -> None:
    assert refusal(url=url).code == "WIF111"


def test_headers_keep_their_order_and_the_last_of_a_name() -> None:
    assert choose(url="https://x", headers="b=1,a=2=3,b=4").source == UrlSource("https://x", (("b", "4"), ("a", "2=3")))
    assert choose(url="https://x", headers="^;^a=1,2;b=3").source == UrlSource("https://x", (("a", "1,2"), ("b", "3")))


@pytest.mark.parametrize("headers", ["a", "=b", "a=1,b", "a=1\n"])
def test_headers_are_not_repeated_in_a_refusal(headers: str) -> None:
    error = refusal(url="https://x", headers=f"Authorization=geheim,{headers}")
    assert error.code == "WIF112"
    assert "geheim" not in error.message + error.hint


def test_an_executable() -> None:
    assert choose(executable_command="/bin/x y").source == ExecutableSource("/bin/x y", 30_000)
    for timeout in (4_999, 120_001, -1):
        assert refusal(executable_command="/x", executable_timeout_millis=timeout).code == "WIF113"
    assert refusal(executable_command=" ").code == "WIF113"
    assert refusal(executable_command="/x", executable_output_file="~/x").code == "WIF117"
    assert any("absolute" in warning for warning in choose(executable_command="x").warnings)
    assert any("quotes" in warning for warning in choose(executable_command="/x 'a b'").warnings)


def test_formats() -> None:
    assert refusal(type="xml").code == "WIF114"
    assert refusal(type="json", field_name="").code == "WIF102"
    nested = refusal(type="json", field_name="response.id_token")
    assert nested.code == "WIF114"
    assert "--token-response-field response.id_token" in nested.hint


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"field_name": "x"}, "--credential-source-field-name"),
        ({"type": "text", "field_name": "x"}, "--credential-source-field-name"),
        ({"headers": "a=b"}, "--credential-source-headers"),
        ({"executable_timeout_millis": 6000}, "--executable-timeout-millis"),
        ({"url": "https://x", "executable_output_file": "/x"}, "--executable-output-file"),
        ({"executable_command": "/x", "type": "json"}, "--credential-source-type"),
    ],
)
def test_flags_without_effect_are_told(flags: dict, said: str) -> None:
    assert any(said in warning for warning in choose(**flags).warnings)
