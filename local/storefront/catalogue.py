# SPDX-License-Identifier: Apache-2.0
"""The storefront's data about a shop: items with names and prices, and a few users to log in as.

It comes from the CSVs that the shop drops, in any order and case of their columns. Without an items CSV the storefront
shows what the API's answers carry.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl

from local.cloud.environments import LocalError

ITEM_COLUMNS = {
    "id": ("ITEM_ID",),
    "name": ("NAME", "PRODUCT_NAME", "ITEM_NAME", "TITLE"),
    "price": ("PRICE",),
    "l1": ("CATEGORY_L1", "CATEGORY"),
    "l2": ("CATEGORY_L2",),
}
"""Fields of an item in the catalogue, and the columns that they may come from, best first."""
SHOPPERS = 6
LAST = 12
"""How many of the newest items of a user's history are shown."""
OFTEN = 3
"""How many typical categories of a user are shown."""
CHOICES = 24
"""The most values of a users' column that a form offers as a choice."""


def catalogue(
    shop: str, items: Path | None = None, users: Path | None = None, interactions: Path | None = None
) -> dict[str, Any]:
    """Return the document at ``/catalogue.json``: ``{shop, columns, items, shoppers, profiles}``.

    An item is a row of `columns`. A shopper has an id, the `facts` of the users CSV, the newest item ids (`last`) and
    typical categories (`often`). `profiles` has the values of each users' column, for the form of a new shopper.
    """
    goods = read(items, "ITEM_ID") if items else None
    people = read(users, "USER_ID") if users else None
    history = read(interactions, "USER_ID", "ITEM_ID", "TIMESTAMP") if interactions else None
    return {
        "shop": shop,
        "columns": list(ITEM_COLUMNS),
        "items": item_rows(goods) if goods is not None else [],
        "shoppers": shoppers(people, history, goods) if people is not None else [],
        "profiles": profiles(people) if people is not None else {},
    }


def for_strangers(shop: str, items: Path | None, api: str) -> dict[str, Any]:
    """Return the document for anonymous users, whose pages ask the API of browsers at the path `api`."""
    return catalogue(shop, items) | {"api": api, "tokens": True}


def document(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def read(path: Path, *required: str) -> pl.DataFrame:
    """Read a CSV: columns in upper case, values as text, no text as ""."""
    try:
        table = pl.read_csv(path, infer_schema=False).fill_null("")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LocalError(f"{path} cannot be read as a CSV: {str(error).splitlines()[0]}") from None
    table = table.rename({name: name.strip().upper() for name in table.columns}, strict=False)
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise LocalError(f"{path} has no column {missing[0]}")
    return table


def item_rows(goods: pl.DataFrame) -> list[list[str | float | None]]:
    """Return rows of :data:`ITEM_COLUMNS`, similar items side by side; a price that is not a number is null."""
    columns = []
    for field, names in ITEM_COLUMNS.items():
        source = next((name for name in names if name in goods.columns), None)
        column = pl.lit(None, pl.String) if source is None else pl.col(source)
        number = column.cast(pl.Float64, strict=False)
        columns.append((pl.when(number.is_finite()).then(number) if field == "price" else column).alias(field))
    rows = goods.select(columns).unique("id", keep="first", maintain_order=True)
    return [list(row) for row in rows.sort("l1", "l2", "name", "id").iter_rows()]


def profiles(people: pl.DataFrame) -> dict[str, list[str]]:
    """Return the values of each column that is a choice, in reading order."""
    choices = {}
    for name in people.columns:
        values = sorted(set(people[name]) - {"", "Unknown"}, key=amount)
        if name != "USER_ID" and 1 < len(values) <= CHOICES:
            choices[name] = values
    return choices


def amount(text: str) -> tuple[float, str]:
    """Return a key that puts `Under 15K` before `15-24K` before `100-124K`."""
    digits = "".join(char if char.isdigit() else " " for char in text).split()
    below = 0.5 if text.lower().startswith("under") else 0.0
    return (float(digits[0]) - below if digits else 0.0), text


def shoppers(people: pl.DataFrame, history: pl.DataFrame | None, goods: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Choose a few users who differ: the next one has the most new facts, then the richest history."""
    facts = {str(row["USER_ID"]): row for row in people.to_dicts()}
    candidates = usual(history, facts) if history is not None else list(facts)
    chosen: list[str] = []
    seen: set[tuple[str, str]] = set()
    while candidates and len(chosen) < SHOPPERS:
        best = max(candidates, key=lambda user: len(set(facts[user].items()) - seen))
        chosen.append(best)
        candidates.remove(best)
        seen |= set(facts[best].items())
    pasts = {user: past(user, history, goods) for user in chosen} if history is not None else {}
    return [
        {"id": user, "facts": {name: value for name, value in facts[user].items() if name != "USER_ID"}}
        | pasts.get(user, {"last": [], "often": []})
        for user in chosen
    ]


def usual(history: pl.DataFrame, known_users: dict[str, Any]) -> list[str]:
    """Return users who buy about as much as most, those with the most kinds of items first."""
    counts = history.group_by("USER_ID").agg(pl.len().alias("rows"), pl.col("ITEM_ID").n_unique().alias("kinds"))
    counts = counts.filter(pl.col("USER_ID").is_in(list(known_users)))
    middle = pl.col("rows").median()
    some = counts.filter(pl.col("rows").is_between(middle, 2 * middle))
    return some.sort("kinds", "USER_ID", descending=[True, False])["USER_ID"].to_list()


def past(user: str, history: pl.DataFrame, goods: pl.DataFrame | None) -> dict[str, list[str]]:
    """Return what a user bought last, and the categories of which they buy much and more than others."""
    rows = history.filter(pl.col("USER_ID") == user).sort("TIMESTAMP", "ITEM_ID", descending=[True, False])
    last = rows["ITEM_ID"].unique(maintain_order=True).head(LAST).to_list()
    often: list[str] = []
    if goods is not None and "CATEGORY_L2" in goods.columns:
        shelves = goods.select("ITEM_ID", "CATEGORY_L2").filter(pl.col("CATEGORY_L2") != "")
        bought, all_ = (table.join(shelves, on="ITEM_ID").group_by("CATEGORY_L2").len() for table in (rows, history))
        typical = bought.join(all_, on="CATEGORY_L2", suffix="_all").with_columns(
            typical=pl.col("len").pow(2) / pl.col("len_all")
        )
        often = typical.sort("typical", "CATEGORY_L2", descending=[True, False])["CATEGORY_L2"].head(OFTEN).to_list()
    return {"last": last, "often": often}
