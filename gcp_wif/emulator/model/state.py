"""What Google knows, in memory: the clock, settings, projects, tokens, and who may do what.

Pools (`pools`) and service accounts (`accounts`) are rooms of their own under the same lock. Nothing here knows HTTP or
gRPC: both sides call these methods, so that they see the same world.
"""

import re
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gcp_wif.emulator.model.accounts import Account, Accounts
from gcp_wif.emulator.model.errors import permission_denied
from gcp_wif.emulator.model.objects import Objects
from gcp_wif.emulator.model.operations import Operations
from gcp_wif.emulator.model.policies import PolicyState
from gcp_wif.emulator.model.pools import Pools
from gcp_wif.federation import Target, condition_may_hold
from gcp_wif.names import PoolName
from gcp_wif.roles import carries

__all__ = ["AccessToken", "Clock", "Settings", "State"]

_KEPT_GRANTS = 100_000
_PROJECT = re.compile(r"[1-9][0-9]{0,18}|(?:[a-z0-9][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")


class Clock:
    """Seconds since 1970, movable."""

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self._offset = 0.0

    def now(self) -> float:
        """The emulator's time."""
        return self._base() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the time by ``seconds``."""
        self._offset += seconds

    def set(self, now: float) -> None:
        """Move the time to ``now``, from where it goes on."""
        self._offset = now - self._base()


@dataclass
class Settings:
    """What a test may decide about this Google; `gcp_wif.emulator.transport.controls` documents each.

    Attributes:
        propagation_seconds: how long the bindings before a change still decide.
        new_account_reads: HTTP statuses of the first reads of each account that is created from now on.
        unreachable_issuers: issuers whose keys cannot be fetched: a whole URL, or its host.
        long_lived_accounts: emails under ``constraints/iam.allowServiceAccountCredentialLifetimeExtension``.
        delegated_accounts: emails with domain-wide delegation, for every scope.
        issuer_allow_list: ``constraints/iam.workloadIdentityPoolProviders``; ``None`` allows every issuer.
        disabled_services: such as ``iamcredentials.googleapis.com``.
        missing_projects: IDs or numbers that do not exist.
        sts_per_minute: exchanges a minute; ``None`` for no limit.
        pool_writes_per_minute: changes of pools and providers a minute and project; ``None`` for no limit.
        roles: roles of the test's own, with their permissions.
        ancestors: by project ID or number, the folders and the organisation above it, the nearest first, such as
            ``("folders/1", "organizations/2")``; a project that is not named here has none.
    """

    propagation_seconds: float = 0.0
    new_account_reads: tuple[int, ...] = ()
    unreachable_issuers: set[str] = field(default_factory=set)
    long_lived_accounts: set[str] = field(default_factory=set)
    delegated_accounts: set[str] = field(default_factory=set)
    issuer_allow_list: tuple[str, ...] | None = None
    disabled_services: set[str] = field(default_factory=set)
    missing_projects: set[str] = field(default_factory=set)
    sts_per_minute: int | None = None
    pool_writes_per_minute: int | None = None
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    ancestors: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class AccessToken:
    """What an access token stands for: a federated identity, or a service account.

    Attributes:
        principals: every identifier in a policy that means the bearer.
        account: the service account's unique ID, where one was impersonated.
        pool: the pool, for a federated identity.
        expires_at: seconds since 1970.
        scope: as asked for.
    """

    principals: tuple[str, ...]
    account: str | None
    pool: PoolName | None
    expires_at: float
    scope: str

    @property
    def kind(self) -> str:
        """``federated`` or ``service account``."""
        return "service account" if self.account else "federated"


class State:
    """Everything, behind one lock.

    Args:
        clock: the time.
        projects: known numbers by project ID; others get one that follows from their ID.
    """

    def __init__(self, clock: Clock, projects: Mapping[str, str] | None = None) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.settings = Settings()
        self.pools = Pools(clock.now, self.lock)
        self.accounts = Accounts(clock.now, self.lock)
        self.operations = Operations(clock.now, self.lock)
        self.objects = Objects(clock.now, self.lock)
        self._numbers = dict(projects or {})
        self._project_policies: dict[str, PolicyState] = {}
        self._node_policies: dict[str, PolicyState] = {}
        self._grants: dict[str, AccessToken] = {}
        self._used: dict[tuple[str, int], int] = {}

    @property
    def long_lived_accounts(self) -> set[str]:
        """The accounts whose tokens may live for 12 hours."""
        return self.settings.long_lived_accounts

    # Projects: every ID exists, and every number, unless a setting says otherwise

    def project_number(self, project: str) -> str:
        """The number of a project given by ID or number."""
        with self.lock:
            if project.isdigit():
                return project
            if project not in self._numbers:
                self._numbers[project] = str(100_000_000_000 + zlib.crc32(project.encode()))
            return self._numbers[project]

    def project_id(self, project: str) -> str:
        """The ID of a project given by ID or number; a number that nobody named gets an ID that follows from it."""
        with self.lock:
            if not project.isdigit():
                self.project_number(project)
                return project
            found = next((name for name, number in self._numbers.items() if number == project), None)
            if found is None:
                found = f"project-{project}"[:30]
                self._numbers[found] = project
            return found

    def name_project(self, project: str, number: str) -> None:
        """Say which number a project ID has, from now on."""
        with self.lock:
            self._numbers[project] = number

    def known_projects(self) -> list[str]:
        """The IDs that were named so far, in order."""
        with self.lock:
            return sorted(self._numbers)

    def is_missing(self, project: str) -> bool:
        """Whether a setting says that the project does not exist, or it cannot, being neither an ID nor a number."""
        if not _PROJECT.fullmatch(project):
            return True
        missing = self.settings.missing_projects
        return bool(missing) and bool({project, self.project_number(project), self.project_id(project)} & missing)

    def project_policy(self, project: str) -> PolicyState:
        """The policy of a project, made where it is missing."""
        with self.lock:
            number = self.project_number(project)
            return self._project_policies.setdefault(number, PolicyState(f"projects/{number}"))

    def ancestors_of(self, project: str) -> tuple[str, ...]:
        """``folders/N`` and ``organizations/N`` above a project given by ID or number, the nearest first."""
        known = self.settings.ancestors
        if not known:
            return ()
        return known.get(self.project_id(project)) or known.get(self.project_number(project)) or ()

    def node_exists(self, name: str) -> bool:
        """Whether a folder or organisation is above some project."""
        return any(name in above for above in self.settings.ancestors.values())

    def node_policy(self, name: str) -> PolicyState:
        """The policy of a folder or an organisation."""
        with self.lock:
            return self._node_policies.setdefault(name, PolicyState(name))

    # Who may do what

    def allows(self, caller: AccessToken, permission: str, *, project: str, account: Account | None = None) -> bool:
        """Whether a binding gives ``permission`` to the caller: on the account, its project or what is above that.

        A condition is evaluated at the emulator's time. Where it reads what nobody here knows, it is not met.
        """
        with self.lock:
            if caller.pool and not self.pools.is_active(caller.pool):
                return False  # "You cannot … use existing tokens to access resources" (IAM REST v1, pool.disabled)
            known = {*caller.principals, "allUsers"} | ({"allAuthenticatedUsers"} if caller.account else set())
            policies = [self.project_policy(project), *([account.policy] if account else [])]
            policies += [self.node_policy(name) for name in self.ancestors_of(project)]
            now, delay = self.clock.now(), self.settings.propagation_seconds
            target = self._target(project, account)
            return any(
                not known.isdisjoint(binding["members"])
                and carries(binding["role"], permission, self.settings.roles)
                and ("condition" not in binding or condition_may_hold(binding["condition"]["expression"], now, target))
                for policy in policies
                for binding in policy.deciding(now, delay)
            )

    def _target(self, project: str, account: Account | None) -> Target:
        if account is not None:
            return Target.account(account.email, account.project, account.unique_id)
        service = "cloudresourcemanager.googleapis.com"
        names = (f"projects/{self.project_id(project)}", f"projects/{self.project_number(project)}")
        return Target(service, f"{service}/Project", names)

    def require(
        self, caller: AccessToken | None, permission: str, *, project: str, account: Account | None = None
    ) -> None:
        """Refuse a caller without ``permission``; ``None`` is an admin without credentials, who may do everything.

        Raises:
            ApiError: PERMISSION_DENIED.
        """
        if caller is not None and not self.allows(caller, permission, project=project, account=account):
            raise permission_denied(permission)

    def set_policy(self, policy: PolicyState, document: Mapping[str, object]) -> None:
        """Replace a policy whose document `bindings_of` has checked.

        Raises:
            ApiError: ABORTED for a stale etag; INVALID_ARGUMENT for a member that does not exist.
        """
        with self.lock:
            bindings: list[dict[str, list[str]]] = document["bindings"]  # type: ignore[assignment]  # bindings_of made it
            present = {member for binding in policy.bindings for member in binding["members"]}
            for member in {member for binding in bindings for member in binding["members"]} - present:
                self.pools.check_member(member)
                self.accounts.check_member(member)
            policy.replace(document, self.clock.now(), self.settings.propagation_seconds)

    def delete_account(self, account: Account) -> None:
        """Delete an account; bindings that name it keep a member that means nobody."""
        with self.lock:
            self.accounts.remove(account)
            for policy in self._policies():
                policy.rename_member(account.member, account.deleted_member)

    def undelete_account(self, project: str, unique_id: str) -> Account:
        """Bring back a deleted account with the bindings that name it.

        Raises:
            ApiError: NOT_FOUND, ALREADY_EXISTS.
        """
        with self.lock:
            account = self.accounts.restore(project, unique_id)
            for policy in self._policies():
                policy.rename_member(account.deleted_member, account.member)
            return account

    def _policies(self) -> list[PolicyState]:
        nodes = self._node_policies.values()
        return [*self._project_policies.values(), *nodes, *(account.policy for account in self.accounts.all())]

    # Quotas and tokens

    def use(self, quota: str, limit: int | None) -> bool:
        """Count one use of ``quota`` in this minute; ``False`` where that is more than ``limit``."""
        if limit is None:
            return True
        with self.lock:
            key = (quota, int(self.clock.now() // 60))
            self._used = {used: count for used, count in self._used.items() if used[1] == key[1]}
            self._used[key] = self._used.get(key, 0) + 1
            return self._used[key] <= limit

    def issue(self, grant: AccessToken, prefix: str) -> str:
        """An opaque access token for ``grant``."""
        with self.lock:
            token = prefix + secrets.token_urlsafe(48)
            self._grants[token] = grant
            while len(self._grants) > _KEPT_GRANTS:
                del self._grants[next(iter(self._grants))]
            return token

    def grant(self, token: str) -> AccessToken | None:
        """What a token stands for; ``None`` where it is unknown, has expired, or its account is gone."""
        with self.lock:
            found = self._grants.get(token)
            if found is None or found.expires_at <= self.clock.now():
                return None
            if found.account and not self.accounts.is_usable(found.account):
                return None
            return found

    # Provisioning without a client

    def grant_roles(self, policy: PolicyState, granted: Mapping[str, Iterable[str]]) -> None:
        """Give each role of ``granted`` exactly these members, unchecked."""
        kept = [binding for binding in policy.bindings if binding["role"] not in granted]
        added = [{"role": role, "members": [str(member) for member in members]} for role, members in granted.items()]
        bindings = kept + [binding for binding in added if binding["members"]]
        policy.replace({"bindings": bindings}, self.clock.now(), self.settings.propagation_seconds)
