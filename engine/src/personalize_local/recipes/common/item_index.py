# SPDX-License-Identifier: Apache-2.0
"""A model's items, numbered by popularity: position is rank, so ties and fallbacks never follow the order of ids."""

from collections.abc import Iterable, Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from personalize_local.data.arrays import Arrays, StringTable
from personalize_local.data.records import Coded, Table
from personalize_local.data.snapshots import Strings
from personalize_local.recipes.common.rows import Floats, Ints, Numbers, hashes


class ItemIndex:
    """Item ids in order of popularity, and the position of each."""

    def __init__(self, ids: Strings) -> None:
        self.ids = ids
        self._position = {key: position for position, key in enumerate(ids.tolist())}
        self._of_tables: WeakKeyDictionary[Table[str], npt.NDArray[np.intp]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self.ids)

    def positions(self, item_ids: Iterable[str]) -> list[int]:
        """Return the position of each item; -1 for unknown ones."""
        find = self._position.get
        return [find(item_id, -1) for item_id in item_ids]

    def places(self, item_ids: Sequence[str]) -> npt.NDArray[np.intp]:
        """Return the same as an array. Ids that share a table are looked up once for all calls."""
        if not isinstance(item_ids, Coded):
            return np.array(self.positions(item_ids), np.intp)
        positions = self._of_tables.get(item_ids.table)
        if positions is None:
            positions = self._of_tables[item_ids.table] = np.array(self.positions(item_ids.table.texts), np.intp)
        places: npt.NDArray[np.intp] = positions[item_ids.codes]
        return places

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return StringTable.of(self.ids.tolist()).arrays("catalogue")

    @classmethod
    def from_arrays(cls, files: Arrays) -> Self:
        return cls(StringTable.from_arrays(files, "catalogue").all())


def by_popularity(ids: Strings, popularity: Floats) -> Ints:
    """Return the order of snapshot items in a model: most popular first, ties by a hash of the id."""
    order: Ints = np.lexsort((hashes(ids), -popularity))
    return order


def new_positions(order: Ints) -> Numbers:
    """Return the position that each snapshot item has in `order`."""
    position = np.empty(len(order), np.int32)
    position[order] = np.arange(len(order))
    return position
