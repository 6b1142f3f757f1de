# SPDX-License-Identifier: Apache-2.0
"""Training of the lists that are the same for every user: similar, bought together, popular, or growing items."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex, by_popularity, new_positions
from personalize_local.recipes.common.rows import Floats, Ints, Rows, renumbered
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import WINDOWS, RecipeSpec
from personalize_local.recipes.related import neighbours, trending
from personalize_local.recipes.related.model import COLD, NEAR, SELLING, ListModel, Settings
from personalize_local.recipes.related.neighbours import KEPT, KINDS, TOGETHER, Counting, Decided

SHRINKAGE, DIMENSIONS = 5.0, 100
"""Co-occurrence that counts half: one shared basket is chance. Similar-Items trusts small counts the more, the more
dimensions its items' ids have, and categories the more, the more their metadata has; these are the defaults."""
LEAST = np.array([0.02, 0.01, 0.01, *(0.0 for _ in SELLING)])
"""Least shares of the sources: counts and categories order what sells alike, whatever held-out lists say."""
SURE = 20.0
"""The same for SIMS, which counts every shared user."""
COSINE = 0.5
"""Power of popularity that a popularity_discount_factor of 1 divides by: that of the cosine. Nor does it mix in what
sells anyway."""
DISCOUNT = 0.6
"""Power of an item's popularity that divides its co-purchases: 0 finds what sells anyway, 1 finds chance."""
PAUSE = 1800
"""Seconds after which a user's next purchase is another basket."""
LARGEST = 200
"""Items of the largest basket that counts: larger ones are stock orders."""


class RelatedTrainer:
    """Fits models of one recipe to one snapshot; the first fit decides, by held-out lists, for all that follow."""

    def __init__(self, snapshot: Snapshot, spec: RecipeSpec, config: TrainingConfig) -> None:
        self._snapshot, self._spec = snapshot, spec
        self._options = {**spec.defaults(), **config.hyperparameters}
        self._columns = config.trainable(snapshot.item_columns, "ITEMS")
        self._decided: Decided | None = None
        self._sources: tuple[float, ...] = ()
        """See Settings.shares."""
        self.chosen: Mapping[str, str] = {}

    def fit(self, rows: Rows) -> ListModel:
        spec, options = self._spec, self._options
        once = rows.once()
        counted = rows if spec.family in {"events", "trending"} else once
        weight = _popularity(counted, spec, options)
        order = by_popularity(self._snapshot.items, weight)
        rows, once = renumbered(rows, new_positions(order)), renumbered(once, new_positions(order))
        seen: Ints = np.bincount(once.item, minlength=rows.items)
        popular = weight[order]
        files: dict[str, npt.NDArray[Any]] = {
            "popular": popular / max(float(np.sum(popular)), 1e-12),
            "seen": seen.astype(np.int32),
        }
        settings = Settings(spec.name, spec.recipe_type, by_content=spec.family == "similar")
        items = ItemIndex(self._snapshot.items[order])
        if spec.family in {"similar", "sims"}:
            counting = Counting(COSINE * self._discount, SURE, int(options.get("min_cointeraction_count", 0)))
            content = None
            if settings.by_content:
                columns = {name: column[order] for name, column in self._columns.items()}
                content = Content.of(columns, rows.items)
                files |= content.arrays()
                trust = int(options.get("item_id_hidden_dim", DIMENSIONS)) / DIMENSIONS
                counting = Counting(COSINE * self._discount, SHRINKAGE / trust)
                settings = replace(settings, cold=COLD / trust)
            if self._decided is None:
                self._decided = neighbours.decide(rows, KINDS if settings.by_content else TOGETHER, counting)
                sold = self._decided.sold[0]
                of_sold = {} if content is None else content.part(np.arange(len(sold))).arrays()
                past = ListModel(settings, items, {**files, **of_sold, "popular": sold})
                self._sources = self._source_shares(self._decided, past)
                self._decided = replace(self._decided, asked=(), near=None)
            settings = replace(settings, shares=self._sources)
            files |= neighbours.near(rows, self._decided.shares, counting).arrays("near")
            files["selling"] = neighbours.selling(rows, clock=self._decided.clock)
        if spec.family == "together":
            files |= _neighbours(_baskets(rows), seen, DISCOUNT)
        return ListModel(settings, items, files)

    def _source_shares(self, decided: Decided, past: ListModel) -> tuple[float, ...]:
        """Return the shares of SOURCES; `past` answers from what was known before the held-out lists."""
        shares = np.maximum(decided.source_shares(past.similar), LEAST)
        shares[1 : len(NEAR)] *= int(self._options.get("item_metadata_hidden_dim", DIMENSIONS)) / DIMENSIONS
        shares[len(NEAR) :] *= 1.0 - min(max(self._discount, 0.0), 1.0)
        return tuple((shares / shares.sum()).tolist())

    @property
    def _discount(self) -> float:
        return float(self._options.get("popularity_discount_factor", 0.0))


def _popularity(counted: Rows, spec: RecipeSpec, options: Mapping[str, str]) -> Floats:
    """[items] popularity; of a trending recipe what it expects, with popularity as the tie-break."""
    total = np.bincount(counted.item, minlength=counted.items).astype(np.float64)
    if spec.family != "trending":
        return total
    rising = trending.scores(counted, frequency(options), int(np.max(counted.time)))
    return rising + total / (1e6 * max(float(total.max()), 1.0))


def _baskets(rows: Rows) -> cooccurrence.Matrix:
    """[items, items] how often two items were in one basket, and a little of how often in neighbouring baskets."""
    starts = np.ones(len(rows), bool)
    starts[1:] = (rows.user[1:] != rows.user[:-1]) | (rows.time[1:] - rows.time[:-1] > PAUSE)
    basket = np.cumsum(starts) - 1
    pairs = np.unique(basket * rows.items + rows.item)
    bought = sparse.csr_array(
        (np.ones(len(pairs), np.float32), (pairs // rows.items, pairs % rows.items)),
        shape=(int(basket[-1]) + 1, rows.items),
    )
    sizes = np.diff(bought.indptr)
    bought = bought[np.flatnonzero((sizes > 1) & (sizes <= LARGEST))]
    together = (bought.T @ bought).tocsr() + 0.1 * cooccurrence.both_ways(
        cooccurrence.pairs(rows, decay=1.0), backward=1.0
    )
    together.data *= together.data / (together.data + SHRINKAGE)
    return together.tocsr()


def _neighbours(counts: cooccurrence.Matrix, seen: Ints, discount: float) -> dict[str, npt.NDArray[Any]]:
    """Return the nearest items of each, popular ones discounted."""
    popular = np.maximum(seen, 1).astype(np.float64)
    return cooccurrence.pruned(cooccurrence.scaled(counts, np.ones(len(seen)), popular**-discount), KEPT).arrays("near")


def frequency(options: Mapping[str, str]) -> int:
    """Return the seconds of the window that trend_discovery_frequency names."""
    return WINDOWS[options["trend_discovery_frequency"].lower()]
