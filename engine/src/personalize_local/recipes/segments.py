# SPDX-License-Identifier: Apache-2.0
"""Item-Affinity and Item-Attribute-Affinity: the users with the most interest in an item, or in items of a kind.

A user's interest in an item is the logarithm of the decayed number of their interactions with it. Interest in one item
also comes from similar items; interest in a kind is the share of a user's interest in its items, shrunk towards zero
for users with little data. Worker process only: batch jobs make segments.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays, StringTable
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Trained
from personalize_local.recipes.common.rows import Floats, Mask, Rows, training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec

HALF_LIFE = 90 * 86_400.0
"""Seconds after which an interaction counts half."""
PRIOR = 5.0
"""Pseudo-interest that shares are shrunk by."""
MEASURED = 100
"""Most items, or kinds, whose segments are measured."""


class AffinityModel(Model):
    """[users, items] interest, as sparse rows."""

    def __init__(self, files: Arrays, facts: Mapping[str, Any]) -> None:
        from scipy import sparse  # noqa: PLC0415 — not in the serving process

        self._files, self._facts = files, facts
        self.user_ids = StringTable.from_arrays(files, "users").all()
        self.item_ids = StringTable.from_arrays(files, "items").all()
        parts = (files["interest.data"], files["interest.item"], files["interest.start"])
        self._interest = sparse.csr_array(parts, shape=(len(self.user_ids), len(self.item_ids)))
        self._total: Floats = np.asarray(self._interest.sum(axis=1), np.float64).ravel()
        self._chance = np.fromiter((crc32(key.encode()) for key in self.user_ids), np.uint32, len(self.user_ids))

    def of_item(self, item_id: str) -> Floats:
        """[users] interest in an item; 0 for one that the training did not know."""
        found = np.flatnonzero(self.item_ids == item_id)
        if not len(found):
            return np.zeros(len(self.user_ids))
        column = self._interest[:, [int(found[0])]].tocsc()
        shared = np.asarray((self._interest.T @ column).todense(), np.float64).ravel()
        sizes = np.sqrt(np.asarray(self._interest.multiply(self._interest).sum(axis=0), np.float64).ravel())
        similarity = shared / np.maximum(sizes * sizes[found[0]], 1e-12)
        return np.asarray(self._interest @ similarity, np.float64) / np.sqrt(self._total + PRIOR)

    def of_items(self, wanted: Mask) -> Floats:
        """[users] interest in the items of a mask, as a share of all interest."""
        return np.asarray(self._interest @ wanted.astype(np.float64), np.float64) / (self._total + PRIOR)

    def segment(self, interest: Floats, allowed: Mask | None, limit: int) -> list[str]:
        """Return the most interested users, most interested first; none without interest."""
        interest = interest if allowed is None else np.where(allowed, interest, 0.0)
        order = np.lexsort((self._chance, -interest))[:limit]
        return [str(self.user_ids[user]) for user in order[interest[order] > 0].tolist()]

    def without_users(self, user_ids: Collection[str]) -> "AffinityModel":
        kept = np.array([key not in user_ids for key in self.user_ids.tolist()], np.bool_)
        return _made(self._interest[kept], self.user_ids[kept].tolist(), self.item_ids.tolist())

    def save(self, directory: Path) -> None:
        arrays.save(directory, self._files, {**self._facts, "family": "segments"})


def train(snapshot: Snapshot, spec: RecipeSpec, config: TrainingConfig) -> Trained:
    """Train and measure: four fifths of each user's interactions against the newest fifth."""
    rows = training_rows(snapshot, config)
    newest = _newest_fifth(rows)
    metrics = _measured(_fit(snapshot, rows.where(~newest)), snapshot, rows.where(newest), spec)
    return Trained(_fit(snapshot, rows), metrics)


def _fit(snapshot: Snapshot, rows: Rows) -> AffinityModel:
    from scipy import sparse  # noqa: PLC0415

    age = (rows.time.max() - rows.time) / HALF_LIFE if len(rows) else rows.time
    shape = (len(snapshot.users), len(snapshot.items))
    counts = sparse.coo_array((rows.weight * 0.5**age, (rows.user, rows.item)), shape=shape).tocsr()
    counts.data = np.log1p(counts.data)
    return _made(counts, snapshot.users.tolist(), snapshot.items.tolist())


def _made(interest: Any, users: list[str], items: list[str]) -> AffinityModel:  # noqa: ANN401 — scipy has no types
    files: dict[str, npt.NDArray[Any]] = {
        "interest.data": interest.data.astype(np.float32),
        "interest.item": interest.indices.astype(np.int32),
        "interest.start": interest.indptr.astype(np.int32),
        **StringTable.of(users).arrays("users"),
        **StringTable.of(items).arrays("items"),
    }
    return AffinityModel(files, {})


def _newest_fifth(rows: Rows) -> Mask:
    ends = np.searchsorted(rows.user, rows.user, side="right")
    starts = np.searchsorted(rows.user, rows.user, side="left")
    return np.asarray(ends - np.arange(len(rows)) <= (ends - starts) // 5, np.bool_)


def _measured(model: AffinityModel, snapshot: Snapshot, held: Rows, spec: RecipeSpec) -> dict[str, float]:
    """Return the hits and the recall of the first percent of each segment."""
    size = max(1, len(snapshot.users) // 100)
    hits, recall, named = [], [], set[str]()
    for interest, items in _questions(model, snapshot, held, spec):
        segment = model.segment(interest, None, size)
        took = set(snapshot.users[np.unique(held.user[items[held.item]])].tolist())
        found = took.intersection(segment)
        hits.append(len(found))
        recall.append(len(found) / max(len(took), 1))
        named.update(segment)
    figures = {"coverage": len(named) / max(len(snapshot.users), 1), "hits_at_1_percent": _mean(hits)}
    figures["recall_at_1_percent"] = _mean(recall)
    return {name: round(value, 4) for name, value in figures.items()}


def _questions(model: AffinityModel, snapshot: Snapshot, held: Rows, spec: RecipeSpec) -> list[tuple[Floats, Mask]]:
    """Return the interest in each measured item or kind, and its items."""
    count = len(snapshot.items)
    if spec.name == "aws-item-attribute-affinity":
        texts = [column for column in snapshot.item_columns.values() if column.dtype == object]
        masks = [np.asarray(column == value) for column in texts for value in sorted({v for v in column if v})]
        return [(model.of_items(mask), mask) for mask in masks[:MEASURED]]
    items = np.flatnonzero(np.bincount(held.item, minlength=count))
    chosen = sorted(items.tolist(), key=lambda item: crc32(str(snapshot.items[item]).encode()))[:MEASURED]
    return [(model.of_item(str(snapshot.items[item])), np.arange(count) == item) for item in chosen]


def _mean(values: list[Any]) -> float:
    return float(np.mean(values)) if values else 0.0
