"""Long-running operations of pools and providers.

Google answers a change with an operation that is not done. When it becomes done is not documented; here it takes a
number of polls or some seconds, whichever comes first, both settings. Whether the change can be seen before that is
not documented either. Here it can, because gcloud creates a provider right after its pool without polling and
succeeds at Google (observed with gcloud 528: it never polls); the fate ``late`` makes it wait.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gcp_wif.emulator.model.errors import ApiError, not_found

__all__ = ["Fate", "Operations"]

Fate = Literal["late", "never", "error"]
_KEPT = 10_000
_METADATA = "type.googleapis.com/google.iam.v1.WorkloadIdentityPoolOperationMetadata"


@dataclass
class _Operation:
    name: str
    started_at: float
    fate: Fate | None
    change: Callable[[], None]
    polls: int = 0
    error: dict[str, Any] | None = None
    done: bool = False


class Operations:
    """The operations so far.

    Args:
        now: the emulator's time.
        lock: held for every transition.
    """

    def __init__(self, now: Callable[[], float], lock: threading.RLock) -> None:
        self._now = now
        self._lock = lock
        self._known: dict[str, _Operation] = {}
        self.polls = 1
        self.seconds = 5.0

    def start(self, resource: str, change: Callable[[], None], fate: Fate | None) -> dict[str, Any]:
        """Begin ``change`` on ``resource``; answers the operation's document.

        Args:
            resource: the full name of the pool or provider: the operation is found under its path.
            change: makes the change. It has been checked already.
            fate: ``None`` changes at once; ``late`` when the operation is done; ``never`` and ``error`` not at all.
        """
        with self._lock:
            name = f"{resource}/operations/{secrets.token_hex(16)}"
            operation = _Operation(name, self._now(), fate, change)
            if fate is None:
                change()
            self._known[name] = operation
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
            return self._document(operation)

    def get(self, name: str) -> dict[str, Any]:
        """Poll one.

        Raises:
            ApiError: NOT_FOUND.
        """
        with self._lock:
            operation = self._known.get(name)
            if operation is None:
                raise not_found()
            operation.polls += 1
            late_enough = operation.polls > self.polls or self._now() - operation.started_at >= self.seconds
            if not operation.done and late_enough and operation.fate != "never":
                self._finish(operation)
            return self._document(operation)

    @staticmethod
    def _finish(operation: _Operation) -> None:
        operation.done = True
        if operation.fate == "error":
            operation.error = {"code": 13, "message": "An internal error occurred."}
        elif operation.fate == "late":
            try:
                operation.change()
            except ApiError as error:  # what was checked at the start no longer holds
                operation.error = {"code": 9, "message": error.message}

    @staticmethod
    def _document(operation: _Operation) -> dict[str, Any]:
        """``response`` holds nothing but its type: clients read the resource again."""
        document: dict[str, Any] = {"name": operation.name, "metadata": {"@type": _METADATA}}
        if not operation.done:
            return document
        if operation.error:
            return document | {"done": True, "error": operation.error}
        kind = "WorkloadIdentityPoolProvider" if "/providers/" in operation.name else "WorkloadIdentityPool"
        return document | {"done": True, "response": {"@type": f"type.googleapis.com/google.iam.v1.{kind}"}}
