# SPDX-License-Identifier: Apache-2.0
"""What is written as CSV is read as it was: by us and by others."""

import csv
import io

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from table_intake.read.rows import Table, render
from table_intake.write import dialect

ODD = "\\\",\u2028\x85\x0b\x0c\x1c\x1d\x1e\x00\ufeff '="
VALUE = st.text(st.sampled_from(ODD) | st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)
ROW = st.lists(VALUE, min_size=1, max_size=4)
BROKEN = st.text(st.sampled_from(ODD + "\n\r") | st.characters(codec="utf-8"), max_size=12)


def by_csv(text: str, **form: object) -> list[list[str]]:
    """What Python's csv module reads."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True, **form))  # type: ignore[arg-type]


@given(row=ROW)
@example(row=['\\\\"'])
@example(row=["", 'a\\",'])
def test_a_row_in_personalizes_form_is_read_as_it_was_by_everybody(row: list[str]) -> None:
    written = dialect.record(row)
    assert written.count("\n") == 1
    assert by_csv(written, escapechar="\\", doublequote=False) == [row]
    assert list(dialect.records([written])) == [row]
    assert dialect.cells(written.removesuffix("\n")) == row
    assert by_csv(dialect.standardised(written.encode()).decode()) == [row]


@given(rows=st.lists(st.lists(VALUE, min_size=3, max_size=3), min_size=1, max_size=5))
def test_many_rows_at_once_are_written_as_one_by_one(rows: list[list[str]]) -> None:
    frame = pl.DataFrame(rows, ["A", "B", "C"], orient="row")
    assert render(frame, frame.columns).decode() == "".join(map(dialect.record, rows))


@given(row=st.lists(BROKEN, min_size=1, max_size=4))
def test_a_row_in_the_standard_form_is_read_as_it_was_by_everybody(row: list[str]) -> None:
    for all_quoted in (False, True):
        written = dialect.standard(row, all_quoted=all_quoted)
        assert by_csv(written) == [row]
        assert dialect.is_standard(written.removesuffix("\n"))


@given(rows=st.lists(st.lists(BROKEN.filter(lambda text: "\0" not in text), min_size=2, max_size=2), max_size=6))
@example(rows=[["\\", "b"], ["a", 'b\\"\nc']])
@example(rows=[['a\\"', '"\\"'], ["\\\\", ",\\"]])
def test_a_drop_in_the_standard_form_is_read_as_it_was(rows: list[list[str]]) -> None:
    text = "".join(map(dialect.standard, [["A", "B"], *rows]))
    for size in (7, 1 << 20):
        data = text.encode()
        pieces = Table("drop", (data[at : at + size] for at in range(0, len(data), size)), size).rows()
        values = [row[1:] for piece in pieces for row in piece.frame.rows()]
        assert values == [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('"17\\" wide","a"', ['17" wide', "a"]),
        ('"17\\"",5', ['17"', "5"]),
        ('17\\" wide,5', ['17\\" wide', "5"]),
        ('"C:\\",5', ["C:\\", "5"]),
        ('"a\\"",",x"', ['a"', ",x"]),
    ],
)
def test_a_drop_may_escape_quotes_by_backslashes(line: str, values: list[str]) -> None:
    (rows,) = Table("drop", [f"A,B\n{line}\n".encode()]).rows()
    assert rows.frame.rows() == [(0 + 2, *values)]


@pytest.mark.parametrize("line", ['"a', '"a\\"', '"a"b', 'a,"', '"a""'])
def test_quotes_that_do_not_match_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="quotes do not match"):
        dialect.cells(line)
