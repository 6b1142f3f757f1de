# SPDX-License-Identifier: Apache-2.0
"""Training of the lists that are the same for every user: similar, bought together, popular, or growing items."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex, by_popularity, new_positions
from personalize_local.recipes.common.rows import Floats, Numbers, Rows, hashes, renumbered
from personalize_local.recipes.common.sparse_rows import SparseRows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import WINDOWS, RecipeSpec
from personalize_local.recipes.related import neighbours, trending
from personalize_local.recipes.related.deciding import COSINE, HIGHEST, Decided, decide
from personalize_local.recipes.related.model import COLD, ListModel, Settings
from personalize_local.recipes.related.neighbours import KINDS, MOST_NEIGHBOURS, TOGETHER, Counting

SHRINKAGE, DIMENSIONS = 5.0, 100
"""Count at which a pair is trusted by half, and the default of item_id_hidden_dim and item_metadata_hidden_dim: with
more dimensions of the former, Similar-Items trusts smaller counts, with more of the latter, categories."""
LEAST = np.array([0.02, 0.01, 0.01])
"""Least shares of what is similar: categories order what counts leave alike, whatever held-out lists say."""
COMMON = 0.9
"""A category of more than this share of the items relates none of them."""
PLAIN = "shared: with shares of other counts the lists of different items were much the same list"
"""What a solution version says where its training fell back on plain cosine."""
DISCOUNT = 0.6
"""Power of an item's popularity that divides its co-purchases: 0 finds what sells anyway, 1 finds chance."""
PAUSE = 1800
"""Seconds after which a user's next purchase is another basket."""
LARGEST = 200
"""Items of the largest basket that counts: larger ones are stock orders."""


class RelatedTrainer:
    """Fits models of one recipe to one snapshot; one decision serves them all."""

    def __init__(
        self, snapshot: Snapshot, spec: RecipeSpec, config: TrainingConfig, everybody: Rows | None = None
    ) -> None:
        """`everybody`: the rows that decide; those of the first fit where they are None."""
        self._snapshot, self._spec, self._everybody = snapshot, spec, everybody
        self._given = config.hyperparameters
        self._options = {**spec.defaults(), **config.hyperparameters}
        self._columns = config.trainable(snapshot.item_columns, "ITEMS")
        self._decided: Decided | None = None

    @property
    def chosen(self) -> Mapping[str, str]:
        """What was given up because its lists were not different enough, and why; empty where nothing was."""
        return {"neighbours": PLAIN} if self._decided and self._decided.simpler else {}

    def fit(self, rows: Rows, query_items: Collection[str] | None = None) -> ListModel:
        if self._spec.family in {"similar", "sims"}:
            self._decided = decided = self._decided or self._decide(
                rows if self._everybody is None else self._everybody
            )
            rows, model = self._counted(rows)
            power = self._power(decided)
            some = None if query_items is None else model.places(query_items)
            near = neighbours.nearest(rows, decided.shares, power, decided.knee, self._counting, some)
            return model.near(near, replace(model.settings, shares=decided.sources, power=power))
        rows, model = self._counted(rows)
        if self._spec.family == "together":
            return model.near(_neighbours(_baskets(rows), model.seen, DISCOUNT), model.settings)
        return model

    def _counted(self, rows: Rows) -> tuple[Rows, ListModel]:
        """Return rows that number items by popularity, and a model that knows what is popular and what is alike."""
        spec, options = self._spec, self._options
        once = rows.once()
        counted = rows if spec.family in {"events", "trending"} else once
        weight = _popularity(counted, spec, options)
        order = by_popularity(self._snapshot.items, weight)
        rows, once = renumbered(rows, new_positions(order)), renumbered(once, new_positions(order))
        popular = weight[order]
        files: dict[str, npt.NDArray[Any]] = {
            "popular": popular / max(float(np.sum(popular)), 1e-12),
            "seen": np.bincount(once.item, minlength=rows.items).astype(np.int32),
        }
        settings = Settings(spec.name, spec.recipe_type, by_content=spec.family == "similar")
        if settings.by_content:
            columns = {name: column[order] for name, column in self._columns.items()}
            files |= Content.of(columns, rows.items, COMMON).arrays()
            settings = replace(settings, cold=COLD / self._trust("item_id_hidden_dim"))
        return rows, ListModel(settings, ItemIndex(self._snapshot.items[order]), files)

    def _decide(self, rows: Rows) -> Decided:
        rows, model = self._counted(rows)
        hashed = hashes(self._snapshot.users).astype(np.int64)
        if not model.settings.by_content:
            return decide(rows, hashed, TOGETHER, self._counting, None)
        sold = model.first(int(np.max(rows.item)) + 1)
        decided = decide(rows, hashed, KINDS, self._counting, lambda power: sold.with_power(power).similar)
        sources = np.maximum(decided.sources, LEAST)
        sources[1:] *= self._trust("item_metadata_hidden_dim")
        return replace(decided, sources=tuple((sources / sources.sum()).tolist()))

    @property
    def _counting(self) -> Counting:
        if self._spec.family == "similar":
            return Counting(SHRINKAGE / self._trust("item_id_hidden_dim"))
        return Counting(SHRINKAGE, self._least)

    @property
    def _least(self) -> int:
        """The users that a pair should share, where that is asked for: by default the bound of its lift decides alone,
        which found more of what held-out users took together than the default of 3 did.
        """
        return int(self._given.get("min_cointeraction_count", 0))

    def _trust(self, name: str) -> float:
        """Return how much counts, or metadata, are trusted: 1 by default."""
        return int(self._options.get(name, DIMENSIONS)) / DIMENSIONS

    def _power(self, decided: Decided) -> float:
        """Return the power of popularity: more than the decided one where more discount is asked for than usual."""
        name = "popularity_discount_factor"
        if name not in self._options:
            return decided.power
        more = float(self._options[name]) - float(self._spec.defaults()[name])
        return max(decided.power + COSINE * HIGHEST[decided.knee] * more, 0.0)


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


def _neighbours(counts: cooccurrence.Matrix, seen: Numbers, discount: float) -> SparseRows:
    """Return the nearest items of each, popular ones discounted."""
    popular = np.maximum(seen, 1).astype(np.float64)
    return cooccurrence.pruned(cooccurrence.scaled(counts, np.ones(len(seen)), popular**-discount), MOST_NEIGHBOURS)


def frequency(options: Mapping[str, str]) -> int:
    """Return the seconds of the window that trend_discovery_frequency names."""
    return WINDOWS[options["trend_discovery_frequency"].lower()]
