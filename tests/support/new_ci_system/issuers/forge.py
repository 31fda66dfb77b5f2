"""Tokens of Forge, a CI system that does not exist: `test_new_ci_system` puts this into a copy of the package."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gcp_wif.issuers.model import Guard, Issuer, IssuerKey, IssuerProfile, Mismatch, RuleName

_DIGITS = re.compile(r"[0-9]{1,12}")
_URL = re.compile(r"https://tokens\.forge\.example/t/([0-9]+)")


class _Forge(IssuerProfile):
    kind = "forge"
    title = "Forge"
    keys = (IssuerKey("team_id", _DIGITS, "a number", "Team > About"),)
    names = (RuleName("repo", "forge_repo", "id", immutable=True, form=_DIGITS, words="a number"),
             RuleName("branch", "forge_branch"))  # fmt: skip
    one_of = ("repo",)
    too_wide = "the whole team"
    guards = (Guard("allow_forks", "fork", "forge_fork", "has(assertion.forge_fork) && assertion.forge_fork == false",
                    True, "jobs of forks", "anybody can open one"),)  # fmt: skip
    subject = "assertion.forge_job"
    telling = ("forge_repo", "forge_branch", "forge_fork")

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        base = url or f"https://tokens.forge.example/t/{keys['team_id']}"
        return Issuer(self.kind, base, audiences or (), MappingProxyType(dict(keys)))

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        match = _URL.fullmatch(url)
        return {"team_id": match[1]} if match else None

    def tenant_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        return self.keys_of_url(str(claims.get("iss"))) or {}

    def rule_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        return {name.name: claims[name.claim] for name in self.names if isinstance(claims.get(name.claim), str)}

    def explain_issuer(self, found: str, wanted: str) -> Mismatch | None:
        return Mismatch("The token is of another Forge team.", other_tenant=True) if _URL.fullmatch(found) else None

    def sample(self, claims: Mapping[str, Any], now: int) -> dict[str, Any]:
        made = {"iss": "https://tokens.forge.example/t/7", "aud": "nobody", "sub": "x" * 200, "iat": now,
                "exp": now + 300, "forge_job": "7/42/1", "forge_repo": "42", "forge_branch": "main",
                "forge_fork": False}  # fmt: skip
        return {name: value for name, value in {**made, **claims}.items() if value is not None}


PROFILE = _Forge()
