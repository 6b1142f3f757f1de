# SPDX-License-Identifier: Apache-2.0
"""Exports of several files, up to the rows that are imported: nothing is lost, and what is left out is counted."""

import csv
import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_settings import parse
from shop_exports import EXPORTS, Export, Files, database, iso, korean, shop, table
from table_intake import (
    DataKind,
    Expected,
    ExportProposal,
    ExportSettings,
    FileSettings,
    Joined,
    Refused,
    Sample,
    Table,
    TableSettings,
    check_table,
    hash_id,
    join_tables,
    list_tables,
    open_file,
    propose_export,
    sample_table,
)

Opened = Callable[[str], AbstractContextManager[Table]]


def written(folder: Path, files: Files) -> Opened:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    tables = {f"{name}{suffix}": (name, suffix) for name in files for suffix in list_tables(folder / name)}

    @contextmanager
    def opened(name: str) -> Iterator[Table]:
        file, suffix = tables[name]
        with open_file(folder / file, FileSettings(), suffix) as open_table:
            yield open_table

    return opened


def names(folder: Path, files: Files) -> list[str]:
    """Return the names of all tables in files that are written."""
    return [f"{name}{suffix}" for name in files for suffix in list_tables(folder / name)]


def samples(folder: Path, files: Files) -> Mapping[str, Sample]:
    opened, taken = written(folder, files), {}
    for name in names(folder, files):
        with opened(name) as open_table:
            taken[name] = sample_table(name, open_table, 100)
    return taken


def proposed(files: Files, folder: Path, settings: TableSettings | None = None) -> ExportProposal:
    return propose_export(samples(folder, files), settings or TableSettings())


def joined(export: ExportSettings, opened: Opened, folder: Path, files: Files) -> Joined:
    return join_tables(export, opened, folder, lambda _name, _rows: None, names(folder.parent / "in", files))


def imported(path: Path, kind: DataKind, settings: TableSettings, scratch: Path) -> tuple[list[dict[str, str]], int]:
    """Return the rows that an import gets, and how many it refuses."""
    good = scratch / f"{kind}.good.csv"
    (scratch / kind).mkdir()
    with good.open("wb") as target, open_file(path, settings.file_settings(kind)) as open_table:
        checked = check_table(open_table, Expected(path.name, kind, "FULL", settings), target.write, scratch / kind)
    with good.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, escapechar="\\", doublequote=False))
    return rows, sum(reason.rows for reason in checked.findings.reasons)


