r"""The secrets that this process handled, and the search for them in everything that it prints.

Shapes catch a token that nobody told us of (``eyJ…``, ``ya29.…``). The exact values catch the rest: SAML, opaque and
federated tokens, header values, client secrets. Whoever reads, receives or sends a secret calls `remember`; whoever
prints calls `hide`. There is one registry for each process, not an argument: the places that learn a secret (a parsed
value, google-auth's transport) and those that print (a log handler, a crash) share no caller, and a forgotten argument
would be a leak. Tests take a registry of their own with `isolated`.

A server can echo a secret cut, broken over lines, or encoded. So text and secrets are compared in one normal form:

1. white space, control and invisible characters are left out, and quotation marks where a line begins or ends;
2. escapes are decoded, nested ones too: ``%2B``, ``%252B``, ``\u003d``, ``\\u003d``, ``\x3d``, ``\n``, ``&amp;``;
3. case is folded, and base64's two alphabets are one (a host name, for one, comes back in lower case).

Of each secret that form is searched for, and that of its base64 (at each of the three alignments that it can have
inside a longer text) and of its hexadecimal digits. Any piece of `SECRET_FRAGMENT` characters is found: every sixth
block of six characters of a secret is in an index, each position of the text is looked up there, and a hit is widened
as far as both agree. Work grows with the length of the text and no faster.
"""

import base64
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from gcp_wif.limits import SECRET_CHARACTERS, SECRET_FRAGMENT, SECRET_WHOLE, SECRETS

__all__ = ["HIDDEN", "hide", "is_secret_name", "isolated", "remember", "remember_header", "remember_in", "seen"]

HIDDEN = "(secret hidden)"
"""What stands in the place of a secret."""

_BLOCK = SECRET_FRAGMENT // 2
_PLACES = 16  # of one block: a secret that repeats itself must not make the search slow
_END = "\0"  # between forms; never in a normal form

# Patterns are text: re compiles one where it is first used, and most runs of a job need none.
_SHAPES = (
    r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}"  # a JWT, whole or cut: {"
    # The same where its JSON begins with a blank or a line break, which needs the three parts to be told from a word.
    r"|(?<![A-Za-z0-9_-])e(?:yA|w[0ok])[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r"|ya29\.[A-Za-z0-9_.-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
)
_MAY_BE_SHAPE = ("eyJ", "eyA", "ewo", "ewk", "ew0", "ya29.", "-----BEGIN ")

_INVISIBLE = "\x00-\x20\x7f-\xa0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
_KEPT = f"[^{_INVISIBLE}]+"
_NOISE = (  # colours, the edges of lines, white space; bounds where a search could go over a run again
    f"\x1b\\[[0-9;]{{0,20}}[A-Za-z]|[\"'>|]{{0,8}}+[ \t]{{0,200}}+[\r\n][{_INVISIBLE}\"'>|]*|[{_INVISIBLE}]+"
)
_WIDE = "[^\x00-\x7f]+"
_ESCAPE = (
    r"[\"'>|]{0,8}+\\+[rn](?:\\+[rnt]|[\"'>|])*"  # the edges of lines again, in JSON
    r"|%(?:25)*(?P<percent>[0-9A-Fa-f]{2})"
    r"|\\+(?:u(?P<unicode>[0-9A-Fa-f]{4})|x(?P<hex>[0-9A-Fa-f]{2})|[nrtbfv])?"
    r"|&(?:amp;)*(?:#(?P<decimal>[0-9]{1,6})|#[xX](?P<entity>[0-9A-Fa-f]{1,5})|(?P<name>lt|gt|quot|apos|amp));"
)
_NAMED = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}
_ROUNDS = 3  # JSON inside JSON inside a URL

_PART = 1 << 20
_MARGIN = 64 * 1024  # twice the largest token

