# SPDX-License-Identifier: Apache-2.0
"""Whether lists that start from an item are different lists, beside those of plain cosine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.cooccurrence import Shared
from personalize_local.recipes.related.distinctness import Distinctness, of_cosine
from personalize_local.recipes.related.model import ListModel

from local.evaluation.pasts import Past

MOST, LEAST, DEPTH = 300, 5, 10
"""Items whose lists are looked at, the interactions of each at least, and how much of a list is."""
PLAIN = "cosine"
Items = npt.NDArray[np.int64]


def measured(past: Past, models: Mapping[str, ListModel]) -> list[dict[str, Any]]:
    """Return the figures of each model, and of plain cosine last; nothing where too few items sell."""
    users = np.sort(drawn(past, 7)[:MOST])
    if len(users) < 2:
        return []
    lists = {name: of_model(past, model, users) for name, model in models.items()} | {PLAIN: plain(past, users)}
    return [{"method": name, **figures(past, listed)} for name, listed in lists.items()]


def drawn(past: Past, seed: int) -> Items:
    """Return the items with enough interactions, in random order."""
    often = np.flatnonzero(np.bincount(past.rows.item, minlength=past.rows.items) >= LEAST)
    return np.random.default_rng(seed).permutation(often)


def figures(past: Past, lists: Sequence[Items]) -> dict[str, float]:
    """Return the figures of lists, and the share of their places that nothing related fills."""
    popular = np.bincount(past.rows.item, minlength=past.rows.items).astype(np.float64)
    distinctness = Distinctness.of(lists, DEPTH, popular)
    return {
        "overlap": round(distinctness.overlap, 4),
        "bestSellers": round(distinctness.best_sellers, 4),
        "coverage": round(distinctness.coverage, 4),
        "filled": round(1.0 - sum(map(len, lists)) / DEPTH / len(lists), 4),
    }


def of_model(past: Past, model: ListModel, items: Items) -> list[Items]:
    """Return the first items of each item's list that are related to it."""
    lists = []
    for item in items.tolist():
        query = Query(item_id=past.snapshot.items[item])
        related = model.recommend(query, model.related(query), DEPTH)
        lists.append(np.array([past.places[scored.item_id] for scored in related], np.int64))
    return lists


def plain(past: Past, items: Items) -> list[Items]:
    """Return the lists of plain cosine."""
    rows = past.rows
    takers = np.bincount(rows.once().item, minlength=rows.items).astype(np.float64)
    return [first(scores) for scores in of_cosine(Shared(rows.user, rows)[items], takers, items)]


def first(scores: npt.NDArray[np.float64]) -> Items:
    """Return the first items of a list, best first, without those of which nothing is said."""
    some = np.argsort(-scores, kind="stable")[:DEPTH]
    return some[scores[some] > 0]
