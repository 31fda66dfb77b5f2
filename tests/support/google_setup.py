"""A Google that is set up for one job, and that job's environment."""

from dataclasses import dataclass

from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.names import Principal, ProviderName

PROVIDER = ProviderName.parse(
    "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme", origin="test"
)
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"


@dataclass
class Google:
    """The emulator, provisioned as CircleCI's page says, and what a job there has."""

    emulator: Emulator
    provider: ProviderName = PROVIDER
    account: str = ACCOUNT

    def provision(self, **changes) -> None:
        setup = {
            "issuer": f"https://oidc.circleci.com/org/{ORGANIZATION_ID}",
            "mapping": {
                "google.subject": "assertion.sub",
                "attribute.project": "assertion['oidc.circleci.com/project-id']",
            },
            "allowed_audiences": [ORGANIZATION_ID],
            "accounts": {self.account: [Principal.attribute(self.provider.pool, "project", PROJECT_ID)]},
        }
        self.emulator.provision(self.provider, **(setup | changes))

    def job(self, **claims) -> dict[str, str]:
        """The variables of a job of CircleCI: the seed's four, and a token."""
        return {
            "CIRCLECI": "true",
            "CIRCLE_OIDC_TOKEN": self.emulator.token(**claims),
            "GCP_PROJECT_ID": self.provider.project_number,
            "GCP_WIP_ID": self.provider.pool_id,
            "GCP_WIP_PROVIDER_ID": self.provider.provider_id,
            "GCP_SERVICE_ACCOUNT_EMAIL": self.account,
            **self.emulator.environ(),
        }
