"""Every refusal that the emulator knows: one mistake each, made by a real client, answered in Google's words.

The words are typed here once more, from Google's documents and from what people quote, so that the table in
`gcp_wif.refusals` cannot change unnoticed.
"""

import ast
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from code_sites import PACKAGE
from google.auth import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials as BearerCredentials
from google_setup import ACCOUNT, PROVIDER, Google
from real_client import SCOPES, login

from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.names import Principal, ProviderName
from gcp_wif.refusals import RefusalKind, recognise

POOLS = "/v1/projects/123456789012/locations/global/workloadIdentityPools"


def refused(google: Google, token: str | None = None, **changes: Any) -> str:
    """What google-auth says when Google refuses."""
    with pytest.raises(exceptions.GoogleAuthError) as caught:
        login(google, token, **changes)
    return " ".join(str(part) for part in caught.value.args)


def federated(google: Google) -> AuthorizedSession:
    """A session with the federated token alone."""
    token = login(google, service_account_impersonation_url=None).token
    return AuthorizedSession(BearerCredentials(token))


def created(google: Google, **changes: Any) -> requests.Response:
    """The answer to creating a provider."""
    http = google.emulator.http
    requests.post(f"{http}{POOLS}?workloadIdentityPoolId=other", json={}, timeout=10)
    body = {
        "attributeMapping": {"google.subject": "assertion.sub"},
        "oidc": {"issuerUri": f"https://oidc.circleci.com/org/{ORGANIZATION_ID}"},
    } | changes
    return requests.post(
        f"{http}{POOLS}/other/providers?workloadIdentityPoolProviderId=circleci", json=body, timeout=10
    )


def error_of(response: requests.Response) -> str:
    error = response.json()["error"]
    assert error["code"] == response.status_code
    return f"{error['status']} {response.status_code}: {error['message']}"


def _long_lifetime(google: Google) -> str:
    return refused(google, service_account_impersonation_options={"token_lifetime_seconds": 7200})


def _of_scope(google: Google, scope: str) -> requests.Response:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": google.provider.audience,
        "scope": scope, "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "subject_token": google.emulator.token(),
    }  # fmt: skip
    return requests.post(f"{google.emulator.http}/v1/token", data=form, timeout=10)


def _narrow_scope(google: Google) -> str:
    token = _of_scope(google, "https://www.googleapis.com/auth/devstorage.read_only").json()["access_token"]
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    return error_of(AuthorizedSession(BearerCredentials(token)).post(url, json={"scope": SCOPES}))


def _disabled_account(google: Google) -> str:
    requests.post(f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}:disable", json={}, timeout=10)
    return refused(google)


def _no_id_token(google: Google) -> str:
    google.provision(accounts={ACCOUNT: []})
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateIdToken"
    return error_of(federated(google).post(url, json={"audience": "https://service.example"}))


def _foreign_bearer(google: Google) -> str:
    session = AuthorizedSession(BearerCredentials("ya29.nobody"), max_refresh_attempts=0)
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    return error_of(session.post(url, json={"scope": SCOPES}))


def _disabled_api(google: Google) -> str:
    google.emulator.faults(disabled_services=["iamcredentials.googleapis.com"])
    return refused(google)


def _exists(google: Google) -> str:
    assert created(google).ok
    return error_of(created(google))


def _org_policy(google: Google) -> str:
    google.emulator.faults(issuer_allow_list=["https://other.example"])
    return error_of(created(google))


def _stale_etag(google: Google) -> str:
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}"
    etag = requests.post(f"{url}:getIamPolicy", timeout=10).json()["etag"]
    policy = {"bindings": [], "etag": etag}
    assert requests.post(f"{url}:setIamPolicy", json={"policy": policy}, timeout=10).ok
    return error_of(requests.post(f"{url}:setIamPolicy", json={"policy": policy}, timeout=10))


def _throttled(google: Google) -> str:
    google.emulator.faults(sts_per_minute=0)
    return refused(google)


def _mapped(mapping: dict[str, str], **claims: Any) -> Callable[[Google], str]:
    def make(google: Google) -> str:
        google.provision(mapping={"google.subject": "assertion.sub"} | mapping)
        return refused(google, google.emulator.token(**claims))

    return make


def _condition(google: Google) -> str:
    google.provision(condition="assertion['oidc.circleci.com/vcs-ref'] == 'refs/heads/other'")
    return refused(google)


