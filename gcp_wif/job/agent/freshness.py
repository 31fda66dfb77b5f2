"""When a token is asked for again. Pure: the time is an argument.

A token has two clocks: the one that signed it, and this machine's. By either it may be nearer to its end, so the nearer
one counts: a machine's clock that is slow must not keep a dead token alive, and one that stood still (a suspended
machine) or jumped is noticed when somebody asks.
"""

from typing import NamedTuple

from gcp_wif.limits import AGENT_GIVES_UP_SECONDS, AGENT_LONGEST_PAUSE_SECONDS, AGENT_SHORTEST_PAUSE_SECONDS

__all__ = ["Attempts", "HeldToken"]


class HeldToken(NamedTuple):
    """A subject token and its times, in seconds since 1970.

    Attributes:
        text: the token, a secret.
        expires: its ``exp``.
        issued: its ``iat``; ``None`` where it has none.
        received: this machine's time when it came.
    """

    text: str
    expires: float
    issued: float | None
    received: float

    def __repr__(self) -> str:
        return "HeldToken(hidden)"

    @property
    def lifetime(self) -> float:
        """How long it lives, by the clock that signed it."""
        return self.expires - (self.issued if self.issued is not None else self.received)

    def left(self, now: float) -> float:
        """How long it still lives; negative where it is dead."""
        return min(self.expires - now, self.lifetime - (now - self.received))

    def nears_its_end(self, now: float) -> bool:
        """Whether half of its life is over: what is left bridges a CI system that fails for a while.

        With direct federation Google's access token ends with the subject token, and clients refuse to use one that has
        under four or five minutes left. That is another reason not to wait until the last minute.
        """
        return self.left(now) <= self.lifetime / 2


class Attempts(NamedTuple):
    """How asking went since a token came last."""

    failures: int = 0
    first: float = 0.0
    last: float = 0.0

    def failed(self, now: float) -> "Attempts":
        """One more that failed."""
        return Attempts(self.failures + 1, self.first if self.failures else now, now)

    def are_hopeless(self, now: float) -> bool:
        """Whether asking has failed for so long that the job must be over.

        The age of the token would not tell: it may have died while the machine was suspended.
        """
        return self.failures > 0 and now - self.first >= AGENT_GIVES_UP_SECONDS

    def may_ask(self, now: float, *, somebody_waits: bool = False) -> bool:
        """Whether the pause after a failure is over. It doubles; where a client waits the shortest one is enough.

        A clock that was set back must not make the pause longer.
        """
        if not self.failures:
            return True
        pause = min(AGENT_SHORTEST_PAUSE_SECONDS * 2 ** min(self.failures - 1, 10), AGENT_LONGEST_PAUSE_SECONDS)
        if somebody_waits:
            pause = AGENT_SHORTEST_PAUSE_SECONDS
        return not 0 <= now - self.last < pause
