"""CircleCI's jobs.

Sources: CircleCI's pages on OpenID Connect tokens, environment variables and ``BASH_ENV``; ``circleci run oidc get`` is
documented for its executors and absent elsewhere. ``circleci context store-secret`` reads the value from standard
input as it is, a newline at its end included (circleci-cli, cmd/context.go). The steps of a job descend from
``circleci-agent … _internal runner``, as programs of public jobs that looked at their ancestors printed.
"""

import json
import re
import shutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gcp_wif.ci.model import CiSystem, MissingToken, TokenRequest
from gcp_wif.issuers import Tenant

if TYPE_CHECKING:
    from gcp_wif.ci.asking import Run
    from gcp_wif.ci.config import ConfigJob, ConfigReader, Pipeline
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["SYSTEM"]

_TOKEN, _TOKEN_V2 = "CIRCLE_OIDC_TOKEN", "CIRCLE_OIDC_TOKEN_V2"
_ORGANIZATION, _PROJECT = "CIRCLE_ORGANIZATION_ID", "CIRCLE_PROJECT_ID"
_PROGRAM = "circleci"
_BRANCH, _TAG = "refs/heads/", "refs/tags/"


class _CircleCi(CiSystem):
    kind = "circleci"
    title = "CircleCI"
    detected_by = ("CIRCLECI", _TOKEN, _TOKEN_V2)
    token_variables = (_TOKEN,)
    asked = "`circleci run oidc get`"
    cannot_ask = ""
    job_process = "circleci-agent"
    no_exports = (
        "CircleCI sets BASH_ENV in bash steps: is this step's shell bash? Else name a file that you source, with --to "
        'PATH, or print the exports for the present shell: eval "$(gcp-wif login --to stdout)"'
    )
    init_flags = MappingProxyType({"circleci_project": "project"})
    where = MappingProxyType({"project": "Project Settings > Overview", "context": "Organization Settings > Contexts"})
    config_template = "circleci/config.yml"
    snippets = MappingProxyType({"orb": "circleci/commands.yml"})
    old_logins = (
        "commands that call gcloud's create-cred-config or `gcloud auth login`, and the orb circleci/gcp-cli with "
        "use_oidc"
    )

    replacement_notes = (
        "In .circleci/config.yml, in place of the steps that are named; the rest of each job stays.",
        "The commands that are no longer used, and the orb circleci/gcp-cli, can go.",
    )

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        found = environ.get(_ORGANIZATION)
        return Tenant(self.kind, {"organization_id": found}, _ORGANIZATION) if found else Tenant()

    def rule(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        found = environ.get(_PROJECT)
        return {"project": found} if found else {}

    def audience(self, environ: Mapping[str, str]) -> str | None:
        return environ.get(_ORGANIZATION) or None  # what a token of CircleCI's says by default

    def can_ask(self, environ: Mapping[str, str]) -> bool:
        return shutil.which(_PROGRAM, path=environ.get("PATH", "")) is not None

    def ask(self, request: TokenRequest, environ: Mapping[str, str], run: "Run | None") -> str:
        """Only ``aud`` can be chosen."""
        from gcp_wif.ci.asking import ask_program

        return ask_program(
            [_PROGRAM, "run", "oidc", "get", "--claims", json.dumps({"aud": request.audience})],
            run,
            name="circleci run oidc get",
            missing="It is in CircleCI's executors, not on a laptop. Outside a job, give a token with --token-env, "
            "--token-stdin or --token-response.",
            failed="Run it in the job by itself to see why. A job of a forked pull request may ask for no token; on a "
            "self-hosted runner the temporary folder must be writable and not noexec.",
        )

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        hint = (
            "CircleCI gives every job a token, except jobs of forked pull requests, unless the project passes secrets "
            "to forks. On a self-hosted runner it goes missing where the temporary folder is unwritable or noexec. "
            "`sudo` and `docker run` do not pass variables on."
        )
        if environ.get(_TOKEN_V2):
            hint = f"{_TOKEN_V2} is set: use it with --token-env {_TOKEN_V2}. {hint}"
        what = f"{_TOKEN} is not set, and there is no program `{_PROGRAM}` on the PATH that could be asked for one"
        return MissingToken(what, hint)

    def escape(self, text: str) -> str:
        r"""``<<`` begins an expression, and ``\<<`` is a literal one."""
        return text.replace("<<", "\\<<")

    def config_job(self, identity: "Identity", manifest: "Manifest") -> "ConfigJob":
        """A job with a context of its own, and the commands that make and fill that.

        Its image is pulled before there are steps, and so by CircleCI itself (the configuration reference, "GCP
        authentication"; page "Pull an image from GCP Artifact Registry with OIDC").
        """
        from gcp_wif.ci.config import ConfigJob

        branches, tags = _filters(identity)
        context = f"gcp-{identity.name}"
        ids = sorted({value for rule in identity.allow for name, value in rule.terms if name == "context"})
        values = {"context": context, "context_ids": ids, "branches": branches, "tags": tags}
        values |= {"image": identity.image, "account": identity.service_account, "provider": str(manifest.provider.id)}
        values |= {"pool": str(manifest.pool_name)}
        return ConfigJob(_fill(context, identity, manifest), values)

    def config_reader(self) -> "ConfigReader":
        from gcp_wif.ci import circleci_config

        return circleci_config

    def steps_of(self, commands: Mapping[str, tuple[str, ...]]) -> Mapping[str, object]:
        return {"jobs": {job: {"steps": [{"run": line} for line in lines]} for job, lines in commands.items()}}

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        return {"BASH_ENV": f"{folder}/bash_env", _TOKEN: token}


def _fill(context: str, identity: "Identity", manifest: "Manifest") -> "tuple[Pipeline, ...]":
    from gcp_wif.ci.config import job_variables

    owner = ("--org-id", str(manifest.issuer.keys["organization_id"]), context)
    return (
        ((_PROGRAM, "context", "create", *owner),),
        *(
            (("printf", "%s", value), (_PROGRAM, "context", "store-secret", *owner, name))
            for name, value in job_variables(identity, manifest).items()
        ),
    )


def _filters(identity: "Identity") -> tuple[list[str] | None, list[str]]:
    """The branches (``None`` for all) and tags that a job can run for, as far as all rules of an identity name them.

    CircleCI runs a job for every branch and for no tag unless filters say otherwise.
    """
    branches: dict[str, None] = {}
    tags: dict[str, None] = {}
    anywhere = not identity.allow
    for rule in identity.allow:
        ref = dict(rule.terms).get("ref", "")
        if ref.startswith(_TAG):
            tags[_literal(ref.removeprefix(_TAG))] = None
        elif ref.startswith(_BRANCH):
            branches[_literal(ref.removeprefix(_BRANCH))] = None
        else:  # no ref, or one such as refs/pull/1/head that filters cannot name
            anywhere = True
    return (None if anywhere else list(branches)), list(tags)


def _literal(name: str) -> str:
    """A branch's or tag's name in a filter: text between slashes would be taken for a regular expression."""
    return f"/{re.escape(name)}/" if name.startswith("/") else name


SYSTEM = _CircleCi()
