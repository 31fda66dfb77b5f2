"""GitHub's tokens, as its page "OpenID Connect reference" describes them."""

from typing import Any

from kinds.model import Kind, Place, Row, RuleKey, Table

OWNER, REPOSITORY, ACTOR = "9919", "559365297", "583231"
HOST = "https://token.actions.githubusercontent.com"
NAMES = ("octo-org/octo-repo", "octo-org/app", "9919/559365297")
REFS = ("main", "main/x", "x/main", "release/1", "m'ain\\", f"{REPOSITORY}/refs", "9:main")
WORKFLOW = "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main"
NO_ONE: frozenset[str] = frozenset()
DEPLOY, READER, PLAN, SHARED = (frozenset({name}) for name in ("deploy", "reader", "plan", "shared"))


def _equals(claim: str, *values: str) -> RuleKey:
    return RuleKey(values, (claim,), lambda claims, value: claims.get(claim) == value)


def _tenant(**keys: Any) -> dict[str, Any]:
    return {"owner_id": OWNER} | keys


MANIFEST = f"""
version = 1

[issuer]
kind = "github"
owner_id = "{OWNER}"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "github"

[provider]
id = "github"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{{ repository_id = "{REPOSITORY}", branch = "main", environment = "production" }}]

[identities.reader]
service_account = "reader@acme-prod.iam.gserviceaccount.com"
allow = [{{ repository_id = "{REPOSITORY}", branch = "main" }}, {{ repository_id = "{REPOSITORY}", tag = "v1.0" }}]

[identities.plan]
service_account = "planner@acme-prod.iam.gserviceaccount.com"
allow = [{{ repository_id = "{REPOSITORY}", event = "pull_request" }}]

[identities.shared]
direct = true
project_id = "acme-staging"
roles = ["roles/run.viewer"]
allow = [{{ job_workflow_ref = "octo-org/workflows/.github/workflows/deploy.yml@refs/heads/main" }}]
"""

ROWS = (
    Row("a push to main", {}, READER),
    Row("a push to main, sub with IDs", {}, READER, {"subject": "ids"}),
    Row("a push to main, sub customised by the organisation", {"sub": "repository_owner:octo-org"}, READER),
    Row("the production environment", {"environment": "production"}, DEPLOY | READER),
    Row("the production environment, sub with IDs", {"environment": "production"}, DEPLOY | READER, {"subject": "ids"}),
    Row("another environment", {"environment": "staging"}, READER),
    Row("an environment that begins like it", {"environment": "production2"}, READER),
    Row("the environment from another branch", {"environment": "production", "ref": "refs/heads/dev"}, NO_ONE),
    Row("the tag of a release", {"ref": "refs/tags/v1.0"}, READER),
    Row("a tag that is named like the branch", {"ref": "refs/tags/main"}, NO_ONE),
    Row("a branch that is named like the tag", {"ref": "refs/heads/v1.0"}, NO_ONE),
    Row("a branch that begins like it", {"ref": "refs/heads/main2"}, NO_ONE),
    Row("a branch that is named like the whole ref", {"ref": "refs/heads/refs/heads/main"}, NO_ONE),
    Row("a repository that was renamed", {"repository": "octo-org/new-name"}, READER, {"subject": "ids"}),
    Row("an owner that was renamed", {"repository": "new-org/octo-repo"}, READER, {"subject": "ids"}),
    Row(
        "a repository that was transferred into the organisation", {"repository": "octo-org/arrived"}, READER,
        {"subject": "ids"},
    ),
    Row(
        "the repository after it was transferred to somebody else",
        {"repository": "stranger/octo-repo", "repository_owner_id": "666"}, NO_ONE, {"subject": "ids"},
    ),
    Row(
        "somebody else's with the same names, after the owner gave its name up",
        {"repository_owner_id": "666", "repository_id": "667"}, NO_ONE,
    ),
    Row("another repository of the organisation", {"repository": "octo-org/app", "repository_id": "42"}, NO_ONE),
    Row(
        "a new repository with the old one's name", {"repository_id": "43"}, NO_ONE, {"subject": "ids"},
    ),
    Row(
        "a fork", {"repository": "stranger/octo-repo", "repository_id": "668", "repository_owner_id": "666"}, NO_ONE,
    ),
    Row(
        "a pull request", {"event_name": "pull_request", "ref": "refs/pull/7/merge", "head_ref": "feature"}, PLAN,
    ),
    Row(
        "a pull request from a branch that is called main",
        {"event_name": "pull_request", "ref": "refs/pull/7/merge", "head_ref": "main"}, PLAN,
    ),
    Row("a fork's pull request that runs for main", {"event_name": "pull_request_target", "head_ref": "x"}, NO_ONE),
    Row(
        "a fork's pull request that runs in the environment",
        {"event_name": "pull_request_target", "environment": "production"}, NO_ONE,
    ),
    Row("a token without an event", {"event_name": None}, NO_ONE),
    Row(
        "the shared workflow, called by another repository",
        {
            "repository": "octo-org/app", "repository_id": "42",
            "job_workflow_ref": "octo-org/workflows/.github/workflows/deploy.yml@refs/heads/main",
        }, SHARED,
    ),
    Row(
        "the shared workflow, called by a stranger",
        {
            "repository": "stranger/app", "repository_id": "669", "repository_owner_id": "666",
            "job_workflow_ref": "octo-org/workflows/.github/workflows/deploy.yml@refs/heads/main",
        }, NO_ONE,
    ),
    Row(
        "the shared workflow from another branch",
        {"job_workflow_ref": "octo-org/workflows/.github/workflows/deploy.yml@refs/heads/dev"}, READER,
    ),
    Row("a token for another cloud", {"aud": "sts.amazonaws.com"}, NO_ONE),
    Row("a token with GitHub's default audience", {"aud": "https://github.com/octo-org"}, NO_ONE),
    Row("an enterprise's own issuer", {"iss": f"{HOST}/octo-enterprise"}, NO_ONE),
    Row("another GitHub's token with the same IDs", {"iss": "https://ghes.example/_services/token"}, NO_ONE),
    Row("an ID that is a number", {"repository_id": int(REPOSITORY)}, NO_ONE),
)  # fmt: skip

