"""Azure DevOps's tokens: those that a pipeline gets, and those of a service connection.

A pipeline's own token is signed by ``https://vstoken.dev.azure.com/ORGANIZATION_ID`` and names project, pipeline,
repository and ref (Microsoft's REST reference "Oidctoken - Create"; claims as sigstore/fulcio#1803 and Teleport's RFD
211 show them, the lifetime was 5 and 10 minutes there). The token of a service connection is signed by Microsoft Entra
(Microsoft's page "Convert service connections", release notes of sprint 253), says nothing but tenant, organisation and
connection, in a ``sub`` of 138 bytes, and lives for a day (RFD 211):

    /eid1/c/pub/t/TENANT/a/APPLICATION/sc/ORGANIZATION_ID/CONNECTION_ID

TENANT and APPLICATION are the bytes of a UUID in Windows' order, base64url-encoded; the application is that of Azure
DevOps, the same everywhere. Entra's issuer signs for every application of the tenant, so all of it is demanded.

Microsoft retires the first issuer on 1 July 2027 for service connections. What becomes of pipelines' own tokens then
is not said anywhere (November 2026).
"""

import base64
import re
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gcp_wif.issuers.model import (
    UUID,
    Guard,
    Issuer,
    IssuerKey,
    IssuerProfile,
    Mismatch,
    RuleAlias,
    RuleName,
    cel_text,
)

__all__ = ["ENTRA_AUDIENCE", "PIPELINE_AUDIENCE", "PROFILE"]

PIPELINE_AUDIENCE = "api://AzureADTokenExchange"
"""What a pipeline's own token says in ``aud``; nobody can choose another."""
ENTRA_AUDIENCE = "fb60f99c-7a34-4190-8149-302f77469936"
"""The same for a service connection's: the ID of the application that `PIPELINE_AUDIENCE` names."""

_PIPELINES, _ENTRA = "https://vstoken.dev.azure.com", "https://login.microsoftonline.com"
_APPLICATION = "499b84ac-1321-427f-aa17-267ca6975798"  # Azure DevOps, in every tenant
_PIPELINES_URL = re.compile(rf"https://vstoken\.dev\.azure\.com/({UUID.pattern})")
_ENTRA_URL = re.compile(rf"https://login\.microsoftonline\.com/({UUID.pattern})/v2\.0")
_WELL_KNOWN = ((re.compile(rf"/{UUID.pattern}"), _PIPELINES), (re.compile(rf"/{UUID.pattern}/v2\.0"), _ENTRA))
_CONNECTION_SUB = re.compile(rf"/eid1/c/pub/t/[A-Za-z0-9_-]+/a/[A-Za-z0-9_-]+/sc/({UUID.pattern})/({UUID.pattern})")
_UUID_WORDS = "a UUID in lower case, as tokens have it"
_PARTS = "assertion.sub.split('/')"
_PULL = "refs/pull/"
_CONNECTION = "service_connection_id"
_PULL_HOLDS = (
    f"(!('rpo_ref' in assertion) || (type(assertion['rpo_ref']) == string "
    f"&& !assertion['rpo_ref'].startsWith('{_PULL}')))"
)
_SUBJECT = (
    "'prj_id' in assertion && type(assertion['prj_id']) == string "
    "&& 'def_id' in assertion && type(assertion['def_id']) == string "
    "? assertion['prj_id'] + '/' + assertion['def_id'] "
    ": assertion.sub.contains('/sc/') ? assertion.sub.extract('/sc/{connection}') : 'other'"
)
_RETIRED = (
    f"Microsoft retires {_PIPELINES} on 1 July 2027 for service connections, and has not said what becomes of the "
    "tokens of pipelines themselves, which it signs. tenant_id chooses Microsoft Entra's issuer, whose tokens name a "
    "service connection."
)
_REFLESS = (
    "a token of Microsoft Entra's issuer does not say what is built, so builds of pull requests are not kept out, "
    "whatever allow_pull_requests says. Put a branch control check on each service connection that a rule names, and "
    "let no pipeline make secrets available to builds of forks."
)


