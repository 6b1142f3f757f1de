# SPDX-License-Identifier: Apache-2.0
"""Fits the model on windows of the past: weights on the oldest, the calibrator on later ones, and a test on the last.

A window is a horizon of days. Its labels are whether a pair has a purchase in it, its features what was known at its
start. All pairs with a purchase are looked at and a sample of the others, each of which stands for many. Its users are
those with an event before its start: known as they are for two formulas, and with their history hidden for a third,
which tells the likelihood of strangers. Users whose first event is inside the window are newcomers, and not in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from personalization.likelihood import features, logistic
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints, positions
from personalization.likelihood.model import Formula
from personalization.likelihood.scores import Quality, quality
from personalization.likelihood.tables import Tables, tables

FITTED, CALIBRATED = 5, 4
"""Windows that the weights and the calibrator are fitted on, at most."""
MOST_WINDOWS = FITTED + CALIBRATED + 1
"""Windows that a fit looks at, at most: one more tests."""
NEGATIVES, SEEN_NEGATIVES, OTHER_NEGATIVES, POSITIVES = 20_000, 12_000, 6_000, 20_000
"""Rows of a window: pairs without an event before and without a purchase, bought before without one, with other events
before and without one, with one; at most. Of few pairs with events there would be next to none among all others."""
LEAST_FITTED, LEAST_CALIBRATED = 100, 50
"""Purchases that the windows of either kind must have."""
LEAST_WINDOWS = 5
"""Horizons that a history must span: one to look back on, two to fit on, one to calibrate on, one to test on."""
LOOK_BACK_DAYS = 364
"""Days before a window whose events its features tell apart."""
RIDGE = 5.0
PARTS = 4
"""Parts of the users, drawn at random: each window hides the history of another one, to learn about strangers."""
FADING = 0.6
"""What a calibrating window counts beside the next newer one: how much is bought at all changes from week to week."""
LEAST_VISITORS = 20
"""Purchases of users without an earlier one that a formula needs to tell them apart; without, they are strangers."""
Reals = npt.NDArray[np.floating[Any]]
_APART = 4
"""Horizons without a purchase after which a few more are no part of the history."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Pairs of one or several windows: features, labels, weights, and which were bought before."""

    features: Mapping[str, Reals]
    label: Floats
    weight: Floats
    seen: Flags

    @property
    def purchases(self) -> float:
        """How many pairs have a purchase."""
        return float((self.label * self.weight).sum())

    def logits(self, formulas: "Formulas") -> Floats:
        """The log odds of every row."""
        found, strange = np.zeros(len(self.seen)), formulas.strangers(self.features)
        described = strange & (self.features["described"] > 0)
        parts = (
            (formulas.seen, self.seen),
            (formulas.other, ~self.seen & ~strange),
            (formulas.stranger, strange & ~described),
            (formulas.described, described),
        )
        for formula, which in parts:
            if which.any():
                found[which] = _logits(formula, self.features, which)
        return found


