# SPDX-License-Identifier: Apache-2.0
"""Rows that the setting `skip` leaves out: what is imported is as if the file never had them, in any format."""

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from personalization.core.errors import Rejected
from personalization.ingest import findings
from personalization.ingest.csv.copying import Copied, copy
from personalization.ingest.findings import Expected
from personalization.ingest.formats import opened
from personalization.shop.settings import ShopSettings, parse

from tests.unit.test_text_files import Body

NOW = 1_800_000_000
HEADER = ("USER_ID", "ITEM_ID", "TIMESTAMP", "kind")
SKIP = "interactions: {skip: {Kind: [configurable, 7, '']}, returns: {column: kind, below: 0}}"
GONE = ("configurable", "7", "")
kinds = st.sampled_from(["simple", "Configurable", " configurable ", "7", "", "70", "-1", "con,figurable", 'a "b"\nc'])
rows = st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from(["i", "j", ""]), kinds), min_size=1, max_size=40)


def text(table: list[tuple[str, ...]], separator: str = ",") -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(table)
    return file.getvalue().encode()


def book(table: list[tuple[str, ...]]) -> bytes:
    made, file = Workbook(), io.BytesIO()
    for row in table:
        made.worksheets[0].append(row)
    made.save(file)
    return file.getvalue()


def parquet(table: list[tuple[str, ...]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(table[1:], schema=dict.fromkeys(table[0], pl.String), orient="row").write_parquet(file)
    return file.getvalue()


FORMATS = {"csv": text, "tsv": lambda table: text(table, "\t"), "xlsx": book, "parquet": parquet}


def imported(data: bytes, chosen: ShopSettings) -> tuple[bytes, Copied]:
    written: list[bytes] = []
    expected = Expected("drop", "interactions", "FULL", chosen, now=NOW)
    files = chosen.file_settings("interactions")
    with TemporaryDirectory() as scratch, opened("drop", Body(data), files, Path(scratch)) as table:
        copied = copy(table, expected, lambda some: written.append(bytes(some)), Path(scratch))
    return b"".join(written), copied


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=25, deadline=None)
@given(found=rows)
def test_the_import_is_that_of_a_file_without_these_rows(form: str, found: list[tuple[str, str, str]]) -> None:
    table = [(user, item, str(1_700_000_000 + place), kind) for place, (user, item, kind) in enumerate(found)]
    wanted = [row for row in table if row[3].strip().lower() not in GONE]
    write = FORMATS[form]
    ours, skipped = imported(write([HEADER, *table]), parse("settings.yaml", SKIP))
    plain = parse("settings.yaml", SKIP.replace("skip: {Kind: [configurable, 7, '']}, ", ""))
    theirs, oracle = imported(write([HEADER, *wanted]) if wanted else text([HEADER]), plain)
    assert ours == theirs
    one, other = skipped.findings, oracle.findings
    assert (one.rows, one.accepted, one.rejected) == (other.rows, other.accepted, other.rejected)
    assert [(each.rule, each.rows) for each in one.reasons] == [(each.rule, each.rows) for each in other.reasons]
    assert (one.event_types, one.duplicates, one.size) == (other.event_types, other.duplicates, other.size)
    assert one.skipped == len(table) - len(wanted)
    assert one.skipped == 0 or "rows were left out, as the setting skip says: KIND is " in str(one.notes)


def test_refused_rows_keep_their_lines_and_those_that_are_skipped_are_never_bad() -> None:
    lines = [("u", "", "1700000000", "configurable"), ("u", "", "1700000000", "simple"), ("u", "i", "1700000000", "x")]
    _, copied = imported(text([HEADER, *lines]), parse("settings.yaml", SKIP))
    (reason,) = copied.findings.reasons
    assert [each.line for each in reason.examples] == [3]
    assert (copied.findings.rows, copied.findings.rejected, copied.findings.skipped) == (2, 1, 1)


def test_a_file_without_the_column_is_refused_and_values_that_it_lacks_are_noted() -> None:
    chosen = parse("settings.yaml", "interactions: {skip: {state: [cancelled]}}")
    with pytest.raises(Rejected, match="leave rows out by the column state, which the file lacks: it has USER_ID, "):
        imported(text([HEADER, ("u", "i", "1700000000", "x")]), chosen)
    data = text([(*HEADER[:3], "State"), ("u", "i", "1700000000", "paid")])
    assert "no row was left out by STATE" in str(imported(data, chosen)[1].findings.notes)


def test_a_file_of_which_nothing_is_left_is_refused_with_the_reason() -> None:
    chosen = parse("settings.yaml", SKIP)
    _, copied = imported(text([HEADER, ("u", "i", "1700000000", "")]), chosen)
    expected = Expected("drop", "interactions", "FULL", chosen, now=NOW)
    assert findings.problems(expected, copied.findings) == [
        "all 1 rows are left out, as the setting skip says: correct it, or the file"
    ]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("{status: cancelled}", r"interactions.skip.status: must be a list"),
        ("{status: []}", r"interactions.skip.status: .*at least"),
        ("{status: [no]}", r"interactions.skip.status.0: must be a text or a number: write words like yes, no"),
        ("[status]", r"interactions.skip: must be a mapping of names to values"),
    ],
)
def test_settings_that_say_nothing_clear_are_refused(written: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse("settings.yaml", f"interactions: {{skip: {written}}}")


def test_the_setting_is_in_the_digest_only_where_it_is_used() -> None:
    digests = [parse("settings.yaml", text).digest for text in ("", "users: {skip: {}}", "users: {skip: {a: [b]}}")]
    assert digests[0] == digests[1] != digests[2]
