"""Credential configs that somebody hostile, or careless, committed: what `check` must say of them.

A config decides where a token is sent, what is sent as the token, and which program runs. Whoever may change a file of
the repository must not be able to change one of these without a finding.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_check import measured
from provisioned import MANIFEST

from gcp_wif.config_lint import check_text
from gcp_wif.credential_config import CredentialConfig, read_document
from gcp_wif.errors import InputError
from gcp_wif.manifest import Manifest

ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
IMPERSONATION = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
AUDIENCE = (
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
)
GOOD: dict[str, Any] = {
    "universe_domain": "googleapis.com",
    "type": "external_account",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/tmp/oidc_token"},
    "service_account_impersonation_url": IMPERSONATION,
}
AWS: dict[str, Any] = {
    "environment_id": "aws1",
    "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
    "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
    "regional_cred_verification_url": (
        "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    ),
    "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
}
AWS_TYPE = "urn:ietf:params:aws:token-type:aws4_request"
WORKFORCE = "//iam.googleapis.com/locations/global/workforcePools/acme-staff/providers/okta"


def config(**changes: Any) -> str:
    return json.dumps({key: value for key, value in (GOOD | changes).items() if value is not None}, indent=2)


def codes(text: str, **options: Any) -> set[str]:
    return {each.code for each in check_text("gcp_cred_config.json", text, **options)}


def source(**fields: Any) -> str:
    return config(credential_source=fields)


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


def test_many_findings_of_one_kind_bury_no_other() -> None:
    """D16, W21: a thousand unknown fields are counted, and the program is named."""
    text = config(**{f"x{number}": 1 for number in range(1000)}, credential_source={"executable": {"command": "/x"}})
    found = list(check_text("x.json", text))
    assert "WIF455" in {each.code for each in found}
    assert len(found) < 50
    assert any("980 more" in each.message for each in found)


# Secrets

SECRETS = {
    "a GitHub token in a header": {"Authorization": "Bearer ghs_16C7e42F292c6912E7710c838347Ae178B4a"},
    "basic authentication": {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
    "an authorization under another name": {"X-Forwarded": "Basic dXNlcjpwYXNzd29yZA=="},
    "a Vault token by its name": {"X-Vault-Token": "s.1234"},
    "a Vault token by its shape": {"X-Anything": "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY-F"},
    "a GitLab token": {"PRIVATE-TOKEN": "glpat-zYxWvUtSrQpOnMlKjIhG"},
    "a GitLab token by its shape": {"X-Anything": "glpat-zYxWvUtSrQpOnMlKjIhG"},
    "a job token": {"JOB-TOKEN": "abcdef"},
    "a cookie": {"Cookie": "session=1"},
    "an API key": {"X-API-Key": "abcdef"},
    "a subscription key": {"Ocp-Apim-Subscription-Key": "abcdef"},
    "an AWS key": {"X-Anything": "AKIAIOSFODNN7EXAMPLE"},
    "a Slack token": {"X-Anything": "xoxb-123456789012-abcdefghijkl"},
    "a Buildkite token": {"X-Anything": "bkua_0123456789abcdef0123456789abcdef01234567"},
    "a Bitbucket token": {"X-Anything": "ATCTT3xFfGN0abcdefghijklmnop"},
    "an escaped JWT": {"X-Anything": "eyJhbGciOiJSUzI1NiJ9\\u002eeyJzdWIiOiJhIn0.c2ln"},
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_in_headers(name: str) -> None:
    """W15: the headers of a URL source are where people put secrets; none is repeated in a message."""
    text = source(url="http://127.0.0.1/", headers=SECRETS[name]).replace("\\\\u", "\\u")
    found = list(check_text("x.json", text))
    assert [each.code for each in found] == ["WIF451"]
    assert not any(value in str(found) for value in SECRETS[name].values())


@pytest.mark.parametrize(
    "headers",
    [
        {"Metadata": "True"},
        {"Metadata-Flavor": "Google"},
        {"Accept": "application/json"},
        {"Authorization": "Bearer ${ACTIONS_ID_TOKEN_REQUEST_TOKEN}"},
        {"Authorization": "$TOKEN"},
        {"Authorization": "Bearer {{ token }}"},
    ],
)
def test_headers_that_are_no_secret(headers: dict[str, str]) -> None:
    """W15: a check that cries wolf is switched off."""
    assert codes(source(url="http://127.0.0.1/", headers=headers)) == set()


@pytest.mark.parametrize(
    "url",
    ["https://user:pw@127.0.0.1/", "http://user:pw@127.0.0.1/", "http://127.0.0.1/?access_token=abcdefghij"],
)
def test_secrets_in_urls(url: str) -> None:
    """W15: a password before the host, a token in the query."""
    assert "WIF451" in codes(source(url=url))
    assert "pw" not in str(list(check_text("x.json", source(url=url))))


@pytest.mark.parametrize("field", ["client_secret", "refresh_token", "password", "clientSecret", "X-Auth-Token"])
def test_secret_fields_wherever_they_are(field: str) -> None:
    """W15: by the name of the field, at the top and deep inside."""
    assert "WIF451" in codes(config(**{field: "hunter2"}))
    assert "WIF451" in codes(config(extra={"list": [{field: "hunter2"}]}))


def test_a_broken_file_is_searched_as_well() -> None:
    """W15: a file that is not JSON today was JSON in an earlier commit, with the same secret."""
    assert codes(config(client_secret="hunter2")[:-1]) == {"WIF401", "WIF451"}
    assert codes(source(url="http://x/", headers={"X": "Basic dXNlcjpwYXNz"})[:-1]) == {"WIF401", "WIF451"}


# Where a token is fetched

FOREIGN = {
    "another host": ("https://evil.example/token", "WIF463"),
    "another host without encryption": ("http://evil.example/token", "WIF457"),
    "a user that reads as loopback": ("http://127.0.0.1:80@evil.com/", "WIF465"),
    "a user that reads as localhost": ("http://localhost:x@evil.com/", "WIF465"),
    "a user alone": ("https://user@evil.com/", "WIF465"),
    "a backslash": ("http://evil.com\\@127.0.0.1/", "WIF465"),
    "loopback as a label": ("http://127.0.0.1.evil.com/", "WIF457"),
    "localhost as a label": ("https://localhost.evil.com/", "WIF463"),
    "a port that is no number": ("http://localhost:x/", "WIF465"),
    "a port out of range": ("http://localhost:99999/", "WIF465"),
    "a short address": ("http://127.1/", "WIF465"),
    "a decimal address": ("http://2130706433/", "WIF465"),
    "a hexadecimal address": ("http://0x7f000001/", "WIF465"),
    "octal bytes": ("http://0177.0.0.1/", "WIF465"),
    "white space": ("http://127.0.0.1 @evil.com/", "WIF465"),
    "a line break": ("http://127.0.0.1\n.evil.com/", "WIF465"),
    "a tab": ("http://127.0.0.1\t.evil.com/", "WIF465"),
    "letters that look like others": ("https://lосalhost/", "WIF465"),
    "no scheme": ("127.0.0.1/token", "WIF465"),
    "another scheme": ("file:///etc/passwd", "WIF465"),
    "three slashes": ("http:///127.0.0.1/", "WIF465"),
    "the metadata server's name as a label": ("http://169.254.169.254.evil.com/", "WIF457"),
    "the metadata server at another port": ("http://169.254.169.254:8080/", "WIF457"),
    "a CI system's name as a label": ("https://actions.githubusercontent.com.evil.com/", "WIF463"),
    "a name that ends as a CI system's": ("https://evilactions.githubusercontent.com/", "WIF463"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_token_urls_that_lead_elsewhere(name: str) -> None:
    """W15: URLs are read strictly; one that two clients could take to two hosts is a finding."""
    url, code = FOREIGN[name]
    assert codes(source(url=url)) - {"WIF451"} == {code}  # what is before an @ may be a password, too


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/token",
        "http://127.9.9.9/",
        "http://LOCALHOST/",
        "http://[::1]:1234/x?y=z",
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=x",
        "http://metadata.google.internal/computeMetadata/v1/x",
        "https://run-actions-3-azure-eastus.actions.githubusercontent.com/1/idtoken/2/3?api-version=2.0",
        "https://dev.azure.com/acme/1/_apis/distributedtask/hubs/build/plans/1/jobs/1/oidctoken?serviceConnectionId=1",
    ],
)
def test_token_urls_that_are_known(url: str) -> None:
    """W15: this machine, the clouds' metadata servers, and the CI systems that hand out tokens by URL."""
    assert codes(source(url=url)) == set()


