"""The side of the commands: they start an agent, hand a later login to a living one, and end it."""

import contextlib
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NamedTuple

from gcp_wif import secrets
from gcp_wif.credential_config import MAX_CONFIG_BYTES, CredentialConfig, UrlSource
from gcp_wif.errors import InputError
from gcp_wif.files import read_bounded
from gcp_wif.job.agent.log import held, is_held
from gcp_wif.job.agent.order import SECRET_HEADER, Order
from gcp_wif.limits import AGENT_ANSWER_BYTES, AGENT_START_SECONDS

__all__ = ["AgentAddress", "Running", "adopt", "end", "is_of_agent", "living", "log_path", "start", "token_of"]

_MAIN = (
    "import sys; sys.path[:0] = sys.argv[1:2]; sys.path += sys.argv[2:]\n"
    "from gcp_wif.job.agent.process import main; main()"
)
_URL = re.compile(r"http://127\.0\.0\.1:([0-9]{1,5})/")


class AgentAddress(NamedTuple):
    """Where an agent listens, and what it wants to see."""

    port: int
    secret: str
    metadata_port: int | None = None

    def __repr__(self) -> str:
        return f"AgentAddress({self.port})"

    @property
    def source(self) -> UrlSource:
        """The credential source of the config that leads to it."""
        return UrlSource(f"http://127.0.0.1:{self.port}/", ((SECRET_HEADER, self.secret),))


class Running:
    """An agent that was started, as long as this process needs to speak to it.

    Attributes:
        address: where it listens.
    """

    def __init__(self, address: AgentAddress, to_agent: IO[bytes], from_agent: IO[bytes]) -> None:
        self.address = address
        self._to, self._from = to_agent, from_agent

    def ready(self, *, guard: bool = False) -> None:
        """Say that the config and the log are written.

        Args:
            guard: keep the pipe, so that the agent ends when `close` is called, or this process ends in any way.

        Raises:
            InputError: WIF014: it is not there any more.
        """
        with contextlib.suppress(OSError):  # then no answer comes either
            self._to.write(b"go\n")
            self._to.flush()
        if _line(self._from) != b"ready":
            self.close()
            raise _failed("It ended before it was ready.")
        if not guard:
            self.close()

    def close(self) -> None:
        """Let go of it: an agent that is not ready, or that guards, ends."""
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                pipe.close()

    def finish(self) -> None:
        """End an agent that guards, and wait until it has cleaned up."""
        with contextlib.suppress(OSError):
            self._to.close()
        _line(self._from)  # nothing comes, but its end is seen
        self.close()


def log_path(config: Path) -> Path:
    """The log of the agent of a config."""
    return config.with_name(f"{config.name}.agent.log")


