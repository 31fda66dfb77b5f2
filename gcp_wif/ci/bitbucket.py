"""Bitbucket's steps.

Sources: Atlassian's pages "Variables and secrets", "Integrate Pipelines with resource servers using OIDC" and "Use pull
requests with Pipelines". A step's script is one shell, and nothing of its environment reaches the next step. A step has
the one token that Bitbucket gives it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gcp_wif.ci.export_format import ExportOutput
from gcp_wif.ci.job_folder import folder_of_job
from gcp_wif.ci.model import CiSystem, MissingToken
from gcp_wif.ci.shell_format import SHELL
from gcp_wif.issuers import Tenant

__all__ = ["SYSTEM"]

_TOKEN, _STEP = "BITBUCKET_STEP_OIDC_TOKEN", "BITBUCKET_STEP_UUID"
_WORKSPACE, _REPOSITORY = "BITBUCKET_WORKSPACE", "BITBUCKET_REPO_UUID"


class _Bitbucket(CiSystem):
    kind = "bitbucket"
    title = "Bitbucket"
    detected_by = ("BITBUCKET_BUILD_NUMBER", _TOKEN)
    token_variables = (_TOKEN,)
    cannot_ask = (
        "Bitbucket gives a step one token and no second one. Its audiences stand in bitbucket-pipelines.yml, under "
        "`oidc:` `audiences:`; the manifest's `audience`, or the provider's allowed audiences, must have one of them."
    )
    folder_variable = _STEP
    folder_of_one_job = True
    init_flags = MappingProxyType({"bitbucket_repository": "repository_uuid"})
    where = MappingProxyType(
        {
            "repository_uuid": "Repository settings > OpenID Connect; in a step echo $BITBUCKET_REPO_UUID",
            "deployment_environment_uuid": "Repository settings > OpenID Connect; in a deployment step echo "
            "$BITBUCKET_DEPLOYMENT_ENVIRONMENT_UUID",
        }
    )

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        found = environ.get(_WORKSPACE)
        return Tenant(self.kind, {"workspace": found}, _WORKSPACE) if found else Tenant()

    def rule(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        found = environ.get(_REPOSITORY)
        return {"repository_uuid": found} if found else {}

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        return MissingToken(
            f"{_TOKEN} is not set",
            "Bitbucket gives a token to steps that have `oidc: true` in bitbucket-pipelines.yml. A fork's pipelines "
            "run in the fork's own workspace, with tokens of that workspace. `docker run` and `sudo` do not pass "
            "variables on.",
        )

    def folder(self, environ: Mapping[str, str]) -> str | None:
        return folder_of_job(environ.get(_STEP, "").strip("{}"), environ)

    def export_target(self, environ: Mapping[str, str]) -> ExportOutput:
        """For ``eval`` in the step's script: there is no place from which the next step would read."""
        return ExportOutput(SHELL)

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        return {
            "BITBUCKET_BUILD_NUMBER": "1",
            _STEP: "{00000000-0000-4000-8000-000000000002}",
            _TOKEN: token,
            "TMPDIR": folder,
        }


SYSTEM = _Bitbucket()
