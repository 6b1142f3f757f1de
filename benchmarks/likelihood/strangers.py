# SPDX-License-Identifier: Apache-2.0
"""Judge the likelihood of users without a history: strangers, and newcomers after their first event."""

from collections.abc import Mapping

import numpy as np
from personalization.likelihood import answering, counters, logistic, serving_files, training
from personalization.likelihood.counters import Item
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints
from personalization.likelihood.model import Model, probability
from personalization.likelihood.tables import tables

from benchmarks.likelihood import models, populations
from benchmarks.likelihood.models import HORIZON

REMOVED, BEST = 0.25, 50
NEWCOMERS, LEAST_NEWCOMERS = 100, 30
"""Newcomers of a window that are judged, at most; and of all windows, the fewest that are judged."""
MODEL, MODEL_WITH, RULE, RULE_WITH = "model", "model with attributes", "plain rule", "rule with attributes"
PRIOR = 20.0
"""Average users added to those of a value, for the rule with attributes."""


class Strangers:
    """Sums of one way to predict purchases of strangers: of the 50 best items by its own order, and of all items.

    `between` has, for the best items, how many times as likely the ninth tenth of the strangers is as the first.
    """

    def __init__(self, windows: int, users: int) -> None:
        self.best, self.every = models.Calibration(windows), models.Calibration(windows)
        self.losses = np.zeros(users)
        self.between: list[float] = []

    @property
    def loss(self) -> float:
        return float(self.losses.sum())

    def add(self, window: int, who: Ints, chance: Floats, label: Flags) -> None:
        """Add strangers (rows, by their numbers) by items."""
        best = np.argpartition(-chance, min(BEST, chance.shape[1]) - 1, axis=1)[:, :BEST]
        predicted, observed = np.take_along_axis(chance, best, 1), np.take_along_axis(label, best, 1)
        self.best.add(window, predicted.sum(), observed.sum())
        self.every.add(window, chance.sum(), label.sum())
        self.losses += np.bincount(who, models.log_losses(chance, label).sum(1), len(self.losses))
        low, high = np.quantile(chance[:, np.argsort(-chance.mean(0))[:BEST]], [0.1, 0.9], axis=0)
        self.between.append(float(np.median(high / np.maximum(low, 1e-12))))


def strangers(whole: History, plan: models.Plan, show: models.Show) -> None:
    """Remove users, fit on the others, and judge those who were removed."""
    begins = populations.starts(whole, HORIZON, plan.windows, plan.later)
    names = [MODEL, MODEL_WITH, RULE, RULE_WITH] if whole.groups else [MODEL, RULE]
    sums = {name: Strangers(plan.windows, len(whole.users)) for name in names}
    questions = 0
    for draw in range(1, plan.draws + 1):
        out = populations.taken_out(whole, REMOVED, draw)
        for window, start in enumerate(begins):
            model = models.fitted(populations.past(whole, start, ~out))
            who = np.flatnonzero(out & populations.seen_before(whole, start))
            questions += len(who)
            label = populations.bought(whole, who, model.past.items, start, start + HORIZON * DAY)
            rule = populations.recent_share(whole, model.past, HORIZON, models.RULE_WINDOWS)
            sums[MODEL].add(window, who, np.broadcast_to(_of_strangers(model, 1, {}), label.shape), label)
            sums[RULE].add(window, who, np.broadcast_to(rule, label.shape), label)
            if whole.groups:
                groups = {column: values[who] for column, values in whole.groups.items()}
                sums[MODEL_WITH].add(window, who, _of_strangers(model, len(who), groups), label)
                sums[RULE_WITH].add(window, who, _by_attributes(rule, model.past.history, groups), label)
    show(f"\nStrangers: {questions:,} questions about users who were removed before the fit; predicted/observed")
    show(f"{'':22}{'50 best as predicted':>24}{'bought of':>11}{'all items':>22}{'log-loss':>10}")
    show(f"{'':22}{'pooled':>10}{'each window':>14}{'the best':>11}{'pooled':>8}{'each window':>14}{'/ rule':>10}")
    for name, outcome in sums.items():
        parts = [f"{some.pooled:8.2f}  {some.range}" for some in (outcome.best, outcome.every)]
        bought = outcome.best.observed.sum() / (questions * BEST)
        loss = outcome.loss / sums[RULE].loss - 1
        show(f"{name:22}{parts[0]:>24}{bought:>11.2%}{parts[1]:>22}{loss:>+10.2%}")
    if whole.groups:
        spread = float(np.mean(sums[MODEL_WITH].between))
        show(f"With attributes a tenth is {spread:.2f} times as likely to buy as another tenth")
        against = {name: models.change(sums[MODEL_WITH].losses, sums[name].losses) for name in (MODEL, RULE_WITH)}
        for name, change in against.items():
            show(f"  log-loss with attributes against the {name}: {change}")
        if plan.attributes_decide:
            for name, change in against.items():
                models.target(
                    show, f"with attributes, log-loss below the {name}", change.high < 0, f"{change.value:+.2%}"
                )
    for name in (name for name in names if name in {MODEL, MODEL_WITH}):
        for part, some in ((f"{BEST} best items", sums[name].best), ("all items", sums[name].every)):
            pooled = 1 / 1.25 <= some.pooled <= 1.25
            models.target(show, f"{name}, {part}: pooled within 1.25", pooled, f"{some.pooled:.2f}")
            models.target(show, f"{name}, {part}: each window within 1.6", some.within(1 / 1.6, 1.6), some.range)
    show(f"{'50 / all':12}" + "".join(f"{name:>22}" for name in sums))
    for window, start in enumerate(begins):
        parts = [f"{sum_.best.ratios[window]:.2f} / {sum_.every.ratios[window]:.2f}" for sum_ in sums.values()]
        show(f"{models.day(start):12}" + "".join(f"{part:>22}" for part in parts))


