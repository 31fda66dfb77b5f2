"""Exports, judged by bash: what is appended comes back exactly, once, and others' lines stay."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcp_wif.ci.export_format import CREDENTIALS_VARIABLES, PROJECT_VARIABLES, ExportFile, block_removed
from gcp_wif.ci.shell_format import SHELL
from gcp_wif.credential_config import CredentialConfig, FileSource, UrlSource
from gcp_wif.endpoints import Endpoints
from gcp_wif.job.export import export, exports, loopback_exports
from gcp_wif.job.target import ProjectChoice
from gcp_wif.names import ProjectId, ProviderName

WEAK = ProjectChoice(ProjectId("acme-prod"), explicit=False)
EXPLICIT = ProjectChoice(ProjectId("acme-prod"), explicit=True)
CONFIG = Path("/home/ci/config.json")


def bash(script: bytes, variable: str, env: dict[str, str] | None = None, shell: str = "bash") -> bytes:
    """The variable's bytes after ``script`` ran."""
    done = subprocess.run(
        [shell, "-c", b'eval "$1"; printf %s "${' + variable.encode() + b'-UNSET}"', shell, script],
        env={"PATH": "/usr/bin:/bin"} | (env or {}),
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stderr == b""
    return done.stdout


names = st.binary(min_size=1, max_size=40).filter(lambda data: b"\0" not in data and b"/" not in data)


@settings(max_examples=60, deadline=None)
@given(names)
@example(b"a b")
@example(b"it's")
@example(b'"quoted"')
@example(b"$(touch /tmp/never)")
@example(b"`id`")
@example(b"two\nlines")
@example(b"\r")
@example(b"\n")
@example(b"-n")
@example(b"caf\xc3\xa9 \xe4\xbb\xa4\xe7\x89\x8c")
@example(b"\xff\xfe")
@example(b"\\")
@example(b"$'x'")
@example(b"!history!")
@example(b"#  # gcp-wif")
@example(b"\x01'\\\x7f\n")
def test_any_path_comes_back_exactly(name: bytes) -> None:
    path = Path(b"/p/".decode() + name.decode("utf-8", "surrogateescape"))
    wanted = exports(path, WEAK)
    content = SHELL.appended(b"", wanted, {})
    assert content.count(b"\n") == 5
    for variable in CREDENTIALS_VARIABLES:
        assert bash(content, variable) == os.fsencode(path)  # a Path has lost a lone dot by then
        assert bash(SHELL.printed(wanted, {}), variable) == os.fsencode(path)
    assert SHELL.appended(content, wanted, {}) == b""
    assert SHELL.ended(content, ()) == (b"", b"")


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_plain_lines_are_for_any_shell_and_can_be_ended(shell: str) -> None:
    script = SHELL.printed(exports(Path("/a b"), WEAK), {})
    assert bash(script, "GOOGLE_APPLICATION_CREDENTIALS", shell=shell) == b"/a b"
    assert bash(script + SHELL.unset(()), "GOOGLE_APPLICATION_CREDENTIALS", shell=shell) == b"UNSET"
    assert bash(script + SHELL.unset(()), "GCLOUD_PROJECT", shell=shell) == b"UNSET"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"export A=1",
        b"export A=1\n",
        b"export A=1\r\nexport B=2\r\n",
        b"export A=1 \\",
        b"export A=1 \\\n",
        b"\xff\xfe not text\n",
        b"export GOOGLE_APPLICATION_CREDENTIALS='/old'\n",
        b"export MY_GOOGLE_APPLICATION_CREDENTIALS=/x\n",
    ],
)
def test_others_lines_stay_and_ours_count(content: bytes) -> None:
    wanted = exports(CONFIG, None)
    added = SHELL.appended(content, wanted, {})
    assert bash((content + added).replace(b"\xff\xfe not text", b""), "GOOGLE_APPLICATION_CREDENTIALS") == bytes(CONFIG)
    assert SHELL.appended(content + added, wanted, {}) == b""
    assert SHELL.ended(content + added, ())[0].startswith(content)
    assert SHELL.ended(content, ()) == (content, b"")


def test_a_changed_value_wins_and_so_does_the_change_back() -> None:
    content = b""
    for path in (Path("/a"), Path("/b"), Path("/a"), Path("/a")):
        content += SHELL.appended(content, exports(path, None), {})
        assert bash(content, "GOOGLE_APPLICATION_CREDENTIALS") == bytes(path)
    assert content.count(b"\n") == 6


