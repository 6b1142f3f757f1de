# SPDX-License-Identifier: Apache-2.0
"""Trending-Now: items that are expected to grow most in the next window, shrunk towards those most taken in it.

Amazon Personalize ranks items by "the increase in interactions that each item has over configurable intervals of time",
by the timestamps of the data, and measures how much the items of an answer grow in the window that follows (developer
guide, "Trending-Now recipe" and "Evaluating a solution version with metrics"). What grew is no forecast of what will:
most of a small count's step is chance. So each item's next count is a negative binomial one. Its mean is a mixture of
its shares of what was counted lately, at several time scales and at the end of the last window, of how far these exceed
its usual share, since a burst lasts and chance does not, and of its counts at this time of earlier days and weeks. The
weights and the dispersion are those that predict the latest windows best. Popularity gets the least weight with which
a fit to the older half of these windows names enough of the most taken items of the newer half: a fit looks better on
the windows that it was fitted to.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betainc

from personalize_local.recipes.common.rows import Floats, Ints, Mask, Rows

PARTS = 4
"""Parts of a window that are counted apart."""
LEARNED = 100
"""Windows, the newest, that the weights are learned from."""
MOST_WINDOWS, MOST_CELLS = 1_400, 10_000_000
"""Windows that are looked back at, four weeks of half hours, and counts that are kept: of the most taken items."""
HALF_LIVES = (3.0, 12.0, 48.0)
"""Windows after which a count weighs half, for each time scale."""
USUAL_SHARE = 1
"""Index of the time scale whose shares say how many interactions a silent item should have had."""
SEASONS = 4
"""Earlier days, and weeks, whose count at the same time is taken."""
DEPTH = 25
"""Items of an answer that Personalize measures."""
LEAST, MOST, HALVINGS = 0.5, 20.0, 6
"""Bounds of the weight of being among the next window's most taken items, beside growth; bisections to find it."""
ENOUGH = 0.97
"""Of the most taken items of a window, the answer should name this share of those that the most taken ones of the
window before name. It is above nine tenths so that nine tenths hold in later windows too."""
JUDGED, USUAL = 5, 1.4
"""Windows below which nothing is decided, and the weight of popularity then."""
DAY = 86_400
BURST, SURPRISE = 0.25, 5.0
"""Weight of the growth that has just been, as far as it exceeds what was expected by so many standard deviations:
earlier windows cannot predict how it continues."""
SILENCE, DOUBT = 1e-3, 25.0
"""The chance below which it is odd that nobody took an item in a window, and the expected count after such a silence
that is needed before items are believed to come back: one whose season has ended does not."""
EXCESS = 1.0
"""Standard deviations of a count by which it must exceed what is usual before the rest counts as a burst."""
_ROUNDS = 100
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class _Past:
    """What was counted up to the end of a window, and in the one that followed."""

    now: Floats
    """[items] the count of the window."""
    so_far: Floats
    """[items] the counts of this window and all before it."""
    missed: Floats
    """[items] what was expected since somebody took it, by its usual share; 0 where somebody did in this window."""
    features: Floats
    """[features, items] amounts that the mean of the next count is mixed from."""
    following: Floats | None
    """[items] None for the newest window."""


def scores(rows: Rows, window: int, end: int) -> Floats:
    """[items] expected growth and popularity in the `window` seconds after second `end`; 0 for what is never taken."""
    by_item = np.zeros(rows.items)
    table, items = _counted(rows, window, end)
    season = 7 if window >= DAY else DAY // window
    *learned, newest = _pasts(table, season)
    now: Floats = table[-1].sum(axis=0)
    if not learned:
        by_item[items] = now / max(float(now.sum()), 1.0)
        return by_item
    [answer] = _answers([learned[-1], newest], _Fit.of(learned))
    by_item[items] = answer.scores(_enough(learned))
    return by_item


@dataclass(frozen=True, slots=True)
class _Answer:
    """What makes an item trend at the end of one window, as shares of the best items' sum."""

    growth: Floats
    popular: Floats
    burst: Floats

    @classmethod
    def of(cls, now: Floats, expected: Floats, mean: Floats, dispersion: float) -> "_Answer":
        """Weigh the counts `now`, those expected of them, and the means of the next ones."""
        depth = min(DEPTH, len(now))
        growth = _expected_excess(mean, now, dispersion)
        most = np.ceil(np.partition(mean, -depth)[-depth])
        popular = _tail(np.full(len(mean), most), mean, dispersion) / depth
        burst = np.maximum(now - expected - SURPRISE * np.sqrt(1.0 + expected + dispersion * expected**2), 0.0)
        sums = (max(float(np.partition(scores, -depth)[-depth:].sum()), _LEAST) for scores in (growth, burst))
        return cls(growth / next(sums), popular, burst / next(sums))

    def scores(self, weight: float) -> Floats:
        return self.growth + weight * self.popular + BURST * self.burst


