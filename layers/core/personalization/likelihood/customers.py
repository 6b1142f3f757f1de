# SPDX-License-Identifier: Apache-2.0
"""How much a customer buys within the horizon: whether at all, on how many days, and what a day is worth.

Purchases are counted as days with purchases: the lines and orders of a day are one. A hurdle model: one logistic
formula says whether a user buys at all, another on which share of the days beyond the first (Mullahy, Specification and
testing of some modified count data models, Journal of Econometrics 33, 1986). The value of a day is the user's own
mean, shrunk towards that of all users by the greatest accuracy credibility (Bühlmann, Experience rating and
credibility, ASTIN Bulletin 4, 1967). The rows are the users with events before a window, with the features of users of
the purchase likelihood, and its windows: weights on all but the two newest, a calibrator on later ones, and a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from table_intake.wording import Text

from personalization.likelihood import features, logistic, odds
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints
from personalization.likelihood.model import Customers, Decile, Formula, Spending, Total
from personalization.likelihood.tables import ARRAYS, Tables
from personalization.likelihood.verdict import ENDS, LEAST, WIDEST, WITHIN, ratios, verdict

MOST_USERS = 30_000
"""The most users of a window; more are drawn."""
LEAST_VALUED = 0.9
"""The share of the days with purchases that need a value; with fewer, values are left out."""
MOST_ADDED = 1_000.0
"""The most days of average value that are added to a user's own."""
LEVELS = (0.5, 2.0)
"""Where the level of values stays: beyond it, the past says too little about the value of a day."""
DECILES = 10


@dataclass(frozen=True, slots=True)
class Days:
    """The days with purchases of a history, ascending by user: the user, the time of the first purchase, and the sum of
    values (NaN: none has one)."""

    user: Ints
    time: Ints
    value: Floats

    def within(self, start: int, until: int) -> "Days":
        """Return the days whose first purchase lies in a time; the end is exclusive."""
        inside = (self.time >= start) & (self.time < until)
        return Days(self.user[inside], self.time[inside], self.value[inside])

    def sums(self, users: int) -> tuple[Floats, Floats, Floats]:
        """Return for each user the days that have a value, the sum of the values, and that of their squares."""
        has_value = ~np.isnan(self.value)
        user, value = self.user[has_value], self.value[has_value]
        count: Floats = np.bincount(user, minlength=users).astype(np.float64)
        total, squares = (np.asarray(np.bincount(user, part, users), np.float64) for part in (value, value * value))
        return count, total, squares


