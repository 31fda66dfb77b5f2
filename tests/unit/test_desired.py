"""The one desired state: every field of the manifest, changed, is seen alike by plan, emulator, drift, renderings."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from provisioned import QUICK
from strangers import toml

from gcp_wif.desired import Desired, Grant, from_manifest, leaves
from gcp_wif.doctor import Evidence, diagnose
from gcp_wif.doctor.sources import from_google
from gcp_wif.doctor.sources import from_manifest as evidence_of
from gcp_wif.emulator import Emulator
from gcp_wif.endpoints import Endpoints
from gcp_wif.issuers import profile
from gcp_wif.manifest import Manifest, reader
from gcp_wif.provisioning import Clients, observe, plan
from gcp_wif.rendering.gcloud import render_gcloud
from gcp_wif.rendering.terraform import render_terraform

PROJECT, OTHER = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b", "77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
BASE: dict[str, Any] = {
    "issuer": {"kind": "circleci", "organization_id": "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"},
    "pool": {
        "project_id": "acme-identity", "project_number": "123456789012", "id": "pool-one", "display_name": "One",
        "description": "The pool", "disabled": False,
    },
    "provider": {
        "id": "main-one", "display_name": "Main", "description": "The provider", "disabled": False,
        "attribute_mapping": {"attribute.own": "assertion.sub"}, "attribute_condition": "assertion.sub != 'x'",
    },
    "identities": {
        "deploy": {
            "service_account": "deploy@acme-prod.iam.gserviceaccount.com", "project_id": "acme-prod", "create": True,
            "roles": ["roles/run.developer"], "allow": [{"project": PROJECT, "branch": "main"}],
            "display_name": "Deploy", "description": "Deploys", "token_lifetime_seconds": 1200,
        },
        "reader": {
            "direct": True, "project_id": "acme-direct", "roles": ["roles/run.viewer"], "allow": [{"project": OTHER}],
        },
    },
}  # fmt: skip

CHANGES: dict[str, tuple[Any, set[str]]] = {
    # key: the changed value, and who cannot see it by nature
    "issuer.kind": (
        {"issuer": {"kind": "oidc", "url": "https://ci.example", "audience": ["gcp"]},
         "identities.deploy.allow": [{"team": "a"}], "identities.reader.allow": [{"team": "b"}]}, set(),
    ),
    "issuer.organization_id": ("0a0a0a0a-6a0b-4c7e-9d21-5b7f3e9a1c04", set()),
    "issuer.url": ("https://ci.example", set()),
    "issuer.audience": (["one", "two"], set()),
    # Another pool or provider is another place to look at, which drift does not compare.
    "pool.project_id": ("acme-elsewhere", {"drift", "plan"}),  # the emulator gives it a number of its own: refused
    "pool.project_number": ("123456789013", {"drift", "plan"}),
    "pool.id": ("pool-two", {"drift"}),
    "pool.display_name": ("Two", set()),
    "pool.description": ("Another", set()),
    "pool.disabled": (True, set()),
    "provider.id": ("main-two", {"drift"}),
    "provider.display_name": ("Two", set()),
    "provider.description": ("Another", set()),
    "provider.disabled": (True, set()),
    "provider.attribute_mapping": ({"attribute.own": "assertion.aud"}, set()),
    "provider.attribute_condition": ("assertion.sub != 'y'", set()),
    "provider.allow_ssh_rerun": (True, set()),
    "identities.deploy.service_account": ("another@acme-prod.iam.gserviceaccount.com", {"drift"}),
    "identities.deploy.direct": (
        {"identities.deploy": {"direct": True, "project_id": "acme-prod", "roles": ["roles/run.developer"],
                               "allow": [{"project": PROJECT, "branch": "main"}]}}, set(),
    ),
    "identities.deploy.project_id": ({"identities.reader.project_id": "acme-other"}, set()),
    # Whether an account may be made says nothing about what is there.
    "identities.deploy.create": (False, {"drift", "plan"}),
    "identities.deploy.roles": (["roles/run.viewer"], set()),
    "identities.deploy.allow": ([{"project": PROJECT, "branch": "other"}], set()),
    "identities.deploy.principals": (
        {"identities": {"deploy": {"service_account": "deploy@acme-prod.iam.gserviceaccount.com",
                                   "principals": ["attribute.own/x"]}},
         "provider.attribute_mapping": {"google.subject": "assertion.sub", "attribute.own": "assertion.aud"}}, set(),
    ),
    "identities.deploy.display_name": ("Other", set()),
    "identities.deploy.description": ("Other", set()),
    "identities.deploy.allow_ssh_rerun": (True, set()),
}  # fmt: skip
NOT_GOOGLES = {"version", "identities.deploy.token_lifetime_seconds"}  # of the file, and of a job's own config


def _all_keys() -> set[str]:
    """Every key that the manifest's reader knows, for the kind that the base has."""
    kind = profile("circleci")
    guards = [each.key for each in kind.guards]
    tables = {
        "issuer": (*reader._ISSUER, *(each.name for each in kind.keys)),
        "pool": reader._POOL,
        "provider": (*reader._PROVIDER, *guards),
        "identities.deploy": (*reader._IDENTITY, *guards),
    }
    return {f"{table}.{name}" for table, names in tables.items() for name in names} | {"version"}


def test_every_field_is_looked_at() -> None:
    assert _all_keys() == set(CHANGES) | NOT_GOOGLES