def _answers(pasts: Sequence[_Past], fit: "_Fit") -> list[_Answer]:
    """Return what trends at the end of each window but the first."""
    means = [fit.mean(past) for past in pasts]
    return [
        _Answer.of(past.now, before, np.where(fit.silent(past), fit.back * mean, mean), fit.dispersion)
        for past, before, mean in zip(pasts[1:], means[:-1], means[1:], strict=True)
    ]


def _enough(learned: Sequence[_Past]) -> float:
    """Return the least weight of popularity by which the older half of the windows names enough of the most taken items
    of the newer half.
    """
    middle = len(learned) // 2
    judged = learned[middle:]
    if middle < 1 or len(judged) < JUDGED:
        return USUAL
    answers = _answers(learned[middle - 1 :], _Fit.of(learned[:middle]))
    most = [_first(past.following) for past in judged if past.following is not None]

    def named(lists: Iterable[Floats]) -> int:
        return sum(int(np.isin(items, _first(scores)).sum()) for items, scores in zip(most, lists, strict=True))

    plain = named(past.now + past.so_far / (1e6 * max(float(past.so_far.max()), 1.0)) for past in judged)

    def is_enough(weight: float) -> bool:
        return named(answer.scores(weight) for answer in answers) >= ENOUGH * plain

    if is_enough(LEAST):
        return LEAST
    low, high = LEAST, MOST
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _first(scores: Floats) -> Ints:
    return np.argsort(-scores, kind="stable")[:DEPTH]


def accuracy(rows: Rows, window: int) -> float:
    """Return how much the items that trended before the newest window grew in it, as a share of the best growth."""
    end = int(rows.time.max())
    age = (end - rows.time) // window
    now, before = (np.bincount(rows.item[age == back], minlength=rows.items) for back in (0, 1))
    gained = np.maximum(now - before, 0)
    most = int(np.sort(gained)[-DEPTH:].sum())
    if not most:
        return 0.0
    chosen = np.argsort(-scores(rows.where(age >= 1), window, end - window), kind="stable")[:DEPTH]
    return float(gained[chosen].sum() / most)