@pytest.mark.parametrize("habit", EXPORTS)
def test_an_export_of_several_files_is_right_to_the_row(habit: str, tmp_path: Path) -> None:
    export: Export = EXPORTS[habit]
    files = export.files()
    opened = written(tmp_path / "in", files)
    proposal = propose_export(samples(tmp_path / "in", files), TableSettings())
    open_questions = {question.id for question in proposal.questions if question.default is None}
    assert open_questions <= set(export.answers)
    assert len(proposal.questions) <= 3, [question.id for question in proposal.questions]
    defaults = {question.id: question.default for question in proposal.questions if question.default is not None}
    answered = proposal.answered({**defaults, **export.answers})
    settings = TableSettings.model_validate(answered.settings)
    assert settings.export == answered.export
    done = joined(answered.export, opened, tmp_path / "out", files)

    rows, refused = imported(done.files["interactions"], "interactions", settings, tmp_path)
    got = Counter((row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"]), row["EVENT_TYPE"]) for row in rows)
    assert got == Counter(export.sold())
    assert refused == export.refused
    kinds: tuple[tuple[DataKind, Mapping[str, object], object], ...] = (
        ("users", export.users(), export.user_columns),
        ("items", export.items(), export.item_columns),
    )
    for kind, expected, columns in kinds:
        assert (kind in done.files) is bool(expected)
        if expected:
            rows, refused = imported(done.files[kind], kind, settings, tmp_path)
            assert refused == 0
            assert [row[f"{kind[:-1].upper()}_ID"] for row in rows] == list(
                dict.fromkeys(row[f"{kind[:-1].upper()}_ID"] for row in rows)
            )
            assert {row[f"{kind[:-1].upper()}_ID"]: compared(row, columns) for row in rows} == {
                key: [comparable(value) for value in values]  # type: ignore[attr-defined]
                for key, values in expected.items()
            }
    counts = {count.name: count.rows for count in done.counts}
    assert export.counts.items() <= counts.items()
    private = {left.table: [*left.columns] for left in proposal.left_out if left.columns}
    assert private == export.left_out
    headers = {heading for path in done.files.values() for heading in next(csv.reader(path.read_text().splitlines()))}
    assert headers.isdisjoint(name for names in export.left_out.values() for name in names)


def compared(row: Mapping[str, str], columns: object) -> list[object]:
    return [comparable(row[column]) for column in columns]  # type: ignore[attr-defined]


def comparable(value: str) -> object:
    """Return a number where a text is one: 0 and 0.0 are the same price."""
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def test_the_same_files_give_the_same_bytes_and_a_refusal_leaves_what_was_there(tmp_path: Path) -> None:
    files = database()
    opened, export = written(tmp_path / "in", files), proposed(files, tmp_path / "in").export
    first = {kind: path.read_bytes() for kind, path in joined(export, opened, tmp_path / "out", files).files.items()}
    again = {kind: path.read_bytes() for kind, path in joined(export, opened, tmp_path / "out", files).files.items()}
    assert first == again
    strangers = {**files, "orders.csv": table("id|customer_id|created_at|status", [(1, 2, "2026-01-01", "paid")])}
    with pytest.raises(Refused, match=r"rows of .* have no partner in orders.csv \(order_id as id\)"):
        joined(export, written(tmp_path / "in", strangers), tmp_path / "out", strangers)
    left = {path.stem: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert left == first


ORDERS = [(order.number, order.customer.number, iso(order), "paid") for order in shop().orders]
HEADER = "id|customer_id|created_at|status"


def test_a_key_in_several_rows_that_differ_is_refused_unless_the_newest_is_named(tmp_path: Path) -> None:
    changed = [(1_002, 1, "2027-01-01 00:00:00", "cancelled"), (1_005, 1, "2027-01-01 00:00:00", "cancelled")]
    files = {**database(), "orders.csv": table(HEADER, [*ORDERS, ORDERS[0], ORDERS[0], *changed])}
    opened, export = written(tmp_path / "in", files), proposed(files, tmp_path / "in").export
    with pytest.raises(Refused, match=r"2 values of id stand in several rows that differ .*newest_by"):
        joined(export, opened, tmp_path / "out", files)
    document = export.model_dump(mode="json", exclude_unset=True)
    document["interactions"]["join"][0]["newest_by"] = "created_at"
    done = joined(ExportSettings.model_validate(document), opened, tmp_path / "out", files)
    counts = {count.name: count.rows for count in done.counts}
    assert counts["rows of orders.csv that were there before, left out"] == 4
    with done.files["interactions"].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["status"] for row in rows if row["customer_id"] == "1" and row["created_at"].startswith("2027")} == {
        "cancelled"
    }


@pytest.mark.parametrize("key", ["ann@example.com", "010-1234-5678"])
def test_a_reason_names_no_person(key: str, tmp_path: Path) -> None:
    rows = [(key, "Seoul"), (key, "Berlin")]
    join = {"file": "people.csv", "by": {"who": "who"}}
    for header, people in (("who|sku", rows), (f"{key}|sku", rows[:1])):
        files = {"lines.csv": table(header, [(key, "a")]), "people.csv": table("who|city", people)}
        export = ExportSettings.model_validate({"interactions": {"file": "lines.csv", "join": [join]}})
        with pytest.raises(Refused) as refused:
            joined(export, written(tmp_path / "in", files), tmp_path / "out", files)
        assert key not in str(refused.value)


def test_names_are_the_same_whichever_way_a_machine_writes_them(tmp_path: Path) -> None:
    # A Mac takes letters apart: 주문 has five characters then, and é two.
    files = {unicodedata.normalize("NFD", "주문-é.csv"): table("sku|who", [("a", "b")])}
    for name in ("주문-é.csv", "주문*"):
        export = ExportSettings.model_validate({"interactions": {"file": name}})
        done = joined(export, written(tmp_path / "in", files), tmp_path / "out", files)
        assert done.files["interactions"].read_text() == "sku,who\na,b\n"


def named(pieces: list[list[tuple[str, str, str]]], folder: Path) -> bytes:
    """Return the items of lines of orders, each with its newest name, whose files come one after the other."""
    files = {f"lines-{number:02}.csv": table("sku|name|sold_at", rows) for number, rows in enumerate(pieces)}
    items = {"file": "lines-*.csv", "one_row_per": "sku", "newest_by": "sold_at"}
    export = ExportSettings.model_validate({"items": items})
    done = joined(export, written(folder / "in", files), folder / "out", files)
    return done.files["items"].read_bytes()


def test_a_piece_without_any_time_is_older_than_others_and_a_file_without_any_is_refused(tmp_path: Path) -> None:
    timed, late = [("a", "Mug", "2026-01-02")], [("a", "Cup", "soon"), ("b", "Bag", "")]
    assert named([timed, late], tmp_path / "late") == b"sku,name\na,Mug\nb,Bag\n"
    assert named([late, timed], tmp_path / "early") == b"sku,name\na,Mug\nb,Bag\n"
    with pytest.raises(
        Refused, match=r"lines-\*\.csv.*newest_by names sold_at, and 'soon' and the others there are no t"
    ):
        named([late, late], tmp_path / "none")


def test_the_newest_values_are_the_same_in_any_number_of_pieces(tmp_path: Path) -> None:
    rows = [(f"s{number % 7}", f"Name {number % 5}", f"2026-01-{1 + number * 11 % 28:02}") for number in range(90)]
    whole = named([rows], tmp_path / "whole")
    newest = {
        sku: max((day, number, name) for number, (other, name, day) in enumerate(rows) if other == sku)[2]
        for sku, _, _ in rows
    }
    assert list(csv.reader(whole.decode().splitlines()))[1:] == [[sku, name] for sku, name in newest.items()]
    for size in (1, 4, 20):
        pieces = [rows[at : at + size] for at in range(0, len(rows), size)]
        assert named(pieces, tmp_path / str(size)) == whole


def test_a_zero_is_no_price_where_the_item_has_another_one(tmp_path: Path) -> None:
    rows = [
        ("cup", "12000", "1", "2026-01-01"),
        ("cup", "0", "0", "2026-01-03"),
        ("cup", "13000", "1", "2026-01-02"),
        ("pen", "₩0", "0", "2026-01-01"),
        ("bag", "9.50 USD", "0", "2026-01-01"),
        ("bag", "0.00 USD", "1", "2026-01-02"),
    ]
    files = {"lines.csv": table("sku|price|on_sale|sold_at", rows)}
    items = {"file": "lines.csv", "one_row_per": "sku", "newest_by": "sold_at"}
    done = joined(
        ExportSettings.model_validate({"items": items}), written(tmp_path / "in", files), tmp_path / "out", files
    )
    assert list(csv.reader(done.files["items"].read_text().splitlines()))[1:] == [
        ["cup", "13000", "0"],
        ["pen", "₩0", "0"],
        ["bag", "9.50 USD", "1"],
    ]


def without(name: str) -> Files:
    return {other: data for other, data in database().items() if other != name}


@pytest.mark.parametrize("name", ["orders (1).csv", "orders copy.csv", "orders-2026 - Kopie.csv", "Bestellungen.csv"])
def test_orders_are_joined_to_their_lines_under_any_name_that_says_what_they_are(name: str, tmp_path: Path) -> None:
    files = {**without("orders.csv"), name: database()["orders.csv"]}
    (join,) = proposed(files, tmp_path).export.interactions.join  # type: ignore[union-attr]
    assert (join.file, dict(join.by)) == (name, {"order_id": "id"})


IN_JSON = [
    (f"K{number % 30}", f"{number % 28 + 1:02}-03-2026", json.dumps([{"varenummer": number % 9, "antal": 1}]))
    for number in range(60)
]
PACKED = [
    (
        number % 30,
        f"{number % 28 + 1:02}/03/2026",
        f"10:{number % 60:02}:00",
        f"Product ID: {number}, Qty: 1|Product ID: 7",
    )
    for number in range(200)
]
OTHER_SHOP = table(HEADER, [(number + 900_000, *rest) for number, *rest in ORDERS])


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (without("orders.csv"), "order_lines.csv has the lines of orders .* add the file with the orders"),
        (without("order_lines.csv"), "orders.csv has orders .* add the file with the lines of orders"),
        (
            {**database(), "orders.csv": OTHER_SHOP},
            "order_lines.csv and orders.csv do not belong together: only 0 of 400 different values of order_id .* two "
            "shops",
        ),
        ({"notes.csv": table("a|b", [(1, "x"), (2, "y")])}, "no file says who bought what and when"),
        (
            {"orders.csv": table("Customer ID|Order Date|Order Time|Product Details", PACKED)},
            "orders.csv has orders .* add the file with the lines of orders",
        ),
        (
            {"fakturaer.csv": table("Kundenummer|Fakturadato|Linjer", IN_JSON)},
            r"fakturaer.csv has all lines of an order in one cell, as a list in JSON \(Linjer\): export the lines",
        ),
        (
            {"events.tsv": table("17|2026-01-02 10:00:00|x", [(n, f"2026-01-02 10:{n}", "y") for n in range(10, 40)])},
            "put a row with their names above it",
        ),
    ],
    ids=[
        "lines without orders",
        "orders without lines",
        "two shops",
        "nobody's",
        "packed lines",
        "lines in JSON",
        "no names",
    ],
)
def test_files_that_do_not_say_who_bought_what_are_refused_with_a_way_out(
    files: Files, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=reason):
        proposed(files, tmp_path)


