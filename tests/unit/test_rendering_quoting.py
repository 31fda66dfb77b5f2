"""Each quoted value is read back by the language's own reader: a YAML library, bash, Terraform."""

import base64
import json
import os
import re
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gcp_wif.ci import system
from gcp_wif.errors import InputError
from gcp_wif.rendering.header import remade_by
from gcp_wif.rendering.quoting import as_bash, as_comment, as_hcl, as_yaml, shell_line

PIECES = [
    *("'", '"', "\\", "$", "${", "%{", "$${", "}", "<<", ">>", "\\<<", "<<<", "{{", "}}", "\n", "\r", "\t", " ", "#"),
    *(": ", "- ", "`", "$(id)", "~", "!", "|", "&", "*", "\u2028", "\x85", "\xa0", "\ufeff", "\x7f", "\x1b", "é", "😀"),
    *("yes", "null", "1e3", "0x1F", "1:30", "=", "<", "EOF"),
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(TEXTS)
@example("y")
@example("No")
@example("")
@example("2026-11-24")
@example("\ufffe")
def test_yaml(text: str) -> None:
    quoted = as_yaml(text)
    assert "\n" not in quoted
    assert yaml.safe_load(f"a: {quoted}") == {"a": text}
    assert yaml.safe_load(f"- {quoted}:\n    b: 1") == [{text: {"b": 1}}]
    assert yaml.safe_load(f"a: [{quoted}, {quoted}]") == {"a": [text, text]} or "," not in text


@given(TEXTS)
@example("cat <<EOF <<<x \\<<")
def test_circleci(text: str) -> None:
    value = yaml.safe_load(f"a: {as_yaml(system('circleci').escape(text))}")["a"]
    # CircleCI takes << for the beginning of an expression unless a backslash precedes it (its page on reusing config).
    found = re.findall(r"\\<<|<<", value)
    assert "<<" not in found
    assert re.sub(r"\\<<", "<<", value) == text


@pytest.mark.client
@FEW
@given(texts=st.lists(TEXTS.filter(lambda text: "\x00" not in text), min_size=1, max_size=30))
@example(texts=PIECES)
def test_bash(require_client: Callable[..., str], texts: list[str]) -> None:
    program = require_client("bash", proves="that quoted values are one word each")
    lines = [shell_line(text) for text in texts]
    assert not any("\n" in line or "\r" in line for line in lines)
    script = f"printf '%s\\0' {' '.join(as_bash(text) for text in texts)} {' '.join(lines)}"
    done = subprocess.run([program, "-uc", script], capture_output=True, env={"PATH": ""}, timeout=60, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [*texts, *texts]


def test_bash_cannot_hold_nul() -> None:
    with pytest.raises(InputError) as caught:
        as_bash("a\x00b")
    assert caught.value.code == "WIF732"


@pytest.mark.client
@FEW
@given(texts=st.lists(TEXTS, min_size=1, max_size=30))
@example(texts=["${a}", "$${a}", "$$${a}", "$$$${", "%{ if }", "%%{", "$%{", "%${", "\\${", "$", "$$", "{", "\\\\${x"])
def test_hcl(require_client: Callable[..., str], tmp_path: Path, texts: list[str]) -> None:
    program = require_client("terraform", proves="that Terraform reads quoted values as they are")
    expression = f"base64encode(jsonencode([{', '.join(as_hcl(text) for text in texts)}]))\n"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(
        [program, "console"],
        input=expression.encode(),
        cwd=tmp_path,
        env=env,
        capture_output=True,
        timeout=60,
        check=True,
    )
    read = json.loads(base64.b64decode(json.loads(done.stdout)))
    assert read == [unicodedata.normalize("NFC", text) for text in texts]


@given(TEXTS)
def test_a_comment_ends_with_its_line(text: str) -> None:
    assert len(f"# {as_comment(text)}".splitlines()) == 1


def test_the_command_that_makes_a_file_again_stays_on_its_line() -> None:
    assert remade_by("orb") == "gcp-wif render orb"
    odd = remade_by("circleci", "--manifest", "it's\nrm -rf x.toml")
    assert odd == r"gcp-wif render circleci --manifest $'it\'s\012rm -rf x.toml'"
