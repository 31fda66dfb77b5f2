# Made by:  [= remade =]
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
[% for each in imports %]

import {
[= each | attributes(2) =]
}
[% endfor %]

resource "google_iam_workload_identity_pool" "pool" {
[= pool.id | attributes(2) =]

[= pool.fields | attributes(2) =]
[% if pool.ignored %]

  lifecycle {
    ignore_changes = [[= pool.ignored =]]
  }
[% endif %]
}

resource "google_iam_workload_identity_pool_provider" "provider" {
[= provider.id | attributes(2) =]

[= provider.fields | attributes(2) =]

  attribute_mapping = {
[= mapping | attributes(4) =]
  }

  oidc {
[= oidc | attributes(4) =]
  }
[% if provider.ignored %]

  lifecycle {
    ignore_changes = [[= provider.ignored =]]
  }
[% endif %]
}
[% for account in accounts %]
[% if account.create %]

resource "google_service_account" "[= account.label =]" {
[= account.fields | attributes(2) =]
[% if account.ignored %]

  lifecycle {
    ignore_changes = [[= account.ignored =]]
  }
[% endif %]
}
[% endif %]

resource "google_service_account_iam_member" "[= account.label =]" {
  for_each = toset([
[% for member in account.members %]
    [= member | hcl =],
[% endfor %]
  ])

  service_account_id = [= account.resource =]
  role               = [= account.role | hcl =]
  member             = each.value

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}
[% endfor %]
[% for project in projects %]

resource "google_project_iam_member" "[= project.label =]" {
  for_each = {
[% for key, role, member in project.grants %]
    [= key | hcl =] = {
      role   = [= role =]
      member = [= member =]
    }
[% endfor %]
  }

  project = [= project.id | hcl =]
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_iam_workload_identity_pool_provider.provider]
}
[% endfor %]
