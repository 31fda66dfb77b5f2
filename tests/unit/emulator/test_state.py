"""The emulator's memory: the clock, 30 days of soft deletion, propagation, policies, and tokens that end."""

import base64

import pytest
from google_setup import ACCOUNT, PROVIDER, Google

from gcp_wif.emulator.model.errors import ApiError
from gcp_wif.emulator.model.policies import PolicyState, bindings_of
from gcp_wif.emulator.model.pools import SOFT_DELETE_SECONDS
from gcp_wif.emulator.model.state import AccessToken, Clock, Settings, State
from gcp_wif.names import Principal

DAY = 86_400
NUMBER = "123456789012"
POOL = PROVIDER.pool
EVERYBODY = str(Principal.whole_pool(POOL))
IMPERSONATE = "iam.serviceAccounts.getAccessToken"


@pytest.fixture
def state() -> State:
    """A world where time passes only when it is told to."""
    return State(Clock(lambda: 1_800_000_000.0), {"acme-identity": NUMBER})


@pytest.fixture
def pools(state: State):
    state.pools.add(NUMBER, "circleci", None, {"displayName": "CI"})
    state.pools.add(NUMBER, "circleci", "acme", {"attributeMapping": {"google.subject": "assertion.sub"}})
    return state.pools


def refusal(call, *arguments) -> str:
    with pytest.raises(ApiError) as caught:
        call(*arguments)
    return caught.value.status


class TestClock:
    def test_it_stands_or_goes_as_its_base_does(self) -> None:
        base = [100.0]
        clock = Clock(lambda: base[0])
        clock.advance(50)
        assert clock.now() == 150
        base[0] = 101
        assert clock.now() == 151
        clock.set(7)
        base[0] = 103
        assert clock.now() == 9

    def test_over_http(self, google: Google) -> None:
        import requests

        url = f"{google.emulator.http}/emulator/clock"
        assert requests.post(url, json={"now": 2_000_000_000}, timeout=10).json()["now"] == pytest.approx(2e9, abs=10)
        assert requests.post(url, json={"advance": -60}, timeout=10).json()["now"] == pytest.approx(2e9 - 60, abs=10)
        for wrong in ({}, {"now": -1}, {"advance": "1"}, {"advance": 1e300}, {"now": True}, {"now": 1, "advance": 1}):
            assert requests.post(url, json=wrong, timeout=10).status_code == 400
        assert google.emulator.state.clock.now() == pytest.approx(2e9 - 60, abs=10)


class TestSoftDeletionOfPools:
    @pytest.mark.parametrize("provider", [None, "acme"], ids=["pool", "provider"])
    def test_the_name_is_held_for_30_days_to_the_second(self, state: State, pools, provider: str | None) -> None:
        pools.get(NUMBER, "circleci", provider).deleted_at = state.clock.now()
        state.clock.advance(SOFT_DELETE_SECONDS - 1)
        document = pools.get(NUMBER, "circleci", provider).document()
        assert document["state"] == "DELETED"
        assert document["expireTime"] == "2027-02-14T08:00:00Z"
        assert refusal(pools.add, NUMBER, "circleci", provider, {}) == "ALREADY_EXISTS"
        state.clock.advance(1)
        assert refusal(pools.get, NUMBER, "circleci", provider) == "NOT_FOUND"
        pools.add(NUMBER, "circleci", provider, {"displayName": "anew"})
        assert pools.get(NUMBER, "circleci", provider).document()["displayName"] == "anew"

    def test_it_comes_back_as_it_was(self, state: State, pools) -> None:
        found = pools.get(NUMBER, "circleci")
        before = found.document()
        found.deleted_at = state.clock.now()
        assert found.document().keys() - before.keys() == {"expireTime"}
        found.deleted_at = None
        assert found.document() == before
        assert "acme" in found.providers

    def test_a_purged_pool_takes_its_providers_along(self, state: State, pools) -> None:
        pools.get(NUMBER, "circleci").deleted_at = state.clock.now()
        state.clock.advance(30 * DAY)
        pools.add(NUMBER, "circleci", None, {})
        assert refusal(pools.get, NUMBER, "circleci", "acme") == "NOT_FOUND"

    def test_nothing_is_added_to_a_deleted_or_missing_pool(self, state: State, pools) -> None:
        pools.get(NUMBER, "circleci").deleted_at = state.clock.now()
        assert refusal(pools.add, NUMBER, "circleci", "other", {}) == "FAILED_PRECONDITION"
        assert refusal(pools.add, NUMBER, "nothing", "other", {}) == "NOT_FOUND"

    def test_projects_do_not_share_pools(self, pools) -> None:
        assert refusal(pools.get, "999", "circleci") == "NOT_FOUND"
        assert pools.of_project("999") == {}
        pools.add("999", "circleci", None, {})


