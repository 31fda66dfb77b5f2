"""Service accounts: made, disabled, deleted for 30 days, and slow to be seen when they are new."""

import re
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gcp_wif.emulator.model.errors import ApiError, invalid, not_found, permission_denied
from gcp_wif.emulator.model.policies import PolicyState

__all__ = ["Account", "Accounts"]

SOFT_DELETE_SECONDS = 30 * 24 * 3600
"""How long a deleted account can be undeleted (Google, "Undelete a service account")."""

_ID = re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]")
_USER_MANAGED = re.compile(r"serviceAccount:([^@]+@[^@]+\.iam\.gserviceaccount\.com)")
_AGENTS = re.compile(r"serviceAccount:(?:service-[0-9]+@|[^@]+@gcp-sa-)")


@dataclass
class Account:
    """A service account.

    Attributes:
        project: the project's ID.
        hidden_reads: HTTP statuses of the next reads, while it is new.
        deleted_at: seconds since 1970, where it is deleted.
    """

    email: str
    project: str
    unique_id: str
    display_name: str = ""
    description: str = ""
    disabled: bool = False
    policy: PolicyState = field(default_factory=PolicyState)
    hidden_reads: list[int] = field(default_factory=list)
    deleted_at: float | None = None
    generation: int = 0

    @property
    def member(self) -> str:
        """How a policy names it."""
        return f"serviceAccount:{self.email}"

    @property
    def deleted_member(self) -> str:
        """How a policy names it after it was deleted."""
        return f"deleted:serviceAccount:{self.email}?uid={self.unique_id}"


class Accounts:
    """The accounts of all projects.

    Args:
        now: the emulator's time.
        lock: held for every transition.
    """

    def __init__(self, now: Callable[[], float], lock: threading.RLock) -> None:
        self._now = now
        self._lock = lock
        self._known: dict[str, Account] = {}
        self._deleted: dict[str, Account] = {}
        self._made = 0

    def all(self) -> list[Account]:
        """Every account that is not deleted, by email."""
        with self._lock:
            return [self._known[email] for email in sorted(self._known)]

    def of_project(self, project: str) -> list[Account]:
        """The accounts of the project with this ID."""
        return [account for account in self.all() if account.project == project]

    def find(self, name: str) -> Account | None:
        """An account by email or unique ID."""
        with self._lock:
            found = self._known.get(name)
            return found or next((each for each in self._known.values() if each.unique_id == name), None)

    def get(self, name: str) -> Account:
        """An account by email or unique ID, read by a client.

        The project in a resource name does not matter where the account exists: gcloud 528 writes its own
        ``core/project`` there for accounts of any project (observed), so Google must take that (assumed).

        Args:
            name: email or unique ID.

        Raises:
            ApiError: NOT_FOUND; while it is new also what the setting ``new_account_reads`` says.
        """
        with self._lock:
            found = self.find(name)
            if found is None:
                raise not_found(f"Unknown service account: {name[:200]}")
            if found.hidden_reads:
                if found.hidden_reads.pop(0) == 403:
                    raise permission_denied("iam.serviceAccounts.get")
                raise not_found(f"Service account {found.email} does not exist.")
            return found

    def add(self, project: str, account_id: str, hidden_reads: tuple[int, ...] = ()) -> Account:
        """Make an account.

        Raises:
            ApiError: INVALID_ARGUMENT for the ID, ALREADY_EXISTS. The name of a deleted one is free.
        """
        if not _ID.fullmatch(account_id):
            raise invalid(
                "The account ID must have 6 to 30 characters, lower-case letters, digits and hyphens, and begin with "
                "a letter.",
                "account_id",
            )
        scope, _, bare = project.rpartition(":")
        email = f"{account_id}@{bare}.{scope + '.' if scope else ''}iam.gserviceaccount.com"
        with self._lock:
            if email in self._known:
                raise ApiError(
                    "ALREADY_EXISTS",
                    f"Service account {account_id} already exists within project projects/{project}.",
                )
            account = self._make(email, project)
            account.hidden_reads = list(hidden_reads)
            return account

    def put(self, email: str, project_id: Callable[[str], str]) -> Account:
        """Make an account by its email, unchecked."""
        project, _, scope = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com").partition(".")
        return self._make(email, project_id(f"{scope}:{project}" if scope else project))

    def remove(self, account: Account) -> None:
        """Delete an account for 30 days."""
        with self._lock:
            self._known.pop(account.email, None)
            account.deleted_at = self._now()
            self._deleted[account.unique_id] = account

    def restore(self, project: str, unique_id: str) -> Account:
        """Bring back a deleted account.

        Raises:
            ApiError: NOT_FOUND also after 30 days; ALREADY_EXISTS where a new one has its name.
        """
        with self._lock:
            account = self._deleted.get(unique_id)
            if account is None or account.deleted_at is None or project not in {"-", account.project}:
                raise not_found()
            if self._now() - account.deleted_at >= SOFT_DELETE_SECONDS:
                raise not_found()
            if account.email in self._known:
                raise ApiError("ALREADY_EXISTS", f"Service account {account.email} already exists.")
            del self._deleted[unique_id]
            account.deleted_at = None
            self._known[account.email] = account
            return account

    def is_usable(self, unique_id: str) -> bool:
        """Whether tokens of the account still work: not for a disabled or deleted one."""
        found = self.find(unique_id)
        return found is not None and not found.disabled

    def check_member(self, member: str) -> None:
        """Refuse a user-managed account that does not exist, as setIamPolicy does.

        Raises:
            ApiError: INVALID_ARGUMENT.
        """
        match = _USER_MANAGED.fullmatch(member)
        if match and not _AGENTS.match(member) and match[1] not in self._known:
            raise invalid(f"Service account {match[1]} does not exist.")

    def _make(self, email: str, project: str) -> Account:
        self._made += 1
        number = 10**20 + zlib.crc32(email.encode()) * 10**6 + self._made
        account = Account(email, project, str(number), policy=PolicyState(f"serviceAccounts/{email}/{self._made}"))
        self._known[email] = account
        return account
