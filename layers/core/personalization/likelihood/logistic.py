# SPDX-License-Identifier: Apache-2.0
"""Weighted logistic regression, Platt's calibration, and the quality of probabilities."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic.alias_generators import to_camel

from personalization.likelihood.histories import Flags, Floats

BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Figures of predictions against observations.

    Attributes:
        log_loss: mean over all pairs. auc: area under the ROC curve, 0.5 where a class is empty.
        calibration_error: expected calibration error of the bins, as a share of the base rate.
        base_rate: share of pairs with a purchase. pairs, purchases: how many.
        bins: pairs, predicted purchases and observed purchases of each bin.
    """

    log_loss: float
    auc: float
    calibration_error: float
    base_rate: float
    pairs: float
    purchases: float
    bins: tuple[tuple[float, float, float], ...]

    def as_json(self) -> dict[str, Any]:
        figures = {to_camel(name): value for name, value in asdict(self).items()}
        bins = [dict(zip(("pairs", "predicted", "observed"), sums, strict=True)) for sums in self.bins]
        return figures | {"pairs": round(self.pairs), "purchases": round(self.purchases), "bins": bins}


def quality(chance: Floats, label: Floats, weight: Floats, only: Flags | None = None) -> Quality:
    """Evaluate predicted probabilities, in bins of equal predicted purchases.

    Args:
        chance: probabilities. label: 0 or 1. weight: pairs that a row represents. only: the rows that count.
    """
    if only is not None:
        chance, label, weight = chance[only], label[only], weight[only]
    total, bought = weight.sum(), (weight * label).sum()
    if not total:
        return Quality(log_loss=0.0, auc=0.5, calibration_error=0.0, base_rate=0.0, pairs=0.0, purchases=0.0, bins=())
    near = np.clip(chance, 1e-12, 1 - 1e-12)
    loss = -(weight * np.where(label > 0, np.log(near), np.log1p(-near))).sum() / total
    order = np.argsort(chance, kind="stable")
    chance, label, weight = chance[order], label[order], weight[order]
    bins = _bins(chance, label, weight)
    error = sum(abs(predicted - observed) for _, predicted, observed in bins) / max(bought, 1e-12)
    area = _area(chance, label, weight)
    return Quality(
        log_loss=float(loss),
        auc=area,
        calibration_error=float(error),
        base_rate=float(bought / total),
        pairs=float(total),
        purchases=float(bought),
        bins=bins,
    )


def _area(chance: Floats, label: Floats, weight: Floats) -> float:
    """Return the probability that a purchase ranks above another pair, ties counted half; rows are in order."""
    starts = np.flatnonzero(np.diff(chance, prepend=-1.0))
    good = np.add.reduceat(weight * label, starts)
    bad = np.add.reduceat(weight * (1.0 - label), starts)
    if not good.sum() or not bad.sum():
        return 0.5
    below = np.cumsum(bad) - bad / 2
    return float((good * below).sum() / (good.sum() * bad.sum()))


def _bins(chance: Floats, label: Floats, weight: Floats) -> tuple[tuple[float, float, float], ...]:
    predicted = np.cumsum(weight * chance)
    edges = np.searchsorted(predicted, predicted[-1] * np.arange(1, BINS) / BINS)
    starts = np.unique(np.concatenate([[0], edges]))
    starts = starts[starts < len(chance)]
    columns = (weight, weight * chance, weight * label)
    sums = [np.add.reduceat(column, starts) for column in columns]
    return tuple((float(a), float(b), float(c)) for a, b, c in zip(*sums, strict=True))


_ROUNDS, _CLOSE, _FLAT = 40, 1e-5, 1e-3
_MOST_WHOLE, _THINNED, _BLOCK = 40_000, 8, 4_096
"""Rows above which the search begins with every eighth of them, and rows that stay in the processor's caches."""


