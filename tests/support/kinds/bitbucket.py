"""Bitbucket's tokens, as Atlassian's page "Integrate Pipelines with resource servers using OIDC" describes them."""

from kinds.model import Kind, Place, Row, RuleKey, Table

WORKSPACE = "{6f1d2c3b-0a9b-4c8d-8e7f-1a2b3c4d5e6f}"
REPOSITORY, OTHER = "{b1c2d3e4-1111-4222-8333-444455556666}", "{11111111-2222-4333-8444-555555555555}"
PRODUCTION, STAGING = "{c0c1c2c3-1111-4222-8333-444455556666}", "{d0d1d2d3-1111-4222-8333-444455556666}"
URL = "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc"
AUDIENCE = f"ari:cloud:bitbucket::workspace/{WORKSPACE[1:-1]}"
BRANCHES = ("main", "main/x", "x/main", "release/1", "m'ain\\", f"main/{PRODUCTION}", "9:main")
NO_ONE: frozenset[str] = frozenset()
DEPLOY, PRODUCE, BOTH = (frozenset({name}) for name in ("deploy", "production", "both"))


def _equals(claim: str, *values: str) -> RuleKey:
    return RuleKey(values, (claim,), lambda claims, value: claims.get(claim) == value)


def _url(workspace: str) -> str:
    return URL.replace("/acme/", f"/{workspace}/")


MANIFEST = f"""
version = 1

[issuer]
kind = "bitbucket"
workspace = "acme"
workspace_uuid = "{WORKSPACE}"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "bitbucket"

[provider]
id = "bitbucket"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{{ repository_uuid = "{REPOSITORY}", branch = "main" }}]

[identities.production]
service_account = "production@acme-prod.iam.gserviceaccount.com"
allow = [{{ repository_uuid = "{REPOSITORY}", deployment_environment_uuid = "{PRODUCTION}" }}]

[identities.both]
direct = true
project_id = "acme-staging"
roles = ["roles/run.viewer"]
allow = [{{ repository_uuid = "{REPOSITORY}", branch = "main", deployment_environment_uuid = "{PRODUCTION}" }}]
"""

ROWS = tuple(
    Row(says, claims, who)
    for says, claims, who in (
        ("a push to main", {}, DEPLOY),
        ("the deployment to production", {"deploymentEnvironmentUuid": PRODUCTION}, DEPLOY | PRODUCE | BOTH),
        ("a deployment to another environment", {"deploymentEnvironmentUuid": STAGING}, DEPLOY),
        (
            "a deployment to production from another branch",
            {"branchName": "dev", "deploymentEnvironmentUuid": PRODUCTION},
            PRODUCE,
        ),
        ("the next run", {"pipelineUuid": OTHER, "stepUuid": OTHER}, DEPLOY),
        ("another branch", {"branchName": "dev"}, NO_ONE),
        ("a branch that begins like it", {"branchName": "main2"}, NO_ONE),
        ("a branch in other letters", {"branchName": "Main"}, NO_ONE),
        ("a branch that is named like the whole ref", {"branchName": "refs/heads/main"}, NO_ONE),
        ("a branch that holds the environment", {"branchName": f"main/{PRODUCTION}"}, NO_ONE),
        ("a pipeline that builds no branch, such as a tag's", {"branchName": None}, NO_ONE),
        ("another repository of the workspace", {"repositoryUuid": OTHER}, NO_ONE),
        ("the repository's ID without braces", {"repositoryUuid": REPOSITORY.strip("{}")}, NO_ONE),
        (
            "another workspace with a repository of that name",
            {"iss": _url("evil"), "workspaceUuid": OTHER, "repositoryUuid": OTHER},
            NO_ONE,
        ),
        ("another workspace that asks for our audience", {"iss": _url("evil"), "workspaceUuid": OTHER}, NO_ONE),
        ("somebody else, after the workspace gave its name up", {"workspaceUuid": OTHER}, NO_ONE),
        ("the workspace after it was renamed: its issuer is another", {"iss": _url("renamed")}, NO_ONE),
        (
            "a fork's pipeline",
            {"iss": _url("forker"), "workspaceUuid": OTHER, "repositoryUuid": OTHER, "branchName": "main"},
            NO_ONE,
        ),
        ("a token for another cloud", {"aud": "sts.amazonaws.com"}, NO_ONE),
        (
            "several audiences",
            {"aud": ["sts.amazonaws.com", AUDIENCE]},
            DEPLOY,
        ),
        ("an ID that is a list", {"repositoryUuid": [REPOSITORY]}, NO_ONE),
    )
)

KIND = Kind(
    name="bitbucket",
    places=(
        Place({"workspace": "acme", "workspace_uuid": WORKSPACE}, URL, {"workspaceUuid": WORKSPACE}, audience=AUDIENCE),
    ),
    rules={
        "repository_uuid": _equals("repositoryUuid", REPOSITORY, OTHER),
        "deployment_environment_uuid": _equals("deploymentEnvironmentUuid", PRODUCTION, REPOSITORY),
        "branch": _equals("branchName", *BRANCHES),
    },
    exclusive=(),
    one_of=("repository_uuid", "deployment_environment_uuid"),
    claims={
        "repositoryUuid": (REPOSITORY, REPOSITORY, OTHER, PRODUCTION, REPOSITORY.strip("{}")),
        "deploymentEnvironmentUuid": (None, PRODUCTION, STAGING, REPOSITORY),
        "branchName": (*BRANCHES, None),
    },
    guard="",
    stops=lambda claims: False,
    guard_claims=(),
    needed=(),
    table=Table(MANIFEST, ROWS),
)
