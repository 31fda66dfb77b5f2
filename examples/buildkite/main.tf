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
  workload_identity_pool_id = "buildkite"

  disabled = false

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_iam_workload_identity_pool_provider" "provider" {
  project                            = "acme-identity"
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "buildkite-acme"

  disabled            = false
  attribute_condition = "assertion['organization_id'] == 'f892efa9-103e-4d28-97a1-3b8616a0994d' && (attribute.pipeline_id_ref in ['0184990a-4782-42b5-afc1-16715b10b1f0/refs/tags/v1.0.0', '0184990a-4782-42b5-afc1-16715b10b1f0/refs/tags/v1.1.0'] || attribute.pipeline_id_step_key_ref in ['0184990a-4782-42b5-afc1-16715b10b1f0/6:deploy/refs/heads/main'])"

  attribute_mapping = {
    "google.subject"                     = "assertion.job_id"
    "attribute.pipeline_id_ref"          = "'pipeline_id' in assertion && type(assertion['pipeline_id']) == string && ('build_tag' in assertion ? type(assertion['build_tag']) == string : 'build_branch' in assertion && type(assertion['build_branch']) == string) && !assertion['pipeline_id'].contains('/') ? assertion['pipeline_id'] + '/' + ('build_tag' in assertion ? 'refs/tags/' + assertion['build_tag'] : 'refs/heads/' + assertion['build_branch']) : ''"
    "attribute.pipeline_id_step_key_ref" = "'pipeline_id' in assertion && type(assertion['pipeline_id']) == string && 'step_key' in assertion && type(assertion['step_key']) == string && ('build_tag' in assertion ? type(assertion['build_tag']) == string : 'build_branch' in assertion && type(assertion['build_branch']) == string) && !assertion['pipeline_id'].contains('/') ? assertion['pipeline_id'] + '/' + string(size(assertion['step_key'])) + ':' + assertion['step_key'] + '/' + ('build_tag' in assertion ? 'refs/tags/' + assertion['build_tag'] : 'refs/heads/' + assertion['build_branch']) : ''"
  }

  oidc {
    issuer_uri = "https://agent.buildkite.com"
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
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/buildkite/attribute.pipeline_id_step_key_ref/0184990a-4782-42b5-afc1-16715b10b1f0/6:deploy/refs/heads/main",
  ])

  service_account_id = google_service_account.deploy.name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}

resource "google_service_account" "release" {
  project    = "acme-prod"
  account_id = "release"

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_service_account_iam_member" "release" {
  for_each = toset([
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/buildkite/attribute.pipeline_id_ref/0184990a-4782-42b5-afc1-16715b10b1f0/refs/tags/v1.0.0",
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/buildkite/attribute.pipeline_id_ref/0184990a-4782-42b5-afc1-16715b10b1f0/refs/tags/v1.1.0",
  ])

  service_account_id = google_service_account.release.name
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
    "roles/artifactregistry.writer serviceAccount:release@acme-prod.iam.gserviceaccount.com" = {
      role   = "roles/artifactregistry.writer"
      member = google_service_account.release.member
    }
  }

  project = "acme-prod"
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}
