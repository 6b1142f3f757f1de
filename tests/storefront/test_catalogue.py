# SPDX-License-Identifier: Apache-2.0
"""What the storefront knows of a shop, from its CSVs."""

import json
from pathlib import Path

import pytest

from local.cloud.environments import LocalError
from local.storefront.catalogue import catalogue, document
from tests.storefront.shop import files


def test_items_are_rows_of_the_columns_whatever_their_case(tmp_path: Path) -> None:
    goods = catalogue("green", **files(tmp_path))
    assert goods["columns"] == ["id", "name", "price", "l1", "l2"]
    assert goods["items"][0] == ["bread-0", "Bread 0 8 oz (maker 0)", 0.5, "Bakery", "bread"]


def test_sample_shoppers_differ_and_have_a_past(tmp_path: Path) -> None:
    shoppers = catalogue("green", **files(tmp_path))["shoppers"]
    assert len({shopper["id"] for shopper in shoppers}) == 6
    assert len({tuple(shopper["facts"].values()) for shopper in shoppers[:3]}) == 3
    assert all(len(shopper["last"]) == 10 and len(shopper["often"]) == 3 for shopper in shoppers)


def test_profiles_are_choices_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    values = ["100-124K", "Under 15K", "15-24K", "Unknown"]
    users.write_text("USER_ID,INCOME,CITY\n" + "".join(f"u{n},{values[n % 4]},c{n}\n" for n in range(40)))
    assert catalogue("green", users=users)["profiles"] == {"INCOME": ["Under 15K", "15-24K", "100-124K"]}


def test_a_shop_without_files_is_known_by_its_name() -> None:
    assert catalogue("bare") == {
        "shop": "bare", "columns": ["id", "name", "price", "l1", "l2"], "items": [], "shoppers": [], "profiles": {},
    }  # fmt: skip


def test_a_price_that_is_none_is_null(tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_text("ITEM_ID,TITLE,PRICE\na,A,free\nb,B,inf\nc,C,\nc,again,1\nd,D,1e2\n")
    rows = json.loads(document(catalogue("green", items=items)))["items"]
    assert [row[:3] for row in rows] == [["a", "A", None], ["b", "B", None], ["c", "C", None], ["d", "D", 100.0]]


@pytest.mark.parametrize("content", ["NAME\nbread\n", ""])
def test_a_file_that_is_of_no_use_is_named(content: str, tmp_path: Path) -> None:
    items = tmp_path / "goods.csv"
    items.write_text(content)
    with pytest.raises(LocalError, match="goods"):
        catalogue("green", items=items)
