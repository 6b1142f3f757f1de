# SPDX-License-Identifier: Apache-2.0
"""A file that is joined to another one: a row for each key, in memory."""

from collections.abc import Iterator, Sequence
from itertools import chain

import polars as pl

from table_intake.errors import Refused
from table_intake.join.columns import Names, has_pointed, key
from table_intake.join.times import no_times, seconds
from table_intake.settings.exports import JoinedFile
from table_intake.wording import Text

_KEY, _HIT, _TIME, _ROW = "key", "hit", "time", "row"


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
        frames = list[pl.DataFrame]()
        for frame in chain([first], (frame for _, frame in pieces)):
            self._pointed = self._pointed or has_pointed(frame, columns)
            frames.append(frame.select(selected).drop_nulls(_KEY))
        self._table = self._one_row_each(pl.concat(frames)).with_columns(pl.lit(value=True).alias(_HIT))

    def _one_row_each(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self._joined.newest_by:
            different = self._newest(rows)
        elif self._joined.repeated == "last":
            different = rows.unique(_KEY, keep="last", maintain_order=True)
        else:
            different = rows.unique(maintain_order=True)
        self.repeated = rows.height - different.height
        several = different.filter(pl.col(_KEY).is_duplicated())
        if several.height:
            count = several[_KEY].n_unique()
            text = (
                "{values:,} {values:value|values} of {keys} {values:stands|stand} in several rows that differ (the "
                "first is '{first}'): each must have one row. Name the column of times that tells the newest of them "
                "as newest_by in the settings, or leave the others out of the export"
            )
            told = {"values": count, "keys": ", ".join(self._joined.by.values()), "first": several[_KEY][0]}
            raise Refused(self._joined.file, Text("join.several", text, **told))
        return different

    def _newest(self, rows: pl.DataFrame) -> pl.DataFrame:
        times = seconds(rows[_TIME], self._joined.dates)
        if rows.height and times.null_count() == rows.height:
            raise no_times(self._joined.file, rows[_TIME][0], self._joined.newest_by or "", self._joined.dates)
        ordered = rows.with_columns(times.alias(_TIME)).with_row_index(_ROW).sort(_TIME, _ROW, nulls_last=False)
        newest = ordered.unique(_KEY, keep="last").sort(_ROW).drop(_TIME, _ROW)
        if changed := rows.height - newest.height:
            text = "{file}: of {rows:,} {rows:row|rows}, the newest by {time} counts for each key"
            values = {"file": self._joined.file, "rows": changed + newest.height, "time": self._joined.newest_by}
            self.notes.append(Text("join.newest", text, **values))
        return newest

    def attach(self, names: Names) -> list[int]:
        """Add the columns to those of the table that this is joined to; return their indices.

        Raises:
            Refused: that table lacks a column of the key.
        """
        self._by = [f"c{names.index(name, 'on')}" for name in self._joined.by]
        indices = [names.add(self._joined.file, heading) for heading in self.headings]
        self._table = self._table.rename({f"v{number}": f"c{index}" for number, index in enumerate(indices)})
        return indices

    def join(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the columns of their partners, in their order."""
        if frame.height and has_pointed(frame, self._by) != self._pointed:
            self._note_pointed()
        joined = frame.with_columns(key(self._by).alias(_KEY)).join(
            self._table, on=_KEY, how="left", maintain_order="left"
        )
        orphans = int(joined[_HIT].null_count())
        self.rows += joined.height
        self.orphans += orphans
        if orphans and self._joined.missing == "leave_out":
            joined = joined.filter(_HIT)
        return joined.drop(_KEY, _HIT).with_columns(pl.selectors.string().fill_null(""))

    def _note_pointed(self) -> None:
        text = "ids like 17850.0 and 17850 are taken for the same where {file} is joined"
        note = Text("join.pointed", text, file=self._joined.file)
        if note not in self.notes:
            self.notes.append(note)
