# SPDX-License-Identifier: Apache-2.0
"""Judge how much customers buy at all: whether, on how many days, and for how much."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from personalization.likelihood import customers
from personalization.likelihood.customers import Days, Rows
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Floats, History, Ints
from personalization.likelihood.tables import tables

from benchmarks.likelihood import bg_nbd, models, populations
from benchmarks.likelihood.models import HORIZON

OURS, RFM, BG_NBD = "ours", "RFM", "BG/NBD"
TARGETS = ("buyers", "days", "value")
THIRDS = (1 / 3, 2 / 3)
ADDED = 20.0
"""Average users added to those of a cell."""
TENTHS = 10


@dataclass(slots=True, kw_only=True)
class Judged:
    """The sums of one way to predict: by window, by user, and by tenth of a window's users.

    `losses` has log-losses of whether users buy; `deviances` those of the days, as of a Poisson variable.
    """

    users: int
    windows: int
    sums: dict[str, models.Calibration] = field(init=False)
    losses: Floats = field(init=False)
    deviances: Floats = field(init=False)
    tenths: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.sums = {name: models.Calibration(self.windows) for name in TARGETS}
        self.losses, self.deviances = np.zeros(self.users), np.zeros(self.users)
        self.tenths = np.zeros((2, TENTHS, self.users))

    def add(self, window: int, who: Ints, predicted: Sequence[Floats], observed: Sequence[Floats]) -> None:
        """Add a window: of each user, what was predicted and observed of the targets."""
        for name, said, came in zip(TARGETS, predicted, observed, strict=True):
            self.sums[name].add(window, float(said.sum()), float(came.sum()))
        self.losses[who] += models.log_losses(predicted[0], observed[0] > 0)
        mean = np.maximum(predicted[1], 1e-9)
        came = observed[1]
        self.deviances[who] += 2.0 * (came * np.log(np.maximum(came, 1e-9) / mean) * (came > 0) - (came - mean))
        order = np.argsort(predicted[0], kind="stable")
        for tenth, rows in enumerate(np.array_split(order, TENTHS)):
            self.tenths[0, tenth, who[rows]] += predicted[0][rows]
            self.tenths[1, tenth, who[rows]] += observed[0][rows]


def judge_customers(whole: History, plan: models.Plan, show: models.Show) -> None:
    """Fit on the past of each window, and judge all users seen before it."""
    days, users, horizon = customers.days_of(whole), len(whole.users), HORIZON * DAY
    judged = {name: Judged(users=users, windows=plan.windows) for name in (OURS, RFM, BG_NBD)}
    answers: list[str] = []
    for window, start in enumerate(populations.starts(whole, HORIZON, plan.windows, plan.later)):
        given = populations.past(whole, start, np.ones(users, dtype=bool))
        model, who = models.fitted(given).fit.customers, given.users
        answers.append(model.verdict.answer)
        observed = outcome(days, start, users)
        came = [values[who] for values in observed]
        rows = everybody(given.history, start)
        chance, expected = customers.Formulas(model.buys, model.more).predict(rows, HORIZON)
        worth = np.zeros(len(who))
        if model.spending is not None:
            spent = zip(rows.valued.tolist(), rows.total.tolist(), strict=True)
            worth = np.array([model.spending.of(valued, total) for valued, total in spent])
        judged[OURS].add(window, who, (chance, expected, expected * worth), came)
        cells = [rfm(days, whole, start - step * horizon) for step in range(models.RULE_WINDOWS + 1)]
        before = [outcome(days, start - step * horizon, users) for step in range(1, models.RULE_WINDOWS + 1)]
        rule = [values[who] for values in rates(cells, before)]
        judged[RFM].add(window, who, rule, came)
        buyers, have = repeated(days, start, who)
        parameters = bg_nbd.fitted(buyers)
        said = [values.copy() for values in rule]
        said[0][have], said[1][have] = parameters.buys(buyers, HORIZON / 7), parameters.purchases(buyers, HORIZON / 7)
        mean = rule[2] / np.maximum(rule[1], 1e-9)
        said[2] = said[1] * mean
        judged[BG_NBD].add(window, who, said, came)
    report(judged, answers, show)


def everybody(history: History, at: int) -> Rows:
    """Return all users with events before a time, in the order of their numbers."""
    table = tables(history, at)
    who = np.flatnonzero(table.population)
    none = np.zeros(len(who))
    valued, total, squares = (sums[who] for sums in customers.days_of(history).sums(len(history.users)))
    return Rows(
        features=customers.columns(table, who),
        weight=none + 1.0,
        user=who,
        days=none,
        value=none,
        valued=valued,
        total=total,
        squares=squares,
    )


def outcome(days: Days, start: int, users: int) -> tuple[Floats, Floats, Floats]:
    """Return of each user whether they buy in a window, on how many days, and for how much."""
    inside = days.within(start, start + HORIZON * DAY)
    count = np.bincount(inside.user, minlength=users).astype(np.float64)
    _, value, _ = inside.sums(users)
    return (count > 0).astype(np.float64), count, value


def rfm(days: Days, whole: History, at: int) -> Ints:
    """Return each user's cell: thirds of recency, frequency and money of those who have bought; -1: not seen before."""
    users, before = len(whole.users), days.within(0, at)
    cell = np.where(populations.seen_before(whole, at), 0, -1)
    count = np.bincount(before.user, minlength=users).astype(np.float64)
    last = np.zeros(users)
    np.maximum.at(last, before.user, before.time.astype(np.float64))
    _, money, _ = before.sums(users)
    have = count > 0
    number = np.zeros(users, dtype=np.int64)
    for values in (last, count, money):
        number = 3 * number + np.digitize(values, np.quantile(values[have], THIRDS)) if have.any() else number
    return np.where(have & (cell >= 0), 1 + number, cell)


