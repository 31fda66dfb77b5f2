"""Where a committed credential config fetches its token, and what it reads as one: URLs and paths of hostile origin."""

from typing import Any

import pytest
from committed import AWS, AWS_TYPE, codes, config, source

from gcp_wif.config_lint import check_text

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
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "http://evil.example/",
        "http://sts.amazonaws.com.evil.com",
        "https://sts.us-east-1.amazonaws.com.evil.example/",
        "https://sts.us-east-1.amazonaws.com:8443/",
    ],
)
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
