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
  workload_identity_pool_id = "github"

  disabled = false

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_iam_workload_identity_pool_provider" "provider" {
  project                            = "acme-identity"
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "github-acme"

  disabled            = false
  attribute_condition = "assertion['repository_owner_id'] == '9919' && 'event_name' in assertion && type(assertion.event_name) == string && assertion.event_name != 'pull_request_target' && (attribute.repository_id_environment_ref in ['559365297/10:production/refs/heads/main'] || attribute.repository_id_event in ['559365297/pull_request'])"

  attribute_mapping = {
    "google.subject"                          = "'owner/' + ('repository_owner_id' in assertion && type(assertion['repository_owner_id']) == string ? assertion['repository_owner_id'] : '') + '/repository/' + ('repository_id' in assertion && type(assertion['repository_id']) == string ? assertion['repository_id'] : '') + '/actor/' + ('actor_id' in assertion && type(assertion['actor_id']) == string ? assertion['actor_id'] : '')"
    "attribute.repository_id_environment_ref" = "'repository_id' in assertion && type(assertion['repository_id']) == string && 'environment' in assertion && type(assertion['environment']) == string && 'ref' in assertion && type(assertion['ref']) == string && !assertion['repository_id'].contains('/') ? assertion['repository_id'] + '/' + string(size(assertion['environment'])) + ':' + assertion['environment'] + '/' + assertion['ref'] : ''"
    "attribute.repository_id_event"           = "'repository_id' in assertion && type(assertion['repository_id']) == string && 'event_name' in assertion && type(assertion['event_name']) == string && !assertion['repository_id'].contains('/') ? assertion['repository_id'] + '/' + assertion['event_name'] : ''"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
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
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/attribute.repository_id_environment_ref/559365297/10:production/refs/heads/main",
  ])

  service_account_id = google_service_account.deploy.name
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
  }

  project = "acme-prod"
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}

resource "google_project_iam_member" "acme-staging" {
  for_each = {
    "roles/storage.objectViewer principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/attribute.repository_id_event/559365297/pull_request" = {
      role   = "roles/storage.objectViewer"
      member = "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/attribute.repository_id_event/559365297/pull_request"
    }
  }

  project = "acme-staging"
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}
