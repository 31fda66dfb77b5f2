"""The plan as a pure function, and the merging of policies."""

from dataclasses import replace
from typing import Any

import pytest
from google.iam.v1 import policy_pb2
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.desired import Condition, Desired, Grant, from_manifest
from gcp_wif.errors import RefusedError
from gcp_wif.manifest import Manifest
from gcp_wif.provisioning import Observed, PolicyChange, ResourceChange, plan, plan_destroy
from gcp_wif.provisioning.changes import AccountState
from gcp_wif.provisioning.planning import changed_policy, grants_of, request_body, resource_change

WIU = "roles/iam.workloadIdentityUser"


@pytest.fixture(scope="module")
def desired() -> Desired:
    from provisioned import MANIFEST

    return from_manifest(Manifest.parse(MANIFEST, origin="test"))


def policy(*bindings: tuple[str, list[str]], condition: str | None = None, etag: bytes = b"e") -> policy_pb2.Policy:
    made = policy_pb2.Policy(etag=etag)
    for role, members in bindings:
        binding = made.bindings.add(role=role, members=members)
        if condition is not None:
            binding.condition.expression = condition
    return made


def complete(desired: Desired) -> Observed:
    """Exactly what is wanted."""
    return Observed(
        pool=request_body(desired.pool_fields.items()) | {"name": str(desired.pool), "state": "ACTIVE"},
        provider=request_body(desired.provider_fields.items()) | {"name": str(desired.provider), "state": "ACTIVE"},
        accounts={each.email: AccountState(False, dict(each.fields)) for each in desired.accounts},
        policies={
            **{each.resource: policy((WIU, list(each.members))) for each in desired.accounts},
            **{
                f"projects/{project}": policy(*((grant.role, [grant.member]) for grant in grants))
                for project, grants in desired.project_grants.items()
            },
        },
    )


def test_nothing_to_do(desired: Desired) -> None:
    found = plan(desired, complete(desired))
    assert not found
    assert not found.stale_grants
    assert not plan(desired, complete(desired), prune=True)


def test_everything_to_do(desired: Desired) -> None:
    legacy = desired.accounts[1]
    found = plan(desired, Observed(accounts={legacy.email: AccountState(False, {})}))
    kinds = [change.kind if isinstance(change, ResourceChange) else "policy" for change in found.changes]
    assert kinds == ["pool", "provider", "account", "policy", "policy", "policy", "policy"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attributeMapping", {"google.subject": "assertion.other"}),
        ("attributeCondition", "true"),
        ("disabled", True),
    ],
)
def test_one_field_of_the_provider(field: str, value: Any, desired: Desired) -> None:
    observed = complete(desired)
    changed = replace(observed, provider={**(observed.provider or {}), field: value})
    (change,) = plan(desired, changed).changes
    assert isinstance(change, ResourceChange)
    assert [(each.field, each.before) for each in change.fields] == [(field, value)]


@pytest.mark.parametrize(
    ("audiences", "changes"), [(["b", "a"], 0), (["a"], 1), (["a", "b", "c"], 1), ([], 1)], ids=str
)
def test_audiences_are_a_set(audiences: list[str], changes: int, desired: Desired) -> None:
    wanted = {"oidc.allowedAudiences": ["a", "b"]}
    found = resource_change("provider", "p", wanted, {"oidc": {"allowedAudiences": audiences}})
    assert bool(found) == bool(changes)


def test_names_that_the_manifest_leaves_out_are_left_alone(desired: Desired) -> None:
    observed = complete(desired)
    provider = {**(observed.provider or {}), "displayName": "somebody's", "description": "words"}
    assert not plan(desired, replace(observed, provider=provider))


def test_a_conditional_grant_of_our_pool_is_ours_and_does_not_count(desired: Desired) -> None:
    observed = complete(desired)
    account = desired.accounts[0]
    conditional = policy((WIU, list(account.members)), condition="false")
    found = plan(desired, replace(observed, policies={**observed.policies, account.resource: conditional}))
    (change,) = found.changes
    assert isinstance(change, PolicyChange)
    assert {grant.member for grant in change.grant} == set(account.members)
    pruned = plan(desired, replace(observed, policies={**observed.policies, account.resource: conditional}), prune=True)
    (change,) = pruned.changes
    assert isinstance(change, PolicyChange)
    assert set(change.revoke) == {Grant(WIU, member, Condition("false")) for member in account.members}
    written = changed_policy(conditional, change)
    assert written is not None
    assert grants_of(written) == {Grant(WIU, member) for member in account.members}


