"""What several hostile tests share."""

import pytest
from measured import measured

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"


@pytest.fixture
def job(cli, make_jwt):
    """A job that is logged in, whose Google is the server at a given address: makes the environment."""

    def make(host: str) -> dict[str, str]:
        env = cli.env | {"GCP_WIF_EMULATOR_HOST": host, "CIRCLE_OIDC_TOKEN": make_jwt()}
        done = measured(env, "generate", PROVIDER, "--service-account", ACCOUNT)
        assert done.returncode == 0, done.stderr
        return env

    return make
