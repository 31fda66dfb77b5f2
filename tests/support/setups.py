"""The setups of tests/golden/setups, made on the emulator: Google's side, the job's token and those of other jobs."""

import json
import time
import tomllib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from google.auth import exceptions
from google.auth.credentials import AnonymousCredentials
from google_setup import ACCOUNT, Google
from joserfc.jwk import RSAKey
from provisioned import QUICK
from real_client import login
from rules import circleci_claims

from gcp_wif.cli.evidence import with_token
from gcp_wif.doctor import Evidence, Report, diagnose
from gcp_wif.doctor.sources import from_google
from gcp_wif.emulator import Emulator
from gcp_wif.endpoints import Endpoints
from gcp_wif.names import ProviderName, ServiceAccountEmail
from gcp_wif.provisioning import Clients
from gcp_wif.subject_token import SubjectToken

__all__ = ["PROVIDER", "Setup", "diagnosed", "exchanged", "make", "setups", "token"]

FOLDER = Path(__file__).parent.parent / "golden" / "setups"
PROVIDER = ProviderName.parse(
    "projects/123456789012/locations/global/workloadIdentityPools/ci-pool/providers/ci-provider", origin="test"
)
_POOL = f"iam.googleapis.com/{PROVIDER.pool}"
_AUDIENCE = PROVIDER.default_audiences[1]
_NEXT_YEAR = f"{datetime.now(UTC).year + 1}-12-31T00:00:00Z"

_GITHUB = {
    "iss": "https://token.actions.githubusercontent.com", "aud": _AUDIENCE,
    "sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app", "repository_id": "1001",
    "repository_owner": "acme", "repository_owner_id": "77", "ref": "refs/heads/main", "ref_type": "branch",
    "actor": "alice", "actor_id": "5", "event_name": "push", "run_id": "1", "sha": "0" * 40,
    "workflow_ref": "acme/app/.github/workflows/deploy.yml@refs/heads/main",
    "job_workflow_ref": "acme/app/.github/workflows/deploy.yml@refs/heads/main",
}  # fmt: skip
_GITLAB = {
    "iss": "https://gitlab.com", "aud": _AUDIENCE, "sub": "project_path:acme/app:ref_type:branch:ref:main",
    "project_path": "acme/app", "project_id": "42", "namespace_id": "9", "namespace_path": "acme", "ref": "main",
    "ref_type": "branch", "ref_protected": "true", "user_id": "3", "user_login": "alice", "pipeline_source": "push",
}  # fmt: skip
_TERRAFORM = {
    "iss": "https://app.terraform.io", "aud": _AUDIENCE,
    "sub": "organization:acme:project:infra:workspace:prod:run_phase:apply", "terraform_organization_name": "acme",
    "terraform_organization_id": "org-1", "terraform_workspace_name": "prod", "terraform_workspace_id": "ws-1",
    "terraform_run_phase": "apply",
}  # fmt: skip
_BUILDKITE = {
    "iss": "https://agent.buildkite.com", "aud": _AUDIENCE,
    "sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:0:step:deploy", "organization_slug": "acme",
    "pipeline_slug": "app", "build_branch": "main", "step_key": "deploy",
}  # fmt: skip
_KUBERNETES = {
    "iss": "https://kubernetes.default.svc.cluster.local", "aud": [_AUDIENCE],
    "sub": "system:serviceaccount:jobs:deployer",
    "kubernetes.io": {"namespace": "jobs", "serviceaccount": {"name": "deployer"}},
}  # fmt: skip
_OIDC = {"iss": "https://ci.example.com", "aud": _AUDIENCE, "sub": "job-1", "team": "platform"}