def test_what_is_ours(desired: Desired) -> None:
    pool = f"://iam.googleapis.com/{desired.pool}/"
    deploy = desired.accounts[0]
    ours = [
        Grant(WIU, f"principalSet{pool}attribute.old/x"),
        Grant(WIU, f"principal{pool}subject/x"),
        # W2: whatever the role, for it may give the account's tokens by another name.
        Grant("roles/iam.serviceAccountTokenCreator", f"principalSet{pool}*"),
        Grant("projects/acme-prod/roles/custom", f"principalSet{pool}attribute.old/x"),
    ]
    others = [
        Grant(WIU, "principalSet://iam.googleapis.com/projects/9/locations/global/workloadIdentityPools/circleci/*"),
        Grant(WIU, f"principalSet{pool.replace('/circleci/', '/circleci-2/')}attribute.old/x"),
        Grant(WIU, "user:a@example.com"),
        Grant("roles/iam.serviceAccountTokenCreator", "user:a@example.com"),
        Grant(WIU, f"deleted:principalSet{pool}attribute.old/x"),
    ]
    observed = complete(desired)
    there = policy(
        (WIU, [*deploy.members, *(each.member for each in [*ours, *others] if each.role == WIU)]),
        *((each.role, [each.member]) for each in [*ours, *others] if each.role != WIU),
    )
    project_ours = [
        Grant("roles/owner", f"serviceAccount:{deploy.email}"),
        Grant("roles/x", f"principalSet{pool}group/x"),
    ]
    project_others = [
        Grant("roles/owner", f"serviceAccount:{desired.accounts[1].email}"),
        Grant("roles/owner", "user:b"),
    ]
    project = "projects/acme-prod"
    project_policy = policy_pb2.Policy()
    project_policy.CopyFrom(observed.policies[project])
    for each in [*project_ours, *project_others]:
        project_policy.bindings.add(role=each.role, members=[each.member])
    changed = replace(observed, policies={**observed.policies, deploy.resource: there, project: project_policy})
    reported = plan(desired, changed)
    assert not reported.changes
    assert {each.resource: set(each.revoke) for each in reported.stale_grants} == {
        deploy.resource: set(ours),
        project: set(project_ours),
    }
    pruned = plan(desired, changed, prune=True)
    assert {each.resource: set(each.revoke) for each in pruned.changes if isinstance(each, PolicyChange)} == {
        deploy.resource: set(ours),
        project: set(project_ours),
    }


def test_destruction_with_another_provider_takes_what_is_named_alone(desired: Desired) -> None:
    observed = complete(desired)
    deploy = desired.accounts[0]
    foreign = f"principalSet://iam.googleapis.com/{desired.pool}/attribute.other/x"
    there = policy((WIU, [*deploy.members, foreign]))
    shared = replace(observed, policies={deploy.resource: there}, other_providers=("other",))
    (revoked, deleted) = plan_destroy(desired, shared, accounts=True).changes[:2]
    assert isinstance(revoked, PolicyChange)
    assert {grant.member for grant in revoked.revoke} == set(deploy.members)
    assert isinstance(deleted, ResourceChange)
    assert (deleted.kind, deleted.action) == ("provider", "delete")
    alone = plan_destroy(desired, replace(shared, other_providers=()), accounts=True)
    assert foreign in str(alone.changes[0])


def test_a_provider_of_another_kind_is_refused(desired: Desired) -> None:
    observed = replace(complete(desired), provider={"name": "x", "saml": {"idpMetadataXml": "x"}})
    with pytest.raises(RefusedError) as caught:
        plan(desired, observed)
    assert caught.value.code == "WIF821"


ROLES = st.sampled_from(["roles/a", "roles/b", WIU])
MEMBERS = st.sampled_from([f"user:{each}@example.com" for each in "abc"])
GRANTS = st.frozensets(st.builds(Grant, ROLES, MEMBERS, st.none()), max_size=5)
BINDINGS = st.lists(
    st.tuples(ROLES, st.lists(MEMBERS, min_size=1, max_size=3, unique=True), st.sampled_from([None, "false"])),
    max_size=5,
)


@given(BINDINGS, GRANTS, GRANTS)
def test_merging_adds_and_takes_away_and_touches_nothing_else(
    bindings: list[tuple[str, list[str], str | None]], grant: frozenset[Grant], revoke: frozenset[Grant]
) -> None:
    revoke = revoke - grant
    before = policy_pb2.Policy(etag=b"etag", version=1)
    for role, members, condition in bindings:
        binding = before.bindings.add(role=role, members=members)
        if condition:
            binding.condition.expression = condition
    copy = policy_pb2.Policy()
    copy.CopyFrom(before)
    change = PolicyChange("r", tuple(grant), tuple(revoke))
    after = changed_policy(before, change)
    assert before == copy
    wanted = (grants_of(before) | grant) - revoke
    if after is None:
        assert wanted == grants_of(before)
        return
    assert grants_of(after) == wanted
    assert after.etag == b"etag"
    kept = [each for each in after.bindings if each.HasField("condition")]
    assert kept == [each for each in before.bindings if each.HasField("condition")]
    assert after.version == (3 if kept else 1)
    assert all(each.members for each in after.bindings)
    assert changed_policy(after, change) is None
