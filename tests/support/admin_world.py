"""An admin in front of Google in memory, for tests of applying: what there is, a plan, and what was told of it."""

from collections.abc import Callable

from fake_google import Account, FakeClock, FakeGoogle
from google.iam.v1 import policy_pb2
from provisioned import MANIFEST

from gcp_wif.desired import Desired, from_manifest
from gcp_wif.errors import GcpWifError
from gcp_wif.manifest import Manifest
from gcp_wif.provisioning import Change, Observed, Outcome, Plan, PolicyChange, apply, plan
from gcp_wif.provisioning.changes import AccountState

DEPLOY = "projects/acme-prod/serviceAccounts/deploy@acme-prod.iam.gserviceaccount.com"
LEGACY = "projects/acme-prod/serviceAccounts/legacy@acme-prod.iam.gserviceaccount.com"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/circleci"
PROVIDER = f"{POOL}/providers/circleci-acme"
USER = "roles/iam.workloadIdentityUser"
PROJECTS = ("projects/acme-prod", "projects/acme-staging")


class World:
    """A project with nothing of ours in it, and an admin."""

    def __init__(self) -> None:
        self.desired: Desired = from_manifest(Manifest.parse(MANIFEST, origin="test"))
        self.google = FakeGoogle(accounts={LEGACY: Account()})
        self.google.policies = {name: policy_pb2.Policy(etag=b"0") for name in (LEGACY, *PROJECTS)}
        self.clock = FakeClock()
        self.retry_policy = self.clock.policy()
        self.events: list[tuple[str, Change]] = []
        self.say: Callable[[str, Change], None] = lambda *event: self.events.append(event)

    def observed(self) -> Observed:
        """What `observe` would answer."""
        states = {each.email: self.google.accounts.get(each.resource) for each in self.desired.accounts}
        return Observed(
            pool=self.google.resources.get(POOL),
            provider=self.google.resources.get(PROVIDER),
            accounts={
                email: state
                and AccountState(state.disabled, {"display_name": state.display_name, "description": state.description})
                for email, state in states.items()
            },
            policies={name: self.google.policies[name] for name in self.google.policies},
        )

    def apply(self, found: Plan | None = None, observed: Observed | None = None) -> Outcome:
        seen = observed or self.observed()
        made = found if found is not None else plan(self.desired, seen)
        return apply(made, self.desired, seen, self.google, self.retry_policy, self.say)

    def settled(self) -> Outcome:
        """Apply, and see that nothing is left to do."""
        outcome = self.apply()
        assert outcome.failed == []
        assert not plan(self.desired, self.observed())
        return outcome

    def failure(self) -> GcpWifError:
        """Apply, and see that exactly one change fails."""
        ((_, error),) = self.apply().failed
        return error

    def told(self, event: str) -> list[str]:
        return [name_of(change) for what, change in self.events if what == event]


def name_of(change: Change) -> str:
    return change.resource if isinstance(change, PolicyChange) else change.name


def complete_world() -> World:
    """Everything that the manifest asks for is there."""
    world = World()
    world.settled()
    world.google.calls.clear()
    world.events.clear()
    world.clock.slept.clear()
    return world
