# SPDX-License-Identifier: Apache-2.0
"""Purchase likelihood of strangers, newcomers and known users: told against bought, beside plain rules and peers.

Protocol. Eight windows of seven days, the newest of the data. Nothing is chosen, tuned or looked at on them:
`--validation` moves everything eight windows back, and only what it shows may decide about the model. Every window has
fits of its own, on the rows before its start and nothing else, as a shop that fits after each drop would have; so have
the rules and the peers. The catalogue of a window is what was bought before it. "Told" is the sum of probabilities,
"bought" the number of pairs with a purchase in the window.

Strangers: 25 % of the users are removed altogether from what is fitted; those of them who were seen before the
window's start are asked about with nothing known but, where the data have them, their attributes (three draws). The
plain rule beside it: the share of the users seen before who bought the item in each of the four windows before, shrunk
towards the average item by 200 users.

Newcomers: users whose first event lies in the window and is no purchase. They are asked about right after it, through
the code that serves; purchases within seven days after it count. Sets without events of other types have none.

Known users: all pairs of the users and items seen before. Peers have the same windows, rows and calibration. Intervals
are 95 % of 1,000 bootstrap samples of whole users. Seeds: 1 to 3 for draws of strangers, 2 for the bootstrap.

The demo's households have demographics (`make demo` downloads them). Another set is a folder with interactions.csv,
items.csv and perhaps users.csv, plain or .gz, that LIKELIHOOD_DATA or the first argument names.
"""

import argparse
import gzip
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from personalization.core.csv_dialect import STANDARD
from personalization.likelihood import answering, counters, exports, logistic, training
from personalization.likelihood.counters import Item
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Ints, Reader
from personalization.likelihood.model import Model, probability
from personalization.likelihood.tables import Tables, tables
from personalization.likelihood.training import Fit, Formulas, Reals, Rows

from benchmarks import populations
from benchmarks.harness import REPOSITORY
from benchmarks.populations import Past
from local.demo import sample_data

