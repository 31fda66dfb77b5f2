"""`gcp-wif emulator`."""

import json
import signal
import threading
from typing import Annotated

import typer

from gcp_wif.cli.command import CommonOptions, OptionGroup, command, run_context
from gcp_wif.cli.manifests import read_manifest
from gcp_wif.errors import InputError, MissingExtraError, shown
from gcp_wif.names import ProjectId, ProjectNumber

__all__ = ["main"]


class _Options(OptionGroup):
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0 takes a free one.")] = 0
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="gRPC port; 0 takes a free one.")] = 0
    proxy_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Also be Google's own host names, through an HTTPS proxy on this port.",
        ),
    ] = None
    manifest: Annotated[str | None, typer.Option(metavar="FILE", help="Start provisioned as this manifest says.")] = (
        None
    )
    project: Annotated[
        list[str] | None, typer.Option(metavar="ID=NUMBER", help="Number of a project; may be given several times.")
    ] = None


@command(_Options, CommonOptions)
def main(options: _Options, common: CommonOptions) -> None:  # noqa: ARG001 - logging is started from it
    """Serve Google's side on 127.0.0.1, until Ctrl-C.

    All that workload identity federation needs of it. One line of JSON on stdout says where, when it is ready. Set
    GCP_WIF_EMULATOR_HOST, and GCP_WIF_EMULATOR_GRPC_HOST for admin commands, to send gcp-wif there. With --proxy-port
    any client takes it for Google: set HTTPS_PROXY and HTTP_PROXY to "proxy", SSL_CERT_FILE and the like to "ca".
    """
    try:
        from gcp_wif.emulator import Emulator, PortError
    except ImportError:
        raise MissingExtraError("emulator", command="emulator") from None
    given = options.manifest
    manifest = read_manifest(given, run_context()) if given is not None else None
    projects = dict(_project(text) for text in options.project or [])
    try:
        emulator = Emulator(
            port=options.port, grpc_port=options.grpc_port, proxy_port=options.proxy_port, projects=projects
        )
    except PortError as error:
        raise InputError(
            f"Port {error.port} of 127.0.0.1 cannot be used: {error.strerror}.",
            hint="0 takes a free one.",
            code="WIF119",
        ) from None
    except OSError as error:
        raise InputError(
            f"The certificate of the emulator's CA could not be written to the temporary folder: {error.strerror}.",
            hint="Set TMPDIR to a folder that this user may write to, or leave --proxy-port out.",
            code="WIF620",
        ) from None
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with emulator:
        if manifest is not None:
            emulator.provision_as(manifest)
        proxy = {"proxy": emulator.proxy, "ca": emulator.ca} if emulator.proxy else {}
        typer.echo(json.dumps({"http": emulator.http, "grpc": emulator.grpc, **proxy}))
        ended.wait()


def _project(text: str) -> tuple[str, str]:
    name, separator, number = text.rpartition("=")
    if not separator:
        raise InputError(f"--project must read ID=NUMBER, but holds {shown(text)}.", code="WIF120")
    return ProjectId.parse(name, origin="--project"), ProjectNumber.parse(number, origin="--project")
