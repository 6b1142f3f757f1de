# SPDX-License-Identifier: Apache-2.0
"""Fit the model on past windows: weights on all but the two newest, calibrator on the newest, and a test on the last.

A window is a horizon of days. Labels tell whether a pair has a purchase in it; features are as of its start. Rows are
all pairs with a purchase, and a weighted sample of the others. Its users have events before its start: as they are for
the formulas of known users, and with a hidden history for those of strangers. Users whose first event is inside the
window are newcomers, and not in it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from table_intake.wording import Text

from personalization.likelihood import customers, features, logistic, odds
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints, positions
from personalization.likelihood.logistic import Quality, quality
from personalization.likelihood.model import Customers, Formula, Verdict
from personalization.likelihood.tables import Counted, Tables, distinct, present, tables
from personalization.likelihood.verdict import WITHIN, WITHIN_STRANGERS, verdict

FITTED, CALIBRATED = 8, 4
"""The most windows that weights are fitted on, and that the calibrator is."""
NOT_FITTED = 2
"""The newest windows, on which no weights are fitted: the last one tests, and the one before calibrates the test, so
that the calibrator sees how well the weights predict purchases that they were not fitted on."""
MOST_WINDOWS = FITTED + NOT_FITTED
"""Windows of a fit, at most."""
NEGATIVES, SEEN_NEGATIVES, OTHER_NEGATIVES, POSITIVES = 20_000, 12_000, 6_000, 20_000
"""The most rows of a window, by what happened before and in it: pairs without earlier events and without a purchase;
pairs bought before, and not again; pairs with other earlier events, and without a purchase; pairs with a purchase. Each
kind is sampled and weighted by itself, since pairs with events would be rare in a plain sample."""
LEAST_FITTED, LEAST_CALIBRATED = 100, 50
"""Purchases that the windows of each kind need."""
LEAST_WINDOWS = 5
"""Horizons that a history must span: one to look back on, two to fit, one to calibrate, one to test."""
LOOK_BACK_DAYS = 364
"""Days before a window whose events its features distinguish."""
PARTS = 4
"""Random parts of the users: each window hides the history of another part, to learn about strangers."""
FADING = 0.6
"""Weight of a calibration window relative to the next newer one: the level of purchases changes from week to week."""
LEAST_VISITORS = 20
"""Purchases by visitors (users with events, but without an earlier purchase) that the feature `visitor` needs; with
fewer, visitors count as strangers."""
Reals = npt.NDArray[np.floating[Any]]
_APART = 4
"""Horizons without any purchase after which a few later ones are cut off; see `without_stragglers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Pairs of one or several windows: features, labels, weights, whether they were bought before, and the numbers of
    their users."""

    features: Mapping[str, Reals]
    label: Floats
    weight: Floats
    seen: Flags
    user: Ints

    @property
    def purchases(self) -> float:
        """Return the number of pairs with a purchase."""
        return float((self.label * self.weight).sum())

    def logits(self, formulas: "Formulas") -> Floats:
        """Return the log odds of every row."""
        logits, is_stranger = np.zeros(len(self.seen)), formulas.strangers(self.features)
        described = is_stranger & (self.features["described"] > 0)
        parts = (
            (formulas.seen, self.seen),
            (formulas.other, ~self.seen & ~is_stranger),
            (formulas.stranger, is_stranger & ~described),
            (formulas.described, described),
        )
        for formula, which in parts:
            if which.any():
                logits[which] = _logits(formula, self.features, which)
        return logits


@dataclass(frozen=True, slots=True)
class Formulas:
    """The formulas of pairs bought before, of all other pairs of known users, and of strangers without and with
    attributes (described)."""

    seen: Formula
    other: Formula
    stranger: Formula
    described: Formula

    def strangers(self, columns: Mapping[str, Reals]) -> Flags:
        """Tell which rows the formulas of strangers apply to: see `Model.logit`."""
        alike = columns["stranger"] if "visitor" in self.other.weights else columns["stranger"] + columns["visitor"]
        return alike > 0


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Users with their first event in the last window but one, and their purchases within a horizon after it.

    Attributes:
        users, pairs: numbers of users, and of their pairs with known items. purchases: pairs with a purchase.
        told: whether the history has events other than purchases, from which their likelihood can be predicted.
    """

    users: int
    pairs: int
    purchases: int
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The result of fitting.

    Attributes:
        formulas: with the newest calibration. tested: quality on the last window, with weights and a calibrator frozen
            before it, for known users. tested_seen: the same for pairs bought before. tested_strangers: the same for
            users with a hidden history. known_verdict, stranger_verdict: of both tests.
        newcomers: of the last window but one. base: log-loss of the base rate.
        calibrated: rows of the calibrator. calibrated_from, calibrated_to: epoch seconds.
        windows: starts of the fitted windows. customers: how much a customer buys at all.
    """

    formulas: Formulas
    tested: Quality
    tested_seen: Quality
    tested_strangers: Quality
    known_verdict: Verdict
    stranger_verdict: Verdict
    newcomers: Newcomers
    base: float
    calibrated: Rows
    calibrated_from: int
    calibrated_to: int
    windows: tuple[int, ...]
    customers: Customers


class TooLittle(Exception):
    """Too few data; the reason says what a fit needs."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason)
        self.reason = reason


def fit(
    history: History, horizon_days: int, now: int, counted: Callable[[int], Counted | None] = lambda _: None
) -> Fit:
    """Fit on all events of a history; `now`, in epoch seconds, is the end of the last window.

    Args:
        counted: returns the counts of items as of a time, where the history is a sample of the users; called with the
            starts of the windows, the oldest first.

    Raises:
        TooLittle: the history is too short, or has too few purchases.
    """
    if positions(history):
        text = (
            "needs times of purchases, and the history has positions: every user's first event has the same "
            "TIMESTAMP, and the next ones follow without a gap"
        )
        raise TooLittle(Text("fit.positions", text))
    horizon = horizon_days * DAY
    starts = windows(history, horizon, now)
    chance, customer_chance = np.random.default_rng(1), np.random.default_rng(6)
    vectors = known_items = None
    # A whole part is hidden at once: the counts of items would reveal a single hidden user.
    rows: list[Rows] = []
    hidden: list[Rows] = []
    part = user_parts(history)
    customer_rows: list[customers.Rows] = []
    days = customers.days_of(history)
    for age, start in reversed(list(enumerate(starts))):
        # Factors as fresh as while serving: with older ones, the formulas would learn to trust them less.
        counts = counted(start)
        table = tables(history, start, begun=vectors, counted=counts)
        vectors = table.vectors
        known_items = table.offered if age == 1 else known_items
        rows.append(sample(table, start + horizon, chance))
        customer_rows.append(customers.sample(table, start + horizon, days, customer_chance))
        del table
        is_hidden: Flags = np.equal(part, age % PARTS)
        hidden.append(strangers(tables(history, start, hidden=is_hidden, counted=counts), start + horizon, chance))
    rows.reverse()
    hidden.reverse()
    customer_rows.reverse()
    # The level of purchases differs between weeks, so several calibrate; a short history needs most of them to fit.
    calibrating = min(CALIBRATED, (len(rows) - 1) // 2)
    fitted, calibrated = concatenated(rows[NOT_FITTED:]), concatenated(rows[1 : 1 + calibrating], names=())
    purchases = [joined.purchases / history.scale for joined in (fitted, calibrated)]
    if purchases[0] < LEAST_FITTED or purchases[1] < LEAST_CALIBRATED:
        text = (
            "needs {fitted} purchases to fit on and {calibrated} later ones to calibrate on, and the history has "
            "{have:.0f} and {later:.0f}"
        )
        figures = {"fitted": LEAST_FITTED, "calibrated": LEAST_CALIBRATED}
        raise TooLittle(Text("fit.purchases", text, have=purchases[0], later=purchases[1], **figures))
    raw = formulas(fitted, concatenated(hidden[NOT_FITTED:]), history.levels)
    del fitted
    frozen = recalibrated(raw, rows[1 : 1 + calibrating], hidden[1 : 1 + calibrating])
    test, stranger_rows, newest = rows[0], hidden[0], concatenated(rows[:calibrating], names=())
    tested, tested_strangers = (logistic.sigmoid(pairs.logits(frozen)) for pairs in (test, stranger_rows))
    base = quality(np.full(len(test.label), max(calibrated.purchases / calibrated.weight.sum(), 1e-12)),
                   test.label, test.weight).log_loss  # fmt: skip
    return Fit(
        formulas=recalibrated(raw, rows[:calibrating], hidden[:calibrating]),
        tested=quality(tested, test.label, test.weight),
        tested_seen=quality(tested, test.label, test.weight, test.seen),
        tested_strangers=quality(tested_strangers, stranger_rows.label, stranger_rows.weight),
        known_verdict=_judged(tested, test, WITHIN),
        stranger_verdict=_judged(tested_strangers, stranger_rows, WITHIN_STRANGERS),
        newcomers=newcomers(history, now - 2 * horizon, horizon, known_items),
        base=base,
        calibrated=newest,
        calibrated_from=starts[calibrating - 1],
        calibrated_to=starts[0] + horizon,
        windows=tuple(starts[NOT_FITTED:]),
        customers=customers.fit(customer_rows, calibrating, NOT_FITTED, days, horizon_days),
    )


def _judged(chance: Floats, rows: Rows, within: float) -> Verdict:
    return verdict(chance, rows.label, rows.weight, rows.user, within)


def reach(horizon_days: int) -> int:
    """Return how far back a fit uses events, in seconds before the end of the history."""
    return (MOST_WINDOWS * horizon_days + LOOK_BACK_DAYS) * DAY


def windows(history: History, horizon: int, now: int) -> list[int]:
    """Return the starts of the windows, newest first; each has at least one horizon of purchases before it.

    Raises:
        TooLittle: there are too few to fit, calibrate and test.
    """
    return window_starts(history.start if history.bought.any() else now, horizon, now)


def window_starts(first: int, horizon: int, now: int) -> list[int]:
    """Return the starts of the windows, as `windows` does, of a history whose first purchase is at `first`."""
    span = now - first
    if span < LEAST_WINDOWS * horizon:
        days = LEAST_WINDOWS * horizon // DAY
        text = "needs purchases over {days} days, and the history has them over {have:.1f}"
        raise TooLittle(Text("fit.days", text, days=days, have=max(span, 0) / DAY))
    # A longer look back is better than more windows, unless the history is short.
    look_back = max(horizon, min(28 * DAY, span // 3))
    most = min(MOST_WINDOWS, (span - look_back) // horizon)
    return [now - horizon * step for step in range(1, max(int(most), LEAST_WINDOWS - 1) + 1)]


def without_stragglers(history: History, horizon_days: int) -> History:
    """Cut off a few events long after all others: a trial on old data would make a shop look deserted."""
    end = end_without_stragglers(np.sort(history.time[history.bought]), horizon_days)
    return history if end is None else history.until(end)


def end_without_stragglers(times: Ints, horizon_days: int) -> int | None:
    """Return the last purchase before the stragglers, or None without any; `times` are the newest ones, ascending."""
    after = len(times) - 1 - np.arange(max(len(times) - 1, 0))
    apart = (np.diff(times) > _APART * horizon_days * DAY) & (after < LEAST_CALIBRATED)
    return int(times[apart.argmax()]) if apart.any() else None


def sample(table: Tables, until: int, chance: np.random.Generator) -> Rows:
    """Return the rows of a window that begins at the tables' time, for known users."""
    return _rows(table, pairs(table, until, chance))


def strangers(table: Tables, until: int, chance: np.random.Generator) -> Rows:
    """Return the rows of a window, for the users whose history is hidden in the tables."""
    names = (*features.names(table.history.levels, "described"), "stranger", "visitor", "described")
    return _rows(table, pairs(table, until, chance, np.flatnonzero(table.hidden)), names)


def _rows(table: Tables, sampled: tuple[Ints, Ints, Floats, Floats], names: Iterable[str] | None = None) -> Rows:
    """Return rows with features of seven digits, since the rows of all windows take most of a fit's memory."""
    users, items, label, weight = sampled
    values = table.features(users, items)
    columns = {name: values[name].astype(np.float32) for name in names or values}
    return Rows(features=columns, label=label, weight=weight, seen=values["seen"] > 0, user=users)


def user_parts(history: History, part_count: int = PARTS) -> Ints:
    """Return the random part of each user, which does not change when users are added."""
    return np.random.default_rng(2).integers(0, part_count, len(history.users))


def pairs(
    table: Tables, until: int, chance: np.random.Generator, who: Ints | None = None
) -> tuple[Ints, Ints, Floats, Floats]:
    """Return the pairs with a purchase in the window and sampled ones without, with labels and weights.

    Args:
        table: as of the window's start. until: its end. chance: for the draws.
        who: numbers of known users, ascending; None for all of them.
    """
    who = np.flatnonzero(table.population) if who is None else who
    history, wide = table.history, len(table.history.items)
    is_chosen = np.zeros(len(history.users), dtype=bool)
    is_chosen[who] = True
    offered = np.flatnonzero(table.offered)
    inside = history.bought & (history.time >= table.at) & (history.time < until)
    inside &= is_chosen[history.user] & table.offered[history.item]
    positive = distinct(history.user[inside] * wide + history.item[inside])
    is_own = is_chosen[table.keys // max(wide, 1)]
    before, has_bought = table.keys[is_own], table.pair["n"][is_own] > 0
    is_labelled = present(positive, before)
    bought_before, other_events = before[has_bought & ~is_labelled], before[~has_bought & ~is_labelled]
    all_pairs = len(who) * len(offered)
    draws = distinct(chance.integers(0, max(all_pairs, 1), min(2 * NEGATIVES, 4 * all_pairs)))
    drawn = who[draws // max(len(offered), 1)] * wide + offered[draws % max(len(offered), 1)]
    no_events = drawn[~present(before, drawn) & ~present(positive, drawn)]
    fresh = all_pairs - len(before) - len(positive) + int(is_labelled.sum())
    parts = [(positive, len(positive), POSITIVES), (bought_before, len(bought_before), SEEN_NEGATIVES),
             (other_events, len(other_events), OTHER_NEGATIVES), (no_events, fresh, NEGATIVES)]  # fmt: skip
    taken = [chance.permutation(keys)[:most] for keys, _, most in parts]
    keys = np.concatenate(taken)
    weight = np.concatenate(
        [
            np.full(len(sampled), history.scale * pair_count / max(len(sampled), 1))
            for sampled, (_, pair_count, _) in zip(taken, parts, strict=True)
        ]
    )
    label = np.zeros(len(keys))
    label[: len(taken[0])] = 1.0
    users, items = np.divmod(keys, wide)
    return users, items, label, weight


def newcomers(history: History, start: int, horizon: int, known_items: Flags | None = None) -> Newcomers:
    """Count the users whose first event is in the horizon from `start`, and their purchases in a horizon after it.

    By default, `known_items` are those with events before `start`.
    """
    first = np.full(len(history.users), np.iinfo(np.int64).max)
    np.minimum.at(first, history.user, history.time)
    came = (first >= start) & (first < start + horizon)
    is_known = np.zeros(len(history.items), dtype=bool) if known_items is None else known_items
    if known_items is None:
        is_known[history.item[history.time < start]] = True
    since = history.time - first[history.user]
    later = history.bought & came[history.user] & is_known[history.item] & (since > 0) & (since <= horizon)
    purchases = len(distinct(history.user[later] * len(history.items) + history.item[later]))
    users, bought = (round(float(count) * history.scale) for count in (came.sum(), purchases))
    return Newcomers(users, users * int(is_known.sum()), bought, not bool(history.bought.all()))


def concatenated(rows: Sequence[Rows], fading: float = 1.0, names: Iterable[str] | None = None) -> Rows:
    """Return the rows of several windows, newest first, each weighted by `fading` relative to the next newer one.

    Only the features of `names` are kept; all by default.
    """
    wanted = rows[0].features if names is None else names
    return Rows(
        features={name: np.concatenate([window.features[name] for window in rows]) for name in wanted},
        label=np.concatenate([window.label for window in rows]),
        weight=np.concatenate([window.weight * fading**age for age, window in enumerate(rows)]),
        seen=np.concatenate([window.seen for window in rows]),
        user=np.concatenate([window.user for window in rows]),
    )


def formulas(rows: Rows, hidden: Rows, levels: int) -> Formulas:
    """Return the uncalibrated formulas of known users and of users with a hidden history."""
    every, described = np.ones(len(hidden.label), dtype=bool), hidden.features["described"] > 0
    return Formulas(
        _formula(rows, rows.seen, features.names(levels, "seen")),
        _formula(rows, ~rows.seen, features.names(levels, "other")),
        _formula(hidden, every, features.names(levels, "stranger")),
        _formula(hidden, described, features.names(levels, "described")),
    )


def recalibrated(raw: Formulas, rows: Sequence[Rows], hidden: Sequence[Rows]) -> Formulas:
    """Return the formulas with Platt's calibrator, fitted on later windows (newest first).

    The formulas of strangers are shifted to the level of all known users, since hidden users are few.
    """
    known_rows, stranger_rows = concatenated(rows, FADING), concatenated(hidden)
    stranger = _recalibrated(raw.stranger, stranger_rows, np.ones(len(stranger_rows.label), dtype=bool))
    described = _recalibrated(raw.described, stranger_rows, stranger_rows.features["described"] > 0)
    return Formulas(
        _recalibrated(raw.seen, known_rows, known_rows.seen),
        _recalibrated(raw.other, known_rows, ~known_rows.seen & ~raw.strangers(known_rows.features)),
        _shift(stranger, known_rows, np.ones(len(known_rows.label), dtype=bool)),
        _shift(described, known_rows, known_rows.features["described"] > 0),
    )


def _shift(formula: Formula, rows: Rows, which: Flags) -> Formula:
    lacks = logistic.shift(_logits(formula, rows.features, which), rows.label[which], rows.weight[which])
    return replace(formula, intercept=formula.intercept + lacks)


def _recalibrated(formula: Formula, rows: Rows, which: Flags) -> Formula:
    columns = {name: rows.features[name][which] for name in formula.weights}
    return odds.calibrated(formula, columns, rows.label[which], rows.weight[which])


def _formula(rows: Rows, which: Flags, names: Sequence[str]) -> Formula:
    if "visitor" in names and (rows.label * rows.features["visitor"]).sum() < LEAST_VISITORS:
        which = which & (rows.features["visitor"] == 0)
    columns = {name: rows.features[name][which] for name in names}
    return odds.fitted(columns, rows.label[which], rows.weight[which])


def _logits(formula: Formula, columns: Mapping[str, Reals], which: Flags) -> Floats:
    return odds.logits(formula, {name: columns[name][which] for name in formula.weights}, int(which.sum()))
