"""Tokens that Azure DevOps gives to pipelines themselves, as sigstore/fulcio#1803 and Teleport's RFD 211 show them."""

from kinds.model import Claims, Kind, Place, Row, RuleKey, Table

ORGANIZATION, OTHER = "0ca3ddd9-f0b0-4635-a98c-5866526961b6", "11111111-2222-4333-8444-555555555555"
PROJECT = "271ef6f7-5998-4b0f-86fb-4b54d9129990"
URI = "https://github.com/acme/app.git"
URL, THEIRS = (f"https://vstoken.dev.azure.com/{each}" for each in (ORGANIZATION, OTHER))
REFS = ("main", "main/x", "x/main", "release/1", "m'ain\\", f"{PROJECT}/refs", "9:main")
NO_ONE: frozenset[str] = frozenset()
DEPLOY, RELEASE, REPOSITORY, CHECKS = (frozenset({name}) for name in ("deploy", "release", "repository", "checks"))
NO_REF = REPOSITORY | CHECKS


def _equals(claim: str, *values: str) -> RuleKey:
    return RuleKey(values, (claim,), lambda claims, value: claims.get(claim) == value)


def _is_pull_request(claims: Claims) -> bool:
    """Or nobody can tell."""
    ref = claims.get("rpo_ref", "")
    return not isinstance(ref, str) or ref.startswith("refs/pull/")


MANIFEST = f"""
version = 1

[issuer]
kind = "azure-devops"
organization_id = "{ORGANIZATION}"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "azure"

[provider]
id = "azure"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{{ project_id = "{PROJECT}", definition_id = "1", branch = "main" }}]

[identities.release]
service_account = "release@acme-prod.iam.gserviceaccount.com"
allow = [{{ project_id = "{PROJECT}", definition_id = "1", tag = "v1" }}]

[identities.repository]
service_account = "repository@acme-prod.iam.gserviceaccount.com"
allow = [{{ project_id = "{PROJECT}", repository_uri = "{URI}" }}]

[identities.checks]
direct = true
project_id = "acme-staging"
roles = ["roles/run.viewer"]
allow = [{{ project_id = "{PROJECT}" }}]
allow_pull_requests = true
"""

ROWS = tuple(
    Row(says, claims, who)
    for says, claims, who in (
        ("a build of main", {}, DEPLOY | NO_REF),
        (
            "another organisation with the same names",
            {"organization": OTHER, "iss": THEIRS},
            NO_ONE,
        ),
        ("another organisation in the claim alone", {"org_id": OTHER}, NO_ONE),
        ("another organisation's issuer, our claims", {"iss": THEIRS}, NO_ONE),
        ("after organisation, project and pipeline were renamed", {"sub": "p://new/new/new"}, DEPLOY | NO_REF),
        ("another project, whose pipeline has the same number", {"prj_id": OTHER}, NO_ONE),
        ("another pipeline", {"def_id": "2"}, NO_REF),
        ("a pipeline whose number begins the same", {"def_id": "11"}, NO_REF),
        ("another branch", {"rpo_ref": "refs/heads/dev"}, NO_REF),
        ("a tag that is named like the branch", {"rpo_ref": "refs/tags/main"}, NO_REF),
        ("the tag of a release", {"rpo_ref": "refs/tags/v1"}, RELEASE | NO_REF),
        ("a branch that is named like the whole ref", {"rpo_ref": "refs/heads/refs/heads/main"}, NO_REF),
        ("a pull request, maybe of a fork", {"rpo_ref": "refs/pull/7/merge"}, CHECKS),
        ("a pull request that reads refs/pull without a number", {"rpo_ref": "refs/pull/"}, CHECKS),
        ("a classic release, which builds no ref", {"rpo_ref": None}, NO_REF),
        ("a ref that is no text", {"rpo_ref": True}, CHECKS),
        ("another repository", {"rpo_uri": "https://github.com/evil/app.git"}, DEPLOY | CHECKS),
        ("another cloud's audience", {"aud": "api://AzureADTokenExchangeUSGov"}, NO_ONE),
        ("the audience of Entra's tokens", {"aud": "fb60f99c-7a34-4190-8149-302f77469936"}, NO_ONE),
        (
            "a service connection's token of the same issuer",
            {"sub": "sc://acme/app/google", "org_id": None, "prj_id": None, "def_id": None, "rpo_ref": None},
            NO_ONE,
        ),
        ("a pipeline's number as a number", {"def_id": 1}, NO_REF),
    )
)

KIND = Kind(
    name="azure-devops",
    places=(
        Place({"organization_id": ORGANIZATION}, URL, {"org_id": ORGANIZATION}, audience="api://AzureADTokenExchange"),
    ),
    rules={
        "project_id": _equals("prj_id", PROJECT, OTHER),
        "definition_id": _equals("def_id", "1", "2", "11"),
        "repository_uri": _equals("rpo_uri", URI, "https://dev.azure.com/acme/app/_git/app"),
        "branch": RuleKey(REFS, ("rpo_ref",), lambda claims, value: claims.get("rpo_ref") == f"refs/heads/{value}"),
        "tag": RuleKey(REFS, ("rpo_ref",), lambda claims, value: claims.get("rpo_ref") == f"refs/tags/{value}"),
        "ref": _equals("rpo_ref", "refs/heads/main", "refs/pull/7/merge"),
    },
    exclusive=("branch", "tag", "ref"),
    one_of=("project_id",),
    claims={
        "prj_id": (PROJECT, PROJECT, OTHER),
        "def_id": ("1", "1", "2", "11", "12"),
        "rpo_uri": (URI, URI, "https://dev.azure.com/acme/app/_git/app", "https://github.com/evil/app.git"),
        "rpo_ref": (
            *(f"refs/heads/{each}" for each in REFS),
            *(f"refs/tags/{each}" for each in REFS),
            "refs/pull/7/merge",
            None,
        ),
    },
    guard="allow_pull_requests",
    stops=_is_pull_request,
    guard_claims=("rpo_ref",),
    needed=(),
    table=Table(MANIFEST, ROWS),
)
