"""CircleCI's config: a whole one for the manifest's identities, or two commands to paste into an existing one. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from gcp_wif.errors import InputError, shown
from gcp_wif.install import install_command
from gcp_wif.manifest import Identity, Manifest
from gcp_wif.rendering.header import remade_by
from gcp_wif.rendering.quoting import FILTERS, shell_line
from gcp_wif.templating import render_template

__all__ = ["render_circleci", "render_orb"]

_BRANCH, _TAG = "refs/heads/", "refs/tags/"


def render_orb(install: str | None = None) -> str:
    """The seed's two commands, ``gcp-oidc-generate-cred-config-file`` and ``gcp-oidc-authenticate``, on gcp-wif.

    Names, parameters, types and defaults are those of CircleCI's page, so that they replace its text and nothing
    else in a config has to change.

    Args:
        install: the shell command that installs gcp-wif; by default `gcp_wif.install.install_command`.
    """
    values = {"remade": remade_by("orb", *_given(install)), "install": install or install_command()}
    return render_template("circleci/commands.yml", values, filters=FILTERS)


def render_circleci(manifest: Manifest, origin: str, identity: str | None = None, install: str | None = None) -> str:
    """A complete ``.circleci/config.yml``: a job, a context and a workflow entry for each identity.

    Args:
        manifest: of the kind ``circleci``.
        origin: the manifest's file, for the header.
        identity: the only one to make a job for; all by default.
        install: the shell command that installs gcp-wif; by default the manifest's, or
            `gcp_wif.install.install_command`.

    Raises:
        InputError: WIF730 where the issuer is not CircleCI, WIF121 where there is no such identity.
    """
    organization = manifest.issuer.keys.get("organization_id")
    if manifest.issuer.kind != "circleci" or organization is None:
        raise InputError(
            f"render circleci: the manifest's issuer is of the kind {manifest.issuer.kind}, not circleci.",
            hint="render terraform and render gcloud work for every issuer.",
            code="WIF730",
        )
    if identity is not None and identity not in manifest.identities:
        names = ", ".join(manifest.identities)
        raise InputError(f"The manifest has no identity {shown(identity)}; it has {names}.", code="WIF121")
    chosen = [each for name, each in manifest.identities.items() if identity in (None, name)]
    arguments = ["circleci", "--manifest", origin] + (["--identity", identity] if identity else [])
    return render_template(
        "circleci/config.yml",
        {
            "remade": remade_by(*arguments, *_given(install)),
            "install": install or manifest.install or install_command(),
            "jobs": [_job(each, manifest, organization) for each in chosen],
        },
        filters=FILTERS,
    )


def _given(install: str | None) -> list[str]:
    return ["--install", install] if install else []


def _job(identity: Identity, manifest: Manifest, organization: str) -> dict[str, Any]:
    branches, tags = _filters(identity)
    context = f"gcp-{identity.name}"
    flags = ["--direct"] if identity.direct else []
    guessed = identity.service_account.project_id if identity.service_account else None
    if identity.project_id and identity.project_id != guessed:  # else the account's email tells it
        flags += ["--project-id", identity.project_id]
    if identity.token_lifetime_seconds:
        flags += ["--service-account-token-lifetime-seconds", str(identity.token_lifetime_seconds)]
    return {
        "name": identity.name,
        "context": context,
        "fill": list(_fill(context, organization, identity, manifest)),
        "context_ids": sorted({value for rule in identity.allow for claim, value in rule.terms if claim == "context"}),
        "login": " ".join(["gcp-wif login", *(shell_line(flag) for flag in flags)]),
        "direct": identity.direct,
        "branches": branches,
        "tags": tags,
    }


def _fill(context: str, organization: str, identity: Identity, manifest: Manifest) -> Iterator[str]:
    """The commands of CircleCI's own command line that make and fill a context.

    ``store-secret`` reads the value from standard input as it is, a newline at its end included (circleci-cli,
    cmd/context.go), so none may be there.
    """
    owner = f"--org-id {organization} {shell_line(context)}"
    variables = {
        "PROJECT_NUMBER": manifest.pool.project_number,
        "POOL_ID": manifest.pool.id,
        "PROVIDER_ID": manifest.provider.id,
    }
    if identity.service_account:
        variables["SERVICE_ACCOUNT_EMAIL"] = identity.service_account
    yield f"circleci context create {owner}"
    for name, value in variables.items():
        yield f"printf %s {shell_line(value)} | circleci context store-secret {owner} {name}"


def _filters(identity: Identity) -> tuple[list[str] | None, list[str]]:
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