class TestAccounts:
    def test_a_deleted_one_comes_back_within_30_days_with_its_bindings(self, state: State) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        policy = state.project_policy("acme-prod")
        state.set_policy(policy, bindings_of({"bindings": [{"role": "roles/viewer", "members": [account.member]}]}))
        state.delete_account(account)
        assert policy.bindings[0]["members"] == [f"deleted:{account.member}?uid={account.unique_id}"]
        state.clock.advance(30 * DAY - 1)
        assert state.undelete_account("-", account.unique_id) is account
        assert policy.bindings[0]["members"] == [account.member]

    def test_not_later(self, state: State) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        state.delete_account(account)
        state.clock.advance(30 * DAY)
        assert refusal(state.undelete_account, "-", account.unique_id) == "NOT_FOUND"

    def test_its_name_is_free_at_once_but_a_new_one_is_not_the_old_one(self, state: State) -> None:
        old = state.accounts.add("acme-prod", "deploy-it")
        policy = state.project_policy("acme-prod")
        state.set_policy(policy, bindings_of({"bindings": [{"role": "roles/viewer", "members": [old.member]}]}))
        state.delete_account(old)
        new = state.accounts.add("acme-prod", "deploy-it")
        assert (new.email, new.unique_id != old.unique_id) == (old.email, True)
        assert policy.bindings[0]["members"] == [old.deleted_member]
        assert refusal(state.undelete_account, "-", old.unique_id) == "ALREADY_EXISTS"

    def test_undeletion_stays_in_its_project(self, state: State) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        state.delete_account(account)
        assert refusal(state.undelete_account, "acme-stage", account.unique_id) == "NOT_FOUND"

    def test_domain_scoped_projects_have_their_own_form_of_email(self, state: State) -> None:
        account = state.accounts.add("example.com:acme-prod", "deploy-it")
        assert account.email == "deploy-it@acme-prod.example.com.iam.gserviceaccount.com"
        assert state.accounts.put(account.email, state.project_id).project == "example.com:acme-prod"


class TestPropagation:
    @pytest.fixture
    def caller(self, state: State) -> AccessToken:
        state.pools.add(NUMBER, "circleci", None, {})
        return AccessToken((EVERYBODY,), None, POOL, state.clock.now() + 10**6, "x")

    def bind(self, state: State, account, *members: str) -> None:
        binding = {"role": "roles/iam.workloadIdentityUser", "members": list(members)}
        state.set_policy(account.policy, bindings_of({"bindings": [binding]}))

    def allowed(self, state: State, caller: AccessToken, account) -> bool:
        return state.allows(caller, IMPERSONATE, project=account.project, account=account)

    def test_a_binding_takes_its_time_to_come_and_to_go(self, state: State, caller: AccessToken) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        state.settings.propagation_seconds = 120
        self.bind(state, account, EVERYBODY)
        assert account.policy.document(1)["bindings"]  # it can be read at once
        state.clock.advance(119)
        assert not self.allowed(state, caller, account)
        state.clock.advance(1)
        assert self.allowed(state, caller, account)
        self.bind(state, account)
        state.clock.advance(119)
        assert self.allowed(state, caller, account)
        state.clock.advance(1)
        assert not self.allowed(state, caller, account)

    def test_a_second_change_waits_with_the_first(self, state: State, caller: AccessToken) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        state.settings.propagation_seconds = 120
        self.bind(state, account, EVERYBODY)
        state.clock.advance(60)
        self.bind(state, account, EVERYBODY, "user:a@example.com")
        state.clock.advance(119)
        assert not self.allowed(state, caller, account)
        state.clock.advance(1)
        assert self.allowed(state, caller, account)

    def test_without_the_setting_it_is_immediate(self, state: State, caller: AccessToken) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        self.bind(state, account, EVERYBODY)
        assert self.allowed(state, caller, account)

    @pytest.mark.parametrize("change", ["disabled", "deleted", "purged"])
    def test_tokens_of_a_pool_that_is_gone_are_worth_nothing(
        self, state: State, caller: AccessToken, change: str
    ) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        self.bind(state, account, EVERYBODY)
        pool = state.pools.get(NUMBER, "circleci")
        if change == "disabled":
            pool.content["disabled"] = True
        else:
            pool.deleted_at = state.clock.now()
        state.clock.advance(31 * DAY if change == "purged" else 0)
        assert not self.allowed(state, caller, account)