def _by_attributes(rule: Floats, history: History, groups: Mapping[str, Ints]) -> Floats:
    """Multiply the plain rule's shares by the lifts of each stranger's values."""
    chance = np.broadcast_to(rule, (len(next(iter(groups.values()))), len(rule)))
    for column, lift in populations.lifts(history, PRIOR).items():
        chance = chance * lift[groups[column]]
    return np.minimum(chance, 0.5)


def _of_strangers(model: models.Fitted, count: int, groups: Mapping[str, Ints]) -> Floats:
    """Return the probabilities of strangers (rows) for every item; equal attributes give equal rows."""
    history, wide = model.past.history, len(model.past.items)
    columns = np.stack(list(groups.values()), 1) if groups else np.zeros((count, 1), dtype=np.int64)
    different, alike = np.unique(columns, axis=0, return_inverse=True)
    distinct_groups = {column: different[:, number] for number, column in enumerate(groups)}
    table = tables(populations.with_strangers(history, len(different), distinct_groups), model.past.at)
    chance = np.zeros((len(different), wide))
    for rows in models.user_blocks(len(different), wide):
        features = table.features(np.repeat(len(history.users) + rows, wide), np.tile(np.arange(wide), len(rows)))
        logits = models.ours(model.fit.formulas)(features, features["seen"] > 0)
        chance[rows] = logistic.sigmoid(logits).reshape(len(rows), wide)
    return chance[alike.ravel()]


def newcomers(whole: History, plan: models.Plan, show: models.Show) -> None:
    """Judge users right after their first event, where that is no purchase."""
    sums, users = models.Calibration(plan.windows), 0
    for window, start in enumerate(populations.starts(whole, HORIZON, plan.windows, plan.later)):
        came = populations.newcomers(whole, start, HORIZON)
        came = came[np.random.default_rng(window).permutation(len(came))[:NEWCOMERS]]
        if not len(came):
            continue
        try:
            model = models.fitted(populations.past(whole, start, np.ones(len(whole.users), dtype=bool)))
        except training.TooLittle:
            continue
        users += len(came)
        table = tables(model.past.history, model.past.at)
        served = serving_files.model(table, model.fit, "run", answering.iso(model.past.at), HORIZON, "Purchase")
        items = {name: counters.item_from(entry) for name, entry in serving_files.items(table, 1)}
        for user in came:
            sums.add(window, *_newcomer(whole, int(user), served, items))
    if users < LEAST_NEWCOMERS:
        few = f"{users} users came with an event that is no purchase; at least {LEAST_NEWCOMERS} are needed"
        show(f"\nNewcomers: not judged: {few}")
        return
    purchases = f"{sums.observed.sum():,.0f} later purchases, predicted/observed {sums.pooled:.2f}"
    show(f"\nNewcomers: {users:,} users, {purchases}")


def _newcomer(whole: History, user: int, model: Model, items: Mapping[str, Item]) -> tuple[float, int]:
    """Return a newcomer's predicted purchases right after their first event, and those that they make."""
    of_user = whole.user == user
    time, bought = whole.time[of_user], whole.bought[of_user]
    names = [whole.items[item] for item in whole.item[of_user]]
    at = int(time.min())
    newcomer = counters.user_from(None, model)
    for position in np.flatnonzero(time == at):
        newcomer.add(counters.LiveEvent(str(position), names[position], at, bought=False), items.get(names[position]))
    counts = answering.count_logits(model, newcomer, items, at)
    later = bought & (time > at) & (time <= at + HORIZON * DAY)
    purchases = {names[position] for position in np.flatnonzero(later)} & items.keys()
    return sum(map(probability, counts.logits.values())), len(purchases)