def test_files_that_fit_nothing_are_left_out_with_the_reason(tmp_path: Path) -> None:
    strangers = table("id|city", [(f"x{number}", "Köln") for number in range(200)])
    files = {
        **without("customers.csv"),
        "customers.csv": strangers,
        "copy of products.csv": database()["products.csv"],
        "weather.csv": table("day|rain", [(f"2026-01-{day:02}", day * 3) for day in range(1, 30)]),
    }
    left = {left.table: left.reason for left in proposed(files, tmp_path).left_out}
    assert left["copy of products.csv"] == "it has the same rows as products.csv: one of the two is enough"
    assert "fits nothing: only 0 of" in left["customers.csv"]
    assert "(day, rain)" in left["weather.csv"]
    assert set(left) == {"copy of products.csv", "customers.csv", "weather.csv"}


def test_a_file_that_refers_to_others_and_helps_nobody_is_left_out_with_the_reason(tmp_path: Path) -> None:
    proposal = proposed(EXPORTS["marketplace"].files(), tmp_path)
    left = [(left.table.removeprefix("mp_"), left.reason) for left in proposal.left_out]
    assert left == [
        ("customers_dataset.csv", "personal data, which no recommendation needs"),
        (
            "reviews_dataset.csv",
            "its order_id refers to mp_orders_dataset.csv, and no recommendation needs the rest",
        ),
    ]


