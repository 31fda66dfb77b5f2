"""A condition taken apart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcp_wif.federation import trace_condition

CLAIMS = {"sub": "a", "ref": "refs/heads/main", "list": ["x"], "flag": False}


def trace(condition: str, **attributes: str) -> list[tuple[str, int, str | None]]:
    return [(each.text, each.depth, each.value) for each in trace_condition(condition, CLAIMS, {}, attributes)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("assertion.sub == 'a'", [("assertion.sub == 'a'", 0, "true"), ("assertion.sub", 1, "a")]),
        ("true && false", [("true && false", 0, "false"), ("true", 1, "true"), ("false", 1, "false")]),
        (
            "assertion.ref == 'x && y' || !assertion.flag",
            [
                ("assertion.ref == 'x && y' || !assertion.flag", 0, "true"),
                ("assertion.ref == 'x && y'", 1, "false"),
                ("assertion.ref", 2, "refs/heads/main"),
                ("!assertion.flag", 1, "true"),
                ("assertion.flag", 2, "false"),
            ],
        ),
        (
            "(true || false) && 'x' in assertion.list",
            [
                ("(true || false) && 'x' in assertion.list", 0, "true"),
                ("(true || false)", 1, "true"),
                ("true", 2, "true"),
                ("false", 2, "false"),
                ("'x' in assertion.list", 1, "true"),
                ("assertion.list", 2, "['x']"),
            ],
        ),
        (
            "assertion.flag ? true : false",
            [
                ("assertion.flag ? true : false", 0, "false"),
                ("assertion.flag", 1, "false"),
                ("true", 1, "true"),
                ("false", 1, "false"),
            ],
        ),
        (
            "assertion.list.exists(e, e == 'x' && true)",
            [("assertion.list.exists(e, e == 'x' && true)", 0, "true"), ("assertion.list", 1, "['x']")],
        ),
        (
            "assertion.sub.startsWith('b')",
            [("assertion.sub.startsWith('b')", 0, "false"), ("assertion.sub", 1, "a")],
        ),
        (
            "attribute.none == 'x'",
            [("attribute.none == 'x'", 0, None), ("attribute.none", 1, None)],
        ),
    ],
)
def test_parts(condition: str, expected: list[tuple[str, int, str | None]]) -> None:
    assert trace(condition) == expected


def test_the_reason_stands_where_a_part_fails() -> None:
    (whole, _) = trace_condition("attribute.none == 'x'", CLAIMS, {}, {})
    assert whole.failed
    assert "none" in str(whole.error)


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3))
def test_any_text_is_taken_apart_without_an_error(condition: str, claims: dict[str, Any]) -> None:
    assert trace_condition(condition, claims, {}, {})[0].depth == 0


@given(st.text("()[]{}?:&|!'\"a =<>", max_size=60))
def test_brackets_and_operators_in_any_order(condition: str) -> None:
    assert len(trace_condition(condition, {}, {}, {})) <= 200
