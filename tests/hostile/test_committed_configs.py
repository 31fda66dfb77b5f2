"""Credential configs that somebody hostile, or careless, committed: what `check` must say of them.

A config decides where a token is sent, what is sent as the token, and which program runs. Whoever may change a file of
the repository must not be able to change one of these without a finding.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from committed import AWS, AWS_TYPE, GOOD, IMPERSONATION, WORKFORCE, codes, config, source
from hypothesis import given
from hypothesis import strategies as st
from measured_check import measured
from provisioned import MANIFEST

from gcp_wif.config_lint import check_text
from gcp_wif.credential_config import CredentialConfig, read_document
from gcp_wif.errors import InputError
from gcp_wif.manifest import Manifest


def test_the_good_config_has_no_finding() -> None:
    assert codes(config()) == set()


# The universe


def universe(domain: str) -> str:
    return config(
        universe_domain=domain,
        token_url=f"https://sts.{domain}/v1/token",
        service_account_impersonation_url=IMPERSONATION.replace("googleapis.com", domain),
    )


def test_a_universe_of_the_files_own_choice_is_found() -> None:
    """W10: a config for `evil.com` whose URLs are all on `evil.com` is consistent, and sends the token there."""
    assert codes(universe("evil.com")) == {"WIF461", "WIF454"}
    assert codes(universe("evil.com"), universe_domain="sovereign.example") == {"WIF461", "WIF454"}


def test_a_universe_that_was_asked_for_passes() -> None:
    """W10."""
    assert codes(universe("sovereign.example"), universe_domain="sovereign.example") == set()
    assert codes(config(), universe_domain="sovereign.example") == set()


def test_the_universe_that_was_asked_for_is_not_for_the_urls_of_another() -> None:
    """W10: asking for a universe does not let a config of Google's public cloud lead there."""
    text = config(token_url="https://sts.sovereign.example/v1/token")
    assert codes(text, universe_domain="sovereign.example") == {"WIF454"}


# All findings at once


def test_a_structural_error_hides_nothing_else() -> None:
    """D16: a bad email, a missing audience, and beside them a program, a secret and three foreign URLs."""
    text = config(
        audience=None,
        token_url="https://sts.evil.example/v1/token",
        token_info_url="https://evil.example/v1/introspect",
        service_account_impersonation_url=(
            "https://evil.example/v1/projects/-/serviceAccounts/nobody:generateAccessToken"
        ),
        service_account_impersonation={"token_lifetime_seconds": 999_999},
        client_secret="hunter2",
        credential_source={
            "executable": {"command": "/bin/sh -c x", "timeout_millis": 1, "output_file": "relative"},
            "format": {"type": "xml"},
        },
    )
    found = check_text("x.json", text)
    assert sorted(each.code for each in found) == sorted(
        ["WIF451", "WIF402", "WIF402", "WIF107", "WIF454", "WIF454", "WIF454", "WIF455", "WIF456", "WIF468", "WIF468"]
    )


@pytest.mark.parametrize("kind", ["external_acount", None, 7, "service_account"])
def test_a_wrong_type_hides_no_program(kind: Any) -> None:
    """D16: clients that are lenient about `type` run the program all the same."""
    text = config(type=kind, credential_source={"executable": {"command": "/bin/x"}})
    assert {"WIF403", "WIF455"} <= codes(text)


def test_a_repeated_key_hides_no_program() -> None:
    """D16: the value that JSON readers take is checked, and that there are two is said."""
    text = config(credential_source={"executable": {"command": "/bin/x"}})
    assert codes('{"credential_source": {"file": "/t"},' + text[1:]) == {"WIF453", "WIF455"}


@pytest.mark.parametrize("place", ["upper case", "mixed case", "inside another", "in a list"])
def test_a_program_in_another_place_is_found(place: str) -> None:
    """D16: Go's clients take `"Executable"` for `"executable"`, and credentials may be inside credentials."""
    program = {"executable": {"command": "/bin/x --password hunter2"}}
    text = {
        "upper case": config(CREDENTIAL_SOURCE={"EXECUTABLE": {"COMMAND": "/bin/x"}}),
        "mixed case": source(file="/t", Executable={"command": "/bin/x"}),
        "inside another": json.dumps(
            {"type": "impersonated_service_account", "source_credentials": GOOD | {"credential_source": program}}
        ),
        "in a list": config(extra=[program]),
    }[place]
    found = list(check_text("x.json", text))
    assert "WIF455" in {each.code for each in found}
    assert "hunter2" not in str(found)


