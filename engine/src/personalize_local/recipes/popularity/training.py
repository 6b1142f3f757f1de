# SPDX-License-Identifier: Apache-2.0
"""Training of the answer without a history: counts moved through time, and a ranker of users' first baskets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from personalize_local.recipes.common import seasons
from personalize_local.recipes.common.recency_windows import span
from personalize_local.recipes.common.rows import Floats, Ints, Mask, Rows
from personalize_local.recipes.common.sparse_rows import spans
from personalize_local.recipes.ltr.fitting import FOLDS, MIN_LISTS, TrainingList, cross_fit
from personalize_local.recipes.ltr.trees import Trees
from personalize_local.recipes.popularity.model import (
    GROUPS,
    HALF_LIVES,
    LEAST_SHARE,
    RECENT,
    SOURCES,
    STRANGERS,
    GroupPopularity,
    offset,
)

NEWEST = 2_000_000
"""Interactions, the newest, that count: older ones have decayed."""
SAMPLED, SURPLUS = 16, 1.25
"""The newest interactions are found by every SAMPLED-th timestamp, among SURPLUS times as many as are wanted."""
SHORTEST = 182 * 86_400
"""Least span, in seconds, that half-lives are shares of, so that nothing decays within a day."""
STOPS = 60
"""Times at which the counts are taken for training: about a week apart in a year."""
SHARE_STOPS, SHARE_LISTS = 24, 1200
"""Times at which counts are taken to fit the mixture, of which the later half is used, and most baskets of the fit."""
SHARE_PRIOR, ROUNDS = 10.0, 40
"""Baskets that the usual shares are worth, and rounds of expectation and maximization."""
LISTS = 3000
"""First baskets, the newest, that the ranker learns from."""
HELD_OUT = 0.15
"""Share of them, the newest, that decide only how many trees to keep."""


class Timeline:
    """Interactions in the order of time, with the metadata and context values of each."""

    def __init__(self, rows: Rows, codes: tuple[Ints, Ints], spans: Ints, of_context: int) -> None:
        """`codes`: (row, code) pairs; `spans`: those of each column, the last `of_context` of which are context."""
        order = _by_time(rows)[-NEWEST:]
        first = rows.first_of_user()
        begin = np.full(int(np.max(rows.user)) + 1, np.iinfo(np.int64).max)
        begin[rows.user[first]] = rows.time[first]
        self.time, self.item, self.user = rows.time[order], rows.item[order], rows.user[order]
        self.first = self.time == begin[self.user]
        self.span, self._of_context = max(span(rows.time), SHORTEST), of_context
        row_by_time = np.full(len(rows), -1, np.int32)
        row_by_time[order] = np.arange(len(order))
        row, code = row_by_time[codes[0]], codes[1]
        by_row = np.flatnonzero(row >= 0)
        by_row = by_row[np.argsort(row[by_row], kind="stable")]
        self._row, self._code, self._spans = row[by_row].astype(np.int64), code[by_row], spans

    def start(self, lifted: int, created: Floats) -> GroupPopularity:
        """Return counts before the first interaction."""
        return GroupPopularity.empty(float(self.time[0]), lifted, created, self._spans, self._of_context)

    @property
    def begins(self) -> Mask:
        """[rows] whether a row is the first of its basket."""
        order = np.lexsort((self.time, self.user))
        first = np.ones(len(order), bool)
        first[1:] = (np.diff(self.user[order]) != 0) | (np.diff(self.time[order]) != 0)
        begins = np.zeros(len(order), bool)
        begins[order[first]] = True
        return begins

    def taken(self, row: int) -> Ints:
        """Return the items of the basket that begins with a row."""
        end = int(np.searchsorted(self.time, self.time[row], side="right"))
        return np.unique(self.item[row:end][self.user[row:end] == self.user[row]])

    def codes(self, row: int) -> list[int]:
        """Return the values of one interaction."""
        a, b = np.searchsorted(self._row, [row, row + 1]).tolist()
        codes: list[int] = self._code[a:b].tolist()
        return codes

    def moved(self, counts: GroupPopularity, start: int, stop: int, now: float) -> GroupPopularity:
        """Return the counts with interactions `start` to `stop` added, decayed to a later time."""
        item, age, passed = self.item[start:stop], now - self.time[start:stop], now - counts.time
        first, items = self.first[start:stop], len(counts.total)
        whole, firsts = [], []
        for number, half in enumerate(HALF_LIVES):
            decay, weight = 0.5 ** (passed / (half * self.span)), 0.5 ** (age / (half * self.span))
            whole.append(decay * counts.whole[number] + np.bincount(item, weight, minlength=items))
            firsts.append(decay * counts.first[number] + np.bincount(item, weight * first, minlength=items))
        groups, recent = self._grouped(counts, (start, stop), now)
        total, year = counts.total + np.bincount(item, minlength=items), np.zeros(items)
        for weeks in seasons.a_year_ago(int(now), int(self.time[0])):
            year += np.bincount(self.item[slice(*np.searchsorted(self.time[:stop], weeks))], minlength=items)
        decayed = {"whole": np.stack(whole), "first": np.stack(firsts)}
        return replace(counts, time=now, **decayed, total=total, year=year, groups=groups, recent=recent)

    def _grouped(
        self, counts: GroupPopularity, rows: tuple[int, int], now: float
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        a, b = np.searchsorted(self._row, rows).tolist()
        width, size = counts.groups.shape[1], counts.groups.size
        some = np.flatnonzero(self.item[self._row[a:b]] < width) + a
        row, cell = self._row[some], self._code[some] * width + self.item[self._row[some]]
        half = HALF_LIVES[RECENT] * self.span
        weight = 0.5 ** ((now - self.time[row]) / half)
        added, new = (np.bincount(cell, w, minlength=size).reshape(counts.groups.shape) for w in (None, weight))
        recent = 0.5 ** ((now - counts.time) / half) * counts.recent + new
        return (counts.groups + added).astype(np.float32), recent.astype(np.float32)


def _by_time(rows: Rows) -> Ints:
    """Return the order of the rows by time; of many only of the newest, NEWEST or somewhat more."""
    sample = rows.time[::SAMPLED]
    newest = min(int(SURPLUS * NEWEST) // SAMPLED, len(sample))
    some = np.flatnonzero(rows.time >= np.partition(sample, -newest)[-newest])
    if len(some) < min(NEWEST, len(rows)):
        some = np.arange(len(rows))
    return some[np.argsort(rows.time[some], kind="stable")]


def row_codes(rows: Rows, of_user: tuple[Ints, Ints], of_row: tuple[Ints, Ints], shift: int) -> tuple[Ints, Ints]:
    """Return (row, code) pairs from pairs (user, code) by user and (row, code) by row; the latter's codes shifted."""
    user, code = of_user
    if not len(user):
        return of_row[0], of_row[1] + shift
    start = np.searchsorted(user, np.arange(int(np.max(rows.user)) + 2))
    low, high = start[rows.user], start[1:][rows.user]
    row = np.repeat(np.arange(len(rows)), high - low)
    return np.concatenate((row, of_row[0])), np.concatenate((code[spans(low, high)[1]], of_row[1] + shift))


