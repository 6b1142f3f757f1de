# SPDX-License-Identifier: Apache-2.0
"""Training of User-Personalization and Personalized-Ranking: counting, in a few passes over the interactions."""

import pickle
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from local.personalize.data import Column, Snapshot
from local.personalize.recipes import counts, ranking
from local.personalize.recipes.attributes import Vocabulary, lifts
from local.personalize.recipes.base import Model, TrainingConfig
from local.personalize.recipes.content import Content
from local.personalize.recipes.items import Catalogue, by_popularity, places
from local.personalize.recipes.personal import PersonalModel, Settings
from local.personalize.recipes.rows import Floats, Ints, Rows, renumbered
from local.personalize.recipes.table import RecipeSpec
from local.personalize.recipes.trees import Trees

KEPT = 300
"""Followers that are kept for each item."""
NEAR, WALKED = 200, 100
"""Neighbours, and neighbours' neighbours, that are kept for each item."""
DIMENSIONS = 48
"""Length of an item's vector."""
LIFTED = 4000
"""Most popular items for which lifts are learned."""
SHRINKAGE = 50.0
_LATEST: list[tuple[object, tuple[Trees | None, bool]]] = []
"""The ranker that this process learned last, and from what."""
UNSEEN = 0.001
"""Part of the prior that every item has, interactions or none."""


def fit(
    snapshot: Snapshot, rows: Rows, spec: RecipeSpec, config: TrainingConfig, tuned: Model | None = None
) -> PersonalModel:
    """Count, put the counts in the form that serves, and let the ranker learn if it is not taken over from `tuned`."""
    options = {**spec.defaults(), **config.hyperparameters}
    trees, clock = None, True
    if isinstance(tuned, PersonalModel):
        trees, clock = tuned.trees, tuned.settings.clock
    elif options.get("tier", "standard") != "fast":
        trees, clock = _ranker(snapshot, rows, spec, config)
    model = count(snapshot, rows, spec, config, clock=clock)
    return model.with_trees(trees)


def _ranker(snapshot: Snapshot, rows: Rows, spec: RecipeSpec, config: TrainingConfig) -> tuple[Trees | None, bool]:
    """A ranker, and whether times are a clock; User-Personalization and Personalized-Ranking of one drop share it."""
    same = (_digest(snapshot, rows), {**spec.defaults(), **config.hyperparameters}, config.excluded_columns)
    if _LATEST and _LATEST[0][0] == same:
        return _LATEST[0][1]
    splits = ranking.splits(rows)
    clock = splits[0].clock
    trees = ranking.learn(snapshot, rows, splits, lambda past: count(snapshot, past, spec, config, clock=clock))
    _LATEST[:] = [(same, (trees, clock))]
    return trees, clock


def _digest(snapshot: Snapshot, rows: Rows) -> bytes:
    digest = blake2b()
    for array in (rows.user, rows.item, rows.time, rows.weight):
        digest.update(array.tobytes())
    tables = (snapshot.items, snapshot.users, snapshot.item_columns, snapshot.user_columns)
    digest.update(pickle.dumps(tables, protocol=5))
    return digest.digest()


def count(snapshot: Snapshot, rows: Rows, spec: RecipeSpec, config: TrainingConfig, *, clock: bool) -> PersonalModel:
    """Count, and put the counts in the form that serves."""
    options = {**spec.defaults(), **config.hyperparameters}
    recent = _on(options, "recency_mask") and _on(options, "apply_recency_bias")
    order = by_popularity(snapshot.items, popularity(rows, recent=recent))
    rows = renumbered(rows, places(order))
    seen = np.bincount(rows.item, minlength=rows.items)
    prior = popularity(rows, recent=recent)
    settings = Settings(
        recipe=spec.name,
        recipe_type=spec.recipe_type,
        second_generation=spec.events_config,
        sequence=int(options.get("bptt", 50)),
        recency=1.0 if recent else 0.3,
        repeats=repeat_share(rows),
        sequence_share=0.95,
        latest=float(np.max(rows.time)),
        clock=clock,
        scores_shown=spec.scores_shown,
    )
    user_values, user_lift = _user_lifts(snapshot, rows, config)
    context_values, context_lift = _context_lifts(snapshot, rows, config)
    columns = {name: column[order] for name, column in allowed(snapshot.item_columns, config, "ITEMS").items()}
    files: dict[str, npt.NDArray[Any]] = {
        **_sources(rows, seen, prior),
        **Content.of(columns, rows.items).arrays(),
        "prior": (1 - UNSEEN) * prior / prior.sum() + UNSEEN / rows.items,
        "returns": return_rates(rows).astype(np.float32),
        "seen": seen.astype(np.int32),
        "shown": np.zeros(rows.items, np.int64) if snapshot.impressions is None else snapshot.impressions[order],
        "created": _created(rows, columns),
        "user_lift": user_lift,
        "context_lift": context_lift,
    }
    facts = {"users": user_values.facts(), "context": context_values.facts()}
    return PersonalModel(settings, Catalogue(snapshot.items[order]), files, facts)


