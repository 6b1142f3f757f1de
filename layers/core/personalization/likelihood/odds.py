# SPDX-License-Identifier: Apache-2.0
"""Fit a logistic formula on named columns, calibrate it, and compute its log odds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from personalization.likelihood import features, logistic
from personalization.likelihood.histories import Floats
from personalization.likelihood.model import Formula

RIDGE = 5.0
Columns = Mapping[str, npt.NDArray[np.floating[Any]]]


def fitted(columns: Columns, label: Floats, weight: Floats) -> Formula:
    """Return the formula of columns; the label is 0 or 1, or a share.

    Without any label above 0, it is constant.
    """
    rate = np.clip((label * weight).sum() / max(weight.sum(), 1e-12), 1e-9, 0.5) if len(label) else 1e-6
    start = np.zeros(1 + len(columns))
    start[0] = np.log(rate / (1.0 - rate))
    if not label.any():
        return Formula(float(start[0]), {}, {}, {})
    design, mean, spread = logistic.standardised(list(columns.values()), np.ones(len(label)))
    ridge = np.full(len(start), RIDGE)
    ridge[0] = 0.0
    coefficients = logistic.fit(design, label, weight, ridge, start)
    # Next to the purchases that follow it, a view may get a negative weight; a view alone does not deter a purchase.
    while against := [
        1 + index for index, name in enumerate(columns) if name in features.SIGNS and coefficients[1 + index] < 0
    ]:
        spread[[index - 1 for index in against]] = 0.0
        design[:, against] = 0.0
        coefficients = logistic.fit(design, label, weight, ridge, start)
    slopes = np.where(spread > 0, coefficients[1:] / np.maximum(spread, 1e-12), 0.0)
    used = [name for name, deviation in zip(columns, spread, strict=True) if deviation > 0]
    weights = dict(zip(columns, slopes.tolist(), strict=True))
    return Formula(
        float(coefficients[0] - (slopes * mean).sum()),
        {name: weights[name] for name in used},
        {name: float(columns[name].min()) for name in used},
        {name: float(columns[name].max()) for name in used},
    )


def calibrated(formula: Formula, columns: Columns, label: Floats, weight: Floats) -> Formula:
    """Return the formula with Platt's calibrator, fitted on these rows."""
    intercept, slope = logistic.platt(logits(formula, columns, len(label)), label, weight)
    weights = {name: slope * value for name, value in formula.weights.items()}
    return Formula(intercept + slope * formula.intercept, weights, formula.least, formula.most)


def logits(formula: Formula, columns: Columns, rows: int) -> Floats:
    """Return the log odds of so many rows."""
    total = np.full(rows, formula.intercept)
    for name, weight in formula.weights.items():
        total += weight * np.clip(columns[name], formula.least[name], formula.most[name])
    return total
