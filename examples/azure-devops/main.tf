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
  workload_identity_pool_id = "azure"

  disabled = false

  lifecycle {
    ignore_changes = [display_name, description]
  }
}

resource "google_iam_workload_identity_pool_provider" "provider" {
  project                            = "acme-identity"
  workload_identity_pool_id          = google_iam_workload_identity_pool.pool.workload_identity_pool_id
  workload_identity_pool_provider_id = "azure-acme"

  disabled            = false
  attribute_condition = "assertion['org_id'] == '0ca3ddd9-f0b0-4635-a98c-5866526961b6' && (!('rpo_ref' in assertion) || (type(assertion['rpo_ref']) == string && !assertion['rpo_ref'].startsWith('refs/pull/'))) && (attribute.project_id_definition_id_ref in ['271ef6f7-5998-4b0f-86fb-4b54d9129990/1/refs/heads/main'])"

  attribute_mapping = {
    "google.subject"                         = "'prj_id' in assertion && type(assertion['prj_id']) == string && 'def_id' in assertion && type(assertion['def_id']) == string ? assertion['prj_id'] + '/' + assertion['def_id'] : assertion.sub.contains('/sc/') ? assertion.sub.extract('/sc/{connection}') : 'other'"
    "attribute.project_id_definition_id_ref" = "'prj_id' in assertion && type(assertion['prj_id']) == string && 'def_id' in assertion && type(assertion['def_id']) == string && 'rpo_ref' in assertion && type(assertion['rpo_ref']) == string && !assertion['prj_id'].contains('/') && !assertion['def_id'].contains('/') ? assertion['prj_id'] + '/' + assertion['def_id'] + '/' + assertion['rpo_ref'] : ''"
  }

  oidc {
    issuer_uri        = "https://vstoken.dev.azure.com/0ca3ddd9-f0b0-4635-a98c-5866526961b6"
    allowed_audiences = ["api://AzureADTokenExchange"]
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
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/azure/attribute.project_id_definition_id_ref/271ef6f7-5998-4b0f-86fb-4b54d9129990/1/refs/heads/main",
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
