#!/bin/sh
# Made by `make orb`, from what `gcp-wif render orb` is made of.
gcp_cred_config_file_path="$(circleci env subst "${PARAM_GCP_CRED_CONFIG_FILE_PATH}")"
# Where pip puts programs that it installs for one user. -I: nothing of the checkout is run.
PATH="$PATH:$(python3 -I -m site --user-base || true)/bin"
if ! command -v gcp-wif > /dev/null; then
  python3 -P -m pip install 'gcp-wif @ git+https://fill-in-your-address.invalid/gcp-wif.git@v0.1.0'
fi
gcp_wif() { if command -v gcp-wif > /dev/null; then gcp-wif "$@"; else python3 -I -m gcp_wif "$@"; fi; }
gcp_wif export --output-file="${gcp_cred_config_file_path}"
