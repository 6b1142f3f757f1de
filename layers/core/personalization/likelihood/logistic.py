# SPDX-License-Identifier: Apache-2.0
"""Weighted logistic regression by Newton's method with a ridge, and Platt's calibration with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from personalization.likelihood.histories import Floats

_ROUNDS, _CLOSE, _FLAT = 40, 1e-5, 1e-3


def fit(design: Floats, label: Floats, weight: Floats, ridge: Floats, start: Floats) -> Floats:
    """Coefficients that minimise the weighted log-loss plus half of `ridge` times their squared distances from `start`.

    Args:
        design: rows by columns; a column of ones where an intercept is wanted.
        label: 0 or 1. weight: what a row stands for.
        ridge: one number for each column; 0 leaves it free.
        start: where the search begins, and what the ridge pulls towards.
    """
    found = start.astype(np.float64)
    lost = _loss(design, label, weight, ridge, start, found)
    for _ in range(_ROUNDS):
        chance = sigmoid(design @ found)
        slope = design.T @ (weight * (label - chance)) - ridge * (found - start)
        curve = (design * (weight * chance * (1.0 - chance))[:, None]).T @ design + np.diag(ridge)
        curve[np.diag_indices_from(curve)] += 1e-9 * np.trace(curve) / len(found) + 1e-12
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (now := _loss(design, label, weight, ridge, start, found + size * step)) > lost and size > 1e-4:
            size /= 2
        if now > lost:
            break
        found, lost = found + size * step, now
        if np.abs(size * step).max() < _CLOSE:
            break
    return found


def platt(logit: Floats, label: Floats, weight: Floats, ridge: float = 5.0) -> tuple[float, float]:
    """Intercept and slope that calibrate log odds; with few labels they stay near 0 and 1."""
    design = np.stack([np.ones_like(logit), logit], 1)
    found = fit(design, label, weight, np.array([ridge / 5, ridge]), np.array([0.0, 1.0]))
    return float(found[0]), float(found[1])


def shift(logit: Floats, label: Floats, weight: Floats) -> float:
    """What log odds lack for as many labels as they tell; 0 where there is no label."""
    found = 0.0
    for _ in range(_ROUNDS if label.any() else 0):
        chance = sigmoid(logit + found)
        lacks = (weight * (label - chance)).sum() / max((weight * chance * (1.0 - chance)).sum(), 1e-300)
        found += float(np.clip(lacks, -1.0, 1.0))
        if abs(lacks) < _CLOSE:
            break
    return found


def sigmoid(logit: Floats) -> Floats:
    """The probability of log odds."""
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0)))
    return result


def standardised(columns: Sequence[npt.NDArray[np.floating[Any]]], weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Columns with mean 0 and deviation 1 behind a column of ones, and their means and deviations.

    A column that hardly varies gets deviation 0 and is left at 0: its weight could be as large as you please.
    """
    matrix: Floats = np.stack(columns, 1, dtype=np.float64)
    mean = np.average(matrix, axis=0, weights=weight)
    spread = np.sqrt(np.average((matrix - mean) ** 2, axis=0, weights=weight))
    spread = np.where(spread < _FLAT, 0.0, spread)
    scaled = (matrix - mean) * np.where(spread > 0, 1.0 / np.maximum(spread, 1e-12), 0.0)
    return np.hstack([np.ones((len(matrix), 1)), scaled]), mean, spread


def _loss(design: Floats, label: Floats, weight: Floats, ridge: Floats, start: Floats, at: Floats) -> float:
    logit = design @ at
    away = at - start
    return float((weight * (np.logaddexp(0.0, logit) - label * logit)).sum() + 0.5 * (ridge * away * away).sum())
