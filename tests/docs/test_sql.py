# SPDX-License-Identifier: Apache-2.0
"""The queries of docs/sql.md, run on a shop's tables: their results are taken without settings and questions.

SQLite runs them. Of BigQuery it lacks three functions, which it gets here, and lists of objects, which are JSON here.
"""

import csv
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from table_intake.settings import yaml_core

from local.cli import mapping
from local.cli.main import parser
from local.terminal.output import Terminal
from tests.docs.pages import ROOT, blocks, read
from tests.exports.makers import Imported, ga4_documents, seen_by_ga4, sold
from tests.exports.sales import events

PAGE = ROOT / "docs/sql.md"
QUERIES = [text for language, text in blocks(PAGE) if language == "sql"]
DATABASES = """
CREATE TABLE orders (id, customer_id, created_at, status);
CREATE TABLE order_lines (order_id, product_id, quantity, price);
CREATE TABLE products (id, name, price, category, image_url);
CREATE TABLE customers (id, name, city, grade);
CREATE TABLE events (_TABLE_SUFFIX, event_timestamp, event_name, user_pseudo_id, items);
"""
STATUSES = ("paid", "paid", "returned", "cancelled", "draft")


class Newest:
    """BigQuery's MAX_BY."""

    def __init__(self) -> None:
        self.best: tuple[int, object] | None = None

    def step(self, value: object, rank: int) -> None:
        if value is not None and (self.best is None or rank > self.best[0]):
            self.best = (rank, value)

    def finalize(self) -> object:
        return self.best and self.best[1]


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """A shop's tables, and what Google Analytics saw of it."""
    with closing(sqlite3.connect(":memory:")) as made:
        fill(made)
        yield made


def fill(made: sqlite3.Connection) -> None:
    made.executescript(DATABASES)
    lines = sold()
    made.executemany("INSERT INTO orders VALUES (?, ?, datetime(?, 'unixepoch'), ?)", orders().values())
    made.executemany(
        "INSERT INTO order_lines VALUES (?, ?, ?, ?)",
        [(sale.order, sale.item, sale.quantity, sale.cents / 100) for sale in lines],
    )
    goods = {sale.item: (sale.item, sale.name, sale.cents / 100, None, f"/{sale.item}.png") for sale in lines}
    made.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?)", goods.values())
    people = [(user, "Anna", "Seoul", "gold") for user in [*{sale.user for sale in lines}, "nobody"]]
    made.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", people)
    documents = [
        {**document, "items": json.dumps([{"item_category": "tea", **item} for item in document["items"]])}  # type: ignore[attr-defined]
        for document in ga4_documents()
    ]
    made.executemany(
        "INSERT INTO events VALUES (:event_date, :event_timestamp, :event_name, :user_pseudo_id, :items)", documents
    )
    made.execute("INSERT INTO events VALUES ('intraday_20260101', 1, 'purchase', 'x', '[{\"item_id\": \"x\"}]')")
    made.execute("INSERT INTO events VALUES ('20260102', 1, 'purchase', 'x', '[{\"item_id\": \"(not set)\"}]')")
    made.create_function("DIV", 2, lambda number, by: number // by)
    made.create_aggregate("MAX_BY", 2, Newest)  # type: ignore[arg-type]


def orders() -> dict[int, tuple[int, str | None, int, str]]:
    """Number, customer (guests have none), time and status of each order."""
    return {
        sale.order: (sale.order, sale.user if sale.order % 13 else None, sale.time, STATUSES[sale.order % 5])
        for sale in sold()
    }


def of_sqlite(query: str) -> str:
    """A query in SQLite's words: those of the page's table, and of lists that are JSON."""
    here = re.search(r"^\| SQLite \| `(.*?)` \|", read(PAGE), re.MULTILINE)
    assert here
    query = query.replace("UNIX_TIMESTAMP(o.created_at)", here[1])
    query = re.sub(r"^EXPORT DATA .* AS\n", "", query)
    query = re.sub(r"`PROJECT\.\S+`, UNNEST\(items\) AS item\b", "events, json_each(items) AS element", query)
    return re.sub(r"\bitem\.(\w+)", r"json_extract(element.value, '$.\1')", query)


def exported(database: sqlite3.Connection, queries: list[str], folder: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of the files that the queries write, each read as it is."""
    for query in queries:
        rows = database.execute(of_sqlite(query))
        header = [column for column, *_ in rows.description]
        name = "interactions" if "TIMESTAMP" in header else f"{header[0][:-3].lower()}s"
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
    return {path.stem: [*csv.DictReader(path.read_text("utf-8").splitlines())] for path in folder.glob("*.csv")}


def imported(row: dict[str, str]) -> Imported:
    return row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"]), row["EVENT_TYPE"]


def assert_taken_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`map` finds nothing to set, to ask or to leave out, as `start` does, which looks in the same way."""
    written = folder / "settings.yaml"
    files = [str(path) for path in folder.glob("*.csv")]
    assert mapping.main(parser().parse_args(["map", *files, "--write", str(written)]), Terminal()) == 0
    screen = capsys.readouterr().err
    assert "In doubt" not in screen
    assert "Left out" not in screen
    for file in files:
        assert mapping.main(parser().parse_args(["map", file]), Terminal()) == 0
        assert "and needs no settings" in " ".join(capsys.readouterr().err.split())
    settings = yaml_core.load(written.read_text())
    assert settings.keys() == {"export"}
    assert {kind: table["file"] for kind, table in settings["export"].items()} == {
        path.stem: path.name for path in folder.glob("*.csv")
    }


def test_a_shops_database(database: sqlite3.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = exported(database, QUERIES[:3], tmp_path)
    heads, expected = orders(), Counter[Imported]()
    for sale in sold():
        _, user, time, status = heads[sale.order]
        if user and status not in {"cancelled", "draft"}:
            expected[user, sale.item, time, "Return" if status == "returned" else "Purchase"] += 1
    assert Counter(map(imported, files["interactions"])) == expected
    assert {row["CATEGORY_L1"] for row in files["items"]} == {"other"}
    assert {"nobody"}.isdisjoint(row["USER_ID"] for row in files["users"])
    assert_taken_as_it_is(tmp_path, capsys)


def test_google_analytics(database: sqlite3.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nested, *flattened = QUERIES[3:]
    assert "UNNEST" not in nested
    files = exported(database, flattened, tmp_path)
    assert Counter(map(imported, files["interactions"])) == Counter(map(seen_by_ga4, events()))
    assert {bool(row["EVENT_VALUE"]) for row in files["interactions"] if row["EVENT_TYPE"] == "View"} == {False}
    newest = {sale.item: f"{sale.cents / 100}" for sale in events()}
    assert {row["ITEM_ID"]: row["PRICE"] for row in files["items"]} == newest
    assert_taken_as_it_is(tmp_path, capsys)


def test_no_other_query_is_on_the_page() -> None:
    assert len(QUERIES) == 6
