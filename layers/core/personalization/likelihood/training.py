# SPDX-License-Identifier: Apache-2.0
"""Fits the model on windows of the past: weights on the oldest, the calibrator on later ones, and a test on the last.

A window is a horizon of days. Its labels are whether a pair has a purchase in it, its features what was known at its
start. All pairs with a purchase are looked at and a sample of the others, each of which stands for many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personalization.likelihood import features, logistic
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints
from personalization.likelihood.model import Formula
from personalization.likelihood.scores import Quality, quality
from personalization.likelihood.tables import Tables, tables

FITTED, CALIBRATED = 5, 4
"""Windows that the weights and the calibrator are fitted on, at most."""
MOST_WINDOWS = FITTED + CALIBRATED + 1
"""Windows that a fit looks at, at most: one more tests."""
NEGATIVES, SEEN_NEGATIVES, POSITIVES = 20_000, 12_000, 20_000
"""Rows of a window: pairs never bought before without a purchase, bought before without one, with one; at most."""
LEAST_FITTED, LEAST_CALIBRATED = 100, 50
"""Purchases that the windows of either kind must have."""
LEAST_WINDOWS = 5
"""Horizons that a history must span: one to look back on, two to fit on, one to calibrate on, one to test on."""
LOOK_BACK_DAYS = 364
"""Days before a window whose events its features tell apart."""
RIDGE = 5.0
_APART = 4
"""Horizons without a purchase after which a few more are no part of the history."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Pairs of one or several windows: features, labels, weights, and which were bought before."""

    features: dict[str, Floats]
    label: Floats
    weight: Floats
    seen: Flags

    @property
    def purchases(self) -> float:
        """How many pairs have a purchase."""
        return float((self.label * self.weight).sum())

    def logits(self, formulas: "Formulas") -> Floats:
        """The log odds of every row."""
        return np.where(self.seen, _logits(formulas.seen, self.features), _logits(formulas.other, self.features))


@dataclass(frozen=True, slots=True)
class Formulas:
    """The formula of pairs bought before, and that of all others."""

    seen: Formula
    other: Formula


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of fitting.

    Attributes:
        formulas: the newest calibration. tested: what the last window says about weights and a calibrator that are
            frozen before it. tested_seen: the same, of pairs bought before alone. base: log-loss of the base rate.
        calibrated: rows of the calibrator. calibrated_from, calibrated_to: epoch seconds.
        windows: starts of the fitted windows.
    """

    formulas: Formulas
    tested: Quality
    tested_seen: Quality
    base: float
    calibrated: Rows
    calibrated_from: int
    calibrated_to: int
    windows: tuple[int, ...]


class TooLittle(Exception):
    """There is not enough data; the message says what is needed."""


def fit(history: History, horizon_days: int, now: int) -> Fit:
    """Fit on a history.

    Args:
        history: all events. horizon_days: the horizon. now: the end of the last window, epoch seconds.

    Raises:
        TooLittle: the history is too short, or has too few purchases.
    """
    horizon = horizon_days * DAY
    starts = windows(history, horizon, now)
    chance = np.random.default_rng(1)
    # Factors of before all windows: those of a window's start would cost the most of all, and say little more.
    vectors = tables(history, starts[-1]).vectors
    rows = [sample(tables(history, start, vectors), start + horizon, chance) for start in starts]
    # Weeks differ in how much is bought at all, so several of them calibrate; but most of a short history is fitted on.
    some = min(CALIBRATED, (len(rows) - 1) // 2)
    test, calibrating, fitting = rows[0], rows[1 : 1 + some], rows[1 + some :]
    fitted, calibrated = joined(fitting), joined(calibrating)
    _enough(fitted.purchases, calibrated.purchases)
    raw = formulas(fitted, history.levels)
    frozen = recalibrated(raw, calibrated)
    tested = logistic.sigmoid(test.logits(frozen))
    newest = joined([test, *calibrating[:-1]])
    base = quality(np.full(len(test.label), max(calibrated.purchases / calibrated.weight.sum(), 1e-12)),
                   test.label, test.weight).log_loss  # fmt: skip
    return Fit(
        recalibrated(raw, newest),
        quality(tested, test.label, test.weight),
        quality(tested, test.label, test.weight, test.seen),
        base,
        newest,
        starts[some - 1],
        starts[0] + horizon,
        tuple(starts[1 + len(calibrating) :]),
    )


def reach(horizon_days: int) -> int:
    """Return how far the events go back that a fit can use, in seconds before the history's end."""
    return (MOST_WINDOWS * horizon_days + LOOK_BACK_DAYS) * DAY


