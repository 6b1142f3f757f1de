# SPDX-License-Identifier: Apache-2.0
"""Gradient boosting of oblivious trees for ranking, on histograms (numpy only).

The loss is the cross-entropy of a softmax over each list: the chosen items should get all of a list's probability. One
step fits a tree to the gradient by Newton's method, level by level (CatBoost's tree shape, LightGBM's histograms).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.ltr.trees import Features, Trees

BINS = 48
HALF = 2**26
"""Factor that keeps two whole numbers apart in one 64-bit float, which has 53 exact bits: 26 are the lower one's."""
Values = npt.NDArray[np.float64]
Starts = npt.NDArray[np.intp]
Binned = npt.NDArray[np.uint8]
"""[features, rows] the bin of each value."""


@dataclass(frozen=True)
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
    """[lists] how much each counts in the loss."""

    @cached_property
    def edges(self) -> list[npt.NDArray[np.float32]]:
        """[features] thresholds between the bins of each."""
        return [_edges(column) for column in self.features.T]

    @cached_property
    def binned(self) -> Binned:
        binned = np.empty(self.features.T.shape, np.uint8)
        for row, edge, column in zip(binned, self.edges, self.features.T, strict=True):
            row[:] = np.searchsorted(edge, column)
        return binned


@dataclass(frozen=True, slots=True)
class Plan:
    trees: int = 100
    depth: int = 5
    rate: float = 0.1
    sample: float = 0.5
    """Share of the lists that each tree's splits are chosen on; all of them set its values."""
    most: int = 2000
    """Lists, about, that each tree's splits are chosen on at most: more choose the same."""
    columns: float = 0.4
    """Share of the features that each tree may use."""
    ridge: float = 3.0
    """Added to every leaf's curvature: the larger, the smaller are the values of small leaves."""


def boost(lists: Lists, plan: Plan, learned: npt.NDArray[np.bool_] | None = None) -> Trees:
    """Grow trees by the lists that `learned` [lists] has, by default all of them."""
    random = np.random.default_rng(9)
    lengths = np.diff(np.append(lists.starts, len(lists.chosen)))
    learned = np.ones(len(lengths), bool) if learned is None else learned
    rows, lengths = np.flatnonzero(np.repeat(learned, lengths)), lengths[learned]
    binned, chosen, score = lists.binned.take(rows, axis=1), lists.chosen[rows], lists.offset[rows]
    starts, owner = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(lengths)), lengths)
    share, weight = chosen / np.add.reduceat(chosen, starts).take(owner), lists.weight[learned].take(owner)
    score -= np.maximum.reduceat(score, starts).take(owner)
    # Constant features are not drawn either: a source that a shop's data lack changes nothing.
    useful, sample = np.flatnonzero(binned.max(axis=1) > 0), min(plan.sample, plan.most / len(lengths))
    features, thresholds, values = [], [], []
    for _ in range(plan.trees):
        probability = np.exp(score)
        probability /= np.add.reduceat(probability, starts).take(owner)
        gradient = share - probability
        gradient *= weight
        curvature = 1.0 - probability
        curvature *= probability
        curvature *= weight
        some = np.flatnonzero((random.random(len(lengths)) < sample).take(owner))
        columns = useful[random.random(len(useful)) < plan.columns]
        if not len(columns):
            columns = useful
        splits = _grow(binned[columns].take(some, axis=1), gradient[some], curvature[some], plan)
        splits = [(int(columns[column]), edge) for column, edge in splits]
        leaf = np.zeros(len(score), np.uint8)
        for level, (column, edge) in enumerate(splits):
            leaf |= (binned[column] > edge).view(np.uint8) << level
        leaf_of_row = leaf.astype(np.intp)
        sums = [np.bincount(leaf_of_row, derivative, minlength=2**plan.depth) for derivative in (gradient, curvature)]
        value = plan.rate * sums[0] / (sums[1] + plan.ridge)
        score += value.take(leaf_of_row)
        features.append([column for column, _ in splits])
        thresholds.append([lists.edges[column][edge] for column, edge in splits])
        values.append(value)
    return Trees(np.array(features, np.intp), np.array(thresholds, np.float32), np.array(values, np.float32))


def _edges(column: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return thresholds between the bins of a column: a value belongs above an edge if it is greater."""
    ordered = np.sort(column)
    quantiles = np.floor(np.linspace(0, 1, BINS + 1)[1:-1] * (len(ordered) - 1)).astype(np.intp)
    thresholds = np.unique(ordered[quantiles])
    between: npt.NDArray[np.float32] = thresholds[thresholds < ordered[-1]]
    return between


def _grow(binned: Binned, gradient: Values, curvature: Values, plan: Plan) -> list[tuple[int, int]]:
    """Return the (column, edge) of each level.

    Histograms sum both gradients at once, as whole numbers of which the upper half of the bits is the gradient and the
    lower half the curvature: no sum needs more (after Shi et al., Quantized Training of GBDT, 2022).
    """
    units = [(HALF - len(values)) / max(float(np.abs(values).sum()), 1e-12) for values in (gradient, curvature)]
    packed = HALF * np.rint(units[0] * gradient) + np.rint(units[1] * curvature)
    leaf, splits = np.zeros(binned.shape[1], np.intp), []
    edges = np.arange(BINS) < binned.max(axis=1, initial=0)[:, None]
    sums = _histograms(binned, leaf, packed, 1)
    for level in range(plan.depth):
        both = sums.cumsum(axis=-1)
        upper = np.floor(both / HALF)
        column, edge = _best_split(upper / units[0], (both - HALF * upper) / units[1], edges, plan.ridge)
        splits.append((column, edge))
        above = binned[column] > edge
        if level + 1 < plan.depth:
            # Only the smaller side is counted; the other one is what is left of both.
            fewer = bool(2 * np.count_nonzero(above) <= len(above))
            rows = np.flatnonzero(above == fewer)
            counted = _histograms(binned.take(rows, axis=1), leaf[rows], packed[rows], 2**level)
            sums = np.concatenate((sums - counted, counted) if fewer else (counted, sums - counted), axis=1)
            leaf |= above.astype(np.intp) << level
    return splits


def _histograms(binned: Binned, leaf: npt.NDArray[np.intp], values: Values, leaves: int) -> Values:
    """[columns, leaves, BINS] sums of values by leaf and bin."""
    sums, base = np.empty((len(binned), leaves * BINS)), leaf * BINS
    for leaf_sums, column in zip(sums, binned, strict=True):
        leaf_sums[:] = np.bincount(base + column, values, minlength=leaves * BINS)
    return sums.reshape(len(binned), leaves, BINS)


def _best_split(gradient: Values, curvature: Values, edges: npt.NDArray[np.bool_], ridge: float) -> tuple[int, int]:
    """Return (column, edge) of the largest gain.

    Args:
        gradient: [columns, leaves, BINS] sums of the bin and those before it.
        curvature: the same.
        edges: [columns, BINS] those with values on both sides.
        ridge: as of a plan.
    """
    gain = gradient**2 / (curvature + ridge)
    gain += (gradient[..., -1:] - gradient) ** 2 / (curvature[..., -1:] - curvature + ridge)
    best = int(np.argmax(np.where(edges, gain.sum(axis=1), -1.0)))
    return divmod(best, BINS)
