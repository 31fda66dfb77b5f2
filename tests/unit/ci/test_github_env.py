"""Exports in the file that GitHub's runner reads, judged by its own rules (actions/runner, FileCommandManager.cs)."""

from pathlib import Path

import pytest
from github_runner import runner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcp_wif.ci.export_format import CREDENTIALS_VARIABLES, PROJECT_VARIABLES, Export, block_removed
from gcp_wif.ci.github_env import GITHUB_ENV
from gcp_wif.job.export import exports
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId

WEAK = ProjectChoice(ProjectId("acme-prod"), explicit=False)
CONFIG = Path("/home/runner/_work/_temp/gcp_cred_config.json")
NAME = "GOOGLE_APPLICATION_CREDENTIALS"


paths = st.text(st.characters(exclude_characters="\0/\r", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(paths)
@example("a b")
@example("two\nlines")
@example("x\nGOOGLE_APPLICATION_CREDENTIALS=/evil")
@example("x<<EOF\nEOF")
@example("gcp-wif-00000000000000000000000000000000")
@example("caf\u00e9 \u4ee4")
def test_any_path_comes_back_exactly_and_is_no_other_variable(name: str) -> None:
    path = Path("/p/" + name)
    wanted = exports(path, WEAK)
    content = GITHUB_ENV.appended(b"", wanted, {})
    found = runner(content)
    assert set(found) == {*CREDENTIALS_VARIABLES, *PROJECT_VARIABLES}
    assert all(found[each] == str(path) for each in CREDENTIALS_VARIABLES)
    assert GITHUB_ENV.appended(content, wanted, {}) == b""
    assert GITHUB_ENV.ended(content, ()) == (b"", b"")


def test_each_run_has_a_delimiter_that_nobody_knows() -> None:
    wanted = exports(CONFIG, None)
    assert GITHUB_ENV.appended(b"", wanted, {}) != GITHUB_ENV.appended(b"", wanted, {})


@pytest.mark.parametrize(
    "content",
    [b"", b"A=1", b"A=1\n", b"A=1\r\nB=2\r\n", b"M<<EOF\na\nb=c\nEOF\n", b"M<<x\r\na\r\nx\r\n", b"\n\nA=1\n\n"],
)
def test_others_lines_stay_and_ours_count(content: bytes) -> None:
    wanted = exports(CONFIG, None)
    block = GITHUB_ENV.appended(content, wanted, {})
    assert runner(content + block) == runner(content) | {each.name: each.value for each in wanted}
    assert GITHUB_ENV.appended(content + block, wanted, {}) == b""
    assert runner(GITHUB_ENV.ended(content + block, ())[0]) == runner(content)
    assert block_removed(content + block, block) == content


def test_what_an_earlier_step_has_set_is_not_set_again() -> None:
    wanted = exports(CONFIG, WEAK)
    assert GITHUB_ENV.appended(b"", wanted, {each.name: each.value for each in wanted}) == b""
    other = {NAME: "/elsewhere"} | {each.name: each.value for each in wanted if each.name != NAME}
    assert runner(GITHUB_ENV.appended(b"", wanted, other)) == {NAME: str(CONFIG)}


def test_a_changed_value_wins_and_so_does_the_change_back() -> None:
    content = b""
    for path in (Path("/a"), Path("/b"), Path("/a"), Path("/a")):
        content += GITHUB_ENV.appended(content, exports(path, None), {})
        assert runner(content)[NAME] == str(path)
    assert content.count(f"{NAME}<<".encode()) == 3


def test_a_guessed_project_gives_way_to_the_file_and_to_the_environment() -> None:
    wanted = exports(CONFIG, WEAK)
    name = PROJECT_VARIABLES[0]
    assert name not in runner(GITHUB_ENV.appended(b"", wanted, {name: "theirs"}))
    content = f"{name}=theirs\n".encode()
    assert runner(content + GITHUB_ENV.appended(content, wanted, {}))[name] == "theirs"
    explicit = exports(CONFIG, WEAK._replace(explicit=True))
    assert runner(content + GITHUB_ENV.appended(content, explicit, {name: "theirs"}))[name] == "acme-prod"
    ours = GITHUB_ENV.appended(b"", exports(CONFIG, ProjectChoice(ProjectId("acme-old"), explicit=False)), {})
    assert runner(ours + GITHUB_ENV.appended(ours, wanted, {}))[name] == "acme-prod"


def test_what_earlier_steps_have_set_is_emptied_once() -> None:
    endings = (Export(NAME, ""), Export("BOTO_PATH", "/etc/boto.cfg"))
    content = b"A=1\n" + GITHUB_ENV.appended(b"A=1\n", exports(CONFIG, None), {})
    before, more = GITHUB_ENV.ended(content, endings)
    assert runner(before + more) == {"A": "1", NAME: "", "BOTO_PATH": "/etc/boto.cfg"}
    assert GITHUB_ENV.ended(before + more, endings) == (before + more, b"")
    again = before + more
    again += GITHUB_ENV.appended(again, exports(CONFIG, None), {NAME: str(CONFIG)})
    assert runner(again)[NAME] == str(CONFIG)


def test_a_file_that_the_runner_would_refuse_is_left_as_it_is() -> None:
    content = b"A<<EOF\nnever ends\n"
    assert GITHUB_ENV.ended(content, ()) == (content, b"")
