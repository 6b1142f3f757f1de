# SPDX-License-Identifier: Apache-2.0
"""Joins beside the same joins in plain Python, over keys that match by accident, in part, or not at all."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop_exports import Files, table
from table_intake import ExportSettings, Refused, join_tables
from test_joined_exports import written

Rows = Sequence[Sequence[str]]
KEYS = st.sampled_from(
    ["1", "2", "12", "01", "1.0", "2.00", "17850.0", "17850", " 2", "a b", "a  b", "A", "a", "1.5", ""]
)
CELLS = st.sampled_from(["x", "y", "", 'two, "quoted"', "é"])
TIMES = st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03", "soon", ""])


def normal(parts: Sequence[str]) -> tuple[str, ...] | None:
    """Return a key as it is compared: without spaces around it, and 17850.0 as 17850; None where a part is empty."""
    whole = tuple(re.sub(r"^([0-9]+)\.0+$", r"\1", part.strip()) for part in parts)
    return whole if all(whole) else None


def partners(rows: Rows, how: Mapping[str, Any]) -> dict[tuple[str, ...], str] | None:
    """Return the value of each key; None where keys have several. Rows are two parts of a key, a value, and a time."""
    with_key = [(key, row[2], row[3]) for row in rows if (key := normal(row[:2])) is not None]
    if "newest_by" in how:
        # Times that are none are older than all others, and of equal ones the later row counts.
        return {key: value for key, value, _ in sorted(with_key, key=lambda row: row[2] if row[2] != "soon" else "")}
    values = {key: value for key, value, _ in with_key}
    is_unique = all(values[key] == value for key, value, _ in with_key)
    return values if is_unique or how.get("repeated") == "last" else None


@given(
    lines=st.lists(st.tuples(KEYS, KEYS, CELLS), min_size=1, max_size=12),
    parts=st.lists(st.lists(st.tuples(KEYS, KEYS, CELLS, TIMES), max_size=8), min_size=1, max_size=3),
    how=st.sampled_from([{}, {"repeated": "last"}, {"newest_by": "changed"}]),
    missing=st.sampled_from(["leave_out", "keep"]),
)
def test_joined_rows_are_those_of_plain_python(
    lines: Rows, parts: Sequence[Rows], how: Mapping[str, str], missing: str
) -> None:
    files = {f"orders-{number}.csv": table("number|shop|word|changed", rows) for number, rows in enumerate(parts)}
    files["lines.csv"] = table("order|store|item", lines)
    by = {"order": "number", "store": "shop"}
    join = {"file": "orders-*.csv", "by": by, "columns": ["word"], "missing": missing, **how}
    every = [row for part in parts for row in part]
    words = partners(every, how)
    has_times = "newest_by" not in how or not any(normal(row[:2]) for row in every)
    has_times = has_times or any(row[3].startswith("2026") for row in every if normal(row[:2]))
    keys = [normal(line[:2]) for line in lines]
    orphans = sum(key is None or key not in (words or {}) for key in keys)
    is_refused = words is None or not has_times or orphans >= (len(lines) if missing == "keep" else len(lines) / 2)
    with TemporaryDirectory() as folder:
        if words is None or is_refused:
            with pytest.raises(Refused):
                joined(files, join, Path(folder))
            return
        rows, counts = joined(files, join, Path(folder))
    expected = [
        [*line, words.get(key, "") if key else ""]
        for line, key in zip(lines, keys, strict=True)
        if missing == "keep" or (key is not None and key in words)
    ]
    assert rows == expected
    what = "kept with empty cells" if missing == "keep" else "left out"
    assert counts.get(f"rows of lines.csv without a partner in orders-*.csv, {what}", 0) == orphans


VALUES = st.sampled_from(["Mug", "Cup", "5", "7.50", "0", "1", "0.00", "€ 0", ""])


def newest(rows: Sequence[tuple[str, str, str]]) -> tuple[dict[str, str], int]:
    """Return the newest value of each id, as one reads them one after the other; and how many ids have several."""
    values: dict[str, list[tuple[str, int, str]]] = {}
    for number, (sku, value, time) in enumerate(rows):
        if sku:
            values.setdefault(sku, [])
            if value:
                values[sku].append((time if time.startswith("2026") else "", number, value))
    result, several = dict[str, str](), 0
    for sku, dated in values.items():
        different = {value for _, _, value in dated}
        several += len(different) > 1
        # A price of 0 is none where the item has another one; 0 and 1 alone are no and yes.
        numbers = [entry for entry in dated if different <= {"0", "1"} or entry[2] not in {"0", "0.00", "€ 0"}]
        result[sku] = max(numbers or dated, default=("", 0, ""))[2]
    return result, several


@given(
    parts=st.lists(st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), VALUES, TIMES), max_size=9), max_size=3),
)
def test_items_of_sales_have_the_newest_values_of_plain_python(parts: Sequence[list[tuple[str, str, str]]]) -> None:
    files = {f"lines-{number}.csv": table("sku|value|sold", rows) for number, rows in enumerate([*parts, []])}
    rows = [row for part in parts for row in part]
    items = {"file": "lines-*.csv", "one_row_per": "sku", "newest_by": "sold"}
    export = ExportSettings.model_validate({"items": items})
    with TemporaryDirectory() as folder:
        opened = written(Path(folder) / "in", files)
        if rows and not any(time.startswith("2026") for _, _, time in rows):
            with pytest.raises(Refused, match="are no times"):
                join_tables(export, opened, Path(folder) / "out", lambda _name, _rows: None, [*files])
            return
        done = join_tables(export, opened, Path(folder) / "out", lambda _name, _rows: None, [*files])
        header, *lines = csv.reader(done.files["items"].read_text(encoding="utf-8").splitlines())
    values, several = newest(rows)
    assert header == ["sku", "value"]
    assert lines == [[sku, value] for sku, value in values.items()]
    counts = {count.name: count.rows for count in done.counts}
    assert counts.get("values of sku with several values of value, of which the newest counts", 0) == several
    assert counts.get("rows of lines-*.csv without sku, left out", 0) == sum(not sku for sku, _, _ in rows)


def joined(files: Files, join: Mapping[str, Any], folder: Path) -> tuple[list[list[str]], Mapping[str, int]]:
    """Return the rows of lines.csv with what is joined to them, and the counts."""
    export = ExportSettings.model_validate({"interactions": {"file": "lines.csv", "join": [join]}})
    opened = written(folder / "in", files)
    done = join_tables(export, opened, folder / "out", lambda _name, _rows: None, [*files])
    with done.files["interactions"].open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["order", "store", "item", "word"]
    return rows, {count.name: count.rows for count in done.counts}
