"""What an agent is told, by the command that starts it and by each later login that shares it.

It is JSON over a pipe, or over loopback in the body of a request that has the secret: nothing of it is in an argument
or in a file.
"""

import json
from typing import Any, NamedTuple

__all__ = ["SECRET_HEADER", "Order"]

SECRET_HEADER = "X-Gcp-Wif-Secret"  # noqa: S105 - a header's name
"""Not ``Authorization``: requests replaces that by what a ``default`` line of ``~/.netrc`` says."""


class Order(NamedTuple):
    """One order.

    Attributes:
        token: the token to begin with, a secret.
        expires: its ``exp``.
        issued: its ``iat``, or ``None``.
        ask: how the CI system is asked for another, as `errand` takes it; ``None`` where the first is the only one.
        environ: the job's environment, for whoever asks.
        config: the credential config's path.
        log: that of the log.
        ends: when the agent ends, in seconds since 1970.
        job: the process that the job ends with; ``None`` where none is known.
        access: how Google is asked for an access token, as `errand` takes it; ``None`` for no metadata server.
        folder: a private folder, which is removed at the end; the agent then ends with the process that started it.
    """

    token: str
    expires: float
    issued: float | None
    ask: dict[str, Any] | None
    environ: dict[str, str]
    config: str
    log: str
    ends: float
    job: int | None = None
    access: dict[str, Any] | None = None
    folder: str | None = None

    def __repr__(self) -> str:
        return "Order(hidden)"

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(self._asdict()).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> "Order":
        """Read what `to_json` made.

        Raises:
            ValueError, TypeError, RecursionError: it is something else.
        """
        return cls(**json.loads(data))