KIND = Kind(
    name="github",
    places=(
        Place(_tenant(), HOST, {"repository_owner_id": OWNER}),
        Place(_tenant(url=f"{HOST}/octo-enterprise"), f"{HOST}/octo-enterprise", {"repository_owner_id": OWNER}),
        Place(
            _tenant(url="https://ghes.example"), "https://ghes.example/_services/token", {"repository_owner_id": OWNER},
        ),
        Place(
            _tenant(url="https://octocorp.ghe.com"), "https://token.actions.octocorp.ghe.com",
            {"repository_owner_id": OWNER},
        ),
    ),
    rules={
        "repository_id": _equals("repository_id", REPOSITORY, "42", OWNER),
        "actor_id": _equals("actor_id", ACTOR, "42"),
        "event": _equals("event_name", "push", "pull_request", "schedule"),
        "repository": _equals("repository", *NAMES),
        "environment": _equals("environment", "production", "prod/eu", "9:production"),
        "branch": RuleKey(REFS, ("ref",), lambda claims, value: claims.get("ref") == f"refs/heads/{value}"),
        "tag": RuleKey(REFS, ("ref",), lambda claims, value: claims.get("ref") == f"refs/tags/{value}"),
        "ref": _equals("ref", "refs/heads/main", "refs/pull/7/merge"),
        "workflow_ref": _equals("workflow_ref", WORKFLOW, WORKFLOW.replace("main", "dev")),
        "job_workflow_ref": _equals("job_workflow_ref", WORKFLOW, WORKFLOW.replace("deploy", "shared")),
    },
    exclusive=("branch", "tag", "ref"),
    one_of=("repository_id", "repository", "workflow_ref", "job_workflow_ref"),
    claims={
        "repository": NAMES,
        "repository_id": (REPOSITORY, REPOSITORY, "42", OWNER, "43"),
        "actor_id": (ACTOR, "42", "43"),
        "event_name": ("push", "push", "push", "pull_request", "pull_request_target", "schedule"),
        "environment": (None, "production", "prod/eu", "9:production", "production2"),
        "ref": (
            *(f"refs/heads/{each}" for each in REFS), *(f"refs/tags/{each}" for each in REFS), "refs/pull/7/merge",
            REPOSITORY,
        ),
        "workflow_ref": (WORKFLOW, WORKFLOW.replace("main", "dev")),
        "job_workflow_ref": (WORKFLOW, WORKFLOW.replace("deploy", "shared"), WORKFLOW.replace("main", "dev")),
    },
    guard="allow_pull_request_target",
    stops=lambda claims: claims.get("event_name") == "pull_request_target",
    guard_claims=("event_name",),
    needed=(),
    table=Table(MANIFEST, ROWS),
    options={"subject": ("names", "ids")},
)  # fmt: skip
