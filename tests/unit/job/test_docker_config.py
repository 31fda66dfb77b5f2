"""Docker's config: one helper more, and every other byte as it was."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcp_wif.errors import InputError
from gcp_wif.job.docker_config import Registered, registered

HOSTS = ("gcr.io", "europe-west1-docker.pkg.dev")
BIG = "1" * 5000


def register(text: str, *hosts: str) -> Registered:
    return registered(text.encode(), "gcp-wif", hosts or HOSTS, origin="config.json")


def meaning(text: bytes | str) -> Any:
    """As JSON, with numbers as they are written."""
    return json.loads(text, parse_int=str, parse_float=str)


EXACT = {
    "as Docker writes it": (
        '{\n\t"auths": {\n\t\t"x": {}\n\t},\n\t"credHelpers": {\n\t\t"a.example": "b"\n\t},\n\t"x": 1\n}',
        '{\n\t"auths": {\n\t\t"x": {}\n\t},\n\t"credHelpers": {\n\t\t"a.example": "b",\n\t\t"gcr.io": "gcp-wif"\n\t},\n'
        '\t"x": 1\n}',
    ),
    "no helpers yet, four blanks, a line break at the end": (
        '{\n    "auths": {}\n}\n',
        '{\n    "auths": {},\n    "credHelpers": {\n        "gcr.io": "gcp-wif"\n    }\n}\n',
    ),
    "on one line": ('{"auths":{},"x":1e400}', '{"auths":{},"x":1e400,"credHelpers":{"gcr.io":"gcp-wif"}}'),
    "on one line, with blanks": (
        '{"auths": {}, "credHelpers": {"a": "b"}}',
        '{"auths": {}, "credHelpers": {"a": "b","gcr.io": "gcp-wif"}}',
    ),
    "empty helpers": (
        '{\r\n  "credHelpers" : {},\r\n  "x": 1\r\n}',
        '{\r\n  "credHelpers" : {\r\n    "gcr.io": "gcp-wif"\r\n  },\r\n  "x": 1\r\n}',
    ),
    "null": ('{"credHelpers": null}', '{"credHelpers": {"gcr.io": "gcp-wif"}}'),
    "another helper": (
        '{"credHelpers": {"gcr.io": "gcloud", "x": "y"}}',
        '{"credHelpers": {"gcr.io": "gcp-wif", "x": "y"}}',
    ),
    "numbers, escapes and order": (
        '{"z": 1.0, "a": 1E+2, "m": %s, "\\u00e9": "\\/"}' % BIG,
        '{"z": 1.0, "a": 1E+2, "m": %s, "\\u00e9": "\\/","credHelpers": {"gcr.io": "gcp-wif"}}' % BIG,
    ),
    "a key as Go reads it": ('{"CREDHELPERS": {"a": "b"}}', '{"CREDHELPERS": {"a": "b","gcr.io": "gcp-wif"}}'),
    "a key that is written with escapes": (
        '{"credHelper\\u0073": {"gcr\\u002eio": "x"}}',
        '{"credHelper\\u0073": {"gcr\\u002eio": "gcp-wif"}}',
    ),
    "an empty object": ("{}", '{\n\t"credHelpers": {\n\t\t"gcr.io": "gcp-wif"\n\t}\n}'),
    "an empty file": ("", '{\n\t"credHelpers": {\n\t\t"gcr.io": "gcp-wif"\n\t}\n}'),
    "braces in a string": ('{"a": "}{"}', '{"a": "}{","credHelpers": {"gcr.io": "gcp-wif"}}'),
}


@pytest.mark.parametrize("name", EXACT)
def test_one_entry_is_all_that_changes(name: str) -> None:
    before, after = EXACT[name]
    assert register(before, "gcr.io").content.decode() == after


def test_what_was_replaced_is_told() -> None:
    done = register('{"credHelpers": {"gcr.io": "gcloud"}}')
    assert (done.added, done.replaced) == (("europe-west1-docker.pkg.dev",), {"gcr.io": "gcloud"})


def test_twice_is_the_same() -> None:
    once = register('{"x": 1}')
    assert registered(once.content, "gcp-wif", HOSTS, origin="x") == Registered(once.content, (), {})


BROKEN = {
    "no JSON": "{",
    "something behind it": '{"a": 1} x',
    "a list": "[]",
    "a string": '"credHelpers"',
    "helpers that are a list": '{"credHelpers": []}',
    "a helper that is no name": '{"credHelpers": {"x": 1}}',
    "helpers twice": '{"credHelpers": {}, "credHelpers": {}}',
    "helpers twice as Go reads it": '{"credHelpers": {}, "CredHelpers": {}}',
    "a host twice": '{"credHelpers": {"gcr.io": "a", "gcr.io": "b"}}',
    "a comment": '{"a": 1} // mine',
    "a comma too much": '{"a": 1,}',
    "no number": '{"a": NaN}',
    "endless": '{"a": -Infinity}',
    "a byte order mark": "\ufeff{}",
    "nested too deeply": '{"a":' * 100_000,
    "nested and closed": '{"a":' * 100_000 + "1" + "}" * 100_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        register(BROKEN[name])
    assert caught.value.code == "WIF320"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        registered(b'{"a": "\xff"}', "gcp-wif", HOSTS, origin="x")
    assert caught.value.code == "WIF320"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HELPERS = st.none() | st.dictionaries(
    st.sampled_from([*HOSTS, "x.example", ""]), st.sampled_from(["gcloud", "gcp-wif"])
)


@given(
    st.dictionaries(st.text(max_size=6).filter(lambda name: name.lower() != "credhelpers"), VALUES, max_size=4),
    st.booleans(),
    HELPERS,
    st.sampled_from([None, 0, 2, "\t"]),
    st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
    st.booleans(),
)
@example({}, True, None, None, (", ", ": "), False)
def test_only_the_helpers_change(others, has, helpers, indent, separators, first) -> None:
    document = {"credHelpers": helpers} | others if first else others | {"credHelpers": helpers}
    if not has:
        del document["credHelpers"]
    text = json.dumps(document, indent=indent, separators=separators)
    done = register(text)
    wanted = meaning(text)
    wanted["credHelpers"] = (wanted.get("credHelpers") or {}) | dict.fromkeys(HOSTS, "gcp-wif")
    found = meaning(done.content)
    assert found == wanted
    assert list(found) == list(wanted)
    assert list(found["credHelpers"]) == list(wanted["credHelpers"])
    assert register(done.content.decode()).content == done.content
