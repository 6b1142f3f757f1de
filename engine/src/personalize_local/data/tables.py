# SPDX-License-Identifier: Apache-2.0
"""One imported dataset as arrays, in the form that trainings and answers share (numpy only).

Actions are named as items, and their interactions as interactions, so that everything else treats both the same.
Names of arrays, each with the strings of a `StringTable` beside it where it has codes:

* interactions, by user, then time, then order of import: `history.start` [users + 1], `history.item`, `history.time`,
  `history.type`, `history.value` [rows], `history.context.NAME` [rows]; ids are `history.users` and `history.items`;
* what was shown with interactions: ids `history.shown`, and `history.shown.count`;
* users, and items: ids `users.ids`, sorted, and `users.column.NAME` for each column.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays, StringTable
from personalize_local.data.schemas import Field, Schema
from personalize_local.data.snapshots import Column, Strings


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A dataset: its schema, its arrays, and the facts that tell how to read them."""

    schema: Schema
    arrays: Arrays
    facts: Mapping[str, Any]

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Map a table that `columns.Columns` wrote. Raises FileNotFoundError."""
        files, facts = arrays.load(directory)
        return cls(_schema_of(facts["schema"]), files, facts)

    @property
    def kind(self) -> str:
        """The first part of the names of arrays of users and items."""
        return "users" if self.schema.dataset_type == "USERS" else "items"

    def strings(self, name: str) -> Strings:
        """Return the strings of codes, or ids; none if the table has no such array."""
        if f"{name}.text" not in self.arrays:
            return np.empty(0, object)
        return StringTable.from_arrays(self.arrays, name).all()

    def count(self, name: str) -> int:
        """Return how many strings such an array has."""
        return max(len(self.arrays.get(f"{name}.offsets", ())) - 1, 0)

    def texts(self, name: str, codes: npt.NDArray[np.integer[Any]]) -> Strings:
        """Return the strings of some codes; None for -1."""
        strings = self.strings(name)
        with_none = np.full(len(strings) + 1, None, object)
        with_none[:-1] = strings
        texts: Strings = with_none[codes]
        return texts

    def column(self, field: Field, rows: npt.NDArray[np.int64]) -> Column:
        """Return a column at some rows of its own (-1 = missing), missing everywhere if the table is older than it."""
        name = f"{self.kind}.column.{field.name}"
        cells = self.arrays.get(name)
        if field.type == "string":
            codes = np.full(len(rows), -1) if cells is None or not cells.size else np.where(rows < 0, -1, cells[rows])
            return self.texts(name, codes)
        if cells is None or not cells.size:
            return np.full(len(rows), np.nan)
        numbers: Column = np.where(rows < 0, np.nan, cells[rows]).astype(np.float64)
        return numbers

    def shown(self) -> Iterator[tuple[str, int]]:
        """Yield how often each item was shown with an interaction."""
        if "history.shown.count" in self.arrays:
            yield from zip(self.strings("history.shown"), self.arrays["history.shown.count"].tolist(), strict=True)


class Tables(NamedTuple):
    """The datasets of a group; of actions, these stand for items, and their interactions for interactions."""

    interactions: Table
    users: Table | None = None
    items: Table | None = None


def empty(schema: Schema) -> Table:
    """Return a table of a dataset into which nothing was imported."""
    if schema.dataset_type != "INTERACTIONS":
        return Table(schema, {}, {})
    rows: dict[str, npt.NDArray[Any]] = {
        "history.start": np.zeros(1, np.int64),
        "history.item": np.empty(0, np.int32),
        "history.time": np.empty(0, np.int64),
        "history.type": np.empty(0, np.int16),
        "history.value": np.empty(0, np.float32),
    }
    strings = StringTable.of(())
    return Table(
        schema,
        rows | strings.arrays("history.users") | strings.arrays("history.items"),
        {"event_types": [], "rows": 0},
    )


def _schema_of(document: Mapping[str, Any]) -> Schema:
    return Schema(document["dataset_type"], tuple(Field(**field) for field in document["fields"]))
