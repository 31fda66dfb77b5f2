"""The config of a CI system: a whole one for the manifest's identities, or a piece to paste into an existing one. Pure.

What is in it, the CI system knows: `CiSystem.config_job`, and its templates in the folder of its name.
"""

from collections.abc import Callable
from typing import Any

from gcp_wif import ci
from gcp_wif.ci.config import Pipeline
from gcp_wif.errors import InputError, shown
from gcp_wif.install import install_command
from gcp_wif.manifest import Identity, Manifest
from gcp_wif.rendering.header import remade_by
from gcp_wif.rendering.quoting import FILTERS, as_line, as_yaml, shell_line
from gcp_wif.templating import render_template

__all__ = ["config_kinds", "render_ci_config", "render_snippet", "snippets"]


def config_kinds() -> tuple[str, ...]:
    """The kinds that have a config to render."""
    return tuple(kind for kind in ci.kinds() if ci.system(kind).config_template)


def snippets() -> tuple[str, ...]:
    """The words that name what needs no manifest."""
    return tuple(word for kind in ci.kinds() for word in ci.system(kind).snippets)


def render_snippet(word: str, install: str | None = None) -> str:
    """A piece of a CI system's config.

    Args:
        word: of `snippets`.
        install: the shell command that installs gcp-wif; by default `gcp_wif.install.install_command`.
    """
    system = next(ci.system(kind) for kind in ci.kinds() if word in ci.system(kind).snippets)
    values = {"remade": remade_by(word, *_given(install)), "install": install or install_command()}
    return render_template(system.snippets[word], values, filters=_filters(system))


def render_ci_config(
    kind: str, manifest: Manifest, origin: str, identity: str | None = None, install: str | None = None
) -> str:
    """A complete config of a CI system: a job for each identity.

    Args:
        kind: of `config_kinds`.
        manifest: of that kind.
        origin: the manifest's file, for the header.
        identity: the only one to make a job for; all by default.
        install: the shell command that installs gcp-wif; by default the manifest's, or
            `gcp_wif.install.install_command`.

    Raises:
        InputError: WIF730 where the manifest's issuer is of another kind, WIF121 where there is no such identity.
    """
    if manifest.issuer.kind != kind:
        raise InputError(
            f"render {kind}: the manifest's issuer is of the kind {manifest.issuer.kind}, not {kind}.",
            hint="render terraform and render gcloud work for every issuer.",
            code="WIF730",
        )
    if identity is not None and identity not in manifest.identities:
        names = ", ".join(manifest.identities)
        raise InputError(f"The manifest has no identity {shown(identity)}; it has {names}.", code="WIF121")
    system = ci.system(kind)
    chosen = [each for name, each in manifest.identities.items() if identity in (None, name)]
    arguments = [kind, "--manifest", origin] + (["--identity", identity] if identity else [])
    return render_template(
        system.config_template,
        {
            "remade": remade_by(*arguments, *_given(install)),
            "install": install or manifest.install or install_command(),
            "jobs": [_job(each, manifest, system) for each in chosen],
            **system.config_values(chosen),
        },
        filters=_filters(system),
    )


def _given(install: str | None) -> list[str]:
    return ["--install", install] if install else []


def _filters(system: ci.CiSystem) -> dict[str, Callable[..., Any]]:
    """Those of every target, and for text that the CI system reads before YAML's reader does, or behind it."""
    return {
        **FILTERS,
        "ci": lambda value: as_yaml(system.escape(value)),
        "ci_line": lambda value: as_line(system.escape(value)),
    }


def _job(identity: Identity, manifest: Manifest, system: ci.CiSystem) -> dict[str, Any]:
    own = system.config_job(identity, manifest)
    flags = [*(["--direct"] if identity.direct else []), *own.flags]
    guessed = identity.service_account.project_id if identity.service_account else None
    if identity.project_id and identity.project_id != guessed:  # else the account's email tells it
        flags += ["--project-id", identity.project_id]
    if identity.token_lifetime_seconds:
        flags += ["--service-account-token-lifetime-seconds", str(identity.token_lifetime_seconds)]
    return {
        "name": identity.name,
        "login": " ".join(["gcp-wif login", *(shell_line(flag) for flag in flags)]),
        "direct": identity.direct,
        "setup": [_line(pipeline) for pipeline in own.setup],
        **own.values,
    }


def _line(pipeline: Pipeline) -> str:
    return " | ".join(" ".join(shell_line(word) for word in command) for command in pipeline)
