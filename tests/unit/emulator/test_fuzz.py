"""No request takes the emulator down: over 10,000 hostile ones, none answered with 500, none with a traceback."""

import json
import random
import socket
from typing import Any

import grpc
import pytest
import requests
from google_setup import ACCOUNT, Google
from werkzeug.test import Client

POOL = "/v1/projects/123456789012/locations/global/workloadIdentityPools"
ONE = f"/v1/projects/-/serviceAccounts/{ACCOUNT}"
REQUESTS = 12_000

PATHS = [
    "/v1/token", "/v1/introspect", POOL, f"{POOL}/circleci", f"{POOL}/circleci:undelete",
    f"{POOL}/circleci/providers", f"{POOL}/circleci/providers/circleci-acme",
    f"{POOL}/circleci/providers/circleci-acme:undelete", f"{POOL}/circleci/operations/x",
    "/v1/projects/acme-prod/serviceAccounts", ONE, f"{ONE}:getIamPolicy", f"{ONE}:setIamPolicy",
    f"{ONE}:testIamPermissions", f"{ONE}:disable", f"{ONE}:enable", f"{ONE}:undelete", f"{ONE}:generateAccessToken",
    f"{ONE}:generateIdToken", "/v1/projects", "/v1/projects/acme-prod", "/v3/projects:search", "/v3/projects/1",
    "/v1/projects/acme-prod:getIamPolicy", "/v3/projects/acme-prod:setIamPolicy", "/emulator/tokens",
    "/emulator/requests", "/emulator/clock", "/emulator/nothing", "/.well-known/openid-configuration", "/", "//",
    "/v1/projects/%2e%2e/%00", "/v1/projects/%ff%fe/serviceAccounts/%F0%9F%92%A9",
]  # fmt: skip
QUERIES = [
    "", "?", "workloadIdentityPoolId=ab", "workloadIdentityPoolId=good-one", "updateMask=oidc.allowedAudiences,a.b.c",
    "updateMask=attributeMapping", "updateMask=*", "pageSize=-1", "pageSize=99999999999999", "pageToken=AAAA",
    "pageToken=cGFiYw==", "showDeleted=maybe", "options.requestedPolicyVersion=3", "options.requestedPolicyVersion=x",
    "workloadIdentityPoolProviderId=%00", "a=1&a=2&=&%", "filter=id:acme-prod", "query=" + "x" * 3000,
]  # fmt: skip
SCALARS: list[Any] = [
    None, True, False, 0, -1, 2**63, 1e308, 0.5, "", "x", "\x00", "\ud800", "💩" * 50, "a" * 5000, [], {}, [[]],
    {"": {}}, [None], {"a": {"b": {"c": []}}}, "roles/viewer", "user:a@example.com", f"serviceAccount:{ACCOUNT}",
    "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/x/*", "assertion.sub",
    "assertion.sub.extract('{', '}')", "((((", "7200s", "-5s", "1e9s", "https://oidc.circleci.com", "http://[",
    '{"keys": [{}]}', '{"keys": 1}',
]  # fmt: skip
NAMES = [
    "policy", "bindings", "role", "members", "condition", "etag", "version", "updateMask", "serviceAccount",
    "accountId", "displayName", "description", "disabled", "oidc", "issuerUri", "allowedAudiences", "jwksJson",
    "attributeMapping", "attributeCondition", "google.subject", "scope", "lifetime", "delegates", "audience",
    "permissions", "options", "claims", "header", "alg", "kid", "iat", "exp", "org", "version", "advance", "now",
    "expression", "mode", "aws", "subject_token", "grantType", "x\x00",
]  # fmt: skip


