"""A phrase is found however it was printed: its words in their order, with values of a bounded size between them."""

import pytest

from gcp_wif.refusals.phrases import is_cut_phrase, says, squeezed

ISSUER = "issuer in ID Token * does not match the expected one"


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("The issuer in ID Token https://a.example does not match the expected ones: x", ISSUER, True),
        ("The issuer in ID Token " + "a" * 400 + " does not match the expected one", ISSUER, True),
        ("The issuer in ID Token " + "a" * 401 + " does not match the expected one", ISSUER, False),
        ("does not match the expected one: issuer in ID Token", ISSUER, False),
        (
            "issuer in ID Token x, and then issuer in ID Token " + "a" * 390 + " does not match the expected one",
            ISSUER,
            True,
        ),
        ("account " + "a" * 100 + " is disabled", "account ~ is disabled", True),
        ("account " + "a" * 101 + " is disabled", "account ~ is disabled", False),
        ("A: b c, d", "a ~ c ~ d", True),
        ("aXbcb", "a ~ bc ~ cb", False),  # each word stands behind the one before, not within it
        ("one and then two", "two & one", True),
        ("one and then three", "two & one", False),
        ("", "one", False),
    ],
)
def test_a_phrase_is_found(text: str, phrase: str, found: bool) -> None:
    assert says(squeezed(text), phrase) is found


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("log: credential is rejected by the attribute con", "rejected by the attribute condition", True),
        ("log: credential is rejected by the", "rejected by the attribute condition", False),  # too little is left
        ("ed by the attribute condition. And more", "rejected by the attribute condition", True),
        ("attribute condition. And more", "rejected by the attribute condition", False),
        ("The issuer in ID Token https://a.example does not ma", ISSUER, True),
        ("The issuer in ID Token " + "a" * 500, ISSUER, False),
        (
            "rejected by the attribute condition, in the middle of it",
            "something else & rejected by the attribute",
            False,
        ),
    ],
)
def test_a_phrase_that_was_cut_is_found_by_most_of_its_words(text: str, phrase: str, found: bool) -> None:
    assert is_cut_phrase(squeezed(text), phrase) is found


def test_nothing_but_letters_and_digits_counts() -> None:
    assert squeezed('A "b"\\n\t_c-1.É') == "abnc1"
