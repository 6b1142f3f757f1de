# SPDX-License-Identifier: Apache-2.0
"""Some rows of a table, from as many places as it is read to."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import polars as pl

from table_intake.check.row_rules import FillDown, count_statuses
from table_intake.columns import statuses
from table_intake.columns.header import canonical
from table_intake.columns.usual_names import ORDER, forms, plain, ranks
from table_intake.propose.value_sets import Collecting, ValueSet
from table_intake.propose.values import Times, times
from table_intake.read.rows import source
from table_intake.table import Table

ROWS = 2_000
"""Rows of a piece, at most."""
_CELLS = 1_000_000
"""Cells of a piece, at most: with many columns, fewer rows."""
_MOST_ROWS = 8_000
"""Rows of all pieces, from which on every second one goes."""
_LONGEST = 100
"""Characters of a cell that are looked at."""
_ENOUGH = 3
"""How many rows besides the first ones of orders must be there to see which columns only first rows fill."""
_MOST_VALUES = 1_000
"""Different values above which a column has no statuses, whatever its name."""
_FEW = 0.01
"""The share of rows behind the first of an order that may have a value in a column of first rows."""

_LANGUAGE = ranks("""
    idlang langid languageid language languagecode lang langcode locale localeid sprache spracheid sprachid langue
    idlangue idioma ididioma lingua taal 언어 언어코드 言語 语言
""").keys()
_LANGUAGES = 50
"""Languages of a shop, at most."""
_POINTED = re.compile(r"\d+\.0+")
Ids = Mapping[str, Set[str]]
"""Some ids of users and items, by the name of their column."""


@dataclass(frozen=True, slots=True)
class Order:
    """Orders of several rows, of which only the first says all, by the indices of columns."""

    by: int
    """The name of the order."""
    columns: tuple[int, ...]
    """What stands in the first row of an order alone, which may be its name as well."""


@dataclass(frozen=True)
class Sample:
    """The columns of a file, and some of its rows."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    """What stands in the first row of an order alone is in its other rows, too."""
    read: int = 0
    """The rows from which these were taken."""
    counts: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """How often each value occurs in these rows, of columns that tell what became of orders, by their indices."""
    order: Order | None = None
    sets: Sequence[ValueSet] = ()
    """The values of each column in the rows read; see `value_sets`."""
    whole: bool = True
    """Whether these rows are all that the file has."""
    translated: bool = False
    """Whether the file has a row of each key for each language, and these are those of the last language."""

    @cached_property
    def _columns(self) -> Sequence[Sequence[str]]:
        return [[row[index] for row in self.rows if index < len(row)] for index in range(len(self.header))]

    @cached_property
    def _filled(self) -> Sequence[float]:
        return [sum(bool(cell.strip()) for cell in cells) / len(cells) if cells else 1.0 for cells in self._columns]

    @cached_property
    def _times(self) -> dict[int, Times]:
        return {}

    @cached_property
    def _value_sets(self) -> Sequence[ValueSet]:
        return self.sets or [*map(_collected, self._columns)]

    def column(self, index: int) -> Sequence[str]:
        return self._columns[index]

    def times(self, index: int) -> Times:
        """Return the forms in which all but a few values of a column are times."""
        if index not in self._times:
            self._times[index] = times(self.column(index))
        return self._times[index]

    def ids(self, columns: Mapping[str, str]) -> Ids:
        """Return the ids of users and items; `columns` are Personalize's names of the columns that have others."""
        mapping = {canonical(heading): ours for heading, ours in columns.items()}
        names = [mapping.get(canonical(heading), canonical(heading)) for heading in self.header]
        indices = {name: names.index(name) for name in ("USER_ID", "ITEM_ID") if name in names}
        return {name: set(map(whole, self.column(index))) for name, index in indices.items()}

    def orders(self, but: Set[int]) -> list[int]:
        """Return the columns that name orders, the best first; a column `name` alone is none."""
        best = ranks(ORDER)
        ranked = [
            (best[name], index)
            for index, heading in enumerate(self.header)
            for name in forms(heading)
            if name in best and name != "name"
        ]
        return [index for _, index in sorted(ranked) if index not in but]

    def value_sets(self) -> Sequence[ValueSet]:
        """Return the values of each column: in all rows read, or where nobody counted these, in the rows here."""
        return self._value_sets

    def filled(self, index: int) -> float:
        """Return the share of rows that have a value in a column."""
        return self._filled[index]


def in_one_language(sample: Sample) -> Sample:
    """Return the rows of the last language, of a table that has a row of each key for each language."""
    sets = sample.value_sets()
    for index, heading in enumerate(sample.header):
        languages = sets[index].different
        if _LANGUAGE.isdisjoint(forms(heading)) or not 1 < languages <= _LANGUAGES or not sample.rows:
            continue
        others = [values for other, values in enumerate(sets) if other != index]
        if any(_is_repeated(values, languages, sample.read or len(sample.rows)) for values in others):
            rows = [row for row in sample.rows if row[index] == sample.rows[-1][index]]
            counts = {column: Counter(row[column].strip() for row in rows) for column in sample.counts}
            one_each = [values.in_each_of(languages) for values in sets]
            return replace(sample, rows=rows, counts=counts, sets=one_each, translated=True)
    return sample