def test_a_url_under_a_name_in_another_case_is_found() -> None:
    """W15: of `token_url` and `TOKEN_URL`, Go's clients take the last."""
    assert codes(config(TOKEN_URL="https://sts.evil.example/v1/token")) == {"WIF463", "WIF464"}


def test_many_findings_of_one_kind_bury_no_other() -> None:
    """D16, W21: a thousand unknown fields are counted, and the program is named."""
    text = config(**{f"x{number}": 1 for number in range(1000)}, credential_source={"executable": {"command": "/x"}})
    found = list(check_text("x.json", text))
    assert "WIF455" in {each.code for each in found}
    assert len(found) < 50
    assert any("980 more" in each.message for each in found)


# Other kinds of federation

OTHER_KINDS = {
    "X.509, the default certificate": {
        "subject_token_type": "urn:ietf:params:oauth:token-type:mtls",
        "token_url": "https://sts.mtls.googleapis.com/v1/token",
        "service_account_impersonation_url": IMPERSONATION.replace("credentials.", "credentials.mtls."),
        "credential_source": {"certificate": {"use_default_certificate_config": True}},
    },
    "X.509, a certificate": {
        "subject_token_type": "urn:ietf:params:oauth:token-type:mtls",
        "token_url": "https://sts.mtls.googleapis.com/v1/token",
        "credential_source": {
            "certificate": {"certificate_config_location": "/etc/c.json", "trust_chain_path": "/etc/chain.pem"}
        },
    },
    "workforce": {
        "audience": WORKFORCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "service_account_impersonation_url": None,
        "token_info_url": "https://sts.googleapis.com/v1/introspect",
        "workforce_pool_user_project": "123456789012",
    },
    "AWS": {"subject_token_type": AWS_TYPE, "credential_source": AWS},
    "AWS in China": {
        "subject_token_type": AWS_TYPE,
        "credential_source": AWS
        | {"regional_cred_verification_url": "https://sts.{region}.amazonaws.com.cn?Action=GetCallerIdentity"},
    },
    "AWS by IPv6": {
        "subject_token_type": AWS_TYPE,
        "credential_source": {key: value.replace("169.254.169.254", "[fd00:ec2::254]") for key, value in AWS.items()},
    },
    "Azure": {
        "credential_source": {
            "url": "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://x/",
            "headers": {"Metadata": "True"},
            "format": {"type": "json", "subject_token_field_name": "access_token"},
        }
    },
    "a quota project": {"quota_project_id": "acme-prod"},
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_of_federation_are_known(kind: str) -> None:
    """D17: they are not malformed."""
    assert codes(config(**OTHER_KINDS[kind])) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_token_type": AWS_TYPE, "credential_source": AWS | {"environment_id": "aws2"}},
        {"credential_source": AWS},
        {"workforce_pool_user_project": "123456789012"},
        {"credential_source": {"certificate": {}}},
        {"credential_source": {"certificate": {"use_default_certificate_config": False}}},
        {
            "credential_source": {
                "certificate": {"use_default_certificate_config": True, "certificate_config_location": "/c.json"}
            }
        },
        {"credential_source": {"certificate": "/c.json"}},
        {"credential_source": {"url": "http://127.0.0.1/", "headers": {"X": "a\r\nHost: evil.example"}}},
    ],
)
def test_forms_that_clients_refuse(changes: dict[str, Any]) -> None:
    """D17, W15: what google-auth refuses of each kind, and a header that would be two."""
    assert codes(config(**changes)) == {"WIF402"}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_are_held_to_googles_urls_too(kind: str) -> None:
    """D17: knowing a kind does not mean to let it go anywhere."""
    assert codes(config(**OTHER_KINDS[kind] | {"token_url": "https://sts.evil.example/v1/token"})) == {"WIF454"}


@pytest.mark.parametrize("kind", ["X.509, a certificate", "workforce", "AWS"])
def test_a_manifest_does_not_describe_them(kind: str) -> None:
    """D17."""
    assert "WIF460" in codes(config(**OTHER_KINDS[kind]), manifest=Manifest.parse(MANIFEST, origin="test"))


