# SPDX-License-Identifier: Apache-2.0
"""Gradient boosting of oblivious trees for ranking, on histograms (numpy only).

The loss is the cross-entropy of a softmax over each list: the chosen items should get all of a list's probability. One
step fits a tree to the gradient by Newton's method, level by level (CatBoost's tree shape, LightGBM's histograms).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.ltr.trees import Features, Trees

BINS = 48
Values = npt.NDArray[np.float64]
Starts = npt.NDArray[np.intp]
Binned = npt.NDArray[np.uint8]
"""[features, rows] the bin of each value."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Training lists, concatenated."""

    features: Features
    """[rows, features]."""
    chosen: Values
    """[rows] 1 where the user took the item."""
    offset: Values
    """[rows] the score that the trees start from."""
    starts: Starts
    """[lists] first row of each list."""
    weight: Values
    """[lists]."""


@dataclass(frozen=True, slots=True)
class Plan:
    trees: int = 100
    depth: int = 5
    rate: float = 0.1
    sample: float = 0.5
    """Share of the lists that each tree's splits are chosen on; all of them set its values."""
    columns: float = 0.5
    """Share of the features that each tree may use."""
    ridge: float = 3.0
    """Added to every leaf's curvature: the larger, the smaller are the values of small leaves."""


def boost(lists: Lists, plan: Plan) -> Trees:
    random = np.random.default_rng(9)
    edges = [_edges(column) for column in lists.features.T]
    binned = np.empty(lists.features.T.shape, np.uint8)
    for row, edge, column in zip(binned, edges, lists.features.T, strict=True):
        row[:] = np.searchsorted(edge, column)
    lengths = np.diff(np.append(lists.starts, len(lists.chosen)))
    share = lists.chosen / np.repeat(np.add.reduceat(lists.chosen, lists.starts), lengths)
    weight = np.repeat(lists.weight, lengths)
    # Constant features are not drawn either: a source that a shop's data lack changes nothing.
    useful, score = np.flatnonzero(binned.max(axis=1) > 0), lists.offset.copy()
    features, thresholds, values = [], [], []
    for _ in range(plan.trees):
        probability = np.exp(score - np.repeat(np.maximum.reduceat(score, lists.starts), lengths))
        probability /= np.repeat(np.add.reduceat(probability, lists.starts), lengths)
        gradient = weight * (share - probability)
        curvature = weight * probability * (1.0 - probability)
        some = np.flatnonzero(np.repeat(random.random(len(lengths)) < plan.sample, lengths))
        columns = useful[random.random(len(useful)) < plan.columns]
        if not len(columns):
            columns = useful
        splits = _grow(binned[np.ix_(columns, some)], gradient[some], curvature[some], plan)
        splits = [(int(columns[column]), edge) for column, edge in splits]
        leaf = sum((binned[column] > edge).astype(np.intp) << level for level, (column, edge) in enumerate(splits))
        sums = [np.bincount(leaf, each, minlength=2**plan.depth) for each in (gradient, curvature)]
        value = plan.rate * sums[0] / (sums[1] + plan.ridge)
        score += value[leaf]
        features.append([column for column, _ in splits])
        thresholds.append([edges[column][edge] for column, edge in splits])
        values.append(value)
    return Trees(np.array(features, np.intp), np.array(thresholds, np.float32), np.array(values, np.float32))


def _edges(column: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return thresholds between the bins of a column: a value belongs above an edge if it is greater."""
    ordered = np.sort(column)
    quantiles = np.floor(np.linspace(0, 1, BINS + 1)[1:-1] * (len(ordered) - 1)).astype(np.intp)
    found = np.unique(ordered[quantiles])
    between: npt.NDArray[np.float32] = found[found < ordered[-1]]
    return between


def _grow(binned: Binned, gradient: Values, curvature: Values, plan: Plan) -> list[tuple[int, int]]:
    """Return the (column, edge) of each level."""
    leaf, splits = np.zeros(binned.shape[1], np.intp), []
    edges = np.arange(BINS) < binned.max(axis=1, initial=0)[:, None]
    sums = _histograms(binned, leaf, (gradient, curvature), 1)
    for level in range(plan.depth):
        column, edge = _best_split(sums, edges, plan.ridge)
        splits.append((column, edge))
        above = binned[column] > edge
        if level + 1 < plan.depth:
            # Only the smaller side is counted; the other one is what is left of both.
            fewer = bool(2 * np.count_nonzero(above) <= len(above))
            rows = np.flatnonzero(above == fewer)
            counted = _histograms(binned[:, rows], leaf[rows], (gradient[rows], curvature[rows]), 2**level)
            sides = (sums - counted, counted) if fewer else (counted, sums - counted)
            sums = np.concatenate(sides, axis=2)
            leaf |= above.astype(np.intp) << level
    return splits


def _histograms(binned: Binned, leaf: npt.NDArray[np.intp], gradients: tuple[Values, Values], leaves: int) -> Values:
    """[2, columns, leaves, BINS] sums of gradient and curvature by leaf and bin."""
    sums, base = np.empty((2, len(binned), leaves * BINS)), leaf * BINS
    for number, column in enumerate(binned):
        place = base + column
        for each, values in zip(sums, gradients, strict=True):
            each[number] = np.bincount(place, values, minlength=leaves * BINS)
    return sums.reshape(2, len(binned), leaves, BINS)


def _best_split(sums: Values, edges: npt.NDArray[np.bool_], ridge: float) -> tuple[int, int]:
    """Return (column, edge) of the largest gain; `edges`: [columns, BINS] those with values on both sides."""
    gradient, curvature = sums.cumsum(axis=-1)
    gain = gradient**2 / (curvature + ridge)
    gain += (gradient[..., -1:] - gradient) ** 2 / (curvature[..., -1:] - curvature + ridge)
    best = int(np.argmax(np.where(edges, gain.sum(axis=1), -1.0)))
    return divmod(best, BINS)