def test_a_host_of_ones_own_can_be_allowed() -> None:
    """W15: by its exact name."""
    text = source(url="https://tokens.acme.example/job")
    assert codes(text) == {"WIF463"}
    assert codes(text, allow_hosts=("Tokens.acme.example",)) == set()
    assert codes(source(url="https://x.tokens.acme.example/"), allow_hosts=("tokens.acme.example",)) == {"WIF463"}


@pytest.mark.parametrize("field", [name for name in AWS if name.endswith("url")])
@pytest.mark.parametrize("url", ["https://evil.example/x", "http://evil.example/", "http://sts.amazonaws.com.evil.com"])
def test_aws_urls_that_lead_elsewhere(field: str, url: str) -> None:
    """W15: the instance's session token and a signed request go to these four."""
    text = config(subject_token_type=AWS_TYPE, credential_source=AWS | {field: url})
    assert codes(text) == {"WIF463"}
    without = {key: value for key, value in (AWS | {field: url}).items() if key != "environment_id"}
    assert codes(config(credential_source=without)) & {"WIF463", "WIF457"}


@pytest.mark.parametrize("place", ["top", "source", "executable", "nested", "list"])
@pytest.mark.parametrize("field", ["callback_url", "revoke_url", "token_uri", "proxyUrl", "endpoint", "note"])
def test_unknown_urls(place: str, field: str) -> None:
    """W15: a URL in a field that nobody knows today may be read by tomorrow's client."""
    extra = {field: "https://evil.example/x"}
    text = {
        "top": config(**extra),
        "source": source(file="/t", **extra),
        "executable": source(executable={"command": "/x"} | extra),
        "nested": config(extra={"deeper": extra}),
        "list": config(extra=[[extra]]),
    }[place]
    assert {"WIF463", "WIF464"} <= codes(text)


