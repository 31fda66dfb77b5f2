"""Pieces of the gcloud commands that the rows advise.

Full resource names need no ``--project``; the commands on pools refuse a project's number there (gcloud 528). Words in
capitals stand for the reader's own names.
"""

__all__ = ["NEEDED_APIS", "POOL", "PROVIDER", "PROVIDERS", "UPDATE"]

NEEDED_APIS = "iam.googleapis.com iamcredentials.googleapis.com sts.googleapis.com cloudresourcemanager.googleapis.com"
"""The APIs that federation and provisioning use (Google's page on federation with pipelines)."""

POOL = "projects/NUMBER/locations/global/workloadIdentityPools/POOL"
PROVIDER = f"{POOL}/providers/PROVIDER"
PROVIDERS = "gcloud iam workload-identity-pools providers"
UPDATE = f"{PROVIDERS} update-oidc {PROVIDER}"
