# SPDX-License-Identifier: Apache-2.0
"""The model that serves and its peers, fitted on a past; and what all populations are judged by."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from personalization.likelihood import logistic, training
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, Ints
from personalization.likelihood.tables import tables
from personalization.likelihood.training import Fit, Formulas, Reals, Rows

from benchmarks.likelihood.populations import Past

HORIZON, WINDOWS, DRAWS, RULE_WINDOWS = 7, 8, 3, 4
SAMPLES = 1_000
"""Of users, for intervals."""
AT_ONCE = 40_000
"""Pairs that stay in the processor's caches."""
SIX = ("user_n", "user_d28", "item_n", "item_d28", "pair_n", "pair_last")
Logits = Callable[[Mapping[str, Floats], Flags], Floats]
"""Log odds of pairs, from their features and which of them were bought before."""
Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many windows, how many newer ones are left alone, draws of strangers, and the judged populations."""

    windows: int = WINDOWS
    later: int = 0
    draws: int = DRAWS
    judged: Sequence[str] = ("strangers", "newcomers", "known", "customers")
    attributes_decide: bool = False
    """Whether a likelihood that knows the users' attributes has to be better than one that does not."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the shop would serve at a moment."""

    past: Past
    fit: Fit


def fitted(given: Past) -> Fitted:
    """Fit as the function does, on a past."""
    return Fitted(given, training.fit(given.history, HORIZON, given.at))


def ours(formulas: Formulas) -> Logits:
    return lambda features, seen: Rows(
        features=dict(features), label=np.zeros(0), weight=np.zeros(0), seen=seen, user=np.zeros(0, dtype=np.int64)
    ).logits(formulas)


def rows_of(given: Past) -> tuple[Rows, Rows]:
    """Return the rows that peers are fitted on, and those of the later windows that they are calibrated on."""
    chance, horizon = np.random.default_rng(1), HORIZON * DAY
    begins = training.windows(given.history, horizon, given.at)
    vectors = tables(given.history, begins[-1]).vectors
    rows = [training.sample(tables(given.history, start, vectors), start + horizon, chance) for start in begins]
    some = min(training.CALIBRATED, (len(rows) - 1) // 2)
    return training.concatenated(rows[some:]), training.concatenated(rows[:some])


def six_counts(given: Rows, later: Rows) -> Logits:
    """Fit a logistic model on six counts, and calibrate it."""
    design, mean, spread = logistic.standardised([given.features[name] for name in SIX], np.ones(len(given.label)))
    weights = logistic.fit(design, given.label, given.weight, np.zeros(7), np.zeros(7))

    def raw(values: Mapping[str, Reals]) -> Floats:
        result: Floats = weights[0] + sum(
            weights[position + 1] * (values[name] - mean[position]) / max(spread[position], 1e-12)
            for position, name in enumerate(SIX)
        )
        return result

    a, b = logistic.platt(raw(later.features), later.label, later.weight, 0.0)
    return lambda values, _: a + b * raw(values)


def boosted(given: Rows, later: Rows) -> Logits | None:
    """Fit LightGBM on the same six counts, and calibrate it; None where it is not installed."""
    try:
        import lightgbm  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
    except ImportError:
        return None

    def matrix(values: Mapping[str, Reals]) -> Floats:
        return np.stack([values[name] for name in SIX], 1)

    options = {"objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 50, "verbose": -1}
    data = lightgbm.Dataset(matrix(given.features), given.label, weight=given.weight)
    model = lightgbm.train({**options, "lambda_l2": 5.0, "num_threads": 1, "seed": 1}, data, 200)
    a, b = logistic.platt(model.predict(matrix(later.features), raw_score=True), later.label, later.weight, 0.0)
    return lambda values, _: a + b * model.predict(matrix(values), raw_score=True)


class Calibration:
    """Predicted and observed purchases, summed by window."""

    def __init__(self, windows: int) -> None:
        self.predicted, self.observed = np.zeros(windows), np.zeros(windows)

    def add(self, window: int, predicted: float, observed: float) -> None:
        self.predicted[window] += predicted
        self.observed[window] += observed

    @property
    def pooled(self) -> float:
        return float(self.predicted.sum() / max(self.observed.sum(), 1e-9))

    @property
    def ratios(self) -> Floats:
        return self.predicted / np.maximum(self.observed, 1e-9)

    @property
    def range(self) -> str:
        return f"{self.ratios.min():.2f} to {self.ratios.max():.2f}"

    def within(self, low: float, high: float) -> bool:
        return bool(((self.ratios >= low) & (self.ratios <= high)).all())


def log_losses(chance: Floats, label: Flags) -> Floats:
    """Return the log-loss of each pair."""
    chance = np.clip(np.asarray(chance, dtype=np.float64), 1e-9, 1 - 1e-9)
    return -np.where(label, np.log(chance), np.log1p(-chance))


@dataclass(frozen=True, slots=True)
class Change:
    """How much higher a log-loss is than another (below 0: lower), and its 95 % interval over samples of users."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2%} [{self.low:+.2%}, {self.high:+.2%}]"


def change(losses: Floats, others: Floats, weights: Floats | None = None) -> Change:
    """Compare losses by user; `weights` has how often each user is in each sample, drawn here by default."""
    weights = drawn(len(losses)) if weights is None else weights
    low, high = np.quantile((weights @ losses) / (weights @ others) - 1, [0.025, 0.975]).tolist()
    return Change(float(losses.sum() / others.sum() - 1), low, high)


def drawn(users: int) -> Floats:
    """Return how often each user is in each bootstrap sample."""
    return np.random.default_rng(2).multinomial(users, np.full(users, 1 / users), SAMPLES).astype(np.float64)


def user_blocks(users: int, items: int) -> Iterator[Ints]:
    """Yield numbers of users in blocks whose pairs with all items stay in the processor's caches."""
    step = max(1, AT_ONCE // max(items, 1))
    return (np.arange(first, min(first + step, users)) for first in range(0, users, step))


def target(show: Show, name: str, reached: bool, figure: str) -> None:
    show(f"  {'pass' if reached else 'FAIL'}  {name}{': ' if figure else ''}{figure}")


def day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
