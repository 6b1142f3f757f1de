# SPDX-License-Identifier: Apache-2.0
"""What is proposed for files whose keys match by accident: small numbers, zeros before them, 17850.0, and spaces."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from shop_exports import Files, table
from test_joined_exports import imported_by_default

OPENING = 1_764_547_200
DAY = 86_400
STYLES: Mapping[str, Callable[[int], str]] = {
    "small": str,
    "large": lambda number: str(number + 4_000_000),
    "zeros": lambda number: f"{number:06}",
    "letters": lambda number: f"K{number}",
    "spaces": lambda number: f"K {number}",
}
KINDS = ("orders", "customers", "products")
HEADINGS: Sequence[Mapping[str, str]] = (
    {"orders.id": "id", "orders.customer_id": "customer_id", "order_lines.order_id": "order_id",
     "order_lines.product_id": "product_id", "customers.id": "id", "products.id": "id", "line": "id"},
    {"orders.id": "OrderID", "orders.customer_id": "CustomerID", "order_lines.order_id": "OrderID",
     "order_lines.product_id": "ProductID", "customers.id": "CustomerID", "products.id": "ProductID", "line": "LineID"},
    {"orders.id": "Order Number", "orders.customer_id": "Customer No", "order_lines.order_id": "Order Number",
     "order_lines.product_id": "SKU", "customers.id": "Customer No", "products.id": "SKU", "line": "Line"},
    {"orders.id": "주문번호", "orders.customer_id": "회원번호", "order_lines.order_id": "주문번호",
     "order_lines.product_id": "상품코드", "customers.id": "회원번호", "products.id": "상품코드", "line": "순번"},
)  # fmt: skip
"""What shops call the columns of their keys, by what they are here."""
Shop = tuple[Files, Counter[tuple[str, str, int]], set[str], set[str]]
"""Files, the interactions that they have, and the ids of users and items."""


def shop(
    seed: int,
    styles: Mapping[str, str],
    pointed: frozenset[str],
    strangers: frozenset[str],
    headings: Mapping[str, str],
) -> Shop:
    """Return the files of a shop.

    Args:
        seed: of its sales.
        styles: of its ids, by kind.
        pointed: the columns whose ids a program took for numbers, where they are some without zeros before them.
        strangers: files that belong to nothing, whose small numbers match the ids of others.
        headings: the names of the columns of keys.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    counts = {"orders": chance.randrange(60, 200), "customers": chance.randrange(25, 60), "products": 24}

    def written_id(kind: str, number: int, column: str) -> str:
        is_number = styles[kind] in {"small", "large"}
        return STYLES[styles[kind]](number) + (".0" if column in pointed and is_number else "")

    days = {number: chance.randrange(300) for number in range(1, counts["orders"] + 1)}
    buyers = {number: chance.randrange(1, counts["customers"] + 1) for number in days}
    lines = [(number, product) for number in days for product in chance.sample(range(1, 25), chance.randrange(1, 5))]
    files = {
        "orders.csv": table(
            f"{headings['orders.id']}|{headings['orders.customer_id']}|created_at",
            [
                (
                    written_id("orders", number, "orders.id"),
                    written_id("customers", buyers[number], "orders.customer_id"),
                    OPENING + DAY * day,
                )
                for number, day in days.items()
            ],
        ),
        "order_lines.csv": table(
            f"{headings['line']}|{headings['order_lines.order_id']}|{headings['order_lines.product_id']}|quantity",
            [
                (
                    line,
                    written_id("orders", number, "order_lines.order_id"),
                    written_id("products", product, "order_lines.product_id"),
                    chance.randrange(1, 4),
                )
                for line, (number, product) in enumerate(lines, 1)
            ],
        ),
        "customers.csv": table(
            f"{headings['customers.id']}|city",
            [
                (written_id("customers", number, "customers.id"), chance.choice(["Bonn", "Köln"]))
                for number in range(1, counts["customers"] + 1)
            ],
        ),
        "products.csv": table(
            f"{headings['products.id']}|name|price",
            [(written_id("products", number, "products.id"), f"Mug {number}", number * 3) for number in range(1, 25)],
        ),
    }
    every = {
        "stores.csv": table("id|town", [(number, f"Town {number}") for number in range(1, 90)]),
        "shelves.csv": table("shelf|level", [(number, number % 5) for number in range(1, 300)]),
        "steps.csv": table("step|order", [(number, number * 2) for number in range(1, 40)]),
    }
    users, items = (
        {STYLES[styles[kind]](number) for number in range(1, counts[kind] + 1)} for kind in ("customers", "products")
    )
    sold = Counter(
        (
            STYLES[styles["customers"]](buyers[number]),
            STYLES[styles["products"]](product),
            OPENING + DAY * days[number],
        )
        for number, product in lines
    )
    return {**files, **{name: every[name] for name in strangers}}, sold, users, items


@given(
    seed=st.integers(0, 10_000),
    styles=st.fixed_dictionaries({name: st.sampled_from([*STYLES]) for name in KINDS}),
    pointed=st.frozensets(
        st.sampled_from(["orders.id", "orders.customer_id", "order_lines.order_id", "order_lines.product_id"])
    ),
    strangers=st.frozensets(st.sampled_from(["stores.csv", "shelves.csv", "steps.csv"])),
    headings=st.sampled_from(HEADINGS),
)
def test_files_are_joined_by_what_belongs_together(
    seed: int,
    styles: Mapping[str, str],
    pointed: frozenset[str],
    strangers: frozenset[str],
    headings: Mapping[str, str],
) -> None:
    files, sold, users, items = shop(seed, styles, pointed, strangers, headings)
    with TemporaryDirectory() as folder:
        proposal, rows = imported_by_default(files, Path(folder))
    used = set(proposal.export.files())
    assert used == {"orders.csv", "order_lines.csv", "customers.csv", "products.csv"}, proposal.sure
    assert {left.table for left in proposal.left_out if not left.columns} == strangers
    assert Counter((row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"])) for row in rows["interactions"]) == sold
    assert {row["USER_ID"] for row in rows["users"]} == users
    assert {row["ITEM_ID"] for row in rows["items"]} == items


def test_prices_are_seen_where_one_file_has_its_keys_as_numbers_with_a_point() -> None:
    lines = [(f"o{number}", f"u{number % 9}", f"v{number % 30}", OPENING + DAY * number) for number in range(120)]
    files = {
        "order_lines.csv": table("order_id|user_id|sku|sold_at", lines),
        "variants.csv": table("sku|product_id|size", [(f"v{n}", f"{4_000 + n % 10}.0", n % 3) for n in range(30)]),
        "products.csv": table("product_id|name|price", [(4_000 + n, f"Mug {n}", 7 + n) for n in range(10)]),
    }
    with TemporaryDirectory() as folder:
        proposal, rows = imported_by_default(files, Path(folder))
    assert "PRICE" not in proposal.settings["items"].get("defaults", {})
    assert {row["ITEM_ID"]: float(row["PRICE"]) for row in rows["items"]} == {f"v{n}": 7 + n % 10 for n in range(30)}
