"""Messages as Google's JSON transcoding reads them: names, types, limits, masks, pages."""

import pytest

from gcp_wif.emulator.model.errors import ApiError
from gcp_wif.emulator.model.messages import Field, camel, masked, page, read

FIELDS = {
    "name": Field("output"),
    "displayName": Field("string", 5),
    "mode": Field("string", values=("A", "B"), immutable=True),
    "disabled": Field("bool"),
    "size": Field("int"),
    "tags": Field("strings"),
    "labels": Field("map"),
    "oidc": Field("message", message={"issuerUri": Field("string"), "allowedAudiences": Field("strings")}),
    "aws": Field("foreign"),
}


def refused(call, *arguments, **rest) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call(*arguments, **rest)
    assert caught.value.status == "INVALID_ARGUMENT"
    return caught.value


def test_names_come_in_both_cases() -> None:
    assert camel("display_name") == camel("displayName") == "displayName"
    assert read({"display_name": "x", "oidc": {"issuer_uri": "y"}}, FIELDS, "thing") == {
        "displayName": "x",
        "oidc": {"issuerUri": "y"},
    }


def test_default_values_and_outputs_are_left_away() -> None:
    body = {"name": "n", "displayName": "", "disabled": False, "size": 0, "tags": [], "labels": {}, "oidc": {}}
    assert read(body | {"mode": None}, FIELDS, "thing") == {}


@pytest.mark.parametrize(
    "body",
    [
        {"displayName": 1},
        {"displayName": "123456"},
        {"displayName": "\ud800"},
        {"labels": {"\ud800": "x"}},
        {"labels": {"a": 1}},
        {"tags": ["\ud800"]},
        {"tags": "a"},
        {"disabled": "true"},
        {"disabled": 1},
        {"size": True},
        {"size": 2**31},
        {"mode": "C"},
        {"oidc": []},
        {"oidc": {"x": 1}},
        {"aws": {}},
        {"no_such": 1},
        [],
        "x",
    ],
    ids=ascii,
)
def test_what_is_refused(body: object) -> None:
    error = refused(read, body, FIELDS, "thing")
    assert error.details[0]["fieldViolations"][0]["field"].startswith("thing")


def test_limits_count_characters() -> None:
    assert read({"displayName": "é" * 5}, FIELDS, "thing")


class TestMasks:
    PRESENT = {  # noqa: RUF012 - a test changes it nowhere, and one asserts that
        "displayName": "old",
        "labels": {"a": "1", "b": "2"},
        "oidc": {"issuerUri": "i", "allowedAudiences": ["a"]},
    }

    def apply(self, update: dict, mask: str) -> dict:
        before = repr(self.PRESENT)
        result = masked(self.PRESENT, update, mask, FIELDS)
        assert repr(self.PRESENT) == before
        return result

    def test_only_what_the_mask_names_changes(self) -> None:
        assert self.apply({"displayName": "new", "labels": {}}, "displayName") == self.PRESENT | {"displayName": "new"}

    def test_what_the_update_leaves_away_is_cleared(self) -> None:
        assert "displayName" not in self.apply({}, "display_name")

    def test_a_map_is_replaced_whole(self) -> None:
        assert self.apply({"labels": {"c": "3"}}, "labels")["labels"] == {"c": "3"}

    def test_a_leaf_leaves_its_neighbours_alone(self) -> None:
        changed = self.apply({"oidc": {"allowedAudiences": ["b"], "issuerUri": "x"}}, "oidc.allowed_audiences")
        assert changed["oidc"] == {"issuerUri": "i", "allowedAudiences": ["b"]}
        assert self.apply({}, "oidc.allowedAudiences")["oidc"] == {"issuerUri": "i"}

    def test_a_message_without_content_goes(self) -> None:
        assert "oidc" not in self.apply({}, "oidc.allowedAudiences,oidc.issuerUri")

    @pytest.mark.parametrize(
        "mask", ["", " , ", "no_such", "oidc.x", "oidc.issuerUri.x", "displayName.x", "mode", "name", "aws", "*"]
    )
    def test_masks_that_are_refused(self, mask: str) -> None:
        refused(masked, self.PRESENT, {}, mask, FIELDS)


class TestPages:
    NAMES = tuple("dacbe")

    def test_they_come_in_order_and_end(self) -> None:
        seen, token = [], ""
        for _ in range(3):
            names, token = page(self.NAMES, {"pageSize": "2", "pageToken": token or ""}, default=50, most=100)
            seen.append("".join(names))
        assert (seen, token) == (["ab", "cd", "e"], None)

    def test_a_full_last_page_has_no_next_one(self) -> None:
        assert page(self.NAMES, {"pageSize": "5"}, default=50, most=100) == (["a", "b", "c", "d", "e"], None)

    def test_a_name_that_goes_between_two_pages_hides_no_other(self) -> None:
        _, token = page(self.NAMES, {"pageSize": "2"}, default=50, most=100)
        assert page(("a", "c", "d"), {"pageToken": token or ""}, default=50, most=100) == (["c", "d"], None)

    @pytest.mark.parametrize(("size", "expected"), [("0", 2), ("", 2), ("3", 3), ("9", 4), ("999999999", 4)])
    def test_defaults_and_limits(self, size: str, expected: int) -> None:
        assert len(page(self.NAMES, {"pageSize": size}, default=2, most=4)[0]) == expected

    @pytest.mark.parametrize(
        "query", [{"pageSize": "-1"}, {"pageSize": "x"}, {"pageSize": "1e3"}, {"pageToken": "x"}, {"pageToken": "cP8="},
                  {"pageToken": "YQ=="}, {"pageToken": "é"}], ids=str
    )  # fmt: skip
    def test_what_is_refused(self, query: dict[str, str]) -> None:
        refused(page, self.NAMES, query, default=2, most=4)
