"""Files that a container reads at another path than the one they are written at. Pure.

A job on a machine writes the token and the credential config into a folder, and gives that folder to a container:
``docker run -v FOLDER:/creds``. The config names the token file by its path, which must then be the container's. So
only ``credential_source.file`` differs from a config of the job's own. The folder is one that is made for this: all of
it becomes visible in the container.

The variables go into a file for ``docker run --env-file``, whose lines are ``NAME=VALUE`` without quotes (Docker's page
"docker container run", Set environment variables), and not to the job's next steps: on the machine the path in the
config leads nowhere.
"""

import re
import shlex
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from gcp_wif.ci.export_format import CREDENTIALS_VARIABLES, PROJECT_VARIABLES
from gcp_wif.credential_config import CredentialSource, FileSource
from gcp_wif.errors import InputError, shown
from gcp_wif.job.flags import GenerateFlags
from gcp_wif.job.target import Target

__all__ = ["Container", "choose_container", "container_for", "on_machine", "seen"]

_FLAG = "--path-in-container"
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f:]")
"""``docker run -v`` separates by the colon, and an env file by lines."""


class Container(NamedTuple):
    """What a container needs, besides the token and the config.

    Attributes:
        folder: the folder of the files, as the container sees it.
        env_file: the file of variables, on the machine.
        content: of that file; no secret.
        flags: of ``docker run``, quoted for a shell.
    """

    folder: str
    env_file: Path
    content: bytes
    flags: str


def choose_container(flags: GenerateFlags, output: Path, source: CredentialSource, target: Target) -> Container | None:
    """The container that the flags mean; ``None`` where they mean none.

    Args:
        flags: the command line.
        output: the credential config on the machine, absolute.
        source: with the token file's path on the machine.
        target: for the project.

    Raises:
        InputError: WIF110 where the flags do not go together, and as `container_for`.
    """
    given = flags.path_in_container
    if given is None:
        return None
    if flags.output_file is None:
        raise InputError(
            f"{_FLAG} needs --output-file: a credential config in a folder of its own.",
            hint="All of that folder becomes visible in the container, so it must not be $HOME. For example:  "
            f'--output-file "$HOME/creds/config.json" {_FLAG} /creds',
            code="WIF110",
        )
    if not isinstance(source, FileSource) or flags.config_only:
        raise InputError(
            f"{_FLAG} is for a token file that is written here.",
            hint="With another credential source, or with --config-only, the config stands as it is given: write into "
            "it what the container sees.",
            code="WIF110",
        )
    return container_for(output, Path(source.file), given, target.project.project_id if target.project else None)


def seen(source: CredentialSource, container: Container | None) -> CredentialSource:
    """The source as whoever reads the config sees it."""
    if container is None or not isinstance(source, FileSource):
        return source
    return source._replace(file=_in_container(container.folder, Path(source.file)))


def container_for(config: Path, token: Path, given: str, project: str | None) -> Container:
    """What the container needs that sees the folder of ``config`` as ``given``.

    Args:
        config: the credential config on the machine, absolute.
        token: the token file on the machine, absolute.
        given: the value of ``--path-in-container``.
        project: the project ID that its clients get; ``None`` where it is not known.

    Raises:
        InputError: WIF102, WIF117 where ``given`` or the machine's folder cannot be mounted; WIF110 where the token and
            the config are not in one folder.
    """
    folder = _folder(given)
    if token.parent != config.parent:
        raise InputError(
            f"{_FLAG} needs the token file in the folder of the credential config, {config.parent}.",
            hint="The container sees one folder. Leave --credential-source-file away: the token is then written beside "
            "the config.",
            code="WIF110",
        )
    if _UNUSABLE.search(str(config)):
        raise InputError(
            f"{_FLAG}: a container cannot be given {shown(str(config))}: the path has a colon or a control character.",
            code="WIF117",
        )
    path = _in_container(folder, config)
    values = dict.fromkeys(CREDENTIALS_VARIABLES, path) | (dict.fromkeys(PROJECT_VARIABLES, project) if project else {})
    env_file = config.with_name(f"{config.name}.env")
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    flags = f"--env-file {shlex.quote(str(env_file))} -v {shlex.quote(f'{config.parent}:{folder}:ro')}"
    return Container(folder, env_file, lines.encode(), flags)


def _in_container(folder: str, file: Path) -> str:
    """The path of ``file`` as the container sees it."""
    return str(PurePosixPath(folder) / file.name)


def on_machine(path: str, given: str, config: Path) -> str:
    """The path on the machine of what a container sees as ``path``.

    Args:
        path: as it stands in the credential config.
        given: the value of ``--path-in-container``.
        config: the credential config on the machine.

    Raises:
        InputError: WIF102, WIF117 for ``given``; WIF110 where the config was not written for that folder.
    """
    folder, token = _folder(given), PurePosixPath(path)
    if token.parent != PurePosixPath(folder):
        raise InputError(
            f"The credential config names the token file {shown(path)}, which is not in {shown(folder)}.",
            hint=f"Give {_FLAG} as it was given when the config was written, or leave it away.",
            code="WIF110",
        )
    return str(config.parent / token.name)


def _folder(given: str) -> str:
    if not given:
        raise InputError(f"{_FLAG} is empty.", hint="A variable that it was made from is likely unset.", code="WIF102")
    folder = PurePosixPath(given)
    if not given.startswith("/") or _UNUSABLE.search(given) or ".." in folder.parts or len(folder.parts) == 1:
        raise InputError(
            f"{_FLAG} must be the absolute path of a folder in the container, but holds {shown(given)}.",
            hint="It is the second part of `docker run -v FOLDER:/creds`, without a colon: /creds",
            code="WIF117",
        )
    return str(folder)
