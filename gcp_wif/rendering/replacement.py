"""What comes in place of the steps with which an existing CI config logs in, to be pasted into it.

Every name in it is somebody else's text. The document is made by PyYAML; comments end with their line, a command's
words are quoted for the shell, and the whole is escaped for the CI system.
"""

from collections.abc import Iterable, Mapping

from gcp_wif.ci import CiSystem
from gcp_wif.ci.config import OldLogin
from gcp_wif.rendering.quoting import as_comment, shell_line

__all__ = ["replacement"]


def replacement(
    system: CiSystem, logins: Iterable[OldLogin], manifest: str, identities: Mapping[str, str], install: str
) -> str:
    """YAML with comments, for the CI system's config.

    Args:
        system: whose config it is.
        logins: as its reader found them.
        manifest: the manifest's path in the repository.
        identities: the identity of each job.
        install: the shell command that installs gcp-wif.
    """
    import yaml

    lines = [*system.replacement_notes]
    commands = {}
    for login in logins:
        lines.append(f"{login.job}: instead of {', '.join(login.how)}")
        words = ["gcp-wif", "login", "--manifest", manifest, "--identity", identities[login.job]]
        commands[login.job] = tuple(system.escape(each) for each in (install, " ".join(map(shell_line, words))))
    document = yaml.safe_dump(dict(system.steps_of(commands)), sort_keys=False, width=float("inf"))
    return "".join(f"# {as_comment(line)}\n" for line in lines) + document
