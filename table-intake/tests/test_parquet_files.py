# SPDX-License-Identifier: Apache-2.0
"""Parquet files as tables, compared with pyarrow."""

import io
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake import FileSettings, Refused, Table, open_table
from table_intake.read import footers, parquet
from table_intake.read.parts import Parts, SourcePart, TableOfParts
from test_text_files import Body


def file(columns: dict[str, Any], **options: Any) -> bytes:  # noqa: ANN401 - pyarrow's own
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made, **options)
    return made.getvalue()


def file_of(*rows: dict[str, Any], schema: pa.Schema | None = None, **options: Any) -> bytes:  # noqa: ANN401 - as above
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), made, **options)
    return made.getvalue()


@contextmanager
def table(data: bytes, ignore: Sequence[str] = (), settings: FileSettings | None = None) -> Iterator[Table]:
    form = settings or FileSettings(ignore=tuple(ignore))
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_table("drop.parquet", Body(data), form, Path(scratch)) as opened,
    ):
        yield opened


def read(data: bytes, ignore: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """All rows with their lines, the header without one."""
    with table(data, ignore) as opened:
        rows: list[tuple[Any, ...]] = [("", *opened.header)]
        for piece in opened.rows():
            rows += piece.frame.rows()
            rows += [(bad.line, bad.reason) for bad in piece.unreadable]
        return rows


def test_values_of_all_types_become_text() -> None:
    texts = ('a "b",\n', "상품", "")
    moment = datetime(2024, 3, 1, 10, 5, tzinfo=ZoneInfo("Asia/Seoul"))
    columns = {
        "id": pa.array([17850, None], pa.int32()),
        "price": pa.array([1.5, float("nan")]),
        "cost": pa.array([Decimal("1.50"), None]),
        "ok": pa.array([True, False]),
        "day": pa.array([date(2024, 3, 1), None]),
        "naive": pa.array([datetime(2024, 3, 1, 10, 5), None], pa.timestamp("ns")),  # noqa: DTZ001
        "there": pa.array([moment, None], pa.timestamp("us", "Asia/Seoul")),
        "name": pa.array(['a "b",\n', None]).dictionary_encode(),
        "raw": pa.array(["상품".encode(), b""], pa.binary()),
        "none": pa.nulls(2),
        "took": pa.array([1500, None], pa.duration("ms")),
    }
    assert read(file(columns))[1:] == [
        (1, "17850", "1.5", "1.50", "true", "2024-03-01", "2024-03-01T10:05:00", "2024-03-01T01:05:00Z", *texts, "1.5"),
        (2, "", "", "", "false", "", "", "", "", "", "", ""),
    ]


@given(
    st.lists(st.tuples(st.text(max_size=9), st.integers(0, 2**40), st.sampled_from(["a", "b,", None])), max_size=30),
    st.integers(1, 9),
    st.sampled_from(["snappy", "gzip", "zstd", "lz4", "none"]),
)
def test_rows_and_lines_are_those_of_pyarrow(rows: list[tuple[Any, ...]], group: int, compression: str) -> None:
    texts, numbers, words = ([row[number] for row in rows] for number in range(3))
    columns = {"t": pa.array(texts, pa.string()), "n": pa.array(numbers, pa.int64()), "w": pa.array(words, pa.string())}
    data = file(columns, row_group_size=group, compression=compression)
    oracle = pq.read_table(io.BytesIO(data)).to_pylist()
    expected: list[tuple[Any, ...]] = [
        (line, row["t"], str(row["n"]), row["w"] or "") if "\0" not in row["t"] else (line, "contains a zero byte")
        for line, row in enumerate(oracle, 1)
    ]
    assert sorted(read(data)[1:], key=lambda row: row[0]) == expected


def test_some_rows_are_those_of_the_whole_whatever_the_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "whole.parquet"
    path.write_bytes(file({"n": list(range(1000))}, row_group_size=70))
    whole = [row for piece in parquet.Table("d", path, FileSettings()).rows() for row in piece.frame.rows()]
    parts = []
    for first in range(0, 1000, 130):
        some = parquet.Table("d", path, FileSettings(), parquet.Selection(first, min(130, 1000 - first)))
        parts += [(first + line, *row) for piece in some.rows() for line, *row in piece.frame.rows()]
    assert parts == whole
    footer = footers.read(path)
    oracle = pq.ParquetFile(path).metadata
    assert [group.rows for group in footer.groups] == [
        oracle.row_group(number).num_rows for number in range(oracle.num_row_groups)
    ]
    assert footer.rows == 1000


def test_a_row_group_can_be_read_from_its_own_bytes(tmp_path: Path) -> None:
    data = file({"n": list(range(1000)), "t": [f"u{n % 7}" for n in range(1000)]}, row_group_size=100)
    path = tmp_path / "sparse.parquet"
    path.write_bytes(data)
    footer = footers.read(path)
    group = footer.groups[3]
    sparse = bytearray(len(data))
    sparse[:4] = data[:4]
    sparse[group.begin : group.end] = data[group.begin : group.end]
    sparse[footer.begin :] = data[footer.begin :]
    path.write_bytes(sparse)
    (piece,) = parquet.Table("d", path, FileSettings(), parquet.Selection(300, group.rows)).rows()
    assert piece.frame.rows() == [(n + 1 - 300, str(n), f"u{n % 7}") for n in range(300, 400)]


def test_files_without_rows_are_empty_tables() -> None:
    assert read(file({"a": pa.array([], pa.string())})) == [("", "a")]
    with table(file({"a": pa.array([1, 2])})) as opened:
        assert opened.rows_left(1) == 2
        (piece,) = opened.rows()
        assert (piece.last, piece.end, opened.rows_left(1)) == (True, 2, 0)


EVENT: dict[str, Any] = {
    "id": "a",
    "tags": ["x", None, "y"],
    "device": {"os": {"name": "ios"}, "n": 1.5},
    "params": [
        {"key": "page", "value": {"text": "/a", "number": None}},
        {"key": "session", "value": {"text": None, "number": 5}},
    ],
    "items": [{"id": "i1", "price": 1.0}, {"id": "i2", "price": None}],
    "coupons": [{"code": "SPRING"}],
    "grid": [[1], [2]],
}


def test_nested_columns_become_flat_ones_and_objects_of_items_rows() -> None:
    data = file_of(EVENT, EVENT | {"id": "b", "items": []}, EVENT | {"id": "c", "items": None, "tags": None})
    with table(data) as opened:
        header = opened.header
        rows = [row for piece in opened.rows() for row in piece.frame.rows()]
        notes = "; ".join(opened.notes)
    assert header == ["id", "tags", "device.os.name", "device.n", "items.id", "items.price"]
    assert rows == [(1, "a", "x|y", "ios", "1.5", "i1", "1.0"), (1, "a", "x|y", "ios", "1.5", "i2", "")]
    assert "each object of items is a row" in notes
    assert "2 rows have no object in items, and give no row" in notes
    assert "params has keys and values: columns can name those to read, as params.<key>" in notes
    assert "coupons has a list of objects, which is left out: rows: coupons reads each as a row" in notes
    assert read(data, ["TAGS", "device", "params", "items", "grid"])[1:] == [(1, "a"), (2, "b"), (3, "c")]


def test_settings_name_the_list_of_rows_and_keys_that_are_columns() -> None:
    chosen = FileSettings(rows="coupons", columns={"params.session": "SESSION", "params.Page": "PAGE"})
    with table(file_of(EVENT), settings=chosen) as opened:
        (piece,) = opened.rows()
        (row,) = piece.frame.rows()
    cells = dict(zip(opened.header, row[1:], strict=True))
    assert (cells["coupons.code"], cells["params.session"], cells["params.Page"]) == ("SPRING", "5", "/a")


def test_lists_whose_groups_have_no_mark_are_lists() -> None:
    def groups(*values: object) -> dict[str, object]:
        return {"list": [{"element": value} for value in values]}

    row = {"id": "a", "tags": groups("x", "y"), "items": groups({"id": "i1"}, {"id": "i2"})}
    assert read(file_of(row)) == [("", "id", "tags", "items.id"), (1, "a", "x|y", "i1"), (1, "a", "x|y", "i2")]


@given(
    st.lists(st.tuples(st.text(max_size=4), st.lists(st.integers(0, 9), max_size=5)), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 20),
)
def test_rows_of_objects_are_those_of_a_loop(orders: list[tuple[str, list[int]]], group: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_CELLS", most)
        orders = [(name.replace("\0", ""), numbers) for name, numbers in orders]
        documents = [{"name": name, "items": [{"n": number} for number in numbers]} for name, numbers in orders]
        schema = pa.schema({"name": pa.string(), "items": pa.list_(pa.struct({"n": pa.int64()}))})
        data = file_of(*documents, schema=schema, row_group_size=group)
        assert read(data)[1:] == [
            (line, name, str(number)) for line, (name, numbers) in enumerate(orders, 1) for number in numbers
        ]


def test_what_lists_cost_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of({"id": "a", "items": [{"n": number} for number in range(30)]})
    monkeypatch.setattr(parquet, "_MOST_OBJECTS", 20)
    with pytest.raises(Refused, match="row 1 has more than 20 objects in items: write them as rows of their own"):
        read(data)
    monkeypatch.setattr(parquet, "_MOST_VALUES", 20)
    with pytest.raises(Refused, match="a row group has 31 values, those of lists included; 20 are the most"):
        read(data)
    nested: Any = "x"
    for _ in range(25):
        nested = {"a": nested}
    with pytest.raises(Refused, match="is nested more than 20 deep"):
        read(file_of({"deep": nested}))
    for _ in range(40):
        nested = {"a": nested}
    with pytest.raises(Refused, match="its columns are nested more than 60 deep"):
        read(file_of({"deep": nested}))


def test_long_and_zero_values_cost_their_rows_only() -> None:
    rows = read(file({"id": ["a", "x" * 200_000, "b\0", "c"], "n": [1, 2, 3, 4]}))
    assert rows[1:] == [
        (1, "a", "1"),
        (4, "c", "4"),
        (2, "has a value of more than 131,072 characters"),
        (3, "contains a zero byte"),
    ]


def test_pieces_are_bounded_by_the_bytes_of_their_values() -> None:
    repeated = pa.array(["x" * 100_000] * 1_000).dictionary_encode()
    with table(file({"id": repeated})) as opened:
        sizes = [piece.size for piece in opened.rows()]
    assert sum(sizes) > 100_000_000
    assert max(sizes) < 20_000_000


GOOD = file({"id": [f"u{n % 10}" for n in range(100)], "n": list(range(100))}, row_group_size=30)
FOOTER = len(GOOD) - 8 - int.from_bytes(GOOD[-8:-4], "little")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD[:-1], "not whole Parquet: its end is missing"),
        (GOOD[:9], "not whole Parquet: it ends too early"),
        (GOOD[:-4] + b"PARE", "not whole Parquet: it is encrypted"),
        (GOOD[:FOOTER] + b"\xff" * 9 + GOOD[FOOTER + 9 :], "not whole Parquet: its footer is damaged"),
        (file({"raw": pa.array([b"\xff"], pa.binary())}), "the column raw has bytes that are not text"),
        (file({"at": pa.array([2**62], pa.timestamp("ms"))}), "the column at has times beyond the year 262142"),
        (file({"day": pa.array([2**31 - 1], pa.date32())}), "the column day has times beyond the year 262142"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(data)


def test_any_damage_is_refused_or_harmless() -> None:
    rng, outcomes = random.Random(7), set()  # noqa: S311 - no secret
    for _ in range(100):
        damaged = bytearray(GOOD)
        damaged[rng.randrange(4, len(GOOD))] = rng.randrange(256)
        try:
            outcomes.add(len(read(bytes(damaged))) >= 1)
        except Refused:
            outcomes.add(False)
    assert outcomes == {True, False}


def test_parts_have_the_same_types_and_may_be_empty() -> None:
    def parts(*files: bytes) -> list[tuple[Any, ...]]:
        every = tuple(SourcePart(str(n), None, len(data), f"part-{n}") for n, data in enumerate(files))
        with closing(TableOfParts("drop", Parts(every), lambda part: table(files[int(part.key)]))) as joined:
            return [row for piece in joined.rows() for row in piece.frame.rows()]

    full = file({"id": ["a", "b"], "n": [1, 2]})
    empty = file({"id": pa.array([], pa.string()), "n": pa.array([], pa.int64())})
    assert parts(full, empty, full) == [(1, "a", "1"), (2, "b", "2"), (3, "a", "1"), (4, "b", "2")]
    with pytest.raises(Refused, match="the column n has whole numbers in part-0, but numbers in part-1: write all"):
        parts(full, file({"id": ["c"], "n": [1.5]}))


def test_times_are_read_in_utc_whatever_their_zone() -> None:
    stamp = datetime(2024, 3, 1, tzinfo=UTC)
    assert read(file({"t": pa.array([stamp], pa.timestamp("ms", "UTC"))}))[1] == (1, "2024-03-01T00:00:00Z")
