# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.ingest.item_lines import ItemLines
from personalization.shop.records import item_table
from personalization.shop.records.item_table import MAX_CHARACTERS, MAX_SHARDS, SHARD_BYTES, Table

ODD = ['a"b\\c', "우유 1/2L", "x\x01\x7f\t", 'p","0":q', "line\nbreak", "🎈", "x", ""]


def lines(folder: Path, ids: list[str], names: list[str]) -> list[bytes]:
    listing = ItemLines(folder)
    listing.take(pl.DataFrame({"ITEM_ID": ids, "NAME": names}))
    return [row for _, rows in listing.partitions() for row in rows]


def test_whatever_ids_are_each_finds_its_own_values(tmp_path: Path) -> None:
    text = item_table.unpack(item_table.pack(lines(tmp_path, ODD, [f"name of {item!r}" for item in ODD])))
    for item in ODD:
        assert item_table.find(text, item) == {"0": f"name of {item!r}"}
        assert item_table.find(text, f"{item}z") == {}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_put_replaces_the_line_that_a_drop_wrote(item: str, name: str) -> None:
    told = pl.DataFrame({"": [item], "0": ["old"]}).select(pl.struct("", "0").struct.json_encode()).to_series()[0]
    changed = item_table.line(item, {0: name})
    text = item_table.unpack(item_table.pack([told.encode(), changed]))
    assert item_table.rows(text) == [changed]
    assert item_table.find(text, item) == {"0": name}


def test_empty_and_long_values_are_left_out(tmp_path: Path) -> None:
    rows = lines(tmp_path, ["a", "b", "c"], ["", "x" * (MAX_CHARACTERS + 1), "x" * MAX_CHARACTERS])
    text = item_table.unpack(item_table.pack(rows))
    assert [len(item_table.find(text, item)) for item in "abc"] == [0, 0, 1]


def test_the_last_of_several_lines_counts(tmp_path: Path) -> None:
    text = item_table.unpack(item_table.pack(lines(tmp_path, ["a", "a"], ["first", "last"])))
    assert item_table.find(text, "a") == {"0": "last"}


@pytest.mark.parametrize(
    ("size", "shards"),
    [(0, 1), (SHARD_BYTES, 1), (SHARD_BYTES + 1, 2), (75_000_000, 2048), (MAX_SHARDS * SHARD_BYTES + 1, None)],
)
def test_a_table_has_as_many_files_as_it_needs(size: int, shards: int | None) -> None:
    assert item_table.shards_for(size) == shards


def test_columns_are_shown_as_they_are_wanted() -> None:
    table = Table(version="v", shards=1, columns=("PRICE", "NAME"))
    files = {
        item_table.document_key("demo"): json.dumps(table.as_json()).encode(),
        item_table.shard_key("demo", "v", 0): item_table.pack([item_table.line("milk", {0: "1.29", 1: "Milk"})]),
    }
    items = item_table.ShownItems(files.get)
    for _ in range(2):
        assert items.find("demo", ["milk", "bread"], ("NAME", "COLOUR"), 5.0) == {"milk": {"NAME": "Milk"}}
    assert item_table.read(table.as_json()) == table
