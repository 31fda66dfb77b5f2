"""Each shape of a secret is found, and what only resembles one is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.config_lint.secrets import _PREFIXES, has_secret_shape, secret_findings

BEHIND = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789"


@pytest.mark.parametrize(
    ("prefix", "length"), [(prefix, length) for length, _, prefixes in _PREFIXES for prefix in prefixes.split()]
)
def test_each_prefix(prefix: str, length: int) -> None:
    """W15."""
    secret = prefix + BEHIND[:length]
    for text in (secret, f'{{"a": "{secret}"}}', f"x={secret}", f"/{secret}/", f"# {secret}"):
        (found,) = secret_findings("x", "\n" + text, None)
        assert (found.code, found.line) == ("WIF451", 2)
        assert BEHIND[:length] not in str(found)
    assert not has_secret_shape(prefix + BEHIND[: length - 1])
    assert not has_secret_shape("word" + secret)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
        "prefix-eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "abcdefghijklmn.atlasv1." + BEHIND[:40],
        "DefaultEndpointsProtocol=https;AccountKey=" + BEHIND,
        "abc8Q~" + BEHIND[:31],
        "https://hooks.slack.com/services/T00000000/B00000000/x",
        "https://user:password@host/",
        "redis://:password@host/",
        "https://host/?sig=abcdefgh",
        "https://host/?x=y&private_token=abcdefgh",
    ],
)
def test_other_shapes(text: str) -> None:
    """W15."""
    assert has_secret_shape(text)


@pytest.mark.parametrize(
    "text",
    [
        "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/acme",
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken",
        "urn:ietf:params:oauth:token-type:jwt",
        "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://x",
        "https://user:${PASSWORD}@host/",
        "https://user:<password>@host/",
        "https://host:8080/a@b",
        "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04",
        "-----BEGIN CERTIFICATE-----",
        "eyJ",
        "docs about ghp_ and glpat- tokens",
    ],
)
def test_what_is_no_secret(text: str) -> None:
    """W15."""
    assert not has_secret_shape(text)


def test_lines_are_those_of_the_secrets() -> None:
    token = "ghp_" + BEHIND[:36]
    text = f"a\n{token}\n\n{token} {token}\nb\n{token}"
    assert [each.line for each in secret_findings("x", text, None)] == [2, 4, 6]


@given(st.text(alphabet="eyJ.-_ax\n", max_size=60), st.text(alphabet="eyJ._\n -", max_size=6))
def test_a_jwt_is_found_wherever_it_is(before: str, between: str) -> None:
    """W21: the pattern that reads no run twice finds what the plain one found."""
    text = before + between + "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0"
    assert has_secret_shape(text)