class Fuzz:
    def __init__(self, seed: int, token: str) -> None:
        self.random = random.Random(seed)
        self.token = token

    def value(self, depth: int = 0) -> Any:
        kind = self.random.random()
        if depth < 4 and kind < 0.3:
            count = self.random.randrange(4)
            return {self.random.choice(NAMES): self.value(depth + 1) for _ in range(count)}
        if depth < 4 and kind < 0.4:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return self.random.choice(SCALARS)

    def jwt(self) -> str:
        parts = self.token.split(".")
        for _ in range(self.random.randrange(4)):
            index = self.random.randrange(len(parts))
            part = parts[index]
            where = self.random.randrange(len(part) + 1)
            parts[index] = self.random.choice(
                [part[:where], part[:where] + "=" + part[where:], part + "A", "", "e30", "W10", "bnVsbA", part[::-1]]
            )
        return ".".join(parts + self.random.choice([[], ["x"], [""]]))

    def request(self) -> dict[str, Any]:
        path = self.random.choice(PATHS)
        if self.random.random() < 0.1:
            where = self.random.randrange(len(path) + 1)
            path = path[:where] + self.random.choice(["/", "%2F", ":", "%", "..", "é", " "]) + path[where:]
        made: dict[str, Any] = {
            "method": self.random.choice(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"]),
            "path": path,
            "query_string": self.random.choice(QUERIES),
            "headers": self.random.choice(
                [{}, {"Authorization": "Bearer ya29.x"}, {"Authorization": "Basic %%%"}, {"Authorization": "\xff"}]
            ),
        }
        if path.startswith("/v1/token") and self.random.random() < 0.8:
            form = {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "audience": f"//iam.googleapis.com{POOL[3:]}/circleci/providers/circleci-acme",
                "scope": "https://www.googleapis.com/auth/cloud-platform",
                "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "subject_token": self.jwt(),
            }
            if self.random.random() < 0.3:
                form[self.random.choice(list(form))] = (
                    str(self.random.choice(SCALARS)).encode("utf-8", "replace").decode()
                )
            made["data"] = form
        elif self.random.random() < 0.8:
            body = json.dumps(self.value())
            if self.random.random() < 0.1:
                body = self.random.choice([body[:-1], "[" * 5000, "nul", "\xff", '{"a":NaN}', "{}{}", '"x"'])
            made["data"] = body.encode("latin-1", "replace")
            made["content_type"] = self.random.choice(
                ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
            )
        return made


def test_hostile_http(google: Google) -> None:
    fuzz = Fuzz(20_261_124, google.emulator.token())
    client = Client(google.emulator._application)
    seen: dict[int, int] = {}
    for _ in range(REQUESTS):
        made = fuzz.request()
        try:
            answer = client.open(**made)
        except (UnicodeEncodeError, ValueError):  # werkzeug's client cannot even spell it
            continue
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code not in range(500, 600) or answer.status_code == 501, made
        assert b"Traceback" not in answer.data
    assert google.emulator.crashes == []
    assert sum(seen.values()) >= 10_000
    assert seen[200] > 100  # some get through
    google.emulator.faults(propagation_seconds=0)
    assert requests.get(f"{google.emulator.http}/v1/projects/acme-prod", timeout=10).ok


def test_hostile_bytes_over_the_socket(google: Google) -> None:
    choices = random.Random(7)
    port = int(google.emulator.host.partition(":")[2])
    lines = [b"GET / HTTP/1.1", b"POST /v1/token HTTP/1.1", b"\x00\xff", b"GET", b"Content-Length: 99999999999",
             b"Content-Length: -1", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: x", b"X" * 70_000,
             b"", b"zz\r\n", b"{}", b": :", b"Expect: 100-continue", b"Connection: close"]  # fmt: skip
    for _ in range(300):
        sent = b"\r\n".join(choices.choices(lines, k=choices.randrange(1, 6))) + b"\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            try:
                raw.sendall(sent)
                raw.shutdown(socket.SHUT_WR)
                answer = raw.recv(65_536)
            except OSError:  # hung up on, which is an answer too
                continue
            assert not answer.startswith((b"HTTP/1.1 500", b"HTTP/1.0 500"))
    assert google.emulator.crashes == []
    assert requests.get(f"{google.emulator.http}/v1/projects/acme-prod", timeout=10).ok


def test_hostile_grpc(google: Google) -> None:
    choices = random.Random(11)
    methods = [
        "/google.iam.admin.v1.IAM/GetServiceAccount", "/google.iam.admin.v1.IAM/CreateServiceAccount",
        "/google.iam.admin.v1.IAM/SetIamPolicy", "/google.iam.admin.v1.IAM/PatchServiceAccount",
        "/google.cloud.resourcemanager.v3.Projects/GetProject",
        "/google.iam.credentials.v1.IAMCredentials/GenerateAccessToken", "/no.Such/Method",
    ]  # fmt: skip
    with grpc.insecure_channel(google.emulator.grpc) as channel:
        for _ in range(700):
            call = channel.unary_unary(choices.choice(methods))
            data = choices.randbytes(choices.randrange(40))
            if choices.random() < 0.5:  # a string in the first field, which is often the name
                text = choices.choice([b"projects/-/serviceAccounts/" + ACCOUNT.encode(), b"projects/x", b"\xff", b""])
                data = b"\x0a" + bytes([len(text)]) + text + data
            try:
                call(data, timeout=10)
            except grpc.RpcError as error:
                assert error.code() not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}, error
    assert google.emulator.crashes == []


@pytest.mark.parametrize("size", [2_000_000])
def test_a_huge_body_is_refused(size: int, google: Google) -> None:
    answer = requests.post(f"{google.emulator.http}/v1/token", data=b"x" * size, timeout=30)
    assert answer.status_code == 413