def _counted(rows: Rows, window: int, end: int) -> tuple[Floats, Ints]:
    """Return [windows, PARTS, items] interactions, oldest first, and the items that are counted."""
    age = (end - rows.time) * PARTS // window
    in_reach = (age >= 0) & (age < MOST_WINDOWS * PARTS)
    age, item = age[in_reach], rows.item[in_reach]
    windows = int(age.max()) // PARTS + 1 if len(age) else 1
    often = np.bincount(item, minlength=rows.items)
    items = np.sort(np.argsort(-often, kind="stable")[: min(int((often > 0).sum()), MOST_CELLS // (windows * PARTS))])
    column_of = np.full(rows.items, -1, np.int64)
    column_of[items] = np.arange(len(items))
    some = column_of[item] >= 0
    cell = (windows * PARTS - 1 - age[some]) * len(items) + column_of[item[some]]
    counts = np.bincount(cell, minlength=windows * PARTS * len(items)).astype(np.float64)
    return counts.reshape(windows, PARTS, len(items)), items


def _pasts(table: Floats, season: int) -> Iterator[_Past]:
    """Yield what was known at the end of each of the latest windows, oldest first.

    Windows without any interaction, and those before one, are left out: the shop was closed.
    """
    windows, items = len(table), table.shape[2]
    whole: Floats = table.sum(axis=1)
    usual = _usual(whole.sum(axis=1), season)
    totals, expected = np.zeros((len(HALF_LIVES) + 1, items)), 0.0
    missed, by_share = np.zeros(items), np.zeros(items)
    keep = np.array([0.5 ** (1.0 / half) for half in HALF_LIVES] + [1.0])
    for number in range(windows):
        totals, expected = totals * keep[:, None] + whole[number], expected * keep[0] + usual[number]
        newest, closed = number == windows - 1, not whole[number : number + 2].any(axis=1).all()
        if not newest and (closed or number < max(1, windows - 1 - LEARNED)):
            continue
        coming = usual[number + 1] * (totals[0].sum() + 1.0) / (expected + 1.0)
        late = table[number, -1], table[number, PARTS // 2 :].sum(axis=0)
        lately = np.stack((whole[number], whole[max(number - 1, 0)], *late))
        shares = np.concatenate((_shares(lately), _shares(totals), _bursts(lately, totals[-1])))
        seasonal = _at_this_time(whole, number, season, totals[-1] / (number + 1))
        weekly = _at_this_time(whole, number, 7 * season, seasonal)
        following = None if newest else whole[number + 1]
        missed = np.where(whole[number] == 0, missed + by_share, 0.0)
        by_share = coming * shares[len(lately) + USUAL_SHARE]
        features = np.stack((*(coming * shares), *lately, seasonal, weekly))
        yield _Past(whole[number], totals[-1].copy(), missed, features, following)


def _usual(totals: Floats, season: int) -> Floats:
    """[windows + 1] the mean of all items' counts at the same time of earlier days, or of all windows before."""
    earlier = [totals[np.arange(number - season, -1, -season)[:SEASONS]] for number in range(len(totals) + 1)]
    return np.array([(some if len(some) else totals[: max(number, 1)]).mean() for number, some in enumerate(earlier)])


def _shares(counts: Floats) -> Floats:
    """[rows, items] each item's share of the counts of a row."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))


def _bursts(lately: Floats, all_time: Floats) -> Floats:
    """[rows, items] shares of recent counts beyond what items have usually and by chance."""
    sums = lately.sum(axis=1, keepdims=True)
    expected = sums * _shares(all_time[None])
    return np.asarray(np.maximum(lately - expected - EXCESS * np.sqrt(expected + 1.0), 0.0) / np.maximum(sums, 1.0))


def _at_this_time(whole: Floats, number: int, season: int, otherwise: Floats) -> Floats:
    """Return the mean count of the windows some seasons before the next one."""
    places = np.arange(number + 1 - season, -1, -season)[:SEASONS]
    return np.asarray(whole[places].mean(axis=0)) if len(places) else otherwise


@dataclass(frozen=True, slots=True)
class _Fit:
    """What predicts the next counts."""

    weights: Floats
    """Of the features."""
    dispersion: float
    """The variance is mean + dispersion * mean ** 2."""
    back: float = 1.0
    """The share of its mean that an item has after a silence."""

    @classmethod
    def of(cls, learned: Sequence[_Past]) -> "_Fit":
        features = np.concatenate([past.features for past in learned], axis=1)
        counts = np.concatenate([past.following for past in learned if past.following is not None])
        weights = _mixture(features, counts)
        fitted = weights @ features
        spread = float(((counts - fitted) ** 2 - fitted).sum() / max(float((fitted**2).sum()), _LEAST))
        fit = cls(weights, max(spread, 1e-3))
        expected, came = DOUBT, 0.0
        for past in learned:
            silent = fit.silent(past)
            if past.following is not None and silent.any():
                expected += float(fit.mean(past)[silent].sum())
                came += float(past.following[silent].sum())
        return replace(fit, back=min(came / expected, 1.0))

    def mean(self, past: _Past) -> Floats:
        """[items] of the counts in the next window, whatever happened in the last one."""
        return np.maximum(self.weights @ past.features, _LEAST)

    def silent(self, past: _Past) -> Mask:
        """[items] whether nobody took an item for so long that it is odd."""
        return np.asarray((1.0 + self.dispersion * past.missed) ** (-1.0 / self.dispersion) < SILENCE)


def _mixture(features: Floats, counts: Floats) -> Floats:
    """Return weights of 0 or more that maximise the Poisson likelihood of counts, by expectation and maximisation."""
    totals = np.maximum(features.sum(axis=1), _LEAST)
    weights = np.full(len(features), counts.sum() / totals.sum())
    some = np.flatnonzero(counts > 0)
    features, counts = features[:, some], counts[some]
    for _ in range(_ROUNDS):
        weights = weights * (features @ (counts / np.maximum(weights @ features, _LEAST))) / totals
    return weights


def _tail(least: Floats, mean: Floats, dispersion: float) -> Floats:
    """Return the chance that a negative binomial count is at least so large."""
    size = 1.0 / dispersion
    chance = 1.0 - betainc(size, np.maximum(least, 1.0), size / (size + mean))
    return np.where(least >= 1.0, chance, 1.0)


def _expected_excess(mean: Floats, over: Floats, dispersion: float) -> Floats:
    """Return by how much a negative binomial count is expected to exceed `over`: E[max(count - over, 0)]."""
    size = 1.0 / dispersion
    larger = 1.0 - betainc(size + 1.0, np.maximum(over, 1.0), size / (size + mean))
    part = mean * np.where(over >= 1.0, larger, 1.0)
    return np.maximum(part - over * _tail(over + 1.0, mean, dispersion), 0.0)