def test_unknown_fields() -> None:
    """W15: at every level that clients read."""
    text = config(
        surprise=1,
        service_account_impersonation={"lifetime": 1},
        credential_source={"file": "/t", "fille": "/t", "format": {"type": "text", "tpye": "json"}},
    )
    found = [each for each in check_text("x.json", text) if each.code == "WIF464"]
    assert len(found) == 4
    assert len(list(check_text("x.json", text))) == 4


# What is read as the token

PATHS = {
    "the environment": ("/proc/self/environ", "WIF466"),
    "the environment, written otherwise": ("//proc/./self/../self/environ", "WIF466"),
    "through another folder": ("/tmp/../proc/self/environ", "WIF466"),
    "another process": ("/proc/1/environ", "WIF466"),
    "a descriptor": ("/dev/fd/3", "WIF466"),
    "standard input": ("/dev/stdin", "WIF466"),
    "an endless device": ("/dev/zero", "WIF466"),
    "sysfs": ("/sys/kernel/x", "WIF466"),
    "NUL": ("/tmp/token\0.txt", "WIF466"),
    "a line break": ("/tmp/token\n", "WIF466"),
    "relative": ("proc/self/environ", "WIF456"),
    "a tilde": ("~/token", "WIF456"),
    "a variable": ("$HOME/token", "WIF456"),
}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("place", ["file", "output_file", "certificate"])
def test_paths(name: str, place: str) -> None:
    """W15: /proc/self/environ holds every secret of the job, and would be sent to Google as the token."""
    path, code = PATHS[name]
    text = {
        "file": source(file=path),
        "output_file": source(executable={"command": "/x", "output_file": path}),
        "certificate": source(certificate={"certificate_config_location": path}),
    }[place]
    assert codes(text, allow_executable=True) == {code}


def test_a_file_in_shared_memory_is_a_file() -> None:
    """W15: /dev/shm is where careful people keep a token."""
    assert codes(source(file="/dev/shm/oidc_token")) == set()


@pytest.mark.parametrize(
    "other",
    [{"file": "/t"}, {"url": "http://127.0.0.1/"}, {"executable": {"command": "/x"}}, {"environment_id": "aws1"}],
)
def test_a_certificate_beside_another_source(other: dict[str, Any]) -> None:
    """W15: clients differ in which they take."""
    text = source(certificate={"use_default_certificate_config": True}, **other)
    assert "WIF402" in codes(text, allow_executable=True)


@pytest.mark.parametrize("seconds", [999_999, 599, 0, -1, 10**30])
def test_lifetimes(seconds: int) -> None:
    """W15: Google allows 600 to 43,200 seconds."""
    assert codes(config(service_account_impersonation={"token_lifetime_seconds": seconds})) == {"WIF468"}
    assert codes(config(service_account_impersonation={"token_lifetime_seconds": 600})) == set()


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


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_are_held_to_googles_urls_too(kind: str) -> None:
    """D17: knowing a kind does not mean to let it go anywhere."""
    assert codes(config(**OTHER_KINDS[kind] | {"token_url": "https://sts.evil.example/v1/token"})) == {"WIF454"}


@pytest.mark.parametrize("kind", ["X.509, a certificate", "workforce", "AWS"])
def test_a_manifest_does_not_describe_them(kind: str) -> None:
    """D17."""
    assert "WIF460" in codes(config(**OTHER_KINDS[kind]), manifest=Manifest.parse(MANIFEST, origin="test"))


# The diff


def test_the_diff_shows_no_secret() -> None:
    """W18: the finding hid a client_secret that the diff below it printed."""
    text = config(
        audience=AUDIENCE.replace("circleci-acme", "other"),
        client_secret="hunter2-client",
        unknown={"hunter2-key": "hunter2-unknown"},
        credential_source={
            "url": "http://127.0.0.1/hunter2-path?hunter2-query",
            "headers": {"Authorization": "hunter2-header"},
        },
    )
    (found,) = [
        each
        for each in check_text("x.json", text, manifest=Manifest.parse(MANIFEST, origin="test"))
        if each.code == "WIF459"
    ]
    assert any("providers/other" in line for line in found.diff)
    assert any("client_secret" in line for line in found.diff)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("field", [*GOOD, "client_secret", "surprise"])
def test_no_finding_shows_a_token_wherever_it_is(field: str) -> None:
    """W18: whatever field a JWT was pasted into."""
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    for value in (token, {"url": token}, {"file": token}, {"executable": {"command": f"x {token}"}}, {token: token}):
        found = list(check_text("x.json", config(**{field: value}), manifest=Manifest.parse(MANIFEST, origin="test")))
        assert "WIF451" in {each.code for each in found}
        assert "c2lnbmF0dXJl" not in str(found)
        assert "eyJzdWIi" not in str(found)


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
