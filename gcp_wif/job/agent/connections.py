"""The agent's server: a few connections at a time on loopback, each for one request, each with an end."""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from gcp_wif.job.agent.requests import BadRequest, Reply, Request, parse
from gcp_wif.limits import AGENT_CONNECTIONS, AGENT_ERRAND_SECONDS, AGENT_REQUEST_SECONDS

__all__ = ["Listener", "Server"]

_PART = 1 << 16


@dataclass(eq=False)
class Listener:
    """One port of 127.0.0.1.

    Attributes:
        socket: it listens.
        secret: with which a request may have a body; ``None`` where none may.
        answer: the reply to a request; ``None`` to have it asked again later, once the agent knows more.
    """

    socket: socket.socket
    secret: bytes | None
    answer: Callable[[Request], Reply | None]

    @property
    def port(self) -> int:
        """Its number."""
        return int(self.socket.getsockname()[1])


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    listener: Listener
    deadline: float
    received: bytearray = field(default_factory=bytearray)
    waiting: Request | None = None
    reply: memoryview | None = None


class Server:
    """All connections of one agent."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._connections: list[_Connection] = []
        self._listeners: list[Listener] = []

    def listen(self, secret: bytes | None, answer: Callable[[Request], Reply | None]) -> Listener:
        """Listen on a free port of 127.0.0.1.

        Raises:
            OSError: there is none.
        """
        opened = socket.create_server(("127.0.0.1", 0), backlog=AGENT_CONNECTIONS)
        opened.setblocking(False)
        listener = Listener(opened, secret, answer)
        self._listeners.append(listener)
        self._selector.register(opened, selectors.EVENT_READ, lambda: self._accept(listener))
        return listener

    def close(self, listener: Listener) -> None:
        """Stop listening; who is being talked to gets an answer still."""
        if listener not in self._listeners:
            return
        self._listeners.remove(listener)
        self._selector.unregister(listener.socket)
        listener.socket.close()

    @property
    def is_busy(self) -> bool:
        """Whether anybody is being talked to."""
        return bool(self._connections)

    def stop(self) -> None:
        """Close everything, also what is under way."""
        for listener in list(self._listeners):
            self.close(listener)
        for connection in list(self._connections):
            self._drop(connection)

    def look(self) -> None:
        """Answer who could not be answered before, and let go who has had the time."""
        for connection in list(self._connections):
            if connection.waiting is not None and connection.reply is None:
                self._answer(connection, connection.waiting)
            if time.monotonic() > connection.deadline:
                self._drop(connection)

    def _accept(self, listener: Listener) -> None:
        try:
            opened, _ = listener.socket.accept()
        except OSError:  # the client has gone, or there are no descriptors left
            return
        opened.setblocking(False)
        if len(self._connections) >= AGENT_CONNECTIONS:
            silent = [each for each in self._connections if each.waiting is None and each.reply is None]
            self._drop((silent or self._connections)[0])
        connection = _Connection(opened, listener, time.monotonic() + AGENT_REQUEST_SECONDS)
        self._connections.append(connection)
        self._selector.register(opened, selectors.EVENT_READ, lambda: self._receive(connection))

    def _receive(self, connection: _Connection) -> None:
        try:
            part = connection.socket.recv(_PART)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:  # the client has gone, before its request or while it waits for the answer
            self._drop(connection)
            return
        if connection.waiting is not None:
            return  # more than one request
        connection.received += part
        try:
            request = parse(bytes(connection.received), body_for=connection.listener.secret)
        except BadRequest:
            self._send(connection, Reply(400))
            return
        if request is not None:
            connection.received.clear()
            connection.deadline = time.monotonic() + AGENT_ERRAND_SECONDS + AGENT_REQUEST_SECONDS
            self._answer(connection, request)

    def _answer(self, connection: _Connection, request: Request) -> None:
        reply = connection.listener.answer(request)
        connection.waiting = request
        if reply is not None:
            self._send(connection, reply)

    def _send(self, connection: _Connection, reply: Reply) -> None:
        connection.reply = memoryview(reply.encode())
        connection.deadline = time.monotonic() + AGENT_REQUEST_SECONDS
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, lambda: self._write(connection))
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            while connection.reply:
                connection.reply = connection.reply[connection.socket.send(connection.reply) :]
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        with suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)
        connection.socket.close()
