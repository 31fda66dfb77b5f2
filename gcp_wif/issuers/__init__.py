"""What the tokens of each CI system say, one file a kind, found by its name. See `model`.

Nothing outside this room and ``ci/`` names a claim, a variable or a page of a CI system.
"""

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from gcp_wif.issuers.model import Guard, Issuer, IssuerKey, IssuerProfile, RuleAlias, RuleName, Tenant

__all__ = [
    "DEFAULT",
    "FALLBACK",
    "Guard",
    "Issuer",
    "IssuerKey",
    "IssuerProfile",
    "RuleAlias",
    "RuleName",
    "Tenant",
    "kinds",
    "profile",
    "profile_of",
    "profile_of_url",
    "shared_tenant_claims",
]

FALLBACK = "oidc"
"""The kind of an issuer about which nothing is known."""

DEFAULT = "circleci"
"""The kind that is meant where nobody names one."""

_NOT_A_KIND = ("checks", "model")


@functools.cache
def kinds() -> tuple[str, ...]:
    """Every kind, sorted, the fallback last: the files of this folder, with ``-`` for ``_``."""
    found = sorted(each.name for each in pkgutil.iter_modules(__path__) if each.name not in _NOT_A_KIND)
    return (*(name.replace("_", "-") for name in found if name != FALLBACK), FALLBACK)


@functools.cache
def profile(kind: str) -> IssuerProfile:
    """The profile of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    if kind not in kinds():
        raise KeyError(kind)
    found: IssuerProfile = importlib.import_module(f"gcp_wif.issuers.{kind.replace('-', '_')}").PROFILE
    return found


def profile_of_url(url: object) -> IssuerProfile:
    """The profile of the issuer that signs as ``url``; the fallback where no kind knows it."""
    if isinstance(url, str):
        for kind in kinds():
            found = profile(kind)
            if found.keys_of_url(url) is not None:
                return found
    return profile(FALLBACK)


def profile_of(claims: Mapping[str, Any]) -> IssuerProfile:
    """The profile of the issuer that a token names; where no kind knows its URL, that of what is in the token.

    A server of one's own may have any URL.
    """
    found = profile_of_url(claims.get("iss"))
    if found.kind != FALLBACK:
        return found
    marked = (each for each in map(profile, kinds()) if each.marks and all(name in claims for name in each.marks))
    return next(marked, found)


def shared_tenant_claims(url: str) -> tuple[str, ...]:
    """The claims that pin a tenant of an issuer that signs for tenants who do not trust each other.

    Empty for an issuer that is not known to. Google refuses such an issuer without a condition; its own list is not
    public.
    """
    for kind in kinds():
        found = profile(kind).shared_tenant_claims(url)
        if found:
            return found
    return ()
