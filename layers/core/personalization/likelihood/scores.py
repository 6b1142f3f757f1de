# SPDX-License-Identifier: Apache-2.0
"""How good probabilities are: log-loss, ranking, and calibration in bins of equal predicted purchases."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from personalization.likelihood.histories import Flags, Floats

BINS = 15


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of predictions against what happened.

    Attributes:
        log_loss: mean over all pairs. auc: area under the ROC curve, 0.5 where one of the classes is empty.
        calibration_error: expected calibration error of the bins, as a share of the base rate.
        base_rate: share of pairs with a purchase. pairs, purchases: how many.
        bins: for each bin the pairs, the predicted and the observed purchases.
    """

    log_loss: float
    auc: float
    calibration_error: float
    base_rate: float
    pairs: float
    purchases: float
    bins: tuple[tuple[float, float, float], ...]

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "logLoss": self.log_loss,
            "auc": self.auc,
            "calibrationError": self.calibration_error,
            "baseRate": self.base_rate,
            "pairs": round(self.pairs),
            "purchases": round(self.purchases),
            "bins": [
                {"pairs": pairs, "predicted": predicted, "observed": observed}
                for pairs, predicted, observed in self.bins
            ],
        }


def quality(chance: Floats, label: Floats, weight: Floats, only: Flags | None = None) -> Quality:
    """Judge predicted probabilities.

    Args:
        chance: probabilities. label: 0 or 1. weight: how many pairs a row stands for.
        only: the rows to look at; all where it is None.
    """
    if only is not None:
        chance, label, weight = chance[only], label[only], weight[only]
    total, bought = weight.sum(), (weight * label).sum()
    if not total:
        return Quality(0.0, 0.5, 0.0, 0.0, 0.0, 0.0, ())
    near = np.clip(chance, 1e-12, 1 - 1e-12)
    loss = -(weight * np.where(label > 0, np.log(near), np.log1p(-near))).sum() / total
    order = np.argsort(chance, kind="stable")
    chance, label, weight = chance[order], label[order], weight[order]
    bins = _bins(chance, label, weight)
    error = sum(abs(predicted - observed) for _, predicted, observed in bins) / max(bought, 1e-12)
    area = _area(chance, label, weight)
    return Quality(float(loss), area, float(error), float(bought / total), float(total), float(bought), bins)


def _area(chance: Floats, label: Floats, weight: Floats) -> float:
    """Probability that a purchase is ranked above another pair, ties counted half; rows are in ascending order."""
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
    sums = [np.add.reduceat(each, starts) for each in columns]
    return tuple((float(a), float(b), float(c)) for a, b, c in zip(*sums, strict=True))
