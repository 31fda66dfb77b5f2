"""What Google knows, in memory: projects, pools, providers, accounts, policies and the tokens it has issued.

One lock guards it all; every public method takes it. Time comes from a clock that can be moved. Nothing here knows
HTTP or gRPC: both sides call these methods, so that they see the same world.
"""

import base64
import copy
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gcp_wif.emulator.errors import ApiError, not_found, of_refusal
from gcp_wif.federation import ProviderRules
from gcp_wif.names import ProviderName
from gcp_wif.refusals import RefusalKind

__all__ = ["Account", "Clock", "Grant", "Policy", "Pool", "Provider", "State"]

SOFT_DELETE_SECONDS = 30 * 24 * 3600
"""How long a deleted pool or provider can be undeleted and holds its ID (IAM REST v1)."""

_LONGEST_POLICY_MEMBERS = 1500


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


@dataclass
class Provider:
    """A provider's own fields, named as in the REST resource."""

    provider_id: str
    attribute_mapping: dict[str, str] = field(default_factory=dict)
    attribute_condition: str = ""
    issuer_uri: str = ""
    allowed_audiences: list[str] = field(default_factory=list)
    jwks_json: str = ""
    display_name: str = ""
    description: str = ""
    disabled: bool = False
    deleted_at: float | None = None


@dataclass
class Pool:
    """A pool with its providers."""

    pool_id: str
    display_name: str = ""
    description: str = ""
    disabled: bool = False
    mode: str = ""
    deleted_at: float | None = None
    providers: dict[str, Provider] = field(default_factory=dict)


@dataclass
class Policy:
    """An IAM policy; the etag changes with every write."""

    bindings: list[dict[str, Any]] = field(default_factory=list)
    version: int = 1
    generation: int = 0
    changed_at: float = 0.0
    previous: list[dict[str, Any]] = field(default_factory=list)

    @property
    def etag(self) -> str:
        """Base64, as in the REST resource."""
        return base64.b64encode(b"BwX" + self.generation.to_bytes(5, "big")).decode()


@dataclass
class Account:
    """A service account."""

    email: str
    project_id: str
    unique_id: str
    display_name: str = ""
    description: str = ""
    disabled: bool = False
    policy: Policy = field(default_factory=Policy)
    reads: int = 0


@dataclass(frozen=True)
class Grant:
    """What an access token stands for: a federated identity, or a service account.

    Attributes:
        principals: every identifier in a policy that means the bearer.
        account: the email, where a service account was impersonated.
        expires_at: seconds since 1970.
        scope: as asked for.
    """

    principals: tuple[str, ...]
    account: str | None
    expires_at: float
    scope: str


