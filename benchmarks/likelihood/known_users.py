# SPDX-License-Identifier: Apache-2.0
"""Judge the likelihood of known users, beside peers that are fitted on the same rows."""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from personalization.likelihood import logistic
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints
from personalization.likelihood.tables import tables

from benchmarks.likelihood import models, populations
from benchmarks.likelihood.models import HORIZON

SLICES = 2_000
LEAST_PREDICTED = 1e-4
"""Less likely pairs are no part of the bins."""
BINS, LEAST_EXPECTED = 10, 400
FLOOR, TREES, OURS, WITHOUT = "logistic on six counts", "LightGBM on six counts", "ours", "ours without attributes"


class Sums:
    """Sums of a model's predictions by window, user and slice of probability."""

    _EDGES = np.linspace(-17.0, 4.0, SLICES - 1)

    def __init__(self, windows: int, users: int) -> None:
        self.calibration = models.Calibration(windows)
        self.loss, self.loss_seen = np.zeros(users), np.zeros(users)
        self.good = np.zeros((users, SLICES), dtype=np.int32)
        self.bad = np.zeros((users, SLICES), dtype=np.int32)

    def add(self, window: int, owner: Ints, chance: Floats, label: Flags, seen: Flags) -> None:
        users = len(self.loss)
        self.calibration.add(window, chance.sum(), label.sum())
        loss = models.log_losses(chance, label)
        self.loss += np.bincount(owner, loss, users)
        self.loss_seen += np.bincount(owner[seen], loss[seen], users)
        logit = np.log(np.clip(chance, 1e-12, 1 - 1e-12)) - np.log1p(-np.clip(chance, 1e-12, 1 - 1e-12))
        bin_of = np.searchsorted(self._EDGES, logit)
        first, last = int(owner.min()), int(owner.max()) + 1
        for sums, which in ((self.good, label), (self.bad, ~label)):
            index = (owner[which] - first) * SLICES + bin_of[which]
            sums[first:last] += np.bincount(index, minlength=(last - first) * SLICES).reshape(-1, SLICES)

    def areas(self, weights: Floats) -> Floats:
        """Return the area under the ROC curve of each sample of users."""
        good, bad = weights @ self.good, weights @ self.bad
        below = np.cumsum(bad, 1) - bad / 2
        areas: Floats = (good * below).sum(1) / (good.sum(1) * bad.sum(1))
        return areas


Peers = Mapping[str, models.Logits]
Likely = list[tuple[Ints, Floats, Flags]]
"""The pairs above LEAST_PREDICTED: their users, probabilities and labels."""


def judge_known_users(whole: History, plan: models.Plan, show: models.Show) -> None:
    """Judge all pairs of known users and items."""
    begins = populations.starts(whole, HORIZON, plan.windows, plan.later)
    everybody = np.ones(len(whole.users), dtype=bool)
    sums = defaultdict[str, Sums](lambda: Sums(plan.windows, len(whole.users)))
    likely, pairs, change, seconds = Likely(), 0, list[float](), 0.0
    for window, start in enumerate(begins):
        began = time.process_time()
        model = models.fitted(populations.past(whole, start, everybody))
        seconds += time.process_time() - began
        older, later = models.rows_of(model.past)
        peers = {OURS: models.ours(model.fit.formulas), FLOOR: models.six_counts(older, later)}
        if (trees := models.boosted(older, later)) is not None:
            peers[TREES] = trees
        if whole.groups:
            peers[WITHOUT] = _without_attributes(model.past)
        pairs += _window(whole, model, window, peers, sums, likely)
        before = [populations.pairs_bought(whole, start - step * HORIZON * DAY, start - (step - 1) * HORIZON * DAY)
                  for step in range(1, models.RULE_WINDOWS + 1)]  # fmt: skip
        bought = populations.pairs_bought(whole, start, start + HORIZON * DAY)
        change.append(bought / max(float(np.mean(before)), 1.0))
    weights = models.drawn(len(whole.users))
    _figures(sums, weights, pairs, seconds / plan.windows, show)
    calibration = sums[OURS].calibration
    models.target(show, "pooled .90 to 1.10", 0.9 <= calibration.pooled <= 1.1, f"{calibration.pooled:.3f}")
    models.target(show, "each window .75 to 1.33", calibration.within(0.75, 1.33), calibration.range)
    gain = 1 - sums[OURS].loss.sum() / sums[FLOOR].loss.sum()
    models.target(show, "log-loss at least 3.5 % below six counts", gain >= 0.035, f"{gain:.2%}")
    if WITHOUT in sums:
        change_with = models.change(sums[OURS].loss, sums[WITHOUT].loss, weights)
        show(f"  log-loss with attributes against {WITHOUT}: {change_with}")
        if plan.attributes_decide:
            models.target(
                show, "with attributes, log-loss below that without", change_with.high < 0, f"{change_with.value:+.2%}"
            )
    area = float(sums[OURS].areas(np.ones((1, len(whole.users))))[0])
    if not plan.attributes_decide:
        models.target(show, "AUC at least .885", area >= 0.885, f"{area:.4f}")
    _bins(likely, weights, show)
    show(f"{'window':12}{'predicted':>10}{'observed':>10}{'ratio':>10}{'all purchases / four weeks before':>36}")
    for window, start in enumerate(begins):
        figures = f"{calibration.predicted[window]:10,.0f}{calibration.observed[window]:10,.0f}"
        figures += f"{calibration.ratios[window]:10.2f}"
        show(f"{models.day(start):12}{figures}{change[window] - 1:>+36.0%}")


