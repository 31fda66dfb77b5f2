"""Every answer of the emulator, and every request of gcp-wif, against Google's discovery documents."""

from pathlib import Path

import requests
from discovery_oracle import Oracle, find, methods
from google_setup import ACCOUNT, Google

from gcp_wif.emulator import Emulator
from gcp_wif.emulator.transport.routes import google_routes
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID

POOL = "/v1/projects/acme-identity/locations/global/workloadIdentityPools"


def test_every_route_is_a_method_of_google() -> None:
    known = {method["id"] for _, method in methods().values()}
    for rule in google_routes().iter_rules():
        name, _ = rule.endpoint
        if name == "sts.introspect" or name.startswith(("www.", "oauth2.")):
            continue
        assert name in known or name == "sts.token"
        path = "".join(f"x{index}" if part.startswith("<") else part for index, part in enumerate(_parts(rule.rule)))
        verb = next(iter(rule.methods - {"HEAD", "OPTIONS"}))
        found = find(verb, path.replace("<", "").replace(">", ""))
        assert found is not None, f"{verb} {rule.rule}"
        assert found[1]["id"] == name or name == "sts.token"


def _parts(rule: str) -> list[str]:
    import re

    return re.split(r"(<[\w:]+>)", rule)


def test_answers_fit_googles_schemas(google: Google) -> None:
    oracle = Oracle(google.emulator)
    http = google.emulator.http

    def call(verb: str, path: str, body: object = None) -> requests.Response:
        return requests.request(verb, http + path, json=body, timeout=10)

    def done(answer: requests.Response) -> None:
        name = answer.json()["name"]
        for _ in range(5):
            if call("GET", f"/v1/{name}").json().get("done"):
                return
        raise AssertionError(f"{name} is not done")

    oidc = {
        "issuerUri": f"https://oidc.circleci.com/org/{ORGANIZATION_ID}",
        "allowedAudiences": [ORGANIZATION_ID],
    }
    provider = {"attributeMapping": {"google.subject": "assertion.sub"}, "oidc": oidc, "displayName": "d"}
    done(call("POST", f"{POOL}?workloadIdentityPoolId=one-pool", {"displayName": "one", "description": "x"}))
    done(call("POST", f"{POOL}/one-pool/providers?workloadIdentityPoolProviderId=main", provider))
    assert call("GET", f"{POOL}/one-pool").json()["state"] == "ACTIVE"
    assert call("GET", f"{POOL}/one-pool/providers/main").json()["oidc"] == oidc
    done(call("PATCH", f"{POOL}/one-pool?updateMask=displayName", {"displayName": "two"}))
    body = {"oidc": {"allowedAudiences": ["a"]}}
    done(call("PATCH", f"{POOL}/one-pool/providers/main?updateMask=oidc.allowedAudiences", body))
    assert call("GET", f"{POOL}/one-pool/providers/main").json()["oidc"]["issuerUri"] == oidc["issuerUri"]
    done(call("DELETE", f"{POOL}/one-pool/providers/main"))
    done(call("DELETE", f"{POOL}/one-pool"))
    assert "expireTime" in call("GET", f"{POOL}/one-pool").json()
    assert call("GET", f"{POOL}?showDeleted=true&pageSize=1").json()["workloadIdentityPools"]
    done(call("POST", f"{POOL}/one-pool:undelete", {}))
    done(call("POST", f"{POOL}/one-pool/providers/main:undelete", {}))
    assert call("GET", f"{POOL}/one-pool/providers?pageSize=10").json()["workloadIdentityPoolProviders"]
    # Refusals
    assert call("GET", f"{POOL}/none").status_code == 404
    assert call("POST", f"{POOL}?workloadIdentityPoolId=one-pool", {}).status_code == 409
    assert call("POST", f"{POOL}?workloadIdentityPoolId=UPPER", {}).status_code == 400
    assert call("PATCH", f"{POOL}/one-pool?updateMask=name", {}).status_code == 400
    assert call("PATCH", f"{POOL}/one-pool?updateMask=displayName", {"displayName": "x" * 33}).status_code == 400
    # Accounts
    accounts = "/v1/projects/acme-prod/serviceAccounts"
    made = call("POST", accounts, {"accountId": "runner", "serviceAccount": {"displayName": "R"}}).json()
    one = f"{accounts}/{made['email']}"
    assert call("GET", f"/v1/projects/-/serviceAccounts/{made['email'].replace('@', '%40')}").json() == made
    assert call("GET", f"{accounts}?pageSize=1").json()["accounts"]
    call("PATCH", one, {"serviceAccount": {"displayName": "S"}, "updateMask": "displayName"})
    call("PUT", one, {"displayName": "T", "email": made["email"]})
    call("POST", f"{one}:disable", {})
    call("POST", f"{one}:enable", {})
    policy = call("POST", f"{one}:getIamPolicy?options.requestedPolicyVersion=3").json()
    policy["bindings"] = [{"role": "roles/iam.serviceAccountUser", "members": ["user:a@example.com"]}]
    assert call("POST", f"{one}:setIamPolicy", {"policy": policy}).ok
    call("POST", f"{one}:testIamPermissions", {"permissions": ["iam.serviceAccounts.get"]})
    call("DELETE", one)
    assert call("POST", f"{accounts}/{made['uniqueId']}:undelete", {}).json()["restoredAccount"] == {
        **made, "displayName": "T", "etag": call("GET", one).json()["etag"]
    }  # fmt: skip
    # Projects
    for version in ("v1", "v3"):
        assert call("GET", f"/{version}/projects/acme-prod").json()["projectId"] == "acme-prod"
        policy = call("POST", f"/{version}/projects/acme-prod:getIamPolicy", {}).json()
        assert call("POST", f"/{version}/projects/acme-prod:setIamPolicy", {"policy": policy}).ok
        call("POST", f"/{version}/projects/acme-prod:testIamPermissions", {"permissions": ["x.y.z"]})
    assert call("GET", "/v1/projects").json()["projects"]
    assert call("GET", "/v3/projects:search?query=id:acme-prod").json()["projects"]
    # What is above a project, roles, services
    google.emulator.state.settings.ancestors = {"acme-prod": ("folders/11", "organizations/22")}
    google.emulator.state.settings.roles = {
        f"{each}/roles/x": frozenset(["a.b.c"]) for each in ("projects/p", "organizations/1")
    }
    assert len(call("POST", "/v1/projects/acme-prod:getAncestry", {}).json()["ancestor"]) == 3
    assert call("GET", "/v3/projects/acme-prod").json()["parent"] == "folders/11"
    for node in ("v2/folders/11", "v3/folders/11", "v1/organizations/22", "v3/organizations/22"):
        assert call("GET", f"/{node}").ok
        policy = call("POST", f"/{node}:getIamPolicy", {}).json()
        assert call("POST", f"/{node}:setIamPolicy", {"policy": policy}).ok
    assert call("GET", "/v3/folders/12").status_code == 403
    for role in ("roles/viewer", "projects/p/roles/x", "organizations/1/roles/x"):
        assert call("GET", f"/v1/{role}").json()["includedPermissions"]
    constraint = {"constraint": "constraints/iam.workloadIdentityPoolProviders"}
    policy = constraint | {"listPolicy": {"allowedValues": ["https://ci.example"]}}
    assert call("POST", "/v1/organizations/22:setOrgPolicy", {"policy": policy}).ok
    assert call("POST", "/v1/organizations/22:getOrgPolicy", constraint).json()["listPolicy"] == policy["listPolicy"]
    assert call("POST", "/v1/projects/acme-prod:getEffectiveOrgPolicy", constraint).json()["constraint"]
    assert call("POST", "/v1/organizations/22:setOrgPolicy", {"policy": constraint}).ok
    services = "/v1/projects/acme-prod/services"
    google.emulator.state.settings.disabled_services = {"sts.googleapis.com"}
    assert call("GET", f"{services}/sts.googleapis.com").json()["state"] == "DISABLED"
    assert call("GET", f"{services}?filter=state:ENABLED").json()["services"]
    names = "&".join(f"names=projects/acme-prod/services/{each}.googleapis.com" for each in ("sts", "iam"))
    assert [each["state"] for each in call("GET", f"{services}:batchGet?{names}").json()["services"]] == [
        "DISABLED",
        "ENABLED",
    ]
    assert call("POST", f"{services}:batchEnable", {"serviceIds": ["sts.googleapis.com"]}).json()["done"]
    assert call("POST", f"{services}/sts.googleapis.com:enable", {}).json()["done"]
    assert call("GET", f"{services}/sts.googleapis.com").json()["state"] == "ENABLED"
    # Tokens
    form = {
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": google.provider.audience,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
        "subjectToken": google.emulator.token(),
    }
    federated = call("POST", "/v1/token", form).json()["access_token"]
    bearer = {"Authorization": f"Bearer {federated}"}
    account = f"{http}/v1/projects/-/serviceAccounts/{ACCOUNT}"
    body = {"scope": [form["scope"]], "lifetime": "600s"}
    assert requests.post(f"{account}:generateAccessToken", json=body, headers=bearer, timeout=10).ok
    body = {"audience": "https://service.example", "includeEmail": True}
    assert requests.post(f"{account}:generateIdToken", json=body, headers=bearer, timeout=10).ok
    # Signatures, assets, buckets
    signer = {"role": "roles/iam.serviceAccountTokenCreator", "members": [f"serviceAccount:{ACCOUNT}"]}
    policy = call("POST", f"/v1/projects/-/serviceAccounts/{ACCOUNT}:getIamPolicy").json()
    policy["bindings"].append(signer)
    assert call("POST", f"/v1/projects/-/serviceAccounts/{ACCOUNT}:setIamPolicy", {"policy": policy}).ok
    body = {"scope": [form["scope"]]}
    access = requests.post(f"{account}:generateAccessToken", json=body, headers=bearer, timeout=10).json()[
        "accessToken"
    ]
    own = {"Authorization": f"Bearer {access}"}
    for verb, payload in (("signBlob", "aGk="), ("signJwt", '{"sub": "x"}')):
        assert requests.post(f"{account}:{verb}", json={"payload": payload}, headers=own, timeout=10).ok
        assert requests.post(f"{account}:{verb}", json={"payload": "{"}, headers=own, timeout=10).status_code == 400
        assert (
            requests.post(f"{account}:{verb}", json={"payload": payload}, headers=bearer, timeout=10).status_code == 403
        )
    for search in ("searchAllIamPolicies", "searchAllResources"):
        assert call("GET", f"/v1/projects/acme-prod:{search}?pageSize=1").json()["results"]
        assert call("GET", f"/v1/organizations/1:{search}?assetTypes=iam.googleapis.com/ServiceAccount").json()[
            "results"
        ]
    for path in ("b?project=acme-prod", "b/one", "b/one/o?prefix=x"):
        assert requests.get(f"{http}/storage/v1/{path}", headers=own, timeout=10).ok
        assert call("GET", f"/storage/v1/{path}").status_code == 401
    assert requests.get(f"{http}/storage/v1/b/one/o/x", headers=own, timeout=10).status_code == 404
    upload = f"{http}/upload/storage/v1/b/one/o?uploadType=media&name=x"
    assert requests.post(upload, data=b"data", headers=own, timeout=10).ok
    assert requests.post(f"{upload}&ifGenerationMatch=0", data=b"data", headers=own, timeout=10).status_code == 412
    assert requests.post(upload, data=b"data", timeout=10).status_code == 401
    assert requests.post(f"{upload}/y", data=b"data", headers=own, timeout=10).ok
    assert requests.get(f"{http}/storage/v1/b/one/o?delimiter=/", headers=own, timeout=10).json()["prefixes"] == ["x/"]
    assert requests.get(f"{http}/storage/v1/b/one/o", headers=own, timeout=10).json()["items"][0]["size"] == "4"
    named = f"{http}/storage/v1/b/one/o/x"
    assert requests.get(named, headers=own, timeout=10).json()["md5Hash"] == "jXd/OF09/siBXSD3SWAm3A=="
    assert requests.delete(named, headers=own, timeout=10).status_code == 204
    assert requests.delete(named, headers=own, timeout=10).status_code == 404
    assert requests.get(f"{http}/bigquery/v2/projects/acme-prod/datasets", headers=own, timeout=10).ok
    assert call("GET", "/bigquery/v2/projects/acme-prod/datasets").status_code == 401
    assert oracle.violations == []
    served = {rule.endpoint[0] for rule in google_routes().iter_rules()} - {"sts.token", "sts.introspect"}
    served = {name for name in served if not name.startswith(("www.", "oauth2."))}
    assert served <= oracle.seen | {"sts.v1.token"}


