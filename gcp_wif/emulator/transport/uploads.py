"""The body of an upload to Cloud Storage: metadata and content (Google, "Uploads", simple and multipart)."""

import json
import re
from typing import Any

from gcp_wif.emulator.model.errors import invalid

__all__ = ["uploaded"]

# gcloud and gsutil write it in single quotes, with characters that no parser of parameters takes (observed with 528).
_BOUNDARY = re.compile(r"""(?i)\bboundary=["']?([^"';\s]+)""")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n\Z")
_PARTS = 4  # what is before the first boundary, the two parts, and what is after the last one


def uploaded(content_type: str, data: bytes) -> dict[str, Any]:
    """``{"resource": {…}, "media": bytes}``.

    Args:
        content_type: of the request; ``multipart/related`` has both parts, anything else is content alone.
        data: the body.

    Raises:
        ApiError: INVALID_ARGUMENT, it is damaged.
    """
    if not content_type.lower().startswith("multipart/related"):
        return {"resource": {"contentType": content_type}, "media": data}
    boundary = _BOUNDARY.search(content_type)
    parts = data.split(b"--" + boundary[1].encode()) if boundary else []
    if len(parts) != _PARTS:
        raise invalid("Missing end boundary in multipart body.")
    (_, text), (headers, media) = (_split(part) for part in parts[1:3])
    try:
        resource = json.loads(text)
    except (ValueError, RecursionError):
        resource = None
    if not isinstance(resource, dict):
        raise invalid("Invalid JSON payload received.")
    kind = re.search(rb"(?im)^content-type:[ \t]*([!-~]{1,200})", headers)
    return {"resource": {"contentType": kind[1].decode() if kind else ""} | resource, "media": media}


def _split(part: bytes) -> tuple[bytes, bytes]:
    found = _BLANK_LINE.search(part)
    if found is None:
        raise invalid("Invalid multipart request with 0 mime parts.")
    return part[: found.start()], _LINE_END.sub(b"", part[found.end() :])
