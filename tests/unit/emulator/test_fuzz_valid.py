"""Nearly valid requests: each starts as one that Google takes and is then changed a little, so that it gets deep.

`test_fuzz` throws things that resemble nothing at the front door; this gets past it: signed tokens with odd claims,
providers with odd expressions, policies with one wrong leaf.
"""

import copy
import json
import random
from typing import Any

import grpc
import pytest
import requests
from google_setup import ACCOUNT, PROVIDER, Google
from werkzeug.test import Client, TestResponse

from gcp_wif.emulator.transport.grpc import _message, _methods

SEED = 20_261_124
REQUESTS = 8000
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
POOLS = "/v1/projects/123456789012/locations/global/workloadIdentityPools"
ONE = f"/v1/projects/-/serviceAccounts/{ACCOUNT}"

PROVIDER_BODY = {
    "displayName": "d",
    "disabled": False,
    "attributeMapping": {"google.subject": "assertion.sub", "google.groups": "['a']", "attribute.a": "assertion.x[0]"},
    "attributeCondition": "assertion.sub.startsWith('org') && attribute.a == 'x'",
    "oidc": {
        "issuerUri": "https://issuer.example/x",
        "allowedAudiences": ["a"],
        "jwksJson": '{"keys": [{"kty": "EC", "kid": "a", "crv": "P-256", "x": "AQ", "y": "AQ"}]}',
        "discoveryUri": "https://issuer.example/.well-known/x",
    },
}
POLICY = {
    "policy": {
        "version": 3,
        "bindings": [
            {
                "role": "roles/iam.workloadIdentityUser",
                "members": [f"principalSet://iam.googleapis.com/{PROVIDER.pool}/*"],
                "condition": {"title": "t", "expression": "true"},
            },
            {"role": "roles/viewer", "members": ["user:a@example.com", f"serviceAccount:{ACCOUNT}"]},
        ],
    },
    "updateMask": "bindings,etag",
}
VALID: list[tuple[str, str, dict[str, str], Any]] = [
    ("POST", POOLS, {"workloadIdentityPoolId": "pool-#"}, {"displayName": "a", "mode": "FEDERATION_ONLY"}),
    ("POST", f"{POOLS}/circleci/providers", {"workloadIdentityPoolProviderId": "prov-#"}, PROVIDER_BODY),
    (
        "PATCH",
        f"{POOLS}/circleci/providers/circleci-acme",
        {"updateMask": "oidc.allowedAudiences,attributeMapping,disabled"},
        PROVIDER_BODY,
    ),
    ("PATCH", f"{POOLS}/circleci", {"updateMask": "displayName"}, {"displayName": "z"}),
    ("GET", POOLS, {"pageSize": "2", "showDeleted": "true", "pageToken": "cGFiYw=="}, None),
    ("GET", f"{POOLS}/circleci/providers", {"pageSize": "2"}, None),
    ("POST", "/v1/projects/acme-prod/serviceAccounts", {}, {"accountId": "acct-#", "serviceAccount": {"etag": "x"}}),
    ("PATCH", ONE, {}, {"serviceAccount": {"displayName": "d"}, "updateMask": "displayName,description"}),
    ("PUT", ONE, {}, {"displayName": "d", "etag": "c2EAAAAA"}),
    ("POST", f"{ONE}:getIamPolicy", {"options.requestedPolicyVersion": "3"}, None),
    ("POST", f"{ONE}:setIamPolicy", {}, POLICY),
    ("POST", f"{ONE}:testIamPermissions", {}, {"permissions": ["iam.serviceAccounts.get"]}),
    ("POST", f"{ONE}:generateAccessToken", {}, {"scope": [SCOPE], "lifetime": "3600s", "delegates": []}),
    ("POST", f"{ONE}:generateIdToken", {}, {"audience": "a", "includeEmail": True}),
    ("POST", "/v1/projects/acme-prod:getIamPolicy", {}, {"options": {"requestedPolicyVersion": 3}}),
    ("POST", "/v3/projects/acme-prod:setIamPolicy", {}, POLICY),
    ("GET", "/v1/projects", {"filter": "id:acme-prod", "pageSize": "1"}, None),
    ("GET", "/v3/projects:search", {"query": "id:acme-prod"}, None),
    ("POST", "/v1/introspect", {}, {"token": "x", "tokenTypeHint": "y"}),
    (
        "POST",
        "/emulator/tokens",
        {},
        {"claims": {"sub": "x", "org": "o", "aud": ["a"], "iat": 1}, "header": {"alg": "ES256", "kid": "k"}},
    ),
    ("POST", "/emulator/clock", {}, {"advance": 0.001}),
    (
        "POST",
        "/emulator/faults",
        {},
        {"faults": [{"match": {"call": "get", "path_regex": "a+b"}, "nth": 10**6, "action": {"latency_ms": 1}}]},
    ),
]
ODD: list[Any] = [
    None, True, False, 0, -1, 3, 2**31, 2**63, 10**40, 1e308, 1e15, 0.5, "", "x", "\x00", "\ud800", "é", "a" * 300,
    "a" * 5000, [], {}, [[]], [{}], [None], {"a": 1}, {"": ""}, "roles/viewer", "user:a@example.com", "assertion",
    "google.subject", "attribute.a", "assertion.sub.extract('{a}/')", "assertion.sub.extract('}{')", "[1, 2]",
    "{'a': 1}", "null", "1/0", "true", "[assertion]", "assertion.map(x, x)", "assertion.sub.split('')", "b'\\xff'",
    "'a'.matches('(a+)+$')", "timestamp(0)", "type(1)", "google.groups.exists(x, x == 'a')", "((((", "-5s", "7200s",
    "0.5s", "https://[", "https://", "http://x", "https://x:99999", '{"keys": [{}]}', '{"keys": 1}', "*", "a.b.c",
    '{"keys": [{"kty": "oct", "kid": "a", "k": "AQ"}]}', '{"keys": [{"kty": "RSA", "kid": "a", "n": "AQ", "e": "AQ"}]}',
    "oidc", "oidc.x", "name", "..", ",", "attributeMapping.google.subject", "cA==", "every", "(?P<a", "[\\",
]  # fmt: skip
NAMES = ["x", "", "display_name", "\x00", "\ud800", "attribute.", "attribute.A", "a" * 200, "etag", "aws", "state"]
CLAIMS = ["iss", "aud", "sub", "iat", "exp", "nbf", "oidc.circleci.com/project-id", "oidc.circleci.com/context-ids"]
BITS = ["", "\x00", "é", "'", "(", ")", "/", ":", "%", "{", "}", "[", "=", "-"]
PATH_BITS = ["%00", "%ff", "é", "/", "//", ":", "a", "%2F", "%0a", "+"]


