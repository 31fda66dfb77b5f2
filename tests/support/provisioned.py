"""A manifest with everything in it, and what an admin has: for tests of provisioning."""

import json
from typing import Any

from google.auth.credentials import AnonymousCredentials

from gcp_wif.desired import from_manifest
from gcp_wif.emulator import Emulator
from gcp_wif.endpoints import Endpoints
from gcp_wif.manifest import Manifest
from gcp_wif.provisioning import Clients, Outcome, Plan, RetryPolicy, apply, observe, plan

MANIFEST = """
version = 1

[issuer]
kind = "circleci"
organization_id = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "circleci"
display_name = "CircleCI"

[provider]
id = "circleci-acme"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
create = true
display_name = "Deploy"
roles = ["roles/run.developer", "roles/run.viewer"]
allow = [
  { project = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b", branch = "main" },
  { project = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b", context = "c0ffee00-1234-4abc-9def-0123456789aa" },
]

[identities.legacy]
service_account = "legacy@acme-prod.iam.gserviceaccount.com"
allow = [{ project = "55aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b" }]

[identities.reader]
direct = true
project_id = "acme-staging"
roles = ["roles/storage.objectViewer"]
allow = [{ project = "77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b" }]
"""
QUICK = RetryPolicy(first=0.02, most=0.05, bound=1.5, request=5.0, operation=0.5, visible=1.5)
LEGACY = "legacy@acme-prod.iam.gserviceaccount.com"
FOREIGN = [
    {"role": "roles/iam.serviceAccountUser", "members": ["user:somebody@example.com"]},
    {"role": "roles/iam.workloadIdentityUser", "members": ["user:somebody@example.com", "group:team@example.com"]},
    {
        "role": "roles/viewer",
        "members": ["group:auditors@example.com"],
        "condition": {"title": "this year", "expression": "request.time < timestamp('2027-01-01T00:00:00Z')"},
    },
]


class Admin:
    """Runs plan and apply in this process, with little retry_policy."""

    def __init__(self, emulator: Emulator, retry_policy: RetryPolicy = QUICK) -> None:
        self.emulator = emulator
        self.retry_policy = retry_policy
        self.events: list[tuple[str, Any]] = []
        endpoints = Endpoints.resolve(emulator.environ())
        self.clients = Clients(endpoints, AnonymousCredentials(), retry_policy.request)

    def close(self) -> None:
        self.clients.close()

    def plan(self, text: str = MANIFEST, *, prune: bool = False) -> Plan:
        desired = from_manifest(Manifest.parse(text, origin="gcp-wif.toml"))
        return plan(desired, observe(desired, self.clients, self.retry_policy, everywhere=prune), prune=prune)

    def apply(self, text: str = MANIFEST, *, prune: bool = False) -> Outcome:
        desired = from_manifest(Manifest.parse(text, origin="gcp-wif.toml"))
        observed = observe(desired, self.clients, self.retry_policy, everywhere=prune)
        found = plan(desired, observed, prune=prune)
        return apply(
            found, desired, observed, self.clients, self.retry_policy, lambda *event: self.events.append(event)
        )


def before(emulator: Emulator) -> None:
    """What others made before us: an account, and bindings of their own everywhere."""
    state = emulator.state
    state.accounts.put(LEGACY, state.project_id)
    for policy in (
        state.project_policy("acme-prod"),
        state.project_policy("acme-staging"),
        state.accounts.get(LEGACY).policy,
    ):
        policy.replace({"bindings": [dict(each) for each in FOREIGN]}, 0.0, 0.0)


def snapshot(emulator: Emulator) -> dict[str, Any]:
    """Everything that provisioning makes, without what differs from run to run."""
    state = emulator.state

    def bindings(policy: Any) -> list[str]:
        found = [{**each, "members": sorted(each["members"])} for each in policy.bindings]
        return sorted(json.dumps(each, sort_keys=True) for each in found)

    return {
        "pools": {
            pool.name: pool.document() | {"providers": {name: each.document() for name, each in pool.providers.items()}}
            for pool in state.pools.of_project("123456789012").values()
        },
        "accounts": {
            each.email: [each.display_name, each.description, each.disabled, bindings(each.policy)]
            for each in state.accounts.all()
        },
        "projects": {name: bindings(state.project_policy(name)) for name in ("acme-prod", "acme-staging")},
    }
