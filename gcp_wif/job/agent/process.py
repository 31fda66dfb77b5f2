"""The agent: one process, one thread, one loop. It imports little, for it lives as long as the job.

It is started by `launch` with an order on its standard input, and answers on its output: a line when it listens, and a
line when it has taken its log, once the config is written. Then it lets go of all that it got from whoever started it.
"""

import json
import os
import selectors
import signal
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from gcp_wif.job.agent.child import Child
from gcp_wif.job.agent.connections import Server
from gcp_wif.job.agent.freshness import Attempts, HeldToken
from gcp_wif.job.agent.log import Log
from gcp_wif.job.agent.order import Order
from gcp_wif.job.agent.requests import Reply, Request, has_secret, is_for
from gcp_wif.limits import (
    AGENT_ANSWER_BYTES,
    AGENT_LOOK_SECONDS,
    AGENT_ORDER_BYTES,
)

if TYPE_CHECKING:
    from gcp_wif.job.agent.metadata import Metadata

__all__ = ["main"]

_BUSY_SECONDS = 0.2


class Agent:
    """What the agent knows and does.

    Args:
        order: the first order.
        secret: who sends it may have the token.
        clock: seconds since 1970.
    """

    def __init__(self, order: Order, secret: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._secret = secret.encode()
        self._selector = selectors.DefaultSelector()
        self._server = Server(self._selector)
        self._job: int | None = None
        self._errand: Child | None = None
        self._log: Log | None = None
        self._config_seen: tuple[int, int] | None = None
        self._why: _End | None = None
        self._metadata: Metadata | None = None
        self._listener = self._server.listen(self._secret, self._answer)
        self._take(order)

    @property
    def ports(self) -> dict[str, int | None]:
        """Where it listens."""
        return {"port": self._listener.port, "metadata_port": self._metadata.port if self._metadata else None}

    def take_log(self) -> None:
        """Hold the log, now that it is written: the sign that there is an agent.

        Raises:
            OSError: there is none, or another agent holds it.
        """
        self._log = Log(self._order.log)
        self._say(f"serving on 127.0.0.1:{self._listener.port}, process {os.getpid()}, {self._until()}")

    def run(self, guard: int | None) -> None:
        """Serve until there is a reason to end, and leave nothing behind that nobody needs.

        Args:
            guard: a pipe that closes when the process ends that the agent is for; ``None`` where there is none.
        """
        self._heed_signals()
        if guard is not None:
            self._selector.register(guard, selectors.EVENT_READ, lambda: self._guarded(guard))
        while self._why is None:
            busy = self._server.is_busy or self._errand is not None or (self._metadata and self._metadata.is_busy)
            for key, _ in self._selector.select(_BUSY_SECONDS if busy else AGENT_LOOK_SECONDS):
                key.data()
            self._look()
        self._finish()

    def end(self, why: "_End") -> None:
        """End after this round of the loop."""
        self._why = self._why or why

    def end_badly(self, error: Exception) -> None:
        """Leave a word, since nobody sees what an agent prints."""
        self._say(f"ended: unexpected {type(error).__name__}; this is a bug of gcp-wif")

    def _heed_signals(self) -> None:
        """SIGTERM ends the agent; what a terminal or a leaving shell sends does not."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)  # a handler alone does not wake the loop up (PEP 475)
        self._selector.register(reading, selectors.EVENT_READ, lambda: os.read(reading, 16))
        signal.signal(signal.SIGTERM, lambda *_: self.end(_End.SIGNAL))
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    # Orders

    def _take(self, order: Order) -> None:
        self._order = order
        self._token = HeldToken(order.token, order.expires, order.issued, self._clock())
        self._attempts = Attempts()
        self._watch(order.job)
        if order.access is not None and self._metadata is not None:
            self._metadata.take(order.access)
        elif order.access is not None:
            from gcp_wif.job.agent.metadata import Metadata  # what it needs is memory

            self._metadata = Metadata(order.access, self._server, self._clock, self._start)

    def _watch(self, job: int | None) -> None:
        """Be told when the process ends that the job ends with."""
        if self._job is not None:
            self._selector.unregister(self._job)
            os.close(self._job)
            self._job = None
        if job is not None and hasattr(os, "pidfd_open"):
            try:
                self._job = os.pidfd_open(job)
            except ProcessLookupError:
                self.end(_End.JOB)
            except OSError:  # an old kernel: `_look` asks
                return
            else:
                self._selector.register(self._job, selectors.EVENT_READ, lambda: self.end(_End.JOB))

    def _until(self) -> str:
        return f"until {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self._order.ends))} at the latest"

    # Requests

    def _answer(self, request: Request) -> Reply | None:
        if not is_for(request, self._listener.port) or not has_secret(request.headers, self._secret):
            return Reply(403)
        if (request.method, request.target) == ("GET", "/"):
            return self._token_or_wait()
        if (request.method, request.target) == ("POST", "/end"):
            self.end(_End.LOGOUT)
            return Reply(200)
        if (request.method, request.target) == ("POST", "/order"):
            return self._new_order(request.body)
        return Reply(404)

    def _token_or_wait(self) -> Reply | None:
        now = self._clock()
        if self._token.left(now) > 0:
            return Reply(200, self._token.text.encode())
        if self._errand is None and not self._ask(somebody_waits=True):
            return Reply(503, b"The token has expired, and the CI system gave no other; see the agent's log.\n")
        return None

    def _new_order(self, body: bytes) -> Reply:
        try:
            order = Order.from_json(body)
        except (ValueError, TypeError, RecursionError):
            return Reply(400)
        if (order.config, order.log, order.folder) != (self._order.config, self._order.log, self._order.folder):
            return Reply(404)
        if self._errand is not None:
            self._errand.stop()
            self._errand = None
        self._take(order)
        self._config_seen = None
        self._say(f"another login takes part, {self._until()}")
        return Reply(200, json.dumps(self.ports).encode(), "application/json")

    # Asking

    def _ask(self, *, somebody_waits: bool) -> bool:
        """Begin to ask, if there is anybody and it is time to; whether that was begun."""
        if self._order.ask is None or not self._attempts.may_ask(self._clock(), somebody_waits=somebody_waits):
            return False
        self._errand = self._start(self._order.ask)
        return True

    def _start(self, task: dict[str, Any]) -> Child:
        return Child(task, self._order.environ, self._selector)

    def _asked(self, answer: dict[str, Any]) -> None:
        self._errand = None
        now = self._clock()
        try:
            token = HeldToken(answer["token"], float(answer["expires"]), answer["issued"], now)
        except (KeyError, TypeError, ValueError):
            self._attempts = self._attempts.failed(now)
            left = self._token.left(now)
            state = f"lives {left:.0f} seconds more" if left > 0 else "is dead"
            self._say(f"no fresh token, attempt {self._attempts.failures}; the old one {state}. {answer.get('error')}")
        else:
            self._token, self._attempts = token, Attempts()
            self._say(f"a fresh token, which lives {token.left(now):.0f} seconds")

    def _say(self, text: str) -> None:
        if self._log is not None:
            self._log.say(text)

    # Looking around

    def _look(self) -> None:
        now = self._clock()
        if self._errand is not None:
            self._errand.look()
            if self._errand.answer is not None:
                self._asked(self._errand.answer)
        if self._metadata is not None:
            self._metadata.look()
        if self._errand is None and self._token.nears_its_end(now):
            self._ask(somebody_waits=False)
        self._server.look()
        if now >= self._order.ends:
            self.end(_End.HOURS)
        elif self._attempts.are_hopeless(now) and self._token.left(now) <= 0:
            self.end(_End.HOPELESS)
        elif self._order.job is not None and self._job is None and not _is_alive(self._order.job):
            self.end(_End.JOB)
        elif not self._config_is_ours():
            self.end(_End.CONFIG)

    def _config_is_ours(self) -> bool:
        """Whether the config still is the one that leads here, and the log is ours, looked at where either changed."""
        assert self._log is not None  # noqa: S101 - `run` took it
        try:
            found = os.lstat(self._order.config)
            seen = (found.st_ino, found.st_mtime_ns)
            if seen != self._config_seen:
                descriptor = os.open(self._order.config, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    text = os.read(descriptor, AGENT_ANSWER_BYTES)
                finally:
                    os.close(descriptor)
                if self._secret not in text:
                    return False
                self._config_seen = seen
        except OSError:
            return False
        return self._log.is_in_place()

    def _guarded(self, guard: int) -> None:
        if not os.read(guard, 16):
            self._selector.unregister(guard)
            self.end(_End.COMMAND)

    # The end

    def _finish(self) -> None:
        assert self._why is not None  # noqa: S101 - the loop ended
        self._say(f"ended: {self._why.value}")
        deadline = time.monotonic() + 1
        while self._server.is_busy and time.monotonic() < deadline:  # whoever asked for the end waits for an answer
            for key, _ in self._selector.select(_BUSY_SECONDS):
                key.data()
        self._server.stop()
        for each in (self._errand, self._metadata):
            if each is not None:
                each.stop()
        if self._order.folder is not None:
            _remove_folder(self._order.folder)
        elif self._why is _End.JOB:
            self._log_out()
        if self._why in {_End.JOB, _End.LOGOUT, _End.CONFIG} and self._log is not None:
            self._log.remove()

    def _log_out(self) -> None:
        """Remove what login wrote: there is no step any more that could."""
        errand = self._start({"errand": "logout", "ci": None, "config": self._order.config})
        while errand.answer is None:
            for key, _ in self._selector.select(_BUSY_SECONDS):
                key.data()
            errand.look()


class _End(Enum):
    """Why an agent ends, as the log says it."""

    LOGOUT = "logout"
    JOB = "the job is over"
    COMMAND = "the command is over"
    CONFIG = "its config is gone, or another one is in its place"
    HOURS = "its hours are over"
    HOPELESS = "no token has come for too long"
    SIGNAL = "somebody sent SIGTERM"


def _remove_folder(folder: str) -> None:
    import shutil  # it loads every kind of archive

    shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def main() -> None:
    """Be an agent: read the order, listen, wait for the config to be written, serve."""
    os.umask(0o077)
    pipe = _Lines(0)
    started = json.loads(pipe.read())
    if os.fork():
        os._exit(0)  # whoever started this waits for no child, and no terminal can ever be ours again
    agent = Agent(Order.from_json(json.dumps(started["order"]).encode()), started["secret"], time.time)
    os.write(1, json.dumps(agent.ports).encode() + b"\n")
    if not pipe.read():
        return  # the login did not come about
    agent.take_log()
    os.write(1, b"ready\n")
    guard = 0 if started["order"]["folder"] is not None else None
    if guard is None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):
            os.dup2(nowhere, number)
        os.close(nowhere)
    try:
        agent.run(guard)
    except Exception as error:  # its text may hold anything
        agent.end_badly(error)
        raise


class _Lines:
    """Lines from a pipe, without anything that Python would buffer for later."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def read(self) -> bytes:
        """The next line; empty where there is none."""
        parts = [self._rest]
        size = len(self._rest)
        while b"\n" not in parts[-1] and size <= AGENT_ORDER_BYTES:
            part = os.read(self._descriptor, 1 << 20)
            if not part:
                return b""
            parts.append(part)
            size += len(part)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line