def _wrong_provider(google: Google) -> str:
    wrong = ProviderName(PROVIDER.project_number, PROVIDER.pool_id, "wrong")  # type: ignore[arg-type]
    return refused(google, audience=wrong.audience)


NOW = int(time.time())
MISTAKES: dict[RefusalKind, tuple[Callable[[Google], str], tuple[str, ...]]] = {
    RefusalKind.AUDIENCE_MALFORMED: (
        lambda google: refused(google, audience=PROVIDER.audience.replace("123456789012", "acme-identity")),
        (
            "invalid_request",
            'Invalid value for "audience". This value should be the full resource name of the Identity Provider.',
        ),
    ),
    RefusalKind.TARGET_UNUSABLE: (
        _wrong_provider,
        (
            "invalid_target",
            'The target service indicated by the "audience" parameters is invalid. This might either be because the '
            "pool or provider is disabled or deleted or because it doesn't exist.",
        ),
    ),
    RefusalKind.AUDIENCE_MISMATCH: (
        lambda google: refused(google, google.emulator.token(aud="someone-else")),
        ("invalid_grant", "The audience in ID Token [someone-else] does not match the expected audience."),
    ),
    RefusalKind.ISSUER_MISMATCH: (
        lambda google: refused(google, google.emulator.token(iss="https://evil.example")),
        (
            "invalid_grant",
            "The issuer in ID Token https://evil.example does not match the expected one in config: "
            f"https://oidc.circleci.com/org/{ORGANIZATION_ID}",
        ),
    ),
    RefusalKind.TOKEN_STALE: (
        lambda google: refused(google, google.emulator.token(iat=NOW - 7200, exp=NOW - 3600)),
        ("invalid_grant", f"ID Token issued at {NOW - 7200} is stale to sign-in."),
    ),
    RefusalKind.SIGNATURE_INVALID: (
        lambda google: refused(google, google.emulator.token(stranger=True)),
        ("invalid_grant", "Unable to verify the ID Token signature."),
    ),
    RefusalKind.ISSUER_UNREACHABLE: (
        lambda google: refused(google, google.emulator.token({"kid": "unknown"})),
        ("invalid_grant", "Error connecting to the given credential's issuer."),
    ),
    RefusalKind.CONDITION_FALSE: (
        _condition,
        ("unauthorized_client", "The given credential is rejected by the attribute condition."),
    ),
    RefusalKind.SUBJECT_UNMAPPED: (
        lambda google: refused(google, google.emulator.token(sub="")),
        ("unauthorized_client", "Could not obtain a value for google.subject from the given credential."),
    ),
    RefusalKind.SUBJECT_TOO_LONG: (
        lambda google: refused(google, google.emulator.token(version=2)),
        ("invalid_request", "The size of mapped attribute google.subject exceeds the 127 bytes limit."),
    ),
    RefusalKind.ATTRIBUTES_TOO_LARGE: (
        _mapped({"attribute.big": "assertion.big"}, big="x" * 9000),
        ("invalid_request", "exceeds the 8 KB limit"),
    ),
    RefusalKind.ATTRIBUTE_TYPE: (
        _mapped({"attribute.flag": "assertion.flag"}, flag=True),
        ("unauthorized_client", "The mapped attribute 'attribute.flag' must be of type STRING."),
    ),
    RefusalKind.TOKEN_UNREADABLE: (
        lambda google: refused(google, "no.token.at-all"),
        ("invalid_grant", "Unable to parse the ID Token."),
    ),
    RefusalKind.SCOPE_INVALID: (
        lambda google: _of_scope(google, "foo").text,
        ("invalid_scope", "Invalid OAuth scope or ID token audience provided."),
    ),
    RefusalKind.SCOPES_INSUFFICIENT: (
        _narrow_scope,
        ("403", "Request had insufficient authentication scopes."),
    ),
    RefusalKind.MAPPING_FAILED: (
        _mapped({"attribute.part": "assertion.sub.split('/')[99]"}),
        ("invalid_grant", "The attribute mapping could not be evaluated"),
    ),
    RefusalKind.THROTTLED: (
        _throttled,
        ("quota_exceeded", "The request was throttled due to rate limit: sts.googleapis.com/requests."),
    ),
    RefusalKind.TOKEN_TYPE_UNSUPPORTED: (
        lambda google: refused(google, subject_token_type="urn:ietf:params:oauth:token-type:saml2"),
        ("invalid_request", 'Invalid value for "subject_token_type".'),
    ),
    RefusalKind.IMPERSONATION_DENIED: (
        lambda google: refused(google, google.emulator.token(project="99aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b")),
        ("403", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."),
    ),
    RefusalKind.ID_TOKEN_DENIED: (
        _no_id_token,
        ("403", "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist)."),
    ),
    RefusalKind.LIFETIME_TOO_LONG: (
        _long_lifetime,
        (
            "can not have lifetimes of more than 1 hour. Use the Org Policy Constraint "
            "constraints/iam.allowServiceAccountCredentialLifetimeExtension",
        ),
    ),
    RefusalKind.ACCOUNT_DISABLED: (_disabled_account, ("is disabled",)),
    RefusalKind.CREDENTIALS_UNACCEPTED: (
        _foreign_bearer,
        ("401", "Request had invalid authentication credentials. Expected OAuth 2 access token"),
    ),
    RefusalKind.API_DISABLED: (
        _disabled_api,
        ("IAM Service Account Credentials API has not been used in project", "before or it is disabled"),
    ),
    RefusalKind.CONDITION_REQUIRED: (
        lambda google: error_of(created(google, oidc={"issuerUri": "https://oidc.circleci.com"})),
        ("INVALID_ARGUMENT 400", "The attribute condition must reference one of the provider's claims."),
    ),
    RefusalKind.ISSUER_NOT_HTTPS: (
        lambda google: error_of(created(google, oidc={"issuerUri": "http://oidc.circleci.com/org/x"})),
        ("INVALID_ARGUMENT 400", "Invalid OIDC issuer URI. The scheme must be https."),
    ),
    RefusalKind.ALREADY_EXISTS: (_exists, ("ALREADY_EXISTS 409", "Requested entity already exists")),
    RefusalKind.ORG_POLICY: (
        _org_policy,
        (
            "FAILED_PRECONDITION 400",
            f"Org Policy violated for value: 'https://oidc.circleci.com/org/{ORGANIZATION_ID}'",
        ),
    ),
    RefusalKind.CONCURRENT_POLICY: (
        _stale_etag,
        (
            "ABORTED 409",
            "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
        ),
    ),
}


def test_a_healthy_setup_is_not_refused(google: Google) -> None:
    credentials = login(google)
    assert credentials.token.startswith("ya29.")
    assert created(google).ok


def test_every_refusal_of_the_emulators_has_its_mistake() -> None:
    """The table also has what only clients and other APIs say; the emulator says what it and `federation` name."""
    said = {
        node.attr
        for folder in ("emulator", "federation")
        for path in (PACKAGE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "RefusalKind"
    }
    assert {kind.name for kind in MISTAKES} == said


@pytest.mark.parametrize("kind", MISTAKES, ids=lambda kind: kind.name)
def test_the_mistake_is_refused_in_googles_words(kind: RefusalKind, google: Google) -> None:
    make, words = MISTAKES[kind]
    said = make(google)
    for each in words:
        assert each in said
    found = recognise(said)
    assert found is not None
    assert found.kind is kind
    assert "eyJ" not in json.dumps(google.emulator.requests())
    assert google.emulator.crashes == []


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iat": None}, id="no iat"),
        pytest.param({"iat": NOW + 3000}, id="iat to come"),
        pytest.param({"exp": NOW - 61}, id="expired"),
        pytest.param({"iat": NOW - 90_000}, id="older than a day"),
        pytest.param({"exp": None}, id="no exp"),
        pytest.param({"exp": "soon"}, id="exp is text"),
        pytest.param({"iat": True}, id="iat is a bool"),
    ],
)
def test_times_that_google_does_not_take(claims: dict[str, Any], google: Google) -> None:
    assert "stale to sign-in" in refused(google, google.emulator.token(**claims))


