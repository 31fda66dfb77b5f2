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
  attribute_condition = "(!('oidc.circleci.com/ssh-rerun' in assertion) || assertion['oidc.circleci.com/ssh-rerun'] == false) && (attribute.project_ref in ['1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/main', '1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/1', '1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/2', '77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/1', '77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/2'] || google.groups.exists(g, g in ['project_context:1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/c0ffee00-1234-4abc-9def-0123456789aa']))"

  attribute_mapping = {
    "google.subject"        = "assertion.sub.contains('/vcs-origin/') ? assertion.sub.extract('{v1}/vcs-origin/') : assertion.sub"
    "attribute.project_ref" = "'oidc.circleci.com/project-id' in assertion && type(assertion['oidc.circleci.com/project-id']) == string && 'oidc.circleci.com/vcs-ref' in assertion && type(assertion['oidc.circleci.com/vcs-ref']) == string && !assertion['oidc.circleci.com/project-id'].contains('/') ? assertion['oidc.circleci.com/project-id'] + '/' + assertion['oidc.circleci.com/vcs-ref'] : ''"
    "google.groups"         = "('oidc.circleci.com/project-id' in assertion && type(assertion['oidc.circleci.com/project-id']) == string && !assertion['oidc.circleci.com/project-id'].contains('/') && 'oidc.circleci.com/context-ids' in assertion && type(assertion['oidc.circleci.com/context-ids']) == list ? assertion['oidc.circleci.com/context-ids'].map(c, type(c) == string, 'project_context:' + assertion['oidc.circleci.com/project-id'] + '/' + c) : [])"
  }

  oidc {
    issuer_uri        = "https://oidc.circleci.com/org/8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
    allowed_audiences = ["8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"]
  }

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_service_account" "deploy" {
  project    = "acme-prod"
  account_id = "deploy"

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_service_account_iam_member" "deploy" {
  for_each = toset([
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project_ref/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/main",
  ])

  service_account_id = google_service_account.deploy.name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}

resource "google_service_account" "publish" {
  project    = "acme-prod"
  account_id = "publish"

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_service_account_iam_member" "publish" {
  for_each = toset([
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project_ref/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/1",
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project_ref/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/2",
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project_ref/77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/1",
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project_ref/77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/release/2",
  ])

  service_account_id = google_service_account.publish.name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}

resource "google_service_account" "test" {
  project    = "acme-prod"
  account_id = "test-runner"

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_service_account_iam_member" "test" {
  for_each = toset([
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/group/project_context:1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/c0ffee00-1234-4abc-9def-0123456789aa",
  ])

  service_account_id = google_service_account.test.name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}

resource "google_project_iam_member" "acme-prod" {
  for_each = {
    "roles/run.developer serviceAccount:deploy@acme-prod.iam.gserviceaccount.com" = {
      role   = "roles/run.developer"
      member = google_service_account.deploy.member
    }
    "roles/artifactregistry.writer serviceAccount:publish@acme-prod.iam.gserviceaccount.com" = {
      role   = "roles/artifactregistry.writer"
      member = google_service_account.publish.member
    }
  }

  project = "acme-prod"
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}
