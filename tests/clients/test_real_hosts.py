"""Production configs, byte for byte, against the emulator as Google's own host names: clients that are not ours."""

import itertools
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from google.auth import exceptions, iam, identity_pool
from google.auth.transport.requests import Request
from google.oauth2 import id_token, service_account
from google_setup import Google

from gcp_wif.emulator import Emulator
from gcp_wif.issuers import FALLBACK, kinds, profile

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture(scope="module")
def google() -> Iterator[Google]:
    with Emulator(proxy_port=0) as running:
        made = Google(running)
        made.provision()
        yield made


@pytest.fixture
def job(google: Google, cli, tmp_path: Path) -> dict[str, str]:
    """What the next step of a job that has logged in has: the proxy, its CA, and the exports."""
    variables = {name: value for name, value in google.job().items() if not name.startswith("GCP_WIF_EMULATOR")}
    done = cli("login", **variables, **google.emulator.environ(real_hosts=True))
    assert done.returncode == 0, done.stderr
    config = tmp_path / "home/gcp_cred_config.json"
    exports = {"GOOGLE_APPLICATION_CREDENTIALS": str(config), "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(config)}
    home = {"HOME": str(tmp_path), "PATH": cli.env["PATH"], "GOOGLE_CLOUD_PROJECT": "acme-prod"}
    return home | exports | google.emulator.environ(real_hosts=True)


def _run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_the_config_is_the_one_of_production(job: dict[str, str]) -> None:
    text = Path(job["GOOGLE_APPLICATION_CREDENTIALS"]).read_text()
    assert json.loads(text)["token_url"] == "https://sts.googleapis.com/v1/token"
    assert "127.0.0.1" not in text


@pytest.mark.client
def test_gcloud(google: Google, job: dict[str, str], require_client: Callable[..., str]) -> None:
    require_client("gcloud", proves="that gcloud takes the proxy for Google")
    run = _run(["gcloud", "auth", "print-access-token"], job)
    assert run.stdout.startswith("ya29."), run.stderr
    grant = google.emulator.state.grant(run.stdout.strip())
    assert grant is not None
    assert grant.principals == (f"serviceAccount:{google.account}",)


@pytest.mark.client
def test_curl_sees_google_and_nothing_else(job: dict[str, str], require_client: Callable[..., str]) -> None:
    require_client("curl", proves="that other hosts are refused")

    def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["curl", "-sS", *arguments], env=job, capture_output=True, text=True, timeout=60, check=False
        )

    document = json.loads(curl("https://oidc.circleci.com/.well-known/openid-configuration").stdout)
    assert document["issuer"] == "https://oidc.circleci.com"
    assert len(json.loads(curl(document["jwks_uri"]).stdout)["keys"]) == 2
    assert "403" in curl("https://example.com/").stderr
    assert "403" in curl("https://sts.googleapis.com.evil.example/").stderr
    assert "403" in curl("https://sts.googleapis.com:444/v1/token").stderr
    # A path of another of Google's hosts
    assert json.loads(curl("https://sts.googleapis.com/storage/v1/b").stdout)["error"]["code"] == 404


def issuers_of_kinds() -> list[str]:
    """``iss`` of a token of each kind, and of each of its sorts."""
    known = [profile(kind) for kind in kinds() if kind != FALLBACK]
    sorts = [
        (each, dict(zip(each.sample_options, chosen, strict=True)))
        for each in known
        for chosen in itertools.product(*each.sample_options.values())
    ]
    return sorted({str(each.sample({}, 0, **options)["iss"]) for each, options in sorts})


@pytest.mark.parametrize("issuer", issuers_of_kinds())
def test_each_issuer_publishes_its_keys_under_its_own_name(google: Google, issuer: str) -> None:
    env = google.emulator.environ(real_hosts=True)
    with requests.Session() as web:
        web.trust_env, web.proxies, web.verify = False, {"https": env["HTTPS_PROXY"]}, env["REQUESTS_CA_BUNDLE"]
        document = web.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
        assert document["issuer"] == issuer
        assert urlsplit(document["jwks_uri"]).hostname == urlsplit(issuer).hostname
        assert len(web.get(document["jwks_uri"], timeout=10).json()["keys"]) == 2