class State:
    """Everything, behind one lock.

    Args:
        clock: the time.
        projects: known numbers by project ID; others get one that follows from their ID.
    """

    def __init__(self, clock: Clock, projects: dict[str, str] | None = None) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.propagation_seconds = 0.0
        self.account_reads: list[str] = []
        self.long_lived_accounts: set[str] = set()
        self.issuer_allow_list: list[str] | None = None
        self._numbers = dict(projects or {})
        self._pools: dict[tuple[str, str], Pool] = {}
        self._accounts: dict[str, Account] = {}
        self._project_policies: dict[str, Policy] = {}
        self._grants: dict[str, Grant] = {}

    # Projects

    def project_number(self, project: str) -> str:
        """The number of a project given by ID or number; every ID exists."""
        with self.lock:
            if project.isdigit():
                return project
            if project not in self._numbers:
                self._numbers[project] = str(100_000_000_000 + zlib.crc32(project.encode()))
            return self._numbers[project]

    def project_id(self, project: str) -> str:
        """The ID of a project given by ID or number; an unknown number is its own ID's stand-in.

        Raises:
            ApiError: NOT_FOUND for a number that no known project has.
        """
        with self.lock:
            if not project.isdigit():
                self.project_number(project)
                return project
            found = next((name for name, number in self._numbers.items() if number == project), None)
            if found is None:
                raise not_found()
            return found

    def project_policy(self, project: str) -> Policy:
        """The policy of a project, made where it is missing."""
        with self.lock:
            return self._project_policies.setdefault(self.project_number(project), Policy())

    # Pools and providers

    def pools(self, project: str, *, show_deleted: bool) -> list[Pool]:
        """The pools of a project, by ID."""
        with self.lock:
            number = self.project_number(project)
            self._purge()
            found = [pool for (owner, _), pool in sorted(self._pools.items()) if owner == number]
            return [pool for pool in found if show_deleted or pool.deleted_at is None]

    def pool(self, project: str, pool_id: str) -> Pool:
        """A pool, deleted or not.

        Raises:
            ApiError: NOT_FOUND.
        """
        with self.lock:
            self._purge()
            found = self._pools.get((self.project_number(project), pool_id))
            if found is None:
                raise not_found()
            return found

    def add_pool(self, project: str, pool: Pool) -> None:
        """Add a pool.

        Raises:
            ApiError: ALREADY_EXISTS, also for one that was deleted less than 30 days ago.
        """
        with self.lock:
            self._purge()
            key = (self.project_number(project), pool.pool_id)
            if key in self._pools:
                raise of_refusal(RefusalKind.ALREADY_EXISTS)
            self._pools[key] = pool

    def provider(self, project: str, pool_id: str, provider_id: str) -> Provider:
        """A provider, deleted or not.

        Raises:
            ApiError: NOT_FOUND.
        """
        with self.lock:
            found = self.pool(project, pool_id).providers.get(provider_id)
            if found is None:
                raise not_found()
            return found

    def add_provider(self, project: str, pool_id: str, provider: Provider) -> None:
        """Add a provider to a pool that is not deleted.

        Raises:
            ApiError: NOT_FOUND, FAILED_PRECONDITION, ALREADY_EXISTS.
        """
        with self.lock:
            pool = self.pool(project, pool_id)
            if pool.deleted_at is not None:
                raise ApiError("FAILED_PRECONDITION", "The workload identity pool is deleted.")
            if provider.provider_id in pool.providers:
                raise of_refusal(RefusalKind.ALREADY_EXISTS)
            pool.providers[provider.provider_id] = provider

    def usable_provider(self, name: ProviderName) -> tuple[Provider, ProviderRules] | None:
        """A provider that exchanges tokens now; ``None`` where it or its pool is missing, disabled or deleted."""
        with self.lock:
            self._purge()
            pool = self._pools.get((name.project_number, name.pool_id))
            provider = pool.providers.get(name.provider_id) if pool else None
            if pool is None or provider is None:
                return None
            if pool.disabled or provider.disabled or pool.deleted_at is not None or provider.deleted_at is not None:
                return None
            rules = ProviderRules(
                name,
                provider.issuer_uri,
                dict(provider.attribute_mapping),
                provider.attribute_condition or None,
                tuple(provider.allowed_audiences),
            )
            return copy.copy(provider), rules

    def _purge(self) -> None:
        limit = self.clock.now() - SOFT_DELETE_SECONDS
        for key, pool in list(self._pools.items()):
            if pool.deleted_at is not None and pool.deleted_at <= limit:
                del self._pools[key]
                continue
            for provider_id, provider in list(pool.providers.items()):
                if provider.deleted_at is not None and provider.deleted_at <= limit:
                    del pool.providers[provider_id]

    # Service accounts and policies

    def accounts(self, project: str) -> list[Account]:
        """The accounts of a project, by email."""
        with self.lock:
            wanted = self.project_id(project) if project.isdigit() else project
            return [account for _, account in sorted(self._accounts.items()) if account.project_id == wanted]

    def account(self, project: str, name: str) -> Account:
        """An account by email or unique ID; ``-`` stands for any project.

        Raises:
            ApiError: NOT_FOUND.
        """
        with self.lock:
            found = self._accounts.get(name) or next(
                (account for account in self._accounts.values() if account.unique_id == name), None
            )
            if found is None or project not in {"-", found.project_id, self.project_number(found.project_id)}:
                raise not_found(f"Unknown service account: {name}")
            return found

    def add_account(self, project: str, account_id: str, display_name: str = "", description: str = "") -> Account:
        """Add a service account.

        Raises:
            ApiError: ALREADY_EXISTS.
        """
        with self.lock:
            project_id = self.project_id(project)
            scope, _, bare = project_id.rpartition(":")
            email = f"{account_id}@{bare}.{scope + '.' if scope else ''}iam.gserviceaccount.com"
            if email in self._accounts:
                raise ApiError(
                    "ALREADY_EXISTS",
                    f"Service account {account_id} already exists within project projects/{project_id}.",
                )
            unique_id = str(100_000_000_000_000_000_000 + zlib.crc32(email.encode()))
            account = Account(email, project_id, unique_id, display_name, description)
            self._accounts[email] = account
            return account

    def remove_account(self, project: str, name: str) -> None:
        """Delete a service account.

        Raises:
            ApiError: NOT_FOUND.
        """
        with self.lock:
            del self._accounts[self.account(project, name).email]

    def set_policy(self, policy: Policy, bindings: Iterable[dict[str, Any]], version: int, etag: str | None) -> None:
        """Replace a policy's bindings; an etag, where given, must be the present one.

        Raises:
            ApiError: ABORTED for a stale etag, INVALID_ARGUMENT for a malformed binding.
        """
        with self.lock:
            if etag and etag != policy.etag:
                raise of_refusal(RefusalKind.CONCURRENT_POLICY)
            merged = _merged(bindings, version)
            if self.clock.now() - policy.changed_at >= self.propagation_seconds:
                policy.previous = policy.bindings
            policy.bindings = merged
            policy.version = 3 if any("condition" in binding for binding in merged) else 1
            policy.generation += 1
            policy.changed_at = self.clock.now()

    def grants_role(self, policy: Policy, role: str, principals: Iterable[str]) -> bool:
        """Whether a binding that has propagated gives ``role`` to one of ``principals``; conditional ones do not count.

        That a condition on such a binding is never met is assumed: the emulator does not evaluate IAM conditions.
        """
        with self.lock:
            fresh = self.clock.now() - policy.changed_at < self.propagation_seconds
            known = set(principals)
            return any(
                binding["role"] == role and known & set(binding["members"])
                for binding in (policy.previous if fresh else policy.bindings)
                if "condition" not in binding
            )

    # Tokens

    def issue(self, grant: Grant, prefix: str) -> str:
        """An opaque access token for ``grant``."""
        with self.lock:
            token = prefix + secrets.token_urlsafe(48)
            self._grants[token] = grant
            return token

    def grant(self, token: str) -> Grant | None:
        """What a token stands for; ``None`` where it is unknown or has expired."""
        with self.lock:
            found = self._grants.get(token)
            if found is None or found.expires_at <= self.clock.now():
                return None
            return found

    # Provisioning without a client

    def provision(
        self,
        name: ProviderName,
        *,
        issuer: str,
        mapping: dict[str, str],
        condition: str = "",
        allowed_audiences: Iterable[str] = (),
        accounts: dict[str, Iterable[str]] | None = None,
    ) -> None:
        """Make a pool, a provider and accounts, each with its members of roles/iam.workloadIdentityUser, at once."""
        with self.lock:
            key = (str(name.project_number), str(name.pool_id))
            pool = self._pools.setdefault(key, Pool(name.pool_id))
            pool.providers[name.provider_id] = Provider(
                name.provider_id, dict(mapping), condition, issuer, list(allowed_audiences)
            )
            for email, members in (accounts or {}).items():
                if email not in self._accounts:
                    local, _, domain = email.partition("@")
                    project, _, scope = domain.removesuffix(".iam.gserviceaccount.com").partition(".")
                    self.add_account(f"{scope}:{project}" if scope else project, local)
                binding = {"role": "roles/iam.workloadIdentityUser", "members": list(members)}
                self.set_policy(self._accounts[email].policy, [binding], 1, None)


