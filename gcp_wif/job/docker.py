"""Docker's logins at Google's registries: which hosts are Google's, and the helper in Docker's config."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from gcp_wif import limits
from gcp_wif.errors import InputError, shown
from gcp_wif.files import edit_shared
from gcp_wif.job.context import Context
from gcp_wif.names import REGISTRY_HOST

__all__ = ["DEFAULT_HOSTS", "HELPER", "USERNAME", "Configured", "configure", "parse_hosts", "registry_host"]

HELPER = "gcp-wif"
"""What Docker's config calls the program ``docker-credential-gcp-wif``."""

USERNAME = "oauth2accesstoken"
"""With an access token as the password ("Authentication methods", Artifact Registry)."""

DEFAULT_HOSTS = ("gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io", "staging-k8s.gcr.io", "marketplace.gcr.io")
"""As `gcloud auth configure-docker` has them (528)."""


class Configured(NamedTuple):
    """What was registered.

    Attributes:
        path: Docker's config.
        hosts: the registries.
        added: those that had no helper before.
        replaced: those that had another one, with its name.
    """

    path: Path
    hosts: tuple[str, ...]
    added: tuple[str, ...]
    replaced: dict[str, str]


def registry_host(server: str) -> str | None:
    """The host of a registry of Google's, out of what Docker calls a server; ``None`` for every other one.

    Args:
        server: a host, with or without ``https://``, port 443 and a path: clients differ.
    """
    match = re.fullmatch(r"(?:https://)?([A-Za-z0-9.-]{1,253})(?::443)?(?:/[!-~]*)?", server.strip())
    host = match[1].lower() if match else ""
    return host if REGISTRY_HOST.fullmatch(host) else None


def parse_hosts(text: str | None) -> tuple[str, ...]:
    """Read the hosts of the command line: with commas between, the default ones where there are none.

    Raises:
        InputError: WIF145.
    """
    if text is None:
        return DEFAULT_HOSTS
    hosts = [each.strip() for each in text.split(",")]
    wrong = next((each for each in hosts if not REGISTRY_HOST.fullmatch(each)), None)
    if wrong is not None:
        raise InputError(
            f"{shown(wrong)} is not a host of Google's registries.",
            hint="An access token would be sent there. Google's are gcr.io, the names below it, and those below "
            "pkg.dev, such as europe-west1-docker.pkg.dev: the host alone, in small letters.",
            code="WIF145",
        )
    return tuple(dict.fromkeys(hosts))


def configure(hosts: tuple[str, ...], context: Context) -> Configured:
    """Register the helper for ``hosts`` in Docker's config, ``$DOCKER_CONFIG/config.json`` or ``$HOME/.docker``'s.

    Raises:
        InputError: WIF101 where neither variable is set; WIF320 where the file is broken, which it then stays; WIF301,
            WIF303 to WIF305, WIF307 where it cannot be written.
    """
    from gcp_wif.job.docker_config import Registered, registered

    path = _config_path(context)
    answers: list[Registered] = []

    def change(content: bytes) -> tuple[bytes, bytes]:
        answers.append(registered(content, HELPER, hosts, origin=str(path)))
        return answers[-1].content, b""

    _make_folder(path)
    edit_shared(path, change, origin="Docker's config", create=True, limit=limits.MAX_DOCKER_CONFIG_BYTES)
    return Configured(path, hosts, answers[-1].added, answers[-1].replaced)


def _config_path(context: Context) -> Path:
    folder = context.environ.get("DOCKER_CONFIG")
    home = context.environ.get("HOME")
    if not folder and not home:
        raise InputError(
            "HOME is not set, so the place of Docker's config is unknown.",
            hint="Set HOME, or DOCKER_CONFIG to the folder that Docker uses.",
            code="WIF101",
        )
    return Path(context.cwd, folder or f"{home}/.docker", "config.json")


def _make_folder(path: Path) -> None:
    from gcp_wif.files.problems import os_problem

    try:
        os.makedirs(path.parent, mode=0o700, exist_ok=True)  # noqa: PTH103 - Path.mkdir gives parents another mode
    except OSError as error:
        raise os_problem(error, path, "Docker's config", "written", culprit=path.parent.parent) from error
