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
  workload_identity_pool_id = "gitlab"

  disabled = false

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_iam_workload_identity_pool_provider" "provider" {
  project                            = "acme-identity"
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "gitlab-acme"

  disabled            = false
  attribute_condition = "('job_project_id' in assertion ? 'project_id' in assertion && assertion.job_project_id == assertion.project_id : 'pipeline_source' in assertion && type(assertion.pipeline_source) == string && !(assertion.pipeline_source in ['merge_request_event', 'parent_pipeline'])) && (attribute.project_id_ref in ['20/refs/tags/v1.0', '20/refs/tags/v1.1'] || attribute.project_id_ref_protected_environment_ref in ['20/true/10:production/refs/heads/main'])"

  attribute_mapping = {
    "google.subject"                                     = "'project/' + ('project_id' in assertion && type(assertion['project_id']) == string ? assertion['project_id'] : '') + '/user/' + ('user_id' in assertion && type(assertion['user_id']) == string ? assertion['user_id'] : '')"
    "attribute.project_id_ref"                           = "'project_id' in assertion && type(assertion['project_id']) == string && 'ref' in assertion && type(assertion.ref) == string && 'ref_type' in assertion && type(assertion.ref_type) == string && assertion.ref_type in ['branch', 'tag'] && !assertion['project_id'].contains('/') ? assertion['project_id'] + '/' + (assertion.ref_type == 'tag' ? 'refs/tags/' : 'refs/heads/') + assertion.ref : ''"
    "attribute.project_id_ref_protected_environment_ref" = "'project_id' in assertion && type(assertion['project_id']) == string && 'ref_protected' in assertion && type(assertion['ref_protected']) == string && 'environment' in assertion && type(assertion['environment']) == string && 'ref' in assertion && type(assertion.ref) == string && 'ref_type' in assertion && type(assertion.ref_type) == string && assertion.ref_type in ['branch', 'tag'] && !assertion['project_id'].contains('/') && !assertion['ref_protected'].contains('/') ? assertion['project_id'] + '/' + assertion['ref_protected'] + '/' + string(size(assertion['environment'])) + ':' + assertion['environment'] + '/' + (assertion.ref_type == 'tag' ? 'refs/tags/' : 'refs/heads/') + assertion.ref : ''"
  }

  oidc {
    issuer_uri = "https://gitlab.com"
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
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/gitlab/attribute.project_id_ref_protected_environment_ref/20/true/10:production/refs/heads/main",
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
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/gitlab/attribute.project_id_ref/20/refs/tags/v1.0",
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/gitlab/attribute.project_id_ref/20/refs/tags/v1.1",
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