@dataclass(frozen=True, slots=True)
class Shares:
    """The weight of each kind of popularity in the answer to newcomers; see GroupPopularity."""

    strangers: tuple[float, ...] = STRANGERS
    with_metadata: tuple[float, ...] = GROUPS

    def start(self, counts: GroupPopularity) -> GroupPopularity:
        return replace(counts, strangers=np.array(self.strangers), with_metadata=np.array(self.with_metadata))


USUAL = Shares()
"""The shares where none could be learned."""


def at_the_end(timeline: Timeline, lifted: int, created: Floats, shares: Shares = USUAL) -> GroupPopularity:
    """Return the counts of everything, a second after the newest interaction."""
    start = shares.start(timeline.start(lifted, created))
    return timeline.moved(start, 0, len(timeline.time), float(timeline.time[-1]) + 1.0)


def fit_shares(timeline: Timeline, lifted: int, created: Floats) -> Shares:
    """Fit the shares to first baskets of users who came in the later half; to any later baskets if too few users came.

    The most likely mixture, by expectation and maximization (Jelinek and Mercer 1980), shrunk towards the usual one.
    """
    firsts = _firsts(timeline)
    stops = np.linspace(float(timeline.time[0]), float(timeline.time[-1]), SHARE_STOPS + 1)[SHARE_STOPS // 2 :]
    late = firsts[timeline.time[firsts] >= stops[0]]
    if len(late) < MIN_LISTS:
        begins = np.flatnonzero(timeline.begins)
        late = begins[timeline.time[begins] >= stops[0]]
        late = np.sort(np.random.default_rng(19).permutation(late)[:SHARE_LISTS])
    late = late[-SHARE_LISTS:]
    if len(late) < MIN_LISTS:
        return USUAL
    by_source, weights, told = [], [], []
    for counts, rows in _by_stop(timeline, timeline.start(lifted, created), stops, late):
        for row in rows:
            wanted, codes = timeline.taken(row), timeline.codes(row)
            by_source.append(counts.by_source(codes, wanted).T)
            weights.append(np.full(len(wanted), 1.0 / len(wanted)))
            told.append(np.full(len(wanted), bool(codes)))
    if not by_source:
        return USUAL
    chances, weight, some = np.concatenate(by_source), np.concatenate(weights), np.concatenate(told)
    strangers = _most_likely(chances[:, :SOURCES], weight, STRANGERS)
    if weight[some].sum() < MIN_LISTS:
        return Shares(strangers)
    return Shares(strangers, _most_likely(chances[some], weight[some], GROUPS))


def _most_likely(chances: Floats, weight: Floats, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Return the shares of the mixture that makes what was taken most likely; `chances` [taken, sources]."""
    shares = np.full(len(usual), 1.0 / len(usual))
    for _ in range(ROUNDS):
        part = chances * shares
        part *= (weight / np.maximum(part.sum(axis=1), 1e-300))[:, None]
        shares = part.sum(axis=0) + SHARE_PRIOR * np.array(usual)
        shares /= shares.sum()
    shares[shares < LEAST_SHARE] = 0.0
    return tuple((shares / shares.sum()).tolist())


def fit_ranker(timeline: Timeline, lifted: int, created: Floats, shares: Shares) -> Trees | None:
    """Fit trees that correct the counted order for users without a history; None if they find nothing to correct."""
    lists = list(_lists(timeline, shares.start(timeline.start(lifted, created))))
    return cross_fit(lists, np.arange(len(lists)) * FOLDS // max(len(lists), 1), even=True).trees


def _firsts(timeline: Timeline) -> Ints:
    """[users] the first row of each user's first basket, oldest first."""
    firsts = np.flatnonzero(timeline.first)
    _, first_of_user = np.unique(timeline.user[firsts], return_index=True)
    return np.sort(firsts[first_of_user])


def _by_stop(
    timeline: Timeline, counts: GroupPopularity, stops: Floats, rows: Ints
) -> Iterator[tuple[GroupPopularity, list[int]]]:
    """Yield the counts at each stop, and the rows between it and the next one."""
    done = 0
    for now, until in pairwise(stops):
        ready = int(np.searchsorted(timeline.time, now))
        counts, done = timeline.moved(counts, done, ready, float(now)), ready
        yield counts, rows[(timeline.time[rows] >= now) & (timeline.time[rows] < until)].tolist()


def _lists(timeline: Timeline, start: GroupPopularity) -> Iterator[TrainingList]:
    """Make the list of each first basket, oldest first, by the counts of the last stop before it."""
    firsts = _firsts(timeline)[-LISTS:]
    if len(firsts) < MIN_LISTS:
        return
    stops = np.linspace(float(timeline.time[0]), float(timeline.time[-1]), STOPS + 1)[1:]
    if timeline.time[firsts[-MIN_LISTS:][0]] < stops[STOPS // 2]:
        return  # hardly any new users since: the first ones do not show what new users take now
    firsts = firsts[timeline.time[firsts] > stops[0]]
    if len(firsts) < MIN_LISTS:
        return
    for counts, rows in _by_stop(timeline, start, stops, firsts):
        for row in rows:
            wanted, codes = timeline.taken(row), timeline.codes(row)
            scores = counts.base(codes)
            candidates = counts.candidates(scores)
            hit = np.isin(candidates, wanted)
            features = counts.features(codes, candidates, scores)
            yield TrainingList(features, offset(scores[candidates]), hit, len(wanted) - int(hit.sum()))
