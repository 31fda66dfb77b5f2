"""GitLab's tokens, as its page on ID tokens and its source (``lib/gitlab/ci/jwt.rb``) describe them."""

from kinds.model import Kind, Place, Row, RuleKey, Table

PROJECT, NAMESPACE, USER = "20", "72", "1"
HOST, SERVER = "https://gitlab.com", "https://gitlab.example"
REFS = ("main", "main/x", "x/main", "release/1", "m'ain\\", "20/refs", "9:main")
NO_ONE: frozenset[str] = frozenset()
DEPLOY, READER, GROUP, SAFE = (frozenset({name}) for name in ("deploy", "reader", "group", "safe"))
REQUEST = {"pipeline_source": "merge_request_event", "ref": "feature", "ref_protected": "false"}
FORK = {"project_id": "666", "namespace_id": "667", "project_path": "stranger/my-project"}


def _equals(claim: str, *values: str) -> RuleKey:
    return RuleKey(values, (claim,), lambda claims, value: claims.get(claim) == value)


def _ref(kind: str, *values: str) -> RuleKey:
    def holds(claims, value: str) -> bool:  # type: ignore[no-untyped-def]
        return (claims.get("ref_type"), claims.get("ref")) == (kind, value)

    return RuleKey(values, ("ref", "ref_type"), holds)


MANIFEST = f"""
version = 1

[issuer]
kind = "gitlab"

[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "gitlab"

[provider]
id = "gitlab"

[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
allow = [{{ project_id = "{PROJECT}", branch = "main", environment = "production" }}]

[identities.reader]
service_account = "reader@acme-prod.iam.gserviceaccount.com"
allow = [{{ project_id = "{PROJECT}", branch = "main" }}, {{ project_id = "{PROJECT}", tag = "v1.0" }}]

[identities.safe]
service_account = "protected@acme-prod.iam.gserviceaccount.com"
allow = [{{ project_id = "{PROJECT}", ref_protected = true }}]

[identities.group]
direct = true
project_id = "acme-staging"
roles = ["roles/run.viewer"]
allow = [{{ namespace_id = "{NAMESPACE}", user_id = "{USER}" }}]
"""
_OTHER = {"user_id": "2"}  # so that the group's rule says nothing about the row

ROWS = (
    Row("a push to main", {}, READER | SAFE | GROUP),
    Row("a push to main by another user", _OTHER, READER | SAFE),
    Row("a push to main, with a sub that the project has configured", {"sub": "my-group/x"} | _OTHER, READER | SAFE),
    Row("the production environment", {"environment": "production"} | _OTHER, DEPLOY | READER | SAFE),
    Row("another environment", {"environment": "staging"} | _OTHER, READER | SAFE),
    Row("an environment that begins like it", {"environment": "production/eu"} | _OTHER, READER | SAFE),
    Row(
        "the environment from another branch",
        {"environment": "production", "ref": "dev", "ref_protected": "false"} | _OTHER, NO_ONE,
    ),
    Row("the tag of a release", {"ref": "v1.0", "ref_type": "tag"} | _OTHER, READER | SAFE),
    Row("a tag that is named like the branch", {"ref_type": "tag", "ref_protected": "false"} | _OTHER, NO_ONE),
    Row("a branch that is named like the tag", {"ref": "v1.0", "ref_protected": "false"} | _OTHER, NO_ONE),
    Row("a branch that begins like it", {"ref": "main2", "ref_protected": "false"} | _OTHER, NO_ONE),
    Row("a protected branch that no rule names", {"ref": "release"} | _OTHER, SAFE),
    Row(
        "a branch that is named like the whole ref",
        {"ref": "refs/heads/main", "ref_protected": "false"} | _OTHER, NO_ONE,
    ),
    Row("a project that was renamed", {"project_path": "my-group/new-name"} | _OTHER, READER | SAFE),
    Row("a group that was renamed", {"project_path": "new-group/my-project"}, READER | SAFE | GROUP),
    Row(
        "the project after it was moved to another group",
        {"project_path": "other/my-project", "namespace_id": "73"}, READER | SAFE,
    ),
    Row(
        "somebody else's project with the same path, after the group gave its name up",
        {"project_id": "666", "namespace_id": "667"}, NO_ONE,
    ),
    Row("another project of the group", {"project_id": "21", "project_path": "my-group/other"}, GROUP),
    Row("a project of a subgroup", {"project_id": "22", "namespace_id": "74"}, NO_ONE),
    Row("a new project with the old one's path", {"project_id": "23"} | _OTHER, NO_ONE),
    Row("a fork's own pipeline", FORK, NO_ONE),
    Row(
        "a merge request from a fork that is run by the target project",
        REQUEST | FORK | {"job_project_id": PROJECT, "job_namespace_id": NAMESPACE}, NO_ONE,
    ),
    Row(
        "the same from a branch that is called main",
        REQUEST | FORK | {"ref": "main", "job_project_id": PROJECT, "job_namespace_id": NAMESPACE}, NO_ONE,
    ),
    Row(
        "our merge request that another project runs",
        REQUEST | {"ref": "main", "job_project_id": "900", "job_namespace_id": "901"}, NO_ONE,
    ),
    Row("a merge request of the project itself", REQUEST, GROUP),
    Row(
        "a merge request from a fork, as a server without the fix has it",
        REQUEST | {"ref": "main", "job_project_id": None, "job_namespace_id": None}, NO_ONE,
    ),
    Row(
        "a push, as a server without the claims of the job's project has it",
        {"job_project_id": None, "job_namespace_id": None} | _OTHER, READER | SAFE,
    ),
    Row("a token for another cloud", {"aud": "https://vault.example"}, NO_ONE),
    Row("a token with the server's own audience", {"aud": HOST}, NO_ONE),
    Row("another server's token with the same IDs", {"iss": SERVER}, NO_ONE),
    Row("an ID that is a number", {"project_id": int(PROJECT), "job_project_id": int(PROJECT)} | _OTHER, NO_ONE),
)  # fmt: skip