def test_small_numbers_that_are_in_every_column_are_no_relation(tmp_path: Path) -> None:
    files = {
        **{name: data for name, data in database().items() if name != "customers.csv"},
        "stores.csv": table("id|town", [(number, f"Town {number}") for number in range(1, 4_000)]),
    }
    proposal = proposed(files, tmp_path)
    assert [left.table for left in proposal.left_out] == ["stores.csv"]
    assert proposal.export.users is None
    assert proposal.export.files() == ("products.csv", "order_lines.csv", "orders.csv")


def imported_by_default(files: Files, folder: Path) -> tuple[ExportProposal, Mapping[DataKind, list[dict[str, str]]]]:
    """Return the proposal for files, and the rows that are imported by it with the default answers."""
    proposal = proposed(files, folder / "in")
    answered = proposal.answered({question.id: question.default or "" for question in proposal.questions})
    settings = TableSettings.model_validate(answered.settings)
    done = joined(answered.export, written(folder / "in", files), folder / "out", files)
    rows = dict[DataKind, list[dict[str, str]]]()
    for kind, path in done.files.items():
        rows[kind], refused = imported(path, kind, settings, folder)
        assert refused == 0
    return proposal, rows


def sales_in(rows: Mapping[DataKind, list[dict[str, str]]]) -> Counter[tuple[str, str, int]]:
    return Counter((row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"])) for row in rows["interactions"])


def test_users_come_from_their_own_file_where_lines_have_times_and_orders_have_customers(tmp_path: Path) -> None:
    made = shop()
    lines = [(line.order.number, line.product.number, iso(line.order)) for line in made.lines]
    orders = [(order.number, order.customer.number, iso(order)) for order in made.orders]
    files = {
        **database(),
        "order_lines.csv": table("order_id|product_id|sold_at", lines),
        "orders.csv": table("id|customer_id|created_at", orders),
    }
    proposal, rows = imported_by_default(files, tmp_path)
    assert proposal.export.users is not None
    assert proposal.export.users.file == "customers.csv"
    assert sales_in(rows) == Counter(
        (str(line.order.customer.number), str(line.product.number), line.order.time) for line in made.lines
    )


def test_a_time_that_stands_two_files_away_is_joined_by_the_order_that_both_name(tmp_path: Path) -> None:
    made = shop()
    files = {
        "order_lines.csv": table(
            "order_id|sku|qty", [(f"o{x.order.number}", f"s{x.product.number}", 1) for x in made.lines]
        ),
        "orders.csv": table(
            "order_id|customer_id|created_at", [(f"o{x.number}", f"c{x.customer.number}", "") for x in made.orders]
        ),
        "payments.csv": table(
            "payment_id|order_id|paid_at", [(f"p{x.number}", f"o{x.number}", iso(x)) for x in made.orders]
        ),
    }
    _, rows = imported_by_default(files, tmp_path)
    assert sales_in(rows) == Counter(
        (f"c{line.order.customer.number}", f"s{line.product.number}", line.order.time) for line in made.lines
    )


def test_a_column_that_no_name_tells_is_asked_for(tmp_path: Path) -> None:
    rows = [
        (line.order.number, f"k{line.order.customer.number}", f"s{line.product.number}", line.order.time, "x", 1)
        for line in shop().lines
    ]
    files = {"till.csv": table("order_id|konto|sku|sold_at|memo|qty", rows)}
    proposal = proposed(files, tmp_path / "in")
    (question,) = proposal.questions
    assert (question.id, question.default, [*question.choices]) == ("interactions.USER_ID", None, ["konto"])
    assert question.choices["konto"].startswith("such as k")
    answered = proposal.answered({question.id: "konto"})
    settings = TableSettings.model_validate(answered.settings)
    done = joined(answered.export, written(tmp_path / "in", files), tmp_path / "out", files)
    got, refused = imported(done.files["interactions"], "interactions", settings, tmp_path)
    assert refused == 0
    assert Counter((row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"])) for row in got) == Counter(
        (user, item, time) for _, user, item, time, _, _ in rows
    )


def test_what_became_of_other_files_is_told_where_a_column_is_asked_for(tmp_path: Path) -> None:
    rows = [
        (line.order.number, f"k{line.order.customer.number}", f"s{line.product.number}", line.order.time, 1)
        for line in shop().lines
    ]
    heading, half = "order_id|konto|sku|sold_at|qty", len(rows) // 2
    files = {
        "till-1.csv": table(heading, rows[:half]),
        "till-2.csv": table(heading, rows[half:]),
        "copy of till-1.csv": table(heading, rows[:half]),
    }
    proposal = proposed(files, tmp_path)
    assert [question.id for question in proposal.questions] == ["interactions.USER_ID"]
    assert [(left.table, left.reason) for left in proposal.left_out] == [
        ("copy of till-1.csv", "it has the same rows as till-1.csv: one of the two is enough")
    ]
    read_together = "till-1.csv and till-2.csv have the same columns and are read as one table (till-*.csv)"
    assert proposal.sure.count(read_together) == 1
    assert not [sentence for sentence in proposal.sure if "konto" in sentence]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"interactions.timezone": "Mars"}, "is no time zone"),
        ({"currency": "KRW"}, "leave no such question open"),
        ({"personal": "leave_out"}, "without email, orders.csv names no users"),
    ],
)
def test_answers_that_are_none_are_refused(answers: Mapping[str, str], reason: str, tmp_path: Path) -> None:
    files = EXPORTS["e-mail alone" if "personal" in answers else "database"].files()
    with pytest.raises(Refused, match=reason):
        proposed(files, tmp_path).answered(answers)


