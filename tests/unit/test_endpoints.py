"""Which URLs are Google's. The shapes are those that google-auth accepted while it looked at URLs (to 2.16)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.endpoints import Endpoints, Url, parse_url
from gcp_wif.errors import InputError
from gcp_wif.names import ProviderName, ServiceAccountEmail

ACCOUNT = ServiceAccountEmail("deploy@acme-prod.iam.gserviceaccount.com")
PROVIDER = ProviderName.parse(
    "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme", origin="test"
)
ENDINGS = {
    "token_url": ("sts", "/v1/token"),
    "token_info_url": ("sts", "/v1/introspect"),
    "service_account_impersonation_url": (
        "iamcredentials",
        f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
    ),
}
GOOGLES = (
    "{S}.{U}", "europe-west4.{S}.{U}", "EUROPE-WEST4.{S}.{U}", "{S}.europe-west4.{U}", "{S}.EUROPE-WEST4.{U}",
    "europe-west4-{S}.{U}", "EUROPE-WEST4-{S}.{U}", "{S}-acme.p.{U}", "{S}.europe-west4.rep.{U}", "{S}.mtls.{U}",
    "europe-west4-{S}.mtls.{U}", "{S}-acme.p.mtls.{U}", "{S}.{U}:443",
)  # fmt: skip
NOT_GOOGLES = (
    "other.{U}", "{U}", "{S}.{U}.evil.example", "{S}.{U}evil.example", "evil.example", "evil.example/{S}.{U}",
    "evil.example#{S}.{U}", "evil.example?{S}.{U}", "{S}.{U}@evil.example", "{S}.{U}:443@evil.example",
    "{S}.{U}%2eevil.example", "{S}.{U}\\@evil.example", "{S}.{U}\\.evil.example", "user@{S}.{U}", "a.b.{S}.{U}",
    "{S}.a.b.{U}", "{S}-acme.{U}", "{S}-acme.x.p.{U}", "{S}-acme.p1.{U}", "acme-{S}.p.{U}", "-{S}.{U}", ".{S}.{U}",
    "{S}..{U}", "{S}-.p.{U}", "{S}{U}", "{S}.p{U}", "x{S}.{U}", "{S}x.{U}", "{S}.{U}:8443", "{S}.{U}:0443x", " {S}.{U}",
    "{S}\t.{U}", "{S}\n.{U}", "ｓ{S}.{U}", "{S}.{U}.", "a b.{S}.{U}", "a/b-{S}.{U}", "",
)  # fmt: skip


@pytest.mark.parametrize("field", ENDINGS)
@pytest.mark.parametrize("universe", ["googleapis.com", "sovereign.example"])
@pytest.mark.parametrize("host", GOOGLES)
def test_hosts_that_are_googles(host: str, universe: str, field: str) -> None:
    """D17: regional endpoints, private service connect and mutual TLS, in any universe."""
    service, ending = ENDINGS[field]
    url = "https://" + host.format(S=service, U=universe) + ending
    assert Endpoints(universe).fault_of(field, url) is None
    assert Endpoints("elsewhere.example").fault_of(field, url) == "host"
    assert Endpoints(universe).fault_of(field, url.replace("https", "http")) == "host"
    assert Endpoints(universe).fault_of(field, url + "x") == "path"


@pytest.mark.parametrize("field", ENDINGS)
@pytest.mark.parametrize("host", NOT_GOOGLES)
def test_hosts_that_are_not(host: str, field: str) -> None:
    """W10, W15, D17: near misses of each shape."""
    service, ending = ENDINGS[field]
    for scheme in ("https://", "HTTPS://", "hhttps://", "https:/", "//", ""):
        url = scheme + host.format(S=service, U="googleapis.com") + ending
        assert Endpoints().fault_of(field, url) == "host", url


def test_the_services_are_not_mixed_up() -> None:
    """A federated token sent to STS's introspection is not impersonation: each field has its own service."""
    for field, (service, _) in ENDINGS.items():
        for other, (_, ending) in ENDINGS.items():
            if other != field:
                assert Endpoints().fault_of(field, f"https://{service}.googleapis.com{ending}") == "path"


