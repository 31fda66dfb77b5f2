"""Who has a permission: roles, members, conditions, and the policies of all that is above a resource."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gcp_wif.federation import (
    Binding,
    Question,
    Scope,
    Target,
    bindings_of,
    condition_holds,
    condition_may_hold,
    decide_access,
)
from gcp_wif.roles import ACCESS_TOKEN, ID_TOKEN, carries, is_custom

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()
ME = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/attribute.a/b"
USER = "roles/iam.workloadIdentityUser"
EMAIL = "deploy@acme-prod.iam.gserviceaccount.com"
TARGET = Target.account(EMAIL, "acme-prod", "1234567890")


def allowed(*policies: tuple[Binding, ...] | None, permission: str = ACCESS_TOKEN, **roles: Any) -> bool | None:
    scopes = tuple(Scope(str(index), policy) for index, policy in enumerate(policies))
    known = {f"projects/p/roles/{name}": found for name, found in roles.items()}
    return decide_access(scopes, Question((ME,), permission, NOW, TARGET, known)).allowed


def binding(role: str = USER, member: str = ME, condition: str | None = None) -> Binding:
    return Binding(role, (member,), condition)


@pytest.mark.parametrize(
    ("role", "access", "identity"),
    [
        (USER, True, True),
        ("roles/iam.serviceAccountTokenCreator", True, True),
        ("roles/iam.serviceAccountOpenIdTokenCreator", False, True),
        ("roles/iam.serviceAccountUser", False, False),
        ("roles/iam.serviceAccountAdmin", False, False),
        ("roles/owner", False, False),
        ("roles/editor", False, False),
        ("roles/storage.admin", False, False),
        ("projects/p/roles/custom", None, None),
        ("organizations/1/roles/custom", None, None),
        ("roles/cloudbuild.serviceAgent", None, None),
    ],
)
def test_the_permission_counts_and_not_the_name(role: str, access: bool | None, identity: bool | None) -> None:
    assert carries(role, ACCESS_TOKEN) is access
    assert carries(role, ID_TOKEN) is identity
    assert allowed((binding(role),)) is access
    assert allowed((binding(role),), permission=ID_TOKEN) is identity


def test_a_custom_role_that_was_read_is_known() -> None:
    role = (binding("projects/p/roles/x"),)
    assert is_custom("projects/p/roles/x")
    assert allowed(role, x=frozenset({ACCESS_TOKEN})) is True
    assert allowed(role, x=frozenset({"iam.serviceAccounts.get"})) is False
    assert allowed(role, x=None) is None  # Google did not show it


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_binding_counts_wherever_it_is_above(place: int) -> None:
    policies: list[tuple[Binding, ...]] = [(), (), (), ()]
    policies[place] = (binding(),)
    assert allowed(*policies) is True


def test_what_was_not_seen_may_grant() -> None:
    assert allowed((), None) is None
    assert allowed((), ()) is False
    assert allowed((binding(),), None) is True


def test_everybody_is_somebody_and_google_accounts_are_not() -> None:
    assert allowed((binding(member="allUsers"),)) is True
    assert allowed((binding(member="allAuthenticatedUsers"),)) is False
    assert allowed((binding(member=ME.upper()),)) is False
    assert allowed((binding(member=f"deleted:{ME}"),)) is False


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("request.time < timestamp('2026-03-04T12:00:01Z')", True),
        ("request.time < timestamp('2026-03-04T12:00:00Z')", False),
        ("request.time.getHours('Europe/Berlin') == 13", True),
        ("resource.type == 'iam.googleapis.com/ServiceAccount'", True),
        ("resource.service == 'storage.googleapis.com'", False),
        ("resource.name.startsWith('projects/_/buckets/')", False),
        ("resource.name.endsWith('/serviceAccounts/other@acme-prod.iam.gserviceaccount.com')", False),
        (f"resource.name.endsWith('/serviceAccounts/{EMAIL}')", None),  # by email, or by its unique ID?
        ("request.host == 'x'", None),
        ("request.host == 'x' || true", True),
        ("request.host == 'x' && false", False),
        ("resource.matchTag('1/env', 'prod')", None),
        ("api.getAttribute('x', []) == []", None),
        ("'a'", None),
        ("this is no CEL", None),
    ],
)
def test_conditions(condition: str, expected: bool | None) -> None:
    assert condition_holds(condition, NOW, TARGET) is expected
    assert allowed((binding(condition=condition),)) is expected
    assert condition_may_hold(condition, NOW, TARGET) is (expected is True or (EMAIL in condition and expected is None))


def test_an_account_whose_unique_id_is_not_known_has_one() -> None:
    target = Target.account(EMAIL, "acme-prod")
    assert condition_holds("resource.name == 'projects/-/serviceAccounts/777'", NOW, target) is False
    assert condition_holds(f"resource.name.endsWith('{EMAIL}')", NOW, target) is None


@pytest.mark.parametrize("document", [{"bindings": 1}, {"bindings": [1]}, {"bindings": [{"members": 1}]},
                                      {"bindings": [{"role": "r", "members": [], "condition": 1}]}])  # fmt: skip
def test_what_is_no_policy(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        bindings_of(document)


def test_a_policy_as_google_prints_it() -> None:
    document = {
        "version": 3,
        "bindings": [
            {"role": USER, "members": [ME], "condition": {"title": "t", "expression": "false"}},
            {"role": USER, "members": [ME]},
        ],
    }
    assert bindings_of(document) == (binding(condition="false"), binding())
    assert bindings_of({}) == ()
