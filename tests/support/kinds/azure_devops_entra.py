"""Tokens that Microsoft Entra gives for service connections of Azure DevOps, as Teleport's RFD 211 shows one."""

from typing import Any

from kinds.model import Kind, Place, Row, RuleKey, Table

ORGANIZATION, OTHER = "0ca3ddd9-f0b0-4635-a98c-5866526961b6", "11111111-2222-4333-8444-555555555555"
TENANT, CONNECTION = "ff882432-09b0-437b-bd22-ca13c0037ded", "64171687-7a59-4fce-b2c8-823278dcf176"
PIPELINES = f"https://vstoken.dev.azure.com/{ORGANIZATION}"
URL = f"https://login.microsoftonline.com/{TENANT}/v2.0"
AUDIENCE = "fb60f99c-7a34-4190-8149-302f77469936"
NO_ONE: frozenset[str] = frozenset()
DEPLOY = frozenset({"deploy"})


def sub(
    connection: str = CONNECTION, organization: str = ORGANIZATION,
    tenant: str = "MiSI_7AJe0O9IsoTwAN97Q", application: str = "rISbSSETf0KqFyZ8ppdXmA",
) -> str:  # fmt: skip
    """The subject; tenant and application are as the published token has them."""
    return f"/eid1/c/pub/t/{tenant}/a/{application}/sc/{organization}/{connection}"


MANIFEST = f"""
version = 1

[issuer]
kind = "azure-devops"
organization_id = "{ORGANIZATION}"
tenant_id = "{TENANT}"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "azure"

[provider]
id = "azure"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{{ service_connection_id = "{CONNECTION}" }}]

[identities.other]
service_account = "another@acme-prod.iam.gserviceaccount.com"
allow = [{{ service_connection_id = "{TENANT}" }}]
"""

OPTIONS = {"issuer": "entra"}
ROWS = tuple(
    Row(says, claims, who, OPTIONS)
    for says, claims, who in (
        ("the connection", {}, DEPLOY),
        ("the connection, as a published token has it", {"sub": sub()}, DEPLOY),
        ("claims that nobody reads", {"prj_id": OTHER, "rpo_ref": "refs/heads/x"}, DEPLOY),
        ("another connection of the identities", {"connection": TENANT}, frozenset({"other"})),
        ("another connection of the organisation", {"connection": OTHER}, NO_ONE),
        ("another organisation of the tenant", {"organization": OTHER}, NO_ONE),
        ("another tenant", {"tenant": OTHER, "iss": URL.replace(TENANT, OTHER)}, NO_ONE),
        ("another tenant in the claim alone", {"tid": OTHER}, NO_ONE),
        ("another tenant in the subject alone", {"sub": sub(tenant="A" * 22)}, NO_ONE),
        ("another application of the tenant", {"sub": sub(application="A" * 22)}, NO_ONE),
        ("a managed identity of the tenant", {"sub": "9246576b-c9b6-441d-a0ca-796721fd971e"}, NO_ONE),
        ("a subject with one more part behind it", {"sub": f"{sub()}/x"}, NO_ONE),
        ("a subject with one more part before the connection", {"sub": sub(f"x/{CONNECTION}")}, NO_ONE),
        ("the audience's other spelling", {"aud": "api://AzureADTokenExchange"}, NO_ONE),
        ("a token for Microsoft Graph", {"aud": "00000003-0000-0000-c000-000000000000"}, NO_ONE),
        (
            "the pipeline's own token",
            {"iss": PIPELINES, "sub": "p://a/b/c"},
            NO_ONE,
        ),
    )
)


def _holds(claims: Any, value: str) -> bool:
    return bool(claims.get("sub") == sub(value))


KIND = Kind(
    name="azure-devops",
    places=(
        Place({"organization_id": ORGANIZATION, "tenant_id": TENANT}, URL, {"tid": TENANT}, audience=AUDIENCE),
    ),
    rules={"service_connection_id": RuleKey((CONNECTION, OTHER, TENANT), ("sub",), _holds)},
    exclusive=(),
    one_of=("service_connection_id",),
    claims={
        "sub": (
            *(sub(each) for each in (CONNECTION, OTHER, TENANT, ORGANIZATION)),
            sub(organization=OTHER), sub(tenant="A" * 22), sub(application="A" * 22), f"{sub()}/", OTHER,
        ),
    },
    guard="",
    stops=lambda claims: False,
    guard_claims=(),
    needed=(),
    table=Table(MANIFEST, ROWS),
    options={"issuer": ("entra",)},
)  # fmt: skip
