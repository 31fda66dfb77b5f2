"""Long-running operations of pools and providers: not done when they are answered, but polled until they are.

The resource itself changes at once, as gcloud needs, which never polls (observed with gcloud 528); that Google lets a
new pool be read before its operation is done is assumed.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from gcp_wif.emulator.errors import not_found

__all__ = ["Operations"]

_POLLS = 1
"""How many polls find an operation not done yet."""


@dataclass
class _Operation:
    target: str
    polls_left: float
    error: dict[str, Any] | None


class Operations:
    """The operations so far, by name; guarded by the state's lock."""

    def __init__(self) -> None:
        self._known: dict[str, _Operation] = {}

    def start(self, target: str, *, never: bool = False, error: dict[str, Any] | None = None) -> dict[str, Any]:
        """A new operation on the resource ``target``.

        Args:
            target: the resource's name.
            never: whether it never ends.
            error: a ``google.rpc.Status`` that it ends in.
        """
        name = f"{target}/operations/{secrets.token_hex(12)}"
        self._known[name] = _Operation(target, float("inf") if never else _POLLS, error)
        return self._resource(name, done=False)

    def poll(self, name: str) -> dict[str, Any]:
        """``GET …/operations/ID``.

        Raises:
            ApiError: NOT_FOUND.
        """
        operation = self._known.get(name)
        if operation is None:
            raise not_found()
        operation.polls_left -= 1
        return self._resource(name, done=operation.polls_left < 0)

    def _resource(self, name: str, *, done: bool) -> dict[str, Any]:
        operation = self._known[name]
        if not done:
            return {"name": name}
        if operation.error:
            return {"name": name, "done": True, "error": operation.error}
        # Google's response is empty; the resource must be read again.
        return {"name": name, "done": True, "response": {}}