def days_of(history: History) -> Days:
    """Return the days (UTC) with purchases."""
    bought = history.bought
    user, time = history.user[bought], history.time[bought]
    order = np.lexsort((time, user))
    user, time = user[order], time[order]
    starts = np.flatnonzero(np.diff(user * (1 << 32) + time // DAY, prepend=-1))
    if not len(starts):
        return Days(user, time, np.zeros(0))
    if history.value is None:
        return Days(user[starts], time[starts], np.full(len(starts), np.nan))
    value = history.value[bought][order].astype(np.float64)
    has_value = np.add.reduceat((value >= 0).astype(np.float64), starts) > 0
    sums = np.add.reduceat(np.maximum(value, 0.0), starts)
    return Days(user[starts], time[starts], np.where(has_value, sums, np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Users of one or several windows.

    Attributes:
        features: by name. weight: users of the shop that a row represents. user: numbers.
        days, value: days with purchases in the window, and the sum of their values.
        valued, total, squares: days with a value before the window, the sum of the values, and that of their squares.
    """

    features: odds.Columns
    weight: Floats
    user: Ints
    days: Floats
    value: Floats
    valued: Floats
    total: Floats
    squares: Floats

    @property
    def buys(self) -> Floats:
        return (self.days > 0).astype(np.float64)


def sample(table: Tables, until: int, days: Days, chance: np.random.Generator) -> Rows:
    """Return the users with events before the tables' time, and what they buy until the end of the window."""
    population = np.flatnonzero(table.population)
    chosen = np.sort(chance.permutation(population)[:MOST_USERS])
    users = len(table.history.users)
    inside, before = days.within(table.at, until), days.within(0, table.at)
    valued, total, squares = before.sums(users)
    _, value, _ = inside.sums(users)
    return Rows(
        features={name: column.astype(np.float32) for name, column in columns(table, chosen).items()},
        weight=np.full(len(chosen), table.history.scale * len(population) / max(len(chosen), 1)),
        user=chosen,
        days=np.bincount(inside.user, minlength=users).astype(np.float64)[chosen],
        value=value[chosen],
        valued=valued[chosen],
        total=total[chosen],
        squares=squares[chosen],
    )


def columns(table: Tables, users: Ints) -> dict[str, Floats]:
    """Return the features of users."""
    statistics = {f"user.{name}": values[users] for name, values in table.user.items()}
    statistics["span"] = np.full(len(users), features.span((table.at - table.history.start) / DAY))
    return features.of_customers(statistics, ARRAYS)


@dataclass(frozen=True, slots=True)
class Formulas:
    """Whether a user buys, and on which share of the horizon's days beyond the first."""

    buys: Formula
    more: Formula

    def predict(self, rows: Rows, horizon_days: int) -> tuple[Floats, Floats]:
        """Return each user's probability to buy, and their expected number of days with purchases."""
        chance, more = (
            logistic.sigmoid(odds.logits(formula, rows.features, len(rows.user))) for formula in (self.buys, self.more)
        )
        return chance, chance * (1.0 + horizon_days * more)


def fit(rows: Sequence[Rows], calibrating: int, not_fitted: int, days: Days, horizon_days: int) -> Customers:
    """Fit on the rows of windows, the newest first, as the purchase likelihood is fitted.

    Args:
        calibrating: windows that calibrate. not_fitted: the newest windows, on which no weights are fitted.
        days: of the whole history.
    """
    fitted, test = joined(rows[not_fitted:]), rows[0]
    before, newest = rows[1 : 1 + calibrating], rows[:calibrating]
    buyers = fitted.days > 0
    raw = Formulas(
        odds.fitted(fitted.features, fitted.buys, fitted.weight),
        odds.fitted(_where(fitted.features, buyers), _more(fitted, buyers, horizon_days), fitted.weight[buyers]),
    )
    frozen, served = (_calibrated(raw, joined(some), horizon_days) for some in (before, newest))
    no_values = why_no_values(days)
    spending = tested_spending = None
    if not no_values:
        tested_spending = _levelled(credibility(test.valued, test.total, test.squares), frozen, before, horizon_days)
        of_users = days.sums(int(days.user.max()) + 1)
        spending = _levelled(credibility(*of_users), served, newest, horizon_days)
    chance, expected = frozen.predict(test, horizon_days)
    parts = [(chance, test.buys), (expected, test.days)]
    if tested_spending is not None:
        parts.append((expected * _of_a_day(tested_spending, test), test.value))
    totals = [_total(predicted * test.weight, observed * test.weight, test.buys) for predicted, observed in parts]
    return Customers(
        buys=served.buys,
        more=served.more,
        spending=spending,
        no_values=no_values,
        verdict=verdict(chance, test.buys, test.weight, test.user, rows="customers"),
        buyers=totals[0],
        purchases=totals[1],
        value=totals[2] if len(totals) > 2 else None,
        deciles=tuple(_deciles(chance, parts, test.weight)),
    )


def joined(rows: Sequence[Rows]) -> Rows:
    """Return the rows of several windows."""

    def together(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(window, name) for window in rows])

    names = rows[0].features
    return Rows(
        features={name: np.concatenate([window.features[name] for window in rows]) for name in names},
        weight=together("weight"),
        user=together("user"),
        days=together("days"),
        value=together("value"),
        valued=together("valued"),
        total=together("total"),
        squares=together("squares"),
    )


def _where(columns: odds.Columns, chosen: Flags) -> odds.Columns:
    return {name: column[chosen] for name, column in columns.items()}


def _more(rows: Rows, buyers: Flags, horizon_days: int) -> Floats:
    """Return on which share of the days beyond the first users buy; a horizon touches one day more than it has."""
    return np.clip((rows.days[buyers] - 1.0) / horizon_days, 0.0, 1.0)


def _calibrated(raw: Formulas, rows: Rows, horizon_days: int) -> Formulas:
    buyers = rows.days > 0
    return Formulas(
        odds.calibrated(raw.buys, rows.features, rows.buys, rows.weight),
        odds.calibrated(
            raw.more, _where(rows.features, buyers), _more(rows, buyers, horizon_days), rows.weight[buyers]
        ),
    )


def why_no_values(days: Days) -> str:
    """Return why values are left out; empty where enough days have one."""
    share = float((~np.isnan(days.value)).mean()) if len(days.value) else 0.0
    if not share:
        text = "purchases have no value: import EVENT_VALUE, or PRICE and QUANTITY, or a PRICE of the items"
        return Text("customers.no-values", text)
    if share < LEAST_VALUED:
        text = "only {share:.0%} of the days with purchases have a value, and at least {least:.0%} are needed"
        return Text("customers.few-values", text, share=share, least=LEAST_VALUED)
    return ""


def credibility(valued: Floats, total: Floats, squares: Floats) -> Spending:
    """Return the mean of a day's value, and how many days of it shrink a user's own mean.

    The number is the variance of a user's days over the variance between users, both estimated without bias.

    Args:
        valued, total, squares: of each user, the days that have a value, the sum of the values, and of their squares.
    """
    has_value = valued > 0
    days, total, squares = valued[has_value], total[has_value], squares[has_value]
    count, users = float(days.sum()), len(days)
    if not users:
        return Spending(mean=0.0, added=MOST_ADDED, level=1.0)
    mean = float(total.sum() / count)
    within = float((squares - total * total / days).sum() / max(count - users, 1.0))
    spread = count - float((days * days).sum()) / count
    between = (float((days * (total / days - mean) ** 2).sum()) - (users - 1) * within) / max(spread, 1e-9)
    added = MOST_ADDED if between <= 0 else min(within / between, MOST_ADDED)
    return Spending(mean=mean, added=max(added, 1e-3), level=1.0)


def _of_a_day(spending: Spending, rows: Rows) -> Floats:
    values: Floats = spending.level * (rows.total + spending.added * spending.mean) / (rows.valued + spending.added)
    return values


def _levelled(spending: Spending, formulas: Formulas, rows: Sequence[Rows], horizon_days: int) -> Spending:
    """Return the values at the level of some windows, each predicted from what was before it."""
    predicted = observed = 0.0
    for window in rows:
        before = credibility(window.valued, window.total, window.squares)
        _, days = formulas.predict(window, horizon_days)
        predicted += float((window.weight * days * _of_a_day(before, window)).sum())
        observed += float((window.weight * window.value).sum())
    level = observed / predicted if predicted > 0 and observed > 0 else 1.0
    return Spending(mean=spending.mean, added=spending.added, level=min(max(level, LEVELS[0]), LEVELS[1]))


def _total(predicted: Floats, observed: Floats, buys: Floats) -> Total:
    """Judge a sum over the users of the test, each a row."""
    said, came = float(predicted.sum()), float(observed.sum())
    low, high = _limits(predicted, observed)
    answer: Literal["yes", "no", "unknown"] = "yes"
    if buys.sum() < LEAST or high > WIDEST * low:
        answer = "unknown"
    elif max(said, came) > WITHIN * min(said, came):
        answer = "unknown" if low <= said <= high else "no"
    return Total(answer=answer, predicted=said, observed=came, low=low, high=high)


def _limits(predicted: Floats, observed: Floats) -> tuple[float, float]:
    """Return where the observed sum lies in most draws of users, given the predicted one."""
    if not len(predicted) or not predicted.sum():
        return 0.0, 0.0
    low, high = np.percentile(ratios(predicted, observed), ENDS) * predicted.sum()
    return float(low), float(high)


def _deciles(chance: Floats, parts: Sequence[tuple[Floats, Floats]], weight: Floats) -> Sequence[Decile]:
    order = np.argsort(chance, kind="stable")
    deciles = []
    for users in np.array_split(order, DECILES):
        if not len(users):
            continue
        weighted = [
            (predicted[users] * weight[users], observed[users] * weight[users]) for predicted, observed in parts
        ]
        sums = [(float(predicted.sum()), float(observed.sum())) for predicted, observed in weighted]
        low, high = _limits(*weighted[0])
        deciles.append(
            Decile(
                customers=float(weight[users].sum()),
                buyers=sums[0],
                low=low,
                high=high,
                purchases=sums[1],
                value=sums[2] if len(sums) > 2 else None,
            )
        )
    return deciles
