#!/usr/bin/env bash
# Made by:  gcp-wif render gcloud --manifest gcp-wif.toml
# Made from the manifest: change that and run the command again.
#
# Makes in Google Cloud what the manifest says. It may be run again at any time: what exists is updated, what was
# deleted is undeleted, grants are added once, and none is revoked. `gcp-wif plan` shows whether anything is left to do.

# shellcheck disable=SC2016 # values stand in single quotes because nothing in them is to be expanded
set -euo pipefail
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT

# Runs a describe command; prints nothing where there is no such thing.
describe() {
  if ! "$@" 2> "$errors"; then
    if ! grep --quiet NOT_FOUND "$errors"; then
      cat "$errors" >&2
      return 1
    fi
  fi
}

# Waits until a describe command prints this: gcloud does not wait for what it starts.
wait_until() {
  local wanted=$1 found
  shift
  for _ in {1..60}; do
    found=$("$@" 2> "$errors" || true)
    if [[ $found == "$wanted" ]]; then
      return
    fi
    sleep 2
  done
  cat "$errors" >&2
  echo "This took too long; run the script again later: $*" >&2
  return 1
}

# Principals are named by the project's number, everything else by its ID.
number=$(gcloud projects describe acme-identity --format='value(projectNumber)')
if [[ $number != 123456789012 ]]; then
  echo "The manifest has another number for this project than Google, $number:" acme-identity >&2
  exit 1
fi

pool=(
  circleci
  --project=acme-identity
  --location=global
)
settings=(
  --no-disabled
)
show=(gcloud iam workload-identity-pools describe "${pool[@]}" --format='value(state)')
state=$(describe "${show[@]}")
case $state in
  '') gcloud iam workload-identity-pools create "${pool[@]}" "${settings[@]}" ;;
  DELETED) gcloud iam workload-identity-pools undelete "${pool[@]}" ;;
esac
wait_until ACTIVE "${show[@]}"
if [[ -n $state ]]; then
  gcloud iam workload-identity-pools update "${pool[@]}" "${settings[@]}"
fi

provider=(
  circleci-acme
  --workload-identity-pool=circleci
  --project=acme-identity
  --location=global
)
settings=(
  --no-disabled
  --issuer-uri=https://oidc.circleci.com/org/8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04
  --allowed-audiences=8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04
  '--attribute-mapping=google.subject=assertion.sub.contains('"'"'/vcs-origin/'"'"') ? assertion.sub.extract('"'"'{v1}/vcs-origin/'"'"') : assertion.sub,attribute.project='"'"'oidc.circleci.com/project-id'"'"' in assertion && type(assertion['"'"'oidc.circleci.com/project-id'"'"']) == string ? assertion['"'"'oidc.circleci.com/project-id'"'"'] : '"'"''"'"',attribute.project_ref='"'"'oidc.circleci.com/project-id'"'"' in assertion && type(assertion['"'"'oidc.circleci.com/project-id'"'"']) == string && '"'"'oidc.circleci.com/vcs-ref'"'"' in assertion && type(assertion['"'"'oidc.circleci.com/vcs-ref'"'"']) == string && !assertion['"'"'oidc.circleci.com/project-id'"'"'].contains('"'"'/'"'"') ? assertion['"'"'oidc.circleci.com/project-id'"'"'] + '"'"'/'"'"' + assertion['"'"'oidc.circleci.com/vcs-ref'"'"'] : '"'"''"'"''
  '--attribute-condition=(!('"'"'oidc.circleci.com/ssh-rerun'"'"' in assertion) || assertion['"'"'oidc.circleci.com/ssh-rerun'"'"'] == false) && (attribute.project in ['"'"'1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b'"'"'] || attribute.project_ref in ['"'"'1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/main'"'"', '"'"'77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/main'"'"'])'
)
show=(gcloud iam workload-identity-pools providers describe "${provider[@]}" --format='value(state)')
state=$(describe "${show[@]}")
case $state in
  '') gcloud iam workload-identity-pools providers create-oidc "${provider[@]}" "${settings[@]}" ;;
  DELETED) gcloud iam workload-identity-pools providers undelete "${provider[@]}" ;;
esac
wait_until ACTIVE "${show[@]}"
if [[ -n $state ]]; then
  # Without uploaded keys: they would sign tokens that the issuer never saw.
  gcloud iam workload-identity-pools providers update-oidc "${provider[@]}" "${settings[@]}" --jwk-json-path=/dev/null
fi

account=deploy@acme-staging.iam.gserviceaccount.com
settings=(
)
# Not described: without the permission to see it, a missing account and a hidden one look the same.
found=$(gcloud iam service-accounts list --project=acme-staging --filter="email='$account'" --format='value(email)')
if [[ -z $found ]]; then
  gcloud iam service-accounts create deploy --project=acme-staging ${settings[@]+"${settings[@]}"}
  wait_until "$account" gcloud iam service-accounts describe "$account" --project=acme-staging --format='value(email)'
elif [[ ${#settings[@]} -gt 0 ]]; then
  gcloud iam service-accounts update "$account" --project=acme-staging "${settings[@]}"
fi
members=(
  principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b
)
for member in "${members[@]}"; do
  gcloud iam service-accounts add-iam-policy-binding projects/acme-staging/serviceAccounts/deploy@acme-staging.iam.gserviceaccount.com \
    --role=roles/iam.workloadIdentityUser --member="$member" --condition=None --format=none
done

account=deploy@acme-prod.iam.gserviceaccount.com
settings=(
)
# Not described: without the permission to see it, a missing account and a hidden one look the same.
found=$(gcloud iam service-accounts list --project=acme-prod --filter="email='$account'" --format='value(email)')
if [[ -z $found ]]; then
  gcloud iam service-accounts create deploy --project=acme-prod ${settings[@]+"${settings[@]}"}
  wait_until "$account" gcloud iam service-accounts describe "$account" --project=acme-prod --format='value(email)'
elif [[ ${#settings[@]} -gt 0 ]]; then
  gcloud iam service-accounts update "$account" --project=acme-prod "${settings[@]}"
fi
members=(
  principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project_ref/1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/main
)
for member in "${members[@]}"; do
  gcloud iam service-accounts add-iam-policy-binding projects/acme-prod/serviceAccounts/deploy@acme-prod.iam.gserviceaccount.com \
    --role=roles/iam.workloadIdentityUser --member="$member" --condition=None --format=none
done

members=(
  principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/circleci/attribute.project_ref/77aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b/refs/heads/main
)
for member in "${members[@]}"; do
  gcloud iam service-accounts add-iam-policy-binding projects/acme-data/serviceAccounts/reports@acme-data.iam.gserviceaccount.com \
    --role=roles/iam.workloadIdentityUser --member="$member" --condition=None --format=none
done

gcloud projects add-iam-policy-binding acme-staging \
  --role=roles/run.developer --member=serviceAccount:deploy@acme-staging.iam.gserviceaccount.com --condition=None --format=none

gcloud projects add-iam-policy-binding acme-prod \
  --role=roles/run.developer --member=serviceAccount:deploy@acme-prod.iam.gserviceaccount.com --condition=None --format=none
