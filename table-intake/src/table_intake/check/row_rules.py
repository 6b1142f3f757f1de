# SPDX-License-Identifier: Apache-2.0
"""What the rows of a drop are by its settings: left out, returns, or lines of an order whose first row says more."""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from table_intake.check import cell_rules
from table_intake.check.forms import plain_numbers
from table_intake.columns import statuses
from table_intake.columns.header import Layout, ReturnRule, Words
from table_intake.read.irregular import LINE
from table_intake.read.rows import source
from table_intake.settings.files import FileSettings
from table_intake.wording import Text

Changes = Counter[tuple[str, str]]
"""Rows and cells by kind of change and what it is about."""
_PLAIN = FileSettings()


class RowRules:
    """The rules of one drop, for its rows in order, a piece at a time."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        fill = layout.fill
        self._fill = FillDown([source(index) for _, index in fill.columns], source(fill.by)) if fill else None
        self.down = frozenset(index for _, index in fill.columns) if fill else frozenset[int]()
        """The columns of the file whose cells come from other rows."""

    def filled(self, frame: pl.DataFrame, changes: Changes) -> pl.DataFrame:
        """Return rows with what stands in the first row of their order alone."""
        if self._fill is None or self._layout.fill is None:
            return frame
        frame, counts = self._fill.take(frame)
        for name, index in self._layout.fill.columns:
            carried, hollow = counts.get(source(index), (0, 0))
            changes["carried", name] += carried
            changes["hollow", name] += hollow
        return frame

    def keep(self, frame: pl.DataFrame, changes: Changes) -> tuple[pl.DataFrame, pl.Series | None]:
        """Return the rows that the settings do not leave out, and the lines of the others."""
        skipped = None
        for rule in self._layout.skips:
            values = matched(frame[source(rule.source)], rule.words)
            _count(changes, "skipped", rule.name, values)
            lines = frame.filter(values.is_not_null())[LINE]
            skipped = lines if skipped is None else pl.concat([skipped, lines])
            frame = frame.filter(values.is_null())
        return frame, skipped

    def returned(self, frame: pl.DataFrame, changes: Changes) -> tuple[pl.Series | None, list[cell_rules.Verdict]]:
        """Tell which rows are returns, and whether the columns that tell it by numbers have them.

        The verdicts are those on `Layout.judged`, in this order. A row counts for the first condition that fits.
        """
        back, numbers, verdicts = None, dict[int, pl.Series](), list[cell_rules.Verdict]()
        for slot in self._layout.judged:
            index = slot.source or 0
            cells = frame[source(index)]
            numbers[index] = read = _numbers(cells, slot.form or _PLAIN)
            unread = (read.is_null() & (cells.str.strip_chars() != "")).cast(pl.UInt8) * cell_rules.UNJUDGED
            verdicts.append(cell_rules.Verdict(cells, unread if unread.max() else None))
        for rule in self._layout.returns:
            if rule.words is not None:
                values = matched(frame[source(rule.source)], rule.words)
                hits = values.is_not_null()
            else:
                values, hits = None, _by_number(rule, numbers)
            new = hits if back is None else hits & ~back
            if values is not None:
                _count(changes, "returned", rule.name, values.filter(new))
            else:
                changes["returned", rule.told()] += int(new.sum())
            back = hits if back is None else back | hits
        return back, verdicts


def _numbers(cells: pl.Series, form: FileSettings) -> pl.Series:
    """Return the numbers of a column; null for other cells."""
    if form.rewrites_numbers:
        return plain_numbers(cells, form, any_minus=True).cast(pl.Float64, strict=False)
    # Nearly all cells are numbers as they stand, which is quicker to see.
    plain = cells.str.strip_chars().cast(pl.Float64, strict=False)
    odd = plain.is_null() | ~plain.is_finite()
    if not odd.any():
        return plain
    read = plain_numbers(cells.filter(odd), form, any_minus=True).cast(pl.Float64, strict=False)
    return plain.scatter(odd.arg_true(), read)


def _by_number(rule: ReturnRule, numbers: Mapping[int, pl.Series]) -> pl.Series:
    number = numbers[rule.source]
    back = (number > 0) & (number >= numbers[rule.of[1]]) if rule.of is not None else number < rule.below
    return back.fill_null(value=False)


def matched(cells: pl.Series, words: Words) -> pl.Series:
    """Return the word that each cell is, in small letters; null for those that are none of them."""
    cells, exact = (
        words_or_cells.str.strip_chars().str.to_lowercase()
        for words_or_cells in (cells, pl.Series(words.exact, dtype=pl.String))
    )
    words_found = cells.set(~cells.is_in(exact.implode()), None)
    for word, pattern in words.patterns:
        more = words_found.is_null() & (cells != "") & cells.str.contains(pattern)
        words_found = words_found.set(more, word) if more.any() else words_found
    return words_found


def _count(changes: Changes, kind: str, name: str, values: pl.Series) -> None:
    for value, rows in values.drop_nulls().value_counts().iter_rows():
        changes[kind, Text("is", "{name} is {value}", name=name, value=value or Text("empty", "empty"))] += rows


def count_statuses(column: statuses.Column, cells: pl.Series) -> Mapping[str, int]:
    """Return how often each value occurs in a column that tells what became of orders; any time is one value."""
    values = cells.str.strip_chars()
    if column.form == "moment":
        values = values.set(values.str.contains("[1-9]"), statuses.ANY)
    return dict(values.alias("value").value_counts(name="rows").iter_rows())


class FillDown:
    """Fills the empty cells of some columns with the value above them, within rows of the same order.

    Rows of one order stand below each other, so only the last row has to be remembered between the pieces of a file.
    A row without an order's name neither takes a value nor passes one on, unless the name itself is filled.

    Args:
        names: the columns that are filled.
        by: the column that names the order.
    """

    def __init__(self, names: Sequence[str], by: str) -> None:
        self._by = by
        self._order = ""
        """The name of the last row's order."""
        self._values: Mapping[str, str] = dict.fromkeys(names, "")
        """What the columns have there."""

    def take(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, Mapping[str, tuple[int, int]]]:
        """Return the next rows of the file with their cells filled; also how many were in each column, and how many
        stay empty."""
        if not frame.height:
            return frame, {}
        orders = frame[self._by].str.strip_chars()
        if self._by in self._values:
            orders = orders.set(orders == "", None).forward_fill().fill_null(self._order)
        begins = (orders != orders.shift(1, fill_value=self._order)) | (orders == "")
        filled, counts = dict[str, pl.Series](), dict[str, tuple[int, int]]()
        for name, last in self._values.items():
            empty = frame[name].str.strip_chars() == ""
            above = frame[name].set(empty & ~begins, None).forward_fill().fill_null(last)
            hollow = int((above.str.strip_chars() == "").sum())
            filled[name], counts[name] = above, (int(empty.sum()) - hollow, hollow)
        self._order = orders[-1]
        self._values = {name: values[-1] for name, values in filled.items()}
        return frame.with_columns(filled.values()), counts
