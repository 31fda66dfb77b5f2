#!/usr/bin/env bash
# Made by:  [= remade =]
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
number=$(gcloud projects describe [= project | bash =] --format='value(projectNumber)')
if [[ $number != [= number | bash =] ]]; then
  echo "The manifest has another number for this project than Google, $number:" [= project | bash =] >&2
  exit 1
fi

pool=(
[% for each in pool %]
  [= each | bash =]
[% endfor %]
)
settings=(
[% for each in pool_settings %]
  [= each | bash =]
[% endfor %]
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
[% for each in provider %]
  [= each | bash =]
[% endfor %]
)
settings=(
[% for each in provider_settings %]
  [= each | bash =]
[% endfor %]
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
[% for account in accounts %]

[% if account.create %]
account=[= account.email | bash =]
settings=(
[% for each in account.settings %]
  [= each | bash =]
[% endfor %]
)
# Not described: without the permission to see it, a missing account and a hidden one look the same.
found=$(gcloud iam service-accounts list [= account.where | bash =] --filter="email='$account'" --format='value(email)')
if [[ -z $found ]]; then
  gcloud iam service-accounts create [= account.id | bash =] [= account.where | bash =] ${settings[@]+"${settings[@]}"}
  wait_until "$account" gcloud iam service-accounts describe "$account" [= account.where | bash =] --format='value(email)'
elif [[ ${#settings[@]} -gt 0 ]]; then
  gcloud iam service-accounts update "$account" [= account.where | bash =] "${settings[@]}"
fi
[% endif %]
members=(
[% for member in account.members %]
  [= member | bash =]
[% endfor %]
)
for member in "${members[@]}"; do
  gcloud iam service-accounts add-iam-policy-binding [= account.resource | bash =] \
    --role=[= role | bash =] --member="$member" --condition=None --format=none
done
[% endfor %]
[% for project, role, member in grants %]

gcloud projects add-iam-policy-binding [= project | bash =] \
  --role=[= role | bash =] --member=[= member | bash =] --condition=None --format=none
[% endfor %]
