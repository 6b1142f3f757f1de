# SPDX-License-Identifier: Apache-2.0
"""Whether lists that start from an item are different lists, beside those of plain cosine."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.cooccurrence import Shared
from personalize_local.recipes.related.distinctness import Distinctness, of_cosine
from personalize_local.recipes.related.model import ListModel

from local.evaluation.pasts import Past

ASKED, LEAST, DEPTH = 300, 5, 10
"""Items whose lists are looked at, the interactions of each at least, and how much of a list is."""
PLAIN = "cosine"


def measured(past: Past, models: Mapping[str, ListModel]) -> list[dict[str, Any]]:
    """Return the figures of each model, and of plain cosine last; nothing where too few items sell."""
    rows = past.rows
    popular = np.bincount(rows.item, minlength=rows.items).astype(np.float64)
    often = np.flatnonzero(popular >= LEAST)
    asked = np.sort(np.random.default_rng(7).permutation(often)[:ASKED])
    if len(asked) < 2:
        return []
    lists = {name: [_related(past, model, item) for item in asked.tolist()] for name, model in models.items()}
    takers = np.bincount(rows.once().item, minlength=rows.items).astype(np.float64)
    lists[PLAIN] = [_first(scores) for scores in of_cosine(Shared(rows.user, rows)[asked], takers, asked)]
    found = [{"method": name, **asdict(Distinctness.of(each, DEPTH, popular))} for name, each in lists.items()]
    return [
        {
            "method": each["method"],
            "overlap": round(each["overlap"], 4),
            "bestSellers": round(each["best_sellers"], 4),
            "coverage": round(each["coverage"], 4),
            "filled": round(1.0 - sum(map(len, lists[each["method"]])) / DEPTH / len(asked), 4),
        }
        for each in found
    ]


def _related(past: Past, model: ListModel, item: int) -> npt.NDArray[np.int64]:
    """Return the first items of a list that are related to the item."""
    query = Query(item_id=past.snapshot.items[item])
    shown = [each.item_id for each in model.recommend(query, model.related(query), DEPTH)]
    places = past.places
    return np.array([places[each] for each in shown], np.int64)


def _first(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    some = np.argsort(-scores, kind="stable")[:DEPTH]
    return some[scores[some] > 0]
