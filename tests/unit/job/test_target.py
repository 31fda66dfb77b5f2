"""Which provider and account a job means."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.errors import InputError
from gcp_wif.job.flags import TargetFlags
from gcp_wif.job.target import ProjectChoice, Target, resolve_target
from gcp_wif.names import ProjectId, ProviderName

SEED = {
    "GCP_PROJECT_ID": "123456789012",
    "GCP_WIP_ID": "circleci",
    "GCP_WIP_PROVIDER_ID": "circleci-acme",
    "GCP_SERVICE_ACCOUNT_EMAIL": "deploy@acme-prod.iam.gserviceaccount.com",
}
OURS = dict(zip(("PROJECT_NUMBER", "POOL_ID", "PROVIDER_ID", "SERVICE_ACCOUNT_EMAIL"), SEED.values(), strict=True))
ORB = dict(
    zip(
        ("GOOGLE_PROJECT_NUMBER", "OIDC_WIP_ID", "OIDC_WIP_PROVIDER_ID", "OIDC_SERVICE_ACCOUNT_EMAIL"),
        SEED.values(),
        strict=True,
    )
)
FAMILIES = (OURS, SEED, ORB)
LAST = "GCP_PROJECT_NUMBER"
NAME = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
TARGET = Target(
    ProviderName.parse(NAME, origin="x"),
    SEED["GCP_SERVICE_ACCOUNT_EMAIL"],
    ProjectChoice(ProjectId("acme-prod"), explicit=False),
)


def refusal(environ: dict[str, str], **flags) -> InputError:
    with pytest.raises(InputError) as caught:
        resolve_target(TargetFlags(**flags), environ)
    return caught.value


@pytest.mark.parametrize("choice", list(product(range(3), repeat=4)))
def test_any_mixture_of_the_three_families(choice: tuple[int, ...]) -> None:
    environ = dict(list(FAMILIES[family].items())[place] for place, family in enumerate(choice))
    assert resolve_target(TargetFlags(), environ) == TARGET


def test_all_three_at_once_agree() -> None:
    assert resolve_target(TargetFlags(), OURS | SEED | ORB) == TARGET


def test_the_last_fallback() -> None:
    without = {name: value for name, value in OURS.items() if name != "PROJECT_NUMBER"}
    assert resolve_target(TargetFlags(), without | {LAST: "123456789012"}) == TARGET
    for family in FAMILIES:
        error = refusal(family | {LAST: "999999999999"})
        assert (error.code, next(iter(family)) in error.message, LAST in error.message) == ("WIF103", True, True)
    assert refusal(OURS | {LAST: ""}).code == "WIF102"


def test_flags_and_a_resource_name() -> None:
    flags = TargetFlags(project_number="123456789012", pool_id="circleci", provider_id="circleci-acme")
    assert resolve_target(flags._replace(service_account=TARGET.service_account), {}) == TARGET
    assert resolve_target(TargetFlags(NAME, service_account=TARGET.service_account), {}) == TARGET


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("family", range(3))
def test_missing(place: int, family: int) -> None:
    environ = dict(FAMILIES[family])
    del environ[list(environ)[place]]
    error = refusal(environ)
    assert error.code == "WIF101"
    assert all(list(names)[place] in error.message for names in FAMILIES)


@pytest.mark.parametrize("kept", [set(some) for size in range(3) for some in combinations(range(4), size)], ids=str)
def test_all_that_is_missing_is_named_at_once(kept: set[int]) -> None:
    """F: one missing variable was named a run, where four were missing."""
    error = refusal({name: value for place, (name, value) in enumerate(OURS.items()) if place in kept})
    assert error.code == "WIF101"
    assert error.message.startswith(f"{4 - len(kept)} things are missing: ")
    flags = ("--project-number", "--pool-id", "--provider-id", "--service-account")
    for place, flag in enumerate(flags):
        names = [*(list(family)[place] for family in FAMILIES), *([LAST] if place == 0 else []), flag]
        assert all((name in error.hint) == (place not in kept) for name in names)
    assert ("--direct" in error.hint) == (3 not in kept)


def test_what_a_flag_gives_is_not_missing() -> None:
    error = refusal({}, pool_id="circleci", service_account=TARGET.service_account)
    assert error.message == "2 things are missing: the project number and the provider's ID."
    assert refusal({}, provider=NAME).message.startswith("The service account is missing: ")


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("family", range(3))
def test_set_but_empty(place: int, family: int) -> None:
    name = list(FAMILIES[family])[place]
    error = refusal(OURS | {name: ""})
    assert (error.code, name in error.message) == ("WIF102", True)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("family", [1, 2])
def test_two_that_disagree(place: int, family: int) -> None:
    name, other = list(OURS)[place], list(FAMILIES[family])[place]
    different = {0: "999999999999", 1: "other-pool", 2: "other-provider", 3: "other1@acme.iam.gserviceaccount.com"}[
        place
    ]
    error = refusal(OURS | {other: different})
    assert error.code == "WIF103"
    assert name in error.message
    assert other in error.message


def test_a_flag_wins_and_its_variables_are_not_read() -> None:
    broken = OURS | {"POOL_ID": "", "GCP_WIP_ID": "Nonsense!"}
    assert resolve_target(TargetFlags(pool_id="circleci"), broken) == TARGET
    assert refusal(OURS, pool_id="").code == "WIF102"


def test_direct_must_be_asked_for() -> None:
    without = {name: value for name, value in OURS.items() if name != "SERVICE_ACCOUNT_EMAIL"}
    assert "--direct" in refusal(without).hint
    target = resolve_target(TargetFlags(direct=True), OURS)
    assert (target.service_account, target.project) == (None, None)
    assert refusal(OURS, direct=True, service_account="x").code == "WIF110"


def test_a_resource_name_excludes_its_parts() -> None:
    assert refusal(OURS, provider=NAME, pool_id="circleci").code == "WIF110"


def test_the_misnomer_holds_an_id() -> None:
    literal = {"GCP_PROJECT_ID": "acme-dev"}
    expected = ProjectChoice(ProjectId("acme-dev"), explicit=False)
    assert resolve_target(TargetFlags(), OURS | literal).project == expected
    assert resolve_target(TargetFlags(project_number="123456789012"), OURS | literal).project == expected
    assert resolve_target(TargetFlags(NAME), OURS | literal).project == expected
    for number in ("GOOGLE_PROJECT_NUMBER", LAST):
        without = {name: value for name, value in OURS.items() if name != "PROJECT_NUMBER"}
        assert resolve_target(TargetFlags(), without | literal | {number: "123456789012"}).project == expected
    alone = {name: value for name, value in OURS.items() if name != "PROJECT_NUMBER"} | literal
    error = refusal(alone)
    assert (error.code, "GCP_PROJECT_ID holds the project ID 'acme-dev'" in error.message) == ("WIF104", True)
    del alone["POOL_ID"]
    error = refusal(alone)
    assert error.message == "2 things are missing: the project number and the workload identity pool's ID."
    assert "GCP_PROJECT_ID holds the project ID 'acme-dev', not the number." in error.hint


def test_the_misnomer_holds_nonsense() -> None:
    alone = {name: value for name, value in OURS.items() if name != "PROJECT_NUMBER"}
    assert refusal(alone | {"GCP_PROJECT_ID": "Acme Prod"}).code == "WIF104"


def test_a_project_that_is_named_is_explicit() -> None:
    target = resolve_target(TargetFlags(project_id="acme-dev"), OURS)
    assert target.project == ProjectChoice(ProjectId("acme-dev"), explicit=True)
    assert refusal(OURS, project_id="123456789012").code == "WIF115"


def test_a_manifest_decides_alone() -> None:
    assert resolve_target(TargetFlags(), {"POOL_ID": ""}, TARGET) == TARGET
    for clash in ({"provider": NAME}, {"pool_id": "x"}, {"service_account": "x"}, {"direct": True}):
        with pytest.raises(InputError) as caught:
            resolve_target(TargetFlags(**clash), {}, TARGET)
        assert caught.value.code == "WIF110"


@given(
    st.dictionaries(st.sampled_from([name for family in FAMILIES for name in family] + [LAST]), st.text(max_size=30))
)
def test_any_environment_is_a_target_or_a_refusal(environ: dict[str, str]) -> None:
    try:
        resolve_target(TargetFlags(), environ)
    except InputError as error:
        assert error.code in {"WIF101", "WIF102", "WIF103", "WIF104", "WIF105", "WIF106", "WIF107"}
