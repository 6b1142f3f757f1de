# SPDX-License-Identifier: Apache-2.0
"""JSON lines and JSON arrays as tables, compared with what Python's own parser makes of them."""

import csv
import gzip
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake import Refused, TableSettings
from test_skipped_rows import imported
from test_text_files import read, table

ORDER = {
    "id": 17,
    "total": 12.50,
    "paid": True,
    "note": None,
    "customer": {"id": "007", "tags": ["a", None, "b"]},
    "line_items": [{"sku": "x", "price": {"amount": "1.0"}}, {"sku": "y"}],
    "discounts": [{"code": "SPRING"}],
}
EVENT_PARAMS = [
    {"key": "page", "value": {"string_value": "/a", "int_value": None}},
    {"key": "session", "value": {"string_value": None, "int_value": 5}},
]


def lines(*documents: object) -> bytes:
    return "".join(f"{json.dumps(document, ensure_ascii=False)}\n" for document in documents).encode()


def test_objects_become_columns_and_the_lines_of_an_order_become_rows() -> None:
    rows, notes = read(lines(ORDER, {"id": 18, "line_items": []}, ORDER | {"line_items": [{"sku": "z"}]}))
    assert rows == [
        ["id", "total", "paid", "note", "customer.id", "customer.tags", "line_items.sku", "line_items.price.amount"],
        ["17", "12.5", "true", "", "007", "a|b", "x", "1.0"],
        ["17", "12.5", "true", "", "007", "a|b", "y", ""],
        ["17", "12.5", "true", "", "007", "a|b", "z", ""],
    ]
    assert "each object of line_items is a row" in notes
    assert "1 row has no object in line_items, and gives no row" in notes
    assert "discounts has a list of objects, which is left out: rows: discounts reads each as a row" in notes


def test_settings_choose_the_list_of_rows_and_the_keys_that_are_columns() -> None:
    event = {"event_params": EVENT_PARAMS, "goods": [{"n": 1}, {"n": 2}]}
    with table(lines(event), rows="goods") as opened:
        assert opened.header == ["goods.n"]
        assert "event_params has keys and values: columns can name those to read" in str(opened.notes)
    columns = {"event_params.session": "SESSION", "Event_params.PAGE": "PAGE"}
    with table(lines(event), rows="goods", columns=columns) as opened:
        (piece,) = opened.rows()
        read_rows = [dict(zip(opened.header, row[1:], strict=True)) for row in piece.frame.iter_rows()]
    assert [row["goods.n"] for row in read_rows] == ["1", "2"]
    assert {row[name] for row in read_rows for name in row if name.casefold() == "event_params.session"} == {"5"}
    assert {row[name] for row in read_rows for name in row if name.casefold() == "event_params.page"} == {"/a"}


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
KEYS = st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), min_size=1, max_size=5)
DOCUMENTS = st.lists(st.dictionaries(KEYS, SCALARS, min_size=1), min_size=1)


def written(value: object) -> str:
    return {True: "true", False: "false", None: ""}[value] if value is None or isinstance(value, bool) else str(value)


@given(DOCUMENTS, st.booleans(), st.integers(1, 50))
def test_any_flat_objects_are_what_pythons_parser_makes_of_them(
    documents: list[Mapping[str, Any]], is_array: bool, most: int
) -> None:
    data = json.dumps(documents, indent=1).encode() if is_array else lines(*documents)
    header = list(dict.fromkeys(name for document in documents for name in document))
    rows = [[written(document.get(name)) for name in header] for document in documents]
    good = [row for row in rows if not any("\0" in cell for cell in row)]
    parsed, _ = read(data, most=most)
    assert parsed[0] == header
    assert [row for row in parsed[1:] if len(row) == len(header) and "zero byte" not in str(row)][: len(good)] == good


def test_numbers_keep_their_digits_and_lines_are_those_of_the_text() -> None:
    text = b'{"id": 12345678901234567890123, "n": 1.10, "e": 1e5, "x": NaN}\n\nnothing\n[1]\n{"id": 2}\n'
    rows, _ = read(text)
    assert rows == [
        ["id", "n", "e", "x"],
        ["12345678901234567890123", "1.10", "1e5", ""],
        ["2", "", "", ""],
        ["3", "is not JSON"],
        ["4", "is JSON, but not an object with names and values"],
    ]


