# SPDX-License-Identifier: Apache-2.0
"""A file that is joined to another one: a row for each key, in memory."""

from collections.abc import Iterator, Sequence
from itertools import chain

import polars as pl

from table_intake.columns.shown import shown_all
from table_intake.errors import Refused
from table_intake.join.columns import BETWEEN, Names, has_pointed, key
from table_intake.join.times import no_times, seconds
from table_intake.settings.exports import JoinedFile
from table_intake.wording import Text

_KEY, _TIME = "key", "time"


class Lookup:
    """The columns of a joined file that are taken, by key.

    Raises:
        Refused: a column is missing, or a key has several rows that differ.
    """

    def __init__(self, joined: JoinedFile, pieces: Iterator[tuple[Sequence[str], pl.DataFrame]]) -> None:
        self._joined = joined
        self._by: list[str] = []
        self._pointed = False
        self.notes = list[str]()
        self.repeated = 0
        """Rows that are equal to others, or older."""
        self.rows = self.orphans = 0
        """The rows that were joined, and those without a partner."""
        header, first = next(pieces)
        names = Names(joined.file, header)
        keys = [names.index(name, "by") for name in joined.by.values()]
        taken = [names.index(name, "columns") for name in joined.columns]
        taken = taken or [index for index in range(len(header)) if index not in keys]
        self.headings = [header[index] for index in taken]
        columns = [f"c{index}" for index in keys]
        selected = [
            key(columns).alias(_KEY),
            *(pl.col(f"c{index}").alias(f"v{number}") for number, index in enumerate(taken)),
        ]
        if joined.newest_by:
            selected.append(pl.col(f"c{names.index(joined.newest_by, 'newest_by')}").alias(_TIME))
        frames = [pl.DataFrame({expression.meta.output_name(): [""] for expression in selected})]
        for frame in chain([first], (frame for _, frame in pieces)):
            self._pointed = self._pointed or has_pointed(frame, columns)
            frames.append(frame.select(selected).drop_nulls(_KEY))
        self._table = self._one_row_each(frames)
        """A row for each key, sorted by it; the first is the partner of rows that have none, and empty."""

    def _one_row_each(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        rows = pl.concat(frames)
        frames.clear()  # what is sorted is a copy, and the file may be large
        rows = self._by_time(rows) if self._joined.newest_by else rows.sort(_KEY, maintain_order=True)
        is_newest = bool(self._joined.newest_by) or self._joined.repeated == "last"
        again = rows[_KEY] == rows[_KEY].shift()
        if not again.any():
            return rows
        if is_newest:
            different = rows.filter(~again.shift(-1, fill_value=False))
        else:
            different = rows.filter(~pl.all_horizontal(pl.all().eq_missing(pl.all().shift())))
            self._refuse_several(different[_KEY])
        self.repeated = rows.height - different.height
        if self._joined.newest_by:
            text = "{file}: of {rows:,} {rows:row|rows}, the newest by {time} counts for each key"
            values = {"file": self._joined.file, "rows": rows.height - 1, "time": self._joined.newest_by}
            self.notes.append(Text("join.newest", text, **values))
        return different

    def _by_time(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows sorted by their keys, and where these are the same, by their times."""
        times = seconds(rows[_TIME], self._joined.dates).alias(_TIME)
        if rows.height > 1 and times.null_count() == rows.height:
            raise no_times(self._joined.file, rows[_TIME][1], self._joined.newest_by or "", self._joined.dates)
        return rows.with_columns(times).sort(_KEY, _TIME, nulls_last=False, maintain_order=True).drop(_TIME)

    def _refuse_several(self, keys: pl.Series) -> None:
        """Raises Refused where keys, which are sorted, occur several times."""
        several = keys.filter(keys == keys.shift()).unique(maintain_order=True)
        if several.len():
            first = ", ".join(shown_all(several[0].split(BETWEEN)))
            text = (
                "{values:,} {values:value|values} of {keys} {values:stands|stand} in several rows that differ (the "
                "first is '{first}'): each must have one row. Name the column of times that tells the newest of them "
                "as newest_by in the settings, or leave the others out of the export"
            )
            values = {"values": several.len(), "keys": ", ".join(self._joined.by.values()), "first": first}
            raise Refused(self._joined.file, Text("join.several", text, **values))

    def attach(self, names: Names) -> list[int]:
        """Add the columns to those of the table that this is joined to; return their indices.

        Raises:
            Refused: that table lacks a column of the key.
        """
        self._by = [f"c{names.index(name, 'by')}" for name in self._joined.by]
        indices = [names.add(self._joined.file, heading) for heading in self.headings]
        self._table = self._table.rename({f"v{number}": f"c{index}" for number, index in enumerate(indices)})
        return indices

    def join(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the columns of their partners, in their order."""
        if frame.height and has_pointed(frame, self._by) != self._pointed:
            self._note_pointed()
        # A join of frames would hash all rows of the file once more for each piece.
        keys, known_keys = frame.select(key(self._by)).to_series(), self._table[_KEY]
        rows = known_keys.search_sorted(keys.fill_null("")).clip(upper_bound=known_keys.len() - 1)
        has_partner = (known_keys.gather(rows) == keys).fill_null(value=False)
        partners = self._table.drop(_KEY).select(pl.all().gather(rows * has_partner))
        self.rows += frame.height
        self.orphans += frame.height - int(has_partner.sum())
        joined = frame.hstack(partners)
        return joined.filter(has_partner) if self._joined.missing == "leave_out" else joined

    def _note_pointed(self) -> None:
        text = "ids like 17850.0 and 17850 are taken for the same where {file} is joined"
        note = Text("join.pointed", text, file=self._joined.file)
        if note not in self.notes:
            self.notes.append(note)