def _is_repeated(values: ValueSet, times: int, rows: int) -> bool:
    """Tell whether a column has each of its values so many times."""
    different = times * values.different
    return values.different > 1 and values.filled == rows and abs(different - rows) <= _FEW * rows


def whole(cell: str) -> str:
    """Return an id as it stands in files whose program did not take it for a number."""
    return cell.partition(".")[0] if _POINTED.fullmatch(cell) else cell


def sample_table(name: str, table: Table, pieces: int = 1) -> Sample:
    """Return rows that are spread over the first pieces of a table, and how often the statuses in them occur.

    What stands in the first row of an order alone is filled into its other rows.

    Raises:
        Refused: what is read is no table.
    """
    names = [source(index) for index in range(len(table.header))]
    rows: list[tuple[str, ...]] = []
    counts: dict[int, Counter[str]] = {}
    order: Order | None = None
    fill: FillDown | None = None
    read, whole = 0, True
    sets = [Collecting() for _ in names]
    for number, piece in enumerate(islice(table.rows(), pieces)):
        frame = piece.frame.select(names)
        if not number:
            order = _order(table.header, frame)
            fill = FillDown([source(index) for index in order.columns], source(order.by)) if order else None
        if fill is not None:
            frame, _ = fill.take(frame)
        for column_name, collecting in zip(names, sets, strict=True):
            collecting.take(frame[column_name].str.slice(0, _LONGEST))
        most = max(1, min(ROWS, _CELLS // len(names)))
        some = frame.gather_every(max(1, -(-frame.height // most))).select(pl.all().str.slice(0, _LONGEST))
        rows += some.rows()
        if len(rows) > _MOST_ROWS:
            rows = rows[::2]
        if not number:
            counts = {index: Counter() for index in _with_statuses(table.header, some)}
        for index in [*counts]:
            column = statuses.column(table.header[index]) or statuses.Column()
            counts[index].update(count_statuses(column, frame[source(index)].str.slice(0, _LONGEST)))
            if len(counts[index]) > _MOST_VALUES:
                del counts[index]
        read += frame.height
        whole = piece.last
    value_sets = [collecting.finished() for collecting in sets]
    return Sample(name, table.header, rows, read=read, counts=counts, order=order, sets=value_sets, whole=whole)


def _collected(cells: Sequence[str]) -> ValueSet:
    collecting = Collecting()
    collecting.take(pl.Series(cells, dtype=pl.String))
    return collecting.finished()


def _with_statuses(header: Sequence[str], frame: pl.DataFrame) -> list[int]:
    """Return the columns that tell what became of orders, by their names or by their values."""
    return [
        index
        for index, heading in enumerate(header)
        if statuses.column(heading) is not None or statuses.looks_like_statuses(_few(frame[source(index)]))
    ]


def _few(cells: pl.Series) -> Mapping[str, int]:
    """Return the values of a column that has few different ones."""
    return count_statuses(statuses.Column(), cells) if cells.n_unique() <= statuses.FEW else {}


def _nameless(frame: pl.DataFrame, orders: pl.Series) -> tuple[int, ...]:
    """Return the columns that are filled where the order has a name alone, as in reports that name each order once.

    There are none unless several columns go with the order's name, and others do not.
    """
    bare = orders == ""
    below = bare & (orders.shift(1, fill_value="") != "")
    if int(below.sum()) < _ENOUGH or bool(bare[0]):
        return ()
    named, rest = int((~bare).sum()), int(bare.sum())
    filled = [frame[name].str.strip_chars() != "" for name in frame.columns]
    once = [int((cells & bare).sum()) <= _FEW * rest and int((cells & ~bare).sum()) > 0 for cells in filled]
    goes_on = any(
        int((cells & bare).sum()) >= (1 - _FEW) * rest and 2 * int((cells & ~bare).sum()) > named for cells in filled
    )
    columns = tuple(index for index, is_once in enumerate(once) if is_once)
    always = sum(2 * int((filled[index] & ~bare).sum()) > named for index in columns)
    return columns if goes_on and always >= _ENOUGH else ()


def _order(header: Sequence[str], frame: pl.DataFrame) -> Order | None:
    """Return the column that names orders of several rows, and the columns that only their first row fills."""
    best = ranks(ORDER)
    keys = [
        (best[form], index)
        for index, heading in enumerate(header)
        for form in forms(heading)
        # A name within others is that of a thing that was ordered.
        if form in best and (form != "name" or plain(heading) == form)
    ]
    for _, by in sorted(keys):
        orders = frame[source(by)].str.strip_chars()
        if named_once := _nameless(frame, orders):
            return Order(by, named_once)
        later = (orders == orders.shift(1)) & (orders != "")
        rest = int(later.sum())
        if rest < _ENOUGH:
            continue
        indices = []
        for index in range(len(header)):
            filled = frame[source(index)].str.strip_chars() != ""
            first = int((filled & ~later).sum())
            if first and int((filled & later).sum()) <= _FEW * rest:
                indices.append(index)
        if indices:
            return Order(by, tuple(indices))
    return None
