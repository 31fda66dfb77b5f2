"""The seam of CI systems: outside ``issuers/`` and ``ci/`` no file names a claim, variable or page of one.

What to look for is collected from the rooms themselves, so that a new system is guarded from its first day; to it come
the words of the systems that the contract names, whether they have a file yet or not.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcp_wif import ci, issuers
from gcp_wif.ci.export_format import VARIABLES
from gcp_wif.issuers.model import host_of
from gcp_wif.issuers.oidc import SHARED
from gcp_wif.job.target import ACCOUNT_VARIABLES, POOL_VARIABLES, PROJECT_NUMBER_VARIABLES, PROVIDER_VARIABLES

PACKAGE = Path(ci.__file__).parents[1]
ROOMS = (PACKAGE / "ci", PACKAGE / "issuers")

WORDS = (
    r"circle ?ci|\bcircle_|\bBASH_ENV\b|git ?hub|\bACTIONS_ID_TOKEN|git ?lab|\bid_tokens\b|build ?kite|bit ?bucket"
    r"|(?-i:\bCI_(?:API|BUILDS|COMMIT|JOB|MERGE|PIPELINE|PROJECT|RUNNER|SERVER)_)"
    r"|azure.?(?:devops|pipelines)|\bSYSTEM_(?:ACCESSTOKEN|OIDC|TEAM)|vstoken|##vso|::add-mask"
    r"|id-token: ?write|\boidc: ?true|project_path|repository_owner|workspaceUuid|repositoryUuid"
)
"""Of the six systems of the contract: their names, variables, pages and the commands that their logs obey. Azure alone
is a cloud, of which credential configs speak."""

GENERIC = frozenset({"iss", "sub", "aud", "azp", "iat", "nbf", "exp", "jti"})
"""Claims of RFC 7519 and OpenID Connect, which every issuer has."""

NOT_OF_A_CI_SYSTEM = frozenset({"project_id", "account_id", "owner_id", "organization_id"})
"""Claims of some system that are also Google's words or the manifest's. Plain English, such as ``ref``, is left out."""

OF_EVERYBODY = frozenset({"CLOUDSDK_AUTH_ACCESS_TOKEN", "HTTPS_PROXY", "NO_PROXY"})
"""Variables of other programs, which a CI system's hint may name."""

OPTIONS = re.compile(r"--from-(?:circleci|github)\b")
"""Flags that the contract names. Nothing else may."""

SECRET_SHAPES = "config_lint/secrets.py"
"""The table of secrets that must not be committed. The beginnings of secrets, and whose they are, are no claims,
variables or pages: a person with any CI system may have any of them at hand."""

OURS = frozenset({*VARIABLES, *PROJECT_NUMBER_VARIABLES, *POOL_VARIABLES, *PROVIDER_VARIABLES, *ACCOUNT_VARIABLES})
"""Variables of the contract, which a CI system's file may name, and every other file too."""


def literals(folder: Path) -> Iterator[str]:
    """The texts in the files of a room, without docstrings."""
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                yield node.value


def variables() -> set[str]:
    """Every variable that a file of ``ci/`` names."""
    found = {
        name for text in literals(PACKAGE / "ci") for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text)
    }
    found |= {name for kind in ci.kinds() for name in ci.system(kind).detected_by}
    return {name for name in found if not name.startswith(("WIF", "MAX_"))} - OURS - OF_EVERYBODY


def claims() -> set[str]:
    """Every claim that a profile names, and the guards' keys in a manifest."""
    found = {claim for names in SHARED.values() for claim in names}
    for profile in map(issuers.profile, issuers.kinds()):
        found |= {each.claim for each in profile.names} | set(profile.telling) | set(profile.tenant_wide)
        found |= {text for guard in profile.guards for text in (guard.claim, guard.key)}
        found |= set(profile.sample({}, 0)) | set(profile.shared_tenant_claims(profile.root or "https://x.example"))
    return {name for name in found if not name.isalpha()} - GENERIC - NOT_OF_A_CI_SYSTEM


def hosts() -> set[str]:
    """Every host that signs tokens."""
    profiles = [issuers.profile(kind) for kind in issuers.kinds()]
    found = {host_of(url) for each in profiles for url in (each.root, str(each.sample({}, 0).get("iss", "")))}
    return (found | set(SHARED)) - {"", "issuer.example", "accounts.google.com"}


def hits() -> list[str]:
    """``file:line: text`` of each line that names one."""
    named = "|".join(re.escape(text) for text in sorted(variables() | claims() | hosts(), key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9_])(?:{named})(?![A-Za-z0-9_])|{WORDS}", re.IGNORECASE)
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if any(room in path.parents for room in ROOMS) or path == PACKAGE / SECRET_SHAPES:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := pattern.search(OPTIONS.sub("", line)):
                found.append(f"{path.relative_to(PACKAGE.parent)}:{number}: {match[0]!r} in {line.strip()[:120]}")
    return found


def test_no_file_outside_the_rooms_names_a_ci_system() -> None:
    found = hits()
    assert found == [], f"{len(found)} lines, in {len({each.split(':')[0] for each in found})} files:\n" + "\n".join(
        found
    )


def test_what_is_looked_for_is_what_the_rooms_hold() -> None:
    """Else the test above could be green because nothing was collected."""
    assert {"CIRCLECI", "CIRCLE_OIDC_TOKEN", "CIRCLE_ORGANIZATION_ID", "BASH_ENV"} <= variables()
    assert {"oidc.circleci.com/project-id", "oidc.circleci.com/ssh-rerun", "allow_ssh_rerun"} <= claims()
    assert {"oidc.circleci.com", "token.actions.githubusercontent.com", "gitlab.com"} <= hosts()


@pytest.mark.parametrize("kind", ci.kinds())
def test_a_system_has_the_name_of_its_issuer(kind: str) -> None:
    system, profile = ci.system(kind), issuers.profile(kind)
    assert system.kind == profile.kind == kind
    assert system.detected_by, "nothing would detect it"
    assert set(system.init_flags.values()) | set(system.where) <= {each.name for each in profile.names}


def test_what_systems_share_is_no_system() -> None:
    assert set(ci.kinds()) <= set(issuers.kinds())
    assert not {"model", "asking", "export-format", "shell-format", "circleci-config"} & set(ci.kinds())
