# SPDX-License-Identifier: Apache-2.0
"""Similar-Items, SIMS and popular items at serving time (numpy only): the same list for every user, no scores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.common.topk import Scored, Scores, top_k

COLD = 2.0
"""Users of an item at which its neighbours and its categories weigh the same."""
NEAR = ("neighbours", "neighbours alike", "alike")
"""What is similar to an item: neighbours, those with its categories, and any such items."""
SHARES = (0.7, 0.3, 0.0)
"""Shares of NEAR where nothing could be held out."""
TIE = 1e-9
"""What popularity adds: it orders what nothing else does."""
UNSOLD = 0.1
"""Part of the source `alike` in which popularity does not count, so that items that nobody took appear too."""


@dataclass(frozen=True, slots=True)
class Settings:
    recipe: str
    recipe_type: str
    by_content: bool
    """Whether categories stand in for missing interactions (Similar-Items)."""
    shares: tuple[float, ...] = SHARES
    """Shares of NEAR."""
    cold: float = COLD
    power: float = 0.0
    """Power of popularity that divides what is alike."""


class ListModel(Model):
    """Items near the query's item, then popular ones; without such an item, popular ones alone."""

    def __init__(self, settings: Settings, items: ItemIndex, files: Arrays, content: Content | None = None) -> None:
        """`content`: that of `files`, where another model has read it."""
        self.settings = settings
        self._items, self.item_ids = items, items.ids
        self._files = files
        self._popular = np.asarray(files["popular"], np.float64)
        self._shares = np.array(settings.shares[: len(NEAR)])
        likely = np.where(self._popular > 0, np.maximum(self._popular, 1e-12) ** (1.0 - settings.power), 0.0)
        self._likely = likely / max(float(likely.sum()), 1e-12)
        """[items] discounted popularity, which weighs the items of the source `alike`; adds up to 1."""
        self._near = SparseRows.from_arrays(files, "near") if "near.start" in files else None
        self._content = content or (Content.from_arrays(files) if settings.by_content else None)

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        return [Scored(self.item_ids[i]) for i in top_k(self._scores(query), allowed, limit).tolist()]

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        scores = self._scores(query)
        positions = self._items.positions(item_ids)
        order = sorted(
            range(len(item_ids)), key=lambda i: (-scores[positions[i]] if positions[i] >= 0 else 1.0, positions[i])
        )
        return [Scored(item_ids[i]) for i in order]

    def save(self, directory: Path) -> None:
        facts = {"family": "list", "settings": asdict(self.settings)}
        arrays.save(directory, {**self._files, **self._items.arrays()}, facts)

    @classmethod
    def load(cls, files: Arrays, facts: Mapping[str, Any]) -> Self:
        settings = {**facts["settings"], "shares": tuple(facts["settings"]["shares"])}
        return cls(Settings(**settings), ItemIndex.from_arrays(files), files)

    def _scores(self, query: Query) -> Scores:
        """[items] similarity to the query's item and a trace of popularity, -1 for itself; else popularity alone."""
        [item] = self._items.positions([query.item_id or ""])
        if item < 0 or self._near is None:
            return self._popular
        similar = self.similar(item, self._near.row(item, len(self._items)))
        scores: Scores = TIE * self._popular + self._shares @ similar
        scores[item] = -1.0
        return scores

    @property
    def seen(self) -> npt.NDArray[np.int32]:
        """[items] users who took each."""
        return np.asarray(self._files["seen"])

    def places(self, item_ids: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return the positions of those items that the model has, in ascending order."""
        places: npt.NDArray[np.int64] = np.unique(np.array(self._items.positions(item_ids), np.int64))
        return places[places >= 0]

    def near(self, near: SparseRows, settings: Settings) -> "ListModel":
        """Return the model with neighbours, and with other settings."""
        return ListModel(settings, self._items, {**self._files, **near.arrays("near")})

    def first(self, items: int) -> "ListModel":
        """Return the model of the first items alone."""
        some = np.arange(items)
        content = {} if self._content is None else self._content.part(some).arrays()
        files = {name: self._files[name][:items] for name in ("popular", "seen")}
        return ListModel(self.settings, ItemIndex(self.item_ids[:items]), {**files, **content})

    def with_power(self, power: float) -> "ListModel":
        """Return the model with another power of popularity; both share what they know."""
        return ListModel(replace(self.settings, power=power), self._items, self._files, self._content)

    def related(self, query: Query) -> npt.NDArray[np.bool_]:
        """[items] whether counts or categories relate an item to the query's; other items of a list only fill it up."""
        item = self._items.positions([query.item_id or ""])[0]
        related: npt.NDArray[np.bool_] = self._scores(query) > (TIE if item >= 0 else np.inf)
        return related

    def similar(self, item: int, near: Scores) -> npt.NDArray[np.float64]:
        """[NEAR, items] what is similar to an item with these neighbours; each adds up to 1, or to 0.

        Of an item that few users took, what is alike stands for neighbours in part.
        """
        similar = np.zeros((len(NEAR), len(near)))
        similar[0] = near
        if self._content is not None and self._content.size:
            alike = self._content.affinity(self._content.profile(np.array([item]), np.ones(1)))
            similar[1], similar[2] = near * alike, alike * (self._likely + UNSOLD / len(near))
        similar[:, item] = 0.0
        for source, total in enumerate(similar.sum(axis=1).tolist()):
            if total:
                similar[source] /= total
        if similar[2].any():
            cold = self.settings.cold / (self.settings.cold + float(self.seen[item]))
            similar[:2] += cold * (similar[2] - similar[:2])
        return similar