def test_storage_lists_for_a_valid_token_alone(google: Google, job: dict[str, str]) -> None:
    script = (
        "from google.cloud import storage\n"
        "print([bucket.name for bucket in storage.Client().list_buckets()])\n"
        "print(list(storage.Client().list_blobs('some-bucket')))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env=job, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.splitlines() == ["['acme-prod-bucket']", "[]"], run.stderr
    listing = "https://storage.googleapis.com/storage/v1/b/some-bucket/o"
    for header, words in ((), "Anonymous caller does not have storage.objects.list access"), (
        ("-H", "Authorization: Bearer ya29.c.invalid"), "Request had invalid authentication credentials",
    ):  # fmt: skip
        refused = json.loads(_run(["curl", "-sS", *header, listing], job).stdout)["error"]
        assert refused["code"] == 401
        assert words in refused["message"]


def test_grpc_goes_to_the_grpc_server(google: Google, job: dict[str, str]) -> None:
    script = (
        "from google.cloud import iam_admin_v1\n"
        "from google.api_core import exceptions\n"
        "try:\n"
        "    list(iam_admin_v1.IAMClient().list_service_accounts(name='projects/acme-prod'))\n"
        "except exceptions.PermissionDenied as error:\n"
        "    print(error.reason)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env=job, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout == "IAM_PERMISSION_DENIED\n", run.stderr
    assert google.emulator.requests()[-1]["method"] == "GRPC"


@pytest.fixture
def session(google: Google, monkeypatch: pytest.MonkeyPatch) -> Request:
    """google-auth's transport in this process, through the proxy."""
    for name, value in google.emulator.environ(real_hosts=True).items():
        monkeypatch.setenv(name, value)
    return Request(requests.Session())


def test_id_tokens_are_verified_by_google_auth_itself(google: Google, session, tmp_path: Path) -> None:
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{google.account}:generateIdToken"
    bearer = {"Authorization": f"Bearer {_impersonated(google, tmp_path, session, federated=True).token}"}
    body = {"audience": "https://service.example", "includeEmail": True}
    token = requests.post(url, json=body, headers=bearer, timeout=10).json()["token"]
    claims = id_token.verify_oauth2_token(token, session, "https://service.example")
    assert claims["email"] == google.account
    forged = token[:-6] + "AAAAAA"
    with pytest.raises(ValueError, match="verify"):
        id_token.verify_oauth2_token(forged, session, "https://service.example")


def test_a_signed_jwt_is_delegated_where_an_admin_said_so(google: Google, session, tmp_path: Path) -> None:
    """B33: signJwt answered 404."""
    _may_sign(google)
    source = _impersonated(google, tmp_path, session)
    signer = iam.Signer(session, source, google.account)
    delegated = service_account.Credentials(
        signer, google.account, "https://oauth2.googleapis.com/token", scopes=[SCOPE], subject="a@example.com"
    )
    with pytest.raises(exceptions.RefreshError, match="unauthorized_client"):
        delegated.refresh(session)
    google.emulator.faults(delegated_accounts=[google.account])
    delegated.refresh(session)
    grant = google.emulator.state.grant(delegated.token)
    assert grant is not None
    assert grant.principals == ("user:a@example.com",)


def test_a_blob_is_signed_by_the_key_that_is_published(google: Google, session, tmp_path: Path) -> None:
    """B33: signBlob answered 404."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    _may_sign(google)
    signature = iam.Signer(session, _impersonated(google, tmp_path, session), google.account).sign(b"data")
    url = f"https://www.googleapis.com/service_accounts/v1/metadata/x509/{google.account}"
    (pem,) = requests.get(url, timeout=10).json().values()
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    key.verify(signature, b"data", padding.PKCS1v15(), hashes.SHA256())


def _impersonated(google: Google, folder: Path, session, *, federated: bool = False) -> identity_pool.Credentials:
    (folder / "token").write_text(google.emulator.token())
    made = identity_pool.Credentials(
        google.provider.audience,
        "urn:ietf:params:oauth:token-type:jwt",
        "https://sts.googleapis.com/v1/token",
        {"file": str(folder / "token")},
        service_account_impersonation_url=None
        if federated
        else f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{google.account}:generateAccessToken",
        scopes=[SCOPE],
    )
    made.refresh(session)
    return made


def _may_sign(google: Google) -> None:
    member = f"serviceAccount:{google.account}"
    policy = google.emulator.state.accounts.get(google.account).policy
    policy.bindings = [each for each in policy.bindings if "TokenCreator" not in each["role"]]
    policy.bindings.append({"role": "roles/iam.serviceAccountTokenCreator", "members": [member]})


def test_the_ca_is_its_own(google: Google) -> None:
    """Without the emulator's CA nobody believes it; with it only these hosts have certificates."""
    address = urlsplit(google.emulator.proxy)
    for context in (ssl.create_default_context(), ssl.create_default_context(cafile=google.emulator.ca)):
        with socket.create_connection((address.hostname, address.port), timeout=10) as plain:
            plain.sendall(b"CONNECT sts.googleapis.com:443 HTTP/1.1\r\n\r\n")
            assert plain.recv(100).startswith(b"HTTP/1.1 200")
            if context.cert_store_stats()["x509_ca"] > 1:
                with pytest.raises(ssl.SSLCertVerificationError):
                    context.wrap_socket(plain, server_hostname="sts.googleapis.com")
            else:
                with context.wrap_socket(plain, server_hostname="sts.googleapis.com") as secure:
                    assert ("DNS", "sts.googleapis.com") in secure.getpeercert()["subjectAltName"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://sts.googleapis.com/ HTTP/1.1\r\n\r\n",
        b"CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n",
        b"CONNECT sts.googleapis.com:80 HTTP/1.1\r\n\r\n",
        b"CONNECT sts.googleapis.com HTTP/1.1\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n",
        b"CONNECT sts.googleapis.com.:443 HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_everything_else_is_refused(google: Google, head: bytes) -> None:
    address = urlsplit(google.emulator.proxy)
    with socket.create_connection((address.hostname, address.port), timeout=10) as plain:
        plain.sendall(head)
        assert plain.recv(100).startswith(b"HTTP/1.1 403")


def test_a_head_without_end_is_dropped(google: Google) -> None:
    address = urlsplit(google.emulator.proxy)
    with socket.create_connection((address.hostname, address.port), timeout=10) as plain:
        try:
            plain.sendall(b"X" * 64 * 1024)
            answered = plain.recv(1)
        except ConnectionResetError:
            answered = b""
        assert answered == b""
