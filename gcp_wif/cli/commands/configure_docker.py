"""`gcp-wif configure-docker`."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, run_context, terminal
from gcp_wif.job.docker import HELPER, configure, parse_hosts

__all__ = ["main"]

_PROGRAM = f"docker-credential-{HELPER}"


class _Options(OptionGroup):
    hosts: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST,…]",
            help="Google's registries, such as europe-west1-docker.pkg.dev. [default: the hosts of gcr.io]",
        ),
    ] = None


@command(_Options, CommonOptions)
def main(options: _Options, common: CommonOptions) -> None:
    """Register the credential helper with Docker.

    As `gcloud auth configure-docker` does. Docker, skopeo and whatever else reads Docker's config then log in to
    these registries as the job. Everything else in the file stays as it is; no secret goes into it.
    """
    out, context = terminal(common), run_context()
    done = configure(parse_hosts(options.hosts), context)
    if shutil.which(_PROGRAM, path=context.environ.get("PATH")) is None:
        folder = Path(context.program.interpreter).parent if context.program else None
        out.warn(f"{_PROGRAM} is not on the PATH, where Docker looks for it. It was installed into {folder}.")
    for host, helper in done.replaced.items():
        out.say(f"replaced           {host}: {helper}")
    if done.added or done.replaced:
        out.say(f"registered         {', '.join((*done.added, *done.replaced))}")
    else:
        out.say("All of them are registered already.")
    out.say(f"Docker's config    {done.path}")
    out.data(
        {
            "docker_config": str(done.path),
            "hosts": list(done.hosts),
            "added": list(done.added),
            "replaced": done.replaced,
        }
    )
