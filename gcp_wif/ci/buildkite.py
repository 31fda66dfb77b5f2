"""Buildkite's jobs.

Sources: Buildkite's pages "buildkite-agent oidc", "buildkite-agent redactor", "Environment variables" and "Hooks". A
step's commands are one shell; what a hook exports, the later hooks and the command have as well. Several agents can
run as one user on one machine, so ``$HOME`` is not a job's own. The agent hides a token that it prints from the job's
log since version 3.104.0.
"""

import shutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gcp_wif.ci.export_format import ExportOutput
from gcp_wif.ci.job_folder import folder_of_job
from gcp_wif.ci.model import CiSystem, MissingToken, TokenRequest
from gcp_wif.ci.shell_format import SHELL
from gcp_wif.issuers import Tenant
from gcp_wif.issuers.buildkite import OPTIONAL_CLAIMS

if TYPE_CHECKING:
    from gcp_wif.ci.asking import Run
    from gcp_wif.ci.config import ConfigJob
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["SYSTEM"]

_PROGRAM = "buildkite-agent"
_ORGANIZATION, _SLUG, _PIPELINE = "BUILDKITE_ORGANIZATION_ID", "BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_ID"
_JOB, _CLAIMS = "BUILDKITE_JOB_ID", "BUILDKITE_OIDC_TOKEN_CLAIMS"
_BRANCH, _TAG = "refs/heads/", "refs/tags/"
_USUAL = ("organization_id", "pipeline_id")


class _Buildkite(CiSystem):
    kind = "buildkite"
    title = "Buildkite"
    detected_by = ("BUILDKITE", _JOB)
    asked = "`buildkite-agent oidc request-token`"
    cannot_ask = ""
    job_process = "buildkite-agent bootstrap"
    folder_variable = _JOB
    folder_of_one_job = True
    init_flags = MappingProxyType({"buildkite_pipeline": "pipeline_id"})
    where = MappingProxyType(
        {
            "pipeline_id": "Pipeline Settings > General, Pipeline ID; in a job echo $BUILDKITE_PIPELINE_ID",
            "pipeline": "the second name in the URL, buildkite.com/SLUG/PIPELINE",
            "cluster_id": "Agents > the cluster > Settings",
            "queue_id": "Agents > the cluster > Queues",
        }
    )
    config_template = "buildkite/pipeline.yml"

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        for key, name in (("organization_id", _ORGANIZATION), ("organization_slug", _SLUG)):
            if found := environ.get(name):
                return Tenant(self.kind, {key: found}, name)
        return Tenant()

    def rule(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        found = environ.get(_PIPELINE)
        return {"pipeline_id": found} if found else {}

    def can_ask(self, environ: Mapping[str, str]) -> bool:
        return shutil.which(_PROGRAM, path=environ.get("PATH", "")) is not None

    def ask(self, request: TokenRequest, environ: Mapping[str, str], run: "Run | None") -> str:
        """The claims that the manifest needs and those that the job's environment names; without a manifest the IDs."""
        from gcp_wif.ci.asking import ask_program

        claims = [claim for claim in request.claims if claim in OPTIONAL_CLAIMS]
        claims += [each for each in environ.get(_CLAIMS, "").split(",") if each]
        if not request.claims and not claims:
            claims = [*_USUAL]
        flags = [text for claim in dict.fromkeys(claims) for text in ("--claim", claim)]
        return ask_program(
            [_PROGRAM, "oidc", "request-token", "--audience", request.audience, *flags],
            run,
            name="buildkite-agent oidc request-token",
            missing="The agent puts it on the PATH of its jobs. In a container it must be mounted: the docker plugin "
            "does so with `mount-buildkite-agent: true`.",
            failed="Run it in the step by itself to see why. It needs BUILDKITE_JOB_ID and "
            "BUILDKITE_AGENT_ACCESS_TOKEN, and works until the job ends. A claim about a cluster or a queue can be had "
            "in a cluster alone.",
        )

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        return MissingToken(
            f"there is no `{_PROGRAM}` on the PATH",
            "Buildkite's agent gives its jobs a token when it is asked. In a container it must be mounted: the docker "
            "plugin does so with `mount-buildkite-agent: true`, with the variables that it needs. `sudo` does not pass "
            "variables on.",
        )

    def hide(self, secret: str, environ: Mapping[str, str]) -> str:
        """The redactor of the job's log. An agent since 3.104.0 has told it about its own token already."""
        from gcp_wif.ci.asking import tell_program

        program = shutil.which(_PROGRAM, path=environ.get("PATH", ""))
        if program and tell_program([program, "redactor", "add"], secret):
            return ""
        return (
            f"`{_PROGRAM} redactor add` did not take the token, so the job's log would show it where a command prints "
            "it. Is the agent older than that command?"
        )

    def folder(self, environ: Mapping[str, str]) -> str | None:
        return folder_of_job(environ.get(_JOB, ""), environ)

    def export_target(self, environ: Mapping[str, str]) -> ExportOutput:
        """For ``eval``: no file is read by a job's later phases, but a hook's environment is."""
        return ExportOutput(SHELL)

    def escape(self, text: str) -> str:
        """``$NAME`` is replaced when a pipeline is uploaded, and ``$$`` is a dollar sign then."""
        return text.replace("$", "$$")

    def config_job(self, identity: "Identity", manifest: "Manifest") -> "ConfigJob":
        """A step that names the provider and the account, and the claims that the provider reads."""
        from gcp_wif.ci.config import ConfigJob

        variables = {
            "PROJECT_NUMBER": manifest.pool.project_number,
            "POOL_ID": manifest.pool.id,
            "PROVIDER_ID": manifest.provider.id,
        }
        if identity.service_account:
            variables["SERVICE_ACCOUNT_EMAIL"] = identity.service_account
        variables[_CLAIMS] = ",".join(_claims(identity, manifest))
        keys = {dict(rule.terms).get("step_key") for rule in identity.allow}
        key = next(iter(keys)) if len(keys) == 1 else None
        values = {"env": variables, "key": key or identity.name, "condition": _condition(identity)}
        return ConfigJob((), values)

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        return {"BUILDKITE": "true", _JOB: "0184990a-477b-4fa8-9968-496074483cee", "TMPDIR": folder}


def _claims(identity: "Identity", manifest: "Manifest") -> list[str]:
    """What the provider reads of a token of ``identity`` and Buildkite leaves out unless it is asked."""
    used = {claim for claim, _ in manifest.issuer.tenant} | {name for rule in identity.allow for name, _ in rule.terms}
    return [claim for claim in OPTIONAL_CLAIMS if claim in used]


def _condition(identity: "Identity") -> str:
    """Where the step can run, as a conditional of Buildkite's, as far as all rules of an identity name refs.

    Its strings stand in either quotes, and no escape is documented: a name that has both gives none.
    """
    found: dict[str, None] = {}
    for rule in identity.allow:
        ref = dict(rule.terms).get("ref", "")
        kind, name = (_TAG, ref.removeprefix(_TAG)) if ref.startswith(_TAG) else (_BRANCH, ref.removeprefix(_BRANCH))
        quote = next((each for each in "\"'" if each not in name), "")
        if not ref or not quote:
            return ""
        text = f"{quote}{name}{quote}"
        found[f"build.tag == {text}" if kind == _TAG else f"(build.branch == {text} && build.tag == null)"] = None
    return " || ".join(found)


SYSTEM = _Buildkite()
