"""How a job of each CI system lives, one file a system, found by its name. See `model`.

Nothing outside this room and ``issuers/`` names a claim, a variable or a page of a CI system. A system has the name of
its issuer's kind: the other files here are what systems share.

Commands in a job's output: GitHub Actions obeys ``::NAME::…`` and ``##[NAME]…`` (actions/runner, ``ActionCommand.cs``),
Azure Pipelines ``##vso[…]`` and ``##[…]`` (microsoft/azure-pipelines-agent, ``Command.cs``), TeamCity documents
``##teamcity[…]``. `gcp_wif.safe_text` defuses them in text from outside; `CiSystem.mask` makes one on purpose.
"""

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from gcp_wif import issuers
from gcp_wif.ci.model import CiSystem, MissingToken, TokenRequest
from gcp_wif.errors import InputError, shown

__all__ = [
    "UNKNOWN",
    "CiSystem",
    "MissingToken",
    "TokenRequest",
    "choose",
    "detect",
    "kinds",
    "system",
]

UNKNOWN = CiSystem()
"""A place about which nothing is known: a laptop, or a CI system without a file here."""


@functools.cache
def kinds() -> tuple[str, ...]:
    """Every system: the files of this folder that have the name of an issuer's kind."""
    here = {each.name for each in pkgutil.iter_modules(__path__)}
    return tuple(kind for kind in issuers.kinds() if kind.replace("-", "_") in here)


@functools.cache
def system(kind: str) -> CiSystem:
    """The CI system of a kind; `UNKNOWN` for a kind of issuer without jobs of its own.

    Raises:
        KeyError: there is no such kind.
    """
    if kind not in kinds():
        if kind not in issuers.kinds():
            raise KeyError(kind)
        return UNKNOWN
    found: CiSystem = importlib.import_module(f"gcp_wif.ci.{kind.replace('-', '_')}").SYSTEM
    return found


def detect(environ: Mapping[str, str]) -> CiSystem:
    """The system whose job this is; `UNKNOWN` where it is none that has a file here.

    Raises:
        InputError: WIF209 where the environment is that of several.
    """
    found = [each for each in map(system, kinds()) if each.is_here(environ)]
    if len(found) > 1:
        first, second = found[:2]
        because = [next(name for name in each.detected_by if environ.get(name)) for each in (first, second)]
        raise InputError(
            f"This looks like a job of two CI systems: {first.title} ({because[0]} is set) and {second.title} "
            f"({because[1]} is set).",
            hint=f"Which one gives the token? Name it: --ci {first.kind} or --ci {second.kind}. Or unset the variable "
            "that does not belong here.",
            code="WIF209",
        )
    return found[0] if found else UNKNOWN


def choose(name: str | None, environ: Mapping[str, str]) -> CiSystem:
    """The system that ``--ci`` names, else the one whose job this is.

    Raises:
        InputError: WIF209 as `detect`, WIF210 where ``name`` is none.
    """
    if name is None:
        return detect(environ)
    known = issuers.kinds()
    if name not in known:
        raise InputError(
            f"--ci must be one of {', '.join(known)}, but holds {shown(name)}.",
            hint=f"{issuers.FALLBACK} is any other system: give its token with --token-env NAME, --token-stdin or "
            "--token-response FILE.",
            code="WIF210",
        )
    return system(name)
