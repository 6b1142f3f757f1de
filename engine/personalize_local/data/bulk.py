# SPDX-License-Identifier: Apache-2.0
"""Imported histories and metadata as the serving process reads them: arrays mapped from disk (numpy only)."""

from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays, StringTable
from personalize_local.data.snapshots import Column
from personalize_local.recipes.base import Interaction, Value

Cell = Value | None


class Table:
    """The Users or the Items dataset, found by id."""

    def __init__(self, kind: str, files: Arrays, columns: Mapping[str, str]) -> None:
        self._kinds = columns
        self._ids = StringTable.from_arrays(files, f"{kind}.ids") if f"{kind}.ids.text" in files else StringTable.of(())
        self._cells = {name: files[f"{kind}.column.{name}"] for name in columns}
        self._texts = {
            name: StringTable.from_arrays(files, f"{kind}.column.{name}")
            for name, column_kind in columns.items()
            if column_kind == "text"
        }

    def row(self, key: str) -> dict[str, Value]:
        """A row's values by column; missing ones left out; empty if there is no such row."""
        position = self._ids.find(key)
        if position < 0:
            return {}
        cells = ((name, self._cell(name, position)) for name in self._cells)
        return {name: value for name, value in cells if value is not None}

    def positions(self, ids: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
        """Row of each id; -1 where there is none."""
        row_of = {key: position for position, key in enumerate(self._ids.all().tolist())}
        return np.fromiter((row_of.get(key, -1) for key in ids.tolist()), np.int64, len(ids))

    def column(self, name: str, rows: npt.NDArray[np.int64]) -> Column:
        """A column's values at `rows` (-1 = missing); all None for an unknown column."""
        if name not in self._cells or not len(self._ids):
            return np.full(len(rows), None, object)
        cells = self._cells[name][rows]
        if name not in self._texts:
            return np.where(rows < 0, np.nan, cells).astype(np.float64)
        values = np.array([*self._texts[name].all(), None], object)
        return values[np.where((rows < 0) | (cells < 0), len(values) - 1, cells)]

    def _cell(self, name: str, position: int) -> Cell:
        value = self._cells[name][position]
        if name in self._texts:
            return self._texts[name][int(value)] if value >= 0 else None
        if np.isnan(value):
            return None
        return int(value) if self._kinds[name] == "integer" else float(value)


class Bulk:
    """One dataset group's imported data."""

    def __init__(self, files: Arrays, facts: Mapping[str, Any]) -> None:
        self.users = Table("users", files, facts.get("users", {}))
        self.items = Table("items", files, facts.get("items", {}))
        self.rows: int = facts.get("rows", 0)
        self._types: list[str | None] = [*facts.get("event_types", []), None]
        self._files = files
        if files:
            self._user_ids = StringTable.from_arrays(files, "history.users")
            self._item_ids = StringTable.from_arrays(files, "history.items").all().tolist()

    @classmethod
    def empty(cls) -> Self:
        """No import yet."""
        return cls({}, {})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map what `building.write_live` wrote."""
        return cls(*arrays.load(directory))

    def history(self, user_id: str) -> list[Interaction]:
        """The user's imported interactions, oldest first."""
        position = self._user_ids.find(user_id) if self._files else -1
        if position < 0:
            return []
        start, stop = self._files["history.start"][position : position + 2]
        item, time, kind, value = (
            self._files[f"history.{name}"][start:stop] for name in ("item", "time", "type", "value")
        )
        items = map(self._item_ids.__getitem__, item.tolist())
        kinds = map(self._types.__getitem__, kind.tolist())
        values = [None if isnan(number) else number for number in value.tolist()]
        return list(map(Interaction, items, time.tolist(), kinds, values))
