"""Trouble on purpose: failures planned for the n-th call of a kind, so that a test can fail each call of a run in turn.

``POST /emulator/faults`` takes ``{"faults": [FAULT, …]}`` and replaces the plan; ``{"faults": []}`` ends it. A FAULT is

* ``match``: ``{"method"?: "POST", "path"?: REGEX}``, searched in ``METHOD /path`` decoded; all calls where it is left out.
  A gRPC call has the method ``GRPC`` and its full name as the path.
* ``nth``: the first matching call that is hit, counted from 1 (default 1); ``times``: how many in a row (default 1;
  0 for all that follow).
* ``action``, one of ``{"status": 503, "body"?: {…}}``, ``{"latency_ms": 20}``, ``{"drop": true}`` (the connection is
  closed without an answer), ``{"reset": true}`` (closed with RST), ``{"operation": "never" | "error"}``,
  ``{"stale_etag": true}`` (the policy is changed by somebody else just before).

Besides, ``{"propagation_seconds": N}`` lets a changed policy take N seconds of the emulator's clock to have an effect,
and ``{"account_reads": ["403", "404"]}`` answers so to the first reads of every account that is made from then on.
"""

import re
import threading
from dataclasses import dataclass, field
from typing import Any

from gcp_wif.emulator.errors import ApiError

__all__ = ["Action", "Faults"]

Json = dict[str, Any]

_MAX_LATENCY_MS = 60_000
_MAX_PATTERN = 500


@dataclass(frozen=True)
class Action:
    """What happens to one call."""

    status: int | None = None
    body: Json | None = None
    latency_ms: float = 0
    drop: bool = False
    reset: bool = False
    operation: str | None = None
    stale_etag: bool = False


@dataclass
class _Fault:
    method: str
    path: re.Pattern[str]
    nth: int
    times: int
    action: Action
    seen: int = field(default=0)

    def hits(self, method: str, path: str) -> bool:
        if self.method not in {"", method} or not self.path.search(path):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)


class Faults:
    """The plan, counted from one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plan: list[_Fault] = []

    def plan(self, faults: list[Any]) -> None:
        """Replace the plan.

        Raises:
            ApiError: INVALID_ARGUMENT, with the number of the fault that is malformed.
        """
        parsed = []
        for number, fault in enumerate(faults):
            try:
                parsed.append(_parse(fault))
            except (TypeError, ValueError, KeyError, AttributeError, re.error):
                raise ApiError(
                    "INVALID_ARGUMENT", f"faults[{number}] is malformed; see the emulator's documentation."
                ) from None
        with self._lock:
            self._plan = parsed

    def next(self, method: str, path: str) -> tuple[Action, ...]:
        """The actions for this call; every fault that matches counts it."""
        with self._lock:
            return tuple(fault.action for fault in self._plan if fault.hits(method, path))


def _parse(fault: Json) -> _Fault:
    match, action = fault.get("match") or {}, fault["action"]
    method, pattern = match.get("method", ""), match.get("path", "")
    nth, times = fault.get("nth", 1), fault.get("times", 1)
    known = set(fault) <= {"match", "nth", "times", "action"} and set(match) <= {"method", "path"}
    if not known or not isinstance(method, str) or len(pattern) > _MAX_PATTERN:
        raise ValueError
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in (nth, times)):
        raise TypeError
    if nth < 1 or times < 0:
        raise ValueError
    return _Fault(method, re.compile(pattern), nth, times, _action(action))


def _action(action: Json) -> Action:
    status, latency = action.get("status"), action.get("latency_ms", 0)
    if not action or not set(action) <= set(Action.__dataclass_fields__):
        raise ValueError
    if status is not None and (isinstance(status, bool) or not isinstance(status, int) or not 400 <= status <= 599):
        raise ValueError
    if isinstance(latency, bool) or not 0 <= latency <= _MAX_LATENCY_MS:
        raise ValueError
    if action.get("operation") not in {None, "never", "error"} or not isinstance(action.get("body"), dict | type(None)):
        raise ValueError
    flags = {name: action.get(name, False) is True for name in ("drop", "reset", "stale_etag")}
    return Action(status, action.get("body"), latency, operation=action.get("operation"), **flags)
