"""GitLab's jobs.

Sources: GitLab's pages on ID tokens, the keyword ``id_tokens`` and predefined variables. ``before_script`` and
``script`` are one shell, so what is to be exported is printed for that; ``after_script`` is another one.

Files go to the folder that the runner makes beside the project's, ``$CI_PROJECT_DIR.tmp``, and names in
``RUNNER_TEMP_PROJECT_DIR``: on a runner whose jobs share a machine, ``$HOME`` is everybody's, and what is in the
project's folder ends up in artifacts, caches and images.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gcp_wif.ci.model import CiSystem, MissingToken
from gcp_wif.issuers import Tenant

if TYPE_CHECKING:
    from gcp_wif.ci.export_format import ExportTarget

__all__ = ["SYSTEM"]

_TOKEN = "GITLAB_OIDC_TOKEN"  # noqa: S105 - a variable's name
_SERVER, _PROJECT = "CI_SERVER_URL", "CI_PROJECT_ID"
_FOLDER, _CHECKOUT = "RUNNER_TEMP_PROJECT_DIR", "CI_PROJECT_DIR"
_CLOUD = "https://gitlab.com"
_SWITCH = (
    "Add to the job in .gitlab-ci.yml, with the audience that the provider takes (its own name, where the manifest "
    "names none):\n"
    "  id_tokens:\n"
    f"    {_TOKEN}:\n"
    "      aud: https://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/ID"
)

_HOW = 'printed, for the shell of this script: exports="$(gcp-wif login …)"; eval "$exports"'
"""In two commands, because ``eval`` hides that the one inside it failed."""


class _GitLab(CiSystem):
    kind = "gitlab"
    title = "GitLab"
    detected_by = ("GITLAB_CI",)
    token_variables = (_TOKEN,)
    asked = "GitLab"
    cannot_ask = (
        "GitLab gives a job its tokens when it starts, one for each entry of `id_tokens:`, and no other one later. For "
        "another audience add an entry there, and name its variable with --token-env NAME. A token lives as long as "
        "the job may run: for a long job set its `timeout:`."
    )
    folder_variable = _FOLDER
    init_flags = MappingProxyType({"gitlab_project_id": "project_id"})
    where = MappingProxyType(
        {
            "project_id": "glab api projects/GROUP%2FPROJECT gives `id`; or the project's page, Copy project ID",
            "namespace_id": "glab api groups/GROUP gives `id`; or the group's page, Copy group ID",
            "user_id": "glab api 'users?username=NAME' gives `id`",
        }
    )

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        found = environ.get(_SERVER, "").rstrip("/")
        return Tenant(self.kind, {"url": found} if found != _CLOUD else {}, _SERVER) if found else Tenant()

    def rule(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        found = environ.get(_PROJECT)
        return {"project_id": found} if found else {}

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        return MissingToken(
            f"{_TOKEN} is not set: the job has no such entry under `id_tokens:`",
            f"{_SWITCH}\nA token under another name is used with --token-env NAME. A container that the job starts "
            "gets no variable that is not handed on.",
        )

    def folder(self, environ: Mapping[str, str]) -> str | None:
        checkout = environ.get(_CHECKOUT)
        return environ.get(_FOLDER) or (f"{checkout.rstrip('/')}.tmp" if checkout else None)

    def export_target(self, environ: Mapping[str, str]) -> "ExportTarget | None":
        from gcp_wif.ci.export_format import ExportOutput
        from gcp_wif.ci.shell_format import SHELL

        return ExportOutput(SHELL, how=_HOW)

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        return {_TOKEN: token, _FOLDER: folder}


SYSTEM = _GitLab()