def fit(design: Floats, label: Floats, weight: Floats, ridge: Floats, start: Floats) -> Floats:
    """Return the coefficients that minimise the weighted log-loss plus a ridge around `start`.

    Newton's method: each step solves the second-order approximation at the present coefficients, and is halved until
    the loss falls (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 4.4.1).

    Args:
        design: rows by columns, with a column of ones for an intercept.
        label: 0 or 1. weight: pairs that a row represents.
        ridge: for each column, half of it multiplies the squared distance from `start`; 0 leaves the column free.
        start: where the search begins.
    """
    coefficients = start.astype(np.float64)
    if len(design) > _MOST_WHOLE:
        # Newton's method ends fast from nearby, and most of its steps lead there.
        some = slice(None, None, _THINNED)
        coefficients = fit(design[some].copy(), label[some], weight[some] * _THINNED, ridge, start)
    lost = _loss(design, label, weight, ridge=ridge, start=start, at=coefficients)
    for _ in range(_ROUNDS):
        chance = sigmoid(design @ coefficients)
        slope = design.T @ (weight * (label - chance)) - ridge * (coefficients - start)
        curve = _curve(design, weight * chance * (1.0 - chance)) + np.diag(ridge)
        # Columns that depend on each other would make the matrix singular.
        curve[np.diag_indices_from(curve)] += 1e-9 * np.trace(curve) / len(coefficients) + 1e-12
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (
            now := _loss(design, label, weight, ridge=ridge, start=start, at=coefficients + size * step)
        ) > lost and size > 1e-4:
            size /= 2
        if now > lost:
            break
        coefficients, lost = coefficients + size * step, now
        if np.abs(size * step).max() < _CLOSE:
            break
    return coefficients


def _curve(design: Floats, weight: Floats) -> Floats:
    """Return the weighted products of all pairs of columns, block by block: a whole weighted copy would not fit."""
    total, root = np.zeros((design.shape[1], design.shape[1])), np.sqrt(weight)[:, None]
    for begin in range(0, len(design), _BLOCK):
        part = design[begin : begin + _BLOCK] * root[begin : begin + _BLOCK]
        total += part.T @ part
    return total


def platt(logit: Floats, label: Floats, weight: Floats, ridge: float = 5.0) -> tuple[float, float]:
    """Return the intercept and slope that calibrate log odds; with few labels they stay near 0 and 1.

    A logistic regression on the log odds alone (Platt, Probabilistic outputs for support vector machines, 1999).
    """
    design = np.stack([np.ones_like(logit), logit], 1)
    coefficients = fit(design, label, weight, np.array([ridge / 5, ridge]), np.array([0.0, 1.0]))
    return float(coefficients[0]), float(coefficients[1])


def shift(logit: Floats, label: Floats, weight: Floats) -> float:
    """Return the shift of log odds that makes predicted and observed labels equal; 0 without a positive label."""
    total = 0.0
    for _ in range(_ROUNDS if label.any() else 0):
        chance = sigmoid(logit + total)
        step = (weight * (label - chance)).sum() / max((weight * chance * (1.0 - chance)).sum(), 1e-300)
        total += float(np.clip(step, -1.0, 1.0))
        if abs(step) < _CLOSE:
            break
    return total


def sigmoid(logit: Floats) -> Floats:
    """Return the probability of log odds."""
    return 1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0)))


def standardised(columns: Sequence[npt.NDArray[np.floating[Any]]], weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return a column of ones and the standardised columns, and their means and deviations.

    A nearly constant column gets deviation 0 and becomes 0: nothing would bound its weight.
    """
    design: Floats = np.ones((len(weight), 1 + len(columns)))
    mean, spread = np.zeros(len(columns)), np.zeros(len(columns))
    for index, column in enumerate(columns):
        values = column.astype(np.float64)
        mean[index] = np.average(values, weights=weight)
        values -= mean[index]
        deviation = float(np.sqrt(np.average(values**2, weights=weight)))
        spread[index] = 0.0 if deviation < _FLAT else deviation
        design[:, 1 + index] = values / deviation if spread[index] else 0.0
    return design, mean, spread


def _loss(design: Floats, label: Floats, weight: Floats, ridge: Floats, start: Floats, at: Floats) -> float:
    logit = design @ at
    away = at - start
    return float((weight * (np.logaddexp(0.0, logit) - label * logit)).sum() + 0.5 * (ridge * away * away).sum())
