"""README's first screen: each cell of the table of CI systems is what that system's file does, or stands in a block.

The blocks of the sections run in ``test_documents`` and, each on its own system, in ``test_job_KIND``.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from gcp_wif import ci
from gcp_wif.ci.export_format import ExportFile
from gcp_wif.ci.shell_format import SHELL
from gcp_wif.issuers import profile
from gcp_wif.manifest import Manifest
from gcp_wif.rendering.ci_config import config_kinds

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


class Row(NamedTuple):
    """A row of the table; links are taken apart."""

    title: str
    anchor: str
    switch: str
    login: str
    exports: str
    files: str
    another: str
    example: str


def rows() -> list[Row]:
    found = re.findall(r"^\| \[([^]]+)\]\(#([a-z-]+)\) \|(.*)\|$", README, re.MULTILINE)
    return [Row(title, anchor, *(cell.strip() for cell in rest.split("|"))) for title, anchor, rest in found]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


BY_TITLE = {row.title: kind for row in rows() for kind in ci.kinds() if row.title.startswith(ci.system(kind).title)}
"""By the name in the row, which is the product's: "GitHub Actions"."""

ROWS = pytest.mark.parametrize("row", rows(), ids=lambda row: row.anchor)


def section(row: Row) -> str:
    match = re.search(rf"^### {re.escape(row.title)}\n(.*?)^##+ (?!#)", README, re.DOTALL | re.MULTILINE)
    assert match is not None
    return match[1]


def block(row: Row) -> str:
    (found,) = re.findall(r"```yaml\n(.*?)```", section(row), re.DOTALL)
    return str(found)


def test_every_system_has_a_row_and_it_is_on_the_first_screen() -> None:
    assert sorted(BY_TITLE.values()) == sorted(ci.kinds())
    assert len(rows()) == len(BY_TITLE)
    assert rows()[0].title == "CircleCI"
    assert README[: README.index("[Azure DevOps](#")].count("\n") < 25
    (told,) = re.findall(r"makes a whole config for ([^.]+) from the manifest", README)
    assert re.split(", | and ", told) == [
        row.title.removesuffix(" Actions") for row in rows() if BY_TITLE[row.title] in config_kinds()
    ]


@ROWS
def test_a_row_leads_to_its_section_and_its_example(row: Row) -> None:
    assert row.anchor == row.title.lower().replace(" ", "-")
    ((name, path),) = re.findall(r"\[([^]]+)\]\(examples/([^)]+)\)", row.example)
    manifest = Manifest.parse((ROOT / "examples" / path / "gcp-wif.toml").read_text(), origin=path)
    assert (name, manifest.issuer.kind) == (path, BY_TITLE[row.title])


@ROWS
def test_what_is_switched_on_stands_in_the_block_the_example_and_the_error(row: Row) -> None:
    kind = BY_TITLE[row.title]
    switches = {text for each in rows() for text in code(each.switch)}
    assert {text for text in switches if text in block(row)} == set(code(row.switch))
    folder = ROOT / "examples" / row.anchor
    for text in code(row.switch):
        assert any(text in path.read_text() for path in folder.rglob("*.yml")), text
        environ = {"CI": "true", "SYSTEM_OIDCREQUESTURI": "https://vstoken.dev.azure.com/x"}
        assert text in " ".join(ci.system(kind).missing_token(environ))


@ROWS
def test_the_login_and_the_exports_are_what_the_block_and_the_system_do(row: Row) -> None:
    system, environ = ci.system(BY_TITLE[row.title]), {name: f"/{name}" for name in ("BASH_ENV", "GITHUB_ENV", "PATH")}
    assert all(text in block(row) for text in code(row.login))
    target = system.export_target(environ)
    assert target is not None
    assert ("eval" in code(row.login)) is (not isinstance(target, ExportFile) and target.format == SHELL)
    if isinstance(target, ExportFile):
        (variable,) = code(row.exports)
        assert str(target.path) == environ[variable]
    else:
        assert ("shell" in row.exports, "output" in row.exports) == (target.format == SHELL, target.format != SHELL)


@ROWS
def test_the_files_go_where_the_system_says(row: Row) -> None:
    system = ci.system(BY_TITLE[row.title])
    (variable,) = code(row.files)
    sample = {"BUILDKITE_JOB_ID": "1", "BITBUCKET_STEP_UUID": "{1}"}
    found = system.folder({**sample, variable: "/v/dir"}) or ""
    here = "beside" if "beside" in row.files else "below" if "below" in row.files else "in"
    assert re.fullmatch({"in": "/v/dir", "below": "/v/dir/[^/]+", "beside": r"/v/dir\.[^/]+"}[here], found)


@ROWS
def test_another_token_is_promised_where_one_can_be_asked_for(row: Row) -> None:
    assert row.another == ("no" if ci.system(BY_TITLE[row.title]).cannot_ask else "yes")


@ROWS
def test_a_section_names_rules_and_keys_that_there_are(row: Row) -> None:
    """All of them, where the section lists them; CircleCI's stand with the manifest."""
    known = profile(BY_TITLE[row.title])
    rules = {each.name for each in (*known.names, *known.aliases)}
    told = " ".join(re.findall(r"[Rr]ules\s+name (.*?)(?:\.|;|, for)(?=\s)", section(row), re.DOTALL))
    assert set(code(told)) == (set() if known.kind == "circleci" else rules)
    keys = set(code(" ".join(re.findall(r"The manifest has (.*?)\.\s", section(row), re.DOTALL))))
    assert {key for key in keys if " " not in key} <= {each.name for each in known.keys}
    assert all(key == f'kind = "{known.kind}"' for key in keys if " " in key)
    lifted = set(re.findall(r"`(allow_[a-z_]+) = true`", section(row)))
    assert lifted == ({each.key for each in known.guards} if told else set())
