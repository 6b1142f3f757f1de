# SPDX-License-Identifier: Apache-2.0
"""What a shop sold, before any program exports it.

The shop is made up, from a seed. If the variable DATA names a folder with the data sets `online-retail` and
`retail-demo-store` in Personalize's form, their first rows take its place.
"""

import csv
import gzip
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

ROWS = 3_000
START = 1_767_229_200
"""2026-01-01 01:00 UTC."""
NAMES = ("Teapot, blue", 'Mug "Best Dad"', "Größe L Tasse", "하트 쿠션", "Lunch bag", "Cake stand; two tiers", "Clock")


@dataclass(frozen=True)
class Sale:
    """One line of an order, or one event; a return has a negative quantity."""

    order: int
    user: str
    item: str
    name: str
    type: str
    time: int
    """Unix time."""
    quantity: int
    cents: int
    """The price of one."""

    @property
    def price(self) -> str:
        return f"{self.cents / 100:.2f}"


def sales() -> Sequence[Sale]:
    """Return purchases and returns, in order of time."""
    return _read("online-retail", "NAME") or tuple([sale for sale in _made_up() if sale.type in {"Purchase", "Return"}])


def events() -> Sequence[Sale]:
    """Return views, additions to carts and purchases, in order of time."""
    return _read("retail-demo-store", "PRODUCT_NAME") or tuple(sale for sale in _made_up() if sale.type != "Return")


@cache
def _made_up() -> tuple[Sale, ...]:
    chance = random.Random(20_260_101)  # noqa: S311 - not for secrets
    items = [f"{chance.randrange(10_000, 99_999)}{'A' if number % 9 == 4 else ''}" for number in range(80)]
    cents = [chance.randrange(95, 30_000) for _ in items]
    made, time, order = list[Sale](), START, 536_365
    while len(made) < 3 * ROWS:
        time, order = time + chance.randrange(60, 4_000), order + 1
        user = str(12_346 + chance.randrange(160))
        # Each user likes a fifth of the items, in which many orders stay.
        liked = range(int(user) % 5, 80, 5) if chance.random() < 0.9 else range(80)
        for index in chance.sample(liked, chance.randrange(1, 5)):
            quantity = chance.randrange(1, 13)
            types = ["View", "View", "AddToCart", "Purchase"] if chance.random() < 0.6 else ["View", "Purchase"]
            if chance.random() < 0.04:
                types.append("Return")
            made += [
                Sale(
                    order, user, items[index], NAMES[index % len(NAMES)], kind, time + step,
                    -quantity if kind == "Return" else quantity, cents[index],
                )
                for step, kind in enumerate(types)
            ]  # fmt: skip
    return tuple(sorted(made, key=lambda sale: sale.time))


@cache
def _read(name: str, column: str) -> tuple[Sale, ...]:
    """Return the first rows of a data set, if it is there."""
    folder = Path(os.environ.get("DATA", ""), name)
    if not (folder / "interactions.csv.gz").is_file():
        return ()
    items = {row["ITEM_ID"]: row for row in _rows(folder / "items.csv.gz")}
    orders: dict[tuple[str, str], int] = {}
    return tuple(
        Sale(
            orders.setdefault((row["USER_ID"], row["TIMESTAMP"]), 536_365 + len(orders)),
            row["USER_ID"],
            row["ITEM_ID"],
            items.get(row["ITEM_ID"], {}).get(column, ""),
            row["EVENT_TYPE"],
            int(row["TIMESTAMP"]),
            int(float(row.get("QUANTITY") or 1)) * (-1 if row["EVENT_TYPE"] == "Return" else 1),
            round(100 * float(row.get("UNIT_PRICE") or items.get(row["ITEM_ID"], {}).get("PRICE") or 1)),
        )
        for row in islice(_rows(folder / "interactions.csv.gz"), 2 * ROWS)
        if row["EVENT_TYPE"] in {"View", "AddToCart", "Purchase", "Return"}
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