def rates(cells: Sequence[Ints], before: Sequence[Sequence[Floats]]) -> list[Floats]:
    """Return each user's prediction: the mean of their cell in the windows before; `cells` begins with the present."""
    wide, rule = 1 + 27, list[Floats]()
    size, totals = np.zeros(wide), np.zeros((len(TARGETS), wide))
    for cell, came in zip(cells[1:], before, strict=True):
        seen = cell >= 0
        size += np.bincount(cell[seen], minlength=wide)
        for target, values in enumerate(came):
            totals[target] += np.bincount(cell[seen], values[seen], wide)
    for total in totals:
        mean = total.sum() / max(size.sum(), 1.0)
        rule.append(((total + ADDED * mean) / (size + ADDED))[np.maximum(cells[0], 0)])
    return rule


def repeated(days: Days, at: int, who: Ints) -> tuple[bg_nbd.Buyers, Ints]:
    """Return what BG/NBD knows of the users with a purchase, and their positions among `who`."""
    before = days.within(0, at)
    users = int(max(who.max(), before.user.max())) + 1
    count = np.bincount(before.user, minlength=users)
    first, last = np.full(users, np.inf), np.zeros(users)
    np.minimum.at(first, before.user, before.time.astype(np.float64))
    np.maximum.at(last, before.user, before.time.astype(np.float64))
    have = np.flatnonzero(count[who] > 0)
    buyers, week = who[have], 7.0 * DAY
    return (
        bg_nbd.Buyers(
            repeats=count[buyers].astype(np.float64) - 1.0,
            last=(last[buyers] - first[buyers]) / week,
            age=(at - first[buyers]) / week,
        ),
        have,
    )


def report(judged: dict[str, Judged], answers: Sequence[str], show: models.Show) -> None:
    ours = judged[OURS]
    show(f"\nCustomers: predicted/observed, pooled and in each window; the test of each fit says {', '.join(answers)}")
    for name, outcomes in judged.items():
        parts = [f"{target} {outcomes.sums[target].pooled:.3f}  {outcomes.sums[target].range}" for target in TARGETS]
        show(f"  {name:8}" + "   ".join(parts))
    weights = models.drawn(ours.users)
    show("  Tenths of each window's users by predicted probability: predicted, observed buyers, predicted/observed")
    for tenth in range(TENTHS):
        predicted, observed = ours.tenths[0, tenth], ours.tenths[1, tenth]
        ratio = (weights @ predicted) / np.maximum(weights @ observed, 1e-9)
        low, high = np.quantile(ratio, [0.025, 0.975]).tolist()
        pooled = predicted.sum() / max(observed.sum(), 1e-9)
        show(f"  {tenth + 1:4}{predicted.sum():10,.0f}{observed.sum():10,.0f}{pooled:8.2f} [{low:.2f}, {high:.2f}]")
    for name in (RFM, BG_NBD):
        losses = models.change(ours.losses, judged[name].losses, weights)
        deviances = models.change(ours.deviances, judged[name].deviances, weights)
        show(f"  log-loss against {name}: {losses}; Poisson deviance of the days: {deviances}")
        models.target(show, f"log-loss below {name}", losses.high < 0, str(losses))
        models.target(show, f"deviance below {name}", deviances.high < 0, str(deviances))
    for target in ("buyers", "days"):
        pooled = ours.sums[target].pooled
        models.target(show, f"{target}: pooled within 1.1", 1 / 1.1 <= pooled <= 1.1, f"{pooled:.3f}")
        models.target(
            show, f"{target}: each window within 1.25", ours.sums[target].within(0.8, 1.25), ours.sums[target].range
        )
