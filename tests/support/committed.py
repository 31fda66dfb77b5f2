"""A good credential config, and what `check` says of one that differs from it."""

import json
from typing import Any

from gcp_wif.config_lint import check_text

ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
IMPERSONATION = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
AUDIENCE = (
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
)
GOOD: dict[str, Any] = {
    "universe_domain": "googleapis.com",
    "type": "external_account",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/tmp/oidc_token"},
    "service_account_impersonation_url": IMPERSONATION,
}
AWS: dict[str, Any] = {
    "environment_id": "aws1",
    "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
    "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
    "regional_cred_verification_url": (
        "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    ),
    "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
}
AWS_TYPE = "urn:ietf:params:aws:token-type:aws4_request"
WORKFORCE = "//iam.googleapis.com/locations/global/workforcePools/acme-staff/providers/okta"


def config(**changes: Any) -> str:
    return json.dumps({key: value for key, value in (GOOD | changes).items() if value is not None}, indent=2)


def codes(text: str, **options: Any) -> set[str]:
    return {each.code for each in check_text("gcp_cred_config.json", text, **options)}


def source(**fields: Any) -> str:
    return config(credential_source=fields)