class Mutator:
    """Changes one leaf, name or length of a document, decided by its own random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def document(self, value: Any) -> Any:
        kind = self.random.random()
        if isinstance(value, dict) and value and kind < 0.85:
            changed, name = dict(value), self.random.choice(list(value))
            if kind < 0.6:
                changed[name] = self.document(changed[name])
            elif kind < 0.7:
                del changed[name]
            else:
                changed[self.random.choice(NAMES)] = changed.pop(name) if kind < 0.8 else self.odd()
            return changed
        if isinstance(value, list) and value and kind < 0.8:
            index = self.random.randrange(len(value))
            if kind < 0.6:
                return [*value[:index], self.document(value[index]), *value[index + 1 :]]
            return value * 20 if kind < 0.7 else [*value, self.odd()]
        return self.spliced(value, BITS) if isinstance(value, str) and value and kind < 0.4 else self.odd()

    def spliced(self, text: str, bits: list[str]) -> str:
        index = self.random.randrange(1, len(text) + 1)
        return text[:index] + self.random.choice(bits) + text[index + self.random.randrange(2) :]

    def odd(self) -> Any:
        return copy.deepcopy(self.random.choice(ODD))

    def request(self, number: int) -> dict[str, Any]:
        method, path, query, body = self.random.choice(VALID)
        query = {name: value.replace("#", str(number)) for name, value in query.items()}
        if body is not None:
            body = json.loads(json.dumps(body).replace("#", str(number)))
        for _ in range(self.random.choice([0, 1, 1, 2, 3])):
            kind = self.random.random()
            if body is not None and kind < 0.65:
                body = self.document(body)
            elif query and kind < 0.85:
                query[self.random.choice(list(query))] = _spellable(self.odd())
            else:
                path = self.spliced(path, PATH_BITS)
        data = b"" if body is None else json.dumps(body).encode()
        return {"method": method, "path": path, "query_string": query, "data": data}


def _spellable(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


class Fuzzed:
    """The application in process; a 500 or an answer without JSON is a failure."""

    def __init__(self, google: Google) -> None:
        self.google = google
        self.client = Client(google.emulator._application)
        self.statuses: dict[int, int] = {}

    def send(self, bearer: str = "", **request: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        answer = self.client.open(headers=headers, **{"content_type": "application/json"} | request)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, request
        assert self.google.emulator.crashes == [], request
        json.loads(answer.data)
        return answer

    def healthy(self) -> None:
        """Put back what the requests before have changed."""
        self.google.emulator.faults()
        pool = self.google.emulator.state.pools.get(PROVIDER.project_number, PROVIDER.pool_id)
        pool.content, pool.deleted_at = {}, None
        self.google.provision()


@pytest.mark.slow
def test_nearly_valid_requests(google: Google) -> None:
    fuzzed, mutator = Fuzzed(google), Mutator(SEED)
    for number in range(REQUESTS):
        if number % 100 == 0:
            fuzzed.healthy()
        fuzzed.send(bearer=mutator.random.choice(["", "", "ya29.x"]), **mutator.request(number))
    assert fuzzed.statuses[200] > REQUESTS / 10
    assert fuzzed.statuses[400] > REQUESTS / 10
    log = json.dumps(google.emulator.requests())
    assert "eyJ" not in log
    assert "ya29." not in log
    assert requests.get(f"{google.emulator.http}/v1/projects/acme-prod", timeout=10).ok


@pytest.mark.slow
def test_signed_tokens_with_odd_claims_and_providers_with_odd_expressions(google: Google) -> None:
    fuzzed, mutator = Fuzzed(google), Mutator(SEED + 1)
    choice, chance = mutator.random.choice, mutator.random.random
    # What UTF-8 cannot spell gets in neither over REST nor from a manifest.
    texts = [each for each in ODD if isinstance(each, str) and each.isprintable() and "\ud800" not in each]
    admitted = 0
    for _ in range(1500):
        fuzzed.healthy()
        if chance() < 0.4:
            mapping = {
                "google.subject": choice(["assertion.sub", *texts]),
                choice(["attribute.a", "google.groups"]): "x",
            }
            mapping |= {choice(["attribute.b", "google.groups", "zzz"]): choice(texts)}
            google.provision(mapping=mapping, condition=choice(["", *texts]), jwks_json=choice(["", "", *texts]))
        overrides = {choice(CLAIMS): mutator.odd() for _ in range(choice([0, 0, 1, 2]))}
        header = {"alg": "ES256"} | ({choice(["acme", "cty", "typ"]): "x"} if chance() < 0.2 else {})
        token = google.emulator.token(header, **overrides)
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": PROVIDER.audience,
            "scope": SCOPE,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": mutator.spliced(token, [*BITS, "A", "."]) if chance() < 0.1 else token,
        }
        if chance() < 0.1:
            form[choice([*form, "options"])] = _spellable(mutator.odd())
        made = fuzzed.send(
            method="POST", path="/v1/token", data=form, content_type="application/x-www-form-urlencoded"
        ).json
        if "access_token" in made:
            admitted += 1
            path, body = f"{ONE}:generateAccessToken", json.dumps({"scope": [SCOPE]})
            fuzzed.send(method="POST", path=path, data=body, bearer=made["access_token"])
    assert 300 < admitted < 1300


@pytest.mark.slow
def test_nearly_valid_messages_over_grpc(google: Google) -> None:
    choices = random.Random(SEED + 2)
    names = ["projects/-/serviceAccounts/" + ACCOUNT, "projects/acme-prod", "projects/-", "", "projects//", "x" * 3000]
    table = _methods()
    codes = set()
    with grpc.insecure_channel(google.emulator.grpc) as channel:
        for _ in range(1500):
            path, method = choices.choice(list(table.items()))
            message = _message(method.takes)
            _fill(message, choices, names)
            data = bytearray(message.SerializeToString())
            if data and choices.random() < 0.3:
                data[choices.randrange(len(data))] = choices.randrange(256)
            try:
                channel.unary_unary(path)(bytes(data), timeout=10)
                codes.add(grpc.StatusCode.OK)
            except grpc.RpcError as error:
                assert error.code() not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}, (path, message, error)
                codes.add(error.code())
    assert {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND} <= codes


def _fill(message: Any, choices: random.Random, names: list[str], depth: int = 0) -> None:
    """Set some fields: names where a name belongs, odd values elsewhere."""
    for field in message.DESCRIPTOR.fields:
        if choices.random() < 0.4 and field.name not in {"name", "resource"}:
            continue
        many = field.is_repeated
        if field.message_type is not None:
            if depth < 3 and not many:
                _fill(getattr(message, field.name), choices, names, depth + 1)
            elif depth < 3 and not field.message_type.GetOptions().map_entry:
                _fill(getattr(message, field.name).add(), choices, names, depth + 1)
            continue
        odd = {
            field.CPPTYPE_STRING: [*names, "roles/viewer", "user:a@example.com", "display_name", "\x00", "é"],
            field.CPPTYPE_BOOL: [True],
            field.CPPTYPE_INT32: [1, 3, -1, 2**31 - 1],
            field.CPPTYPE_INT64: [1, -1, 2**63 - 1],
            field.CPPTYPE_ENUM: [1],
        }.get(field.cpp_type, [])
        if not odd:
            continue
        value = choices.choice(names[:3] if field.name in {"name", "resource"} else odd)
        if field.type == field.TYPE_BYTES:
            value = choices.randbytes(4)
        if many:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