def test_the_oracle_finds_what_google_does_not_know(google: Google) -> None:
    oracle = Oracle(google.emulator)
    http = google.emulator.http
    requests.get(f"{http}{POOL}?page_count=1", timeout=10)
    requests.get(f"{http}/v1/projects/x1/nothing", timeout=10)
    google.emulator.faults({"action": {"status": 200, "body": {"name": "p", "colour": "red"}}})
    requests.get(f"{http}{POOL}/one-pool", timeout=10)
    assert len(oracle.violations) == 3


def test_our_own_requests_fit(emulator: Emulator, cli, tmp_path: Path) -> None:
    oracle = Oracle(emulator)
    manifest = tmp_path / "gcp-wif.toml"
    manifest.write_text(MANIFEST)
    flags = ["--manifest", str(manifest), "--yes"]
    assert cli("apply", *flags, **emulator.environ()).returncode == 0
    manifest.write_text(MANIFEST.replace('id = "circleci"', 'id = "circleci"\ndisplay_name = "CI"'))
    assert cli("apply", *flags, **emulator.environ()).returncode == 0
    assert cli("destroy", *flags, "--accounts", **emulator.environ()).returncode == 0
    assert cli("apply", *flags, **emulator.environ()).returncode == 0
    assert oracle.violations == []
    assert len(oracle.seen) >= 8


MANIFEST = f"""
version = 1
[issuer]
kind = "circleci"
organization_id = "{ORGANIZATION_ID}"
[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "circleci"
[provider]
id = "circleci-acme"
[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
create = true
roles = ["roles/run.developer"]
allow = [{{ project = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b" }}]
"""