def _without_attributes(past: populations.Past) -> models.Logits:
    """Fit as ours is, on a history whose users have no attributes."""
    bare = models.fitted(replace(past, history=replace(past.history, groups={}, group_names={})))
    logits = models.ours(bare.fit.formulas)
    return lambda features, seen: logits({**features, "described": np.zeros(len(seen))}, seen)


def _window(
    whole: History, model: models.Fitted, window: int, peers: Peers, sums: Mapping[str, Sums], likely: Likely
) -> int:
    """Add every pair of one window; return how many there are."""
    given, table = model.past, tables(model.past.history, model.past.at)
    wide, until = len(given.items), given.at + HORIZON * DAY
    for users in models.user_blocks(len(given.users), wide):
        label = populations.bought(whole, given.users[users], given.items, given.at, until).ravel()
        features = table.features(np.repeat(users, wide), np.tile(np.arange(wide), len(users)))
        seen, owner = features["seen"] > 0, np.repeat(given.users[users], wide)
        for name, logits in peers.items():
            chance = logistic.sigmoid(logits(features, seen))
            sums[name].add(window, owner, chance, label, seen)
            if name == OURS:
                likely_pairs = chance > LEAST_PREDICTED
                likely.append(
                    (owner[likely_pairs].astype(np.int32), chance[likely_pairs].astype(np.float32), label[likely_pairs])
                )
    return len(given.users) * wide


def _figures(sums: Mapping[str, Sums], weights: Floats, pairs: int, seconds: float, show: models.Show) -> None:
    """Show a row for each model, with intervals over samples of users (`weights`)."""
    once = np.ones((1, weights.shape[1]))
    observed = int(sums[OURS].calibration.observed.sum())
    show(f"\nKnown users: {pairs:,} pairs, {observed:,} purchases (base rate {observed / pairs:.5f})")
    show(f"{seconds:.1f} CPU-seconds for a fit")
    floor = sums[FLOOR]
    for name, sum_ in sums.items():
        low, high = np.quantile(sum_.areas(weights), [0.025, 0.975])
        area = float(sum_.areas(once)[0])
        show(f"{name:24}log-loss {sum_.loss.sum() / pairs:.6f}  AUC {area:.4f} [{low:.4f}, {high:.4f}]"
             f"  predicted/observed {sum_.calibration.pooled:.2f}")  # fmt: skip
        if name != FLOOR:
            show(f"{'':24}log-loss against {FLOOR}: {models.change(sum_.loss, floor.loss, weights)}")
            show(f"{'':24}of pairs bought before: {models.change(sum_.loss_seen, floor.loss_seen, weights)}")


def _bins(likely: Likely, weights: Floats, show: models.Show) -> None:
    """Show ten bins of equal predicted purchases, and whether observed purchases agree in each."""
    owner, chance, label = map(np.concatenate, zip(*likely, strict=True))
    order = np.argsort(chance, kind="stable")
    owner, chance, label = owner[order], chance[order].astype(np.float64), label[order]
    expected = np.cumsum(chance)
    bin_of = np.minimum((expected / expected[-1] * BINS).astype(np.int64), BINS - 1)
    users, bin_purchases = weights.shape[1], expected[-1] / BINS
    enough = f"{LEAST_EXPECTED} predicted purchases in each of ten bins"
    models.target(show, enough, bin_purchases >= LEAST_EXPECTED, f"{bin_purchases:,.0f}")
    rows, good = [], True
    for number in range(BINS):
        in_bin = bin_of == number
        predicted = np.bincount(owner[in_bin], chance[in_bin], users)
        observed = np.bincount(owner[in_bin], label[in_bin], users)
        ratio = predicted.sum() / max(observed.sum(), 1.0)
        low, high = np.quantile((weights @ predicted) / np.maximum(weights @ observed, 1e-9), [0.025, 0.975])
        fine = 0.85 <= ratio <= 1.18 or low <= 1.0 <= high
        good = good and fine
        shares = f"{number + 1:4}{chance[in_bin].mean():12.3%}{label[in_bin].mean():12.3%}"
        counts = f"{predicted.sum():10,.0f}{observed.sum():10,.0f}{ratio:10.2f}"
        rows.append(f"{shares}{counts}   [{low:.2f}, {high:.2f}]{'' if fine else '  off'}")
    models.target(show, "each bin .85 to 1.18, or 1 in its interval", good, "")
    heads = f"{'% predicted':>12}{'% observed':>12}{'predicted':>10}{'observed':>10}{'ratio':>10}"
    show(f"{'bin':>4}{heads}   95 % of samples")
    for row in rows:
        show(row)