def popularity(rows: Rows, *, recent: bool) -> Floats:
    """[items] interactions, where `recent` counting those of a quarter of the whole time ago by half."""
    weight = rows.weight.astype(np.float64)
    if recent:
        newest = int(np.max(rows.time))
        span = max(newest - int(np.min(rows.time)), 1)
        weight = weight * 0.5 ** ((newest - rows.time) / (0.25 * span))
    return np.bincount(rows.item, weight, minlength=rows.items).astype(np.float64, copy=False)


def repeat_share(rows: Rows) -> float:
    """How often, in the newest tenth of each user's interactions, the item was one of an earlier moment."""
    newest = rows.position_from_end() * 10 < rows.lengths()
    return float(_again(rows)[newest].mean())


def return_rates(rows: Rows) -> Floats:
    """[items] share of an item's interactions that were a return to it, shrunk towards the average of all."""
    again = _again(rows)
    total = np.bincount(rows.item, minlength=rows.items)
    returned = np.bincount(rows.item, again, minlength=rows.items)
    rates: Floats = (returned + 20 * again.mean() + 1e-6) / (total + 20)
    return rates


def allowed(columns: Mapping[str, Column], config: TrainingConfig, dataset: str) -> dict[str, Column]:
    """The columns that the solution lets train."""
    excluded = config.excluded_columns.get(dataset, frozenset())
    return {name: column for name, column in columns.items() if name not in excluded}


def _again(rows: Rows) -> npt.NDArray[np.bool_]:
    pairs = rows.user.astype(np.int64) * rows.items + rows.item
    order = np.argsort(pairs, kind="stable")
    first = np.ones(len(order), bool)
    first[1:] = pairs[order][1:] != pairs[order][:-1]
    firsts = np.flatnonzero(first)
    first_time = rows.time[order][firsts[np.cumsum(first) - 1]]
    again = np.empty(len(order), bool)
    again[order] = rows.time[order] > first_time
    return again


def _sources(rows: Rows, seen: Ints, prior: Floats) -> dict[str, npt.NDArray[Any]]:
    """What follows what, what goes with what, and what both say in two steps."""
    popular = np.maximum(seen, 1).astype(np.float64)
    pairs = counts.pairs(rows, decay=0.5)
    follow = counts.scaled(counts.both_ways(pairs, backward=0.25), popular**-0.5, popular**-0.15)
    near = counts.scaled(counts.both_ways(pairs, backward=1.0), popular**-0.5, popular**-0.5)
    recent = (prior / prior.sum() + 1e-9) / (seen / max(int(seen.sum()), 1) + 1e-9)
    return {
        **counts.pruned(follow, KEPT).arrays("follows"),
        **counts.pruned(near, NEAR).arrays("near"),
        **counts.two_steps(near, WALKED).arrays("walk"),
        "factors": counts.factors(near, DIMENSIONS),
        "recent": recent.astype(np.float32),
    }


def _user_lifts(snapshot: Snapshot, rows: Rows, config: TrainingConfig) -> tuple[Vocabulary, npt.NDArray[np.float32]]:
    columns = allowed(snapshot.user_columns, config, "USERS")
    vocabulary = Vocabulary.of(columns)
    once = rows.once()
    taken = _incidence(once.user, once.item, len(snapshot.users), rows.items)
    user, code = vocabulary.pairs(columns)
    return vocabulary, _lifts(_incidence(code, user, vocabulary.size, len(snapshot.users)) @ taken)


def _context_lifts(
    snapshot: Snapshot, rows: Rows, config: TrainingConfig
) -> tuple[Vocabulary, npt.NDArray[np.float32]]:
    columns = {name: column[rows.source] for name, column in allowed(snapshot.context, config, "INTERACTIONS").items()}
    vocabulary = Vocabulary.of(columns)
    row, code = vocabulary.pairs(columns)
    return vocabulary, _lifts(_incidence(code, rows.item[row], vocabulary.size, rows.items))


def _incidence(row: npt.NDArray[Any], column: npt.NDArray[Any], height: int, width: int) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(row), np.float32), (row, column)), shape=(height, width)).tocsr()


def _lifts(chosen: sparse.csr_array) -> npt.NDArray[np.float32]:
    return lifts(chosen[:, : min(LIFTED, chosen.shape[1])].toarray().astype(np.float64), SHRINKAGE)


def _created(rows: Rows, columns: Mapping[str, Column]) -> npt.NDArray[np.float64]:
    """[items] CREATION_TIMESTAMP, else the oldest interaction, else the newest of all: the item counts as new."""
    oldest = np.full(rows.items, float(np.max(rows.time)))
    np.minimum.at(oldest, rows.item, rows.time)
    known = columns.get("CREATION_TIMESTAMP")
    return oldest if known is None else np.where(np.isnan(known.astype(np.float64)), oldest, known.astype(np.float64))


def _on(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "true").lower() == "true"
