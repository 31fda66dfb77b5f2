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
    from gcp_wif.ci.config import ConfigJob
    from gcp_wif.ci.export_format import ExportTarget
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["SYSTEM"]

_TOKEN = "GITLAB_OIDC_TOKEN"  # noqa: S105 - a variable's name
_SERVER, _PROJECT = "CI_SERVER_URL", "CI_PROJECT_ID"
_FOLDER, _CHECKOUT = "RUNNER_TEMP_PROJECT_DIR", "CI_PROJECT_DIR"
_CLOUD = "https://gitlab.com"
_BRANCH, _TAG = "refs/heads/", "refs/tags/"
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
    config_template = "gitlab/gitlab-ci.yml"
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

    def config_job(self, identity: "Identity", manifest: "Manifest") -> "ConfigJob":
        """A job that runs for what the rules admit, in the environment that they all name.

        GitLab expands ``$NAME`` in some values, and ``$$`` is a dollar sign there.
        """
        from gcp_wif.ci.config import ConfigJob, job_variables

        rules = [dict(rule.terms) for rule in identity.allow]
        environments = list(dict.fromkeys(rule.get("environment", "") for rule in rules))
        conditions = [_condition(rule) for rule in rules]
        audience = (*manifest.issuer.audiences, manifest.provider_name.default_audiences[1])[0]
        values = {
            "id": f"google-cloud-{identity.name}",
            "token": _TOKEN,
            "audience": _literal(audience),
            "conditions": list(dict.fromkeys(conditions)) if all(conditions) else [],
            "environment": _literal(environments[0]) if len(environments) == 1 else "",
            "environments": environments if len(environments) > 1 else [],
            "env": {name: _literal(value) for name, value in job_variables(identity, manifest).items()},
        }
        return ConfigJob((), values)

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        return {_TOKEN: token, _FOLDER: folder}


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _condition(rule: Mapping[str, str]) -> str:
    """The expression that is true for pipelines that ``rule`` admits, as far as it can be written; empty for all."""
    ref = rule.get("ref", "")
    wanted = {
        "CI_PROJECT_ID": rule.get("project_id"),
        "CI_PROJECT_NAMESPACE_ID": rule.get("namespace_id"),
        "CI_COMMIT_BRANCH": ref.removeprefix(_BRANCH) if ref.startswith(_BRANCH) else None,
        "CI_COMMIT_TAG": ref.removeprefix(_TAG) if ref.startswith(_TAG) else None,
        "CI_COMMIT_REF_PROTECTED": rule.get("ref_protected"),
        "CI_PIPELINE_SOURCE": rule.get("pipeline_source"),
    }
    # A text of an expression has no escapes: one with both quotes cannot be written, and is left to Google.
    quotes = {
        name: next((quote for quote in ('"', "'") if quote not in text), "") for name, text in wanted.items() if text
    }
    return " && ".join(f"${name} == {quote}{wanted[name]}{quote}" for name, quote in quotes.items() if quote)


SYSTEM = _GitLab()
