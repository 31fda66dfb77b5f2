"""Trouble on purpose: which call fails, how, and how often.

A plan is a list of faults, each with its own counter, so that a test can fail the nth call of a run, then the next.
REST and gRPC count through the same plan. `gcp_wif.emulator.transport.controls` documents the JSON.
"""

import fnmatch
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gcp_wif.emulator.model.errors import HTTP_STATUS, ApiError, invalid
from gcp_wif.emulator.model.operations import Fate

__all__ = ["Action", "Faults", "status_name"]

_MOST_FAULTS = 1000
_MOST_LATENCY = 60_000
_MATCH = frozenset({"call", "method", "path_regex"})
_FATES: tuple[Fate, ...] = ("late", "never", "error")


@dataclass(frozen=True)
class Action:
    """What happens to one call.

    Attributes:
        status: answer with this HTTP status (and its gRPC code).
        error: the ``google.rpc.Code`` or OAuth error to name; by default what belongs to ``status``.
        message: the sentence.
        body: an answer that replaces all of the above, text or JSON.
        latency_ms: wait first.
        drop: close the connection without an answer; ``reset`` does it with a TCP reset.
        reset: as above.
        after: the call takes effect before its answer is lost or replaced.
        operation: the fate of the operation that this call starts.
        stale_etag: somebody else changes the policy right after it is read, or before it is written.
    """

    status: int | None = None
    error: str | None = None
    message: str | None = None
    body: Any = None
    latency_ms: float = 0
    drop: bool = False
    reset: bool = False
    after: bool = False
    operation: Fate | None = None
    stale_etag: bool = False

    @property
    def replaces(self) -> bool:
        """Whether the caller gets something else than the call's own answer."""
        return self.drop or self.reset or self.status is not None or self.body is not None

    def api_error(self) -> ApiError:
        """The planned refusal in Google's shape."""
        status = self.status or 503
        known = self.error if self.error in HTTP_STATUS else status_name(status)
        error = ApiError(known, self.message or "The service is currently unavailable.")
        error.http_status = status
        return error


@dataclass
class _Fault:
    call: str | None
    method: str | None
    path: re.Pattern[str] | None
    nth: int | None
    times: int | None
    action: Action
    seen: int = 0
    fired: int = 0

    def fires(self, call: str, method: str, path: str) -> bool:
        if self.call and not (fnmatch.fnmatchcase(call, self.call) or call.endswith(f".{self.call}")):
            return False
        if (self.method and self.method != method) or (self.path and not self.path.search(path)):
            return False
        self.seen += 1
        first, times = (1, self.times) if self.nth is None else (self.nth, self.times or 1)
        if self.seen < first or (times is not None and self.seen >= first + times):
            return False
        self.fired += 1
        return True


class Faults:
    """The present plan."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plan: list[_Fault] = []

    def replace(self, faults: object) -> None:
        """Take a new plan; counting begins anew.

        Raises:
            ApiError: INVALID_ARGUMENT for anything that is not one.
        """
        if not isinstance(faults, list) or len(faults) > _MOST_FAULTS:
            raise invalid("faults must be a list of at most 1000 faults.")
        plan = [_fault(each) for each in faults]
        with self._lock:
            self._plan = plan

    def counts(self) -> list[dict[str, int]]:
        """How many calls each fault has matched and how often it has fired, in the plan's order."""
        with self._lock:
            return [{"seen": fault.seen, "fired": fault.fired} for fault in self._plan]

    def take(self, call: str, method: str, path: str) -> Action:
        """Count one call and say what happens to it: the first fault that fires, with the latency of all."""
        with self._lock:
            firing = [fault.action for fault in self._plan if fault.fires(call, method, path)]
        if not firing:
            return Action()
        first = next((action for action in firing if action != Action(latency_ms=action.latency_ms)), firing[0])
        return replace(first, latency_ms=sum(action.latency_ms for action in firing))


def status_name(status: int) -> str:
    """The ``google.rpc.Code`` of an HTTP status (google/rpc/code.proto); the nearest for one that it does not list."""
    exact = {409: "ABORTED", 400: "INVALID_ARGUMENT"}
    found = exact.get(status) or next((name for name, known in HTTP_STATUS.items() if known == status), None)
    return found or ("UNAVAILABLE" if status > 500 else "INTERNAL" if status == 500 else "FAILED_PRECONDITION")


def _fault(document: object) -> _Fault:
    if not isinstance(document, dict) or set(document) - {"match", "nth", "times", "action"}:
        raise invalid("A fault has match, nth, times and action.")
    match = document.get("match") or {}
    texts = isinstance(match, dict) and all(isinstance(value, str) and len(value) <= 500 for value in match.values())
    if not texts or set(match) - _MATCH:
        raise invalid("A fault's match has call, method and path_regex, which are strings.")
    try:
        path = re.compile(match["path_regex"]) if match.get("path_regex") else None
    except (re.error, RecursionError, OverflowError):
        raise invalid("path_regex is not a regular expression.") from None
    nth, times = document.get("nth", 1), document.get("times")
    for number in (nth if nth != "every" else 1, 1 if times is None else times):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise invalid('nth must be a number from 1 on or "every", times a number from 1 on.')
    action = _action(document.get("action"))
    return _Fault(match.get("call"), match.get("method"), path, None if nth == "every" else nth, times, action)


def _action(document: object) -> Action:
    if not isinstance(document, dict) or not document:
        raise invalid("A fault needs an action.")
    checks = {
        "status": _is_number(document.get("status", 200), 200, 599) and not isinstance(document.get("status"), float),
        "error": isinstance(document.get("error", ""), str),
        "message": isinstance(document.get("message", ""), str),
        "latency_ms": _is_number(document.get("latency_ms", 0), 0, _MOST_LATENCY),
        "operation": document.get("operation", "late") in _FATES,
        "body": True,
    } | {name: isinstance(document.get(name, True), bool) for name in ("drop", "reset", "after", "stale_etag")}
    wrong: Iterable[str] = [name for name in document if not checks.get(name, False)]
    if wrong:
        raise invalid(f"The action's {', '.join(wrong)[:200]} is unknown or has a wrong value.")
    return Action(**document)


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