def start(order: Order) -> Running:
    """Start an agent that listens, and waits for `Running.ready`.

    It is a process of its own session with nothing of this one but the environment, by which a CI system may look for
    what its jobs have left. It runs the package that runs now, from where that was loaded.

    Raises:
        InputError: WIF014.
    """
    secret = os.urandom(32).hex()
    secrets.remember(secret)
    begun = json.dumps({"secret": secret, "order": order._asdict()}).encode() + b"\n"
    try:
        process = subprocess.Popen(  # noqa: S603 - arguments without a shell
            [sys.executable, "-I", "-c", _MAIN, *_search_path()],
            env=order.environ, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise _failed(f"Python could not be run: {error.strerror}.") from None
    assert process.stdin is not None  # noqa: S101 - they are pipes
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(OSError):
        process.stdin.write(begun)
        process.stdin.flush()
    line = _line(process.stdout)
    with contextlib.suppress(subprocess.TimeoutExpired):
        if not line:
            process.kill()
        process.wait(AGENT_START_SECONDS)  # it has left a child of its own, which is the agent
    try:
        found = json.loads(line)
        address = AgentAddress(found["port"], secret, found["metadata_port"])
    except (ValueError, KeyError, TypeError):
        process.stdin.close()
        process.stdout.close()
        raise _failed("It did not say where it listens.") from None
    return Running(address, process.stdin, process.stdout)


def living(config: Path) -> AgentAddress | None:
    """The living agent of the config that stands at ``config``; ``None`` where there is none.

    A config may say anything. That an agent of this user lives is proved by the lock on its log, a file of this user
    that nobody else may open.
    """
    descriptor = held(str(log_path(config)))
    if descriptor is None:
        return None
    os.close(descriptor)
    return _address_in(config)


def _address_in(config: Path) -> AgentAddress | None:
    try:
        data = read_bounded(config, MAX_CONFIG_BYTES, origin="the credential config")
        source = CredentialConfig.from_json(data, origin=str(config)).source
    except InputError:
        return None
    if not isinstance(source, UrlSource) or not (match := _URL.fullmatch(source.url)):
        return None
    secret = dict(source.headers).get(SECRET_HEADER)
    secrets.remember(secret)
    return AgentAddress(int(match[1]), secret) if secret else None


def adopt(address: AgentAddress, order: Order) -> AgentAddress | None:
    """Hand a new order to a living agent; its address, or ``None`` where it does not take the order."""
    answer = _ask(address, "POST", "/order", order.to_json())
    try:
        return address._replace(metadata_port=json.loads(answer)["metadata_port"])
    except (ValueError, KeyError, TypeError):
        return None


def is_of_agent(config: CredentialConfig) -> bool:
    """Whether a config leads to an agent, living or not."""
    source = config.source
    return isinstance(source, UrlSource) and SECRET_HEADER in dict(source.headers)


def token_of(config: Path) -> str | None:
    """The token that the agent of a config gives now; ``None`` where none lives, or it has none."""
    address = living(config)
    return _ask(address, "GET", "/", b"").decode("utf-8", "replace") or None if address else None


def end(config: Path) -> bool:
    """End the living agent of a config, and wait until it is gone; ``False`` where there is none.

    Raises:
        InputError: WIF014 where it lives on.
    """
    log = str(log_path(config))
    descriptor, address = held(log), _address_in(config)
    if descriptor is None:
        return False
    if address is not None:  # else it has seen already that its config is gone
        _ask(address, "POST", "/end", b"")
    deadline = time.monotonic() + AGENT_START_SECONDS
    try:
        while is_held(descriptor):
            if time.monotonic() > deadline:
                raise InputError(
                    f"The agent of {config} does not end.",
                    hint=f"Its process holds {log}: `fuser {log}` names it, and `kill` ends it.",
                    code="WIF014",
                )
            time.sleep(0.01)
    finally:
        os.close(descriptor)
    return True


def _ask(address: AgentAddress, method: str, path: str, body: bytes) -> bytes:
    """The body of the agent's answer; empty where it has none, or does not answer."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{address.port}\r\n{SECRET_HEADER}: {address.secret}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    answer = b""
    deadline = time.monotonic() + AGENT_START_SECONDS
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", address.port), 5) as connection:
        connection.sendall(head.encode() + body)
        while len(answer) < AGENT_ANSWER_BYTES and time.monotonic() < deadline:
            part = connection.recv(AGENT_ANSWER_BYTES)
            if not part:
                break
            answer += part
    status, _, rest = answer.partition(b"\r\n")
    return rest.partition(b"\r\n\r\n")[2] if b" 200 " in status else b""


def _search_path() -> list[str]:
    """Where the agent's Python finds this very package and, last, what it needs; never the working folder."""
    root = str(Path(__file__).parents[3])
    with contextlib.suppress(OSError):
        here = os.getcwd()  # noqa: PTH109 - a string
        return [root, *(each for each in sys.path if each.startswith("/") and each not in (root, here))]
    return [root]


def _line(pipe: IO[bytes]) -> bytes:
    """The next line from the agent; empty where it has ended, or says nothing."""
    deadline = time.monotonic() + AGENT_START_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not line.endswith(b"\n") and len(line) < AGENT_ANSWER_BYTES:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return b""
            part = os.read(pipe.fileno(), AGENT_ANSWER_BYTES)
            if not part:
                return b""
            line += part
    return line.rstrip(b"\n")


def _failed(why: str) -> InputError:
    return InputError(
        f"The agent that keeps the token fresh could not be started. {why}",
        hint="It needs a process of its own and a port of 127.0.0.1. Without it: log in again before the token ends, "
        "or use an executable source, as README says under long jobs.",
        code="WIF014",
    )
