"""Workload identity pools and providers: what they hold, and their life from creation to 30 days after deletion."""

import copy
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gcp_wif.emulator.model.errors import ApiError, invalid, not_found, of_refusal
from gcp_wif.federation import ProviderRules
from gcp_wif.names import PoolName, Principal, ProviderName
from gcp_wif.refusals import RefusalKind

__all__ = ["SOFT_DELETE_SECONDS", "Pools", "Resource"]

SOFT_DELETE_SECONDS = 30 * 24 * 3600
"""How long a deleted pool or provider can be undeleted and holds its ID (IAM REST v1)."""


@dataclass
class Resource:
    """A pool or a provider.

    Attributes:
        name: the full resource name, with the project's number.
        content: the fields that a client sets, as in the REST resource; those with a default value are absent.
        deleted_at: seconds since 1970, where it is deleted.
        providers: a pool's providers by ID.
    """

    name: str
    content: dict[str, Any]
    deleted_at: float | None = None
    providers: dict[str, "Resource"] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it takes part in an exchange."""
        return self.deleted_at is None and not self.content.get("disabled", False)

    def document(self) -> dict[str, Any]:
        """The REST resource."""
        document: dict[str, Any] = {"name": self.name} | copy.deepcopy(self.content)
        if self.deleted_at is None:
            return document | {"state": "ACTIVE"}
        expires = datetime.fromtimestamp(self.deleted_at + SOFT_DELETE_SECONDS, UTC)
        return document | {"state": "DELETED", "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}


class Pools:
    """The pools of all projects, by project number and ID.

    Args:
        now: the emulator's time.
        lock: held for every transition.
    """

    def __init__(self, now: Callable[[], float], lock: threading.RLock) -> None:
        self._now = now
        self._lock = lock
        self._known: dict[tuple[str, str], Resource] = {}

    def of_project(self, number: str) -> dict[str, Resource]:
        """The pools of a project by ID, deleted ones too."""
        with self._lock:
            self._purge()
            return {pool_id: pool for (owner, pool_id), pool in self._known.items() if owner == number}

    def get(self, number: str, pool_id: str, provider_id: str | None = None) -> Resource:
        """A pool or, with ``provider_id``, a provider; deleted or not.

        Raises:
            ApiError: NOT_FOUND.
        """
        with self._lock:
            self._purge()
            pool = self._known.get((number, pool_id))
            found = pool if pool is None or provider_id is None else pool.providers.get(provider_id)
            if found is None:
                raise not_found()
            return found

    def add(self, number: str, pool_id: str, provider_id: str | None, content: dict[str, Any]) -> None:
        """Add a pool or, with ``provider_id``, a provider.

        Raises:
            ApiError: as `check_addable`.
        """
        with self._lock:
            self.check_addable(number, pool_id, provider_id)
            name = f"projects/{number}/locations/global/workloadIdentityPools/{pool_id}"
            if provider_id is None:
                self._known[number, pool_id] = Resource(name, content)
            else:
                added = Resource(f"{name}/providers/{provider_id}", content)
                self._known[number, pool_id].providers[provider_id] = added

    def check_addable(self, number: str, pool_id: str, provider_id: str | None) -> None:
        """Whether the name is free.

        Raises:
            ApiError: ALREADY_EXISTS, also for what was deleted less than 30 days ago; NOT_FOUND where a provider's
                pool is missing, FAILED_PRECONDITION where it is deleted (assumed).
        """
        with self._lock:
            self._purge()
            pool = self._known.get((number, pool_id))
            if provider_id is None:
                taken = pool is not None
            elif pool is None:
                raise not_found()
            elif pool.deleted_at is not None:
                raise ApiError("FAILED_PRECONDITION", "The workload identity pool is deleted.")
            else:
                taken = provider_id in pool.providers
            if taken:
                raise of_refusal(RefusalKind.ALREADY_EXISTS)

    def put(self, name: ProviderName, content: dict[str, Any], pool_content: dict[str, Any] | None = None) -> None:
        """Make a provider, and its pool where that is missing, unchecked; replaces a provider of that name.

        Args:
            name: the provider's.
            content: its fields.
            pool_content: the pool's; ``None`` leaves it as it is.
        """
        with self._lock:
            pool = self._known.setdefault((name.project_number, name.pool_id), Resource(str(name.pool), {}))
            if pool_content is not None:
                pool.content = pool_content
            pool.providers[name.provider_id] = Resource(str(name), content)

    def usable_provider(self, name: ProviderName) -> ProviderRules | None:
        """The rules of a provider that exchanges tokens now.

        ``None`` where it or its pool is missing, disabled or deleted.
        """
        with self._lock:
            self._purge()
            pool = self._known.get((name.project_number, name.pool_id))
            provider = pool.providers.get(name.provider_id) if pool else None
            if pool is None or provider is None or not pool.active or not provider.active:
                return None
            content = copy.deepcopy(provider.content)
        return ProviderRules.from_rest(name, content)

    def is_active(self, name: PoolName) -> bool:
        """Whether a pool is there, neither disabled nor deleted."""
        with self._lock:
            self._purge()
            pool = self._known.get((name.project_number, name.pool_id))
            return pool is not None and pool.active

    def check_member(self, member: str) -> None:
        """Refuse a principal of a pool that does not exist, as setIamPolicy does (widely quoted).

        Raises:
            ApiError: INVALID_ARGUMENT.
        """
        if not member.startswith(("principal:", "principalSet:")) or "/workloadIdentityPools/" not in member:
            return
        principal = Principal.parse(member)
        if principal is None:
            raise invalid(f"Invalid principal {json.dumps(member[:300])}.", "policy.bindings.member")
        with self._lock:
            self._purge()
            parts = principal.parts
            if (parts.project, parts.pool) not in self._known:
                pool = f"projects/{parts.project}/locations/global/workloadIdentityPools/{parts.pool}"
                raise invalid(
                    f"Identity Pool does not exist ({pool}). Please check that you specified a valid resource name as "
                    "returned in the `name` attribute in the configuration API."
                )

    def _purge(self) -> None:
        limit = self._now() - SOFT_DELETE_SECONDS

        def expired(resource: Resource) -> bool:
            return resource.deleted_at is not None and resource.deleted_at <= limit

        for key in [key for key, pool in self._known.items() if expired(pool)]:
            del self._known[key]
        for pool in self._known.values():
            pool.providers = {name: each for name, each in pool.providers.items() if not expired(each)}