class _AzureDevOps(IssuerProfile):
    kind = "azure-devops"
    title = "Azure DevOps"
    keys = (
        IssuerKey(
            "organization_id", UUID, "a UUID in lower case",
            'curl https://dev.azure.com/ORGANIZATION/_apis/connectionData, its "instanceId"; in a pipeline echo '
            "$SYSTEM_COLLECTIONID",
        ),
        IssuerKey(
            "tenant_id", UUID, "a UUID in lower case",
            "Organization settings > Microsoft Entra; for tokens of service connections alone", required=False,
        ),
    )  # fmt: skip
    names = (
        RuleName("project_id", "prj_id", "id", immutable=True, form=UUID, words=_UUID_WORDS),
        RuleName("definition_id", "def_id", "id", immutable=True, form=re.compile("[1-9][0-9]{0,9}"), words="a number"),
        RuleName(
            _CONNECTION,
            "sub",
            "id",
            immutable=True,
            form=UUID,
            words=_UUID_WORDS,
            value=f"{_PARTS}[10]",
            present=f"{_PARTS}.size() == 11 && {_PARTS}[8] == 'sc'",
        ),
        RuleName("repository_uri", "rpo_uri"),
        RuleName(
            "ref", "rpo_ref", form=re.compile(r"refs/.+", re.DOTALL), words='a whole ref, as in "refs/heads/main"'
        ),
    )
    aliases = (
        RuleAlias("branch", (("ref", "refs/heads/{}"),), bare="refs/", whole="ref"),
        RuleAlias("tag", (("ref", "refs/tags/{}"),), bare="refs/", whole="ref"),
    )
    one_of = ("project_id", _CONNECTION)
    too_wide = "the whole organisation"
    guards = (
        Guard(
            "allow_pull_requests", "pull_request", "rpo_ref", _PULL_HOLDS, "refs/pull/1/merge",
            "builds of pull requests", "anybody who may open one, from a fork too, decides what runs in them",
        ),
    )  # fmt: skip
    subject = _SUBJECT
    subject_advice = (f"google.subject={_SUBJECT}",)
    telling = ("sub", "prj_id", "def_id", "rpo_uri", "rpo_ref")
    tenant_wide = ("aud", "iss", "org_id", "tid")
    hosts = ("vstoken.dev.azure.com", "login.microsoftonline.com")
    sample_options = MappingProxyType({"issuer": ("pipeline", "entra")})

    def issuer(self, keys: Mapping[str, Any], url: str | None, audiences: tuple[str, ...] | None) -> Issuer:
        organization, tenant = keys["organization_id"], keys.get("tenant_id")
        own = MappingProxyType(dict(keys))
        if tenant is None:
            chosen = audiences if audiences is not None else (PIPELINE_AUDIENCE,)
            return Issuer(self.kind, url or f"{_PIPELINES}/{organization}", chosen, own, (("org_id", organization),))
        prefix = f"/eid1/c/pub/t/{_encoded(tenant)}/a/{_encoded(_APPLICATION)}/sc/{organization}/"
        chosen = audiences if audiences is not None else (ENTRA_AUDIENCE,)
        demands = (f"assertion.sub.startsWith({cel_text(prefix)})",)
        return Issuer(self.kind, url or f"{_ENTRA}/{tenant}/v2.0", chosen, own, (("tid", tenant),), demands=demands)

    def rule_problem(self, names: frozenset[str], issuer: Issuer) -> str | None:
        if "tenant_id" in issuer.keys:
            other = ", ".join(sorted(names - {_CONNECTION}))
            if other:
                return f"must name {_CONNECTION} alone: a token of Microsoft Entra's issuer does not say {other}."
            return None
        if _CONNECTION in names:
            return f"must not name {_CONNECTION}: without issuer.tenant_id these are tokens of pipelines themselves."
        return None

    def issuer_warnings(self, issuer: Issuer) -> tuple[str, ...]:
        entra = "tenant_id" in issuer.keys
        fixed = ENTRA_AUDIENCE if entra else PIPELINE_AUDIENCE
        found: tuple[str, ...] = (_REFLESS,) if entra else (_RETIRED,) if issuer.url.startswith(_PIPELINES) else ()
        if not any(each.startswith(fixed) for each in issuer.audiences):
            listed = ", ".join(issuer.audiences) or "the provider's own name"
            found += (f"audience is {listed}, but tokens of Azure DevOps always say {fixed}: none would be taken.",)
        return found

    def keys_of_url(self, url: str) -> Mapping[str, str] | None:
        if match := _PIPELINES_URL.fullmatch(url):
            return {"organization_id": match[1]}
        match = _ENTRA_URL.fullmatch(url)
        return {"tenant_id": match[1]} if match else None

    def tenant_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        issuer, subject = claims.get("iss"), claims.get("sub")
        found = dict(self.keys_of_url(issuer) or {}) if isinstance(issuer, str) else {}
        connection = _CONNECTION_SUB.fullmatch(subject) if isinstance(subject, str) else None
        return found | ({"organization_id": connection[1]} if connection else {})

    def subject_of(self, claims: Mapping[str, Any]) -> str | None:
        project, definition = claims.get("prj_id"), claims.get("def_id")
        if isinstance(project, str) and isinstance(definition, str):
            return f"{project}/{definition}"
        _, found, rest = str(claims.get("sub")).partition("/sc/")
        return rest if found else "other"

    def rule_of(self, claims: Mapping[str, Any]) -> Mapping[str, str]:
        subject = claims.get("sub")
        if isinstance(subject, str) and (connection := _CONNECTION_SUB.fullmatch(subject)):
            return {_CONNECTION: connection[2]}
        found = {name: claims.get(claim) for name, claim in (("project_id", "prj_id"), ("definition_id", "def_id"))}
        rule = {name: value for name, value in found.items() if isinstance(value, str)}
        if "project_id" not in rule:
            return {}
        ref = claims.get("rpo_ref")
        return rule | ({"ref": ref} if isinstance(ref, str) and ref.startswith("refs/") else {})

    def stopped_by(self, claims: Mapping[str, Any]) -> Guard | None:
        ref = claims.get("rpo_ref")
        return self.guards[0] if isinstance(ref, str) and ref.startswith(_PULL) else None

    def explain_issuer(self, found: str, wanted: str) -> Mismatch | None:
        ours, theirs = self.keys_of_url(found), self.keys_of_url(wanted)
        if not ours or not theirs or ours == theirs:
            return None
        if ours.keys() == theirs.keys():
            return Mismatch(
                "The token is of another organisation or tenant than the provider trusts.", other_tenant=True
            )
        if "tenant_id" in theirs:
            return Mismatch(
                "A token of the pipeline itself; the provider trusts Microsoft Entra's tokens of service connections."
            )
        return Mismatch("A token of a service connection; the provider trusts the tokens of pipelines themselves.")

    def sample(self, claims: Mapping[str, Any], now: int, *, issuer: str = "pipeline") -> dict[str, Any]:  # type: ignore[override]  # narrower options, checked by sample_options
        """As observed ones; ``organization``, ``tenant`` and ``connection`` (IDs) shape the claims that hold them."""
        given = dict(claims)
        organization = str(given.pop("organization", "0ca3ddd9-f0b0-4635-a98c-5866526961b6"))
        tenant = str(given.pop("tenant", "ff882432-09b0-437b-bd22-ca13c0037ded"))
        connection = str(given.pop("connection", "64171687-7a59-4fce-b2c8-823278dcf176"))
        if issuer == "entra":
            made: dict[str, Any] = {
                "aud": ENTRA_AUDIENCE,
                "iss": f"{_ENTRA}/{tenant}/v2.0",
                "iat": now,
                "nbf": now,
                "exp": now + 86_700,
                "azp": _APPLICATION,
                "idtyp": "app",
                "oid": "9246576b-c9b6-441d-a0ca-796721fd971e",
                "sub": f"/eid1/c/pub/t/{_encoded(tenant)}/a/{_encoded(_APPLICATION)}/sc/{organization}/{connection}",
                "tid": tenant,
                "ver": "2.0",
            }
        else:
            made = {
                "jti": "90b75b0a-61b6-4b71-ba6f-11107d95f4c5",
                "sub": "p://acme/app/deploy",
                "aud": PIPELINE_AUDIENCE,
                "org_id": organization,
                "prj_id": "271ef6f7-5998-4b0f-86fb-4b54d9129990",
                "def_id": "1",
                "rpo_id": "acme/app",
                "rpo_uri": "https://github.com/acme/app.git",
                "rpo_ver": "c291ea713801eb300054d353d279e7b02331f671",
                "rpo_ref": "refs/heads/main",
                "run_id": "5",
                "iss": f"{_PIPELINES}/{organization}",
                "nbf": now - 600,
                "exp": now + 600,
                "iat": now,
            }
        return {name: value for name, value in {**made, **given}.items() if value is not None}

    def issuer_at(self, path: str) -> str | None:
        return next((host + path for form, host in _WELL_KNOWN if form.fullmatch(path)), None)


def _encoded(text: str) -> str:
    """A UUID as Entra writes it into a ``sub``. The text is checked by its key's form."""
    return base64.urlsafe_b64encode(uuid.UUID(text).bytes_le).decode().rstrip("=")


PROFILE = _AzureDevOps()