HORIZON, WINDOWS, SAMPLES, SLICES = 7, 8, 1_000, 2_000
REMOVED, DRAWS, BEST, RULE_WINDOWS = 0.25, 3, 50, 4
LEAST_TOLD = 1e-4
"""Pairs told less are no part of the bins."""
BINS, LEAST_EXPECTED, AT_ONCE = 10, 400, 40_000
NEWCOMERS, LEAST_NEWCOMERS = 100, 30
"""Newcomers of a window that are asked about, at most; and of all windows, below which nothing is told."""
SIX = ("user_n", "user_d28", "item_n", "item_d28", "pair_n", "pair_last")
MODEL, MODEL_WITH, RULE = "model", "model with attributes", "plain rule"
FLOOR, TREES, OURS = "logistic on six counts", "LightGBM on six counts", "ours"
Logits = Callable[[Mapping[str, Floats], Flags], Floats]
"""Log odds of pairs, from their features and which of them were bought before."""
Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is judged: how many windows, how many of the newest are left alone, draws of strangers, and of whom."""

    windows: int = WINDOWS
    later: int = 0
    draws: int = DRAWS
    whom: Sequence[str] = ("strangers", "newcomers", "known")


# --- data


def read(folder: Path) -> History:
    """A set as a history; purchases with a coupon are purchases."""
    reader = Reader("Purchase", 1 << 40)
    with opened(folder, "interactions") as lines:
        reader.interactions((line.replace("PurchaseWithCoupon", "Purchase") for line in lines), STANDARD.records)
    with opened(folder, "items") as lines:
        reader.items(lines, STANDARD.records)
    if any((folder / f"users.csv{end}").is_file() for end in ("", ".gz")):
        with opened(folder, "users") as lines:
            reader.users(lines, STANDARD.records)
    return reader.history()


@contextmanager
def opened(folder: Path, name: str) -> Iterator[TextIO]:
    """A CSV, plain or compressed."""
    plain = folder / f"{name}.csv"
    with plain.open(newline="") if plain.is_file() else gzip.open(f"{plain}.gz", "rt", newline="") as lines:
        yield lines


def _some(users: int, items: int) -> Iterator[Ints]:
    """Numbers of users, some at a time, so that their pairs with all items stay in the processor's caches."""
    step = max(1, AT_ONCE // max(items, 1))
    return (np.arange(first, min(first + step, users)) for first in range(0, users, step))


# --- models


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the shop would serve at a moment."""

    past: Past
    fit: Fit

    def table(self, history: History) -> Tables:
        """The statistics that serve, of the past or of the past with strangers in it."""
        return tables(history, self.past.at)

    def chances(self, table: Tables, users: Ints, items: Ints) -> Floats:
        """Probabilities of pairs."""
        found = table.features(users, items)
        return logistic.sigmoid(ours(self.fit.formulas)(found, found["seen"] > 0))


def fitted(given: Past) -> Fitted:
    """Fit as the function does, on a past."""
    return Fitted(given, training.fit(given.history, HORIZON, given.at))


def ours(formulas: Formulas) -> Logits:
    """The model that serves."""
    return lambda found, seen: Rows(dict(found), np.zeros(0), np.zeros(0), seen).logits(formulas)


def rows_of(given: Past) -> tuple[Rows, Rows]:
    """The rows that peers are fitted on, and those of the later windows that they are calibrated on."""
    chance, horizon = np.random.default_rng(1), HORIZON * DAY
    begins = training.windows(given.history, horizon, given.at)
    vectors = tables(given.history, begins[-1]).vectors
    rows = [training.sample(tables(given.history, start, vectors), start + horizon, chance) for start in begins]
    some = min(training.CALIBRATED, (len(rows) - 1) // 2)
    return training.concatenated(rows[some:]), training.concatenated(rows[:some])


def six_counts(given: Rows, later: Rows) -> Logits:
    """A logistic model on six counts, calibrated."""
    design, mean, spread = logistic.standardised([given.features[name] for name in SIX], np.ones(len(given.label)))
    found = logistic.fit(design, given.label, given.weight, np.zeros(7), np.zeros(7))

    def raw(values: Mapping[str, Reals]) -> Floats:
        result: Floats = found[0] + sum(
            found[place + 1] * (values[name] - mean[place]) / max(spread[place], 1e-12)
            for place, name in enumerate(SIX)
        )
        return result

    a, b = logistic.platt(raw(later.features), later.label, later.weight, 0.0)
    return lambda values, _: a + b * raw(values)


def boosted(given: Rows, later: Rows) -> Logits | None:
    """LightGBM on the same six counts, calibrated; None where it is not installed."""
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


# --- strangers


@dataclass(slots=True)
class Told:
    """Sums over windows (and draws): what was told, what was bought."""

    told: Floats
    bought: Floats

    @classmethod
    def of(cls, windows: int) -> "Told":
        """Nothing yet."""
        return cls(np.zeros(windows), np.zeros(windows))

    def add(self, window: int, told: float, happened: float) -> None:
        """One more sum of a window."""
        self.told[window] += told
        self.bought[window] += happened

    @property
    def pooled(self) -> float:
        """Told by bought."""
        return float(self.told.sum() / max(self.bought.sum(), 1e-9))

    @property
    def each(self) -> Floats:
        """The same of each window."""
        found: Floats = self.told / np.maximum(self.bought, 1e-9)
        return found


@dataclass(slots=True)
class Strangers:
    """Sums of one way to tell the likelihood of strangers: the 50 best items as told, and all items; log-loss."""

    best: Told
    every: Told
    loss: float = 0.0
    between: list[float] = field(default_factory=list)
    """Of the best items, how many times as much the ninth tenth of the strangers is told as the first."""

    @classmethod
    def of(cls, windows: int) -> "Strangers":
        """Nothing yet."""
        return cls(Told.of(windows), Told.of(windows))

    def add(self, window: int, chance: Floats, label: Flags) -> None:
        """Add strangers (rows) by items."""
        best = np.argpartition(-chance, min(BEST, chance.shape[1]) - 1, axis=1)[:, :BEST]
        told, happened = np.take_along_axis(chance, best, 1), np.take_along_axis(label, best, 1)
        self.best.add(window, told.sum(), happened.sum())
        self.every.add(window, chance.sum(), label.sum())
        self.loss += log_losses(chance, label).sum()
        low, high = np.quantile(chance[:, np.argsort(-chance.mean(0))[:BEST]], [0.1, 0.9], axis=0)
        self.between.append(float(np.median(high / np.maximum(low, 1e-12))))


def log_losses(chance: Floats, label: Flags) -> Floats:
    """The log-loss of each pair."""
    chance = np.clip(np.asarray(chance, dtype=np.float64), 1e-9, 1 - 1e-9)
    return -np.where(label, np.log(chance), np.log1p(-chance))


def strangers(whole: History, plan: Plan, show: Show) -> None:
    """Take users out, fit on the others, ask about those who were taken out."""
    begins = populations.starts(whole, HORIZON, plan.windows, plan.later)
    names = [MODEL, *([MODEL_WITH] if whole.groups else []), RULE]
    sums = {name: Strangers.of(plan.windows) for name in names}
    asked = 0
    for draw in range(1, plan.draws + 1):
        out = populations.taken_out(whole, REMOVED, draw)
        for window, start in enumerate(begins):
            model = fitted(populations.past(whole, start, ~out))
            who = np.flatnonzero(out & populations.seen_before(whole, start))
            asked += len(who)
            label = populations.bought(whole, who, model.past.items, start, start + HORIZON * DAY)
            rule = populations.recent_share(whole, model.past, HORIZON, RULE_WINDOWS)
            found = {MODEL: np.broadcast_to(_of_strangers(model, 1, {}), label.shape)}
            if whole.groups:
                groups = {column: values[who] for column, values in whole.groups.items()}
                found[MODEL_WITH] = _of_strangers(model, len(who), groups)
            found[RULE] = np.broadcast_to(rule, label.shape)
            for name, chance in found.items():
                sums[name].add(window, chance, label)
    show(f"\nStrangers: {asked:,} questions about users who were removed before the fit; told/bought")
    show(f"{'':22}{'50 best as told':>24}{'bought of':>11}{'all items':>22}{'log-loss':>10}")
    show(f"{'':22}{'pooled':>10}{'each window':>14}{'the best':>11}{'pooled':>8}{'each window':>14}{'/ rule':>10}")
    for name, each in sums.items():
        parts = [f"{told.pooled:8.2f}  {_spread(told.each)}" for told in (each.best, each.every)]
        found = each.best.bought.sum() / (asked * BEST)
        loss = each.loss / sums[RULE].loss - 1
        show(f"{name:22}{parts[0]:>24}{found:>11.2%}{parts[1]:>22}{loss:>+10.2%}")
    if whole.groups:
        spread = float(np.mean(sums[MODEL_WITH].between))
        gain = sums[MODEL_WITH].loss / sums[MODEL].loss - 1
        show(f"With attributes a tenth is told {spread:.2f} times as much as another tenth; log-loss {gain:+.2%}")
    for name, each in sums.items():
        if name == RULE:
            continue
        for part, told in ((f"{BEST} best items", each.best), ("all items", each.every)):
            target(show, f"{name}, {part}: pooled within 1.25", 1 / 1.25 <= told.pooled <= 1.25, f"{told.pooled:.2f}")
            within = bool(((told.each >= 1 / 1.6) & (told.each <= 1.6)).all())
            target(show, f"{name}, {part}: each window within 1.6", within, _spread(told.each))
    show(f"{'50 best / all items':22}" + "".join(f"{name:>24}" for name in sums))
    for window, start in enumerate(begins):
        parts = [f"{each.best.each[window]:.2f} / {each.every.each[window]:.2f}" for each in sums.values()]
        show(f"{_day(start):22}" + "".join(f"{part:>24}" for part in parts))


def _of_strangers(model: Fitted, many: int, groups: Mapping[str, Ints]) -> Floats:
    """What strangers (rows) are told of every item; those with the same attributes are told the same."""
    history, wide = model.past.history, len(model.past.items)
    columns = np.stack(list(groups.values()), 1) if groups else np.zeros((many, 1), dtype=np.int64)
    different, alike = np.unique(columns, axis=0, return_inverse=True)
    each = {column: different[:, place] for place, column in enumerate(groups)}
    table = model.table(populations.with_strangers(history, len(different), each))
    found = np.zeros((len(different), wide))
    for rows in _some(len(different), wide):
        users = np.repeat(len(history.users) + rows, wide)
        found[rows] = model.chances(table, users, np.tile(np.arange(wide), len(rows))).reshape(len(rows), wide)
    asked: Floats = found[alike.ravel()]
    return asked


# --- newcomers


def newcomers(whole: History, plan: Plan, show: Show) -> None:
    """Ask about users right after their first event, where that is no purchase."""
    told, users = Told.of(plan.windows), 0
    for window, start in enumerate(populations.starts(whole, HORIZON, plan.windows, plan.later)):
        came = populations.newcomers(whole, start, HORIZON)
        came = came[np.random.default_rng(window).permutation(len(came))[:NEWCOMERS]]
        if not len(came):
            continue
        try:
            model = fitted(populations.past(whole, start, np.ones(len(whole.users), dtype=bool)))
        except training.TooLittle:
            continue
        users += len(came)
        served, items = _served(model)
        for user in came:
            told.add(window, *_newcomer(whole, int(user), served, items))
    if users < LEAST_NEWCOMERS:
        few = f"{users} users came with an event that is no purchase; {LEAST_NEWCOMERS} are the least"
        show(f"\nNewcomers: nothing to tell: {few}")
        return
    show(f"\nNewcomers: {users:,} users, {told.bought.sum():,.0f} later purchases, told/bought {told.pooled:.2f}")


def _served(model: Fitted) -> tuple[Model, dict[str, Item]]:
    """What serving reads of a fit."""
    table = model.table(model.past.history)
    served = exports.model(table, model.fit, "run", answering.iso(model.past.at), HORIZON, "Purchase")
    return served, {name: counters.item_from(entry) for name, entry in exports.items(table, 1)}


def _newcomer(whole: History, user: int, model: Model, items: Mapping[str, Item]) -> tuple[float, int]:
    """What a newcomer is told of all items right after their first event, and how many of these they buy."""
    mine = whole.user == user
    time, bought = whole.time[mine], whole.bought[mine]
    names = [whole.items[each] for each in whole.item[mine]]
    at = int(time.min())
    shopper = counters.user_from(None, model)
    for place in np.flatnonzero(time == at):
        shopper.add(counters.LiveEvent(str(place), names[place], at, bought=False), items.get(names[place]))
    found = answering.count_logits(model, shopper, items, at)
    later = bought & (time > at) & (time <= at + HORIZON * DAY)
    happened = {names[place] for place in np.flatnonzero(later)} & items.keys()
    return sum(map(probability, found.logits.values())), len(happened)


# --- known users


class Sums:
    """What a model told of known users: sums by window, user and slice of probability."""

    _EDGES = np.concatenate([np.linspace(-17.0, 4.0, SLICES - 1)])

    def __init__(self, windows: int, users: int) -> None:
        self.told = Told.of(windows)
        self.loss, self.loss_seen = np.zeros(users), np.zeros(users)
        self.good = np.zeros((users, SLICES), dtype=np.int32)
        self.bad = np.zeros((users, SLICES), dtype=np.int32)

    def add(self, window: int, owner: Ints, chance: Floats, label: Flags, seen: Flags) -> None:
        """Add pairs of some users."""
        users = len(self.loss)
        self.told.add(window, chance.sum(), label.sum())
        loss = log_losses(chance, label)
        self.loss += np.bincount(owner, loss, users)
        self.loss_seen += np.bincount(owner[seen], loss[seen], users)
        logit = np.log(np.clip(chance, 1e-12, 1 - 1e-12)) - np.log1p(-np.clip(chance, 1e-12, 1 - 1e-12))
        place = np.searchsorted(self._EDGES, logit)
        first, last = int(owner.min()), int(owner.max()) + 1
        for sums, which in ((self.good, label), (self.bad, ~label)):
            index = (owner[which] - first) * SLICES + place[which]
            sums[first:last] += np.bincount(index, minlength=(last - first) * SLICES).reshape(-1, SLICES)

    def areas(self, weights: Floats) -> Floats:
        """The area under the ROC curve of each sample of users."""
        good, bad = weights @ self.good, weights @ self.bad
        below = np.cumsum(bad, 1) - bad / 2
        found: Floats = (good * below).sum(1) / (good.sum(1) * bad.sum(1))
        return found


@dataclass(slots=True)
class Likely:
    """The pairs above LEAST_TOLD, whose bins are looked at: whose they are, what was told, what happened."""

    owner: list[Ints] = field(default_factory=list)
    chance: list[Floats] = field(default_factory=list)
    label: list[Flags] = field(default_factory=list)

    def add(self, owner: Ints, chance: Floats, label: Flags) -> None:
        """Add pairs; those told less are left out."""
        kept = chance > LEAST_TOLD
        self.owner.append(owner[kept].astype(np.int32))
        self.chance.append(chance[kept].astype(np.float32))
        self.label.append(label[kept])


def known(whole: History, plan: Plan, show: Show) -> None:
    """Ask about all pairs of known users and items."""
    begins = populations.starts(whole, HORIZON, plan.windows, plan.later)
    everybody = np.ones(len(whole.users), dtype=bool)
    sums = defaultdict[str, Sums](lambda: Sums(plan.windows, len(whole.users)))
    likely, pairs, change, seconds = Likely(), 0, list[float](), 0.0
    for window, start in enumerate(begins):
        began = time.process_time()
        model = fitted(populations.past(whole, start, everybody))
        seconds += time.process_time() - began
        older, later = rows_of(model.past)
        asked = {OURS: ours(model.fit.formulas), FLOOR: six_counts(older, later)}
        if (trees := boosted(older, later)) is not None:
            asked[TREES] = trees
        pairs += _window(whole, model, window, asked, sums, likely)
        before = [populations.pairs_bought(whole, start - step * HORIZON * DAY, start - (step - 1) * HORIZON * DAY)
                  for step in range(1, RULE_WINDOWS + 1)]  # fmt: skip
        change.append(populations.pairs_bought(whole, start, start + HORIZON * DAY) / max(float(np.mean(before)), 1.0))
    _known_figures(sums, pairs, seconds / plan.windows, show)
    told = sums[OURS].told
    target(show, "pooled .90 to 1.10", 0.9 <= told.pooled <= 1.1, f"{told.pooled:.3f}")
    target(show, "each window .75 to 1.33", bool(((told.each >= 0.75) & (told.each <= 1.33)).all()), _spread(told.each))
    gain = 1 - sums[OURS].loss.sum() / sums[FLOOR].loss.sum()
    target(show, "log-loss at least 3.5 % below six counts", gain >= 0.035, f"{gain:.2%}")
    area = float(sums[OURS].areas(np.ones((1, len(whole.users))))[0])
    target(show, "AUC at least .885", area >= 0.885, f"{area:.4f}")
    _bins(likely, len(whole.users), show)
    show(f"{'window':12}{'told':>10}{'bought':>10}{'told/bought':>13}{'all purchases / four weeks before':>36}")
    for window, start in enumerate(begins):
        figures = f"{told.told[window]:10,.0f}{told.bought[window]:10,.0f}{told.each[window]:13.2f}"
        show(f"{_day(start):12}{figures}{change[window] - 1:>+36.0%}")


def _window(
    whole: History, model: Fitted, window: int, asked: Mapping[str, Logits], sums: Mapping[str, Sums], likely: Likely
) -> int:
    """Ask about every pair of one window; returns how many there are."""
    given, table = model.past, model.table(model.past.history)
    wide, until = len(given.items), given.at + HORIZON * DAY
    for mine in _some(len(given.users), wide):
        label = populations.bought(whole, given.users[mine], given.items, given.at, until).ravel()
        found = table.features(np.repeat(mine, wide), np.tile(np.arange(wide), len(mine)))
        seen, owner = found["seen"] > 0, np.repeat(given.users[mine], wide)
        for name, logits in asked.items():
            chance = logistic.sigmoid(logits(found, seen))
            sums[name].add(window, owner, chance, label, seen)
            if name == OURS:
                likely.add(owner, chance, label)
    return len(given.users) * wide


def _known_figures(sums: Mapping[str, Sums], pairs: int, seconds: float, show: Show) -> None:
    """A row for each model."""
    users = len(sums[OURS].loss)
    weights, once = drawn(users), np.ones((1, users))
    happened = int(sums[OURS].told.bought.sum())
    show(f"\nKnown users: {pairs:,} pairs, {happened:,} purchases (base rate {happened / pairs:.5f})")
    show(f"{seconds:.1f} CPU-seconds for a fit")
    floor = sums[FLOOR]
    for name, each in sums.items():
        low, high = np.quantile(each.areas(weights), [0.025, 0.975])
        area = float(each.areas(once)[0])
        show(f"{name:24}log-loss {each.loss.sum() / pairs:.6f}  AUC {area:.4f} [{low:.4f}, {high:.4f}]"
             f"  told/bought {each.told.pooled:.2f}")  # fmt: skip
        if name != FLOOR:
            show(f"{'':24}log-loss against {FLOOR}: {against(each.loss, floor.loss, weights)}")
            show(f"{'':24}of pairs bought before: {against(each.loss_seen, floor.loss_seen, weights)}")


def _bins(likely: Likely, users: int, show: Show) -> None:
    """Ten bins of equal expected purchases, and whether each holds what it tells."""
    owner, chance, label = (np.concatenate(each) for each in (likely.owner, likely.chance, likely.label))
    order = np.argsort(chance, kind="stable")
    owner, chance, label = owner[order], chance[order].astype(np.float64), label[order]
    expected = np.cumsum(chance)
    place = np.minimum((expected / expected[-1] * BINS).astype(np.int64), BINS - 1)
    weights = drawn(users)
    target(show, f"{LEAST_EXPECTED} expected purchases in each of ten bins", expected[-1] / BINS >= LEAST_EXPECTED,
           f"{expected[-1] / BINS:,.0f}")  # fmt: skip
    rows, good = [], True
    for number in range(BINS):
        mine = place == number
        told = np.bincount(owner[mine], chance[mine], users)
        happened = np.bincount(owner[mine], label[mine], users)
        ratio = told.sum() / max(happened.sum(), 1.0)
        low, high = np.quantile((weights @ told) / np.maximum(weights @ happened, 1e-9), [0.025, 0.975])
        fine = 0.85 <= ratio <= 1.18 or low <= 1.0 <= high
        good = good and fine
        shares = f"{number + 1:4}{chance[mine].mean():12.3%}{label[mine].mean():12.3%}"
        counts = f"{told.sum():10,.0f}{happened.sum():10,.0f}{ratio:13.2f}"
        rows.append(f"{shares}{counts}   [{low:.2f}, {high:.2f}]{'' if fine else '  off'}")
    target(show, "each bin .85 to 1.18, or 1 in its interval", good, "")
    show(f"{'bin':>4}{'told':>12}{'bought':>12}{'expected':>10}{'bought':>10}{'told/bought':>13}   95 % of samples")
    for row in rows:
        show(row)


def drawn(households: int) -> Floats:
    """How often each household is in each bootstrap sample."""
    chance = np.random.default_rng(2)
    return chance.multinomial(households, np.full(households, 1 / households), SAMPLES).astype(np.float64)


def against(mine: Floats, other: Floats, weights: Floats) -> str:
    """How much lower the log-loss is than another model's, with its interval."""
    low, high = np.quantile((weights @ mine) / (weights @ other) - 1, [0.025, 0.975])
    return f"{mine.sum() / other.sum() - 1:+.2%} [{low:+.2%}, {high:+.2%}]"


# --- telling


def target(show: Show, name: str, reached: bool, found: str) -> None:
    """Say whether a target is reached."""
    show(f"  {'pass' if reached else 'FAIL'}  {name}{': ' if found else ''}{found}")


def _spread(values: Floats) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def judge(folder: Path, plan: Plan, show: Show = print) -> None:
    """Judge the likelihood on one set."""
    whole = read(folder)
    begins = populations.starts(whole, HORIZON, plan.windows, plan.later)
    sizes = f"{len(whole.users):,} users, {len(whole.items):,} items, {int(whole.bought.sum()):,} purchases"
    show(f"\n{folder.name}: {sizes}")
    show(f"{plan.windows} windows of {HORIZON} days from {_day(begins[0])}" + (" (validation)" if plan.later else ""))
    for whom, judged in (("strangers", strangers), ("newcomers", newcomers), ("known", known)):
        if whom in plan.whom:
            try:
                judged(whole, plan, show)
            except training.TooLittle as little:
                show(f"\n{whom}: a window has too little before it: a fit {little}")


def main() -> None:
    """Print the figures of the sets that are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("LIKELIHOOD_DATA", ""), help="one more set")
    parser.add_argument("--validation", action="store_true", help="the eight windows before the judged ones")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="fewer, for a quick look")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of strangers")
    parser.add_argument("--only", choices=Plan().whom, help="of the three")
    parser.add_argument("--no-demo", action="store_true", help="only the named set")
    options = parser.parse_args()
    later = WINDOWS if options.validation else 0
    plan = Plan(options.windows, later, options.draws, (options.only,) if options.only else Plan().whom)
    if options.folder:
        judge(Path(options.folder), plan)
    if not options.no_demo:
        judge(sample_data.prepare(REPOSITORY / ".local" / "demo").interactions.parent, plan)


if __name__ == "__main__":
    main()