def test_a_foreign_line_behind_ours_is_overruled() -> None:
    wanted = exports(CONFIG, None)
    content = SHELL.appended(b"", wanted, {}) + b"export GOOGLE_APPLICATION_CREDENTIALS=/theirs\n"
    content += SHELL.appended(content, wanted, {})
    assert bash(content, "GOOGLE_APPLICATION_CREDENTIALS") == bytes(CONFIG)
    assert SHELL.appended(content, wanted, {}) == b""


@pytest.mark.parametrize("name", PROJECT_VARIABLES)
def test_a_guessed_project_gives_way(name: str) -> None:
    for environ, content in (({name: "theirs"}, b""), ({}, b"export " + name.encode() + b"=theirs\n")):
        after = content + SHELL.appended(content, exports(CONFIG, WEAK), environ)
        assert bash(after, name, environ) == b"theirs"
        others = set(PROJECT_VARIABLES) - {name}
        assert {bash(after, other, environ) for other in others} == {b"acme-prod"}
        named = content + SHELL.appended(content, exports(CONFIG, EXPLICIT), environ)
        assert bash(named, name, environ) == b"acme-prod"


def test_a_guess_of_our_own_is_replaced_by_the_next_one() -> None:
    content = SHELL.appended(b"", exports(CONFIG, ProjectChoice(ProjectId("acme-old"), explicit=False)), {})
    sourced = dict.fromkeys(PROJECT_VARIABLES, "acme-old")
    content += SHELL.appended(content, exports(CONFIG, WEAK), sourced)
    assert {bash(content, name) for name in PROJECT_VARIABLES} == {b"acme-prod"}


def test_lines_that_a_tool_has_given_a_carriage_return_are_still_ours() -> None:
    wanted = exports(CONFIG, WEAK)
    content = SHELL.appended(b"", wanted, {}).replace(b"\n", b"\r\n")
    assert bash(content, "GOOGLE_APPLICATION_CREDENTIALS") == bytes(CONFIG)
    assert SHELL.appended(content, wanted, {}) == b""
    assert SHELL.ended(content, ()) == (b"", b"")


def test_the_file_is_made_appended_once_and_followed_through_a_link(tmp_path: Path) -> None:
    shell, link = tmp_path / "env", tmp_path / "link"
    link.symlink_to(shell)
    assert export(CONFIG, exports(CONFIG, WEAK), ExportFile(SHELL, shell), {}).added == 5
    before = shell.read_bytes()
    assert export(CONFIG, exports(CONFIG, WEAK), ExportFile(SHELL, link), {}).added == 0
    assert shell.read_bytes() == before
    assert link.is_symlink()


@given(st.binary(max_size=60), st.binary(max_size=60))
@example(b"theirs", b"more\n")
@example(b"theirs\\", b"more")
@example(b"", b"")
def test_what_a_refused_login_takes_back(before: bytes, later: bytes) -> None:
    """Everybody else's bytes stay; where somebody appended meanwhile, on a line of their own."""
    block = SHELL.appended(before, exports(CONFIG, None), {})
    assert block
    assert block_removed(before + block, block) == before
    assert block_removed(before, block) == before
    left = block_removed(before + block + later, block)
    assert left.replace(b"\n", b"") == (before + later).replace(b"\n", b"")
    if later and before and not before.endswith(b"\n"):
        assert left.startswith(before + b"\n")
    assert block_removed(before, b"") == before


