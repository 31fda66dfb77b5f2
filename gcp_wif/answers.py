"""What every request's answer is held to, whatever library sends the request: size, time, redirects, secrets.

Shared by `gcp_wif.http`, below the sessions of `requests`, and by `gcp_wif.job.wire`, which uses the standard library
alone. Small to import: a job's step waits for it.
"""

import json
import os
import re
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from gcp_wif import secrets
from gcp_wif.errors import UnavailableError
from gcp_wif.limits import ANSWER_CHUNK_BYTES
from gcp_wif.safe_text import one_line

__all__ = [
    "Bounds", "Deadline", "Slow", "Unusable", "check_head", "collected", "is_loopback",
    "remember_answer", "remember_sent", "too_slow",
]  # fmt: skip

_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_HINT = (
    "Google answers with a few KiB, within a second, and without a redirect. Something else answered: a proxy or a "
    "sign-in page of this network, or the address is not Google's."
)
_LOOPBACK = re.compile(r"(?i)localhost|127(?:\.[0-9]{1,3}){3}|\[?::1\]?")


class Bounds(NamedTuple):
    """What one request may cost.

    Attributes:
        size: bytes of the answer's body, as sent and as decoded.
        seconds: wall time until the last byte was read, retries included.
    """

    size: int
    seconds: float


class Unusable(Exception):  # noqa: N818 - it is what an answer is
    """An answer that was not read to its end, or not at all. The message names the server."""

    code = "WIF605"

    def as_error(self) -> UnavailableError:
        """The error to show."""
        return UnavailableError(str(self), hint=_HINT, code=self.code)


class Slow(Unusable):
    """An answer that did not end in time."""

    code = "WIF606"


def too_slow(host: str, seconds: float) -> str:
    """The message of a `Slow`."""
    return f"The answer of {one_line(host, 100)} did not end within {seconds:g} seconds."


class Deadline:
    """Ends the connections of one request when its time is over, in whatever state they are.

    A time-out of a socket begins anew with each byte, and a server can drip its TLS handshake and its headers, too. So
    a timer shuts the connection down, by a duplicate of the descriptor, which works below TLS and outlives a close.
    """

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._over = threading.Event()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self._over.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait, at most until the time is over; whether there is still some."""
        return not self._over.wait(seconds)

    def watch(self, sock: socket.socket) -> None:
        """Shut ``sock`` down when the time is over."""
        with self._lock:
            handle = socket.socket(fileno=os.dup(sock.fileno()))
            self._handles.append(handle)
            if self.passed:
                _shut(handle)

    def _end(self) -> None:
        with self._lock:
            self._over.set()
            for handle in self._handles:
                _shut(handle)


def _shut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def check_head(status: int, headers: Mapping[str, str], host: str, size: int) -> str:
    """Refuse what an answer's head gives away already; returns how its body is encoded, ``identity`` or compressed.

    Args:
        status: of HTTP.
        headers: with names in small letters.
        host: who answered.
        size: the most bytes.

    Raises:
        Unusable: a redirect, more bytes than ``size``, an encoding that was not asked for.
    """
    host = one_line(host, 100)
    if status in _REDIRECTS and headers.get("location") is not None:
        raise Unusable(f"{host} answered with a redirect (HTTP status {status}), which is not followed.")
    declared = headers.get("content-length") or ""
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > size:
        raise _too_large(host, size)
    encoding = (headers.get("content-encoding") or "identity").strip().lower() or "identity"
    if encoding not in _COMPRESSED and encoding != "identity":
        raise Unusable(f"The answer of {host} is encoded as {one_line(encoding, 50)}, which was not asked for.")
    return encoding


def collected(pieces: Iterator[bytes], encoding: str, host: str, size: int) -> bytes:
    """The body, decoded.

    Raises:
        Unusable: more bytes than ``size``, as sent or as decoded.
        zlib.error: it is damaged.
    """
    found, total = [], 0
    for piece in _inflated(pieces) if encoding in _COMPRESSED else pieces:
        total += len(piece)
        if total > size:
            raise _too_large(one_line(host, 100), size)
        found.append(piece)
    return b"".join(found)


def _too_large(host: str, size: int) -> Unusable:
    return Unusable(f"The answer of {host} has more than {size:,} bytes.")


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Both gzip and zlib, in small steps: a kilobyte can stand for a megabyte.

    Raises:
        zlib.error: it is damaged, or cut off.
    """
    decoder = zlib.decompressobj(wbits=47)  # either, told by its header
    for piece in pieces:
        waiting = piece
        while not decoder.eof:
            data = decoder.decompress(waiting, ANSWER_CHUNK_BYTES)
            waiting = decoder.unconsumed_tail
            if data:
                yield data
            elif not waiting:
                break
        if decoder.eof:
            return
    if not decoder.eof:
        raise zlib.error("the compressed answer is not complete")


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine: ``localhost`` or a loopback address."""
    return _LOOPBACK.fullmatch(host) is not None


def remember_sent(headers: Mapping[str, str | bytes], body: object, proxies: Mapping[str, str]) -> None:
    """Hide from now on what a request carries: its secret headers, its body's secrets, a proxy's password."""
    for name, value in headers.items():
        if secrets.is_secret_name(name):
            secrets.remember_header(name, value.decode("latin-1") if isinstance(value, bytes) else value)
    for url in proxies.values():
        with suppress(ValueError):
            secrets.remember(urlsplit(url).password)
    if isinstance(body, bytes | str):
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        if "urlencoded" in str(headers.get("Content-Type", "")):
            secrets.remember_in(dict(parse_qsl(text)))
        else:
            with suppress(ValueError):
                secrets.remember_in(json.loads(text))


def remember_answer(body: bytes, host: str) -> None:
    """Hide from now on the secrets that an answer brings.

    Raises:
        Unusable: it is JSON that is nested too deeply.
    """
    try:
        document = json.loads(body)
    except RecursionError:  # nobody above survives it either
        raise Unusable(f"The answer of {one_line(host, 100)} is JSON that is nested too deeply.") from None
    except ValueError:
        return
    secrets.remember_in(document)
    if isinstance(document, dict) and isinstance(document.get("value"), str):
        secrets.remember_in({"token": document["value"]})  # a CI system's answer to a request for a token
