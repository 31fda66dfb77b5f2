"""Buildkite's tokens, as its pages "buildkite-agent oidc" and "Environment variables" describe them."""

from typing import Any

from kinds.model import Claims, Kind, Place, Row, RuleKey, Table

ORGANIZATION = "f892efa9-103e-4d28-97a1-3b8616a0994d"
PIPELINE, OTHER = "0184990a-4782-42b5-afc1-16715b10b1f0", "11111111-2222-4333-8444-555555555555"
CLUSTER, QUEUE = "0191f956-042f-7ec4-aa62-8e5eeae396d0", "0191f956-62da-7515-b79b-bdecb519aa32"
HOST = "https://agent.buildkite.com"
REFS = ("main", "main/x", "x/main", "release/1", "m'ain\\", f"{PIPELINE}/refs", "9:main", "some-user:main")
NO_ONE: frozenset[str] = frozenset()
DEPLOY, RELEASE, RUNNERS, SLUG = (frozenset({name}) for name in ("deploy", "release", "runners", "slug"))


def _equals(claim: str, *values: str) -> RuleKey:
    return RuleKey(values, (claim,), lambda claims, value: claims.get(claim) == value)


def _ref(claims: Claims) -> Any:
    """The page: with a tag refs/tags/TAG, otherwise refs/heads/BRANCH."""
    found = claims["build_tag"] if "build_tag" in claims else claims.get("build_branch")
    return f"refs/{'tags' if 'build_tag' in claims else 'heads'}/{found}" if isinstance(found, str) else None


MANIFEST = f"""
version = 1

[issuer]
kind = "buildkite"
organization_id = "{ORGANIZATION}"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "buildkite"

[provider]
id = "buildkite"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{{ pipeline_id = "{PIPELINE}", branch = "main", step_key = "deploy" }}]

[identities.release]
service_account = "release@acme-prod.iam.gserviceaccount.com"
allow = [{{ pipeline_id = "{PIPELINE}", tag = "v1.0.0" }}]

[identities.runners]
direct = true
project_id = "acme-staging"
roles = ["roles/run.viewer"]
allow = [{{ pipeline_id = "{PIPELINE}", cluster_id = "{CLUSTER}", queue_id = "{QUEUE}" }}]

[identities.slug]
service_account = "by-slug@acme-prod.iam.gserviceaccount.com"
allow = [{{ pipeline = "super-duper-app", branch = "main" }}]
"""

ROWS = tuple(
    Row(says, {"step_key": "deploy", **claims}, who)
    for says, claims, who in (
        ("the step that was meant", {}, DEPLOY | SLUG),
        ("another organisation with the same slugs", {"organization_id": OTHER}, NO_ONE),
        ("a token that was asked for without the organisation's ID", {"organization_id": None}, NO_ONE),
        ("the organisation after it was renamed", {"organization_slug": "renamed-inc"}, DEPLOY | SLUG),
        ("the pipeline after it was renamed", {"pipeline_slug": "renamed"}, DEPLOY),
        ("another pipeline that has taken its slug", {"pipeline_id": OTHER}, SLUG),
        ("another pipeline of the organisation", {"pipeline_id": OTHER, "pipeline_slug": "other"}, NO_ONE),
        ("a token that was asked for without the pipeline's ID", {"pipeline_id": None}, SLUG),
        ("another branch", {"build_branch": "dev"}, NO_ONE),
        ("a branch that begins like it", {"build_branch": "main2"}, NO_ONE),
        ("a tag that is named like the branch", {"build_branch": "main", "build_tag": "main"}, NO_ONE),
        ("the tag of a release", {"build_branch": "v1.0.0", "build_tag": "v1.0.0"}, RELEASE),
        ("the tag, set by hand on a build of main", {"build_tag": "v1.0.0"}, RELEASE),
        ("a branch that is named like the tag", {"build_branch": "v1.0.0"}, NO_ONE),
        ("a branch that is named like the whole ref", {"build_branch": "refs/heads/main"}, NO_ONE),
        ("a fork's main, where the prefix is switched on", {"build_branch": "some-user:main"}, NO_ONE),
        ("another step of the pipeline", {"step_key": "test"}, SLUG),
        ("a step without a key", {"step_key": None}, SLUG),
        ("a key that holds a ref", {"step_key": "deploy/refs/heads/main", "build_branch": "x"}, NO_ONE),
        ("the queue of the cluster", {"cluster_id": CLUSTER, "queue_id": QUEUE}, DEPLOY | SLUG | RUNNERS),
        ("another queue of the cluster", {"cluster_id": CLUSTER, "queue_id": OTHER}, DEPLOY | SLUG),
        ("a queue of another cluster", {"cluster_id": OTHER, "queue_id": QUEUE}, DEPLOY | SLUG),
        ("a subject of the job's own choice", {"sub": PIPELINE}, DEPLOY | SLUG),
        ("a token with Buildkite's default audience", {"aud": "https://buildkite.com/acme-inc"}, NO_ONE),
        ("a token for another cloud", {"aud": "sts.amazonaws.com"}, NO_ONE),
        ("an issuer that is written otherwise", {"iss": f"{HOST}/"}, NO_ONE),
        ("an ID that is a number", {"pipeline_id": 184990, "pipeline_slug": "other"}, NO_ONE),
    )
)

KIND = Kind(
    name="buildkite",
    places=(
        Place({"organization_id": ORGANIZATION}, HOST, {"organization_id": ORGANIZATION}),
        Place({"organization_slug": "acme-inc"}, HOST, {"organization_slug": "acme-inc"}),
    ),
    rules={
        "pipeline_id": _equals("pipeline_id", PIPELINE, OTHER),
        "cluster_id": _equals("cluster_id", CLUSTER, PIPELINE),
        "queue_id": _equals("queue_id", QUEUE, CLUSTER),
        "pipeline": _equals("pipeline_slug", "super-duper-app", "app"),
        "step_key": _equals("step_key", "deploy", "deploy/refs", "6:deploy"),
        "branch": RuleKey(
            REFS, ("build_branch", "build_tag"), lambda claims, value: _ref(claims) == f"refs/heads/{value}"
        ),
        "tag": RuleKey(REFS, ("build_tag",), lambda claims, value: _ref(claims) == f"refs/tags/{value}"),
        "ref": RuleKey(
            ("refs/heads/main", "refs/tags/main"),
            ("build_branch", "build_tag"),
            lambda claims, value: _ref(claims) == value,
        ),
    },
    exclusive=("branch", "tag", "ref"),
    one_of=("pipeline_id", "pipeline", "cluster_id", "queue_id"),
    claims={
        "organization_slug": ("acme-inc", "other"),
        "pipeline_slug": ("super-duper-app", "app", "other"),
        "pipeline_id": (PIPELINE, PIPELINE, OTHER, CLUSTER),
        "cluster_id": (None, CLUSTER, PIPELINE),
        "queue_id": (None, QUEUE, CLUSTER),
        "step_key": (None, "deploy", "deploy/refs", "6:deploy", "test"),
        "build_branch": REFS,
        "build_tag": (None, None, *REFS),
    },
    guard="",
    stops=lambda claims: False,
    guard_claims=(),
    needed=("job_id",),
    table=Table(MANIFEST, ROWS),
)