class TestLoopback:
    """A config that leads to this machine, behind a proxy."""

    AGENT = CredentialConfig.build(
        ProviderName.parse("projects/1/locations/global/workloadIdentityPools/pool/providers/provider", origin="test"),
        UrlSource("http://127.0.0.1:4711/", (("X-A", "b"),)),
        Endpoints(),
    )

    def found(
        self, environ: dict[str, str], host: str | None = None, config: CredentialConfig = AGENT
    ) -> dict[str, str]:
        return {each.name: each.value for each in loopback_exports(config, host, environ)}

    @pytest.mark.parametrize(
        "name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    )
    def test_any_proxy_is_kept_away(self, name: str) -> None:
        wanted = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        assert self.found({name: "http://proxy.example:3128"}) == wanted

    def test_without_a_proxy_nothing_is_exported(self) -> None:
        assert self.found({"NO_PROXY": "a"}) == {}
        assert self.found({"HTTPS_PROXY": ""}) == {}

    @pytest.mark.parametrize(
        ("environ", "upper", "lower"),
        [
            ({"NO_PROXY": "a,b"}, "a,b,127.0.0.1", "a,b,127.0.0.1"),
            ({"no_proxy": "a, b"}, "a,b,127.0.0.1", "a,b,127.0.0.1"),
            ({"NO_PROXY": "a", "no_proxy": "b"}, "a,127.0.0.1", "b,127.0.0.1"),
            ({"NO_PROXY": "a,127.0.0.1"}, "a,127.0.0.1", "a,127.0.0.1"),
            ({"NO_PROXY": "*"}, "*", "*"),
            ({"NO_PROXY": "127.0.0.10"}, "127.0.0.10,127.0.0.1", "127.0.0.10,127.0.0.1"),
        ],
    )
    def test_what_was_there_stays(self, environ: dict[str, str], upper: str, lower: str) -> None:
        assert self.found({"HTTPS_PROXY": "x"} | environ) == {"NO_PROXY": upper, "no_proxy": lower}

    def test_it_is_the_same_in_the_step_that_has_it_already(self) -> None:
        first = self.found({"HTTPS_PROXY": "x", "NO_PROXY": "a"})
        assert self.found({"HTTPS_PROXY": "x"} | first) == first

    def test_a_file_needs_none(self) -> None:
        config = self.AGENT._replace(source=FileSource("/t"))
        assert self.found({"HTTPS_PROXY": "x"}, config=config) == {}
        assert self.found({"HTTPS_PROXY": "x"}, config=config._replace(source=UrlSource("https://x.example/"))) == {}

    def test_a_metadata_server_is_named(self) -> None:
        wanted = {"GCE_METADATA_HOST": "127.0.0.1:1", "GCE_METADATA_IP": "127.0.0.1:1"}
        assert self.found({}, "127.0.0.1:1") == wanted
        assert self.found({"https_proxy": "x"}, "127.0.0.1:1").items() >= wanted.items()

    def test_what_ends_the_exports_leaves_a_proxy_alone(self) -> None:
        assert b"PROXY" not in SHELL.unset(()).upper()


@given(st.binary(max_size=60), st.binary(max_size=60))
@example(b"theirs", b"more\n")
@example(b"export GOOGLE_APPLICATION_CREDENTIALS=/theirs\n", b"unset GOOGLE_CLOUD_PROJECT\n")
@example(b"theirs\\", b"")
def test_each_login_is_ended_by_itself(before: bytes, between: bytes) -> None:
    """In either order, with everybody else's bytes around them."""
    one, two = (exports(Path(name), WEAK) for name in ("/one", "/two"))
    content = before + SHELL.appended(before, one, {}) + between
    content += SHELL.appended(content, two, {})
    for first, second in (("/one", "/two"), ("/two", "/one")):
        left, _ = SHELL.ended_of(content, (), {first})
        assert first.encode() + b"  # gcp-wif" not in left
        assert second.encode() + b"  # gcp-wif" in left
        left, _ = SHELL.ended_of(left, (), {second, "/another name of it"})
        assert left == SHELL.ended(content, ())[0]
    assert SHELL.ended_of(content, (), {"/neither"}) == (content, b"")


def test_what_the_earlier_login_had_besides_is_unset() -> None:
    content = SHELL.appended(b"", exports(Path("/one"), EXPLICIT, executables=True, boto_path="/b"), {})
    content += SHELL.appended(content, exports(Path("/two"), None), {})
    for name in (*PROJECT_VARIABLES, "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "BOTO_PATH"):
        assert bash(content, name) == b"UNSET"
    assert SHELL.appended(content, exports(Path("/two"), None), {}) == b""
    content += SHELL.appended(content, exports(Path("/one"), WEAK), {})
    assert bash(content, PROJECT_VARIABLES[0]) == b"acme-prod"
    assert SHELL.ended(content, ()) == (b"", b"")


def test_what_somebody_else_has_set_is_not_unset() -> None:
    content = SHELL.appended(b"", exports(Path("/one"), EXPLICIT), {}) + b"export GCLOUD_PROJECT=theirs\n"
    content += SHELL.appended(content, exports(Path("/two"), None), {})
    assert bash(content, "GCLOUD_PROJECT") == b"theirs"
    assert bash(content, "GOOGLE_CLOUD_PROJECT") == b"UNSET"
