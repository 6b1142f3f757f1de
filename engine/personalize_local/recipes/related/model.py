# SPDX-License-Identifier: Apache-2.0
"""Similar-Items, SIMS and Popularity-Count at serving time (numpy only): one list for everybody, no scores."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import Query, Scored
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.items import Catalogue
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Mass, best

COLD = 10.0
"""Users at which an item's neighbours and its metadata count the same."""
ALIKE = 3.0
"""What the very same categories add to the weight of a neighbour, in multiples of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What kind of list this is."""

    recipe: str
    recipe_type: str
    by_content: bool
    """Whether metadata stands in for missing interactions (Similar-Items)."""


class ListModel:
    """Items near the one that was asked about, then popular ones; without such an item, popular ones alone."""

    def __init__(self, settings: Settings, catalogue: Catalogue, files: Arrays) -> None:
        self.settings = settings
        self._catalogue = catalogue
        self._files = files
        self._popular = np.asarray(files["popular"], np.float64)
        self._near = SparseRows.from_arrays(files, "near") if "near.start" in files else None
        self._content = Content.from_arrays(files) if settings.by_content else None

    @property
    def item_ids(self) -> npt.NDArray[np.object_]:
        """Every item of the training data, most popular first."""
        return self._catalogue.ids

    @property
    def recipe_type(self) -> str:
        """RELATED_ITEMS or POPULAR_ITEMS."""
        return self.settings.recipe_type

    @property
    def scores_shown(self) -> bool:
        """Personalize shows no scores for these recipes."""
        return False

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        """The nearest (or most popular) allowed items; the item itself is never among them."""
        return [Scored(self.item_ids[i]) for i in best(self._mass(query), allowed, limit).tolist()]

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        """A caller's list in the order of `recommend`; unknown items last."""
        mass = self._mass(query)
        known = self._catalogue.positions(item_ids)
        order = sorted(range(len(item_ids)), key=lambda i: (-mass[known[i]] if known[i] >= 0 else 1.0, known[i]))
        return [Scored(item_ids[i]) for i in order]

    def save(self, directory: Path) -> None:
        """Write everything."""
        facts = {"family": "list", "settings": asdict(self.settings)}
        arrays.save(directory, {**self._files, **self._catalogue.arrays()}, facts)

    @classmethod
    def load(cls, files: Arrays, facts: Mapping[str, Any]) -> Self:
        """What was saved."""
        return cls(Settings(**facts["settings"]), Catalogue.from_arrays(files), files)

    def _mass(self, query: Query) -> Mass:
        """[items] nearness to the item that was asked about; popularity where that is none or not known."""
        item = self._catalogue.position(query.item_id) if self._near else -1
        return self._popular if item < 0 else self._nearness(item)

    def _nearness(self, item: int) -> Mass:
        """[items] shares by interactions and by metadata, and a trace of popularity; -1 for the item itself."""
        near = self._near.row(item, len(self._catalogue)) if self._near else np.zeros(len(self._catalogue))
        near[item] = 0.0
        if self._content is not None:
            cold = COLD / (COLD + float(self._files["seen"][item]))
            like = self._content.affinity(self._content.profile(np.array([item]), np.ones(1)))
            like[item] = 0.0
            like /= max(float(np.max(like)), 1e-12)
            near *= 1.0 + ALIKE * like
            near = (1.0 - cold) * near / max(float(np.max(near)), 1e-12) + cold * like
        mass = 1e-6 * self._popular + _share(near)
        mass[item] = -1.0
        return mass


def _share(mass: Mass) -> Mass:
    return mass / max(float(mass.sum()), 1e-12)
