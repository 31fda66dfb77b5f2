"""Docker's ``config.json``: a credential helper registered for some hosts, and every other byte as it was.

The file is somebody else's. So its text is changed at the one place, and never written anew from what was read: that
would lose how numbers and escapes are written, and the indentation. Docker reads it with Go's encoding/json, which
takes a key in any case of its letters, and joins objects that come twice. Pure.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Never

from gcp_wif.errors import InputError, shown

__all__ = ["Registered", "registered"]

_KEY = "credHelpers"
_BLANK = re.compile(r"[ \t\r\n]*")
_NEW_LEAD = "\n\t"  # as Docker itself writes


class Registered(NamedTuple):
    """A new content.

    Attributes:
        content: of the file; the same as before where nothing was to do.
        added: hosts that had no helper.
        replaced: hosts that had another one, with its name.
    """

    content: bytes
    added: tuple[str, ...]
    replaced: dict[str, str]


class _Member(NamedTuple):
    """One member of an object in a text: where its key begins and ends, and its value."""

    key: str
    begin: int
    key_end: int
    value_begin: int
    end: int
    value: Any


def registered(content: bytes, helper: str, hosts: Iterable[str], *, origin: str) -> Registered:
    """Register ``helper`` for ``hosts``.

    Args:
        content: of the file; empty where there is none, which Docker reads as an empty object, too.
        helper: its name without ``docker-credential-``.
        hosts: registries.
        origin: the file, for messages.

    Raises:
        InputError: WIF320 where Docker could not read the file either, or it is not clear what it reads.
    """
    text = _decoded(content, origin)
    if not text.strip(" \t\r\n"):
        text = "{}"
    document = _parsed(text, origin)
    if not isinstance(document, dict):
        _refuse(origin, "it is not a JSON object")
    members = list(_members(text, _blank(text, 0)))
    found = [each for each in members if each.key.lower() == _KEY.lower()]
    if len(found) > 1:
        _refuse(origin, f"it has `{_KEY}` twice")
    before = found[0].value if found and found[0].value is not None else {}
    if not isinstance(before, dict) or not all(isinstance(each, str) for each in before.values()):
        _refuse(origin, f"`{_KEY}` is not an object of names")
    wanted = list(dict.fromkeys(hosts))
    added = tuple(host for host in wanted if host not in before)
    replaced = {host: before[host] for host in wanted if before.get(host, helper) != helper}
    if not added and not replaced:
        return Registered(content, (), {})
    if found and found[0].value is not None:
        text = _changed(text, members, found[0], added, replaced, helper)
    elif found:
        helpers = _new_object(added, helper, _lead(text, members))
        text = text[: found[0].value_begin] + helpers + text[found[0].end :]
    else:
        text = _with_member(text, members, added, helper)
    return Registered(text.encode(), added, replaced)


def _changed(
    text: str, outer: list[_Member], at: _Member, added: Iterable[str], replaced: dict[str, str], helper: str
) -> str:
    """With the helper in an object that is there, from its end to its beginning, so that positions stay true."""
    inner = list(_members(text, at.value_begin))
    if not inner:
        return text[: at.value_begin] + _new_object(added, helper, _lead(text, outer)) + text[at.end :]
    lead, colon = _lead(text, inner), text[inner[0].key_end : inner[0].value_begin]
    entries = "".join(f",{lead}{json.dumps(host)}{colon}{json.dumps(helper)}" for host in added)
    text = text[: inner[-1].end] + entries + text[inner[-1].end :]
    for member in reversed(inner):
        if member.key in replaced:
            text = text[: member.value_begin] + json.dumps(helper) + text[member.end :]
    return text


def _with_member(text: str, members: list[_Member], added: Iterable[str], helper: str) -> str:
    lead = _lead(text, members)
    colon = text[members[0].key_end : members[0].value_begin] if members else ": "
    member = f"{json.dumps(_KEY)}{colon}{_new_object(added, helper, lead, colon)}"
    if members:
        return text[: members[-1].end] + f",{lead}{member}" + text[members[-1].end :]
    begin, end = text.index("{"), text.rindex("}")
    return text[: begin + 1] + f"{lead}{member}\n" + text[end:]


def _new_object(hosts: Iterable[str], helper: str, lead: str, colon: str = ": ") -> str:
    """An object as deep as a value whose key stands behind ``lead``."""
    line, _, indent = lead.rpartition("\n")
    inner = f"{lead}{indent}" if "\n" in lead else ""
    entries = ",".join(f"{inner}{json.dumps(host)}{colon}{json.dumps(helper)}" for host in hosts)
    return f"{{{entries}{lead if inner else ''}}}" if line or inner else f"{{{entries}}}"


def _lead(text: str, members: list[_Member]) -> str:
    """What stands before each key."""
    if not members:
        return _NEW_LEAD
    before = text[: members[0].begin]
    return before[len(before.rstrip(" \t\r\n")) :]


def _members(text: str, at: int) -> Iterator[_Member]:
    """The members of the object that begins at ``at``; the text is known to be valid."""
    decoder = json.JSONDecoder(parse_int=_number, parse_float=_number)
    at = _blank(text, at + 1)
    while text[at] != "}":
        key, key_end = decoder.raw_decode(text, at)
        begin = _blank(text, _blank(text, key_end) + 1)
        value, end = decoder.raw_decode(text, begin)
        yield _Member(key, at, key_end, begin, end, value)
        at = _blank(text, end)
        if text[at] == ",":
            at = _blank(text, at + 1)


def _number(text: str) -> tuple[str]:
    """A number as it is written: one of thousands of digits is more than Python reads."""
    return (text,)


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _decoded(content: bytes, origin: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        _refuse(origin, "it is not UTF-8")


def _parsed(text: str, origin: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in found]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            _refuse(origin, f"it has {shown(twice)} twice in one object")
        return dict(found)

    def constant(name: str) -> Never:
        _refuse(origin, f"{name} is no JSON")

    try:
        return json.loads(
            text, object_pairs_hook=pairs, parse_int=_number, parse_float=_number, parse_constant=constant
        )
    except json.JSONDecodeError as error:
        _refuse(origin, f"line {error.lineno}, column {error.colno}: {error.msg}")
    except RecursionError:
        _refuse(origin, "it is nested too deeply")


def _refuse(origin: str, why: str) -> Never:
    raise InputError(
        f"{origin} cannot be read as Docker's config: {why}.",
        hint="Nothing was changed. Correct the file, or move it away: a new one is written then.",
        code="WIF320",
    )
