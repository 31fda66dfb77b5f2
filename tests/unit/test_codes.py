"""The registry and the source agree: each code is explained, each explanation is of a code, exit codes are one."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from code_sites import CODE, PACKAGE, refusal_kinds, uses
from error_texts import LOOKED_AT

from gcp_wif.cli.app import app
from gcp_wif.cli.output import report_crash
from gcp_wif.codes import Code, all_codes, find_code
from gcp_wif.errors import InputError, RefusedError
from gcp_wif.refusals import TABLE, RefusalKind

ROWS = {row.code: row for row in all_codes()}
USES = uses()
REFUSALS = {kind.code: kind for kind in RefusalKind}
_PRINTED_ALONE = {"WIF001"}
"""Printed by the process itself, without an error class."""

_AWKWARD = re.compile(r"\b(mend\w*|serve[sd]?|serving|stale)\b|(?<!there )\bis no\b(?! longer)", re.IGNORECASE)
_OF_A_CI_SYSTEM = re.compile(
    r"circle|git ?hub|git ?lab|build ?kite|bit ?bucket|azure|BASH_ENV|\bCI_\w|ACTIONS_|vcs|context-ids|org-id"
    r"|ssh-rerun|repository_owner|project_path",
    re.IGNORECASE,
)
"""Names, variables and claims of CI systems: their texts are in the profile of each."""


def test_every_code_that_is_used_is_in_the_registry() -> None:
    """D52."""
    assert {code: use.places for code, use in USES.items() if code not in ROWS} == {}


def test_every_code_in_the_registry_is_used() -> None:
    """A refusal may also be used by the doctor alone, which reads it in a text: then there is one that says it."""
    in_the_source = refusal_kinds()
    used = USES.keys() | {kind.code for kind in RefusalKind if kind.name in in_the_source}
    used |= {code for pasted in LOOKED_AT for code in pasted.causes}
    assert ROWS.keys() - used == set()


def test_every_code_that_a_text_mentions_is_in_the_registry() -> None:
    root = PACKAGE.parent
    texts = [*PACKAGE.rglob("*.py"), *root.glob("*.md"), *(path for path in (root / "templates").rglob("*.*"))]
    mentioned = {code: str(path) for path in texts for code in CODE.findall(path.read_text())}
    assert {code: path for code, path in mentioned.items() if code not in ROWS} == {}
    assert len(mentioned) > 100


def test_each_code_stands_for_one_thing() -> None:
    assert len(ROWS) == len(all_codes())
    assert [row.code for row in all_codes()] == sorted(ROWS)
    assert len({row.title for row in ROWS.values()}) == len(ROWS)


@pytest.mark.parametrize("code", sorted(USES.keys() - _PRINTED_ALONE))
def test_the_exit_code_is_that_of_the_error_that_is_raised(code: str) -> None:
    use, row = USES[code], ROWS[code]
    certain = use.raised or use.reported
    assert certain | use.possible, f"{use.places}: it cannot be told how this code reaches anybody"
    assert {row.exit_code} == certain if certain else row.exit_code in use.possible, use.places


def test_a_bug_has_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_crash(ValueError()) == ROWS["WIF001"].exit_code
    assert "WIF001" in capsys.readouterr().err


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kind.code)
def test_refusals_are_made_from_their_table(row: Any) -> None:
    made = ROWS[row.kind.code]
    assert (made.title, made.cause, made.fix) == (row.title, row.meaning, row.fixes)
    error = row.as_error("Google's sentence")
    assert isinstance(error, RefusedError)
    assert (error.code, error.exit_code) == (made.code, made.exit_code)


@pytest.mark.parametrize("row", all_codes(), ids=lambda row: row.code)
def test_each_row_can_be_read_at_night(row: Code) -> None:
    assert re.fullmatch(CODE, row.code)
    assert 10 <= len(row.title) <= 70
    assert row.title == row.title.strip().rstrip(".")
    assert row.cause.endswith(".")
    assert len(row.cause) > 30
    assert row.fix
    assert all(len(line) > 10 and line == line.strip() for line in row.fix)
    whole = " ".join((row.title, row.cause, *row.fix))
    assert not _AWKWARD.search(whole)
    assert not _OF_A_CI_SYSTEM.search(whole)
    assert row.exit_code in (0, 1, 2, 3, 130)


@pytest.mark.parametrize("text", ["WIF508", "wif508", "508", " Wif-508 ", "wif 508", "0508"])
def test_a_code_is_found_as_people_type_it(text: str) -> None:
    assert find_code(text).code == "WIF508"
    assert find_code("3").code == "WIF003"


@pytest.mark.parametrize(
    ("text", "near"),
    [("WIF509x", []), ("WIF529", ["WIF528", "WIF530"]), ("9999", ["WIF995"]), ("audience", ["WIF503"]), ("", []),
     ("٥٠٨", [])],
)  # fmt: skip
def test_an_unknown_code_names_near_ones(text: str, near: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        find_code(text)
    assert (caught.value.code, caught.value.exit_code) == ("WIF910", ROWS["WIF910"].exit_code)
    named = CODE.findall((caught.value.hint or "").partition("Near it are:")[2])
    assert set(near) <= set(named)
    assert bool(near) == bool(named)


def test_what_may_be_a_token_is_not_repeated(make_jwt: Any) -> None:
    with pytest.raises(InputError) as caught:
        find_code(make_jwt())
    assert "eyJ" not in f"{caught.value}{caught.value.hint}"


def test_a_job_does_not_load_the_registry(cli: Any, make_jwt: Any, tmp_path: Path) -> None:
    import subprocess

    command = [sys.executable, "-X", "importtime", "-m", "gcp_wif", "generate", "--direct",
               "projects/1/locations/global/workloadIdentityPools/pool/providers/prov"]  # fmt: skip
    env = cli.env | {"CIRCLE_OIDC_TOKEN": make_jwt()}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "gcp_wif.job.generate" in done.stderr
    assert "gcp_wif.codes" not in done.stderr
    assert "gcp_wif.refusals" not in done.stderr


def test_the_commands_of_ours_that_fixes_name_are_there() -> None:
    import typer

    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    found = [
        (row.code, *match.groups())
        for row in all_codes()
        for line in row.fix
        for match in re.finditer(
            r"(?:^|: |[`(]|or |rights )gcp-wif ([a-z]+(?:-[a-z]+)*)((?: (?:--?[a-z-]+|[A-Za-z.…]+))*)", line
        )
    ]
    assert len(found) > 40
    for code, name, rest in found:
        made = group.get_command(context, name)
        assert made is not None, (code, name)
        known = {flag for parameter in made.params for flag in parameter.opts} | {"--help"}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (code, name, rest)