_FOLD: dict[int, int | None] = {ord("-"): ord("+"), ord("_"): ord("/")}
_FOLD |= {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_FOLD |= dict.fromkeys(range(0x21))
_CLEAN = frozenset("%\\&\x1b\x7f")  # text without these needs no decoding

_HEADERS = (
    r"(?i:authorization|cookie|password|passwd|secret|(?:^|[_-])token$|private[_-]?key|api[_-]?key|saml_response"
    r"|assertion)"
)
_FIELDS = (
    r"(?i:(?:access|refresh|id|subject|actor|bearer|oidc)_?token|token|client_?secret|private_?key|assertion"
    r"|saml_?response|password|api_?key)"
)
_MIN_HEADER = 12


class _Registry:
    """Normal forms of secrets, and where each block of them stands."""

    def __init__(self) -> None:
        self._begin(())

    def _begin(self, values: Iterable[str]) -> None:
        self._waiting = list(values)
        self._known = dict.fromkeys(self._waiting)
        self._forms = _END * _BLOCK
        self._index: dict[str, int | list[int]] = {}

    def add(self, value: str) -> None:
        value = value[:SECRET_CHARACTERS]
        if value in self._known:
            return
        if len(self._known) >= SECRETS:
            self._begin(list(self._known)[SECRETS // 2 :])
        self._known[value] = None
        self._waiting.append(value)

    def _grow(self) -> None:
        """Put what was added since the last search into the index: a run that prints nothing does not pay for it."""
        waiting, self._waiting = self._waiting, []
        for value in waiting:
            for form in _forms(value):
                start = len(self._forms)
                self._forms += form + _END
                for place in range(start, start + len(form) - _BLOCK + 1, _BLOCK):
                    self._note(self._forms[place : place + _BLOCK], place)

    def _note(self, block: str, place: int) -> None:
        places = self._index.get(block)
        if places is None:
            self._index[block] = place
            return
        several = [places] if isinstance(places, int) else places
        # A place whose neighbours are the same adds nothing, and a secret may be one letter, thousands of times.
        if len(several) < _PLACES and self._around(place) not in map(self._around, several):
            self._index[block] = [*several, place]

    def _around(self, place: int) -> str:
        return self._forms[place - _BLOCK : place + 2 * _BLOCK]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand in ``text``, as positions of it, in order; they may overlap."""
        if self._waiting:
            self._grow()
        if not self._index:
            return []
        quick = _quick_form(text)
        if quick is not None and not self._matches(quick):
            return []
        form = _normal(text)
        return [(form.starts[begin], form.ends[end - 1]) for begin, end in self._matches(form.text)]

    def _matches(self, text: str) -> list[tuple[int, int]]:
        index, found, at, last = self._index, [], 0, len(text) - _BLOCK
        while at <= last:
            places = index.get(text[at : at + _BLOCK])
            if places is None:
                at += 1
                continue
            begin, end = self._widest(text, at, places)
            if end:
                found.append((begin, end))
                at = max(at + 1, end - _BLOCK + 1)
            else:
                at += 1
        return found

    def _widest(self, text: str, at: int, places: int | list[int]) -> tuple[int, int]:
        begin, end = at, 0
        for place in (places,) if isinstance(places, int) else places:
            after = _agreement(text, at, self._forms, place)
            before = _agreement_before(text, at, self._forms, place)
            whole = self._forms[place - before - 1] == _END and self._forms[place + after] == _END
            if before + after >= SECRET_FRAGMENT or whole:
                begin, end = min(begin, at - before), max(end, at + after)
        return begin, end


_registry = _Registry()


@contextmanager
def isolated() -> Iterator[None]:
    """A registry of its own, empty at first, until the block ends: for tests."""
    global _registry  # noqa: PLW0603 - the one place that replaces it
    before, _registry = _registry, _Registry()
    try:
        yield
    finally:
        _registry = before


def remember(value: str | None) -> None:
    """Hide ``value`` from now on, in all that is printed. One of less than `SECRET_WHOLE` characters is ignored."""
    if value is not None and len(value.strip()) >= SECRET_WHOLE:
        _registry.add(value.strip())


def is_secret_name(name: str) -> bool:
    """Whether a header of this name carries a secret, as ``Authorization`` and ``X-Vault-Token`` do."""
    return re.search(_HEADERS, name) is not None


def remember_header(name: str, value: str) -> None:
    """Hide a header's value where it can be a secret, and what stands in it behind the scheme (RFC 9110, 11.6.2).

    A short value of a header whose name does not speak of a secret stays visible: ``Metadata: true`` is one.
    """
    if not is_secret_name(name) and len(value) < _MIN_HEADER:
        return
    remember(value)
    scheme, _, rest = value.partition(" ")
    remember(rest)
    if scheme.lower() == "basic":
        decoded = base64.b64decode(rest + "==").decode("utf-8", "replace") if re.fullmatch(_BASE64, rest) else ""
        remember(decoded)
        remember(decoded.partition(":")[2])


_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}={0,2})?"


def remember_in(document: object) -> None:
    """Hide what stands under a secret's name, such as ``client_secret``, anywhere in a JSON document."""
    pending = [document]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            for name, value in each.items():
                if isinstance(value, str) and re.fullmatch(_FIELDS, str(name)):
                    remember(value)
                elif name == "headers" and isinstance(value, Mapping):
                    for header, text in value.items():
                        remember_header(str(header), str(text))
                else:
                    pending.append(value)
        elif isinstance(each, list | tuple):
            pending.extend(each)


def hide(text: str, *, before: str = "") -> str:
    """``text`` without secrets: those that were remembered, in any form, and what has a token's shape.

    Args:
        text: what is about to be printed.
        before: what was printed just before it, as it was before anything was hidden: a secret may have begun there.
    """
    whole, at = before + text, len(before)
    pieces = []
    for begin in range(at, len(whole), _PART):  # in parts, so that a large text does not take many times its memory
        stop, origin = min(begin + _PART, len(whole)), max(0, begin - _MARGIN)
        for first, last in _spans(whole[origin : stop + _MARGIN]):
            if last + origin <= at or first + origin >= stop:
                continue
            pieces += [whole[at : max(at, first + origin)], HIDDEN]
            at = last + origin
        if at < stop:
            pieces.append(whole[at:stop])
            at = stop
    return "".join(pieces) if pieces else text


def seen(text: str) -> bool:
    """Whether `hide` would change ``text``."""
    return bool(_spans(text))


def _spans(text: str) -> list[tuple[int, int]]:
    found = _registry.spans(text)
    if any(each in text for each in _MAY_BE_SHAPE):
        found += [match.span() for match in re.finditer(_SHAPES, text)]
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and (begin <= merged[-1][1] or not text[merged[-1][1] : begin].strip()):
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


class _Form(NamedTuple):
    """A normal form, and for each of its characters where it begins and ends in the text that it was made from."""

    text: str
    starts: "array[int]"
    ends: "array[int]"


def _forms(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogatepass")
    quick = _quick_form(value)
    yield quick if quick is not None else _normal(value).text
    for lead in range(3):
        # The first characters hold bits of what stands before, the last one bits of what comes after.
        coded = base64.b64encode(bytes(lead) + raw).rstrip(b"=").decode()
        yield coded[(0, 2, 3)[lead] : len(coded) - ((lead + len(raw)) % 3 > 0)].translate(_FOLD)
    yield raw.hex()


def _quick_form(text: str) -> str | None:
    """The normal form of text that holds nothing to decode, without positions; ``None`` where it must be decoded."""
    if not text.isascii() or not _CLEAN.isdisjoint(text):
        return None
    if "\n" in text[:-1].rstrip("\n") and any(mark in text for mark in "\"'>|"):
        return None
    return text.translate(_FOLD)


def _normal(text: str) -> _Form:
    starts, ends, kept = array("I"), array("I"), []
    for begin, end in _runs(text):
        kept.append(text[begin:end])
        starts.extend(range(begin, end))
        ends.extend(range(begin + 1, end + 1))
    form = _Form("".join(kept), starts, ends)
    if not form.text.isascii():
        form = _replaced(form, _WIDE, lambda match: _bytes(match[0]))
    for _ in range(_ROUNDS):
        if not any(mark in form.text for mark in "%\\&"):
            break
        form = _replaced(form, _ESCAPE, _meaning)
    return _Form(form.text.translate(_FOLD), form.starts, form.ends)


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """The parts of ``text`` that are not noise."""
    at = 0
    for match in re.finditer(_NOISE, text):
        begin, end = match.span()
        if at < begin:
            yield at, begin
        at = end
    if at < len(text):
        yield at, len(text)


def _replaced(form: _Form, pattern: str, replace: Callable[[re.Match[str]], str]) -> _Form:
    text, starts, ends, at = [], array("I"), array("I"), 0
    for match in re.finditer(pattern, form.text):
        begin, end = match.span()
        text.append(form.text[at:begin])
        starts.extend(form.starts[at:begin])
        ends.extend(form.ends[at:begin])
        new = replace(match)
        text.append(new)
        starts.extend([form.starts[begin]] * len(new))
        ends.extend([form.ends[end - 1]] * len(new))
        at = end
    text.append(form.text[at:])
    starts.extend(form.starts[at:])
    ends.extend(form.ends[at:])
    return _Form("".join(text), starts, ends)


def _meaning(match: re.Match[str]) -> str:
    """What an escape stands for, or nothing where that would be left out."""
    if match["percent"] or match["hex"]:
        meant = chr(int(match["percent"] or match["hex"], 16))  # a byte
    elif match["unicode"] or match["entity"]:
        meant = _bytes(chr(int(match["unicode"] or match["entity"], 16)))
    elif match["decimal"]:
        meant = _bytes(chr(int(match["decimal"])))
    else:
        meant = _NAMED.get(match["name"] or "", "")
    return "" if len(meant) == 1 and not re.match(_KEPT, meant) else meant


def _bytes(text: str) -> str:
    """Text as its UTF-8 bytes, one character each: what percent-encoding writes."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _agreement(text: str, at: int, other: str, place: int) -> int:
    """How many characters agree from there on, doubling the step and halving it again."""
    length, step = 0, 16
    while step:
        size = length + step
        if at + size <= len(text) and text[at + length : at + size] == other[place + length : place + size]:
            length, step = size, step * 2
        else:
            step //= 2
    return length


def _agreement_before(text: str, at: int, other: str, place: int) -> int:
    length, step = 0, 16
    while step:
        size = length + step
        if size <= min(at, place) and text[at - size : at - length] == other[place - size : place - length]:
            length, step = size, step * 2
        else:
            step //= 2
    return length