def _changed(key: str) -> Manifest:
    document = copy.deepcopy(BASE)
    value = CHANGES[key][0]
    first = next(iter(value), "") if isinstance(value, dict) else ""
    several = str(first).partition(".")[0] in ("issuer", "identities")
    for path, each in value.items() if several else [(key, value)]:
        *tables, name = path.split(".")
        table = document
        for step in tables:
            table = table[step]
        table[name] = each
    return Manifest.parse(toml(document), origin="changed")


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def clients(google: Emulator) -> Iterator[Clients]:
    made = Clients(Endpoints.resolve(google.environ()), AnonymousCredentials(), 10.0)
    yield made
    made.close()


BASE_MANIFEST = Manifest.parse(toml(BASE), origin="base")


@pytest.mark.parametrize("key", sorted(CHANGES))
def test_a_changed_field_is_seen_alike(key: str, google: Emulator, clients: Clients) -> None:
    changed, blind = _changed(key), CHANGES[key][1]
    before, after = from_manifest(BASE_MANIFEST), from_manifest(changed)

    def left(desired: Desired) -> bool:
        found = plan(desired, observe(desired, clients, QUICK, everywhere=True))
        return bool(found) or bool(found.stale_grants)

    google.reset()
    google.provision_as(changed)
    assert not left(after), "the emulator has what the plan wants"
    google.reset()
    google.provision_as(BASE_MANIFEST)
    assert not left(before)
    if "plan" not in blind:
        assert left(after), "the plan sees the change"
    if "drift" not in blind:
        assert _drift(changed, clients), "drift sees the change"
    assert not _drift(BASE_MANIFEST, clients)
    assert render_terraform(changed, after, "m") != render_terraform(BASE_MANIFEST, before, "m")
    assert render_gcloud(after, "m") != render_gcloud(before, "m")


def _drift(manifest: Manifest, clients: Clients) -> list[str]:
    """What differs, over all identities."""
    found = []
    for name in manifest.identities:
        evidence = evidence_of(Evidence(1e9), manifest, name)
        report = diagnose(from_google(evidence, clients, QUICK))
        found += [each.message for each in report.findings if each.code == "WIF961"]
    return found


def test_a_disabled_provider_is_disabled_on_the_emulator(google: Emulator) -> None:
    """W4: it logged in there, and Google refused it."""
    google.reset()
    google.provision_as(_changed("provider.disabled"))
    desired = from_manifest(_changed("provider.disabled"))
    assert google.state.pools.usable_provider(desired.provider) is None
    google.provision_as(BASE_MANIFEST)
    assert google.state.pools.usable_provider(desired.provider) == desired.rules


def test_the_rules_survive_the_rest_resource() -> None:
    desired = from_manifest(BASE_MANIFEST)
    assert type(desired.rules).from_rest(desired.provider, desired.rules.to_rest()) == desired.rules
    assert set(leaves(desired.provider_document)) >= {"oidc.issuerUri", "oidc.allowedAudiences", "attributeMapping"}


@pytest.mark.parametrize(
    ("role", "condition"),
    [
        ("roles/iam.serviceAccountTokenCreator", None),
        ("projects/acme-prod/roles/minter", None),
        ("roles/iam.serviceAccountOpenIdTokenCreator", None),
        ("roles/iam.workloadIdentityUser", {"expression": "true", "title": "always"}),
    ],
)
def test_a_grant_by_another_role_is_seen_pruned_and_destroyed(
    role: str, condition: Any, google: Emulator, clients: Clients
) -> None:
    """W2 and W3: a token of another identity got the account, after `--prune` and after `destroy`, too."""
    from gcp_wif.provisioning import apply, plan_destroy

    desired = from_manifest(BASE_MANIFEST)
    everybody = f"principalSet://iam.googleapis.com/{desired.pool}/*"
    google.reset()
    google.faults(roles={"projects/acme-prod/roles/minter": ["iam.serviceAccounts.getAccessToken"]})
    google.provision_as(BASE_MANIFEST)
    account = google.state.accounts.get("deploy@acme-prod.iam.gserviceaccount.com")
    binding: dict[str, Any] = {"role": role, "members": [everybody]}
    account.policy.bindings.append(binding | ({"condition": condition} if condition else {}))

    observed = observe(desired, clients, QUICK, everywhere=True)
    found = plan(desired, observed)
    (stale,) = found.stale_grants
    assert [(each.role, each.member) for each in stale.revoke] == [(role, everybody)]
    assert any("EVERY identity of the pool" in warning and role in warning for warning in found.warnings)

    def run(chosen: Any) -> set[Grant]:
        outcome = apply(chosen, desired, observed, clients, QUICK, lambda *_: None)
        assert not outcome.failed
        return {Grant(each["role"], member) for each in account.policy.bindings for member in each["members"]}

    kept = account.policy.bindings[:]
    assert {each.member for each in run(plan(desired, observed, prune=True))} == set(desired.accounts[0].members)
    account.policy.bindings = kept
    observed = observe(desired, clients, QUICK, everywhere=True)
    assert run(plan_destroy(desired, observed, accounts=False)) == set()


def test_grants_through_other_providers_of_the_pool_are_said_to_stay(google: Emulator, clients: Clients) -> None:
    from gcp_wif.provisioning import plan_destroy

    desired = from_manifest(BASE_MANIFEST)
    google.reset()
    google.provision_as(BASE_MANIFEST)
    google.provision_as(_changed("provider.id"))
    account = google.state.accounts.get("deploy@acme-prod.iam.gserviceaccount.com")
    everybody = f"principalSet://iam.googleapis.com/{desired.pool}/*"
    account.policy.bindings.append({"role": "roles/iam.serviceAccountTokenCreator", "members": [everybody]})
    found = plan_destroy(desired, observe(desired, clients, QUICK, everywhere=True), accounts=False)
    assert any(everybody in warning and "stay" in warning for warning in found.warnings)
