# SPDX-License-Identifier: Apache-2.0
"""Updates of User-Personalization between trainings: new items join the catalogue, after those of the training.

They have metadata, an age and a chance to be explored, but none of the counts; the events since the training, which
are counted as they arrive, then say more about them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from personalize_local.data.snapshots import Column, Snapshot
from personalize_local.recipes.common import objective
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.rows import Floats, Ints
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.user_personalization.cold_items import ColdItems
from personalize_local.recipes.user_personalization.model import PersonalModel

Array = npt.NDArray[Any]
_SPARSE = ("follows", "next", "near", "together", "walk", "step")
_UNCOUNTED = ("windows", "popularity.whole", "popularity.first", "popularity.total", "popularity.year", "seen", "year")
"""Counts, by item on the last axis: new items have none."""
_USUAL = ("returns", "gaps", "recent")
"""Statistics of which a new item has the usual value."""
_VECTORS = ("factors", "sequence.inputs", "sequence.outputs")
"""[items, dimensions]: a new item points nowhere."""
_LEAST = ("prior", "sequence.bias")
"""Scores of which a new item has the lowest."""


def added(model: PersonalModel, snapshot: Snapshot, config: TrainingConfig) -> PersonalModel:
    """Return the model with all items of a newer snapshot; metadata and impressions are the snapshot's."""
    trained = {key: position for position, key in enumerate(model.item_ids.tolist())}
    new = np.array([position for position, key in enumerate(snapshot.items.tolist()) if key not in trained], np.int64)
    ids = np.concatenate((model.item_ids, snapshot.items[new]))
    place_of = {key: position for position, key in enumerate(snapshot.items.tolist())}
    places = np.array([place_of.get(key, -1) for key in ids.tolist()], np.int64)
    files = {name: _longer(name, array, len(new)) for name, array in model.files.items()}
    columns = config.trainable(snapshot.item_columns, "ITEMS")
    aligned = {name: _aligned(column, places) for name, column in columns.items()}
    born = np.concatenate((files["created"], _created(snapshot, aligned, new, places[len(trained) :])))
    content = Content.of(aligned, len(ids))
    files |= content.arrays() | ColdItems.of(content, files["seen"], born).arrays()
    files |= {"created": born, "popularity.created": born, "shown": _shown(snapshot, places, files["seen"])}
    files["newest"] = np.array([np.max(snapshot.timestamps, initial=0)], np.float64)
    if config.objective is not None and (weights := objective.weights(config.objective, snapshot)) is not None:
        files["objective"] = np.where(places < 0, 1.0, weights[places])
    files["prior"] = files["prior"] / files["prior"].sum()
    return model.with_items(ItemIndex(ids), files)


def _longer(name: str, array: Array, more: int) -> Array:
    """Return an array of a model with so many items more."""
    if name.endswith(".start") and name.removesuffix(".start") in _SPARSE:
        return np.concatenate((array, np.full(more, array[-1])))
    if name == "standing":
        usual = np.broadcast_to(np.median(array, axis=1, keepdims=True), (len(array), more))
        return np.concatenate((array, usual.astype(array.dtype)), axis=1)
    if name in _UNCOUNTED:
        return np.concatenate((array, np.zeros((*array.shape[:-1], more), array.dtype)), axis=-1)
    if name in _VECTORS:
        return np.concatenate((array, np.zeros((more, array.shape[1]), array.dtype)))
    if name in _USUAL or name in _LEAST:
        value = np.min(array) if name in _LEAST else np.median(array)
        return np.concatenate((array, np.full(more, value, array.dtype)))
    return array


def _aligned(column: Column, places: Ints) -> Column:
    """Return a column's values at `places` of the snapshot; missing at -1."""
    aligned = column[places]
    aligned[places < 0] = None if column.dtype == object else np.nan
    return aligned


def _created(snapshot: Snapshot, aligned: dict[str, Column], new: Ints, places: Ints) -> Floats:
    """[new items] CREATION_TIMESTAMP, else the oldest interaction; items without either are as new as the newest."""
    oldest = np.full(len(snapshot.items), np.max(snapshot.timestamps, initial=0))
    np.minimum.at(oldest, snapshot.item_index, snapshot.timestamps)
    column = aligned.get("CREATION_TIMESTAMP")
    stated = np.full(len(new), np.nan) if column is None else column[len(column) - len(new) :].astype(np.float64)
    return np.where(np.isnan(stated), oldest[places], stated)


def _shown(snapshot: Snapshot, places: Ints, seen: Array) -> Ints:
    """[items] how often each was shown, by impressions and by interactions since the training."""
    count = np.bincount(snapshot.item_index, minlength=len(snapshot.items))
    shown = np.where(places < 0, 0, np.maximum(count[places] - seen, 0))
    if snapshot.impressions is not None:
        shown += np.where(places < 0, 0, snapshot.impressions[places])
    return shown.astype(np.int64)
