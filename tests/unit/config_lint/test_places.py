"""Where keys are: lines of JSON."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.config_lint.places import scan_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(['"', "\\", "{", "\n", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), JSON, max_size=4), st.booleans())
def test_each_key_is_on_its_line(document: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=ascii_only)
    places, lines = scan_json(text), text.split("\n")

    def follow(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                quoted = json.dumps(key, ensure_ascii=ascii_only)
                assert quoted + ":" in lines[places.line(*path, key) - 1]
                follow(below, (*path, key))

    follow(document, ())
    assert places.repeated == []


def test_repeated_keys_and_their_lines() -> None:
    assert scan_json('{"a": {"b": 1},\n"a": {"b": 2,\n"b": 3}}').repeated == [("a", 2), ("b", 3)]


def test_depth() -> None:
    assert scan_json('{"a": [[{}]], "b": {}}').depth == 4
    assert scan_json("1").depth == 0


def test_a_place_that_is_not_there_is_the_nearest_above() -> None:
    places = scan_json('{\n"a": {\n"b": [\n{"c": 1}]}}')
    assert places.line("a", "b[0]", "c") == 4
    assert places.line("a", "b", "x", "y") == 3
    assert places.line("x") == 1
    assert places.line_of("a.b[0].c.d") == 4