def test_keys_that_come_late_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("table_intake.read.json_lines._OBJECTS", 2)
    rows, notes = read(lines({"a": 1}, {"a": 2}, {"a": 3, "late": 4}, {"late": 5}))
    assert [row[0] for row in rows] == ["a", "1", "2", "3", ""]
    assert "2 objects have keys that the first 2 lack, which are left out: late" in notes


def test_one_object_and_one_list_that_are_left_out_are_told_in_the_singular(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("table_intake.read.json_lines._OBJECTS", 1)
    lists = {f"list {number}": [{"a": 1, "b": 2, "c": 3}] for number in range(9)}
    _, notes = read(lines({"a": 1} | lists, {"late": 4}), rows="list 8")
    assert "1 object has keys that the first 1 lacks, which are left out: late" in notes
    assert "more list" not in str(notes)
    _, notes = read(lines({"a": 1} | lists))
    assert "1 more list is left out" in notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_json_may_be_packed_and_in_any_encoding(encoding: str) -> None:
    text = lines(*[{"이름": f"신선한 우유 {number}개"} for number in range(40)]).decode()
    rows, _ = read(gzip.compress(text.encode(encoding)), "drop.json.gz")
    assert (rows[0], rows[40]) == (["이름"], ["신선한 우유 39개"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[1, 2, 3]", "this is JSON, and not a list of objects"),
        (b'["a", "b"]', "this is JSON, and not a list of objects"),
        (b'{\n "order": {"id": 1}\n}\n', "it is one object over several lines.*jq -c"),
        (b'[{"a": 1}, {"a": 2}', "from line 1 on it is damaged"),
        (b'[{"a": 1},\n{"a" 2}]', "from line 2 on it is damaged"),
        (b"{}\n{}\n", "its objects are empty"),
        (b'{"a":' * 100_000, "this is JSON, and not a list of objects"),
        (b'[{"a":' + b'{"a":' * 100_000, "deep|damaged"),
        (b'{"a":"' + b"x" * 8_100_000, "line 1 is longer than 8 MB"),
        (b"{" + b",".join(b'"k%d":1' % number for number in range(1_001)) + b"}", "more than 1,000 different keys"),
    ],
)
def test_json_that_is_no_table_says_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(data)


def test_what_one_object_costs_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(25):
        deep = {"a": deep, "b": 1}
    rows, _ = read(lines({"a": "x"}, deep, {"a": "y" * 200_000}, {"a": "z"}) + b'{"a": "\\ud800"}\n{"a": "\\u0000"}\n')
    assert rows[0][0] == "a"
    assert [row[0] for row in rows[1:3]] == ["x", "z"]
    assert rows[3:] == [
        ["2", "has objects more than 20 deep"],
        ["3", "has a value of more than 131,072 characters"],
        ["5", "has half of a character, which is no text"],
        ["6", "contains a zero byte"],
    ]


def test_each_row_of_an_object_is_refused_by_itself_and_told_as_it_is() -> None:
    items = [{"item_id": "a"}, {"item_id": ""}, {"item_id": "b"}]
    data = lines({"user_id": "u", "timestamp": 1, "items": items}, {"user_id": "\0", "timestamp": 1, "items": items})
    settings = {"columns": {"items.item_id": "ITEM_ID"}, "rejects": {"limit": 1}}
    _, copied = imported(data, TableSettings.model_validate(settings))
    assert copied.findings.rejected == 6
    reasons = csv.reader(io.StringIO(copied.rejects.file().decode()))
    refused = [(line, row) for line, reason, row in reasons if "ITEM_ID is empty" in reason]
    assert refused == [("1", "u,1,")]


def test_an_object_of_many_rows_comes_in_pieces() -> None:
    document = {"note": "x" * 100_000, "items": [{"id": number} for number in range(1_000)]}
    with table(lines(document)) as opened:
        sizes = [(piece.size, piece.frame.height, piece.last) for piece in opened.rows()]
    assert sum(height for _, height, _ in sizes) == 1_000
    assert max(size for size, _, _ in sizes) < 20_000_000
    assert [last for _, _, last in sizes] == [*[False] * (len(sizes) - 1), True]


def test_a_run_of_lines_that_are_no_objects_comes_in_pieces() -> None:
    with table(lines({"a": 1}) + b"nothing\n" * 70_000) as opened:
        pieces = [(piece.frame.height, len(piece.unreadable), piece.last) for piece in opened.rows()]
    assert pieces == [(1, 65_535, False), (0, 4_465, True)]
