"""The table of Google's refusals: whole, in order, and found in any client's words."""

import json

import pytest

from gcp_wif.doctor.report import LINKS
from gcp_wif.emulator.model.errors import HTTP_STATUS
from gcp_wif.refusals import TABLE, Refusal, RefusalKind, Row, read_error, recognise, row_of

VALUES = {
    **dict.fromkeys(
        ("found", "expected", "issued_at", "service", "project", "host", "value", "attribute", "pool", "path"),
        "some-value",
    ),
    "account": "ci@acme.iam.gserviceaccount.com",
    "permission": "storage.objects.get",
    "resource": "projects/_/buckets/acme",
}


def test_each_kind_has_one_row() -> None:
    assert [row.kind for row in TABLE] == list(RefusalKind)
    assert [row.kind.code for row in TABLE] == sorted(row.kind.code for row in TABLE)
    assert all(row_of(row.kind) is row for row in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kind.name)
def test_every_sentence_of_googles_is_recognised_in_any_clients_words(row: Row) -> None:
    sentence = Refusal.of(row.kind, **VALUES).description
    for text in (
        sentence,
        json.dumps({"error": row.error, "error_description": sentence}),
        f"ERROR: ('Error code x: {sentence}', '{json.dumps({'d': json.dumps(sentence)})}')",
    ):
        assert recognise(text) is row
    error = row.as_error(sentence)
    assert (error.exit_code, error.code, str(error)) == (1, row.kind.code, sentence)
    assert row.meaning in (error.hint or "")
    assert all(line in (error.hint or "") for line in row.fixes)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kind.name)
def test_each_row_has_a_place_in_the_chain_and_a_true_status(row: Row) -> None:
    assert row.link in LINKS
    if row.service == "client":  # nothing answered
        assert (row.http_status, row.error) == (0, "")
        return
    # STS answers with OAuth errors (RFC 6749, section 5.2), the others with google.rpc.Code, which gives the status.
    assert row.http_status == HTTP_STATUS.get(row.error, row.http_status)
    assert (row.error in HTTP_STATUS) == row.error.isupper()


def test_other_text_is_not_recognised() -> None:
    assert recognise("connection reset by peer") is None
    sentence = "The given credential is rejected by the attribute condition."
    assert recognise(" x" * 20_000 + sentence + " x" * 20_000) is row_of(RefusalKind.CONDITION_FALSE)
    assert recognise(" x" * 60_000 + sentence) is row_of(RefusalKind.CONDITION_FALSE)
    assert recognise(" x" * 60_000 + sentence + " x" * 60_000) is None  # the middle of a text that is too long


def test_no_phrase_of_a_row_stands_in_the_sentence_of_another() -> None:
    wrong = {}
    for row in TABLE:
        named = read_error(Refusal.of(row.kind, **VALUES).description).causes
        if named != (row,):
            wrong[row.kind.name] = [each.kind.name for each in named]
    assert wrong == {}