def windows(history: History, horizon: int, now: int) -> list[int]:
    """The starts of the windows, the last one first; each has at least one horizon of purchases before it.

    Raises:
        TooLittle: there are fewer than fitting, calibrating and testing take.
    """
    first = history.start
    span = now - first
    if not history.bought.any() or span < LEAST_WINDOWS * horizon:
        days = LEAST_WINDOWS * horizon // DAY
        raise TooLittle(f"needs purchases over {days} days, and the history has them over {max(span, 0) / DAY:.1f}")
    # A longer look back is better than more windows, but a short history has to make do.
    behind = max(horizon, min(28 * DAY, span // 3))
    most = min(MOST_WINDOWS, (span - behind) // horizon)
    return [now - horizon * step for step in range(1, max(int(most), LEAST_WINDOWS - 1) + 1)]


def steady(history: History, horizon_days: int) -> History:
    """The history without a few events long after all others: trying out old data would make a shop seem deserted."""
    times = np.sort(history.time[history.bought])
    after = len(times) - 1 - np.arange(max(len(times) - 1, 0))
    apart = (np.diff(times) > _APART * horizon_days * DAY) & (after < LEAST_CALIBRATED)
    return history.until(int(times[apart.argmax()])) if apart.any() else history


def sample(table: Tables, until: int, chance: np.random.Generator) -> Rows:
    """The rows of a window that begins at the tables' moment."""
    users, items, label, weight = pairs(table, until, chance)
    found = table.features(users, items)
    return Rows(found, label, weight, found["seen"] > 0)


def pairs(table: Tables, until: int, chance: np.random.Generator) -> tuple[Ints, Ints, Floats, Floats]:
    """Pairs with a purchase in the window, and samples of those without, with the weights of what they stand for."""
    history, wide = table.history, len(table.history.items)
    inside = history.bought & (history.time >= table.at) & (history.time < until)
    positive = np.unique(history.user[inside] * wide + history.item[inside])
    before = table.keys[table.pair["n"] > 0]
    again = np.setdiff1d(before, positive, assume_unique=True)
    every = len(history.users) * wide
    drawn = np.unique(chance.integers(0, every, min(2 * NEGATIVES, 4 * every)))
    never = np.setdiff1d(drawn, np.union1d(before, positive), assume_unique=True)
    fresh = every - len(np.union1d(before, positive))
    parts = [(positive, len(positive), POSITIVES), (again, len(again), SEEN_NEGATIVES), (never, fresh, NEGATIVES)]
    taken = [chance.permutation(keys)[:most] for keys, _, most in parts]
    keys = np.concatenate(taken)
    weight = np.concatenate([np.full(len(each), many / max(len(each), 1)) for each, (_, many, _) in
                             zip(taken, parts, strict=True)])  # fmt: skip
    label = np.zeros(len(keys))
    label[: len(taken[0])] = 1.0
    users, items = np.divmod(keys, wide)
    return users, items, label, weight


def joined(rows: Sequence[Rows]) -> Rows:
    """The rows of several windows."""
    return Rows(
        {name: np.concatenate([each.features[name] for each in rows]) for name in rows[0].features},
        np.concatenate([each.label for each in rows]),
        np.concatenate([each.weight for each in rows]),
        np.concatenate([each.seen for each in rows]),
    )


def formulas(rows: Rows, levels: int) -> Formulas:
    """The uncalibrated formulas of rows."""
    return Formulas(_formula(rows, levels, seen=True), _formula(rows, levels, seen=False))


def recalibrated(raw: Formulas, rows: Rows) -> Formulas:
    """The formulas with Platt's calibrator of (later) rows folded in."""
    found = {}
    for name, formula, which in (("seen", raw.seen, rows.seen), ("other", raw.other, ~rows.seen)):
        logit = _logits(formula, {key: values[which] for key, values in rows.features.items()})
        intercept, slope = logistic.platt(logit, rows.label[which], rows.weight[which])
        weights = {key: slope * weight for key, weight in formula.weights.items()}
        found[name] = Formula(intercept + slope * formula.intercept, weights, formula.least, formula.most)
    return Formulas(**found)


def _formula(rows: Rows, levels: int, *, seen: bool) -> Formula:
    which = rows.seen if seen else ~rows.seen
    label, weight = rows.label[which], rows.weight[which]
    names = features.names(levels, seen=seen)
    rate = np.clip((label * weight).sum() / max(weight.sum(), 1e-12), 1e-9, 0.5) if len(label) else 1e-6
    start = np.zeros(1 + len(names))
    start[0] = np.log(rate / (1.0 - rate))
    if not label.any():
        return Formula(float(start[0]), {}, {}, {})
    columns = [rows.features[name][which] for name in names]
    design, mean, spread = logistic.standardised(columns, np.ones(len(label)))
    ridge = np.full(len(start), RIDGE)
    ridge[0] = 0.0
    found = logistic.fit(design, label, weight, ridge, start)
    slopes = np.where(spread > 0, found[1:] / np.maximum(spread, 1e-12), 0.0)
    used = [index for index in range(len(names)) if spread[index] > 0]
    return Formula(
        float(found[0] - (slopes * mean).sum()),
        {names[index]: float(slopes[index]) for index in used},
        {names[index]: float(columns[index].min()) for index in used},
        {names[index]: float(columns[index].max()) for index in used},
    )


def _logits(formula: Formula, found: dict[str, Floats]) -> Floats:
    total = np.full(len(next(iter(found.values()))), formula.intercept)
    for name, weight in formula.weights.items():
        total += weight * np.clip(found[name], formula.least[name], formula.most[name])
    return total


def _enough(fitted: float, calibrated: float) -> None:
    if fitted < LEAST_FITTED or calibrated < LEAST_CALIBRATED:
        raise TooLittle(
            f"needs {LEAST_FITTED} purchases to fit on and {LEAST_CALIBRATED} later ones to calibrate on, "
            f"and the history has {fitted:.0f} and {calibrated:.0f}"
        )