BASE: dict[str, dict[str, Any]] = {
    "github": {
        "claims": _GITHUB,
        "mapping": {
            "google.subject": "assertion.sub", "attribute.repository": "assertion.repository",
            "attribute.repository_owner": "assertion.repository_owner", "attribute.actor": "assertion.actor",
        },
        "condition": "assertion.repository_owner == 'acme' || assertion.repository_owner == 'other'",
    },
    "gitlab": {
        "claims": _GITLAB,
        "mapping": {"google.subject": "assertion.sub", "attribute.project_id": "assertion.project_id"},
        "condition": "assertion.namespace_id == '9'",
    },
    "terraform": {
        "claims": _TERRAFORM,
        "mapping": {
            "google.subject": "assertion.sub", "attribute.run_phase": "assertion.terraform_run_phase",
            "attribute.workspace": "assertion.terraform_workspace_name",
        },
        "condition": "assertion.terraform_organization_id == 'org-1'",
    },
    "buildkite": {
        "claims": _BUILDKITE,
        "mapping": {"google.subject": "assertion.sub", "attribute.pipeline": "assertion.pipeline_slug"},
        "condition": "assertion.organization_slug == 'acme'",
    },
    "kubernetes": {"claims": _KUBERNETES, "mapping": {"google.subject": "assertion.sub"}, "jwks": "current"},
    "circleci": {
        "claims": {},
        "mapping": {
            "google.subject": "assertion.sub", "attribute.project": "assertion['oidc.circleci.com/project-id']",
        },
        "condition": "assertion['oidc.circleci.com/ssh-rerun'] == false",
        "audiences": ["8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"],
    },
    "oidc": {
        "claims": _OIDC,
        "mapping": {"google.subject": "assertion.sub", "attribute.team": "assertion.team"},
        "condition": "",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Setup:
    """One row; tests/golden/setups/looked_at.toml says what each key means."""

    name: str
    like: str
    find: str | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    issuer: str | None = None
    mapping: dict[str, str] | None = None
    condition: str | None = None
    audiences: tuple[str, ...] | None = None
    jwks: str | None = None
    account: tuple[dict[str, Any], ...] = ()
    project: tuple[dict[str, Any], ...] = ()
    above: tuple[Any, ...] = ()
    roles: dict[str, list[str]] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    siblings: dict[str, dict[str, Any]] = field(default_factory=dict)
    direct: bool = False
    pool: str = ""
    provider: str = ""
    account_missing: bool = False
    account_disabled: bool = False
    config_provider: str | None = None
    config_pool: str | None = None
    config_account: str | None = None
    others: tuple[dict[str, Any], ...] = ()
    fixed: bool = True
    says: str = ""
    allow_advice: bool = False


@cache
def setups(file: str) -> dict[str, Setup]:
    """The rows of a file, by their names."""
    rows = tomllib.loads((FOLDER / file).read_text())["setup"]
    return {row["name"]: Setup(**_filled(row)) for row in rows}


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    if not isinstance(value, str):
        return value
    for word, text in (
        ("$SET", f"principalSet://{_POOL}"),
        ("$ONE", f"principal://{_POOL}"),
        ("$PROVIDER", str(PROVIDER)),
        ("$NEXT_YEAR", _NEXT_YEAR),
    ):
        value = value.replace(word, text)
    return value


def claims_of(setup: Setup, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The claims of the setup's job, or with ``changes`` of another one."""
    now = time.time()
    base = circleci_claims({}, now) if setup.like == "circleci" else BASE[setup.like]["claims"]
    return {**base, **setup.claims, **(changes or {})}


def token(setup: Setup, emulator: Emulator, changes: dict[str, Any] | None = None) -> str:
    """A signed token of the setup's job, or of another one."""
    return emulator.issuer.sign_claims(claims_of(setup, changes), now=emulator.state.clock.now())


def make(setup: Setup, emulator: Emulator) -> Google:
    """Google as the setup has it."""
    emulator.reset()
    google, base, state = Google(emulator, PROVIDER), BASE[setup.like], emulator.state
    keys = setup.jwks or base.get("jwks", "")
    mapping = setup.mapping or base["mapping"]
    emulator.provision(
        PROVIDER,
        issuer=setup.issuer or claims_of(setup)["iss"],
        mapping=mapping,
        condition=base.get("condition", "") if setup.condition is None else setup.condition,
        allowed_audiences=base.get("audiences", ()) if setup.audiences is None else setup.audiences,
        jwks_json=json.dumps(uploaded(keys, emulator)) if keys else "",
    )
    for sibling, row in setup.siblings.items():
        emulator.provision(
            PROVIDER._replace(provider_id=sibling),  # type: ignore[arg-type]
            issuer=row["issuer"], mapping=row["mapping"], condition="assertion.sub != ''",
        )  # fmt: skip
    settings = state.settings
    settings.roles = {name: frozenset(permissions) for name, permissions in setup.roles.items()}
    settings.disabled_services = set(setup.off)
    settings.ancestors = {"acme-prod": tuple(name for name, _ in setup.above)} if setup.above else {}
    for other in ("other@acme-prod.iam.gserviceaccount.com",):
        state.accounts.put(other, state.project_id)
    if not setup.account_missing:
        account = state.accounts.put(ACCOUNT, state.project_id)
        account.disabled = setup.account_disabled
        _write(account.policy, setup.account)
    _write(state.project_policy("acme-prod"), setup.project)
    for name, bindings in setup.above:
        _write(state.node_policy(name), bindings)
    pool = state.pools.get(PROVIDER.project_number, PROVIDER.pool_id)
    for resource, what in ((pool, setup.pool), (pool.providers[PROVIDER.provider_id], setup.provider)):
        if what == "deleted":
            resource.deleted_at = state.clock.now()
        elif what == "disabled":
            resource.content["disabled"] = True
    return google


def _write(policy: Any, bindings: Any) -> None:
    rows = [
        {"role": each["role"], "members": list(each["members"])}
        | ({"condition": {"title": "t", "expression": each["condition"]}} if "condition" in each else {})
        for each in bindings
    ]
    policy.replace({"bindings": rows}, 0, 0)


@cache
def _old_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "old-key", "use": "sig", "alg": "RS256"})


def uploaded(which: str, emulator: Emulator) -> dict[str, Any]:
    """A key set: the issuer's ``current`` one, an ``old`` one, or ``both``."""
    old = [_old_key().as_dict(private=False)] if which != "current" else []
    return {"keys": old + (emulator.issuer.jwks()["keys"] if which != "old" else [])}


def exchanged(google: Google, jwt: str, *, account: bool = True) -> str | None:
    """What google-auth says when it may not get through; ``None`` where it does."""
    changes = {} if account else {"service_account_impersonation_url": None}
    try:
        login(google, jwt, **changes)
    except exceptions.GoogleAuthError as error:
        return " ".join(str(part) for part in error.args)
    return None


def diagnosed(setup: Setup, google: Google, jwt: str) -> Report:
    """What the doctor says with the right to read Google."""
    name = PROVIDER._replace(
        pool_id=setup.config_pool or PROVIDER.pool_id,  # type: ignore[arg-type]
        provider_id=setup.config_provider or PROVIDER.provider_id,  # type: ignore[arg-type]
    )
    evidence = Evidence(
        google.emulator.state.clock.now(),
        provider=name,
        account=None if setup.direct else ServiceAccountEmail(setup.config_account or ACCOUNT),
        direct=setup.direct,
        project="acme-prod",
    )
    evidence = with_token(evidence, SubjectToken.parse(jwt, origin="test"))
    clients = Clients(Endpoints.resolve(google.emulator.environ()), AnonymousCredentials(), 10.0)
    try:
        return diagnose(from_google(replace(evidence), clients, QUICK))
    finally:
        clients.close()
