"""Reports for the doctor's page: a healthy chain, one broken at each link, unseen, hostile and huge ones."""

from dataclasses import replace
from typing import Any

from google_setup import ACCOUNT, ORGANIZATION_ID, PROJECT_ID, PROVIDER
from provisioned import MANIFEST
from rules import circleci_claims

from gcp_wif.credential_config import CredentialConfig, FileSource
from gcp_wif.doctor import Evidence
from gcp_wif.doctor.answer import with_accepted, with_refusal
from gcp_wif.doctor.evidence import MISSING, Binding
from gcp_wif.doctor.sources import from_manifest
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import RefusedError
from gcp_wif.manifest import Manifest
from gcp_wif.names import Principal, ServiceAccountEmail
from gcp_wif.refusals import RefusalKind
from gcp_wif.roles import IMPERSONATION_ROLE

__all__ = ["CASES", "HOSTILE", "NOW", "healthy"]

NOW = 1_800_000_000.0
HOSTILE = "</code></table><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ x }}[= y =]\u202e\x1b[31m"
IMPERSONATION_DENIED = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
MEMBER = str(Principal.attribute(PROVIDER.pool, "project", PROJECT_ID))
OTHER = "99aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
NO_SSH = "assertion['oidc.circleci.com/ssh-rerun'] == false"
MAIN = "assertion['oidc.circleci.com/vcs-ref'] == 'refs/heads/main'"
MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.project": "assertion['oidc.circleci.com/project-id']",
    "attribute.ref": "'oidc.circleci.com/vcs-ref' in assertion ? assertion['oidc.circleci.com/vcs-ref'] : ''",
}


def provider(**changes: Any) -> dict[str, Any]:
    return {
        "state": "ACTIVE",
        "attributeMapping": MAPPING,
        "attributeCondition": f"{NO_SSH} && {MAIN}",
        "oidc": {
            "issuerUri": f"https://oidc.circleci.com/org/{ORGANIZATION_ID}",
            "allowedAudiences": [ORGANIZATION_ID],
        },
    } | changes


def claims(**changes: Any) -> dict[str, Any]:
    made = circleci_claims(changes, NOW - 240)
    return made | {"iat": int(NOW) - 240, "exp": int(NOW) + 3360} | changes


def healthy(**changes: Any) -> Evidence:
    account = ServiceAccountEmail(ACCOUNT)
    source = FileSource("/home/circleci/oidc_token")
    config = CredentialConfig.build(PROVIDER, source, Endpoints(), service_account=account)
    seen = Evidence(
        NOW,
        header={"alg": "RS256", "kid": "k"},
        claims=claims(),
        config=config,
        provider=PROVIDER,
        account=account,
        pool_state={"state": "ACTIVE"},
        provider_state=provider(),
        account_state={"email": ACCOUNT, "disabled": False},
        policy=(Binding(IMPERSONATION_ROLE, (MEMBER,)),),
        project="acme-prod",
        project_policy=(Binding("roles/run.developer", (f"serviceAccount:{ACCOUNT}",)),),
        services={"sts.googleapis.com": True, "iamcredentials.googleapis.com": True},
        live=True,
        token_origin="CIRCLE_OIDC_TOKEN",
    )
    return replace(seen, **changes)


def job_alone() -> Evidence:
    return replace(
        healthy(),
        pool_state=None,
        provider_state=None,
        account_state=None,
        policy=None,
        project_policy=None,
        services=None,
        live=False,
    )


def planned(**token: Any) -> Evidence:
    seen = Evidence(NOW, header={"alg": "RS256", "kid": "k"}, claims=claims(**token), token_origin="claims.json")
    return from_manifest(seen, Manifest.parse(MANIFEST, origin="gcp-wif.toml"), "deploy")


def huge() -> Evidence:
    names = [f"attribute.a_rather_long_name_of_an_attribute_{number:03}" for number in range(200)]
    mapping = MAPPING | {name: f"'{'v' * 40}{number}'" for number, name in enumerate(names)}
    parts = " || ".join(f"attribute.project == '{number:0120}'" for number in range(28))
    policy = tuple(
        Binding(IMPERSONATION_ROLE, (f"principalSet://iam.googleapis.com/{PROVIDER.pool}/attribute.project/{n:0127}",))
        for n in range(40)
    )
    return healthy(
        provider_state=provider(attributeMapping=mapping, attributeCondition=f"{NO_SSH} && ({parts})"),
        policy=policy,
        claims=claims(sub="s" * 127) | {f"claim_{'x' * 60}_{n}": "w" * 300 for n in range(40)},
        token_origin="/home/circleci/" + "folder/" * 30 + "oidc_token",
    )


def hostile() -> Evidence:
    mapping = MAPPING | {"attribute.x": "assertion.x"}
    return healthy(
        claims=claims() | {"x": HOSTILE, HOSTILE: HOSTILE, "iss": f"https://oidc.circleci.com/{HOSTILE}"},
        provider_state=provider(attributeMapping=mapping, attributeCondition=f"assertion.x != {HOSTILE!r}"),
        policy=(Binding(HOSTILE, (HOSTILE, MEMBER)),),
        refused=RefusalKind.CONDITION_FALSE,
        sentence=HOSTILE,
        token_origin=HOSTILE,
        project=HOSTILE,
        identity=HOSTILE,
    )


CASES: dict[str, Evidence] = {
    "healthy": healthy(),
    "token-expired": healthy(claims=claims(iat=int(NOW) - 9000, exp=int(NOW) - 5400)),
    "issuer": healthy(provider_state=provider(oidc={"issuerUri": "https://token.actions.githubusercontent.com"})),
    "audience": healthy(claims=claims(aud="https://example.com/some-audience")),
    "provider-missing": healthy(
        provider_state=MISSING, siblings=({"name": f"{PROVIDER.pool}/providers/circleci-old"},)
    ),
    "mapping": healthy(provider_state=provider(attributeMapping=MAPPING | {"attribute.env": "assertion.sub + 1"})),
    "subject": healthy(claims=claims(sub="org/" + "x" * 140)),
    "condition": healthy(claims=claims(**{"oidc.circleci.com/vcs-ref": "refs/heads/dev"})),
    "binding": healthy(
        policy=(Binding(IMPERSONATION_ROLE, (MEMBER.replace(PROJECT_ID, OTHER), "user:a@example.com")),)
    ),
    "account-missing": healthy(account_state=MISSING, policy=None),
    "api": healthy(disabled_api="IAM Service Account Credentials API has not been used in project 123456789012 before"),
    "two-broken": healthy(
        claims=claims(**{"oidc.circleci.com/vcs-ref": "refs/heads/dev"}),
        account_state={"email": ACCOUNT, "disabled": True},
    ),
    "advice": healthy(policy=(Binding(IMPERSONATION_ROLE, (f"principalSet://iam.googleapis.com/{PROVIDER.pool}/*",)),)),
    "job-alone": job_alone(),
    "accepted": with_accepted(job_alone()),
    "refused": with_refusal(job_alone(), RefusedError(IMPERSONATION_DENIED, code="WIF520")),
    "error-alone": Evidence(
        NOW,
        refused=RefusalKind.CONDITION_FALSE,
        sentence="The given credential is rejected by the attribute condition.",
    ),
    "manifest": planned(**{"oidc.circleci.com/vcs-ref": "refs/heads/dev"}),
    "direct": healthy(
        account=None,
        direct=True,
        config=None,
        account_state=None,
        policy=None,
        project_policy=(Binding("roles/storage.objectViewer", (MEMBER,)),),
    ),
    "hostile": hostile(),
    "huge": huge(),
}