def test_a_column_whose_name_says_utc_needs_no_time_zone(tmp_path: Path) -> None:
    rows = [(f"c{n % 21}", f"p{n % 7}", f"2026-01-{n % 28 + 1:02} 10:00") for n in range(90)]
    proposal = proposed({"charges.csv": table("Customer ID|Product ID|Created at (UTC)", rows)}, tmp_path)
    assert not proposal.questions


def test_items_are_not_made_of_what_a_settlement_says_of_payments(tmp_path: Path) -> None:
    rows = list[tuple[object, ...]]()
    for n in range(200):
        day, buyer = f"Nov {n % 30 + 1}, 2025", f"b{n % 21}"
        kind = "Refund" if n % 20 == 3 else "Order"
        rows.append((day, kind, buyer, f"i{n % 9}", f"Thing {n % 9}"))
        if n % 4 == 0:
            rows += [(day, "Other fee", "--", f"i{n % 9}", f"Thing {n % 9}"), (day, "Order", buyer, "--", "--")]
    header = "Transaction creation date|Type|Buyer username|Item ID|Item title"
    proposal, imported = imported_by_default({"Transaction_report.csv": table(header, rows)}, tmp_path)
    assert "Type" not in proposal.settings["items"]["columns"]
    assert {row["ITEM_ID"] for row in imported["items"]} == {f"i{n}" for n in range(9)}
    assert len(imported["interactions"]) == 200
    assert {row["USER_ID"] for row in imported["interactions"]} == {f"b{n}" for n in range(21)}


