"""Azure DevOps's jobs.

Sources: Microsoft's pages "Oidctoken - Create" (REST 7.1), "Predefined variables" and "Logging commands"; for the
request azure-identity's ``azure_pipelines.py``. The job's access token may ask for tokens and more, so it is sent to
Azure DevOps alone; it stands in a step's environment only where ``env:`` maps it there. The server gives the token of a
service connection only where a task of the stage has the connection as an input; the Azure tasks name its ID.

Files go to ``AGENT_TEMPDIRECTORY``, which the agent empties after each job.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from gcp_wif.ci.export_format import ExportOutput
from gcp_wif.ci.model import CiSystem, MissingToken, TokenRequest
from gcp_wif.ci.vso_format import VSO, vso_command
from gcp_wif.errors import InputError, shown
from gcp_wif.issuers import Tenant
from gcp_wif.issuers.azure_devops import ENTRA_AUDIENCE, PIPELINE_AUDIENCE

if TYPE_CHECKING:
    from gcp_wif.ci.asking import Run

__all__ = ["SYSTEM"]

_URI, _SECRET = "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"
_ORGANIZATION, _PROJECT, _DEFINITION = "SYSTEM_COLLECTIONID", "SYSTEM_TEAMPROJECTID", "SYSTEM_DEFINITIONID"
_CONNECTION = "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"
_HOSTS = re.compile(r"(?:vstoken\.)?dev\.azure\.com|[a-z0-9-]+\.visualstudio\.com")
_VERSION = "7.1"
_MAP_IT = f"In the step that logs in, map the job's access token:\n  env:\n    {_SECRET}: $(System.AccessToken)"
_FORKS = (
    "Builds of pull requests of forks get no such token unless the pipeline makes secrets available to builds of "
    "forks, which hands them to whoever opens one."
)
_UNMAPPED = re.compile(r"\$\(.*\)")
_DECLARE_IT = (
    "Log in inside a task that has the service connection as an input, such as AzureCLI@2 with azureSubscription:, and "
    f"with {_SECRET} in its env:. That task sets {_CONNECTION}."
)


class _AzureDevOps(CiSystem):
    kind = "azure-devops"
    title = "Azure DevOps"
    detected_by = ("TF_BUILD", _URI)
    asked = "Azure DevOps's token server"
    cannot_ask = ""
    token_hosts = _HOSTS
    job_process = "Agent.Worker"
    folder_variable = "AGENT_TEMPDIRECTORY"
    init_flags = MappingProxyType({"azure_project": "project_id", "azure_definition": "definition_id"})
    where = MappingProxyType(
        {
            "project_id": "az devops project show --project NAME --query id; in a pipeline echo $SYSTEM_TEAMPROJECTID",
            "definition_id": "the number behind definitionId= in the pipeline's URL; in a pipeline echo "
            "$SYSTEM_DEFINITIONID",
            "service_connection_id": "the UUID behind resourceId= in the service connection's URL",
            "repository_uri": "in a pipeline echo $BUILD_REPOSITORY_URI",
        }
    )

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        found = environ.get(_ORGANIZATION)
        return Tenant(self.kind, {"organization_id": found}, _ORGANIZATION) if found else Tenant()

    def rule(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        found = {"project_id": environ.get(_PROJECT), "definition_id": environ.get(_DEFINITION)}
        return {name: value for name, value in found.items() if value}

    def audience(self, environ: Mapping[str, str]) -> str | None:
        return PIPELINE_AUDIENCE

    def can_ask(self, environ: Mapping[str, str]) -> bool:
        secret = environ.get(_SECRET)
        return bool(environ.get(_URI) and secret and not _UNMAPPED.fullmatch(secret))

    def ask(self, request: TokenRequest, environ: Mapping[str, str], run: "Run | None") -> str:
        """One POST without a body. The audience chooses between the pipeline's token and a service connection's."""
        from gcp_wif.ci.asking_server import TokenServer, ask_server, check_address

        if not self.can_ask(environ):
            missing = self.missing_token(environ)
            raise InputError(f"No token can be asked for: {missing.what}.", hint=missing.hint, code="WIF208")
        query = {"api-version": _VERSION, **_whose(request.audience, environ)}
        url = environ[_URI]
        check_address(url, _HOSTS, variable=_URI, system=self.title)
        server = TokenServer(
            self.asked,
            "oidcToken",
            refused=f"The server gives tokens to a job while it runs, and to no other. {_DECLARE_IT}"
            if "serviceConnectionId" in query
            else f"The server gives tokens to a job while it runs, and to no other. {_FORKS}",
            failed="Try again; status.dev.azure.com says whether Pipelines has an incident. An agent of your own must "
            "reach dev.azure.com by https; behind a proxy set HTTPS_PROXY.",
        )
        headers = {
            "Authorization": f"Bearer {environ[_SECRET]}",
            "Content-Type": "application/json",
            "X-TFS-FedAuthRedirect": "Suppress",  # else a refusal is a redirect to a page where people sign in
        }
        url += f"{'&' if '?' in url else '?'}{urlencode(query)}"
        return ask_server(url, server, headers=headers, method="POST", body=b"")

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        if not environ.get(_URI):
            return MissingToken(
                f"{_URI} is not set",
                "The agent sets it in jobs of Azure DevOps Services, not of Azure DevOps Server. `sudo` and `docker "
                f"run` do not pass variables on: hand on {_URI} and {_SECRET}.",
            )
        what = f"{_SECRET} is not set" if not environ.get(_SECRET) else f"{_SECRET} holds {shown(environ[_SECRET])}"
        return MissingToken(what, f"{_MAP_IT}\n{_FORKS}")

    def mask(self, secret: str) -> str:
        return vso_command("task.setsecret", secret).decode().removesuffix("\n")

    def export_target(self, environ: Mapping[str, str]) -> ExportOutput:
        """The agent reads it out of the step's output; the step itself does not have the variables."""
        return ExportOutput(VSO)

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        return {"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": folder}


def _whose(audience: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What the request says besides the version.

    Raises:
        InputError: WIF211 for an audience that no token has, WIF208 where no service connection is known.
    """
    if audience == PIPELINE_AUDIENCE:
        return {}
    if audience != ENTRA_AUDIENCE:
        raise InputError(
            f"Azure DevOps gives no token with the audience {shown(audience)}: its own always say {PIPELINE_AUDIENCE}.",
            hint="Leave --audience away, and let the provider allow that audience: in the manifest leave `audience` "
            f"away. A token of a service connection says {ENTRA_AUDIENCE}.",
            code="WIF211",
        )
    connection = environ.get(_CONNECTION)
    if not connection:
        raise InputError(
            f"A token of a service connection is asked for, but {_CONNECTION} is not set.",
            hint=_DECLARE_IT,
            code="WIF208",
        )
    return {"serviceConnectionId": connection}


SYSTEM = _AzureDevOps()
