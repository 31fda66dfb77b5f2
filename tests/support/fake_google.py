"""Google in memory, behind the seam of `apply`: a dictionary, a log of calls, failures planned to the call, and a
clock that only the sleeper moves. For what the emulator is too slow for: every branch of applying, in a second.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from google.api_core import exceptions
from google.iam.v1 import policy_pb2

from gcp_wif.names import PoolName, ProviderName
from gcp_wif.provisioning import RetryPolicy

T = TypeVar("T")


class FakeClock:
    """Time that passes only where somebody sleeps. ``slept`` has every pause."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.slept.append(seconds)
            self.time += seconds

    def policy(self, **bounds: float) -> RetryPolicy:
        """The real bounds, on this clock; a pause is always the longest that may be drawn."""
        return RetryPolicy(clock=self.now, sleep=self.sleep, draw=lambda _, longest: longest, **bounds)


class Lost(NamedTuple):
    """The call does its work, and then its answer is lost."""

    error: Exception


Step = Exception | Lost | Callable[[], object] | None
"""One planned call: refused, done but lost, done after something else has happened, or simply done."""


@dataclass
class Account:
    display_name: str = ""
    description: str = ""
    disabled: bool = False


@dataclass
class FakeGoogle:
    """State, and what is planned.

    Attributes:
        resources: pools and providers by name.
        accounts: by resource name.
        policies: by resource name.
        calls: every call: the method and the last part of the name it was made with.
        steps: by method, what the next calls of it do; afterwards they simply work.
        polls: how many polls an operation of a pool or provider takes to end.
        operation_errors: what the next operations end in; afterwards in success.
        unseen: how often each account may still be asked for in vain after it was made.
        patches: bodies and masks of patches.
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    policies: dict[str, policy_pb2.Policy] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    steps: dict[str, deque[Step]] = field(default_factory=lambda: defaultdict(deque))
    polls: int = 1
    operation_errors: deque[dict[str, Any]] = field(default_factory=deque)
    unseen: deque[Exception] = field(default_factory=deque)
    patches: list[tuple[Mapping[str, Any], tuple[str, ...]]] = field(default_factory=list)
    _operations: dict[str, tuple[int, Callable[[], object]]] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock)

    def plan(self, method: str, *steps: Step) -> None:
        """What the next calls of ``method`` do."""
        self.steps[method].extend(steps)

    def made(self, method: str) -> list[str]:
        """What ``method`` was called with, in order."""
        return [name for called, name in self.calls if called == method]

    def _call(self, method: str, name: str, work: Callable[[], T]) -> T:
        with self._lock:
            self.calls.append((method, name.rpartition("/")[2]))
            step = self.steps[method].popleft() if self.steps[method] else None
        if isinstance(step, Exception):
            raise step
        if callable(step) and not isinstance(step, Lost):
            step()
        with self._lock:
            done = work()
        if isinstance(step, Lost):
            raise step.error
        return done

    # Pools, providers and operations

    def get(self, name: str) -> dict[str, Any]:
        if name.startswith("operations/"):
            return self._call("poll", name, lambda: self._poll(name))
        return self._call("get", name, lambda: dict(self._resource(name)))

    def create_pool(self, name: PoolName, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("create_pool", str(name), lambda: self._create(str(name), body))

    def create_provider(self, name: ProviderName, body: Mapping[str, Any]) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            self._resource(str(name.pool))
            return self._create(str(name), body)

        return self._call("create_provider", str(name), work)

    def patch(self, name: str, body: Mapping[str, Any], mask: tuple[str, ...]) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            found = self._resource(name)
            self.patches.append((body, mask))
            return self._operation(lambda: _merge(found, body))

        return self._call("patch", name, work)

    def undelete(self, name: str) -> dict[str, Any]:
        return self._call("undelete", name, lambda: self._turn(name, "DELETED", "ACTIVE"))

    def delete(self, name: str) -> dict[str, Any]:
        return self._call("delete", name, lambda: self._turn(name, "ACTIVE", "DELETED"))

    def _resource(self, name: str) -> dict[str, Any]:
        if name not in self.resources:
            raise exceptions.NotFound(f"{name} not found")
        return self.resources[name]

    def _create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if name in self.resources:
            raise exceptions.Conflict(f"Requested entity already exists: {name}")
        return self._operation(lambda: self.resources.update({name: {**body, "name": name, "state": "ACTIVE"}}))

    def _turn(self, name: str, before: str, after: str) -> dict[str, Any]:
        found = self._resource(name)
        if found["state"] != before:
            raise exceptions.BadRequest(f"{name} is {found['state']}")
        return self._operation(lambda: found.update(state=after))

    def _operation(self, work: Callable[[], object]) -> dict[str, Any]:
        name = f"operations/{len(self._operations)}"
        self._operations[name] = (self.polls, work)
        return self._poll(name)

    def _poll(self, name: str) -> dict[str, Any]:
        left, work = self._operations[name]
        if left:
            self._operations[name] = (left - 1, work)
            return {"name": name}
        if self.operation_errors:
            return {"name": name, "done": True, "error": self.operation_errors.popleft()}
        work()
        return {"name": name, "done": True, "response": {}}

    # Accounts

    def get_account(self, resource: str) -> Account:
        def work() -> Account:
            if resource not in self.accounts:
                raise exceptions.NotFound("Unknown service account")
            if self.unseen:
                raise self.unseen.popleft()
            return self.accounts[resource]

        return self._call("get_account", resource, work)

    def create_account(self, project: str, account_id: str, display_name: str, description: str) -> None:
        resource = f"projects/{project}/serviceAccounts/{account_id}@{project}.iam.gserviceaccount.com"

        def work() -> None:
            if resource in self.accounts:
                raise exceptions.AlreadyExists("Service account already exists")
            self.accounts[resource] = Account(display_name, description)
            self.policies[resource] = policy_pb2.Policy(etag=b"0")

        self._call("create_account", resource, work)

    def patch_account(self, resource: str, fields: Mapping[str, str]) -> None:
        def work() -> None:
            for name, text in fields.items():
                setattr(self.accounts[resource], name, text)

        self._call("patch_account", resource, work)

    def delete_account(self, resource: str) -> None:
        def work() -> None:
            if resource not in self.accounts:
                raise exceptions.NotFound("Unknown service account")
            del self.accounts[resource]

        self._call("delete_account", resource, work)

    # Policies

    def get_policy(self, resource: str) -> policy_pb2.Policy:
        def work() -> policy_pb2.Policy:
            if resource not in self.policies:
                raise exceptions.NotFound("Unknown service account")
            return _copy(self.policies[resource])

        return self._call("get_policy", resource, work)

    def set_policy(self, resource: str, policy: policy_pb2.Policy) -> policy_pb2.Policy:
        def work() -> policy_pb2.Policy:
            present = self.policies[resource]
            if policy.etag != present.etag:
                raise exceptions.Aborted("There were concurrent policy changes. Please retry.")
            self.policies[resource] = _copy(policy)
            self.touch(resource)
            return _copy(self.policies[resource])

        return self._call("set_policy", resource, work)

    def touch(self, resource: str) -> None:
        """Give the policy another etag, as somebody else's write does."""
        self.policies[resource].etag = b"%d" % (int(self.policies[resource].etag) + 1)

    def members(self, resource: str, role: str) -> set[str]:
        """Who has ``role`` on ``resource``."""
        return {member for each in self.policies[resource].bindings if each.role == role for member in each.members}


def _copy(policy: policy_pb2.Policy) -> policy_pb2.Policy:
    made = policy_pb2.Policy()
    made.CopyFrom(policy)
    return made


def _merge(document: dict[str, Any], body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name == "oidc":
            document.setdefault(name, {}).update(value)
        else:
            document[name] = value
