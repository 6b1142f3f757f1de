# SPDX-License-Identifier: Apache-2.0
"""Training of Semantic-Similarity: latent semantic analysis of the items' names and descriptions.

What AWS does with a language model is done here with the words of this catalogue alone: words that occur in the same
texts come to mean something alike, and pieces of words make inflections alike. Nothing is known of words that the
catalogue doesn't have.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.data.snapshots import Snapshot, Strings
from personalize_local.recipes.base import Trained
from personalize_local.recipes.common import texts
from personalize_local.recipes.common.item_index import ItemIndex, by_popularity
from personalize_local.recipes.common.rows import hashes
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec
from personalize_local.recipes.semantic.model import SemanticModel
from personalize_local.wire.errors import TrainingRefused

DIMENSIONS: Final = 96
PIECES: Final = 0.5
"""Weight of pieces of words beside words."""
NAME: Final = 2
"""How often the words of a name count."""
SAMPLE, DEPTH = 500, 25
"""Items that are asked about to measure the model, and items of each answer."""


def train(snapshot: Snapshot, _spec: RecipeSpec, _config: TrainingConfig) -> Trained:
    """Embed every item's texts. Raises TrainingRefused if no item has any."""
    seen = np.bincount(snapshot.item_index, minlength=len(snapshot.items)).astype(np.float64)
    order = by_popularity(snapshot.items, seen)
    files = {
        "vectors": _vectors(snapshot)[order],
        "popular": _share(seen)[order].astype(np.float32),
        "fresh": _freshness(snapshot)[order].astype(np.float32),
    }
    model = SemanticModel(ItemIndex(snapshot.items[order]), files)
    return Trained(model, _metrics(model))


def updated(model: SemanticModel, snapshot: Snapshot) -> SemanticModel:
    """Return the model with the texts of a newer snapshot, and its new items; popularity and freshness stay.

    A new item counts as fresh, and as not popular yet.
    """
    positions = {key: position for position, key in enumerate(snapshot.items.tolist())}
    places = [positions[key] for key in model.item_ids.tolist() if key in positions]
    remaining = [position for position, key in enumerate(model.item_ids.tolist()) if key in positions]
    new = np.setdiff1d(np.arange(len(snapshot.items)), places)
    order = np.concatenate((np.array(places, np.intp), new.astype(np.intp)))
    files: dict[str, npt.NDArray[Any]] = {"vectors": _vectors(snapshot)[order]}
    for name, value in (("popular", 0.0), ("fresh", 1.0)):
        files[name] = np.concatenate((model.files[name][remaining], np.full(len(new), value, np.float32)))
    return SemanticModel(ItemIndex(snapshot.items[order]), files)


def _vectors(snapshot: Snapshot) -> npt.NDArray[np.float32]:
    """[items, DIMENSIONS] the vectors of the items' texts; 0 for items without one."""
    pairs = zip(*(_texts(snapshot, role) for role in ("name", "description")), strict=True)
    counted, vocabulary = texts.counts(texts.words(name) * NAME + texts.words(text) for name, text in pairs)
    if not vocabulary:
        raise TrainingRefused("Create failed. No item has a name or a description to compare.")
    by_piece = texts.weighted((counted @ texts.pieces(vocabulary)).tocsr())
    together = sparse.hstack([texts.weighted(counted), PIECES * by_piece]).tocsr()
    if not together.nnz:
        raise TrainingRefused(
            "Create failed. No word tells which items are alike: each is in one text only, or in all."
        )
    return texts.embedded(texts.normalized(together), DIMENSIONS)


def _texts(snapshot: Snapshot, role: str) -> list[str]:
    column: Strings | None = snapshot.item_texts.get(role)
    return [""] * len(snapshot.items) if column is None else [text or "" for text in column.tolist()]


def _share(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return values between 0 for the least and 1 for the most; all 0 if they are equal."""
    least = float(values.min(initial=np.inf))
    width = float(values.max(initial=-np.inf)) - least
    return (values - least) / width if width > 0 else np.zeros(len(values))


def _freshness(snapshot: Snapshot) -> npt.NDArray[np.float64]:
    """[items] by CREATION_TIMESTAMP: 0 for the oldest item, and for those without one, 1 for the newest."""
    column = snapshot.item_columns.get("CREATION_TIMESTAMP")
    fresh = np.zeros(len(snapshot.items))
    if column is not None:
        dated = ~np.isnan(column.astype(np.float64))
        fresh[dated] = _share(column[dated].astype(np.float64))
    return fresh


def _metrics(model: SemanticModel) -> dict[str, float]:
    """Return what the answers about some items are like."""
    sample = np.argsort(hashes(model.item_ids), kind="stable")[:SAMPLE]
    named, means = set[int](), []
    for item in sample.tolist():
        similar = model.similarity(item)
        similar[item] = -1.0
        best = np.argsort(-similar, kind="stable")[: min(DEPTH, len(similar) - 1)]
        named.update(best.tolist())
        if len(best):
            means.append([values[best].mean() for values in (model.files["fresh"], model.files["popular"], similar)])
    freshness, popularity, similarity = np.mean(means, axis=0).tolist() if means else (0.0, 0.0, 0.0)
    metrics = {
        "average_freshness_at_25": freshness,
        "average_popularity_at_25": popularity,
        "average_similarity_at_25": similarity,
        "coverage": len(named) / len(model.item_ids),
    }
    return {name: round(value, 4) for name, value in metrics.items()}
