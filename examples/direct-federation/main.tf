# Made by:  gcp-wif render terraform --manifest gcp-wif.toml
# Made from the manifest: change that and run the command again.

terraform {
  required_version = ">= 1.5"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0"
    }
  }
}

resource "google_iam_workload_identity_pool" "pool" {
  project                   = "acme-identity"
  workload_identity_pool_id = "circleci"

  disabled = false

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_iam_workload_identity_pool_provider" "provider" {
  project                            = "acme-identity"
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "circleci-acme"

  disabled            = false
  attribute_condition = "(!('oidc.circleci.com/ssh-rerun' in assertion) || assertion['oidc.circleci.com/ssh-rerun'] == false) && (attribute.project in ['1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b'])"

  attribute_mapping = {
    "google.subject"    = "assertion.sub.contains('/vcs-origin/') ? assertion.sub.extract('{v1}/vcs-origin/') : assertion.sub"
    "attribute.project" = "'oidc.circleci.com/project-id' in assertion && type(assertion['oidc.circleci.com/project-id']) == string ? assertion['oidc.circleci.com/project-id'] : ''"
  }

  oidc {
    issuer_uri        = "https://oidc.circleci.com/org/8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
    allowed_audiences = ["8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"]
  }

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_project_iam_member" "acme-staging" {
  for_each = {
    "roles/storage.objectViewer principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b" = {
      role   = "roles/storage.objectViewer"
      member = "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
    }
  }

  project = "acme-staging"
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}
