"""Any other issuer: the user names its URL and audience, and rules name the claims themselves.

Some public issuers sign for tenants who do not trust each other. For these a rule must name a claim that pins one
tenant by an ID which is never given to somebody else; a name, such as a repository's, is not enough. Sources are each
vendor's page on OpenID Connect.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gcp_wif.issuers import kinds, profile, shared_tenant_claims
from gcp_wif.issuers.model import Issuer, IssuerKey, IssuerProfile, RuleName, host_of

__all__ = ["PROFILE", "SHARED"]

SHARED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "app.terraform.io": ("terraform_organization_id", "terraform_project_id", "terraform_workspace_id"),
        "oidc.vercel.com": ("owner_id", "project_id"),
        "accounts.google.com": ("sub",),  # azp is the program that a person signed in with, and gcloud's is everybody's
        "cognito-identity.amazonaws.com": ("aud", "sub"),
        "oidc.codefresh.io": ("account_id", "pipeline_id"),
        "api.pulumi.com": ("aud", "sub"),  # they hold the organisation's name: it issues no claim with an ID
    }
)
"""Hosts that sign for several tenants, with the claims that pin one. Google's own list is not public; the host counts,
whatever the path, because a path such as an enterprise's or a team's slug can be taken by somebody else later."""

_CEL_WORDS = frozenset({
    "in", "true", "false", "null", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip
"""CEL's reserved words (cel-spec, "Syntax"), which cannot be an attribute's name in an expression."""

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")
_CLAIM_NAME = re.compile(r"[\x21-\x7e]{1,200}")


class _Oidc(IssuerProfile):
    kind = "oidc"
    title = "the issuer"
    keys = (
        IssuerKey(
            "tenant_claims", _CLAIM_NAME, "claims, of which each rule must name one", "the issuer's own pages",
            required=False, many=True,
        ),
    )  # fmt: skip
    url_required = True
    audience_required = True
    too_wide = "everybody"

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        base = url or ""
        pins = shared_tenant_claims(base) or tuple(keys.get("tenant_claims", ()))
        return Issuer(self.kind, base, audiences or (), MappingProxyType(dict(keys)), tenant_claims=pins)

    def rule_name(self, name: str) -> RuleName | None:
        usable = _CLAIM_NAME.fullmatch(name) and "'" not in name and "\\" not in name
        return RuleName(name, name) if usable else None

    def issuer_warnings(self, issuer: Issuer) -> tuple[str, ...]:
        for known in (profile(kind) for kind in kinds() if kind != self.kind):
            if known.shared_tenant_claims(issuer.url) or known.keys_of_url(issuer.url) is not None:
                return (
                    f'these are tokens of {known.title}, and kind = "{known.kind}" knows them. Here rules are held '
                    "against the bare claims: a branch may be a tag of that name, and jobs that strangers can start "
                    "are not kept out.",
                )
        return ()

    def attribute_name(self, names: tuple[str, ...]) -> str:
        made = "_and_".join(_short(name) for name in names)
        return made if _IDENTIFIER.fullmatch(made) and made not in _CEL_WORDS else f"claim_{made}"

    def shared_tenant_claims(self, url: str) -> tuple[str, ...]:
        return SHARED.get(host_of(url), ())

    def sample(self, claims: Mapping[str, Any], now: int) -> dict[str, Any]:  # type: ignore[override]  # takes no options
        """The registered claims of RFC 7519, and what is given."""
        made = {"iss": "https://issuer.example", "aud": "audience", "sub": "subject", "iat": now, "exp": now + 3600}
        return {name: value for name, value in {**made, **claims}.items() if value is not None}


def _short(claim: str) -> str:
    """A claim's name as part of an attribute's: ``[a-z0-9_]``; other letters are written as their code point."""
    return "".join(each if re.match("[a-z0-9_]", each) else f"_{ord(each):x}_" for each in claim)


PROFILE = _Oidc()
