# SPDX-License-Identifier: Apache-2.0
"""A model's items with their live metadata and the counts since its training."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from personalize_local.data.live import LiveData
from personalize_local.data.snapshots import Column
from personalize_local.recipes.base import Model
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.online_counts import OnlineCounts


@dataclass
class Catalogue:
    """A model's items with their live metadata, in the form that filters need."""

    model: Model
    live: LiveData
    cache: dict[tuple[Hashable, ...], Any] = field(default_factory=dict)
    """What filters keep between requests; cleared when an item changes."""
    trained: int = 0
    """Number of the newest event that trained the model."""
    online: OnlineCounts | None = field(init=False)
    """Counts of the events since the training; None for recipes that only a training changes."""
    _counted: int = 0
    """How many of the live data's owned events are counted, or were in the training."""

    def __post_init__(self) -> None:
        self.online = self.model.online_counts()
        self.count_events()

    def count_events(self) -> None:
        """Count the events whose users became known since the last call."""
        if self.online is not None:
            new = [owned for owned in self.live.owned[self._counted :] if owned.number > self.trained]
            self._counted = len(self.live.owned)
            self.online.add(new, self.live.rows)

    @property
    def item_ids(self) -> npt.NDArray[np.object_]:
        return self.model.item_ids

    @cached_property
    def _index(self) -> ItemIndex:
        return ItemIndex(self.item_ids)

    def places(self, item_ids: Sequence[str]) -> npt.NDArray[np.intp]:
        return self._index.places(item_ids)

    def index_of(self, item_id: str) -> int | None:
        [position] = self._index.positions([item_id])
        return position if position >= 0 else None

    def column(self, name: str) -> Column:
        return self.live.item_column(name, self.item_ids)
