"""A job in Python: log in, use the credentials, and say why where Google refuses.

python job.py gcp-wif.toml deploy CIRCLE_OIDC_TOKEN
"""

import os
import sys

from google.auth import identity_pool
from google.auth.transport.requests import Request

import gcp_wif

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


def main(manifest: str, identity: str, token_variable: str) -> int:
    try:
        done = gcp_wif.login(manifest=manifest, identity=identity, token_env=token_variable)
    except gcp_wif.RefusedError as error:
        report = gcp_wif.diagnose(
            manifest=manifest, identity=identity, token=os.environ[token_variable], error=error.message
        )
        print(report.broken.message if report.broken else error.message)
        return 1
    print(f"{done.service_account} until {done.expires_at:%H:%M} UTC")
    credentials = identity_pool.Credentials.from_file(str(done.config_path), scopes=SCOPES)
    credentials.refresh(Request())  # a client of Google Cloud does this by itself
    print(f"a token for {credentials.service_account_email}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