def test_a_korean_shop_is_in_seoul_unless_it_says_another_zone(tmp_path: Path) -> None:
    proposal = proposed(korean(), tmp_path)
    (zone,) = [question for question in proposal.questions if question.id == "interactions.timezone"]
    assert zone.default == "Asia/Seoul"
    assert proposal.answered({zone.id: "Europe/Paris"}).settings["interactions"]["timezone"] == "Europe/Paris"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("export: {}", "names no file"),
        ("export: {interactions: {file: ../orders.csv}}", "must name a file of the export"),
        ("export: {interactions: {file: a.csv, join: [{file: b.csv, by: {}}]}}", "at least 1"),
        ("export: {items: {file: a.csv, newest_by: at}}", "goes with one_row_per"),
        ("export: {items: {file: a.csv, one_row_per: sku, newest_by: at, dates: '%Q'}}", "%Q is not a part of a date"),
        ("export: {items: {file: a.csv, columns: [a, A]}}", "twice"),
        ("export: {items: {files: a.csv}}", "Extra inputs"),
    ],
)
def test_settings_of_an_export_that_say_nothing_sensible_are_refused(text: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        parse("settings.yaml", text)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"file": "order_line.csv"}, "the setting export names this file, and the export has orders.csv"),
        ({"columns": ["produkt_id"]}, r"its column produkt_id under columns \(did you mean product_id\?\)"),
        ({"join": [{"file": "orders.csv", "by": {"order_id": "number"}}]}, "its column number under by"),
    ],
)
def test_names_that_the_files_lack_are_refused(change: Mapping[str, object], problem: str, tmp_path: Path) -> None:
    files = database()
    export = ExportSettings.model_validate({"interactions": {"file": "order_lines.csv", **change}})
    with pytest.raises(Refused, match=problem):
        joined(export, written(tmp_path / "in", files), tmp_path / "out", files)
    assert not list((tmp_path / "out").iterdir())


