"""Google's host names, and the issuers': which of them the emulator is, and what belongs to each."""

import re
from functools import cache
from typing import NamedTuple

from gcp_wif.issuers import kinds, profile
from gcp_wif.issuers.model import host_of

__all__ = ["Place", "place_of"]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_GOOGLE = re.compile(
    r"(?P<api>sts|iamcredentials|iam|cloudresourcemanager|serviceusage|cloudasset|oauth2|storage|bigquery|www)\.googleapis\.com"
)
# Regional endpoints and those of Private Service Connect, which users write into a config by hand. The patterns are
# those that google-auth accepts for a token_url and an impersonation URL.
_REGIONAL = re.compile(
    rf"(?:{_LABEL}-(?P<a>sts|iamcredentials)"
    rf"|(?P<b>sts|iamcredentials)\.{_LABEL}(?:\.rep)?"
    rf"|(?P<c>sts|iamcredentials)-{_LABEL}\.p)\.googleapis\.com"
)
_LONGEST = 253
"""Of a name in DNS (RFC 1035, section 2.3.4)."""


class Place(NamedTuple):
    """What one host serves.

    Attributes:
        api: the API of Google's, as call names begin with it; empty for an issuer's host.
        kinds: the kinds of issuers whose discovery it serves; none for a host of Google's.
    """

    api: str = ""
    kinds: tuple[str, ...] = ()


def place_of(host: str) -> Place | None:
    """What the emulator serves as ``host``, with or without ``:443``; ``None`` where it is nobody's that it plays."""
    name = host.removesuffix(":443").lower()
    if len(name) > _LONGEST:
        return None
    if google := _GOOGLE.fullmatch(name):
        return Place(google["api"])
    if regional := _REGIONAL.fullmatch(name):
        return Place(next(filter(None, regional.groups())))
    found = _issuers().get(name)
    return Place(kinds=found) if found else None


@cache
def _issuers() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for kind in kinds():
        for host in filter(None, (host_of(profile(kind).root), *profile(kind).hosts)):
            found[host] = (*found.get(host, ()), kind)
    return found
