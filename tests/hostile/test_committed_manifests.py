"""Manifests that somebody hostile, or careless, committed: `check` reads them before anybody has looked at them."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_check import measured
from provisioned import MANIFEST

from gcp_wif.config_lint import check_text
from gcp_wif.config_lint.places import scan_toml
from gcp_wif.limits import MAX_MANIFEST_PROBLEMS, MAX_TOML_KEY_PARTS
from gcp_wif.manifest import Manifest, ManifestError


def codes(text: str) -> list[str]:
    return [each.code for each in check_text("gcp-wif.toml", text)]


@pytest.mark.parametrize(
    "extra",
    [
        "# eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
        'client_secret = "hunter2"',
        'note = "glpat-zYxWvUtSrQpOnMlKjIhG"',
        'note = "glp\\u0061t-zYxWvUtSrQpOnMlKjIhG"',
        'url = "https://user:hunter2@issuer.example"',
    ],
)
def test_secrets(extra: str) -> None:
    """W15: in comments, by the name of a key, by the shape of a value, behind escapes."""
    found = list(check_text("gcp-wif.toml", extra + "\n" + MANIFEST))
    assert ("WIF451", 1) in [(each.code, each.line) for each in found]
    assert "hunter2" not in str(found)


def test_names_of_keys_cannot_write_to_the_terminal_nor_show_a_secret() -> None:
    """W15, W18: an unknown key is named in a message, and may be anything."""
    text = '"\\u001b[2J\\n::error::x" = 1\n"glpat-zYxWvUtSrQpOnMlKjIhG" = 1\n' + MANIFEST
    found = list(check_text("gcp-wif.toml", text))
    assert [each.code for each in found] == ["WIF451", "WIF702", "WIF702"]
    assert all(each.message.isprintable() for each in found)
    assert "zYxWvUtSr" not in str(found)


def test_a_claim_may_be_called_token() -> None:
    """W15: below `attribute_mapping` and `allow`, names are claims and say nothing of a secret."""
    text = MANIFEST + '\n[provider.attribute_mapping]\n"attribute.token" = "assertion.token"\nattribute.secret = "x"\n'
    assert "WIF451" not in codes(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("an integer of 5,000 digits", MANIFEST.replace('"123456789012"', "1" * 5_000)),
        ("deep arrays", MANIFEST + "\n[x]\na = " + "[" * 50_000),
        ("deep tables", "a = " + "{a = " * 50_000),
        ("a key with 20,000 dots", ".".join(["a"] * 20_001) + " = 1\n"),
        ("a quoted key with 20,000 dots", ".".join(['"a"'] * 20_001) + " = 1\n"),
        ("a spaced key with 20,000 dots", " . ".join(["'a'"] * 20_001) + " = 1\n"),
        ("a table with 20,000 dots", "[" + ".".join(["a"] * 20_001) + "]\n"),
        ("an inline key with 20,000 dots", "x = {" + ".".join(["a"] * 20_001) + " = 1}\n"),
    ],
)
def test_documents_that_no_parser_likes(name: str, text: str) -> None:
    """D22, W21: a finding with a clear text, not a crash and not gigabytes."""
    (found,) = check_text("gcp-wif.toml", text)
    assert found.code == "WIF701"
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(text, origin="gcp-wif.toml")
    assert [problem.code for problem in caught.value.problems] == ["WIF701"]


def test_a_key_as_long_as_is_allowed_is_read() -> None:
    """W21: the bound is where limits.py says, and a sentence with dots in a string is no key."""
    key = ".".join(["a"] * MAX_TOML_KEY_PARTS)
    assert codes(f"{key} = 1\n{MANIFEST}") == ["WIF702"]
    assert codes(f"{key}.a = 1\n{MANIFEST}") == ["WIF701"]
    assert codes(f"# {'etc. and so on. ' * 100}\n{MANIFEST}") == []


def test_problems_are_counted_beyond_a_hundred() -> None:
    """W21: `plan` would print each of 90,000."""
    text = "".join(f"k{number} = 1\n" for number in range(1_000)) + MANIFEST
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(text, origin="gcp-wif.toml")
    assert len(caught.value.problems) == MAX_MANIFEST_PROBLEMS + 1
    assert "900 more" in caught.value.problems[-1].message


def test_suggestions_are_made_for_the_first_unknown_keys_alone() -> None:
    """W21: each is a fuzzy search."""
    text = "".join(f"issuer{number} = 1\n" for number in range(30)) + MANIFEST
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(text, origin="gcp-wif.toml")
    suggestions = [problem for problem in caught.value.problems if "did you mean issuer" in problem.message]
    assert (len(caught.value.problems), len(suggestions)) == (30, 20)


def test_bytes_that_are_not_utf8() -> None:
    """D22: an encoded surrogate, a byte of Latin-1, UTF-16."""
    for data in (MANIFEST.encode() + b"# \xed\xa0\x80", MANIFEST.encode() + b"# \xe9"):
        assert [each.code for each in check_text("gcp-wif.toml", data)] == ["WIF462"]
    assert "WIF462" in [each.code for each in check_text("gcp-wif.toml", MANIFEST.encode("utf-16"))]


VALUES = st.recursive(
    st.sampled_from(["1", "true", '"a#b"', "'x=y'", '"""\na\n"""', "1979-05-27", '"\\""', "'''a\n'b'''", "1.5", "-7"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: "[" + ", ".join(values) + "]")
        | st.lists(inner, max_size=3).map(
            lambda values: "{" + ", ".join(f"k{number} = {value}" for number, value in enumerate(values)) + "}"
        )
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["a", '"b c"', "'d'", "e.f", 'g."h.i"', "a-b", "1"])


@given(st.lists(st.tuples(st.sampled_from(["key", "table", "list"]), NAMES, VALUES), max_size=8))
def test_places_are_those_of_the_key(parts: list[tuple[str, str, str]]) -> None:
    """The scan follows whatever tomllib takes: each key at the top level is found on a line that holds it."""
    rows = []
    for number, (kind, name, value) in enumerate(parts):
        key = f"{name}.x{number}"
        rows.append({"key": f"{key} = {value}", "table": f"[{key}]\ny = {value}", "list": f"[[{key}]]"}[kind])
    text = "\n".join(rows) + "\n"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    places, lines = scan_toml(text), text.split("\n")

    def follow(table: dict[str, object], path: tuple[str, ...]) -> None:
        for key, value in table.items():
            if key.startswith("x") and len(path) < 3:
                assert key in lines[places.line(*path, key) - 1], (text, path, key)
            if isinstance(value, dict) and len(path) < 3:
                follow(value, (*path, key))

    if all(kind == "key" for kind, _, _ in parts):
        follow(document, ())
    assert all(1 <= each.line <= len(lines) for each in places.scalars)


BIG = {
    "90,000 unknown keys": "".join(f"k{number} = 1\n" for number in range(70_000)) + MANIFEST,
    "a key with 20,000 dots": ".".join(["a"] * 20_001) + " = 1\n" + MANIFEST,
    "30 parts in each of 13,000 keys": "".join(f"{'.'.join(['a'] * 30)}.z{n} = 1\n" for n in range(13_000)) + MANIFEST,
    "escaped quotes": '"\\' * 490_000,
    "quotes": '"' * 990_000,
    "one long word": "a" * 990_000,
    "tables": MANIFEST + "".join(f"[t{number}]\n" for number in range(90_000)),
    "5,500 rules in 409 KB": MANIFEST
    + '[identities.big]\nservice_account = "bigger@acme-prod.iam.gserviceaccount.com"\nallow = [\n'
    + "".join(
        f'{{ project = "8f3c1d52-1111-4222-8333-{number:012d}", branch = "b{number}" }},\n' for number in range(5_500)
    )
    + "]\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
def test_small_files_take_no_long_time(name: str, tmp_path: Path) -> None:
    """W21: at most 1 MB of file, 5 seconds of a processor and 300 MB."""
    path = tmp_path / "gcp-wif.toml"
    path.write_text(BIG[name])
    seconds, megabytes, code, told = measured(path)
    assert code == 1, told
    assert "WIF001" not in told
    assert (seconds < 5, megabytes < 300) == (True, True), (seconds, megabytes)