KIND = Kind(
    name="gitlab",
    places=(
        Place({}, HOST, pins=("project_id", "namespace_id")),
        Place({"url": f"{SERVER}/"}, SERVER),
        Place({"url": f"{SERVER}/gitlab"}, f"{SERVER}/gitlab"),
    ),
    rules={
        "project_id": _equals("project_id", PROJECT, "21", NAMESPACE),
        "namespace_id": _equals("namespace_id", NAMESPACE, PROJECT),
        "user_id": _equals("user_id", USER, "2"),
        "ref_protected": _equals("ref_protected", "true", "false"),
        "pipeline_source": _equals("pipeline_source", "push", "schedule", "merge_request_event"),
        "environment": _equals("environment", "production", "prod/eu", "9:production"),
        "branch": _ref("branch", *REFS),
        "tag": _ref("tag", *REFS),
        "ref": RuleKey(
            ("refs/heads/main", "refs/tags/v1"), ("ref", "ref_type"),
            lambda claims, value: (claims.get("ref_type"), claims.get("ref"))
            in ((("branch", "main"),) if "heads" in value else (("tag", "v1"),)),
        ),
    },
    exclusive=("branch", "tag", "ref"),
    one_of=("project_id", "namespace_id"),
    claims={
        "project_id": (PROJECT, PROJECT, "21", NAMESPACE, "666"),
        "job_project_id": (PROJECT, None, None),
        "namespace_id": (NAMESPACE, PROJECT, "667"),
        "user_id": (USER, "2", "3"),
        "ref_protected": ("true", "false"),
        "pipeline_source": ("push", "push", "schedule", "merge_request_event", "parent_pipeline"),
        "environment": (None, "production", "prod/eu", "9:production", "production2"),
        "ref": (*REFS, "v1", "refs/heads/main"),
        "ref_type": ("branch", "branch", "tag"),
    },
    guard="allow_fork_merge_requests",
    stops=lambda claims: (
        claims["job_project_id"] != claims.get("project_id")
        if "job_project_id" in claims
        else claims.get("pipeline_source") in ("merge_request_event", "parent_pipeline")
    ),
    guard_claims=("job_project_id", "project_id", "pipeline_source"),
    needed=(),
    table=Table(MANIFEST, ROWS),
)  # fmt: skip
