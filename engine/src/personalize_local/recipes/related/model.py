# SPDX-License-Identifier: Apache-2.0
"""Similar-Items, SIMS and popular items at serving time (numpy only): the same list for every user, no scores."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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

COLD = 10.0
"""Users at which an item's neighbours and its categories weigh the same."""
NEAR = ("neighbours", "neighbours alike", "alike")
"""What is similar to an item: neighbours, those with its categories, and any such items."""
SELLING = ("popular", "week", "month", "quarter", "year ago")
"""What sells whatever the item: of all time, lately, and in the same weeks of earlier years."""
SOURCES = (*NEAR, *SELLING)
"""What a list of similar items mixes."""
SHARES = (0.3, 0.7, 0.0)
"""Shares of NEAR where nothing could be held out, and of models that were trained without them."""
UNSOLD = 0.1
"""Share of items alike that goes by likeness alone: those that nobody took must be found too."""


@dataclass(frozen=True, slots=True)
class Settings:
    recipe: str
    recipe_type: str
    by_content: bool
    """Whether categories stand in for missing interactions (Similar-Items)."""
    shares: tuple[float, ...] = SHARES
    """Shares of SOURCES; those that are missing are 0."""
    cold: float = COLD


class ListModel(Model):
    """Items near the query's item, then popular ones; without such an item, popular ones alone."""

    def __init__(self, settings: Settings, items: ItemIndex, files: Arrays) -> None:
        self.settings = settings
        self._items, self.item_ids = items, items.ids
        self._files = files
        self._popular = np.asarray(files["popular"], np.float64)
        shares = np.array([*settings.shares, *(0.0 for _ in SOURCES[len(settings.shares) :])])
        self._shares = shares[: len(NEAR)]
        selling: Scores = files["selling"] if "selling" in files else self._popular[None]
        self._selling = 1e-6 * self._popular + shares[len(NEAR) :][: len(selling)] @ selling
        self._near = SparseRows.from_arrays(files, "near") if "near.start" in files else None
        self._content = Content.from_arrays(files) if settings.by_content else None

    def recommend(self, query: Query, allowed: npt.NDArray[np.bool_] | None, limit: int) -> list[Scored]:
        return [Scored(self.item_ids[i]) for i in top_k(self._scores(query), allowed, limit).tolist()]

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        scores = self._scores(query)
        known = self._items.positions(item_ids)
        order = sorted(range(len(item_ids)), key=lambda i: (-scores[known[i]] if known[i] >= 0 else 1.0, known[i]))
        return [Scored(item_ids[i]) for i in order]

    def save(self, directory: Path) -> None:
        facts = {"family": "list", "settings": asdict(self.settings)}
        arrays.save(directory, {**self._files, **self._items.arrays()}, facts)

    @classmethod
    def load(cls, files: Arrays, facts: Mapping[str, Any]) -> Self:
        settings = {name: value for name, value in facts["settings"].items() if name != "content_boost"}
        shares = tuple(settings.get("shares", SHARES))
        return cls(Settings(**{**settings, "shares": shares}), ItemIndex.from_arrays(files), files)

    def _scores(self, query: Query) -> Scores:
        """[items] similarity to the query's item and a trace of popularity, -1 for itself; else popularity alone."""
        [item] = self._items.positions([query.item_id or ""])
        if item < 0 or self._near is None:
            return self._popular
        near = self.similar(item, self._near.row(item, len(self._items)))
        shares = self._shares.copy()
        if near[2].any():
            cold = self.settings.cold / (self.settings.cold + float(self._files["seen"][item]))
            shares[2] += cold * shares[:2].sum()
            shares[:2] *= 1.0 - cold
        scores: Scores = self._selling + shares @ near
        scores[item] = -1.0
        return scores

    def similar(self, item: int, near: Scores) -> npt.NDArray[np.float64]:
        """[NEAR, items] what is similar to an item with these neighbours; each adds up to 1, or to 0."""
        found = np.zeros((len(NEAR), len(near)))
        found[0] = near
        if self._content is not None and self._content.size:
            alike = self._content.affinity(self._content.profile(np.array([item]), np.ones(1)))
            found[1], found[2] = near * alike, alike * (self._popular + UNSOLD / len(near))
        found[:, item] = 0.0
        for source, total in enumerate(found.sum(axis=1).tolist()):
            if total:
                found[source] /= total
        return found