# What no parser likes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deep arrays", "[" * 100_000),
        ("deep objects", '{"a":' * 5_000 + "1" + "}" * 5_000),
        ("deeper than any config", '{"a":' * 100 + "1" + "}" * 100),
        ("thousands of digits", '{"token_lifetime_seconds": ' + "1" * 5_000 + "}"),
        ("NaN", '{"token_lifetime_seconds": NaN}'),
    ],
)
def test_documents_that_no_parser_likes(name: str, text: str) -> None:
    """D22: a finding, not a crash."""
    assert "WIF401" in codes(text)
    with pytest.raises(InputError) as caught:
        CredentialConfig.from_json(text, origin="x.json")
    assert caught.value.code in ("WIF401", "WIF403")


@pytest.mark.parametrize("field", ["audience", "token_url", "file", "universe_domain"])
def test_lone_surrogates(field: str) -> None:
    """D22: JSON can hold half of a surrogate pair; no file has such a name, and nothing can be sent."""
    text = source(file="/tmp/\ud800") if field == "file" else config(**{field: GOOD[field] + "\ud800"})
    assert codes(text)
    with pytest.raises(InputError) as caught:
        CredentialConfig.from_json(text, origin="x.json")
    assert caught.value.code == "WIF402"
    str(caught.value).encode()
    for each in check_text("x.json", text, manifest=Manifest.parse(MANIFEST, origin="test")):
        str(each).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(list(AWS.values())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*GOOD, *AWS, "file", "url", "headers", "format", "executable", "command", "certificate", "type"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([*GOOD, "extra"]))
def test_any_document_is_checked(value: Any, field: str) -> None:
    """D16, D22: whatever stands in a field, the walk ends; what it passes, every command of ours reads."""
    text = json.dumps(GOOD | {field: value})
    found = list(check_text("x.json", text, manifest=Manifest.parse(MANIFEST, origin="test")))
    config_of, problems = read_document(json.loads(text))
    assert (config_of is None) == bool(problems)
    if not found:
        CredentialConfig.from_json(text, origin="x.json")


# Size and time

BIG = {
    "the beginning of a JWT, over and over": "eyJ-" * 240_000,
    "the same in a field": '{"a": "' + "eyJ-" * 240_000 + '"}',
    "one key 160,000 times": "{" + ",".join(['"a":1'] * 160_000) + "}",
    "unknown fields": json.dumps({f"k{number}": 1 for number in range(70_000)}),
    "unknown URLs": json.dumps({f"k{number}_url": "http://a@b" for number in range(28_000)}),
    "empty arrays": "[" + ",".join(["[]"] * 300_000) + "]",
    "quotes": '"' * 990_000,
    "beginnings of passwords in URLs": "://a:" * 190_000,
    "beginnings of everything": "ya29. ghp_ glpat- eyJ AKIA 8Q~ Key= hvs. xoxb- :// ?sig= " * 17_000,
    "one long word": "a" * 990_000,
    "one long host": json.dumps({"token_url": "https://" + "a." * 490_000}),
}


def test_a_diff_is_no_longer_than_can_be_read() -> None:
    """W21: a config with 1,000 fields more."""
    text = config(**{f"k{number}": 1 for number in range(1_000)})
    found = check_text("x.json", text, manifest=Manifest.parse(MANIFEST, origin="test"))
    (drift,) = [each for each in found if each.code == "WIF459"]
    assert 100 < len(drift.diff) < 300


@pytest.mark.slow
def test_a_diff_takes_no_long_time(tmp_path: Path) -> None:
    """W21: `--manifest` and a config with 60,000 fields more."""
    path, manifest = tmp_path / "x.json", tmp_path / "gcp-wif.toml"
    path.write_text(config(**{f"k{number}": 1 for number in range(60_000)}))
    manifest.write_text(MANIFEST)
    seconds, megabytes, code, told = measured(path, "--manifest", str(manifest))
    assert code == 1, told
    assert "WIF459" in told
    assert (seconds < 5, megabytes < 300) == (True, True), (seconds, megabytes)


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
def test_small_files_take_no_long_time(name: str, tmp_path: Path) -> None:
    """W21: at most 1 MB of file, 5 seconds of a processor and 300 MB."""
    path = tmp_path / "x.json"
    path.write_text(BIG[name])
    assert path.stat().st_size <= 1_000_000
    seconds, megabytes, code, told = measured(path)
    assert code == 1, told
    assert "WIF001" not in told
    assert (seconds < 5, megabytes < 300) == (True, True), (seconds, megabytes)