@pytest.mark.parametrize("change", ["disable", "delete"])
@pytest.mark.parametrize("what", ["", "/providers/circleci-acme"], ids=["pool", "provider"])
def test_disabled_and_deleted_pools_and_providers_refuse(what: str, change: str, google: Google) -> None:
    url = f"{google.emulator.http}{POOLS}/circleci{what}"
    if change == "disable":
        assert requests.patch(f"{url}?updateMask=disabled", json={"disabled": True}, timeout=10).ok
    else:
        assert requests.delete(url, timeout=10).ok
    assert "invalid_target" in refused(google)
    if change == "delete":
        assert requests.post(f"{url}:undelete", json={}, timeout=10).ok
    else:
        assert requests.patch(f"{url}?updateMask=disabled", json={"disabled": False}, timeout=10).ok
    assert login(google).token


@pytest.mark.parametrize("header", [{"alg": "HS256"}, {"alg": "none"}, {"kid": None}], ids=str)
def test_algorithms_and_keys_that_google_does_not_take(header: dict[str, Any], google: Google) -> None:
    token = google.emulator.token(header)
    if header.get("alg"):  # the emulator signs with no other algorithm, so the header is forged
        head, rest = token.split(".", 1)
        import base64

        fields = json.loads(base64.urlsafe_b64decode(head + "==")) | header
        token = base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode() + "." + rest
    assert "invalid_" in refused(google, token)