@dataclass(frozen=True, slots=True)
class Formulas:
    """The formulas of pairs bought before, of all other pairs of known users, and of strangers without attributes and
    with some (described)."""

    seen: Formula
    other: Formula
    stranger: Formula
    described: Formula

    def strangers(self, found: Mapping[str, Reals]) -> Flags:
        """The rows that the formula of strangers is for: see `Model.logit`."""
        alike = found["stranger"] if "visitor" in self.other.weights else found["stranger"] + found["visitor"]
        return alike > 0


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Users whose first event is in the last window but one, and what they bought in a horizon after that event.

    Attributes:
        users, pairs: how many users, and pairs of them and the items known before. purchases: pairs with a purchase.
        told: whether the history has events before purchases, from which their likelihood can be told.
    """

    users: int
    pairs: int
    purchases: int
    told: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of fitting.

    Attributes:
        formulas: the newest calibration. tested: what the last window says about weights and a calibrator that are
            frozen before it, of known users. tested_seen: the same, of pairs bought before alone. tested_strangers:
            the same, of users whose history is hidden. base: log-loss of the base rate. newcomers: what they did.
        calibrated: rows of the calibrator. calibrated_from, calibrated_to: epoch seconds.
        windows: starts of the fitted windows.
    """

    formulas: Formulas
    tested: Quality
    tested_seen: Quality
    tested_strangers: Quality
    newcomers: Newcomers
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
    if positions(history):
        raise TooLittle(
            "needs times of purchases, and the history has positions: every user's first event has the same "
            "TIMESTAMP, and the next ones follow without a gap"
        )
    horizon = horizon_days * DAY
    starts = windows(history, horizon, now)
    chance = np.random.default_rng(1)
    vectors = None
    # All of a part at once: what the others bought would tell of a single user who is left out.
    rows: list[Rows] = []
    hidden: list[Rows] = []
    part = parted(history)
    for age, start in reversed(list(enumerate(starts))):
        # Factors as fresh as those that serve: older ones know less of users, and the formulas would trust them less.
        table = tables(history, start, begun=vectors)
        vectors = table.vectors
        rows.append(sample(table, start + horizon, chance))
        del table
        mine: Flags = np.equal(part, age % PARTS)
        hidden.append(strangers(tables(history, start, hidden=mine), start + horizon, chance))
    rows.reverse()
    hidden.reverse()
    # Weeks differ in how much is bought at all, so several of them calibrate; but most of a short history is fitted on.
    some = min(CALIBRATED, (len(rows) - 1) // 2)
    fitted, calibrated = joined(rows[1 + some :]), joined(rows[1 : 1 + some], names=())
    _enough(fitted.purchases, calibrated.purchases)
    raw = formulas(fitted, joined(hidden[1 + some :]), history.levels)
    del fitted
    frozen = recalibrated(raw, rows[1 : 1 + some], hidden[1 : 1 + some])
    test, strange, newest = rows[0], hidden[0], joined(rows[:some], names=())
    tested = logistic.sigmoid(test.logits(frozen))
    base = quality(np.full(len(test.label), max(calibrated.purchases / calibrated.weight.sum(), 1e-12)),
                   test.label, test.weight).log_loss  # fmt: skip
    return Fit(
        recalibrated(raw, rows[:some], hidden[:some]),
        quality(tested, test.label, test.weight),
        quality(tested, test.label, test.weight, test.seen),
        quality(logistic.sigmoid(strange.logits(frozen)), strange.label, strange.weight),
        newcomers(history, now - 2 * horizon, horizon),
        base,
        newest,
        starts[some - 1],
        starts[0] + horizon,
        tuple(starts[1 + some :]),
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
    """The rows of a window that begins at the tables' moment, of known users."""
    users, items, label, weight = pairs(table, until, chance)
    found = table.features(users, items)
    return Rows(_short(found, found), label, weight, found["seen"] > 0)


def strangers(table: Tables, until: int, chance: np.random.Generator) -> Rows:
    """The rows of a window of the users whose history is hidden in the tables."""
    users, items, label, weight = pairs(table, until, chance, np.flatnonzero(table.hidden))
    found = table.features(users, items)
    kept = (*features.names(table.history.levels, "described"), "stranger", "visitor", "described")
    return Rows(_short(found, kept), label, weight, np.zeros(len(label), dtype=bool))


def _short(found: Mapping[str, Floats], names: Iterable[str]) -> dict[str, Reals]:
    """Features as they are kept: the rows of all windows are most of what a fit holds, and seven digits are enough."""
    return {name: found[name].astype(np.float32) for name in names}


def parted(history: History, many: int = PARTS) -> Ints:
    """Which of so many parts each user is in, drawn at random; whoever comes later changes nobody's."""
    drawn: Ints = np.random.default_rng(2).integers(0, many, len(history.users))
    return drawn


def pairs(
    table: Tables, until: int, chance: np.random.Generator, who: Ints | None = None
) -> tuple[Ints, Ints, Floats, Floats]:
    """Pairs with a purchase in the window, and samples of those without, with the weights of what they stand for.

    Args:
        table: as of the window's start. until: its end. chance: draws.
        who: numbers of known users, ascending; None: of all of them.
    """
    who = np.flatnonzero(table.population) if who is None else who
    history, wide = table.history, len(table.history.items)
    among = np.zeros(len(history.users), dtype=bool)
    among[who] = True
    offered = np.flatnonzero(table.offered)
    inside = history.bought & (history.time >= table.at) & (history.time < until)
    inside &= among[history.user] & table.offered[history.item]
    positive = np.unique(history.user[inside] * wide + history.item[inside])
    mine = among[table.keys // max(wide, 1)]
    before = table.keys[mine]
    again, other = (
        np.setdiff1d(table.keys[mine & which], positive, assume_unique=True)
        for which in (table.pair["n"] > 0, table.pair["n"] == 0)
    )
    every = len(who) * len(offered)
    place = np.unique(chance.integers(0, max(every, 1), min(2 * NEGATIVES, 4 * every)))
    drawn = who[place // max(len(offered), 1)] * wide + offered[place % max(len(offered), 1)]
    never = np.setdiff1d(drawn, np.union1d(before, positive), assume_unique=True)
    fresh = every - len(np.union1d(before, positive))
    parts = [(positive, len(positive), POSITIVES), (again, len(again), SEEN_NEGATIVES),
             (other, len(other), OTHER_NEGATIVES), (never, fresh, NEGATIVES)]  # fmt: skip
    taken = [chance.permutation(keys)[:most] for keys, _, most in parts]
    keys = np.concatenate(taken)
    weight = np.concatenate([np.full(len(each), many / max(len(each), 1)) for each, (_, many, _) in
                             zip(taken, parts, strict=True)])  # fmt: skip
    label = np.zeros(len(keys))
    label[: len(taken[0])] = 1.0
    users, items = np.divmod(keys, wide)
    return users, items, label, weight


def newcomers(history: History, start: int, horizon: int) -> Newcomers:
    """The users whose first event is in the horizon that begins at a moment, and what they bought in one after it."""
    first = np.full(len(history.users), np.iinfo(np.int64).max)
    np.minimum.at(first, history.user, history.time)
    came = (first >= start) & (first < start + horizon)
    known = np.zeros(len(history.items), dtype=bool)
    known[history.item[history.time < start]] = True
    since = history.time - first[history.user]
    later = history.bought & came[history.user] & known[history.item] & (since > 0) & (since <= horizon)
    purchases = len(np.unique(history.user[later] * len(history.items) + history.item[later]))
    return Newcomers(int(came.sum()), int(came.sum() * known.sum()), purchases, not bool(history.bought.all()))


def joined(rows: Sequence[Rows], fading: float = 1.0, names: Iterable[str] | None = None) -> Rows:
    """The rows of several windows, the newest first, each of which counts `fading` of the one before.

    Args:
        rows: by window. fading: what a window counts beside the next newer one.
        names: the features that are wanted; None: all.
    """
    wanted = rows[0].features if names is None else names
    return Rows(
        {name: np.concatenate([each.features[name] for each in rows]) for name in wanted},
        np.concatenate([each.label for each in rows]),
        np.concatenate([each.weight * fading**age for age, each in enumerate(rows)]),
        np.concatenate([each.seen for each in rows]),
    )


def formulas(rows: Rows, hidden: Rows, levels: int) -> Formulas:
    """The uncalibrated formulas of rows of known users, and of users whose history is hidden."""
    every, described = np.ones(len(hidden.label), dtype=bool), hidden.features["described"] > 0
    return Formulas(
        _formula(rows, rows.seen, features.names(levels, "seen")),
        _formula(rows, ~rows.seen, features.names(levels, "other")),
        _formula(hidden, every, features.names(levels, "stranger")),
        _formula(hidden, described, features.names(levels, "described")),
    )


def recalibrated(raw: Formulas, rows: Sequence[Rows], hidden: Sequence[Rows]) -> Formulas:
    """The formulas with Platt's calibrator of (later) windows, the newest first, folded in.

    Those of strangers are brought to the level of all known users: the hidden ones are few.
    """
    known, strange = joined(rows, FADING), joined(hidden)
    found = (_recalibrated(raw.stranger, strange, np.ones(len(strange.label), dtype=bool)),
             _recalibrated(raw.described, strange, strange.features["described"] > 0))  # fmt: skip
    return Formulas(
        _recalibrated(raw.seen, known, known.seen),
        _recalibrated(raw.other, known, ~known.seen & ~raw.strangers(known.features)),
        _levelled(found[0], known, np.ones(len(known.label), dtype=bool)),
        _levelled(found[1], known, known.features["described"] > 0),
    )


def _levelled(formula: Formula, rows: Rows, which: Flags) -> Formula:
    lacks = logistic.shift(_logits(formula, rows.features, which), rows.label[which], rows.weight[which])
    return replace(formula, intercept=formula.intercept + lacks)


def _recalibrated(formula: Formula, rows: Rows, which: Flags) -> Formula:
    logit = _logits(formula, rows.features, which)
    intercept, slope = logistic.platt(logit, rows.label[which], rows.weight[which])
    weights = {name: slope * weight for name, weight in formula.weights.items()}
    return Formula(intercept + slope * formula.intercept, weights, formula.least, formula.most)


def _formula(rows: Rows, which: Flags, names: Sequence[str]) -> Formula:
    if "visitor" in names and (rows.label * rows.features["visitor"]).sum() < LEAST_VISITORS:
        which = which & (rows.features["visitor"] == 0)
    label, weight = rows.label[which], rows.weight[which]
    rate = np.clip((label * weight).sum() / max(weight.sum(), 1e-12), 1e-9, 0.5) if len(label) else 1e-6
    start = np.zeros(1 + len(names))
    start[0] = np.log(rate / (1.0 - rate))
    if not label.any():
        return Formula(float(start[0]), {}, {}, {})
    columns = {name: rows.features[name][which] for name in names}
    design, mean, spread = logistic.standardised(list(columns.values()), np.ones(len(label)))
    ridge = np.full(len(start), RIDGE)
    ridge[0] = 0.0
    found = logistic.fit(design, label, weight, ridge, start)
    # Beside the purchases that follow it, a view may seem to speak against the next: one without them does not.
    while against := [1 + place for place, name in enumerate(names) if name in features.SIGNS and found[1 + place] < 0]:
        spread[[place - 1 for place in against]] = 0.0
        design[:, against] = 0.0
        found = logistic.fit(design, label, weight, ridge, start)
    slopes = np.where(spread > 0, found[1:] / np.maximum(spread, 1e-12), 0.0)
    used = [name for name, deviation in zip(names, spread, strict=True) if deviation > 0]
    weights = dict(zip(names, slopes.tolist(), strict=True))
    return Formula(
        float(found[0] - (slopes * mean).sum()),
        {name: weights[name] for name in used},
        {name: float(columns[name].min()) for name in used},
        {name: float(columns[name].max()) for name in used},
    )


def _logits(formula: Formula, found: Mapping[str, Reals], which: Flags) -> Floats:
    total = np.full(int(which.sum()), formula.intercept)
    for name, weight in formula.weights.items():
        total += weight * np.clip(found[name][which], formula.least[name], formula.most[name])
    return total


def _enough(fitted: float, calibrated: float) -> None:
    if fitted < LEAST_FITTED or calibrated < LEAST_CALIBRATED:
        raise TooLittle(
            f"needs {LEAST_FITTED} purchases to fit on and {LEAST_CALIBRATED} later ones to calibrate on, "
            f"and the history has {fitted:.0f} and {calibrated:.0f}"
        )
