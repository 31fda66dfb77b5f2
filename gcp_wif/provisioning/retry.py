"""How long to keep trying, and which failures pass by themselves.

Exponential back-off with full jitter inside a bound, as google-api-core does it, but with the clock, the sleep and the
draw as fields: a test of minutes of waiting takes none. What passes is 429 and 5xx, a connection that broke or timed
out, and 409 ABORTED of a policy that somebody else wrote meanwhile.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

__all__ = ["RetryPolicy", "is_concurrent_change", "is_transient"]

T = TypeVar("T")

_TRANSIENT = (
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    exceptions.Unknown,
    requests.ConnectionError,
    requests.Timeout,
    auth_exceptions.TransportError,
)


@dataclass(frozen=True)
class RetryPolicy:
    """Bounds of waiting, in seconds.

    Attributes:
        first: the longest first pause; a pause is drawn evenly between 0 and it.
        most: the longest pause.
        bound: after this long the last failure stands.
        request: how long one request may take.
        operation: how long an operation may stay open.
        visible: how long a new account may be unknown to some of Google's servers.
        clock: seconds that only ever grow.
        sleep: waits for so many seconds.
        draw: a number between two bounds.
    """

    first: float = 1.0
    most: float = 20.0
    bound: float = 180.0
    request: float = 60.0
    operation: float = 300.0
    visible: float = 180.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[float, float], float] = random.uniform

    def retry(
        self,
        action: Callable[[], T],
        transient: Callable[[Exception], bool] | None = None,
        *,
        bound: float | None = None,
        on_retry: Callable[[Exception], None] | None = None,
    ) -> T:
        """Call ``action`` until it succeeds, fails for good, or the bound is reached; its own failure is raised then.

        Args:
            action: made again as a whole.
            transient: which failures to try again after; `is_transient` by default.
            bound: seconds, in place of ``self.bound``.
            on_retry: called with each failure that is tried again.
        """
        again = transient or is_transient
        deadline = self.deadline(self.bound if bound is None else bound)
        longest = self.first
        while True:
            try:
                return action()
            except Exception as error:
                pause = self.draw(0.0, longest)
                if not again(error) or self.clock() + pause > deadline:
                    raise
                if on_retry is not None:
                    on_retry(error)
            self.sleep(pause)
            longest = min(2 * longest, self.most)

    def deadline(self, seconds: float) -> float:
        """The time of the clock in so many seconds."""
        return self.clock() + seconds

    def pause(self, deadline: float) -> bool:
        """Wait before the next poll; ``False`` where ``deadline`` has passed."""
        left = deadline - self.clock()
        if left <= 0:
            return False
        self.sleep(min(self.first, left))
        return True


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later."""
    return isinstance(error, _TRANSIENT)


def is_concurrent_change(error: Exception) -> bool:
    """Whether a policy was changed between reading and writing it."""
    return isinstance(error, exceptions.Aborted) or (isinstance(error, exceptions.Conflict) and not _exists(error))


def _exists(error: Exception) -> bool:
    return isinstance(error, exceptions.AlreadyExists) or "already exists" in str(error).lower()