def test_es256_and_several_audiences_are_taken(google: Google) -> None:
    assert login(google, google.emulator.token({"alg": "ES256"}, aud=["x", ORGANIZATION_ID])).token


def test_a_federated_token_lives_no_longer_than_the_subject_token(google: Google) -> None:
    short = google.emulator.token(exp=int(time.time()) + 100)
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": google.provider.audience,
        "scope": SCOPES[0],
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": short,
    }
    url = f"{google.emulator.http}/v1/token"
    assert 90 <= requests.post(url, data=form, timeout=10).json()["expires_in"] <= 100
    token = google.emulator.token(exp=int(time.time()) + 20_000)
    assert requests.post(url, data=form | {"subject_token": token}, timeout=10).json()["expires_in"] == 3600


@pytest.mark.parametrize(
    ("member", "admitted"),
    [
        (Principal.subject(PROVIDER.pool, f"org/{ORGANIZATION_ID}/project/{PROJECT_ID}/user/U"), True),
        (Principal.subject(PROVIDER.pool, f"org/{ORGANIZATION_ID}/project/{PROJECT_ID}/user/V"), False),
        (Principal.group(PROVIDER.pool, "one"), True),
        (Principal.group(PROVIDER.pool, "three"), False),
        (Principal.attribute(PROVIDER.pool, "project", PROJECT_ID), True),
        (Principal.attribute(PROVIDER.pool, "project", PROJECT_ID.upper()), False),
        (Principal.attribute(PROVIDER.pool, "other", PROJECT_ID), False),
        (Principal.whole_pool(PROVIDER.pool), True),
        (f"user:{ACCOUNT}", False),
    ],
)
def test_principals_that_a_binding_may_name(member: str, admitted: bool, google: Google) -> None:
    google.provision(
        mapping={
            "google.subject": "assertion.sub",
            "google.groups": "['one', 'two']",
            "attribute.project": "assertion['oidc.circleci.com/project-id']",
        },
        accounts={ACCOUNT: [member]},
    )
    token = google.emulator.token(user="U")
    if admitted:
        assert login(google, token).token
    else:
        assert "getAccessToken" in refused(google, token)


def test_a_conditional_binding_admits_nobody(google: Google) -> None:
    url = f"{google.emulator.http}/v1/projects/-/serviceAccounts/{ACCOUNT}"
    binding = {
        "role": "roles/iam.workloadIdentityUser",
        "members": [Principal.whole_pool(PROVIDER.pool)],
        "condition": {"title": "never", "expression": "false"},
    }
    body = {"policy": {"version": 3, "bindings": [binding]}}
    assert requests.post(f"{url}:setIamPolicy", json=body, timeout=10).ok
    assert "getAccessToken" in refused(google)


def test_direct_federation_is_seen_by_resource_checks(google: Google) -> None:
    member = str(Principal.attribute(PROVIDER.pool, "project", PROJECT_ID))
    google.provision(roles={"acme-prod": {"roles/storage.objectViewer": [member]}})
    url = f"{google.emulator.http}/v1/projects/{{}}:testIamPermissions"
    body = {"permissions": ["storage.objects.get", "storage.objects.create"]}
    session = federated(google)
    assert session.post(url.format("acme-prod"), json=body).json() == {"permissions": ["storage.objects.get"]}
    assert session.post(url.format("acme-stage"), json=body).json() == {}