CELLS = st.sampled_from(["1", "2", "3", "2026-01-02", "03/04/2026", "a@b.example", "paid", "1.50", "", "é\n", "KRW"])
HEADERS: Mapping[str, list[str]] = {
    "orders.csv": ["id", "customer_id", "created_at", "status"],
    "order_lines.csv": ["order_id", "product_id", "price", "name"],
    "products.csv": ["id", "name", "price"],
    "sales*.csv": ["order_id", "user_id", "sku", "date"],
}
EXTRA = st.sampled_from(["id", "ID", "", "n*", "email", "currency", "USER_ID", "x" * 160])


@given(st.data())
def test_any_files_get_a_proposal_that_joins_them_or_a_reason(data: st.DataObject) -> None:
    taken, files = dict[str, Sample](), dict[str, bytes]()
    for name in data.draw(st.lists(st.sampled_from([*HEADERS]), unique=True, min_size=1)):
        header = HEADERS[name] + data.draw(st.lists(EXTRA, max_size=2))
        cells = data.draw(st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), max_size=8))
        # Ids and times as files have them, else hardly any files belong together.
        rows = [
            [
                str(number) if heading == "id" else "2026-01-02" if heading in {"created_at", "date"} else cell
                for heading, cell in zip(header, row, strict=True)
            ]
            for number, row in enumerate(cells, 1)
        ]
        files[name], taken[name] = table("|".join(header), rows), Sample(name, header, rows, read=len(rows))
    with TemporaryDirectory() as folder, suppress(Refused):
        proposal = propose_export(taken, TableSettings())
        answers = {question.id: question.default or next(iter(question.choices)) for question in proposal.questions}
        answered = proposal.answered(answers)
        assert TableSettings.model_validate(answered.settings).export == answered.export
        opened = written(Path(folder), files)
        done = join_tables(answered.export, opened, Path(folder) / "out", lambda _name, _rows: None, [*files])
        assert all(path.stat().st_size for path in done.files.values())


def test_where_addresses_are_the_only_ids_hashes_stand_for_them_in_all_files(tmp_path: Path) -> None:
    files, folder = EXPORTS["e-mail alone"].files(), tmp_path / "in"
    proposal = proposed(files, folder)
    question = next(question for question in proposal.questions if question.id == "personal")
    assert question.default == "hash"
    settings = TableSettings.model_validate(proposal.answered({"personal": "hash"}).settings)
    assert not [other for other in proposed(files, folder, settings).questions if other.id == "personal"]
    export, hashed = proposal.export, partial(hash_id, "key", "demo")
    (tmp_path / "out").mkdir()
    joined_files = joined(export, written(folder, files), tmp_path / "out", files).files
    users = dict[DataKind, set[str]]()
    for kind in ("interactions", "users"):
        copy = BytesIO()
        expected = Expected(kind, kind, "FULL", settings=settings, hashed=hashed)
        with open_file(joined_files[kind], settings.file_settings(kind)) as open_table:
            check_table(open_table, expected, copy.write, tmp_path)
        assert b"@" not in copy.getvalue()
        users[kind] = {line.partition(",")[0] for line in copy.getvalue().decode().splitlines()[1:]}
    assert len(users["users"]) > 10
    assert users["interactions"] <= users["users"]