def test_our_own_urls_are_googles() -> None:
    for endpoints in (Endpoints(), Endpoints("sovereign.example"), Endpoints(emulator="127.0.0.1:8080")):
        for account in (ACCOUNT, None):
            config = CredentialConfig.build(PROVIDER, FileSource("/t"), endpoints, service_account=account)
            assert config.misdirected_urls(endpoints) == ()
    assert len(CredentialConfig.build(PROVIDER, FileSource("/t"), Endpoints()).misdirected_urls(endpoints)) == 2


def test_with_the_emulator_only_the_emulator_is_right() -> None:
    endpoints = Endpoints(emulator="127.0.0.1:8080")
    for url in ("http://127.0.0.1:80801/v1/token", "http://127.0.0.1:8080@evil.example/v1/token"):
        assert endpoints.fault_of("token_url", url) == "host"
    assert endpoints.fault_of("token_url", "https://sts.googleapis.com/v1/token") == "host"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:80/x?y#z", Url("http", "127.0.0.1", 80, "/x?y#z")),
        ("HTTPS://Example.COM", Url("https", "example.com", None, "")),
        ("https://[::1]/", Url("https", "[::1]", None, "/")),
        ("https://a_b.example:65535?x", Url("https", "a_b.example", 65535, "?x")),
    ],
)
def test_urls_are_read(text: str, expected: Url) -> None:
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.255.0.9", True), ("localhost", True), ("[::1]", True), ("128.0.0.1", False),
        ("127.0.0.1.evil.example", False), ("localhost.evil.example", False), ("evil.localhost", False),
        ("127.evil.example", False),
    ],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    """W15."""
    found = parse_url(f"http://{host}/")
    assert found is not None
    assert found.is_loopback is loopback


@given(st.text(alphabet="ab.:/@\\#?[]0127 \n\x00é%", max_size=20))
@example("[00]")
@example("[::1]/")
def test_a_url_that_is_read_goes_where_python_and_browsers_go(rest: str) -> None:
    """W15: what is accepted has one meaning: urllib's host is ours, and nothing is left out of the text."""
    from urllib.parse import urlsplit

    found = parse_url("http://" + rest)
    if found is not None:
        parts = urlsplit("http://" + rest)
        assert (parts.hostname or "").strip("[]") == found.host.strip("[]")
        assert parts.port == found.port
        assert parts.username is None
        assert rest.lower().startswith(found.host)
        assert rest.endswith(found.rest)


@pytest.mark.parametrize("host", ["sts.{U}", "us-east1-sts.{U}", "sts.us-east1.rep.{U}", "sts-acme.p.{U}"])
def test_verify_takes_regional_configs(
    host: str, run_context: Any, make_jwt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D17: and sends the token where the config says; W10: not to another universe that the config chose."""
    from gcp_wif.job import exchange
    from gcp_wif.job.exchange import AccessToken
    from gcp_wif.job.verify import verify

    sent: list[str] = []

    def record(config: CredentialConfig, environ: Mapping[str, str]) -> AccessToken:
        sent.append(config.token_url)
        return AccessToken("secret", datetime(2030, 1, 1, tzinfo=UTC))

    monkeypatch.setattr(exchange, "exchange", record)
    path, token = tmp_path / "config.json", tmp_path / "token"
    context = run_context()
    token.write_text(make_jwt(now=context.clock()))
    url = f"https://{host.format(U='googleapis.com')}/v1/token"
    config = CredentialConfig.build(PROVIDER, FileSource(str(token)), Endpoints(), service_account=ACCOUNT)
    path.write_text(config._replace(token_url=url).to_json())
    verify(path, Endpoints(), context)
    assert sent == [url]
    path.write_text(config._replace(token_url=url.replace("googleapis.com", "evil.example")).to_json())
    with pytest.raises(InputError) as caught:
        verify(path, Endpoints(), context)
    assert caught.value.code == "WIF405"
    assert sent == [url]
