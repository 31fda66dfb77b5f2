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
  workload_identity_pool_id = "bitbucket"

  disabled = false

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_iam_workload_identity_pool_provider" "provider" {
  project                            = "acme-identity"
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "bitbucket-acme"

  disabled            = false
  attribute_condition = "assertion['workspaceUuid'] == '{6f1d2c3b-0a9b-4c8d-8e7f-1a2b3c4d5e6f}' && (attribute.repository_uuid_branch in ['{b1c2d3e4-1111-4222-8333-444455556666}/main'] || attribute.repository_uuid_deployment_environment_uuid in ['{b1c2d3e4-1111-4222-8333-444455556666}/{c0c1c2c3-1111-4222-8333-444455556666}'])"

  attribute_mapping = {
    "google.subject"                                        = "assertion.sub"
    "attribute.repository_uuid_branch"                      = "'repositoryUuid' in assertion && type(assertion['repositoryUuid']) == string && 'branchName' in assertion && type(assertion['branchName']) == string && !assertion['repositoryUuid'].contains('/') ? assertion['repositoryUuid'] + '/' + assertion['branchName'] : ''"
    "attribute.repository_uuid_deployment_environment_uuid" = "'repositoryUuid' in assertion && type(assertion['repositoryUuid']) == string && 'deploymentEnvironmentUuid' in assertion && type(assertion['deploymentEnvironmentUuid']) == string && !assertion['repositoryUuid'].contains('/') ? assertion['repositoryUuid'] + '/' + assertion['deploymentEnvironmentUuid'] : ''"
  }

  oidc {
    issuer_uri        = "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc"
    allowed_audiences = ["ari:cloud:bitbucket::workspace/6f1d2c3b-0a9b-4c8d-8e7f-1a2b3c4d5e6f"]
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
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/bitbucket/attribute.repository_uuid_deployment_environment_uuid/{b1c2d3e4-1111-4222-8333-444455556666}/{c0c1c2c3-1111-4222-8333-444455556666}",
  ])

  service_account_id = google_service_account.deploy.name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}

resource "google_service_account" "reader" {
  project    = "acme-prod"
  account_id = "reader"

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_service_account_iam_member" "reader" {
  for_each = toset([
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/bitbucket/attribute.repository_uuid_branch/{b1c2d3e4-1111-4222-8333-444455556666}/main",
  ])

  service_account_id = google_service_account.reader.name
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
    "roles/storage.objectViewer serviceAccount:reader@acme-prod.iam.gserviceaccount.com" = {
      role   = "roles/storage.objectViewer"
      member = google_service_account.reader.member
    }
  }

  project = "acme-prod"
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}