def _merged(bindings: Iterable[dict[str, Any]], version: int) -> list[dict[str, Any]]:
    """Bindings as Google keeps them: one for each role and condition, members once, in order of first mention."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for binding in bindings:
        role, members, condition = binding.get("role"), binding.get("members", []), binding.get("condition")
        if not isinstance(role, str) or not role.startswith(("roles/", "projects/", "organizations/")):
            raise ApiError("INVALID_ARGUMENT", f"Role {role} is not supported for this resource.")
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise ApiError("INVALID_ARGUMENT", "The members of a binding must be a list of strings.")
        bad = next((member for member in members if not _is_member(member)), None)
        if bad is not None:
            raise ApiError(
                "INVALID_ARGUMENT", f"The member {bad} is of an unknown type. Please set a valid type prefix."
            )
        if condition is not None and version < 3:
            raise ApiError("INVALID_ARGUMENT", "Policies with conditions must be written with version 3.")
        key = (role, repr(condition))
        entry = merged.setdefault(key, {"role": role, "members": []} | ({"condition": condition} if condition else {}))
        entry["members"] += [member for member in dict.fromkeys(members) if member not in entry["members"]]
    if sum(len(binding["members"]) for binding in merged.values()) > _LONGEST_POLICY_MEMBERS:
        raise ApiError("INVALID_ARGUMENT", f"A policy holds at most {_LONGEST_POLICY_MEMBERS} members.")
    return [binding for binding in merged.values() if binding["members"]]


def _is_member(member: str) -> bool:
    if member in {"allUsers", "allAuthenticatedUsers"}:
        return True
    kind, separator, name = member.partition(":")
    known = {"user", "group", "serviceAccount", "domain", "principal", "principalSet", "deleted", "projectOwner",
             "projectEditor", "projectViewer"}  # fmt: skip
    return bool(separator and name and kind in known) and member.isprintable()
