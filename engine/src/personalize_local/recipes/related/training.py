# SPDX-License-Identifier: Apache-2.0
"""Training of the lists that are the same for every user: similar, bought together, popular, or growing items."""

from collections.abc import Mapping
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
from personalize_local.recipes.related import trending
from personalize_local.recipes.related.model import CONTENT_BOOST, ListModel, Settings

KEPT = 500
"""Neighbours of each item that are kept: as many as one answer may hold."""
SHRINKAGE, DIMENSIONS = 5.0, 100
"""Co-occurrence that counts half: one shared basket is chance. Similar-Items trusts small counts the more, the more
dimensions its items' ids have, and categories the more, the more their metadata has; these are the defaults."""
DISCOUNT = 0.6
"""Power of an item's popularity that divides its co-purchases: 0 finds what sells anyway, 1 finds chance."""
PAUSE = 1800
"""Seconds after which a user's next purchase is another basket."""
LARGEST = 200
"""Items of the largest basket that counts: larger ones are stock orders."""


def fit(snapshot: Snapshot, rows: Rows, spec: RecipeSpec, config: TrainingConfig) -> ListModel:
    options = {**spec.defaults(), **config.hyperparameters}
    once = rows.once()
    counted = rows if spec.family in {"events", "trending"} else once
    weight = _popularity(counted, spec, options)
    order = by_popularity(snapshot.items, weight)
    rows, once = renumbered(rows, new_positions(order)), renumbered(once, new_positions(order))
    seen: Ints = np.bincount(once.item, minlength=rows.items)
    popular = weight[order]
    files: dict[str, npt.NDArray[Any]] = {
        "popular": popular / max(float(np.sum(popular)), 1e-12),
        "seen": seen.astype(np.int32),
    }
    if spec.family == "similar":
        columns = {name: column[order] for name, column in config.trainable(snapshot.item_columns, "ITEMS").items()}
        discount = 0.4 + 0.4 * float(options.get("popularity_discount_factor", 0.0))
        shrinkage = SHRINKAGE * DIMENSIONS / int(options.get("item_id_hidden_dim", DIMENSIONS))
        files |= Content.of(columns, rows.items).arrays() | _neighbours(_cooccurrence(rows, shrinkage), seen, discount)
    if spec.family == "sims":
        discount = float(options["popularity_discount_factor"])
        least = int(options["min_cointeraction_count"])
        files |= _neighbours(_shared_users(once, least), seen, discount)
    if spec.family == "together":
        files |= _neighbours(_baskets(rows), seen, DISCOUNT)
    boost = CONTENT_BOOST * int(options.get("item_metadata_hidden_dim", DIMENSIONS)) / DIMENSIONS
    settings = Settings(spec.name, spec.recipe_type, by_content=spec.family == "similar", content_boost=boost)
    return ListModel(settings, ItemIndex(snapshot.items[order]), files)


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


def _cooccurrence(rows: Rows, shrinkage: float) -> cooccurrence.Matrix:
    """[items, items] how often, and how close together, users took both items, shrunk for little evidence."""
    counts = cooccurrence.both_ways(cooccurrence.pairs(rows, decay=1.0), backward=1.0)
    counts.data *= counts.data / (counts.data + shrinkage)
    return counts


def _shared_users(once: Rows, least: int) -> cooccurrence.Matrix:
    """[items, items] how many users took both items; 0 for fewer than `least`."""
    shared = cooccurrence.both_ways(cooccurrence.pairs(once, decay=0.0), backward=1.0)
    shared.data[shared.data < least] = 0.0
    return shared


def _neighbours(counts: cooccurrence.Matrix, seen: Ints, discount: float) -> dict[str, npt.NDArray[Any]]:
    """Return the nearest items of each, popular ones discounted."""
    popular = np.maximum(seen, 1).astype(np.float64)
    return cooccurrence.pruned(cooccurrence.scaled(counts, np.ones(len(seen)), popular**-discount), KEPT).arrays("near")


def frequency(options: Mapping[str, str]) -> int:
    """Return the seconds of the window that trend_discovery_frequency names."""
    return WINDOWS[options["trend_discovery_frequency"].lower()]
