#!/bin/sh
# Made by `make orb`, from what `gcp-wif render orb` is made of.
project_id="$(printenv "${PARAM_PROJECT_ID}" || true)"
workload_identity_pool_id="$(printenv "${PARAM_WORKLOAD_IDENTITY_POOL_ID}" || true)"
workload_identity_pool_provider_id="$(printenv "${PARAM_WORKLOAD_IDENTITY_POOL_PROVIDER_ID}" || true)"
service_account_email="$(printenv "${PARAM_SERVICE_ACCOUNT_EMAIL}" || true)"
gcp_cred_config_file_path="$(circleci env subst "${PARAM_GCP_CRED_CONFIG_FILE_PATH}")"
oidc_token_file_path="$(circleci env subst "${PARAM_OIDC_TOKEN_FILE_PATH}")"
# Where pip puts programs that it installs for one user. -I: nothing of the checkout is run.
PATH="$PATH:$(python3 -I -m site --user-base || true)/bin"
if ! command -v gcp-wif > /dev/null; then
  python3 -P -m pip install 'gcp-wif @ git+https://fill-in-your-address.invalid/gcp-wif.git@v0.1.0'
fi
gcp_wif() { if command -v gcp-wif > /dev/null; then gcp-wif "$@"; else python3 -I -m gcp_wif "$@"; fi; }
gcp_wif generate \
  --project-number="${project_id:?${PARAM_PROJECT_ID} is not set: does this job use the context?}" \
  --pool-id="${workload_identity_pool_id:?${PARAM_WORKLOAD_IDENTITY_POOL_ID} is not set: does this job use the context?}" \
  --provider-id="${workload_identity_pool_provider_id:?${PARAM_WORKLOAD_IDENTITY_POOL_PROVIDER_ID} is not set: does this job use the context?}" \
  --service-account="${service_account_email:?${PARAM_SERVICE_ACCOUNT_EMAIL} is not set: does this job use the context?}" \
  --credential-source-file="${oidc_token_file_path}" \
  --output-file="${gcp_cred_config_file_path}"
