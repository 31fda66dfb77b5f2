"""`gcp-wif render`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, run_context, terminal
from gcp_wif.cli.manifests import MANIFEST_NAME, read_manifest
from gcp_wif.cli.output import Terminal
from gcp_wif.errors import InputError, MissingExtraError, shown
from gcp_wif.install import install_command, is_command
from gcp_wif.limits import INSTALL_CHARACTERS
from gcp_wif.rendering.ci_config import config_kinds, render_ci_config, render_snippet, snippets

if TYPE_CHECKING:
    from gcp_wif.rendering.terraform import Existing

__all__ = ["main"]

_CONFIGS, _SNIPPETS = config_kinds(), snippets()
_KINDS = (*_CONFIGS, *_SNIPPETS, "terraform", "gcloud")


class _Options(OptionGroup):
    what: Annotated[str, typer.Argument(metavar="|".join(_KINDS), help="What to render.")] = ""
    manifest: Annotated[
        str | None, typer.Option(metavar="FILE", help="The manifest. [default: gcp-wif.toml here or in a folder above]")
    ] = None
    identity: Annotated[
        str | None, typer.Option(metavar="NAME", help="With a CI system: a job for this identity alone.")
    ] = None
    install: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="With a CI system: how a job installs gcp-wif. [default: the manifest's]",
        ),
    ] = None
    output_file: Annotated[str | None, typer.Option(metavar="PATH", help="Where to write. [default: stdout]")] = None
    import_existing: Annotated[
        bool, typer.Option("--import-existing", help="With terraform: ask Google, and import what exists.")
    ] = False
    impersonate_service_account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="With --import-existing: act as this account.")
    ] = None


@command(_Options, CommonOptions)
def main(options: _Options, common: CommonOptions) -> None:
    """Print what to commit, made from the manifest.

    The config of a CI system, a piece of one (which needs no manifest), Terraform, or a gcloud script. The same
    manifest gives the same bytes. With --json and --output-file, prints what was written.
    """
    out = terminal(common)
    _check(options, as_json=common.as_json)
    text = _rendered(options, out)
    if options.output_file is None:
        out.raw(text.encode())
        return
    from gcp_wif.files import write_new

    context = run_context()
    path = Path(context.cwd, options.output_file)
    write_new(path, text.encode(), context.roots, replace=True, origin="--output-file")
    out.say(f"{options.what:<18} {path}")
    out.data({"what": options.what, "output_file": str(path)})


def _check(options: _Options, *, as_json: bool) -> None:
    """Refuse what does not fit together.

    Raises:
        InputError: WIF731 for something else to render, WIF742 for an install command that is not one line, WIF110
            for flags that are mutually exclusive.
    """
    if options.what not in _KINDS:
        kinds = ", ".join(_KINDS)
        raise InputError(f"render makes one of {kinds}, not {shown(options.what)}.", code="WIF731")
    belongs = {
        "--identity": (options.identity is not None, _CONFIGS),
        "--import-existing": (options.import_existing, ("terraform",)),
        "--install": (options.install is not None, (*_CONFIGS, *_SNIPPETS)),
        "--manifest": (options.manifest is not None, (*_CONFIGS, "terraform", "gcloud")),
    }
    for flag, (given, where) in belongs.items():
        if given and options.what not in where:
            raise InputError(f"{flag} does not go with `render {options.what}`.", code="WIF110")
    if options.impersonate_service_account is not None and not options.import_existing:
        raise InputError("--impersonate-service-account goes with --import-existing.", code="WIF110")
    if options.install is not None and not is_command(options.install):
        raise InputError(
            f"--install must be one line of printable text, of at most {INSTALL_CHARACTERS} characters.",
            hint=f"It is the shell command that installs gcp-wif, such as:  {install_command()}",
            code="WIF742",
        )
    if as_json and options.output_file is None:
        raise InputError("--json and the rendered text both want stdout.", hint="Add --output-file.", code="WIF110")


def _rendered(options: _Options, out: Terminal) -> str:
    if options.what in _SNIPPETS:
        return render_snippet(options.what, options.install)
    name = options.manifest or MANIFEST_NAME  # as the text says it, the same from every folder of a repository
    manifest = read_manifest(options.manifest, run_context())
    if options.what in _CONFIGS:
        return render_ci_config(options.what, manifest, name, options.identity, options.install)
    try:
        from gcp_wif.desired import from_manifest
        from gcp_wif.rendering.gcloud import render_gcloud
        from gcp_wif.rendering.terraform import render_terraform
    except ImportError:
        raise MissingExtraError("admin", command=f"render {options.what}") from None
    desired = from_manifest(manifest)
    for warning in desired.warnings:
        out.warn(warning)
    if options.what == "gcloud":
        return render_gcloud(desired, name)
    return render_terraform(manifest, desired, name, _existing(options, out) if options.import_existing else None)


def _existing(options: _Options, out: Terminal) -> "Existing":
    """What Google has of the manifest; a deleted pool or provider is warned of."""
    from gcp_wif.cli.plans import AdminOptions, Session
    from gcp_wif.provisioning import observe
    from gcp_wif.rendering.terraform import existing_of

    admin = AdminOptions(manifest=options.manifest, impersonate_service_account=options.impersonate_service_account)
    session = Session(admin, out, "render terraform --import-existing")
    found = existing_of(session.desired, observe(session.desired, session.clients, session.retry_policy))
    for deleted in found.deleted:
        out.warn(f"{deleted} is deleted: Terraform can neither import nor make it. `gcp-wif apply` undeletes it.")
    return found
