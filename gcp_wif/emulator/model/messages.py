"""Messages as Google's JSON transcoding reads them: field tables, updates by mask, pages. Pure.

Field names may come in lower camel case or in snake case (protobuf JSON mapping). The sentences for unknown names and
wrong types are those of Google's API front end; the one for a field that is too long is assumed.
"""

import base64
import binascii
import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gcp_wif.emulator.model.errors import ApiError, invalid

__all__ = ["Field", "camel", "masked", "page", "read"]

Kind = Literal["string", "bool", "int", "strings", "map", "message", "messages", "output", "foreign"]

_TYPES = {"string": "TYPE_STRING", "bool": "TYPE_BOOL", "int": "TYPE_INT32"}


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Attributes:
        kind: ``output`` is ignored in a request; ``foreign`` exists at Google, and the emulator does not know it.
        limit: most characters of a string.
        values: what an enum may be.
        immutable: refused in an update mask.
        message: the fields inside.
    """

    kind: Kind
    limit: int | None = None
    values: tuple[str, ...] = ()
    immutable: bool = False
    message: Mapping[str, "Field"] = field(default_factory=dict)


def camel(name: str) -> str:
    """``display_name`` or ``displayName`` as ``displayName``."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def read(body: object, fields: Mapping[str, Field], where: str) -> dict[str, Any]:
    """The fields that ``body`` sets, checked; those with a default value are left away, as proto3 does.

    Raises:
        ApiError: INVALID_ARGUMENT for an unknown name, a wrong type or a value beyond its limit.
    """
    if not isinstance(body, dict):
        raise invalid(f"Invalid value at '{where}' (type.googleapis.com/{where}), an object is expected.", where)
    result: dict[str, Any] = {}
    for given, value in body.items():
        name = camel(given)
        known = fields.get(name)
        if known is None:
            shown = given[:100]
            raise invalid(
                f"Invalid JSON payload received. Unknown name \"{shown}\" at '{where}': Cannot find field.", where
            )
        if known.kind == "output" or value is None:
            continue
        parsed = _value(value, known, f"{where}.{_snake(name)}")
        if parsed not in ("", False, [], {}, 0):
            result[name] = parsed
    return result


def masked(
    present: Mapping[str, Any], update: Mapping[str, Any], mask: str, fields: Mapping[str, Field]
) -> dict[str, Any]:
    """``present`` with what ``mask`` names taken from ``update``; what the update leaves away is cleared.

    Args:
        present: the resource's content.
        update: the request's.
        mask: comma-separated paths, leaves such as ``oidc.allowedAudiences`` too; a map is replaced whole.
        fields: the message's fields.

    Raises:
        ApiError: INVALID_ARGUMENT for an empty mask (assumed), an unknown path or an immutable field.
    """
    paths = [[camel(part) for part in path.strip().split(".")] for path in mask.split(",") if path.strip()]
    if not paths:
        raise invalid("The update_mask must not be empty.", "update_mask")
    result = copy.deepcopy(dict(present))
    for path in paths:
        known = fields.get(path[0])
        inner = known.message.get(path[1]) if known and len(path) == 2 else None
        if known is None or known.kind == "foreign" or len(path) > 2 or (len(path) == 2 and inner is None):
            raise invalid(f"Invalid field mask: unknown path '{'.'.join(path)[:100]}'.", "update_mask")
        if known.immutable or known.kind == "output":
            raise invalid(f"The field '{path[0]}' is immutable.", "update_mask")
        source: Any = update
        target: Any = result
        if len(path) == 2:
            source, target = update.get(path[0]) or {}, result.setdefault(path[0], {})
        if path[-1] in source:
            target[path[-1]] = source[path[-1]]
        else:
            target.pop(path[-1], None)
    return {name: value for name, value in result.items() if value != {}}


def page(names: Sequence[str], query: Mapping[str, str], *, default: int, most: int) -> tuple[list[str], str | None]:
    """The names on one page, in order, and the token of the next.

    Raises:
        ApiError: INVALID_ARGUMENT for a negative size or a token that was not given out.
    """
    text = query.get("pageSize") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise invalid("Invalid value at 'page_size' (TYPE_INT32).", "page_size")
    size = min(int(text) or default, most)
    after = _unpage(query["pageToken"]) if query.get("pageToken") else ""
    rest = [name for name in sorted(names) if name > after]
    token = base64.urlsafe_b64encode(b"p" + rest[size - 1].encode()).decode() if len(rest) > size else None
    return rest[:size], token


def _unpage(token: str) -> str:
    wrong: ApiError = invalid("The page token is invalid.", "page_token")
    try:
        text = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise wrong from None
    if not text.startswith("p"):
        raise wrong
    return text[1:]


def _value(value: object, known: Field, where: str) -> object:
    if known.kind == "foreign":
        raise invalid(f"The emulator does not support '{where}'.", where)
    if known.kind == "message":
        return read(value, known.message, where)
    if known.kind == "messages" and isinstance(value, list):
        return [read(each, known.message, where) for each in value]
    if not _fits(value, known):
        raise invalid(f"Invalid value at '{where}' ({_TYPES.get(known.kind, 'TYPE_MESSAGE')}).", where)
    if isinstance(value, str) and known.limit is not None and len(value) > known.limit:
        raise invalid(f"The field '{where}' exceeds {known.limit} characters.", where)
    texts = value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else [value]
    for text in texts:
        _encodable(text, where)
    return copy.copy(value)


def _fits(value: object, known: Field) -> bool:
    match known.kind:
        case "string":
            return isinstance(value, str) and (not known.values or value in known.values)
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
        case "strings":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case "map":
            return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    return False


def _encodable(text: object, where: str) -> None:
    """Lone surrogates, which JSON can spell and UTF-8 cannot, are refused as protobuf refuses them."""
    try:
        if isinstance(text, str):
            text.encode()
    except UnicodeEncodeError:
        raise invalid(f"Invalid value at '{where}' (TYPE_STRING): it is not valid UTF-8.", where) from None


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)
