"""Secrets in committed credential configs: found wherever they are, and repeated in no message and no diff."""

import pytest
from committed import AUDIENCE, GOOD, codes, config, source
from provisioned import MANIFEST

from gcp_wif.config_lint import check_text
from gcp_wif.manifest import Manifest

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
@pytest.mark.parametrize(
    "token",
    ["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl", "glpat-c2lnbmF0dXJlc2lnbmF0", "hvs.c2lnbmF0dXJlc2lnbmF0"],
)
def test_no_finding_shows_a_token_wherever_it_is(token: str, field: str) -> None:
    """W18: whatever field a token was pasted into."""
    for value in (token, {"url": token}, {"file": token}, {"executable": {"command": f"x {token}"}}, {token: token}):
        found = list(check_text("x.json", config(**{field: value}), manifest=Manifest.parse(MANIFEST, origin="test")))
        assert "WIF451" in {each.code for each in found}
        assert "c2lnbmF0dXJl" not in str(found)
        assert "eyJzdWIi" not in str(found)
