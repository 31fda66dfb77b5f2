"""HTTP for the agent: heads in bounds, one request a connection. Pure: bytes in, values out.

Python's own server would do, but takes a thread a connection, and its time-outs begin anew with each byte.
"""

import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from gcp_wif.job.agent.order import SECRET_HEADER
from gcp_wif.limits import AGENT_HEAD_BYTES, AGENT_ORDER_BYTES

__all__ = ["BadRequest", "Reply", "Request", "has_secret", "is_for", "parse"]

_LINE = re.compile(r"([A-Z]{1,16}) (/[!-~]{0,2000}) HTTP/1\.[01]")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}


class BadRequest(Exception):  # noqa: N818 - HTTP's name
    """No request that is answered with more than its status, 400."""


class Request(NamedTuple):
    """One request; names of headers in lower case.

    Attributes:
        method: as sent.
        target: the path with its query; a proxy's form, with a host in it, is refused.
        headers: each once.
        body: empty where none was sent.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class Reply(NamedTuple):
    """An answer. The connection is closed behind it."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        """As it is sent."""
        fields = (
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body))),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
            *self.headers,
        )
        lines = [f"HTTP/1.1 {self.status} {_REASONS[self.status]}", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def parse(data: bytes, *, body_for: bytes | None) -> Request | None:
    """The request that ``data`` begins with; ``None`` where more must come first.

    Args:
        data: what came so far.
        body_for: the secret with which a request may have a body; ``None`` where none may.

    Raises:
        BadRequest: what came is no request, or too large.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    if len(head) > AGENT_HEAD_BYTES:
        raise BadRequest
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    line = _LINE.fullmatch(first)
    fields = [_FIELD.fullmatch(each) for each in lines]
    if line is None or None in fields:
        raise BadRequest
    pairs = [(field[1].lower(), field[2]) for field in fields if field]
    headers = dict(pairs)
    if len(headers) != len(pairs) or "transfer-encoding" in headers:
        raise BadRequest  # a header that comes twice means one thing to us and another to a client
    request = Request(line[1], line[2], headers)
    length = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,8}", length) or (int(length) and not _may_send(int(length), headers, body_for)):
        raise BadRequest
    return None if len(rest) < int(length) else request._replace(body=rest[: int(length)])


def _may_send(length: int, headers: Mapping[str, str], secret: bytes | None) -> bool:
    return secret is not None and length <= AGENT_ORDER_BYTES and has_secret(headers, secret)


def has_secret(headers: Mapping[str, str], secret: bytes) -> bool:
    """Whether the request has the header, compared in a time that says nothing about the secret."""
    return hmac.compare_digest(headers.get(SECRET_HEADER.lower(), "").encode("latin-1"), secret)


def is_for(request: Request, port: int) -> bool:
    """Whether the client meant this very server.

    A page in a browser can send requests to loopback, and with a name of its own that leads there (DNS rebinding) read
    the answers; but then it is that name which stands in ``Host``.
    """
    return request.headers.get("host") == f"127.0.0.1:{port}"
