"""What comes in place of the steps with which an existing CI config logs in, to be pasted into it.

Every name in it is somebody else's text. The document is made by PyYAML; comments end with their line; a command's
words are quoted for the shell, and ``<<`` for CircleCI.
"""

from collections.abc import Iterable, Mapping

from gcp_wif.ci.circleci_config import Login
from gcp_wif.rendering.quoting import as_comment

__all__ = ["replacement"]


def replacement(logins: Iterable[Login], manifest: str, identities: Mapping[str, str], install: str) -> str:
    """YAML with comments, for ``.circleci/config.yml``.

    Args:
        logins: as `gcp_wif.ci.circleci_config.find_logins` found them.
        manifest: the manifest's path in the repository.
        identities: the identity of each job.
        install: the shell command that installs gcp-wif.
    """
    import yaml

    lines = [
        "In .circleci/config.yml, in place of the steps that are named; the rest of each job stays.",
        "The commands that are no longer used, and the orb circleci/gcp-cli, can go.",
    ]
    jobs = {}
    for login in logins:
        lines.append(f"{login.job}: instead of {', '.join(login.how)}")
        words = ["gcp-wif", "login", "--manifest", manifest, "--identity", identities[login.job]]
        commands = [install, " ".join(words)]
        jobs[login.job] = {"steps": [{"run": command.replace("<<", "\\<<")} for command in commands]}
    document = yaml.safe_dump({"jobs": jobs}, sort_keys=False, width=float("inf"))
    return "".join(f"# {as_comment(line)}\n" for line in lines) + document
