# SPDX-License-Identifier: Apache-2.0
"""Training of the recipes that give everybody one list: near an item, bought with it, popular, or growing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, TrainingConfig
from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.items import Catalogue, by_popularity, places
from personalize_local.recipes.common.rows import Floats, Ints, Rows, renumbered
from personalize_local.recipes.popularity import trending
from personalize_local.recipes.related.model import ListModel, Settings
from personalize_local.recipes.spec import RecipeSpec
from personalize_local.recipes.user_personalization.metadata import allowed

KEPT = 500
"""Neighbours that are kept for each item: as many as one answer may hold."""
DOUBT = 5.0
"""Weight of company at which it counts half: one shared basket is chance."""
LIFT = 0.6
"""Power of an item's popularity that its company is divided by: 0 finds what sells anyway, 1 finds chance."""
PAUSE = 1800
"""Seconds after which a user's next purchase is another basket."""
LARGEST = 200
"""Items of one basket beyond which it is a stock order, and says nothing of what goes together."""


def fit(
    snapshot: Snapshot, rows: Rows, spec: RecipeSpec, config: TrainingConfig, _tuned: Model | None = None
) -> ListModel:
    """Count what the recipe's family counts."""
    options = {**spec.defaults(), **config.hyperparameters}
    once = rows.once()
    counted = rows if spec.family in {"events", "trending"} else once
    weight = _popularity(counted, spec, options)
    order = by_popularity(snapshot.items, weight)
    rows, once = renumbered(rows, places(order)), renumbered(once, places(order))
    seen: Ints = np.bincount(once.item, minlength=rows.items)
    popular = weight[order]
    files: dict[str, npt.NDArray[Any]] = {
        "popular": popular / max(float(np.sum(popular)), 1e-12),
        "seen": seen.astype(np.int32),
    }
    if spec.family == "similar":
        columns = {name: column[order] for name, column in allowed(snapshot.item_columns, config, "ITEMS").items()}
        discount = 0.4 + 0.4 * float(options.get("popularity_discount_factor", 0.0))
        files |= Content.of(columns, rows.items).arrays() | _neighbours(_company(rows), seen, discount)
    if spec.family == "sims":
        discount = float(options["popularity_discount_factor"])
        least = int(options["min_cointeraction_count"])
        files |= _neighbours(_together(once, least), seen, discount)
    if spec.family == "together":
        files |= _neighbours(_baskets(rows), seen, LIFT)
    settings = Settings(spec.name, spec.recipe_type, by_content=spec.family == "similar")
    return ListModel(settings, Catalogue(snapshot.items[order]), files)


def _popularity(counted: Rows, spec: RecipeSpec, options: Mapping[str, str]) -> Floats:
    """[items] how popular each is; where growth counts, popularity only decides between items that grow alike."""
    total = np.bincount(counted.item, minlength=counted.items).astype(np.float64)
    if spec.family != "trending":
        return total
    rising = trending.momentum(counted, trending.frequency(options), int(np.max(counted.time)))
    return rising + total / (1e6 * max(float(total.max()), 1.0))


def _baskets(rows: Rows) -> cooccurrence.Matrix:
    """[items, items] how often two items were bought in one go; bought soon after one another counts a little."""
    starts = np.ones(len(rows), bool)
    starts[1:] = (rows.user[1:] != rows.user[:-1]) | (rows.time[1:] - rows.time[:-1] > PAUSE)
    basket = np.cumsum(starts) - 1
    places = np.unique(basket * rows.items + rows.item)
    bought = sparse.csr_array(
        (np.ones(len(places), np.float32), (places // rows.items, places % rows.items)),
        shape=(int(basket[-1]) + 1, rows.items),
    )
    sizes = np.diff(bought.indptr)
    bought = bought[np.flatnonzero((sizes > 1) & (sizes <= LARGEST))]
    together = (bought.T @ bought).tocsr() + 0.1 * cooccurrence.both_ways(
        cooccurrence.pairs(rows, decay=1.0), backward=1.0
    )
    together.data *= together.data / (together.data + DOUBT)
    return together.tocsr()


def _company(rows: Rows) -> cooccurrence.Matrix:
    """How often, and how close together, items are chosen by the same people; little evidence counts for less."""
    company = cooccurrence.both_ways(cooccurrence.pairs(rows, decay=1.0), backward=1.0)
    company.data *= company.data / (company.data + DOUBT)
    return company


def _together(once: Rows, least: int) -> cooccurrence.Matrix:
    """How many people chose both items; fewer than `least` do not count."""
    together = cooccurrence.both_ways(cooccurrence.pairs(once, decay=0.0), backward=1.0)
    together.data[together.data < least] = 0.0
    return together


def _neighbours(together: cooccurrence.Matrix, seen: Ints, discount: float) -> dict[str, npt.NDArray[Any]]:
    """The nearest items of each, popular ones discounted."""
    popular = np.maximum(seen, 1).astype(np.float64)
    return cooccurrence.pruned(cooccurrence.scaled(together, np.ones(len(seen)), popular**-discount), KEPT).arrays(
        "near"
    )