class TestTokens:
    def test_a_token_ends_with_its_time(self, state: State) -> None:
        token = state.issue(AccessToken((EVERYBODY,), None, POOL, state.clock.now() + 100, "x"), "ya29.d.")
        state.clock.advance(99)
        assert state.grant(token)
        state.clock.advance(1)
        assert state.grant(token) is None

    @pytest.mark.parametrize("change", ["disabled", "deleted"])
    def test_and_with_its_account(self, state: State, change: str) -> None:
        account = state.accounts.add("acme-prod", "deploy-it")
        grant = AccessToken((account.member,), account.unique_id, None, state.clock.now() + 100, "x")
        token = state.issue(grant, "ya29.c.")
        assert state.grant(token) is grant
        if change == "disabled":
            account.disabled = True
        else:
            state.delete_account(account)
            state.accounts.add("acme-prod", "deploy-it")  # its namesake's token it is not
        assert state.grant(token) is None

    def test_nobody_guesses_one(self, state: State) -> None:
        assert state.grant("") is None
        assert state.grant("ya29.d.guess") is None

    def test_disabling_a_provider_does_not_end_them(self, google: Google) -> None:
        import requests

        http = google.emulator.http
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": PROVIDER.audience,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": google.emulator.token(),
        }
        token = requests.post(f"{http}/v1/token", data=form, timeout=10).json()["access_token"]
        requests.patch(f"{http}/v1/{PROVIDER}?updateMask=disabled", json={"disabled": True}, timeout=10)
        refused = requests.post(f"{http}/v1/token", data=form, timeout=10).json()
        assert refused["error"] == "invalid_target"
        answer = requests.post(
            f"{http}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
            json={"scope": ["x"]},
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        assert answer.status_code == 200


class TestPolicies:
    def test_the_etag_changes_with_every_write_and_differs_between_resources(self) -> None:
        first, second = PolicyState("a"), PolicyState("b")
        assert first.etag != second.etag
        before = first.etag
        first.replace({"bindings": []}, 0, 0)
        assert first.etag != before
        with pytest.raises(ApiError, match="ABORTED"):
            first.replace({"bindings": [], "etag": before}, 0, 0)

    def test_an_etag_comes_in_either_alphabet_of_base64(self) -> None:
        """gcloud sends the URL-safe one (observed with gcloud 528)."""
        policy = next(each for each in (PolicyState(str(n)) for n in range(1000)) if {"+", "/"} <= set(each.etag))
        for etag in (policy.etag, base64.urlsafe_b64encode(base64.b64decode(policy.etag)).decode()):
            assert bindings_of({"etag": etag})["etag"] == etag
            policy.replace({"bindings": [], "etag": etag}, 0, 0)
            policy.generation -= 1
        with pytest.raises(ApiError, match="ABORTED"):
            policy.replace({"bindings": [], "etag": policy.etag.swapcase()}, 0, 0)

    def test_bindings_are_kept_as_google_keeps_them(self) -> None:
        found = bindings_of(
            {
                "bindings": [
                    {"role": "roles/viewer", "members": ["user:a@x.example", "user:a@x.example"]},
                    {"role": "roles/editor", "members": []},
                    {"role": "roles/viewer", "members": ["user:b@x.example"]},
                ]
            }
        )
        assert found["bindings"] == [{"role": "roles/viewer", "members": ["user:a@x.example", "user:b@x.example"]}]

    @pytest.mark.parametrize(
        "policy",
        [
            {"bindings": [{"role": "viewer", "members": ["user:a@x.example"]}]},
            {"bindings": [{"role": "roles/viewer", "members": ["a@x.example"]}]},
            {"bindings": [{"role": "roles/viewer", "members": ["user:"]}]},
            {"bindings": [{"role": "roles/viewer", "members": "user:a@x.example"}]},
            {"bindings": {"role": "roles/viewer"}},
            {"bindings": [{"rôle": "roles/viewer"}]},
            {"version": 2},
            {"version": "three"},
            {
                "bindings": [
                    {"role": "roles/viewer", "members": ["user:a@x.example"], "condition": {"expression": "true"}}
                ]
            },
            {"version": 3, "bindings": [{"role": "roles/viewer", "members": [], "condition": {"title": "empty"}}]},
            {"bindings": [{"role": "roles/viewer", "members": [f"user:{n}@x.example" for n in range(1501)]}]},
        ],
        ids=lambda policy: str(policy)[:60],
    )
    def test_what_google_does_not_take(self, policy) -> None:
        assert refusal(bindings_of, policy) == "INVALID_ARGUMENT"


class TestQuotasAndProjects:
    def test_a_quota_is_counted_by_the_minute(self, state: State) -> None:
        state.clock.set(1_800_000_000 // 60 * 60)
        assert [state.use("sts", 2) for _ in range(3)] == [True, True, False]
        assert state.use("other", 2)
        state.clock.advance(60)
        assert state.use("sts", 2)
        assert all(state.use("sts", None) for _ in range(10))

    def test_ids_and_numbers(self, state: State) -> None:
        assert state.project_number("acme-identity") == NUMBER
        assert state.project_id(NUMBER) == "acme-identity"
        other = state.project_number("acme-prod")
        assert other.isdigit()
        assert state.project_id(other) == "acme-prod"
        assert state.project_id("42") == "project-42"
        assert state.known_projects() == ["acme-identity", "acme-prod", "project-42"]

    def test_missing_projects_are_missing_by_either_name(self, state: State) -> None:
        state.settings = Settings(missing_projects={"acme-identity"})
        assert state.is_missing("acme-identity")
        assert state.is_missing(NUMBER)
        assert not state.is_missing("acme-prod")
        for impossible in ("x", "0123", "UPPER-CASE", "a" * 31, "acme_prod", "../acme", ""):
            assert state.is_missing(impossible)
